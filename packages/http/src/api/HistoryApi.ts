/** The history of a lock: who did what, with which key, at which door. Imports nothing of a server. */
import {
  closest,
  eventTypes,
  historyFields,
  historyFlaw,
  Instant,
  instantOf,
  type LockEventType,
  millisOf,
  OpenedVia
} from "@latchkey/core"
import { Schema, SchemaTransformation } from "effect"
import { HttpApiEndpoint, HttpApiSchema } from "effect/http-api"
import { lock, positive } from "./Parts.ts"
import { problem } from "./Problem.ts"

const text = Schema.optionalKey(Schema.String)

/** Who did something. Of an organization or the operator `keyId` is the API key that they came with, which is no secret. */
export const PrincipalInfo = Schema.Struct({ type: Schema.String, userId: text, orgId: text, keyId: text })

const unwrapped = <S extends Schema.Top>(field: Schema.optionalKey<S>): S => field.schema

/** `types=KeyAdded,KeyRemoved`, or one after the other. */
const types = Schema.Array(Schema.String)
  .check(
    Schema.makeFilter((given) => {
      const unknown = listed(given).find((type) => !eventTypes.some((known) => known === type))
      return (
        unknown === undefined ||
        `must be types of events. Did you mean ${closest(unknown, eventTypes) ?? eventTypes.join(", ")}?`
      )
    })
  )
  .pipe(
    Schema.decodeTo(
      Schema.toType(unwrapped(historyFields.types)),
      SchemaTransformation.transform({
        decode: (given): ReadonlyArray<LockEventType> => eventTypes.filter((type) => listed(given).includes(type)),
        encode: (types) => types.slice()
      })
    )
  )

const listed = (given: ReadonlyArray<string>): ReadonlyArray<string> => given.flatMap((some) => some.split(","))

const instant = Instant.pipe(
  Schema.decodeTo(
    Schema.toType(unwrapped(historyFields.from)),
    SchemaTransformation.transform({ decode: millisOf, encode: instantOf })
  )
)

const HistoryQuery = Schema.Struct({
  ...historyFields,
  page: Schema.optionalKey(positive("a page number, from 1").pipe(Schema.decodeTo(unwrapped(historyFields.page)))),
  limit: Schema.optionalKey(positive("a number of events").pipe(Schema.decodeTo(unwrapped(historyFields.limit)))),
  types: Schema.optionalKey(types),
  from: Schema.optionalKey(instant),
  to: Schema.optionalKey(instant)
}).check(historyFlaw)

export const events = HttpApiEndpoint.get("events", "/locks/:id/events", {
  params: lock,
  query: HistoryQuery,
  success: Schema.Struct({
    aggregateId: Schema.String,
    totalEvents: Schema.Int,
    page: Schema.Int,
    pageSize: Schema.Int,
    totalPages: Schema.Int,
    events: Schema.Array(
      Schema.Struct({
        aggregateType: Schema.Literal("lock"),
        aggregateId: Schema.String,
        version: Schema.Int,
        eventId: Schema.String,
        type: Schema.String,
        timestamp: Schema.String,
        orgId: Schema.String,
        principal: PrincipalInfo,
        /** What the lock was opened with. */
        via: Schema.optionalKey(OpenedVia),
        /** What the temp key is called that it is about, or that opened: no secret, as its link is. */
        tempKeyId: text,
        /** Which door of the temp key was opened. */
        door: Schema.optionalKey(Schema.Int),
        event: Schema.optionalKey(Schema.Struct({ type: Schema.String, data: Schema.Unknown }))
      })
    ),
    /** Where to go on; `null`: this was all. */
    nextCursor: Schema.NullOr(Schema.String)
  }),
  error: [problem(400), problem(403), problem(404), problem(500), problem(503)]
})

const audit = <const Path extends string>(path: Path, contentType: string) =>
  HttpApiEndpoint.get(path, `/locks/:id/${path}`, {
    params: lock,
    query: {
      /** Only versions after this one. */
      after: Schema.optionalKey(
        Schema.String.check(Schema.isPattern(/^[0-9]{1,15}$/u, { expected: "a version" })).pipe(
          Schema.decodeTo(Schema.NumberFromString)
        )
      )
    },
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType })),
    error: [problem(400), problem(403), problem(404), problem(500), problem(503)]
  })

/** The whole history for a dispute: one row for each version, as it is read. */
export const auditCsv = audit("audit.csv", "text/csv; charset=utf-8")
export const auditNdjson = audit("audit.ndjson", "application/x-ndjson")
