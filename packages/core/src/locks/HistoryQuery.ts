/** What may be asked of a lock's history, and how an answer says where to go on. */
import { Schema } from "effect"
import { Millis } from "../lock/LockCommand.ts"
import { eventTypes } from "../lock/LockEvent.ts"
import { cursors } from "../values/Cursor.ts"
import { Text } from "../values/Text.ts"

const Order = Schema.Literals(["asc", "desc"])
type Order = typeof Order.Type

/** Events on a page, unless it says how many; and the most that it may say. */
export const PAGE_SIZE = 100
const MOST_ON_PAGE = 1_000

/** Where the next page begins: after a version in one order, before it in the other. `page` counts the pages so far. */
export interface Place {
  readonly order: Order
  readonly version: number
  readonly page: number
}

const ofHistory = cursors<Place>(
  ({ order, version, page }) => `${order}.${version}.${page}`,
  (text) => {
    const [_, order, version, page] = /^(asc|desc)\.([0-9]{1,15})\.([0-9]{1,15})$/.exec(text) ?? []
    return order === undefined ? undefined : { order: order as Order, version: Number(version), page: Number(page) }
  }
)
export const { cursorAt, placeIn } = ofHistory

const Count = Schema.Int.check(Schema.isGreaterThan(0))

/** The fields of a question about a history. */
export const historyFields = {
  /** As published: counted from 1, of the whole history, oldest first. */
  page: Schema.optionalKey(Count),
  /** Only events of these types. */
  types: Schema.optionalKey(Schema.Array(Schema.Literals(eventTypes)).check(Schema.isMinLength(1))),
  /** From this instant on, epoch milliseconds. */
  from: Schema.optionalKey(Millis),
  /** Before this instant, epoch milliseconds. */
  to: Schema.optionalKey(Millis),
  /** The id of who did it: of a user, an organization or an API key; or `guest`, `system`, `super`. */
  actor: Schema.optionalKey(Text.check(Schema.isMinLength(1))),
  /** `asc`, oldest first, unless given; a cursor keeps its own. */
  order: Schema.optionalKey(Order),
  limit: Schema.optionalKey(Count.check(Schema.isLessThanOrEqualTo(MOST_ON_PAGE))),
  /** From the answer before, to the same question. */
  cursor: Schema.optionalKey(ofHistory.Cursor)
}

/** What contradicts itself in a question. */
export const historyFlaw = Schema.makeFilter(
  ({ page, cursor, from, to, order, types, actor }: Schema.Struct.Type<typeof historyFields>) => {
    if (page !== undefined && cursor !== undefined) return { path: ["page"], issue: "A page or a cursor, not both" }
    if (page !== undefined && page > 1 && (types ?? from ?? to ?? order ?? actor) !== undefined)
      return { path: ["page"], issue: "Go on with the nextCursor of the answer: pages are of the whole history" }
    if (from !== undefined && to !== undefined && to <= from) return { path: ["to"], issue: "Must be after from" }
    return cursor !== undefined && order !== undefined && placeIn(cursor)?.order !== order
      ? { path: ["order"], issue: "A cursor keeps the order that it was given in" }
      : undefined
  }
)

/**
 * A question about the history of a lock. Every field may be left out.
 *
 * @example
 * ```ts
 * const { events, nextCursor } = await latchkey.history(principal, 7, { types: ["LockOpenRequested"], order: "desc" })
 * ```
 */
export const HistoryQuery = Schema.Struct(historyFields).check(historyFlaw)
export type HistoryQuery = typeof HistoryQuery.Type
