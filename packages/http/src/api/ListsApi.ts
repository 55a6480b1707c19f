/** Lists across locks, beyond the published contract. Imports nothing of a server. */
import { ATTENTION, type AttentionKind, BATTERIES, locksFields, locksFlaw } from "@latchkey/core"
import { Schema, SchemaTransformation } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { ClosedQuery, positive } from "./Parts.ts"
import { problem } from "./Problem.ts"

const text = Schema.optionalKey(Schema.String)
const errors = [problem(400), problem(403), problem(500), problem(503)] as const

const flag = Schema.Literals(["true", "false"]).pipe(
  Schema.decodeTo(
    Schema.Boolean,
    SchemaTransformation.transform({
      decode: (flag) => flag === "true",
      encode: (isSo): "true" | "false" => (isSo ? "true" : "false")
    })
  )
)

/** `true`, `false`, or for what. */
const attention = Schema.Literals(["true", "false", ...ATTENTION]).pipe(
  Schema.decodeTo(
    Schema.toType(locksFields.attention.schema),
    SchemaTransformation.transform({
      decode: (given): boolean | AttentionKind => (given === "true" || given === "false" ? given === "true" : given),
      encode: (asked) => (asked === true ? "true" : asked === false ? "false" : asked)
    })
  )
)

const locks = HttpApiEndpoint.get("locks", "/locks", {
  query: Schema.Struct({
    ...locksFields,
    online: Schema.optionalKey(flag),
    attention: Schema.optionalKey(attention),
    limit: Schema.optionalKey(positive("a number of locks").pipe(Schema.decodeTo(locksFields.limit.schema)))
  }).check(locksFlaw),
  success: Schema.Struct({
    locks: Schema.Array(
      Schema.Struct({
        lockId: Schema.Int,
        /** Of its hardware. */
        uuid: Schema.String,
        name: text,
        address: text,
        timeZone: text,
        ownerId: text,
        organizationId: text,
        serialNumber: text,
        /** Whether the device is connected now; in doubt it is not. */
        online: Schema.Boolean,
        battery: Schema.Literals(BATTERIES),
        /** In percent. */
        batteryLevel: Schema.optionalKey(Schema.Int),
        /** What it needs somebody for. */
        attention: Schema.Array(Schema.Literals(ATTENTION)),
        /** When it was last opened, in the caller's own time. */
        lastOpenedAt: text,
        lastEvent: Schema.String,
        lastUpdated: Schema.String
      })
    ),
    /** Where to go on; `null`: this was all. A page may hold fewer locks than asked for, even none, and go on. */
    nextCursor: Schema.NullOr(Schema.String)
  }),
  error: errors
}).annotate(ClosedQuery, true)

export const lists = HttpApiGroup.make("lists").add(locks)
