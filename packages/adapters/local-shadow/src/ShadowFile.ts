/** Shadows in an SQLite file: its schema, its operations, and what its failures mean. Runs in the worker thread. */
import { randomUUID } from "node:crypto"
import { closeSync, openSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { applyUpdate, noShadow, type Shadow } from "./ShadowDocument.ts"
import type { ByOthers, LastSeen, Operation, OperationName, Operations, ShadowKey } from "./ShadowOperation.ts"
import { changesIn, openMade } from "./ShadowsMade.ts"

const SCHEMA_VERSION = 2

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
  PRAGMA user_version = ${SCHEMA_VERSION};
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
  const selectShadow = db.prepare("SELECT version, content FROM shadow WHERE thing = ? AND name = ?")
  const upsertShadow = db.prepare(
    "INSERT INTO shadow (thing, name, version, content) VALUES (?, ?, ?, ?) " +
      "ON CONFLICT DO UPDATE SET version = excluded.version, content = excluded.content"
  )
  const selectNames = db.prepare(
    "SELECT name FROM shadow WHERE thing = ? AND name <> '' AND content IS NOT NULL ORDER BY name"
  )
  const selectOutcomes = db.prepare(
    "SELECT thing, json_extract(content, '$.state.reported.commands') AS commands FROM shadow " +
      "WHERE name = '' AND json_type(content, '$.state.reported.commands') = 'object' ORDER BY thing"
  )

  const selectSeen = db.prepare("SELECT online, at, writer FROM presence WHERE thing = ?")
  const upsertSeen = db.prepare(
    "INSERT INTO presence (thing, online, at, writer) VALUES (?, ?, ?, ?) " +
      "ON CONFLICT DO UPDATE SET online = excluded.online, at = excluded.at, writer = excluded.writer"
  )
  const selectAllSeen = db.prepare("SELECT thing, online, at FROM presence ORDER BY thing")

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
      if (input.notAfter !== undefined && Date.now() > input.notAfter) return { code: 408, message: "Too late" }
      const previous = read(input)
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
        made.add({ ...input, version })
      }
      return deleted
    },
    list: ({ thing }) => selectNames.all(thing).map(({ name }) => String(name)),
    outcomes: () =>
      selectOutcomes
        .all()
        .map(({ thing, commands }) => ({ thing: String(thing), commands: JSON.parse(String(commands)) })),
    presence: ({ thing, online, at }): LastSeen | undefined => {
      const before = selectSeen.get(thing)
      if (!online && before !== undefined && before.writer !== writer) return undefined
      const now = before === undefined ? at : Math.max(at, Number(before.at) + 1)
      upsertSeen.run(thing, Number(online), now, writer)
      return { thing, online, at: now }
    },
    presences: () =>
      selectAllSeen
        .all()
        .map(({ thing, online, at }) => ({ thing: String(thing), online: online === 1, at: Number(at) }))
  }

  const perform = <K extends OperationName>({ name, input }: Operation<K>): Operations[K]["answer"] =>
    operations[name](input)

  return {
    commit: (batch) => {
      const { answers, look } = transaction(db, WRITE_TIMEOUT, () => {
        // Whoever wrote before the lock was taken came before this batch.
        const before = made.look()
        const answers = batch.map((operation) => perform(operation))
        return { answers, look: made.finish(before) }
      })
      made.seen(look)
      return { answers, before: look.by }
    },
    byOthers: () => {
      const look = made.look()
      made.seen(look)
      return look.by
    },
    changes: () => changesIn(db),
    shrink: () => {
      if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > WAL_BYTES) {
        db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      }
    },
    close: () => db.close()
  }
}

/** SQLite gives the files beside it the same mode. Whoever can write shadows can open doors. */
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
    // Also when nothing changes: a file that cannot be written shows itself now, and not at the first command.
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
    sayGoodbye(db)
  })
}

/** Devices of processes that have died are gone: nobody else will say so. */
const sayGoodbye = (db: DatabaseSync) => {
  for (const { writer } of db.prepare("SELECT DISTINCT writer FROM presence WHERE online = 1").all()) {
    if (isAlive(Number.parseInt(String(writer), 10))) continue
    db.prepare("UPDATE presence SET online = 0, at = max(at + 1, ?) WHERE online = 1 AND writer = ?").run(
      Date.now(),
      String(writer)
    )
  }
}

/** In a container every process may have had this process's own id: nothing that is new here has devices yet. */
const isAlive = (pid: number): boolean => {
  try {
    return pid !== process.pid && process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
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
  const advice = ADVICE[resultCode(error)]
  return advice === undefined
    ? `The shadow database ${path} failed: ${text}`
    : `The shadow database ${path} ${advice} (${text})`
}

/** SQLite's primary result code: the low byte of the one that node:sqlite reports. */
const resultCode = (error: unknown): number =>
  error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : -1
