/**
 * The writing half of the event store: carries out batches against the database, many in one transaction.
 * Runs in the writer thread, so it knows nothing of Effect; `Writer.ts` is its other end.
 */

import type { DatabaseSync } from "node:sqlite"
import { whileBusy } from "./Database.ts"
import { Recent } from "./Recent.ts"
import { toStoredKey } from "./StoredKey.ts"

/** An event in the order of its columns, JSON as text. Tuples throughout: a message must be cheap to copy. */
export type EventColumns = readonly [
  eventId: string,
  type: string,
  data: string,
  at: number,
  orgId: string,
  principal: string,
  commandId: string,
  acceptedAt: number | null
]

/** A batch, and the time at which it was made, epoch milliseconds. */
export interface WriteRequest {
  readonly now: number
  readonly expect: ReadonlyArray<readonly [key: string, value: string | undefined]>
  readonly append: ReadonlyArray<
    readonly [streamId: string, expectedVersion: number, events: ReadonlyArray<EventColumns>]
  >
  readonly put: ReadonlyArray<readonly [key: string, value: string, until: number | null]>
  readonly remove: ReadonlyArray<string>
  readonly imported: boolean
}

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
    if (request.now - this.#prunedAt > PRUNE_EVERY) this.#prune(request.now)
    return (
      this.#unexpected(request) ??
      (request.imported ? undefined : this.#double(request)) ??
      this.#conflict(request) ??
      this.#carryOut(request)
    )
  }

  #unexpected({ expect, now }: WriteRequest): Refusal | undefined {
    for (const [key, value] of expect) {
      const actual = this.#sql.record.get(toStoredKey(key), now)?.["value"] as string | undefined
      if (actual !== value) return { _tag: "RecordConflict", key, actual }
    }
    return undefined
  }

  #double({ append }: WriteRequest): Refusal | undefined {
    const ids = new Set<string>()
    for (const [, , events] of append) {
      for (const [eventId] of events) {
        if (ids.has(eventId) || this.#sql.hasId.get(eventId) !== undefined) return { _tag: "EventExists", eventId }
        ids.add(eventId)
      }
    }
    return undefined
  }

  #conflict({ append }: WriteRequest): Refusal | undefined {
    const ends = new Map<string, number>()
    for (const [streamId, expected, events] of append) {
      const actual = ends.get(streamId) ?? this.#end(streamId)
      if (actual !== expected) return { _tag: "VersionConflict", streamId, expected, actual }
      ends.set(streamId, expected + events.length)
    }
    return undefined
  }

  #carryOut({ append, put, remove }: WriteRequest): number {
    for (const [streamId, expected, events] of append) {
      let version = expected
      for (const event of events) this.#sql.insert.run(++this.head, streamId, ++version, ...event)
      this.#ends.set(streamId, version)
    }
    for (const [key, value, until] of put) this.#sql.put.run(toStoredKey(key), value, until)
    for (const key of remove) this.#sql.remove.run(toStoredKey(key))
    return this.head
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
    this.#dataVersion = undefined
  }

  #prune(now: number) {
    if (this.#sql.prune.run(now, PRUNE_AT_ONCE).changes < PRUNE_AT_ONCE) this.#prunedAt = now
  }
}

const statements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  dataVersion: db.prepare("PRAGMA data_version"),
  head: db.prepare("SELECT coalesce(max(position), 0) AS head FROM events"),
  end: db.prepare("SELECT version FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1"),
  hasId: db.prepare("SELECT 1 FROM events WHERE event_id = ? LIMIT 1"),
  insert: db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
  record: db.prepare("SELECT value FROM records WHERE key = ? AND (until IS NULL OR until > ?)"),
  put: db.prepare(
    "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until"
  ),
  remove: db.prepare("DELETE FROM records WHERE key = ?"),
  prune: db.prepare("DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE until <= ? LIMIT ?)")
})
