/** A stored event as one line of JSON: what an export is made of. The same event is always the same line. */
import { Principal, type StoredEvent } from "@latchkey/core"
import { Result, Schema, SchemaIssue } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThan(0))
const Id = Schema.NonEmptyString

const Envelope = Schema.Struct({
  position: Count,
  streamId: Id,
  version: Count,
  eventId: Id,
  type: Id,
  data: Schema.JsonObject,
  at: Schema.Int,
  orgId: Schema.String,
  principal: Principal,
  commandId: Schema.String,
  acceptedAt: Schema.optionalKey(Schema.Int)
})

/** The line without its end. */
export const encodeLine = (event: StoredEvent): string => {
  const { position, streamId, version, eventId, type, data, at, orgId, principal, commandId, acceptedAt } = event
  return JSON.stringify({
    position,
    streamId,
    version,
    eventId,
    type,
    data,
    at,
    orgId,
    principal,
    commandId,
    acceptedAt
  })
}

/** The event, or what is wrong with the line. A field that nobody knows is wrong: it could not be kept. */
export const decodeLine = (line: string): Result.Result<StoredEvent, string> =>
  Result.flatMap(parse(line), (json) =>
    // What was parsed is kept, not the copy that the decoder makes: it is certain to be written as it was read.
    Result.mapBoth(decode(json), { onSuccess: () => json as StoredEvent, onFailure: ({ issue }) => explain(issue) })
  )

const parse = (line: string): Result.Result<unknown, string> =>
  Result.try({ try: () => JSON.parse(line), catch: () => "not JSON" })

const decode = Schema.decodeUnknownResult(Envelope, { onExcessProperty: "error" })

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()
const explain = (issue: SchemaIssue.Issue): string =>
  issuesOf(issue)
    .issues.map(({ path = [], message }) => [...path.map(String), message].join(": "))
    .join(", ")
