/** Reading in pages: each reads what lies between two near places, and ends before it grows too big to send. */
import { Range } from "spacetimedb/server"
import { rowsAfter, type Scan } from "./milestones.ts"

/** Rows that are looked at in one go, about. */
const PART = 500
/** Characters of text after which a page ends. */
const PAGE_SIZE = 1_000_000

/** Rows behind a place, in order, however far apart they lie. */
export function* sparse<Place, Row>(
  after: Place,
  wanted: number,
  scan: Scan<Place, Row>,
  placeOf: (row: Row) => Place
): Iterable<Row> {
  let reached = after
  while (true) {
    const rows = rowsAfter(reached, Math.min(wanted, PART), scan, placeOf)
    const last = rows.at(-1)
    if (last === undefined) return
    yield* rows
    reached = placeOf(last)
  }
}

/** Rows until there is no room for more. */
export class Page<Row> {
  readonly rows: Array<Row> = []
  readonly #most: number
  #size = 0

  constructor(most: number) {
    this.#most = most
  }

  get hasRoom(): boolean {
    return this.rows.length < this.#most && this.#size < PAGE_SIZE
  }

  add(row: Row, size: number): void {
    this.rows.push(row)
    this.#size += size
  }
}

export const between = <A>(from: A, to: A): Range<A> =>
  new Range({ tag: "included", value: from }, { tag: "included", value: to })

export const behind = <A>(after: A, to: A | undefined): Range<A> =>
  new Range({ tag: "excluded", value: after }, to === undefined ? null : { tag: "included", value: to })
