/**
 * The file beside the event log that holds what is made from it, and what was heard of devices. Disposable: a file that is
 * damaged, or that a newer Latchkey wrote, is deleted as soon as that shows, and the read model is filled again.
 *
 * It is used in the main thread: every transaction is short.
 */
import { rmSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { type Cursor, ReadModelUnavailable } from "@latchkey/core"
import { Effect, type Scope } from "effect"
import {
  Damaged,
  type DatabaseOptions,
  explain,
  isDamage,
  isOtherSchema,
  openDatabase,
  shrinkWal,
  WrongVersion,
  whileBusy
} from "./Database.ts"
import type { Witness } from "./Witness.ts"

/** A step may drop what the one before it made, and everything is then made again. */
export const migrations = [
  `
  CREATE TABLE device_state (
    lock_id INTEGER PRIMARY KEY,
    lock_uuid TEXT NOT NULL,
    thing_name TEXT NOT NULL,
    serial_number TEXT,
    owner_id TEXT,
    org_id TEXT,
    keys_count INTEGER NOT NULL,
    resident_count INTEGER NOT NULL,
    last_event TEXT NOT NULL,
    last_updated INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX device_state_owner ON device_state (owner_id);
  CREATE INDEX device_state_thing ON device_state (thing_name);
  CREATE TABLE temp_keys (uuid TEXT PRIMARY KEY, lock_id INTEGER NOT NULL) STRICT;
  CREATE TABLE known_users (user_id TEXT PRIMARY KEY) STRICT;
  CREATE TABLE presence (thing TEXT PRIMARY KEY, online INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
  CREATE TABLE checkpoint (position INTEGER NOT NULL) STRICT;
  INSERT INTO checkpoint VALUES (0);
  `,
  `
  -- What was heard of devices: not in the feed, so it outlives a reset. online is NULL until a report says, since is its time.
  CREATE TABLE devices (thing TEXT PRIMARY KEY, online INTEGER, since INTEGER, last_seen INTEGER NOT NULL) STRICT;
  INSERT INTO devices SELECT thing, online, at, at FROM presence;
  DROP TABLE presence;
  `,
  `
  CREATE INDEX device_state_organization ON device_state (org_id);
  -- Who was named by events of which organization. Only the feed tells, so everything is projected again.
  CREATE TABLE users_of (org_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (org_id, user_id)) STRICT;
  DELETE FROM device_state;
  DELETE FROM temp_keys;
  DELETE FROM known_users;
  UPDATE checkpoint SET position = 0;
  `,
  // Which event is at the checkpoint: so that what was made from another log is told apart.
  "ALTER TABLE checkpoint ADD COLUMN event_id TEXT",
  `
  -- Rows as core declares them. What was made before is format 0, and made again; that the log went so far stays known.
  DROP TABLE device_state;
  DROP TABLE temp_keys;
  DROP TABLE known_users;
  DROP TABLE users_of;
  -- A table for each of core's tables, and one for each of their indexes, are made when they are first needed.
  CREATE TABLE tables (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE cursor (format INTEGER NOT NULL, position INTEGER NOT NULL, event_id TEXT NOT NULL) STRICT;
  INSERT INTO cursor SELECT 0, position, coalesce(event_id, '') FROM checkpoint;
  DROP TABLE checkpoint;
  ALTER TABLE devices RENAME TO presence;
  `,
  // Why a device is gone; empty where that is not known, and of one that is there.
  "ALTER TABLE presence ADD COLUMN reason TEXT NOT NULL DEFAULT ''"
]

const options: DatabaseOptions = {
  // A commit waits for no disk, so filling it costs appends nothing; what a loss of power takes is filled in again.
  synchronous: "NORMAL",
  migrations,
  // The main thread waits so long, in milliseconds, for another process that fills the same file.
  busyTimeout: 200
}

/** Milliseconds to wait at the start, when others may start too, on a machine that is busy with that. */
const START_TIMEOUT = 5000

/** Milliseconds between looks whether the write-ahead log has grown too large, and the file is still the one there. */
const CARE_EVERY = 1000

/** The open file, which may have another successor by now. */
interface Opened {
  readonly db: DatabaseSync
  readonly sql: Statements
  readonly inode: number | undefined
}

/** The file as its ports use it. */
export interface ReadModelFile {
  /** Runs statements; each of them is a transaction of its own. */
  readonly attempt: <A>(run: (sql: Statements) => A) => Effect.Effect<A, ReadModelUnavailable>
  /** Several processes may write to one file: whatever is read inside stands until the commit. */
  readonly transaction: <A>(run: (sql: Statements) => A) => Effect.Effect<A, ReadModelUnavailable>
  /** Runs what another process may be in the way of. */
  readonly patiently: <A>(run: () => A) => A
  /** What the read model has seen of the log. */
  readonly seen: Effect.Effect<Witness, ReadModelUnavailable>
}

/**
 * Opens the file. Before it deletes a damaged one, it tells how far in the feed that one had come. A file that took its
 * place meanwhile is used only if what it has seen `isOfLog`.
 */
export const make: (
  file: string,
  onDelete: (position: number) => void,
  isOfLog: (seen: Witness) => boolean
) => Effect.Effect<ReadModelFile, ReadModelUnavailable, Scope.Scope> = Effect.fnUntraced(
  function* (file, onDelete, isOfLog) {
    const unavailable = (cause: unknown) =>
      new ReadModelUnavailable({
        message: explain(cause, file, "It is deleted, and filled again from the event log."),
        cause
      })

    let opened: Opened | undefined
    /** Whether another file has taken the place of the one that was open. */
    let replaced = false
    const close = () => {
      opened?.db.close()
      opened = undefined
    }
    const open = (busyTimeout = options.busyTimeout): Opened => {
      const db = openDatabase(file, { ...options, busyTimeout })
      try {
        const sql = statements(db)
        const seen = seenBy(sql)
        if (replaced && !isOfLog(seen)) throw new Damaged("it was made from another log")
        replaced = false
        return { db, sql, inode: inodeOf(file) }
      } catch (error) {
        db.close()
        throw isOtherSchema(error) ? new Damaged("it has other tables") : error
      }
    }
    const current = (): Opened => {
      opened ??= open()
      return opened
    }
    const startAnew = () => {
      const inode = opened?.inode ?? inodeOf(file)
      close()
      // What took its place unasked has seen nothing here.
      if (!replaced) onDelete(salvage(file))
      if (inodeOf(file) === inode) for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true })
      opened = open()
    }

    const attempt = <A>(run: (opened: Opened) => A): Effect.Effect<A, ReadModelUnavailable> =>
      Effect.suspend(() => {
        try {
          return Effect.succeed(run(current()))
        } catch (cause) {
          const failed = Effect.fail(unavailable(cause))
          return isDisposable(cause) ? Effect.andThen(deleted(cause), failed) : failed
        }
      })
    const deleted = (cause: unknown) =>
      Effect.logWarning(
        `${file} is ${isDamage(cause) ? "damaged" : "from a newer Latchkey"}: deleting it, to fill it again from the event log`
      ).pipe(Effect.andThen(Effect.try({ try: startAnew, catch: unavailable })))

    yield* Effect.addFinalizer(() => Effect.sync(close))
    yield* Effect.try({ try: () => (opened = open(START_TIMEOUT)), catch: unavailable }).pipe(
      Effect.catchIf(
        ({ cause }) => isDisposable(cause),
        ({ cause }) => deleted(cause)
      )
    )
    const care = () => {
      if (opened === undefined) return
      // Another process may have found damage first: then there is a new file in the place of the open one.
      if (inodeOf(file) !== opened.inode) {
        replaced = true
        return close()
      }
      shrinkWal(opened.db, file)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => setInterval(care, CARE_EVERY).unref()),
      (caring) => Effect.sync(() => clearInterval(caring))
    )

    const patiently: ReadModelFile["patiently"] = (run) => whileBusy(options.busyTimeout, run)

    return {
      attempt: (run) => attempt(({ sql }) => run(sql)),
      transaction: (run) =>
        attempt(({ db, sql }) => {
          patiently(() => sql.begin.run())
          try {
            const result = run(sql)
            sql.commit.run()
            return result
          } catch (error) {
            if (db.isTransaction) db.exec("ROLLBACK")
            // Tables that it has made are not there any more, and their statements are of no use.
            close()
            throw error
          }
        }),
      patiently,
      seen: attempt(({ sql }) => seenBy(sql))
    }
  }
)

