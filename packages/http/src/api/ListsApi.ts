/** Lists across locks, beyond the published contract. Imports nothing of a server. */
import {
  ATTENTION,
  type AttentionKind,
  attentionFields,
  attentionFlaw,
  BATTERIES,
  LockId,
  locksFields,
  locksFlaw,
  WEBHOOK_ATTENTION
} from "@latchkey/core"
import { Schema, SchemaTransformation } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { positive, severalOf } from "./Parts.ts"
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

const LockNumber = positive("a positive integer").pipe(Schema.decodeTo(LockId))
const MOST_IDS = 100

const locks = HttpApiEndpoint.get("locks", "/locks", {
  query: Schema.Struct({
    ...locksFields,
    ids: Schema.optionalKey(severalOf(LockNumber, MOST_IDS, "numbers of locks with commas between")),
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
})

const item = {
  since: Schema.String,
  /** What to do. */
  advice: Schema.String
}

const attentionItems = HttpApiEndpoint.get("attention", "/attention", {
  query: Schema.Struct({
    ...attentionFields,
    limit: Schema.optionalKey(positive("a number of locks").pipe(Schema.decodeTo(attentionFields.limit.schema)))
  }).check(attentionFlaw),
  success: Schema.Struct({
    items: Schema.Array(
      Schema.Union([
        Schema.Struct({
          kind: Schema.Literals(ATTENTION),
          ...item,
          lockId: Schema.Int,
          /** What the lock is called. */
          name: text,
          /** The keys that it is about, so many of them as are named. */
          keys: Schema.optionalKey(
            Schema.Array(
              Schema.Struct({
                keyUuid: Schema.String,
                keyIndexNumber: Schema.optionalKey(Schema.Int),
                since: Schema.String,
                /** Why it failed: the lock said so, or it has not answered for a day. */
                reason: Schema.optionalKey(Schema.Literals(["failed", "silent"]))
              })
            )
          ),
          /** How many keys it is about. */
          keysCount: Schema.optionalKey(Schema.Int)
        }),
        Schema.Struct({
          kind: Schema.Literals(WEBHOOK_ATTENTION),
          ...item,
          webhookId: Schema.String,
          url: Schema.String,
          /** Why it is disabled. */
          reason: text
        })
      ])
    ),
    /** Where to go on; `null`: this was all. */
    nextCursor: Schema.NullOr(Schema.String)
  }),
  error: errors
})

const count = Schema.Int
const overview = HttpApiEndpoint.get("overview", "/overview", {
  query: Schema.Struct({}),
  success: Schema.Struct({
    locks: count,
    /** Whose device is connected, as it was told last. */
    online: count,
    battery: Schema.Record(Schema.Literals(BATTERIES), count),
    /** Locks that need somebody, by what for; wrong PINs are counted up to 1,000. */
    attention: Schema.Record(Schema.Literals(ATTENTION), count),
    /** Webhooks that need somebody, to those who manage them. */
    webhooks: Schema.optionalKey(Schema.Struct({ failing: count, disabled: count })),
    /** Events of the log that these numbers do not know yet; `null` while nobody can tell. */
    lag: Schema.NullOr(count)
  }),
  error: errors
})

export const lists = HttpApiGroup.make("lists").add(locks, attentionItems, overview)
