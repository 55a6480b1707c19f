/** Opening SQLite files: settings, schema versions, and what to tell an operator when a file cannot be used. */
import { closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"

/** Pages that the write-ahead log gathers before they are moved into the database: larger keeps commits even. */
const AUTOCHECKPOINT_PAGES = 4000
/** Bytes of the write-ahead log that stay on disk: as many as those pages need. */
export const WAL_BYTES = 16 * 1024 * 1024

export interface DatabaseOptions {
  /** `FULL`: a commit survives loss of power. `NORMAL`: it survives the process. `OFF`: for files that nobody keeps. */
  readonly synchronous: "FULL" | "NORMAL" | "OFF"
  /** Takes the schema from each version to the next, oldest first. Append only: files out there have run it. */
  readonly migrations: ReadonlyArray<Migration>
  /** Milliseconds to wait for another process that holds the file. */
  readonly busyTimeout: number
}

/** SQL, or what does the same. */
export type Migration = string | ((db: DatabaseSync) => void)

/** A newer Latchkey wrote the file, so it must not be touched; `message` says what to do. */
export class WrongVersion extends Error {}

/** Content that no version of Latchkey writes, where SQLite itself sees no fault. */
export class Damaged extends Error {}

/** Opens a database, creates it when it is not there, and brings its schema up to date. Throws; see `explain`. */
export const openDatabase = (file: string, { synchronous, migrations, busyTimeout }: DatabaseOptions): DatabaseSync =>
  whileBusy(busyTimeout, () => {
    createForOwner(file)
    const db = new DatabaseSync(file)
    try {
      db.exec("PRAGMA journal_mode = WAL")
      db.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES}`)
      db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`)
      migrate(db, file, migrations)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  })

/** Opens a database to read what is there: creates nothing and changes nothing. Throws; see `explain`. */
export const openToRead = (file: string, latest: number, timeout: number): DatabaseSync => {
  const db = new DatabaseSync(file, { readOnly: true, timeout })
  try {
    refuseNewer(db, file, latest)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Writes what an older Latchkey left into a new file, as this one keeps it; answers whether there was need. Throws; see `explain`. */
export const copyOlder = (file: string, target: string, { migrations, ...options }: DatabaseOptions): boolean => {
  const db = openToRead(file, migrations.length, options.busyTimeout)
  try {
    if (versionOf(db) === migrations.length) return false
    db.prepare("VACUUM INTO ?").run(target)
  } finally {
    db.close()
  }
  openDatabase(target, { ...options, migrations }).close()
  return true
}

/**
 * Makes the write-ahead log small again: it grows for as long as somebody reads in one long transaction. While that
 * goes on, nothing happens; nobody is waited for.
 */
export const shrinkWal = (db: DatabaseSync, file: string): void => {
  try {
    if ((statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > WAL_BYTES) {
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
    }
  } catch {
    // Anyone who writes next finds out what is wrong.
  }
}

/**
 * Makes a folder for its owner alone, and those above it. Node's own recursive way never ends where a folder takes no
 * others, as /proc does.
 */
export const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT"
    if (!isMissing || existsSync(dirname(folder))) throw error
    makeFolder(dirname(folder))
    makeFolder(folder)
  }
}

/** SQLite gives the files beside it the same mode. Anyone who can read the log can open doors. */
const createForOwner = (file: string): void => {
  try {
    closeSync(openSync(file, "wx", 0o600))
  } catch {
    // It is there, or SQLite finds out next what is in the way, and `explain` tells.
  }
}

/**
 * Runs what another process may be in the way of, for `timeout` milliseconds; blocks the thread. SQLite's own waiting
 * sleeps up to 100 ms at a time, which starves one process among many, and skips changes of the journal mode.
 */
export const whileBusy = <A>(timeout: number, run: () => A): A => {
  const deadline = performance.now() + timeout
  while (true) {
    try {
      return run()
    } catch (error) {
      if (resultCode(error) !== BUSY || performance.now() > deadline) throw error
      Atomics.wait(sleeper, 0, 0, 1 + 4 * Math.random())
    }
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** In one transaction, however many versions lie between: a process that is cut off meanwhile leaves the file as it was. */
const migrate = (db: DatabaseSync, file: string, migrations: ReadonlyArray<Migration>): void => {
  const latest = migrations.length
  if (versionOf(db) < latest) {
    db.exec("BEGIN IMMEDIATE")
    try {
      // Read again: another process may have done the same.
      for (const migration of migrations.slice(versionOf(db))) {
        if (typeof migration === "string") db.exec(migration)
        else migration(db)
      }
      if (versionOf(db) < latest) db.exec(`PRAGMA user_version = ${latest}`)
      db.exec("COMMIT")
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK")
      throw error
    }
  }
  refuseNewer(db, file, latest)
}

const versionOf = (db: DatabaseSync): number => Number(db.prepare("PRAGMA user_version").get()?.["user_version"])

const refuseNewer = (db: DatabaseSync, file: string, latest: number): void => {
  const version = versionOf(db)
  if (version > latest) {
    throw new WrongVersion(
      `${file} was written by a newer Latchkey (its schema is version ${version}, this program knows ${latest}). ` +
        "Run the newer Latchkey, or restore a backup from before the upgrade."
    )
  }
}

/** What is wrong with a file, and what to do about it; `remedy` is for one that is damaged. */
export const explain = (error: unknown, file: string, remedy = "Restore it from a backup."): string => {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof WrongVersion) return message
  if (error instanceof Damaged) return damaged(file, message, remedy)
  switch (resultCode(error)) {
    case BUSY:
      return `Another process holds the database ${file} locked. End that process or its transaction, then try again.`
    case READONLY:
      return `The database ${file} is read-only. Let this process write to the file and to its folder.`
    case IOERR:
      return `Reading or writing the database ${file} failed (${message}). Check its disk and the limits of this process.`
    case CORRUPT:
    case NOTADB:
      return damaged(file, message, remedy)
    case FULL:
      return `The disk that holds the database ${file} is full. Free some space, then try again.`
    case CANTOPEN:
      return `The database ${file} cannot be opened. Let this process read and write the file and its folder.`
    default:
      return `The database ${file} failed: ${message}`
  }
}

const damaged = (file: string, message: string, remedy: string): string =>
  `The database ${file} is damaged or not a database (${message}). ${remedy}`

/** Whether the content of the file is beyond use, whatever its permissions. */
export const isDamage = (error: unknown): boolean => {
  const code = resultCode(error)
  return error instanceof Damaged || code === CORRUPT || code === NOTADB
}

/** Whether the tables are not those that the version of the file promises. */
export const isOtherSchema = (error: unknown): boolean => resultCode(error) === ERROR

/** Whether a statement was given something that it cannot store: others may go on. */
export const isOfTheRequest = (error: unknown): boolean => {
  const code = resultCode(error)
  return code === undefined || code === TOOBIG || code === CONSTRAINT || code === MISMATCH
}

/** SQLite's primary result code: the low byte of the extended one that node:sqlite reports. */
const resultCode = (error: unknown): number | undefined =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : undefined

const ERROR = 1
const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const TOOBIG = 18
const CONSTRAINT = 19
const MISMATCH = 20
const NOTADB = 26
