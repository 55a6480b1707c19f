/**
 * The writing half of the event store: carries out requests against the database, many in one transaction.
 * Runs in the writer thread, so it knows nothing of Effect; `Writer.ts` is its other end.
 */

import type { DatabaseSync } from "node:sqlite"
import type { Appended, Receipt, Reservation, Settlement, Snapshot } from "@latchkey/core"
import { whileBusy } from "../Database.ts"
import { HalfImported, halfImported, markHalfImported } from "./HalfImport.ts"

/** An event in the order of its columns, JSON as text: what crosses to the writer thread must be cheap to copy. */
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

/** An event with its place: in the feed, in its stream. */
export type StoredColumns = readonly [position: number, streamId: string, version: number, ...event: EventColumns]

/** Whose shadow has the command, and since when that is known (epoch milliseconds). */
interface Evidence {
  readonly thing: string
  readonly at: number
}

interface Write {
  readonly streamId: string
  readonly expected: number
  readonly events: ReadonlyArray<EventColumns>
  readonly receipt: Receipt | undefined
}

export type WriteRequest =
  | ({ readonly op: "append"; readonly mayPass: boolean } & Write)
  | ({ readonly op: "prepare"; readonly reservation: Omit<Reservation, "released"> } & Write)
  | ({ readonly op: "commit"; readonly commandId: string; readonly attempt: number | undefined } & Evidence)
  | { readonly op: "discard" | "release"; readonly commandId: string; readonly attempt: number }
  | { readonly op: "saveSnapshot"; readonly streamId: string; readonly snapshot: Snapshot }
  | { readonly op: "import"; readonly events: ReadonlyArray<StoredColumns>; readonly last: boolean }

/** The answer to one request; refusals have the fields of the errors of the same name. */
export type WriteAnswer = ({ readonly _tag: "Appended" } & Appended) | Settlement | { readonly _tag: "Done" } | Refusal

export type Refusal =
  | { readonly _tag: "VersionConflict"; readonly streamId: string; readonly expected: number; readonly actual: number }
  | ({ readonly _tag: "StreamReserved" } & Reservation)
  | { readonly _tag: "ReceiptExists"; readonly id: string }
  | { readonly _tag: "EventExists"; readonly eventId: string }
  | { readonly _tag: "CommandExists"; readonly commandId: string }
  | { readonly _tag: "AttemptExists"; readonly commandId: string; readonly attempt: number }

/** What the next append to a stream depends on. */
interface StreamState {
  version: number
  /** Time of the newest event, epoch milliseconds. */
  at: number
  reservation: Reservation | undefined
}

/** Milliseconds to wait for another process that holds the database. */
export const BUSY_TIMEOUT = 5000
/** Streams whose state is remembered between transactions. */
const REMEMBERED_STREAMS = 100_000
/** How long it is known how a prepared append ended, in milliseconds. */
const KEEP_SETTLED = 24 * 60 * 60 * 1000
const PRUNE_EVERY = 60 * 60 * 1000
/** Most that one pruning deletes, since appends wait for it; when there is more, the next one comes at once. */
const PRUNE_AT_ONCE = 1_000

const goesOnWithImport = (request: WriteRequest): boolean =>
  request.op === "import" && (request.events.length > 0 || request.last)

const done: WriteAnswer = { _tag: "Done" }
const discarded: Settlement = { _tag: "Discarded" }

export class EventLog {
  /** Position of the newest event that this connection knows of. */
  head = 0
  readonly #db: DatabaseSync
  readonly #sql: ReturnType<typeof statements>
  readonly #streams = new Map<string, StreamState>()
  #dataVersion: unknown
  /** Why nothing but an import may write, if so: another process has begun one. */
  #half: string | undefined
  #prunedAt = 0

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#sql = statements(db)
    // Also the first write: a file that may only be read is found out here and not by the first caller.
    whileBusy(BUSY_TIMEOUT, () => this.#sql.prune.run(Date.now() - KEEP_SETTLED, PRUNE_AT_ONCE))
  }

