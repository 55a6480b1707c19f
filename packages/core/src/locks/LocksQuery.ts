/** Which locks a list shows, and which page of them. */
import { Schema } from "effect"
import { LockId } from "../lock/Lock.ts"
import { Id } from "../lock/RequestFields.ts"
import { ATTENTION, BATTERIES } from "../read-model/LockConditions.ts"
import { isPlaceOf } from "../read-model/LockList.ts"
import { cursors } from "../values/Cursor.ts"
import { Text } from "../values/Text.ts"

/** Locks on a page, unless it says how many; and the most that it may say. */
export const LOCKS_ON_PAGE = 50
const MOST_ON_PAGE = 200

const ofLocks = cursors<string>(
  (place) => place,
  (text) => (/^[0-9]{16,400}$/.test(text) ? text : undefined)
)
export const { cursorAt: cursorAtLock, placeIn: placeOfLock } = ofLocks

/** The fields of a question about locks. */
export const locksFields = {
  /**
   * What the lock's number or uuid, or a word of its name or address, begins with. Case, accents and punctuation do not
   * matter; several words stand one behind the other. What matches comes in the order of its words. A whole id finds locks
   * too, before all others: of a key, of a user who owns locks or holds keys, or the link of a temp key.
   */
  q: Schema.optionalKey(Text.check(Schema.isMinLength(1), Schema.isMaxLength(200))),
  /** Of these alone, by number. */
  ids: Schema.optionalKey(Schema.Array(LockId).check(Schema.isMaxLength(MOST_ON_PAGE))),
  ownerId: Schema.optionalKey(Id.check(Schema.isMinLength(1))),
  /** Whether the device is there, as it was told last: a minute after it came or went. */
  online: Schema.optionalKey(Schema.Boolean),
  /** Locks that need somebody, those that do not, or for what they do. */
  attention: Schema.optionalKey(Schema.Union([Schema.Boolean, Schema.Literals(ATTENTION)])),
  battery: Schema.optionalKey(Schema.Literals(BATTERIES)),
  /** By number, unless it says name. */
  sort: Schema.optionalKey(Schema.Literals(["number", "name"])),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(MOST_ON_PAGE))),
  /** The `nextCursor` of the answer before, to the same question. */
  after: Schema.optionalKey(ofLocks.Cursor)
}

/** What contradicts itself in a question. */
export const locksFlaw = Schema.makeFilter(({ after, limit: _, ...filter }: Schema.Struct.Type<typeof locksFields>) => {
  if (filter.q !== undefined && filter.sort !== undefined)
    return { path: ["sort"], issue: "Leave it out: with q, locks come in the order of the words that match" }
  return after !== undefined && !isPlaceOf(filter, placeOfLock(after) ?? "")
    ? { path: ["after"], issue: "Must be the nextCursor of an answer to the same question" }
    : undefined
})

/**
 * A question about locks: all of them, unless it says which.
 *
 * @example
 * ```ts
 * const { locks, nextCursor } = await latchkey.locks(principal, Date.now(), { q: "room 12", online: false })
 * ```
 */
export const LocksQuery = Schema.Struct(locksFields).check(locksFlaw)
export type LocksQuery = typeof LocksQuery.Type
