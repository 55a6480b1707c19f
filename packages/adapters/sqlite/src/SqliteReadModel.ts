/** The read model's rows, a table for each of core's, and beside it one for what they are listed under in each index. */
import type { FoundRow, ReadModel } from "@latchkey/core"
import { cursorOf, type ReadModelFile } from "./ReadModelFile.ts"

export const make = ({ attempt, transaction }: ReadModelFile): ReadModel["Service"] => ({
  source: "sqlite",

  cursor: attempt(cursorOf),

  apply: ({ after, cursor, put, remove, list, unlist }) =>
    transaction(({ moveCursor, rows, listings }) => {
      const { format, position, eventId } = cursor
      const moved = moveCursor.run(format, position, eventId, after.format, after.position, after.eventId)
      if (moved.changes === 0) return false
      for (const some of runs(put)) rows.make(some[0].table).put(some.flatMap(({ key, value }) => [key, value]))
      for (const { table, key } of remove) rows.make(table).remove.run(key)
      for (const some of runs(unlist)) {
        const { unlist } = listings.make(some[0].table, some[0].index)
        for (const { key, value } of some) unlist.run(value, key)
      }
      for (const some of runs(list)) {
        rows.make(some[0].table)
        listings.make(some[0].table, some[0].index).list(some.flatMap(({ key, value }) => [value, key]))
      }
      return true
    }),

  get: (table, keys) =>
    attempt(({ rows }) => {
      const found = rows.find(table)
      const [key] = keys
      if (found === undefined || key === undefined) return []
      return asRows(keys.length === 1 ? found.getOne.all(key) : found.get.all(JSON.stringify(keys)))
    }),

  find: (table, index, value, after, limit) =>
    attempt(({ listings }) => asRows(listings.find(table, index)?.find.all(value, after, limit) ?? [])),

  reset: transaction(({ forgetCursor, forgetRows }) => {
    forgetRows()
    forgetCursor.run()
  })
})

/** Neighbours that are in the same table or index, which core keeps together: one statement writes several of them. */
const runs = <A extends { readonly table: string; readonly index?: string }>(items: ReadonlyArray<A>) => {
  const runs: Array<[A, ...Array<A>]> = []
  for (const item of items) {
    const run = runs.at(-1)
    if (run !== undefined && run[0].table === item.table && run[0].index === item.index) run.push(item)
    else runs.push([item])
  }
  return runs
}

const asRows = (rows: ReadonlyArray<unknown>) => rows as ReadonlyArray<FoundRow>
