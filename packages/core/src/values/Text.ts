/** Text that every store and every device can keep as it is. */
import { Schema } from "effect"

/** Well-formed Unicode without NUL: PostgreSQL cannot keep U+0000, and UTF-8 cannot carry half a surrogate pair. */
export const Text = Schema.String.check(
  Schema.makeFilter(
    (value) => (value.isWellFormed() && !value.includes("\0")) || "must be Unicode text without NUL characters",
    {
      expected: "Unicode text without NUL characters"
    }
  )
)

/** Text of at most so many characters, counted as JSON Schema counts them: by code points, not by UTF-16 units. */
export const textUpTo = (most: number) =>
  Text.check(Schema.isPattern(new RegExp(`^[\\s\\S]{0,${most}}$`, "u"), { expected: `at most ${most} characters` }))

/** Whether something can be called so: nothing longer is an id, and no store keeps what is no text. */
export const isId = (text: string): boolean => text !== "" && text.length <= 255 && Schema.is(Text)(text)

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/u

/** Whether a text is a UUID, in whichever case. */
export const isUuid = (text: string): boolean => UUID.test(text)

/** A UUID as its owner wrote it. */
export const UuidText = Schema.String.check(Schema.isPattern(UUID, { expected: "a UUID", format: "uuid" }))

const UTC_INSTANT =
  /^(?:(?:\d\d[2468][048]|\d\d[13579][26]|\d\d0[48]|[02468][048]00|[13579][26]00)-02-29|\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|(?:02)-(?:0[1-9]|1\d|2[0-8])))T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?Z$/u

/** An instant in UTC as RFC 3339 writes it, the seconds optional: `2026-08-31T09:00Z`. */
export const Instant = Schema.String.check(
  Schema.isPattern(UTC_INSTANT, { expected: "a UTC date-time such as 2026-08-31T09:00:00Z", format: "date-time" })
)

const DATE_TIME = new RegExp(UTC_INSTANT.source.replace(/Z\$$/, String.raw`(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`), "u")

/** A date-time as RFC 3339 writes it, in UTC or with an offset from it; the seconds are optional. */
export const DateTime = Schema.String.check(
  Schema.isPattern(DATE_TIME, {
    expected: "a date-time such as 2026-08-31T09:00:00Z or 2026-08-31T12:00:00+03:00",
    format: "date-time"
  })
)

/** The instant as epoch milliseconds. */
export const millisOf = (instant: string): number =>
  // Mostly the time of an event that was decided a moment ago.
  instant === lastInstant.text ? lastInstant.millis : Date.parse(instant)

/**
 * An instant at which a window begins or ends, as epoch milliseconds. Anyone who uses a key asks for both, and to read them
 * costs more than the rest of the decision: so they are remembered.
 */
export const edgeOf = (instant: string): number => {
  const known = edges.get(instant)
  if (known !== undefined) return known
  const edge = Date.parse(instant)
  if (instant.length > LONGEST_EDGE) return edge
  if (edges.size === MOST_EDGES) edges.clear()
  edges.set(instant, edge)
  return edge
}

const edges = new Map<string, number>()
/** With these bounds they take about a megabyte at most. */
const MOST_EDGES = 10_000
const LONGEST_EDGE = "2026-08-31T09:00:00.000Z".length

/** Epoch milliseconds as an instant. */
export const instantOf = (millis: number): string => {
  // Under load many commands have the same millisecond, and to write it down costs as much as deciding one of them.
  if (millis !== lastInstant.millis) {
    lastInstant = { millis: Math.trunc(millis), text: new Date(millis).toISOString() }
  }
  return lastInstant.text
}

let lastInstant = { millis: 0, text: new Date(0).toISOString() }
