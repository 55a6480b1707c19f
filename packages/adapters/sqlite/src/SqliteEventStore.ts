/**
 * The event store: writes go to the writer thread, reads are answered in this thread from a connection of their own.
 * In WAL mode that connection sees what has been committed, and never waits for the writer.
 */

import { join } from "node:path"
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { Principal } from "@latchkey/core"
import {
  EventExists,
  type EventStore,
  RecordConflict,
  type StoredEvent,
  StoreUnavailable,
  VersionConflict,
  type WriteError,
  type Written
} from "@latchkey/core"
import { Effect, Option, type Scope } from "effect"
import { copyOlder, explain, isDamage, openToRead } from "./Database.ts"
import type { Refusal } from "./EventLog.ts"
import { migrations } from "./migrations.ts"
import { OF_BOTH, OF_ORGANIZATION } from "./organizationFeed.ts"
import { Recent } from "./Recent.ts"
import { afterAll, fromStoredKey, toStoredKey } from "./StoredKey.ts"
import { temporaryFolder } from "./temporaryFolder.ts"
import { requestOf } from "./WriteRequest.ts"
import { Writer } from "./Writer.ts"
import { watchHead } from "./watchHead.ts"
import type { WriterData } from "./worker.ts"

/** Milliseconds that a read may wait, in the main thread: only while another process repairs or closes the database. */
const READ_TIMEOUT = 500
/** Of the database, kept in memory for reads: what a tenant asks for again is there, also when the file is large. */
const CACHE_KIB = 16_384
/** Streams of which it is known that they hold nothing new, at least. */
const KNOWN_ENDS = 10_000

/** Opens the event store on a file, which is created when it is not there. */
export const make: (data: WriterData) => Effect.Effect<EventStore["Service"], StoreUnavailable, Scope.Scope> = (data) =>
  Effect.gen(function* () {
    const writer = yield* Writer.open(data)
    const run = Effect.runForkWith(yield* Effect.context<never>())
    writer.onEnd = ({ message }) => run(Effect.logError(message))
    return yield* over(data.file, writer)
  })

/** Opens the event store on a file to read it, no matter who writes it: what is written here fails. */
export const makeReader: (file: string) => Effect.Effect<EventStore["Service"], StoreUnavailable, Scope.Scope> =
  Effect.fnUntraced(function* (file) {
    const copy = join(yield* temporaryFolder, "copy.db")
    const options = { synchronous: "OFF", migrations, busyTimeout: READ_TIMEOUT } as const
    const isOlder = yield* Effect.try({ try: () => copyOlder(file, copy, options), catch: unavailableOf(file) })
    return yield* over(isOlder ? copy : file, undefined)
  })

const over = Effect.fnUntraced(function* (
  file: string,
  writer: Writer | undefined
): Effect.fn.Return<EventStore["Service"], StoreUnavailable, Scope.Scope> {
  const unavailable = unavailableOf(file)
  const db = yield* Effect.acquireRelease(
    Effect.try({ try: () => openToRead(file, migrations.length, READ_TIMEOUT), catch: unavailable }),
    (db) => Effect.sync(() => db.close())
  )
  yield* Effect.try({ try: () => db.exec(`PRAGMA cache_size = -${CACHE_KIB}`), catch: unavailable })
  const sql = yield* Effect.try({ try: () => statements(db), catch: unavailable })
  const ends = endsOfStreams(sql)
  const attempt = <A>(run: () => A) =>
    Effect.try({
      try: run,
      catch: (cause) => {
        const error = unavailable(cause)
        // What is written into a damaged file may never be read again.
        if (isDamage(cause)) writer?.end(error)
        return error
      }
    })

  const query = <A>(run: () => A) =>
    attempt(() => {
      ends.askAnew()
      return run()
    })

  /** A store that can no longer write has no head to tell: the one who looks after this process must see it. */
  const whileWriting = <A>(read: () => A) => {
    if (writer?.ended !== undefined) throw writer.ended
    return read()
  }
  const head = () => whileWriting(() => Number(sql.head.get()?.["head"]))
  const dataVersion = () => whileWriting(() => sql.dataVersion.get()?.["data_version"])
  const watch = watchHead({ head, dataVersion, unavailable })
  if (writer !== undefined) writer.onCommit = watch.moved

  const queryAt = <A>(run: (now: number) => A) =>
    Effect.clockWith((clock) => query(() => run(clock.currentTimeMillisUnsafe())))

  return {
    write:
      writer === undefined
        ? () => Effect.fail(new StoreUnavailable({ message: `The database ${file} was opened read-only.` }))
        : (batch) =>
            Effect.clockWith((clock) =>
              Effect.callback<Written, WriteError>((resume) =>
                writer.submit(requestOf(batch, clock.currentTimeMillisUnsafe()), (answer) =>
                  resume(
                    typeof answer === "number" ? Effect.succeed({ position: answer }) : Effect.fail(toError(answer))
                  )
                )
              )
            ),

    read: (streamId, afterVersion, limit) =>
      attempt(() => (ends.isAt(streamId, afterVersion) ? [] : toStored(sql.read.all(streamId, afterVersion, limit)))),

    feed: (afterPosition, limit, filter = {}) =>
      query(() => {
        const { category, orgId } = filter
        if (orgId === undefined) {
          return toStored(
            category === undefined
              ? sql.feed.all(afterPosition, limit)
              : sql.ofCategory.all(afterPosition, category, limit)
          )
        }
        if (category === undefined) {
          // Where one organization has most of a log, its next events are the next of all.
          const next = sql.nextOfOrganization.all(afterPosition, orgId, limit)
          if (next.length === limit) return toStored(next)
        }
        const found: ReadonlyArray<unknown> =
          category === undefined
            ? sql.ofOrganization.all(afterPosition, orgId, limit)
            : sql.ofBoth.all(afterPosition, orgId, limit, category)
        const positions = (found as ReadonlyArray<readonly [number]>)
          .map(([position]) => position)
          .sort((a, b) => a - b)
        return toStored(sql.at.all(JSON.stringify(positions.slice(0, limit))))
      }),

    head: query(head),

    event: (eventId) => query(() => Option.fromUndefinedOr(toStored(sql.event.all(eventId))[0])),

    record: (key) =>
      queryAt((now) => Option.fromUndefinedOr(sql.record.get(toStoredKey(key), now)?.["value"] as string | undefined)),

    records: (prefix, after, limit) =>
      queryAt((now) => {
        const from = toStoredKey(prefix > after ? prefix : after)
        return sql.records
          .all(from, afterAll(prefix), toStoredKey(after), now, limit)
          .map(({ key, value }) => ({ key: fromStoredKey(String(key)), value: String(value) }))
      }),

    changes: watch.changes
  }
})

