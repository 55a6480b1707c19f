/** Which page of a lock's temp keys is asked for. */
import { Schema } from "effect"
import { type Lock, tempKeysAfter } from "../lock/Lock.ts"
import { cursors } from "../values/Cursor.ts"
import { type TempKeyNow, tempKeyAt, tempKeysAt } from "./TempKeyNow.ts"

/** Most keys on a page, and as many as there are unless it says how many. */
const MOST_ON_PAGE = 1_000

/** After the key that was made at a version of the lock. */
const ofTempKeys = cursors<number>(String, (text) => (/^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined))

/** The fields of a question about the temp keys of a lock. */
export const tempKeysFields = {
  limit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(MOST_ON_PAGE))),
  /** From the answer before, to the same question. */
  cursor: Schema.optionalKey(ofTempKeys.Cursor)
}

/** Which page is asked for: all keys, as published, unless it says how many, or where to go on. */
export const TempKeysQuery = Schema.Struct(tempKeysFields)
export type TempKeysQuery = typeof TempKeysQuery.Type

/** The keys on the page as they are at `now`, and where to go on if there are more. */
export const tempKeysOn = (
  lock: Lock,
  { limit, cursor }: TempKeysQuery,
  now: number
): { readonly keys: ReadonlyArray<TempKeyNow>; readonly nextCursor: string | undefined } => {
  if (limit === undefined && cursor === undefined) return { keys: tempKeysAt(lock, now), nextCursor: undefined }
  const most = limit ?? MOST_ON_PAGE
  const found = tempKeysAfter(lock, cursor === undefined ? 0 : (ofTempKeys.placeIn(cursor) ?? 0), most + 1)
  const keys = found.slice(0, most).map((key) => tempKeyAt(key, lock, now))
  const last = keys.at(-1)
  return {
    keys,
    nextCursor: found.length > most && last !== undefined ? ofTempKeys.cursorAt(last.createdVersion) : undefined
  }
}
