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
      for (const [table, all] of byTable(put)) rows.make(table).put(all.flatMap(({ key, value }) => [key, value]))
      for (const { table, key } of remove) rows.make(table).remove.run(key)
      for (const { table, key, index, value } of unlist) listings.make(table, index).unlist.run(value, key)
      for (const [table, all] of byTable(list)) {
        rows.make(table)
        for (const [index, some] of Map.groupBy(all, ({ index }) => index))
          listings.make(table, index).list(some.flatMap(({ key, value }) => [value, key]))
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

const byTable = <A extends { readonly table: string }>(items: ReadonlyArray<A>) =>
  Map.groupBy(items, ({ table }) => table)

const asRows = (rows: ReadonlyArray<unknown>) => rows as ReadonlyArray<FoundRow>
