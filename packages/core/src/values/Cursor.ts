/** How the answer to a list says where to go on: callers hand it back as it is, and only the list that gave it reads it. */
import { Schema } from "effect"
import { Base64Url } from "effect/encoding"

/**
 * The cursors of a list.
 *
 * @param write a place in the list as text
 * @param read the place that such a text names; `undefined` for any other text
 */
export const cursors = <Place>(write: (place: Place) => string, read: (text: string) => Place | undefined) => {
  const cursorAt = (place: Place): string => Base64Url.encode(write(place))
  const placeIn = (cursor: string): Place | undefined => {
    const text = Base64Url.decodeString(cursor)
    const place = text._tag === "Success" ? read(text.success) : undefined
    // What others write in another way is not ours.
    return place !== undefined && cursorAt(place) === cursor ? place : undefined
  }
  return {
    cursorAt,
    /** The place that a cursor names; `undefined` for what is not a cursor of this list. */
    placeIn,
    /** As a field of a question. */
    Cursor: Schema.String.check(
      Schema.makeFilter((cursor) => placeIn(cursor) !== undefined || "must be the nextCursor of an answer", {
        expected: "the nextCursor of an answer"
      })
    )
  }
}
