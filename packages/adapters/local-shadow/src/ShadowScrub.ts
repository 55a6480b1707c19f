/** Reads the shadows bit by bit, over and over, to find damage before somebody needs what is damaged. */
import { DatabaseSync, type SQLInputValue } from "node:sqlite"

/** Rows that are read at a time: a few milliseconds, as a shadow has a few kilobytes. */
const SLICE = 200

/** Content that no version of Latchkey writes, where SQLite itself sees no fault. */
export class Damaged extends Error {}

export interface Scrub {
  /** Reads on from where it stopped, small tables as a whole. Throws when it finds damage. */
  readonly next: () => void
  readonly close: () => void
}

/** On a connection of its own, which forgets what it has read, so that the file is read again. */
export const openScrub = (path: string): Scrub => {
  const db = new DatabaseSync(path, { readOnly: true })
  const walks = WALKS.map(({ sql, first }) => {
    const statement = db.prepare(`${sql} LIMIT ?`)
    statement.setReturnArrays(true)
    return { statement, first }
  })
  let at = 0
  let key: ReadonlyArray<SQLInputValue> = walks[0]?.first ?? []

  const next = () => {
    db.exec("PRAGMA shrink_memory")
    let room = SLICE
    for (let walked = 0; walked < walks.length && room > 0; walked++) {
      const walk = walks[at]
      if (walk === undefined) return
      // What the statement selects is what SQLite stores.
      const found: ReadonlyArray<unknown> = walk.statement.all(...key, room)
      const rows = found as ReadonlyArray<ReadonlyArray<SQLInputValue>>
      if (rows.some((row) => row.at(-1) === 0)) throw new Damaged("a shadow cannot be read")
      const last = rows.at(-1)
      if (rows.length === room && last !== undefined) {
        key = last.slice(0, walk.first.length)
        return
      }
      room -= rows.length
      at = (at + 1) % walks.length
      key = walks[at]?.first ?? []
    }
  }
  return { next, close: () => db.close() }
}

/** Each takes a key, answers the rows behind it, their key first, and last of all 0 when a row is no good. */
const WALKS: ReadonlyArray<{ readonly sql: string; readonly first: ReadonlyArray<SQLInputValue> }> = [
  {
    sql: "SELECT rowid, content IS NULL OR json_valid(content) FROM shadow WHERE rowid > ? ORDER BY rowid",
    first: [0]
  },
  {
    sql: "SELECT thing, name, rowid FROM shadow WHERE (thing, name) > (?, ?) ORDER BY thing, name",
    first: ["", ""]
  },
  { sql: "SELECT id, json_valid(made) FROM change WHERE id > ? ORDER BY id", first: [0] },
  { sql: "SELECT rowid, length(writer) FROM presence WHERE rowid > ? ORDER BY rowid", first: [0] },
  { sql: "SELECT thing, rowid FROM presence WHERE thing > ? ORDER BY thing", first: [""] }
]
