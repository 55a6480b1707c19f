/**
 * The event store: writes go to the writer thread, reads are answered in this thread from a connection of their own.
 * In WAL mode that connection sees what has been committed, and never waits for the writer.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite"
import {
  AttemptExists,
  CommandExists,
  EventExists,
  type EventStore,
  type NewEvent,
  type PrepareError,
  type Principal,
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
import { Clock, Effect, Option, type Scope } from "effect"
import { explain, isDamage, openToRead } from "../Database.ts"
import { watchHead } from "../watchHead.ts"
import type { EventColumns, WriteAnswer, WriteRequest } from "./EventLog.ts"
import { halfImported } from "./HalfImport.ts"
import { migrations } from "./migrations.ts"
import { Writer } from "./Writer.ts"
import type { WriterData } from "./worker.ts"

/** Milliseconds that a read may wait, in the main thread: only while another process repairs or closes the database. */
const READ_TIMEOUT = 500
/** Of the database, kept in memory for reads: what a tenant asks for again is there, also when the file is large. */
const CACHE_KIB = 16_384

/** Opens the event store on a file, which is created when it is not there. */
export const make: (data: WriterData) => Effect.Effect<EventStore["Service"], StoreUnavailable, Scope.Scope> = (data) =>
  Effect.gen(function* () {
    const writer = yield* Writer.open(data)
    const run = Effect.runForkWith(yield* Effect.context<never>())
    writer.onEnd = ({ message }) => run(Effect.logError(message))
    return yield* over(data.file, writer)
  })

/** Opens the event store on a file to read it, whoever writes it: what is written here fails, and snapshots are lost. */
export const makeReader = (file: string) => over(file, undefined)

