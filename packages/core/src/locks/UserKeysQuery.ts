/** Which page of the keys that a user holds is asked for. */
import { Schema } from "effect"
import type { HeldKeyName } from "../read-model/Lookups.ts"
import { cursors } from "../values/Cursor.ts"

/** Keys on a page, unless it says how many; and the most that it may say. */
const PAGE_SIZE = 100
const MOST_ON_PAGE = 1_000

const ofKeys = cursors<HeldKeyName>(
  ({ lockId, keyUuid }) => `${lockId}.${keyUuid}`,
  (text) => {
    const [_, lockId, keyUuid] = /^([1-9][0-9]{0,15})\.(.{0,1000})$/su.exec(text) ?? []
    return keyUuid === undefined || !Number.isSafeInteger(Number(lockId))
      ? undefined
      : { lockId: Number(lockId), keyUuid }
  }
)
/** The cursor of the page after a key. */
export const cursorAfter = ofKeys.cursorAt

/** The fields of a question about the keys that a user holds. */
export const userKeysFields = {
  limit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(MOST_ON_PAGE))),
  /** From the answer before, to the same question. */
  cursor: Schema.optionalKey(ofKeys.Cursor)
}

/** Which page is asked for: the first hundred keys, unless it says otherwise. */
export const UserKeysQuery = Schema.Struct(userKeysFields)
export type UserKeysQuery = typeof UserKeysQuery.Type

export const placeOf = ({ limit = PAGE_SIZE, cursor }: UserKeysQuery) => ({
  limit,
  after: cursor === undefined ? undefined : ofKeys.placeIn(cursor)
})