  /**
   * Carries out all requests in one transaction and answers each; a refused one touches none of the others. Throws,
   * with nothing done, when the transaction as a whole fails.
   */
  commit(requests: ReadonlyArray<WriteRequest>): Array<WriteAnswer> {
    const { head } = this
    try {
      whileBusy(BUSY_TIMEOUT, () => this.#sql.begin.run())
      this.#forgetWhatOthersChanged()
      if (Date.now() - this.#prunedAt > PRUNE_EVERY) this.#prune()
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
    if (this.#half !== undefined && !goesOnWithImport(request)) throw new HalfImported(this.#half)
    switch (request.op) {
      case "append":
        return this.#append(request)
      case "prepare":
        return this.#prepare(request)
      case "commit":
        return this.#settle(request, request)
      case "discard":
        return this.#settle(request)
      case "release":
        return this.#release(request)
      case "saveSnapshot": {
        const { streamId, snapshot } = request
        this.#sql.saveSnapshot.run(streamId, snapshot.version, snapshot.state)
        return done
      }
      case "import":
        return this.#import(request)
    }
  }

  #append(request: Extract<WriteRequest, { op: "append" }>): WriteAnswer {
    const stream = this.#stream(request.streamId)
    return (
      this.#hindrance(stream, request, request.mayPass && stream.reservation?.released === true) ??
      this.#double(request) ??
      this.#conflict(stream, request) ?? {
        _tag: "Appended",
        ...this.#write(request.streamId, stream, request.events, request.receipt)
      }
    )
  }

  #prepare(request: Extract<WriteRequest, { op: "prepare" }>): WriteAnswer {
    const stream = this.#stream(request.streamId)
    const refusal =
      this.#hindrance(stream, request, false) ??
      this.#reuse(request.reservation) ??
      this.#double(request) ??
      this.#conflict(stream, request)
    if (refusal !== undefined) return refusal
    const { commandId, attempt, streamId, thing, deadline } = request.reservation
    const { id = null, fingerprint = null, expiresAt = null } = request.receipt ?? {}
    const events = JSON.stringify(request.events)
    this.#sql.prepare.run(commandId, attempt, streamId, thing, deadline, events, id, fingerprint, expiresAt)
    for (const [eventId] of request.events) this.#sql.keepId.run(eventId, commandId)
    stream.reservation = { ...request.reservation, released: false }
    return done
  }

  /** Commits when there is evidence from a thing's shadow; else discards. */
  #settle(
    { commandId, attempt }: { readonly commandId: string; readonly attempt: number | undefined },
    evidence?: Evidence
  ): Settlement {
    const row = this.#sql.reservation.get(commandId) as ReservationRow | undefined
    if (row === undefined || (evidence !== undefined && row.thing !== evidence.thing)) return discarded
    if (attempt !== undefined && attempt !== row.attempt) return discarded
    if (row.settledAt !== null) {
      const { version, position } = row
      return version === null || position === null ? discarded : { _tag: "Committed", version, position }
    }
    const stream = this.#stream(row.streamId)
    stream.reservation = undefined
    this.#sql.dropIds.run(commandId)
    if (evidence === undefined) {
      this.#sql.settle.run(Date.now(), null, null, commandId)
      return discarded
    }
    // A receipt id that another append took meanwhile stays with that append.
    const receipt =
      row.receiptId === null || this.#hasReceipt(row.receiptId)
        ? undefined
        : {
            id: row.receiptId,
            fingerprint: row.fingerprint ?? "",
            ...(row.expiresAt === null ? {} : { expiresAt: row.expiresAt })
          }
    const prepared: ReadonlyArray<EventColumns> = JSON.parse(row.events ?? "[]")
    const accepted = prepared.map(
      ([eventId, type, data, at, orgId, principal, commandId]): EventColumns => [
        eventId,
        type,
        data,
        at,
        orgId,
        principal,
        commandId,
        evidence.at
      ]
    )
    const { version, position } = this.#write(row.streamId, stream, accepted, receipt)
    this.#sql.settle.run(Date.now(), version, position, commandId)
    return { _tag: "Committed", version, position }
  }

