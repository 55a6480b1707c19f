/**
 * The end of the feed as far as this process has written it, as it was handed to the writer: mostly it is read as soon as
 * it is committed, and to read it back from the file costs more than all else about it.
 */
import { COLUMNS, type WriteRequest } from "./WriteRequest.ts"

/** An event as it is stored. */
export type EventRow = readonly [
  position: number,
  streamId: string,
  version: number,
  eventId: string,
  type: string,
  data: string,
  at: number,
  orgId: string,
  principal: string,
  commandId: string,
  acceptedAt: number | null
]

/** Events that are kept, at least. */
const KEPT = 1_000
/** Characters of an event's data: where it is longer, the feed is read back. */
const LONGEST = 4_096
const DATA = 5

export class OwnCommits {
  /** Neighbours in the feed. */
  #rows: Array<EventRow> = []

  /** A request was carried out, and its last event is at this position of the feed. */
  add([, , append]: WriteRequest, last: number): void {
    let position = last
    for (const { length } of append) position -= (length - 2) / COLUMNS
    if (this.#rows.at(-1)?.[0] !== position) this.#rows = []
    for (const columns of append) {
      let version = columns[1]
      for (let at = 2; at < columns.length; at += COLUMNS) {
        const row = [++position, columns[0], ++version, ...columns.slice(at, at + COLUMNS)] as unknown as EventRow
        if (row[DATA].length > LONGEST) this.#rows = []
        else this.#rows.push(row)
      }
    }
    if (this.#rows.length > 2 * KEPT) this.#rows = this.#rows.slice(-KEPT)
  }

  /** The first of the events after a position, at most `limit` of them: none when they are not kept. */
  after(position: number, limit: number): ReadonlyArray<EventRow> {
    const oldest = this.#rows[0]?.[0]
    if (oldest === undefined || oldest > position + 1) return []
    return this.#rows.slice(position + 1 - oldest, position + 1 - oldest + limit)
  }
}
