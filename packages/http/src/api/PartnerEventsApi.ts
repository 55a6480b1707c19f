/** The events of an organization, to pull and to follow: declared as `contract/partners.json` publishes them. */
import { LiveType, tellingFields } from "@latchkey/core"
import { Schema, SchemaGetter } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { lock, whole } from "./Parts.ts"
import { problem } from "./Problem.ts"

const errors = [problem(400), problem(403), problem(500), problem(503)] as const

/** More than there are: of what is longer, all would be told that is wrong with it. */
const MOST_TYPES = 100

const listOf = <Type extends Schema.Codec<string>>(types: Schema.$Array<Type>) =>
  Schema.String.pipe(
    Schema.decodeTo(types.check(Schema.isMaxLength(MOST_TYPES, { expected: `at most ${MOST_TYPES} types` })), {
      decode: SchemaGetter.transform((text: string) => text.split(",", MOST_TYPES + 1).map((type) => type.trim())),
      encode: SchemaGetter.transform((types: ReadonlyArray<string>) => types.join(","))
    })
  )
const Types = listOf(tellingFields.types.schema)
/** Updates of shadows are told to those who follow. */
const LiveTypes = listOf(Schema.Array(LiveType))

/** Where to begin, and what to leave out. */
const about = {
  ...tellingFields,
  /** Separated by commas. */
  types: Schema.optionalKey(Types),
  lockId: Schema.optionalKey(lock.id)
}

/** What a partner receives for one event. */
const PartnerEvent = Schema.Struct({
  id: Schema.String,
  source: Schema.String,
  "detail-type": Schema.String,
  time: Schema.String,
  region: Schema.String,
  account: Schema.String,
  version: Schema.Literal("0"),
  resources: Schema.Array(Schema.String),
  detail: Schema.Struct({
    partnerId: Schema.String,
    aggregateType: Schema.Literals(["lock", "temp-key", "webhook", "api-key", "thing"]),
    aggregateId: Schema.String,
    version: Schema.Int,
    timestamp: Schema.Int,
    cursor: Schema.String,
    data: Schema.StructWithRest(Schema.Struct({ type: Schema.String }), [Schema.Record(Schema.String, Schema.Unknown)])
  })
}).annotate({ identifier: "PartnerEvent" })

export const partnerEvents = HttpApiGroup.make("events").add(
  HttpApiEndpoint.get("events", "/events", {
    query: {
      ...about,
      /** 100 unless given. */
      limit: Schema.optionalKey(whole(1, 1_000)),
      /** Seconds to wait for the first event. */
      wait: Schema.optionalKey(whole(0, 30))
    },
    success: Schema.Struct({
      events: Schema.Array(PartnerEvent),
      nextCursor: Schema.String,
      more: Schema.Boolean
    }),
    error: errors
  }),
  HttpApiEndpoint.get("stream", "/events/stream", {
    query: { ...about, types: Schema.optionalKey(LiveTypes) },
    headers: { "last-event-id": Schema.optionalKey(Schema.String) },
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })),
    error: errors
  })
)
