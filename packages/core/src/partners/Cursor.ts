/** Where somebody is in the feed of an organization, as they are told it: opaque, and good for that feed alone. Pure. */
import { Result, Schema } from "effect"

/** Not a cursor, or that of another feed. */
export class InvalidCursor extends Schema.TaggedError<InvalidCursor>()("InvalidCursor", { field: Schema.String }) {
  override get message() {
    return `${this.field} is not a cursor of this organization's events. Send one that GET /events answered, or leave it out to begin at the start.`
  }
}

/**
 * The cursor behind an event.
 *
 * @param orgId whose feed it is; `*` for all
 */
export const cursorOf = (orgId: string, position: number): string =>
  `${position.toString(36)}.${checkOf(orgId, position)}`

/** The position behind a cursor of this feed. */
export const positionOf = (orgId: string, cursor: string, field = "after"): Result.Result<number, InvalidCursor> => {
  const position = Number.parseInt(CURSOR.exec(cursor)?.[1] ?? "", 36)
  return Number.isSafeInteger(position) && cursorOf(orgId, position) === cursor
    ? Result.succeed(position)
    : Result.fail(new InvalidCursor({ field }))
}

const CURSOR = /^([0-9a-z]{1,11})\.[0-9a-z]{1,7}$/

/** FNV-1a, 32 bits: so that a cursor of one organization is not taken for another's by mistake. Nothing is secret. */
const checkOf = (orgId: string, position: number): string => {
  const text = `${position} ${orgId}`
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    const point = text.codePointAt(at) ?? 0
    // One beyond the first 65,536 is two units long.
    if (point > 0xffff) at++
    hash = Math.imul(hash ^ point, 0x01000193)
  }
  return (hash >>> 0).toString(36)
}
