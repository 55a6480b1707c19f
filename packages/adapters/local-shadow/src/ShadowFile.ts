/** Shadows in an SQLite file: its schema, its operations, and what its failures mean. Runs in the worker thread. */
import { randomUUID } from "node:crypto"
import { closeSync, openSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import type { Schema } from "effect"
import { openPresences, PRESENCE_SCHEMA } from "./Presences.ts"
import { applyUpdate, MAX_NAMED, noShadow, type Shadow, tooManyNames } from "./ShadowDocument.ts"
import {
  type ByOthers,
  type LastSeen,
  type Operation,
  type OperationName,
  type Operations,
  type ShadowKey,
  steadyMillis
} from "./ShadowOperation.ts"
import { Damaged, openScrub } from "./ShadowScrub.ts"
import { changesIn, openMade } from "./ShadowsMade.ts"

const SCHEMA_VERSION = 3

/** Bytes of the write-ahead log that stay on disk. */
const WAL_BYTES = 16 * 1024 * 1024

/** How long to wait for another process, in milliseconds. */
const OPEN_TIMEOUT = 2000
const WRITE_TIMEOUT = 5000

// A deleted shadow leaves its row, without content, so that its versions go on.
const SCHEMA = `
  CREATE TABLE shadow (
    thing TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    content TEXT,
    PRIMARY KEY (thing, name)
  );
`

// `change` is how those who have the file open at the same time hear of each other. `writer` is one of them.
const SCHEMA_2 = `
  CREATE TABLE change (id INTEGER PRIMARY KEY AUTOINCREMENT, writer TEXT NOT NULL, made TEXT NOT NULL);
  CREATE TABLE presence (
    thing TEXT NOT NULL PRIMARY KEY,
    online INTEGER NOT NULL,
    at INTEGER NOT NULL,
    writer TEXT NOT NULL
  );
`

export interface ShadowFile {
  /** Carries out all operations, in order, in one durable transaction; answers in the same order. */
  readonly commit: (operations: ReadonlyArray<Operation>) => Committed
  /** What others did since the last look, or commit. */
  readonly byOthers: () => ByOthers
  /** How many changes were ever made in it. */
  readonly changes: () => number
  /** Makes the write-ahead log small again, once nobody reads in a long transaction any more. */
  readonly shrink: () => void
  /** Reads some more of the file, to find damage that nobody has met yet. */
  readonly scrub: () => void
  /**
   * Says that this process lives, and answers which devices are gone with another one that does not, or there after all.
   * To be called every `BEAT`; `now` is in milliseconds of a clock that nobody sets.
   */
  readonly beat: (now: number) => ReadonlyArray<LastSeen>
  readonly close: () => void
}

interface Committed {
  readonly answers: ReadonlyArray<unknown>
  /** What others did before. */
  readonly before: ByOthers
}

/** Opens or creates the file, and makes sure that it can be read and written. */
export const openShadowFile = (path: string, limit: number): ShadowFile => {
  if (path !== ":memory:") createForOwner(path)
  const db = new DatabaseSync(path)
  try {
    prepare(db)
  } catch (error) {
    db.close()
    throw error
  }
  const writer = `${process.pid}:${randomUUID()}`
  const made = openMade(db, writer, path !== ":memory:")
  const presences = openPresences(db, writer)
  transaction(db, OPEN_TIMEOUT, presences.open)
  const scrub = path === ":memory:" ? undefined : openScrub(path)
  let proofs = 0
  const selectShadow = db.prepare("SELECT version, content FROM shadow WHERE thing = ? AND name = ?")
  const upsertShadow = db.prepare(
    "INSERT INTO shadow (thing, name, version, content) VALUES (?, ?, ?, ?) " +
      "ON CONFLICT DO UPDATE SET version = excluded.version, content = excluded.content"
  )
  const selectNames = db.prepare(
    "SELECT name FROM shadow WHERE thing = ? AND name <> '' AND content IS NOT NULL ORDER BY name"
  )
  const countNames = db.prepare(
    "SELECT count(*) AS names FROM shadow WHERE thing = ? AND name <> '' AND content IS NOT NULL"
  )
  const forgetDeleted = db.prepare(
    "DELETE FROM shadow WHERE rowid IN (SELECT rowid FROM shadow WHERE thing = ? AND name <> '' AND content IS NULL " +
      `ORDER BY rowid DESC LIMIT -1 OFFSET ${MAX_NAMED})`
  )
  const selectOutcomes = db.prepare(
    "SELECT thing, json_extract(content, '$.state.reported.commands') AS commands, " +
      "json_extract(content, '$.state.reported.openings') AS openings FROM shadow WHERE name = '' AND " +
      "(json_type(content, '$.state.reported.commands') = 'object' OR json_type(content, '$.state.reported.openings') = 'object') " +
      "ORDER BY thing"
  )

  const read = ({ thing, name }: ShadowKey): Shadow => {
    const row = selectShadow.get(thing, name)
    if (row === undefined) return noShadow
    return { version: Number(row.version), content: row.content === null ? undefined : JSON.parse(String(row.content)) }
  }

  const write = ({ thing, name }: ShadowKey, { version, content }: Shadow) =>
    upsertShadow.run(thing, name, version, content === undefined ? null : JSON.stringify(content))

  const operations: { readonly [K in OperationName]: (input: Operations[K]["input"]) => Operations[K]["answer"] } = {
    read,
    update: (input) => {
      // Here, where the write lock is held: whatever the request waited for on its way counts.
      if (input.notAfter !== undefined && steadyMillis() > input.notAfter) return { code: 408, message: "Too late" }
      const previous = read(input)
      const isNew = input.name !== "" && previous.content === undefined
      if (isNew && Number(countNames.get(input.thing)?.names) >= MAX_NAMED) return tooManyNames
      const current = applyUpdate(previous, input.request, input.now, limit)
      if ("code" in current) return current
      write(input, current)
      const { thing, name, request, now } = input
      made.add({ thing, name, request, now, previous, current })
      return { previous, current }
    },
    delete: (input) => {
      const deleted = read(input)
      if (deleted.content !== undefined) {
        const { version } = deleted
        write(input, { version, content: undefined })
        forgetDeleted.run(input.thing)
        made.add({ ...input, version })
      }
      return deleted
    },
    list: ({ thing }) => selectNames.all(thing).map(({ name }) => String(name)),
    outcomes: () =>
      selectOutcomes.all().map(({ thing, commands, openings }) => ({
        thing: String(thing),
        commands: objectIn(commands),
        openings: objectIn(openings)
      })),
    presence: presences.say,
    presences: presences.all,
    // A page whose content does not change would not be written.
    prove: () => {
      upsertShadow.run("", PROOF, ++proofs, JSON.stringify(String(proofs % 10).repeat(limit)))
      return undefined
    }
  }

  const perform = <K extends OperationName>({ name, input }: Operation<K>): Operations[K]["answer"] =>
    operations[name](input)

  return {
    commit: (batch) => {
      const { answers, look } = transaction(db, WRITE_TIMEOUT, () => {
        // What was written before the lock was taken came before this batch.
        const before = made.look()
        const seen = presences.byOthers(before.dataVersion)
        const answers = batch.map((operation) => perform(operation))
        return { answers, look: { ...made.finish(before), seen } }
      })
      made.seen(look)
      presences.seen(look.dataVersion, look.seen)
      return { answers, before: { ...look.by, seen: look.seen.seen } }
    },
    byOthers: () => {
      const look = made.look()
      const seen = presences.byOthers(look.dataVersion)
      made.seen(look)
      presences.seen(look.dataVersion, seen)
      return { ...look.by, seen: seen.seen }
    },
    changes: () => changesIn(db),
    shrink: () => {
      if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > WAL_BYTES) {
        db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      }
    },
    scrub: () => scrub?.next(),
    beat: (now) => {
      if (presences.isAlone()) return []
      // A machine that loses power has no devices: a sign of life waits for no disk.
      db.exec("PRAGMA synchronous = NORMAL")
      try {
        return transaction(db, WRITE_TIMEOUT, () => presences.beat(now))
      } finally {
        db.exec("PRAGMA synchronous = FULL")
      }
    },
    close: () => {
      try {
        if (!presences.isAlone()) transaction(db, WRITE_TIMEOUT, presences.goodbye)
      } finally {
        scrub?.close()
        db.close()
      }
    }
  }
}

