/**
 * A stored event as one line of JSON: what an export is made of. The same event is always the same line; the first one
 * of a log also says that a last line will come, which tells how many events there were and what they read like.
 */
import { EventNames, Millis, Principal, type StoredEvent } from "@latchkey/core"
import { Option, Result, Schema, SchemaIssue } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThan(0))
const isSomething = Schema.isMinLength(1)

/** Of the exports that have a last line. */
const FORMAT = 2

/** What was parsed from JSON holds nothing but JSON: to look through all of it again would cost more than all else. */
const isObject = (data: unknown): data is Schema.JsonObject =>
  typeof data === "object" && data !== null && !Array.isArray(data)

const Envelope = Schema.Struct({
  format: Schema.optionalKey(Schema.Literal(FORMAT)),
  position: Count,
  streamId: EventNames.streamId.check(isSomething),
  version: Count,
  eventId: EventNames.eventId.check(isSomething),
  type: EventNames.type.check(isSomething),
  data: Schema.Unknown,
  at: Millis,
  orgId: EventNames.orgId,
  principal: Principal,
  commandId: EventNames.commandId,
  acceptedAt: Schema.optionalKey(Millis)
})

/** The last line of an export. */
const Seal = Schema.Struct({
  events: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** How many of them have the id of an earlier one, if any: logs of the first edition hold such, and keep them. */
  doubles: Schema.optionalKey(Count),
  /** Of all bytes before this line, in hex. */
  sha256: Schema.String
})
export type Seal = typeof Seal.Type

/** What a line says. */
export type Line =
  | { readonly _tag: "Event"; readonly event: StoredEvent; readonly isSealed: boolean }
  | { readonly _tag: "Seal"; readonly seal: Seal }

/** The line without its end. */
export const encodeLine = (event: StoredEvent): string => {
  const { position, streamId, version, eventId, type, data, at, orgId, principal, commandId, acceptedAt } = event
  return JSON.stringify({
    ...(position === 1 && { format: FORMAT }),
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

export const encodeSeal = ({ events, doubles = 0, sha256 }: Seal): string =>
  JSON.stringify({ events, ...(doubles > 0 && { doubles }), sha256 })

/** What the line says, or what is wrong with it. A field that nobody knows is wrong: it could not be kept. */
export const decodeLine = (line: string): Result.Result<Line, string> => {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    return Result.fail("not JSON")
  }
  // Only the last line has a digest: each of the others would be looked at twice.
  if (isObject(json) && "sha256" in json && isSeal(json)) return Result.succeed({ _tag: "Seal", seal: json })
  if (!isEnvelope(json)) {
    const decoded = decode(json)
    return Result.fail(Result.isFailure(decoded) ? explain(decoded.failure.issue) : "data: Expected an object")
  }
  // What was parsed is kept, not the copy that the decoder makes: it is certain to be written as it was read.
  if (json.format === undefined) return Result.succeed({ _tag: "Event", event: json, isSealed: false })
  const { format: _, ...event } = json
  return Result.succeed({ _tag: "Event", event, isSealed: true })
}

const isSeal = Schema.is(Seal)
const strict = { onExcessProperty: "error" } as const
const decode = Schema.decodeUnknownResult(Envelope, strict)

const fields: ReadonlySet<string> = new Set(Object.keys(Envelope.fields))
const hasKnownFields = Schema.is(Envelope)
const decodePrincipal = Schema.decodeUnknownOption(Principal, strict)

/** The same as `decode`, in a third of the time: that takes most of its own to look for fields that nobody knows. */
const isEnvelope = (json: unknown): json is StoredEvent & { readonly format?: number } => {
  if (!(hasKnownFields(json) && isObject(json.data))) return false
  for (const field in json) if (!fields.has(field)) return false
  return isPrincipal(json.principal)
}

/** Neighbours mostly have the same principal. */
const isPrincipal = (principal: Principal): boolean => {
  const text = JSON.stringify(principal)
  if (text === knownPrincipal) return true
  if (Option.isNone(decodePrincipal(principal))) return false
  knownPrincipal = text
  return true
}
let knownPrincipal = ""

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()
const explain = (issue: SchemaIssue.Issue): string =>
  issuesOf(issue)
    .issues.map(({ path = [], message }) => [...path.map(String), message].join(": "))
    .join(", ")