const unavailableOf = (file: string) => (cause: unknown) =>
  cause instanceof StoreUnavailable ? cause : new StoreUnavailable({ message: explain(cause, file), cause })

const toError = (answer: Refusal | StoreUnavailable): WriteError => {
  switch (answer._tag) {
    case "RecordConflict":
      return new RecordConflict(answer)
    case "EventExists":
      return new EventExists(answer)
    case "VersionConflict":
      return new VersionConflict(answer)
    case "StoreUnavailable":
      return answer
  }
}

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
      const stored = {
        position,
        streamId,
        version,
        eventId,
        type,
        data: JSON.parse(data),
        at,
        orgId,
        principal: parsed.principal,
        commandId
      }
      return acceptedAt === null ? stored : { ...stored, acceptedAt }
    }
  )
}

const EVENT = "position, stream, version, event_id, type, data, at, org_id, principal, command_id, accepted_at"

/**
 * What is known of the ends of streams. Anyone who asks for many locks at the same moment asks the database once whether
 * anybody has committed: nothing can have come in between that the next question would have to know of.
 */
const endsOfStreams = ({ dataVersion, isBeyond }: Pick<ReturnType<typeof statements>, "dataVersion" | "isBeyond">) => {
  /** As long as nobody commits. */
  const known = new Recent<number>(KNOWN_ENDS)
  let knownAt: unknown
  let isAsked = false
  const askAnew = () => {
    isAsked = false
  }
  const ask = () => {
    isAsked = true
    queueMicrotask(askAnew)
    const now = dataVersion.get()?.["data_version"]
    if (now !== knownAt) known.clear()
    knownAt = now
  }
  return {
    /** Before anything else is read: what that tells, a stream must not be behind. */
    askAnew,
    /** Whether the stream holds nothing after the version. Mostly it does not, and to learn just that costs little. */
    isAt: (streamId: string, version: number): boolean => {
      if (!isAsked) ask()
      if ((known.get(streamId) ?? Number.POSITIVE_INFINITY) <= version) return true
      const isAt = isBeyond.get(streamId, version) === undefined
      if (isAt) known.set(streamId, version)
      else askAnew()
      return isAt
    }
  }
}

const statements = (db: DatabaseSync) => {
  /** Rows as arrays: half the cost of objects. */
  const arrays = (sql: string): StatementSync => {
    const statement = db.prepare(sql)
    statement.setReturnArrays(true)
    return statement
  }
  const events = (rest: string) => arrays(`SELECT ${EVENT} FROM events WHERE ${rest}`)
  return {
    isBeyond: db.prepare("SELECT 1 FROM events WHERE stream = ? AND version > ? LIMIT 1"),
    read: events("stream = ? AND version > ? ORDER BY version LIMIT ?"),
    feed: events("position > ? ORDER BY position LIMIT ?"),
    ofCategory: events("position > ? AND category = ? ORDER BY position LIMIT ?"),
    // Positions alone: to sort them, and look the events up, within one statement takes twice as long.
    ofOrganization: arrays(OF_ORGANIZATION),
    ofBoth: arrays(OF_BOTH),
    nextOfOrganization: events("position > ?1 AND position <= ?1 + ?3 AND org_id = ?2 ORDER BY position"),
    at: events("position IN (SELECT value FROM json_each(?)) ORDER BY position"),
    event: events("event_id = ? ORDER BY position LIMIT 1"),
    head: db.prepare("SELECT coalesce(max(position), 0) AS head FROM events"),
    dataVersion: db.prepare("PRAGMA data_version"),
    record: db.prepare("SELECT value FROM records WHERE key = ? AND (until IS NULL OR until > ?)"),
    records: db.prepare(
      `SELECT key, value FROM records
       WHERE key >= ? AND key < ? AND key <> ? AND (until IS NULL OR until > ?) ORDER BY key LIMIT ?`
    )
  }
}
