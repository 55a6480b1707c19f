/**
 * The event store: writes go to the writer thread, reads are answered in this thread from a connection of their own.
 * In WAL mode that connection sees what has been committed, and never waits for the writer.
 */

import { DatabaseSync } from "node:sqlite"
import {
  type EventStore,
  type NewEvent,
  ReceiptExists,
  type Receipted,
  type Reservation,
  type Settlement,
  type Snapshot,
  type StoredEvent,
  StoreUnavailable,
  StreamReserved,
  VersionConflict
} from "@latchkey/core"
import { Effect, Option, type Scope } from "effect"
import { explain } from "./Database.ts"
import type { EventColumns, WriteAnswer, WriteRequest } from "./EventLog.ts"
import { Writer } from "./Writer.ts"
import { watchHead } from "./watchHead.ts"
import type { WriterData } from "./worker.ts"

/** Milliseconds that a read may wait, in the main thread: only while another process repairs or closes the database. */
const READ_TIMEOUT = 500

/** Opens the event store on a file, which is created when it is not there. */
export const make: (data: WriterData) => Effect.Effect<EventStore["Service"], StoreUnavailable, Scope.Scope> =
  Effect.fnUntraced(function* (data) {
    const { file } = data
    const unavailable = (cause: unknown) => new StoreUnavailable({ message: explain(cause, file), cause })

    const writer = yield* Writer.open(data)
    const db = yield* Effect.acquireRelease(
      Effect.try({ try: () => new DatabaseSync(file, { readOnly: true, timeout: READ_TIMEOUT }), catch: unavailable }),
      (db) => Effect.sync(() => db.close())
    )
    const sql = yield* Effect.try({ try: () => statements(db), catch: unavailable })
    const query = <A>(run: () => A) => Effect.try({ try: run, catch: unavailable })

    const headNow = () => Number(sql.head.get()?.["head"])
    const watch = watchHead({ head: headNow, dataVersion: () => sql.dataVersion.get()?.["data_version"], unavailable })
    writer.onCommit = watch.moved

    const write = <A, E = never>(request: WriteRequest, outcome: (answer: WriteAnswer) => Effect.Effect<A, E>) =>
      Effect.callback<A, E | StoreUnavailable>((resume) =>
        writer.submit(request, (answer) =>
          resume(answer._tag === "StoreUnavailable" ? Effect.fail(answer) : outcome(answer))
        )
      )

    return {
      read: (streamId, afterVersion, limit) => query(() => toStored(sql.read.all(streamId, afterVersion, limit))),

      readAll: (afterPosition, limit) => query(() => toStored(sql.readAll.all(afterPosition, limit))),

      head: query(headNow),

      streams: (prefix, after, limit) =>
        query(() => {
          const ids: Array<string> = []
          // The index is sorted by stream: hop from one to the next, however many events lie between.
          let next = prefix > after ? sql.streamFrom.get(prefix) : sql.streamAfter.get(after)
          while (next !== undefined && ids.length < limit) {
            const id = String(next["stream"])
            if (!id.startsWith(prefix)) break
            ids.push(id)
            next = sql.streamAfter.get(id)
          }
          return ids
        }),

      append: (streamId, expected, events, receipt) =>
        write({ op: "append", streamId, expected, events: events.map(toColumns), receipt }, (answer) =>
          answer._tag === "Appended"
            ? Effect.succeed({ version: answer.version, position: answer.position })
            : refused(answer)
        ),

      prepare: (expected, events, reservation, receipt) =>
        write(
          {
            op: "prepare",
            streamId: reservation.streamId,
            expected,
            events: events.map(toColumns),
            reservation,
            receipt
          },
          (answer) => (answer._tag === "Done" ? Effect.void : refused(answer))
        ),

      commit: (commandId) => write({ op: "commit", commandId }, settled),

      discard: (commandId) => write({ op: "discard", commandId }, settled),

      release: (commandId) => write({ op: "release", commandId }, () => Effect.void),

      unsettled: (before) =>
        query(() =>
          (sql.unsettled.all(before) as Array<ReservationRow>).map((row) => ({ ...row, released: row.released === 1 }))
        ),

      receipt: (id) => query(() => Option.fromUndefinedOr(sql.receipt.get(id) as Receipted | undefined)),

      snapshot: (streamId) => query(() => Option.fromUndefinedOr(sql.snapshot.get(streamId) as Snapshot | undefined)),

      saveSnapshot: (streamId, snapshot) => write({ op: "saveSnapshot", streamId, snapshot }, () => Effect.void),

      changes: watch.changes
    }
  })

const settled = (answer: WriteAnswer): Effect.Effect<Settlement> =>
  answer._tag === "Committed" || answer._tag === "Discarded" ? Effect.succeed(answer) : unexpected(answer)

const refused = (answer: WriteAnswer): Effect.Effect<never, VersionConflict | StreamReserved | ReceiptExists> => {
  switch (answer._tag) {
    case "VersionConflict":
      return Effect.fail(new VersionConflict(answer))
    case "StreamReserved":
      return Effect.fail(new StreamReserved(answer))
    case "ReceiptExists":
      return Effect.fail(new ReceiptExists(answer))
    default:
      return unexpected(answer)
  }
}

const unexpected = (answer: WriteAnswer) =>
  Effect.die(new Error(`The writer thread answered ${answer._tag} to another question`))

const toColumns = (event: NewEvent): EventColumns => [
  event.eventId,
  event.type,
  JSON.stringify(event.data),
  event.at,
  event.orgId,
  JSON.stringify(event.principal),
  event.commandId
]

type ReservationRow = Omit<Reservation, "released"> & { readonly released: number }
type EventRow = Omit<StoredEvent, "data" | "principal"> & { readonly data: string; readonly principal: string }

const toStored = (rows: ReturnType<ReturnType<typeof statements>["read"]["all"]>): ReadonlyArray<StoredEvent> =>
  (rows as Array<EventRow>).map((row) => ({ ...row, data: JSON.parse(row.data), principal: JSON.parse(row.principal) }))

const EVENT = `position, stream AS streamId, version, event_id AS eventId, type, data, at,
  org_id AS orgId, principal, command_id AS commandId`

const statements = (db: DatabaseSync) => ({
  read: db.prepare(`SELECT ${EVENT} FROM events WHERE stream = ? AND version > ? ORDER BY version LIMIT ?`),
  readAll: db.prepare(`SELECT ${EVENT} FROM events WHERE position > ? ORDER BY position LIMIT ?`),
  head: db.prepare("SELECT coalesce(max(position), 0) AS head FROM events"),
  dataVersion: db.prepare("PRAGMA data_version"),
  streamFrom: db.prepare("SELECT stream FROM events WHERE stream >= ? ORDER BY stream LIMIT 1"),
  streamAfter: db.prepare("SELECT stream FROM events WHERE stream > ? ORDER BY stream LIMIT 1"),
  unsettled: db.prepare(
    `SELECT command_id AS commandId, stream AS streamId, thing, deadline, released
     FROM reservations WHERE settled_at IS NULL AND deadline < ?`
  ),
  receipt: db.prepare(
    "SELECT id, fingerprint, stream AS streamId, first_version AS firstVersion, version FROM receipts WHERE id = ?"
  ),
  snapshot: db.prepare("SELECT version, state FROM snapshots WHERE stream = ?")
})