  #release({ commandId, attempt }: { readonly commandId: string; readonly attempt: number }): WriteAnswer {
    const row = this.#sql.release.get(commandId, attempt) as { readonly streamId: string } | undefined
    if (row !== undefined) {
      const stream = this.#stream(row.streamId)
      if (stream.reservation !== undefined) stream.reservation = { ...stream.reservation, released: true }
    }
    return done
  }

  #import({ events, last }: Extract<WriteRequest, { op: "import" }>): WriteAnswer {
    const [[position] = [this.head + 1]] = events
    if (position !== this.head + 1) {
      return { _tag: "VersionConflict", streamId: "", expected: position - 1, actual: this.head }
    }
    for (const event of events) this.#sql.insert.run(...event)
    this.head += events.length
    this.#streams.clear()
    markHalfImported(this.#db, !last)
    return done
  }

  #hindrance(stream: StreamState, { receipt }: Write, mayPass: boolean): Refusal | undefined {
    if (receipt !== undefined && this.#hasReceipt(receipt.id)) {
      return { _tag: "ReceiptExists", id: receipt.id }
    }
    return stream.reservation === undefined || mayPass ? undefined : { _tag: "StreamReserved", ...stream.reservation }
  }

  #hasReceipt(id: string): boolean {
    return this.#sql.hasReceipt.get(id, Date.now()) !== undefined
  }

  #reuse({ commandId, attempt }: Omit<Reservation, "released">): Refusal | undefined {
    const last = this.#sql.reservation.get(commandId) as ReservationRow | undefined
    if (last === undefined) return undefined
    if (last.settledAt === null || last.version !== null) return { _tag: "CommandExists", commandId }
    return attempt > last.attempt ? undefined : { _tag: "AttemptExists", commandId, attempt: last.attempt }
  }

  #double({ events }: Write): Refusal | undefined {
    for (const [index, [eventId]] of events.entries()) {
      const isTwice = events.findIndex(([other]) => other === eventId) < index
      if (isTwice || this.#sql.hasId.get(eventId) !== undefined) return { _tag: "EventExists", eventId }
    }
    return undefined
  }

  #conflict({ version: actual }: StreamState, { streamId, expected }: Write): Refusal | undefined {
    return actual === expected ? undefined : { _tag: "VersionConflict", streamId, expected, actual }
  }

  #write(
    streamId: string,
    stream: StreamState,
    events: ReadonlyArray<EventColumns>,
    receipt: Receipt | undefined
  ): Appended {
    const firstVersion = stream.version + 1
    for (const [eventId, type, data, at, ...rest] of events) {
      stream.at = Math.max(stream.at, at)
      this.#sql.insert.run(++this.head, streamId, ++stream.version, eventId, type, data, stream.at, ...rest)
    }
    const { version } = stream
    if (receipt !== undefined) {
      const { id, fingerprint, expiresAt = null } = receipt
      this.#sql.saveReceipt.run(id, fingerprint, streamId, firstVersion, version, expiresAt)
    }
    return { version, position: this.head }
  }

  #stream(streamId: string): StreamState {
    let stream = this.#streams.get(streamId)
    if (stream === undefined) {
      if (this.#streams.size >= REMEMBERED_STREAMS) this.#streams.clear()
      const pending = this.#sql.pending.get(streamId) as PendingRow | undefined
      const newest = this.#sql.newest.get(streamId) as { readonly version: number; readonly at: number } | undefined
      stream = {
        version: newest?.version ?? 0,
        at: newest?.at ?? Number.NEGATIVE_INFINITY,
        reservation: pending && { ...pending, released: pending.released === 1 }
      }
      this.#streams.set(streamId, stream)
    }
    return stream
  }

  /** SQLite counts up what `data_version` shows whenever another connection has committed. */
  #forgetWhatOthersChanged() {
    const dataVersion = this.#sql.dataVersion.get()?.["data_version"]
    if (dataVersion === this.#dataVersion) return
    this.#forget()
    this.#dataVersion = dataVersion
    this.head = Number(this.#sql.head.get()?.["head"])
    this.#half = halfImported(this.#db, this.#db.location() ?? "")
  }

  #forget() {
    this.#streams.clear()
    this.#dataVersion = undefined
  }

  #prune() {
    const now = Date.now()
    const settled = this.#sql.prune.run(now - KEEP_SETTLED, PRUNE_AT_ONCE).changes
    const expired = this.#sql.pruneReceipts.run(now, PRUNE_AT_ONCE).changes
    if (settled < PRUNE_AT_ONCE && expired < PRUNE_AT_ONCE) this.#prunedAt = now
  }
}

