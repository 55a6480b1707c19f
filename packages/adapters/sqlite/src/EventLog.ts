/**
 * The writing half of the event store: carries out batches against the database, many in one transaction.
 * Runs in the writer thread, so it knows nothing of Effect; `Writer.ts` is its other end.
 */

import type { DatabaseSync } from "node:sqlite"
import { whileBusy } from "./Database.ts"
import { Gap } from "./Gap.ts"
import { INDEX_ORGANIZATIONS, SPAN } from "./organizationFeed.ts"
import { Recent } from "./Recent.ts"
import { toStoredKey } from "./StoredKey.ts"
import { COLUMNS, type WriteRequest } from "./WriteRequest.ts"

/** The answer to one batch: the feed's position after it, or why it was refused, in the fields of the error of that name. */
export type WriteAnswer = number | Refusal

export type Refusal =
  | { readonly _tag: "RecordConflict"; readonly key: string; readonly actual: string | undefined }
  | { readonly _tag: "EventExists"; readonly eventId: string }
  | { readonly _tag: "VersionConflict"; readonly streamId: string; readonly expected: number; readonly actual: number }

/** Milliseconds to wait for another process that holds the database. */
export const BUSY_TIMEOUT = 5000
/** Streams whose ends are known between transactions, at least. */
const KNOWN_STREAMS = 50_000
/** Kinds of records whose gaps are known between transactions, at most. */
const KNOWN_KINDS = 100
const PRUNE_EVERY = 60 * 60 * 1000
/** Most that one pruning deletes, since writes wait for it; when there is more, the next one comes at once. */
const PRUNE_AT_ONCE = 1_000

export class EventLog {
  /** Position of the newest event that this connection knows of. */
  head = 0
  readonly #db: DatabaseSync
  readonly #sql: ReturnType<typeof statements>
  /** Versions of streams: what other connections have not changed since. */
  readonly #ends = new Recent<number>(KNOWN_STREAMS)
  /** Where the ids of events, and the keys of each kind of records, leave a gap: likewise. */
  #freeIds = new Gap()
  readonly #freeKeys = new Map<string, Gap>()
  #dataVersion: unknown
  #prunedAt = Number.NEGATIVE_INFINITY

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#sql = statements(db)
    // The first write: a file that may only be read is found out here and not by the first caller.
    whileBusy(BUSY_TIMEOUT, () => this.#sql.prune.run(0, 0))
  }

  /**
   * Carries out all batches in one transaction and answers each; a refused one touches none of the others. Throws, with
   * nothing done, when the transaction as a whole fails.
   */
  commit(requests: ReadonlyArray<WriteRequest>): Array<WriteAnswer> {
    const { head } = this
    try {
      whileBusy(BUSY_TIMEOUT, () => this.#sql.begin.run())
      this.#forgetWhatOthersChanged()
      const answers = requests.map((request) => this.#answer(request))
      this.#sql.commit.run()
      return answers
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK")
      this.#forget()
      this.head = head
      throw error
    }
  }

  #answer(request: WriteRequest): WriteAnswer {
    const [now, , , , , imported] = request
    if (now - this.#prunedAt > PRUNE_EVERY) this.#prune(now)
    return (
      this.#unexpected(request) ??
      (imported ? undefined : this.#double(request)) ??
      this.#conflict(request) ??
      this.#carryOut(request)
    )
  }

  #unexpected([now, expect]: WriteRequest): Refusal | undefined {
    for (let at = 0; at < expect.length; at += 2) {
      const [key, value] = [String(expect[at]), expect[at + 1] ?? undefined]
      const actual = this.#record(key, now)
      if (actual !== value) return { _tag: "RecordConflict", key, actual }
    }
    return undefined
  }

  #double([, , append]: WriteRequest): Refusal | undefined {
    const ids = new Set<string>()
    for (const columns of append) {
      for (let at = 2; at < columns.length; at += COLUMNS) {
        const eventId = String(columns[at])
        if (ids.has(eventId) || this.#hasId(eventId)) return { _tag: "EventExists", eventId }
        ids.add(eventId)
      }
    }
    return undefined
  }

  #conflict([, , append]: WriteRequest): Refusal | undefined {
    const ends = new Map<string, number>()
    for (const { 0: streamId, 1: expected, length } of append) {
      const actual = ends.get(streamId) ?? this.#end(streamId)
      if (actual !== expected) return { _tag: "VersionConflict", streamId, expected, actual }
      ends.set(streamId, expected + (length - 2) / COLUMNS)
    }
    return undefined
  }

  #carryOut([, , append, put, remove]: WriteRequest): number {
    for (const columns of append) {
      const [streamId, expected] = columns
      let version = expected
      for (let at = 2; at < columns.length; at += COLUMNS) {
        this.#insert(streamId, ++version, columns.slice(at, at + COLUMNS))
      }
      this.#ends.set(streamId, version)
    }
    for (let at = 0; at < put.length; at += 3) {
      const [key, value, until] = [String(put[at]), put[at + 1] ?? null, put[at + 2] ?? null]
      this.#sql.put.run(toStoredKey(key), value, until)
      this.#freeKeysLike(key).take(key)
    }
    for (const key of remove) this.#sql.remove.run(toStoredKey(key))
    return this.head
  }