/** Where the rows stand. */
export const cursorOf = (sql: Statements): Cursor => {
  const row = sql.cursor.get()
  if (row === undefined) throw new Damaged("it has no cursor")
  return { format: Number(row["format"]), position: Number(row["position"]), eventId: String(row["event_id"]) }
}

/** The event's id is unknown where the first edition was the last to write, and before the first event. */
const seenBy = (sql: Statements): Witness => {
  const { position, eventId } = cursorOf(sql)
  return { position, ...(eventId !== "" && { eventId }) }
}

/** How far a file had come that is given up, as far as it can still be read; also one of the first edition. */
const salvage = (file: string): number => {
  for (const table of ["cursor", "checkpoint"]) {
    try {
      const db = new DatabaseSync(file, { readOnly: true })
      try {
        return Number(db.prepare(`SELECT position FROM ${table}`).get()?.["position"] ?? 0)
      } finally {
        db.close()
      }
    } catch {
      // The other one may be there.
    }
  }
  return 0
}

const inodeOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.ino

const isDisposable = (cause: unknown): boolean => isDamage(cause) || cause instanceof WrongVersion

export type Statements = ReturnType<typeof statements>

const statements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  cursor: db.prepare("SELECT format, position, event_id FROM cursor"),
  moveCursor: db.prepare(
    "UPDATE cursor SET format = ?, position = ?, event_id = ? WHERE format = ? AND position = ? AND event_id = ?"
  ),
  report: db.prepare(
    `INSERT INTO presence VALUES (?1, ?2, ?3, ?3, ?4)
     ON CONFLICT (thing) DO UPDATE SET
       online = CASE WHEN since IS NULL OR (?3, ?2) > (since, online) THEN ?2 ELSE online END,
       reason = CASE WHEN since IS NULL OR (?3, ?2, ?4) > (since, online, reason) THEN ?4 ELSE reason END,
       since = max(?3, coalesce(since, ?3)),
       last_seen = max(?3, last_seen)`
  ),
  seen: db.prepare(
    `INSERT INTO presence VALUES (?1, NULL, NULL, ?2, '')
     ON CONFLICT (thing) DO UPDATE SET last_seen = max(?2, last_seen)`
  ),
  heardOf: db.prepare(
    "SELECT thing, online, since, reason, last_seen FROM presence WHERE thing IN (SELECT value FROM json_each(?))"
  ),
  heardOfOne: db.prepare("SELECT thing, online, since, reason, last_seen FROM presence WHERE thing = ?"),
  forgetCursor: db.prepare("UPDATE cursor SET format = 0, position = 0, event_id = ''"),
  ...tables(db)
})