/** What SQLite extracts of a document, if it is an object: that is told as text. */
const objectIn = (extracted: unknown): Schema.Json | undefined =>
  typeof extracted === "string" && extracted.startsWith("{") ? JSON.parse(extracted) : undefined

/** Names a shadow of no thing, which proves that shadows can be written. */
const PROOF = "proof"

/** SQLite gives the files beside it the same mode. Anyone who can write shadows can open doors. */
const createForOwner = (path: string) => {
  try {
    closeSync(openSync(path, "wx", 0o600))
  } catch {
    // It is there, or SQLite finds out next what is in the way, and `failureMessage` tells.
  }
}

const prepare = (db: DatabaseSync) => {
  whileBusy(OPEN_TIMEOUT, () => db.exec("PRAGMA journal_mode = WAL"))
  db.exec("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000")
  db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`)
  transaction(db, OPEN_TIMEOUT, () => {
    const check = String(db.prepare("PRAGMA quick_check(1)").get()?.quick_check)
    if (check !== "ok") throw new UnusableFile(`is damaged (${check}). ${DAMAGED}`)
    const version = Number(db.prepare("PRAGMA user_version").get()?.user_version)
    if (version > SCHEMA_VERSION) {
      throw new UnusableFile(
        `was written by a newer version of Latchkey (schema ${version}; this one knows up to ${SCHEMA_VERSION}). ` +
          "Run that version, or point to another folder."
      )
    }
    if (version < 1) db.exec(SCHEMA)
    if (version < 2) db.exec(SCHEMA_2)
    if (version < 3) db.exec(PRESENCE_SCHEMA)
    // Also when nothing changes: a file that cannot be written shows itself now, and not at the first command.
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
  })
}

/**
 * Runs what another process may be in the way of; blocks the thread. SQLite's own waiting sleeps up to 100 ms at a time,
 * which starves one process among many, and skips changes of the journal mode.
 */
const whileBusy = <A>(timeout: number, run: () => A): A => {
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

const transaction = <A>(db: DatabaseSync, timeout: number, body: () => A): A => {
  whileBusy(timeout, () => db.exec("BEGIN IMMEDIATE"))
  try {
    const result = body()
    db.exec("COMMIT")
    return result
  } catch (error) {
    // SQLite itself rolls back after some failures.
    if (db.isTransaction) db.exec("ROLLBACK")
    throw error
  }
}

class UnusableFile extends Error {}

const DAMAGED =
  "Restore it from a backup, or move it away and start once with LATCHKEY_RESTORED=yes to go on with empty shadows."

const BUSY = 5

/** What to tell the operator, by SQLite's primary result code. */
const ADVICE: { readonly [code: number]: string } = {
  [BUSY]: "is locked by another program. Close that program, or wait until it is done.",
  6: "is locked by another program. Close that program, or wait until it is done.",
  8: "cannot be written. Give this process write permission on the file and its folder.",
  10: "cannot be read or written: the disk reports an error.",
  11: `is damaged. ${DAMAGED}`,
  13: "cannot grow: the disk is full. Free some space.",
  14: "cannot be opened. Check that its folder exists and that this process may write there.",
  26: `is not an SQLite database. ${DAMAGED}`
}

/** One sentence for the operator about what went wrong with the file. */
export const failureMessage = (path: string, error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  if (error instanceof UnusableFile) return `The shadow database ${path} ${text}`
  if (error instanceof Damaged) return `The shadow database ${path} is damaged: ${text}. ${DAMAGED}`
  const advice = ADVICE[resultCode(error)]
  return advice === undefined
    ? `The shadow database ${path} failed: ${text}`
    : `The shadow database ${path} ${advice} (${text})`
}

/** Whether the content of the file is beyond use. */
export const isDamage = (error: unknown): boolean =>
  error instanceof Damaged || error instanceof SyntaxError || [11, 26].includes(resultCode(error))

/** SQLite's primary result code: the low byte of the one that node:sqlite reports. */
const resultCode = (error: unknown): number =>
  error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : -1