const over = Effect.fnUntraced(function* (
  file: string,
  writer: Writer | undefined
): Effect.fn.Return<EventStore["Service"], StoreUnavailable, Scope.Scope> {
  const unavailable = (cause: unknown) =>
    cause instanceof StoreUnavailable ? cause : new StoreUnavailable({ message: explain(cause, file), cause })

  const db = yield* Effect.acquireRelease(
    Effect.try({ try: () => openToRead(file, migrations.length, READ_TIMEOUT), catch: unavailable }),
    (db) => Effect.sync(() => db.close())
  )
  const half = yield* Effect.try({ try: () => halfImported(db, file), catch: unavailable })
  if (half !== undefined) return yield* new StoreUnavailable({ message: half })
  yield* Effect.try({ try: () => db.exec(`PRAGMA cache_size = -${CACHE_KIB}`), catch: unavailable })
  const sql = yield* Effect.try({ try: () => statements(db), catch: unavailable })
  const query = <A>(run: () => A) =>
    Effect.try({
      try: run,
      catch: (cause) => {
        const error = unavailable(cause)
        // What is written into a damaged file may never be read again.
        if (isDamage(cause)) writer?.end(error)
        return error
      }
    })

  /** A store that can no longer write has no head to tell: whoever looks after this process must see it. */
  const whileWriting = <A>(read: () => A) => {
    if (writer?.ended !== undefined) throw writer.ended
    return read()
  }
  const head = () => whileWriting(() => Number(sql.head.get()?.["head"]))
  const dataVersion = () => whileWriting(() => sql.dataVersion.get()?.["data_version"])
  const watch = watchHead({ head, dataVersion, unavailable })
  if (writer !== undefined) writer.onCommit = watch.moved

  const write = <A, E = never>(request: WriteRequest, outcome: (answer: WriteAnswer) => Effect.Effect<A, E>) =>
    writer === undefined
      ? Effect.fail(new StoreUnavailable({ message: `The database ${file} was opened to read it.` }))
      : Effect.callback<A, E | StoreUnavailable>((resume) =>
          writer.submit(request, (answer) =>
            resume(answer._tag === "StoreUnavailable" ? Effect.fail(answer) : outcome(answer))
          )
        )

  return {
    read: (streamId, afterVersion, limit) =>
      query(() =>
        // Mostly there is nothing new, and to learn just that costs a quarter of reading no rows.
        sql.isBeyond.get(streamId, afterVersion) === undefined
          ? []
          : toStored(sql.read.all(streamId, afterVersion, limit))
      ),

    readAll: (afterPosition, limit, prefix, lockId) =>
      query(() => {
        if (prefix === undefined) return toStored(sql.readAll.all(afterPosition, limit))
        const { all, aboutLock } = isOneKind(prefix) ? sql.ofKind : sql.ofAny
        return toStored(
          lockId === undefined
            ? all.all(afterPosition, prefix, limit)
            : aboutLock.all(afterPosition, prefix, limit, lockId)
        )
      }),

    head: query(head),

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

    append: (streamId, expected, events, receipt, mayPass = false) =>
      write({ op: "append", streamId, expected, events: events.map(toColumns), receipt, mayPass }, (answer) =>
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
        (answer): Effect.Effect<void, PrepareError> => {
          switch (answer._tag) {
            case "Done":
              return Effect.void
            case "CommandExists":
              return Effect.fail(new CommandExists(answer))
            case "AttemptExists":
              return Effect.fail(new AttemptExists(answer))
            default:
              return refused(answer)
          }
        }
      ),

    commit: (commandId, thing, attempt) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => write({ op: "commit", commandId, attempt, thing, at }, settled)),

    discard: ({ commandId, attempt }) => write({ op: "discard", commandId, attempt }, settled),

    release: (commandId, attempt) => write({ op: "release", commandId, attempt }, () => Effect.void),

    unsettled: query(() =>
      (sql.unsettled().all() as Array<ReservationRow>).map((row) => ({ ...row, released: row.released === 1 }))
    ),

    event: (eventId) => query(() => Option.fromUndefinedOr(toStored(sql.event.all(eventId))[0])),

    receipt: (id) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        query(() =>
          Option.map(Option.fromUndefinedOr(sql.receipt().get(id, now) as ReceiptRow | undefined), toReceipted)
        )
      ),

    snapshot: (streamId) => query(() => Option.fromUndefinedOr(sql.snapshot.get(streamId) as Snapshot | undefined)),

    saveSnapshot: (streamId, snapshot) =>
      writer === undefined ? Effect.void : write({ op: "saveSnapshot", streamId, snapshot }, () => Effect.void),

    importFeed: (events, last) =>
      write(
        {
          op: "import",
          events: events.map((event) => [event.position, event.streamId, event.version, ...toColumns(event)]),
          last
        },
        (answer) => {
          if (answer._tag === "Done") return Effect.void
          return answer._tag === "VersionConflict" ? Effect.fail(new VersionConflict(answer)) : unexpected(answer)
        }
      ),

    changes: watch.changes
  }
})

const settled = (answer: WriteAnswer): Effect.Effect<Settlement> =>
  answer._tag === "Committed" || answer._tag === "Discarded" ? Effect.succeed(answer) : unexpected(answer)