/** The tables that core's rows are in: each is known by its name, and missed when it was there and is not. */
const tables = (db: DatabaseSync) => {
  const all = db.prepare("SELECT name FROM tables")
  const isThere = db.prepare("SELECT 1 FROM tables WHERE name = ?")
  const add = db.prepare("INSERT INTO tables VALUES (?)")

  const keeper = <Statements>(columns: string, prepare: (name: string, table: string) => Statements) => {
    const prepared = new Map<string, Map<string, Statements>>()
    const prepareFor = (table: string, index: string): Statements => {
      const statements = prepare(quoted(nameOf(table, index)), table)
      const indexes = prepared.get(table)
      if (indexes === undefined) prepared.set(table, new Map([[index, statements]]))
      else indexes.set(index, statements)
      return statements
    }
    const known = (table: string, index: string) => prepared.get(table)?.get(index)
    return {
      prepareFor,
      /** Nothing while nobody has made it. */
      find: (table: string, index = ""): Statements | undefined =>
        known(table, index) ?? (isThere.get(nameOf(table, index)) === undefined ? undefined : prepareFor(table, index)),
      /** Only in a transaction, to which its beginning belongs. */
      make: (table: string, index = ""): Statements => {
        const statements = known(table, index)
        if (statements !== undefined) return statements
        const name = nameOf(table, index)
        if (isThere.get(name) === undefined) {
          db.exec(`CREATE TABLE ${quoted(name)} (${columns}) STRICT, WITHOUT ROWID`)
          add.run(name)
        }
        return prepareFor(table, index)
      }
    }
  }
  const rows = keeper("key TEXT PRIMARY KEY, value TEXT NOT NULL", (name) => ({
    put: inserting(db, name, "ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
    remove: db.prepare(`DELETE FROM ${name} WHERE key = ?`),
    getOne: db.prepare(`SELECT key, value FROM ${name} WHERE key = ?`),
    get: db.prepare(`SELECT key, value FROM ${name} WHERE key IN (SELECT value FROM json_each(?))`)
  }))
  const listings = keeper("value TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (value, key)", (name, table) => ({
    list: inserting(db, name),
    unlist: db.prepare(`DELETE FROM ${name} WHERE value = ? AND key = ?`),
    find: db.prepare(
      `SELECT key, found.value AS value FROM ${name} AS listed JOIN ${quoted(nameOf(table, ""))} AS found USING (key)
       WHERE listed.value = ? AND key > ? ORDER BY key LIMIT ?`
    )
  }))
  // Whatever is missing shows now.
  for (const row of all.all()) {
    const [table = "", index = ""] = String(row["name"]).slice("rows ".length).split(" by ")
    ;(index === "" ? rows : listings).prepareFor(table, index)
  }
  return {
    rows,
    listings,
    forgetRows: () => all.all().forEach((row) => db.exec(`DELETE FROM ${quoted(String(row["name"]))}`))
  }
}

/** Rows that one statement inserts: to begin one costs about as much as a row. */
const AT_ONCE = 10

/** Inserts rows of two columns: what they hold, one row after the other. */
const inserting = (db: DatabaseSync, name: string, otherwise = "") => {
  const prepare = (rows: number) =>
    db.prepare(`INSERT INTO ${name} VALUES ${Array(rows).fill("(?, ?)").join(", ")} ${otherwise}`)
  const [one, many] = [prepare(1), prepare(AT_ONCE)]
  return (values: ReadonlyArray<string>): void => {
    let at = 0
    for (; at + 2 * AT_ONCE <= values.length; at += 2 * AT_ONCE) many.run(...values.slice(at, at + 2 * AT_ONCE))
    for (; at < values.length; at += 2) one.run(...values.slice(at, at + 2))
  }
}

/** Names of tables and indexes hold no spaces. */
const nameOf = (table: string, index: string): string => (index === "" ? `rows ${table}` : `rows ${table} by ${index}`)

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
