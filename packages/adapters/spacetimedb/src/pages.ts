/** What the module answers page by page, as one answer. */
import { Effect } from "effect"
import type { Unavailable } from "./Connection.ts"

/** The largest number that the module takes for a limit. */
const MAX = 2 ** 32 - 1

export interface Page<Row, Place> {
  readonly rows: ReadonlyArray<Row>
  /** Where the next page begins, unless this was the last. */
  readonly next: Place | undefined
}

/** Pages end where they would grow too big to send: asks on until there are `limit` rows, or no more. */
export const pages = Effect.fnUntraced(function* <Row, Place extends string | number, E>(
  limit: number,
  from: Place,
  ask: (after: Place, limit: number) => Effect.Effect<Page<Row, Place>, Unavailable>,
  unavailable: (error: Unavailable) => E
) {
  const rows: Array<Row> = []
  let after: Place | undefined = from
  while (rows.length < limit && after !== undefined) {
    const page: Page<Row, Place> = yield* Effect.mapError(ask(after, Math.min(limit - rows.length, MAX)), unavailable)
    for (const row of page.rows) rows.push(row)
    after = page.next
  }
  return rows
})