type PendingRow = Omit<Reservation, "released"> & { readonly released: number }

interface ReservationRow {
  readonly attempt: number
  readonly thing: string
  readonly streamId: string
  readonly events: string | null
  readonly receiptId: string | null
  readonly fingerprint: string | null
  readonly expiresAt: number | null
  readonly settledAt: number | null
  readonly version: number | null
  readonly position: number | null
}

const statements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  dataVersion: db.prepare("PRAGMA data_version"),
  head: db.prepare("SELECT coalesce(max(position), 0) AS head FROM events"),
  newest: db.prepare("SELECT version, at FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1"),
  hasId: db.prepare(
    `SELECT 1 WHERE EXISTS (SELECT 1 FROM events WHERE event_id = ?1)
       OR EXISTS (SELECT 1 FROM prepared_ids WHERE event_id = ?1)`
  ),
  keepId: db.prepare("INSERT INTO prepared_ids VALUES (?, ?)"),
  dropIds: db.prepare("DELETE FROM prepared_ids WHERE command_id = ?"),
  insert: db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
  hasReceipt: db.prepare("SELECT 1 FROM receipts WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)"),
  // Only one that has expired gives way.
  saveReceipt: db.prepare("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?)"),
  pruneReceipts: db.prepare("DELETE FROM receipts WHERE id IN (SELECT id FROM receipts WHERE expires_at <= ? LIMIT ?)"),
  pending: db.prepare(
    `SELECT command_id AS commandId, attempt, stream AS streamId, thing, deadline, released
     FROM reservations WHERE stream = ? AND settled_at IS NULL`
  ),
  reservation: db.prepare(
    `SELECT attempt, thing, stream AS streamId, events, receipt_id AS receiptId, fingerprint,
       receipt_expires_at AS expiresAt, settled_at AS settledAt, version, position
     FROM reservations WHERE command_id = ?`
  ),
  // A command that was discarded may be prepared once more. Nothing else ever gives way to an insert.
  prepare: db.prepare(
    `INSERT INTO reservations
       (command_id, attempt, stream, thing, deadline, events, receipt_id, fingerprint, receipt_expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (command_id) DO UPDATE
     SET attempt = excluded.attempt, stream = excluded.stream, thing = excluded.thing, deadline = excluded.deadline,
       released = 0, events = excluded.events, receipt_id = excluded.receipt_id, fingerprint = excluded.fingerprint,
       receipt_expires_at = excluded.receipt_expires_at, settled_at = NULL
     WHERE settled_at IS NOT NULL AND version IS NULL`
  ),
  settle: db.prepare(
    "UPDATE reservations SET settled_at = ?, version = ?, position = ?, events = NULL WHERE command_id = ?"
  ),
  release: db.prepare(
    `UPDATE reservations SET released = 1 WHERE command_id = ? AND attempt = ? AND settled_at IS NULL
     RETURNING stream AS streamId`
  ),
  prune: db.prepare(
    "DELETE FROM reservations WHERE command_id IN (SELECT command_id FROM reservations WHERE settled_at < ? LIMIT ?)"
  ),
  saveSnapshot: db.prepare(
    `INSERT INTO snapshots VALUES (?, ?, ?)
     ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state
     WHERE excluded.version >= version`
  )
})
