/** The read model's rows: a table of them, and one of what they are listed under. */
import type { FoundRow, ReadModel } from "@latchkey/core"
import { cursorOf, type ReadModelFile } from "./ReadModelFile.ts"

export const make = ({ attempt, transaction }: ReadModelFile): ReadModel["Service"] => ({
  source: "sqlite",

  cursor: attempt(cursorOf),

  apply: ({ after, cursor, put, remove, list, unlist }) =>
    transaction((sql) => {
      const { format, position, eventId } = cursor
      const moved = sql.moveCursor.run(format, position, eventId, after.format, after.position, after.eventId)
      if (moved.changes === 0) return false
      for (const { table, key, value } of put) sql.put.run(table, key, value)
      for (const { table, key } of remove) sql.remove.run(table, key)
      for (const { table, key, index, value } of unlist) sql.unlist.run(table, key, index, value)
      for (const { table, key, index, value } of list) sql.list.run(table, key, index, value)
      return true
    }),

  get: (table, keys) =>
    attempt((sql) => {
      const [key] = keys
      if (key === undefined) return []
      return asRows(keys.length === 1 ? sql.getOne.all(table, key) : sql.get.all(table, JSON.stringify(keys)))
    }),

  find: (table, index, value, after, limit) =>
    attempt((sql) => asRows(sql.find.all(table, index, value, after, limit))),

  reset: transaction((sql) => sql.forget.forEach((statement) => statement.run()))
})

const asRows = (rows: ReadonlyArray<unknown>) => rows as ReadonlyArray<FoundRow>