const refused = (
  answer: WriteAnswer
): Effect.Effect<never, VersionConflict | StreamReserved | ReceiptExists | EventExists> => {
  switch (answer._tag) {
    case "EventExists":
      return Effect.fail(new EventExists(answer))
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
  event.commandId,
  event.acceptedAt ?? null
]

type ReceiptRow = Omit<Receipted, "expiresAt"> & { readonly expiresAt: number | null }

const toReceipted = ({ expiresAt, ...row }: ReceiptRow): Receipted => ({
  ...row,
  ...(expiresAt === null ? {} : { expiresAt })
})

type ReservationRow = Omit<Reservation, "released"> & { readonly released: number }
type EventRow = readonly [
  position: number,
  streamId: string,
  version: number,
  eventId: string,
  type: string,
  data: string,
  at: number,
  orgId: string,
  principal: string,
  commandId: string,
  acceptedAt: number | null
]

const toStored = (rows: ReadonlyArray<unknown>): ReadonlyArray<StoredEvent> => {
  // Neighbours in a feed mostly have the same principal.
  let parsed: { readonly text: string; readonly principal: Principal } = { text: "", principal: { _tag: "System" } }
  return (rows as ReadonlyArray<EventRow>).map(
    ([position, streamId, version, eventId, type, data, at, orgId, principal, commandId, acceptedAt]) => {
      if (principal !== parsed.text) parsed = { text: principal, principal: JSON.parse(principal) }
      return {
        position,
        streamId,
        version,
        eventId,
        type,
        data: JSON.parse(data),
        at,
        orgId,
        principal: parsed.principal,
        commandId,
        ...(acceptedAt === null ? {} : { acceptedAt })
      }
    }
  )
}

const EVENT = "position, stream, version, event_id, type, data, at, org_id, principal, command_id, accepted_at"

/** Rows as arrays: half the cost of objects. */
const inArrays = (statement: StatementSync): StatementSync => {
  statement.setReturnArrays(true)
  return statement
}

/** Whether all streams whose ids start so are of one kind, and not those of locks. */
const isOneKind = (prefix: string): boolean => prefix.includes("-") && !prefix.startsWith("lock-")

/** The feed after ?1, of streams that start with ?2, at most ?3 events; and those of them that are about lock ?4. */
const readsOf = (db: DatabaseSync, narrowing: string) => {
  const read = (about: string) =>
    inArrays(
      db.prepare(
        `SELECT ${EVENT} FROM events
         WHERE position > ?1 AND substr(stream, 1, length(?2)) = ?2 ${narrowing} ${about} ORDER BY position LIMIT ?3`
      )
    )
  return { all: read(""), aboutLock: read("AND data ->> '$.lockId' = ?4") }
}

/** Prepared when it is first asked: a log of an older Latchkey lacks some columns, and can be read all the same. */
const whenAsked = (prepare: () => StatementSync) => {
  let prepared: StatementSync | undefined
  return () => (prepared ??= prepare())
}

const statements = (db: DatabaseSync) => ({
  isBeyond: db.prepare("SELECT 1 FROM events WHERE stream = ? AND version > ? LIMIT 1"),
  read: inArrays(db.prepare(`SELECT ${EVENT} FROM events WHERE stream = ? AND version > ? ORDER BY version LIMIT ?`)),
  readAll: inArrays(db.prepare(`SELECT ${EVENT} FROM events WHERE position > ? ORDER BY position LIMIT ?`)),
  ofAny: readsOf(db, ""),
  // In the words of the indexes, which SQLite then uses.
  ofKind: readsOf(
    db,
    "AND substr(stream, 1, 5) <> 'lock-' AND substr(stream, 1, instr(stream, '-')) = substr(?2, 1, instr(?2, '-'))"
  ),
  event: inArrays(db.prepare(`SELECT ${EVENT} FROM events WHERE event_id = ? ORDER BY position LIMIT 1`)),
  head: db.prepare("SELECT coalesce(max(position), 0) AS head FROM events"),
  dataVersion: db.prepare("PRAGMA data_version"),
  streamFrom: db.prepare("SELECT stream FROM events WHERE stream >= ? ORDER BY stream LIMIT 1"),
  streamAfter: db.prepare("SELECT stream FROM events WHERE stream > ? ORDER BY stream LIMIT 1"),
  unsettled: whenAsked(() =>
    db.prepare(
      `SELECT command_id AS commandId, attempt, stream AS streamId, thing, deadline, released
     FROM reservations WHERE settled_at IS NULL`
    )
  ),
  receipt: whenAsked(() =>
    db.prepare(
      `SELECT id, fingerprint, stream AS streamId, first_version AS firstVersion, version, expires_at AS expiresAt
     FROM receipts WHERE id = ?1 AND (expires_at IS NULL OR expires_at > ?2)`
    )
  ),
  snapshot: db.prepare("SELECT version, state FROM snapshots WHERE stream = ?")
})