  #insert(streamId: string, version: number, columns: ReadonlyArray<string | number | null>) {
    this.#sql.insert.run(++this.head, streamId, version, ...columns)
    this.#freeIds.take(String(columns[0]))
    if (this.head % SPAN === 0) this.#sql.index.run(this.head - SPAN)
  }

  #hasId(eventId: string): boolean {
    if (this.#freeIds.holds(eventId)) return false
    const next = this.#sql.idFrom.get(eventId)?.["event_id"] as string | undefined
    if (next === eventId) return true
    this.#freeIds.learn(eventId, next)
    return false
  }

  #record(key: string, now: number): string | undefined {
    const free = this.#freeKeysLike(key)
    if (free.holds(key)) return undefined
    const stored = toStoredKey(key)
    const next = this.#sql.recordFrom.get(stored) as RecordRow | undefined
    if (next?.key === stored) return next.until === null || next.until > now ? next.value : undefined
    free.learn(key, next?.key)
    return undefined
  }

  #freeKeysLike(key: string): Gap {
    const kind = key.slice(0, key.indexOf("/") + 1)
    let free = this.#freeKeys.get(kind)
    if (free === undefined) {
      if (this.#freeKeys.size === KNOWN_KINDS) this.#freeKeys.clear()
      free = new Gap()
      this.#freeKeys.set(kind, free)
    }
    return free
  }

  #end(streamId: string): number {
    const known = this.#ends.get(streamId)
    if (known !== undefined) return known
    const end = Number(this.#sql.end.get(streamId)?.["version"] ?? 0)
    this.#ends.set(streamId, end)
    return end
  }

  /** SQLite counts up what `data_version` shows whenever another connection has committed. */
  #forgetWhatOthersChanged() {
    const dataVersion = this.#sql.dataVersion.get()?.["data_version"]
    if (dataVersion === this.#dataVersion) return
    this.#forget()
    this.#dataVersion = dataVersion
    this.head = Number(this.#sql.head.get()?.["head"])
  }

  #forget() {
    this.#ends.clear()
    this.#freeIds = new Gap()
    this.#freeKeys.clear()
    this.#dataVersion = undefined
  }

  #prune(now: number) {
    if (this.#sql.prune.run(now, PRUNE_AT_ONCE).changes < PRUNE_AT_ONCE) this.#prunedAt = now
  }
}

interface RecordRow {
  readonly key: string
  readonly value: string
  readonly until: number | null
}

const statements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  dataVersion: db.prepare("PRAGMA data_version"),
  head: db.prepare("SELECT coalesce(max(position), 0) AS head FROM events"),
  end: db.prepare("SELECT version FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1"),
  idFrom: db.prepare("SELECT event_id FROM events WHERE event_id >= ? ORDER BY event_id LIMIT 1"),
  insert: db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
  index: db.prepare(INDEX_ORGANIZATIONS),
  // The value of another one may be large.
  recordFrom: db.prepare(
    "SELECT key, iif(key = ?1, value, '') AS value, until FROM records WHERE key >= ?1 ORDER BY key LIMIT 1"
  ),
  put: db.prepare(
    "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until"
  ),
  remove: db.prepare("DELETE FROM records WHERE key = ?"),
  prune: db.prepare("DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE until <= ? LIMIT ?)")
})
