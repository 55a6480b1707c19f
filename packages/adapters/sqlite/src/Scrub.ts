/**
 * Reads the log bit by bit, over and over, to find damage before somebody needs what is damaged: each index and table,
 * a slice at a time, so that anyone who writes meanwhile waits for a slice at most.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import { Damaged } from "./Database.ts"

/** Rows of a slice: a millisecond or two. */
const SLICE = 2000

interface Walk {
  /** Takes a key, answers the rows behind it, their key first. */
  readonly statement: StatementSync
  readonly first: ReadonlyArray<SQLInputValue>
  readonly check?: (rows: ReadonlyArray<Row>, key: ReadonlyArray<SQLInputValue>) => void
}

type Row = ReadonlyArray<SQLInputValue>

/**
 * Each call reads a slice, and answers whether that was the last of a round. Throws when it finds damage. The connection
 * is for this alone: it forgets what it has read, so that the file is read again.
 */
export const makeScrub = (db: DatabaseSync): (() => boolean) => {
  const walks = walksOf(db)
  let at = 0
  let key = walks[0]?.first ?? []
  return () => {
    const walk = walks[at]
    if (walk === undefined) return true
    db.exec("PRAGMA shrink_memory")
    // What the statement selects is what SQLite stores.
    const found: ReadonlyArray<unknown> = walk.statement.all(...key, SLICE)
    const rows = found as ReadonlyArray<Row>
    walk.check?.(rows, key)
    const last = rows.at(-1)
    if (rows.length === SLICE && last !== undefined) {
      key = last.slice(0, walk.first.length)
      return false
    }
    at = (at + 1) % walks.length
    key = walks[at]?.first ?? []
    return at === 0
  }
}

const walksOf = (db: DatabaseSync): ReadonlyArray<Walk> => {
  const prepared = (sql: string) => {
    const statement = db.prepare(sql)
    statement.setReturnArrays(true)
    return statement
  }
  const walk = (sql: string, first: Walk["first"], check?: Walk["check"]): Walk => ({
    statement: prepared(`${sql} LIMIT ?`),
    first,
    ...(check && { check })
  })
  /** An index in which a key may be there any number of times, but never as NULL. */
  const walkIndex = (table: string, index: string, key: string, first: SQLInputValue): Walk => {
    const rows = (after: string) =>
      `SELECT * FROM (SELECT ${key}, rowid FROM ${table} INDEXED BY ${index} WHERE ${after} LIMIT ?3)`
    const [same, next] = [rows(`${key} = ?1 AND rowid > ?2 ORDER BY rowid`), rows(`${key} > ?1 ORDER BY ${key}, rowid`)]
    return { statement: prepared(`${same} UNION ALL ${next} LIMIT ?3`), first: [first, 0] }
  }
  const content = db.prepare("SELECT data, principal FROM events WHERE position = ?")
  return [
    walk(
      "SELECT position, json_valid(data) AND json_valid(principal) FROM events WHERE position > ? ORDER BY position",
      [0],
      (rows, [before]) =>
        rows.forEach(([position, valid], index) => {
          const expected = Number(before) + index + 1
          if (position !== expected) throw new Damaged(`event ${expected} is missing`)
          // SQLite takes deep JSON for none, so it does not have the last word.
          if (valid !== 1) parse(Number(position), content.get(position))
        })
    ),
    walk("SELECT stream, version FROM events WHERE (stream, version) > (?, ?) ORDER BY stream, version", ["", 0]),
    walkIndex("events", "events_by_id", "event_id", ""),
    walkIndex("events", "events_of_category", "category", ""),
    walk(
      `SELECT org_id, category, position FROM events_of_organization
       WHERE (org_id, category, position) > (?, ?, ?) ORDER BY org_id, category, position`,
      ["", "", 0]
    ),
    walk("SELECT key, length(value) FROM records WHERE key > ? ORDER BY key", [""]),
    walkIndex("records", "records_expiring", "until", -Infinity)
  ]
}

const parse = (position: number, row: { readonly [column: string]: unknown } | undefined) => {
  try {
    JSON.parse(String(row?.["data"]))
    JSON.parse(String(row?.["principal"]))
  } catch {
    throw new Damaged(`event ${position} cannot be read`)
  }
}
