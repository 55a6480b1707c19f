/**
 * A copy of a data folder while it is in use: all databases as of one instant. Their write locks are held together for
 * as long as it takes to begin reading; then everybody goes on, and what was begun is copied.
 */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync
} from "node:fs"
import { join } from "node:path"
import { backup as copyDatabase, DatabaseSync } from "node:sqlite"
import { Effect, Schema } from "effect"
import { explain, makeFolder, whileBusy } from "./Database.ts"

/** Nothing of an earlier backup was replaced; `message` says why, and what to do. */
export class BackupFailed extends Schema.TaggedError<BackupFailed>()("BackupFailed", { message: Schema.String }) {}

const LOG = "latchkey.db"
const KEY = "pin.key"
/** The log is put in its place first: a log knows more than the shadows beside it, never less. */
const DATABASES = [LOG, "shadow.db"]
/** Milliseconds to wait for another writer. */
const BUSY_TIMEOUT = 10_000

/** Copies the folder into another, whose earlier backup is replaced; answers how many events the copy holds. */
export const backup = (folder: string, target: string): Effect.Effect<number, BackupFailed> =>
  Effect.tryPromise({
    try: () => copy(folder, target),
    catch: (error) =>
      error instanceof BackupFailed ? error : failed(error instanceof Error ? error.message : String(error))
  })

const copy = async (folder: string, target: string): Promise<number> => {
  if (!existsSync(join(folder, LOG))) throw failed(`there is no log in ${folder}. Name the data folder.`)
  makeFolder(target)
  if (realpathSync(target) === realpathSync(folder)) throw failed(`${target} is the data folder itself. Name another.`)
  const databases = DATABASES.filter((name) => existsSync(join(folder, name)))
  const drafts = new Map(databases.map((name) => [name, join(target, `${name}.${process.pid}.tmp`)]))
  const opened = databases.map((name) => ({ name, ...snapshotOf(join(folder, name)) }))
  try {
    refuseOtherKey(folder, target)
    // All write locks before the first snapshot: nothing is written between the instants of two databases.
    for (const { name, locker } of opened) {
      inFile(join(folder, name), () => whileBusy(BUSY_TIMEOUT, () => locker.exec("BEGIN IMMEDIATE")))
    }
    for (const { reader } of opened) {
      reader.exec("BEGIN")
      reader.prepare("SELECT count(*) FROM sqlite_schema").get()
    }
    for (const { locker } of opened) locker.close()
    const log = opened.find(({ name }) => name === LOG)?.reader
    if (log === undefined) throw failed(`${join(folder, LOG)} has gone`)
    refuseOtherLog(log, join(target, LOG))
    for (const { name, reader } of opened) {
      const draft = drafts.get(name) ?? ""
      rmSync(draft, { force: true })
      closeSync(openSync(draft, "wx", 0o600))
      await copyDatabase(reader, draft)
      checkCopy(draft)
    }
    const events = headOf(log)
    const draftOfKey = join(target, `${KEY}.${process.pid}.tmp`)
    if (existsSync(join(folder, KEY))) {
      copyFileSync(join(folder, KEY), draftOfKey)
      chmodSync(draftOfKey, 0o600)
      sync(draftOfKey)
      renameSync(draftOfKey, join(target, KEY))
    }
    for (const [name, draft] of drafts) {
      const file = join(target, name)
      // Left by the one who looked into the earlier backup: they are no part of the new one.
      for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true })
      renameSync(draft, file)
    }
    sync(target)
    return events
  } finally {
    for (const { reader, locker } of opened) {
      reader.close()
      if (locker.isOpen) locker.close()
    }
    for (const draft of drafts.values())
      for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(draft + suffix, { force: true })
  }
}

const snapshotOf = (file: string) => ({
  reader: inFile(file, () => new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT })),
  locker: inFile(file, () => new DatabaseSync(file))
})

/** A page that went bad is told now, and not when the backup is needed. In the header, no write-ahead log is asked for. */
const checkCopy = (draft: string): void => {
  const db = new DatabaseSync(draft)
  try {
    inFile(draft, () => {
      db.exec("PRAGMA journal_mode = DELETE")
      const check = String(db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"])
      if (check !== "ok") throw failed(`the data is damaged (${check}). Restore an earlier backup.`)
    })
  } finally {
    db.close()
  }
  sync(draft)
}

/** What a backup replaces is the same log, as far as it went then: never somebody else's, and never one in use. */
const refuseOtherLog = (log: DatabaseSync, file: string): void => {
  if (!existsSync(file)) return
  const kept = new DatabaseSync(file)
  try {
    inFile(file, () => {
      kept.exec("PRAGMA locking_mode = EXCLUSIVE")
      kept.exec("BEGIN EXCLUSIVE")
      const last = kept.prepare("SELECT position, event_id FROM events ORDER BY position DESC LIMIT 1").get()
      const same = last && log.prepare("SELECT event_id FROM events WHERE position = ?").get(last["position"] ?? 0)
      if (last !== undefined && same?.["event_id"] !== last["event_id"]) {
        throw failed(`${file} holds events that this log does not. Name another folder, or move that one away.`)
      }
    })
  } finally {
    kept.close()
  }
}

/** The key of the earlier backup may be the one that is missed. */
const refuseOtherKey = (folder: string, target: string): void => {
  const [key, kept] = [join(folder, KEY), join(target, KEY)]
  if (!existsSync(key) || !existsSync(kept) || readFileSync(key).equals(readFileSync(kept))) return
  throw failed(`${kept} is not the key in ${key}. If that one is right, move the other away; else restore it.`)
}

const headOf = (log: DatabaseSync): number =>
  Number(log.prepare("SELECT coalesce(max(position), 0) AS head FROM events").get()?.["head"])

const sync = (path: string): void => {
  const handle = openSync(path, "r")
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

const inFile = <A>(file: string, run: () => A): A => {
  try {
    return run()
  } catch (error) {
    if (error instanceof BackupFailed) throw error
    throw failed(explain(error, file))
  }
}

const failed = (message: string) => new BackupFailed({ message: `No backup was made: ${message}` })
