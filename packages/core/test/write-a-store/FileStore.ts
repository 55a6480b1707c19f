import { DatabaseSync, type SQLInputValue } from "node:sqlite"
import {
  type Batch,
  categoryOf,
  EventExists,
  EventStore,
  RecordConflict,
  type StoredEvent,
  StoreUnavailable,
  VersionConflict,
  type WriteError
} from "@latchkey/core/streams"
import { Clock, Effect, Layer, Option, Stream } from "effect"

const SCHEMA = `
  PRAGMA busy_timeout = 5000;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY,
    streamId TEXT NOT NULL,
    version INTEGER NOT NULL,
    eventId TEXT NOT NULL,
    category TEXT NOT NULL,
    orgId TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (streamId, version)
  );
  CREATE INDEX IF NOT EXISTS byEventId ON events (eventId);
  CREATE INDEX IF NOT EXISTS byCategory ON events (category, orgId);
  CREATE INDEX IF NOT EXISTS byOrganization ON events (orgId);
  CREATE TABLE IF NOT EXISTS records (key BLOB PRIMARY KEY, value TEXT NOT NULL, until INTEGER NOT NULL);
`

const make = Effect.fnUntraced(function* (path: string) {
  const database = yield* Effect.acquireRelease(
    attempt(() => new DatabaseSync(path)),
    (database) => Effect.sync(() => database.close())
  )
  yield* attempt(() => database.exec(SCHEMA))

  const rows = (sql: string, ...values: ReadonlyArray<SQLInputValue>) => database.prepare(sql).all(...values)
  const run = (sql: string, ...values: ReadonlyArray<SQLInputValue>) => database.prepare(sql).run(...values)
  const number = (sql: string, ...values: ReadonlyArray<SQLInputValue>) => Number(rows(sql, ...values)[0]?.["n"] ?? 0)

  const head = () => number("SELECT max(position) AS n FROM events")
  const valueOf = (key: string, now: number): string | undefined => {
    const [row] = rows("SELECT value FROM records WHERE key = ? AND until > ?", keyBytes(key), now)
    return row === undefined ? undefined : String(row["value"])
  }

  /** The first reason to refuse the batch, in the order of the port; called in the transaction that writes it. */
  const refusal = ({ expect = [], append = [], imported = false }: Batch, now: number) => {
    for (const { key, value } of expect) {
      const actual = valueOf(key, now)
      if (actual !== value) return new RecordConflict({ key, actual })
    }
    const ids = new Set<string>()
    for (const { eventId } of imported ? [] : append.flatMap(({ events }) => events)) {
      const isThere = ids.has(eventId) || number("SELECT count(*) AS n FROM events WHERE eventId = ?", eventId) > 0
      if (isThere) return new EventExists({ eventId })
      ids.add(eventId)
    }
    const versions = new Map<string, number>()
    for (const { streamId, expectedVersion: expected, events } of append) {
      const actual =
        versions.get(streamId) ?? number("SELECT max(version) AS n FROM events WHERE streamId = ?", streamId)
      if (actual !== expected) return new VersionConflict({ streamId, expected, actual })
      versions.set(streamId, actual + events.length)
    }
    return undefined
  }

  const carryOut = ({ append = [], put = [], remove = [] }: Batch, now: number): void => {
    let position = head()
    for (const { streamId, expectedVersion, events } of append) {
      for (const [index, { eventId, orgId, ...body }] of events.entries()) {
        run(
          "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
          ...[++position, streamId, expectedVersion + index + 1, eventId],
          ...[categoryOf(streamId), orgId, JSON.stringify(body)]
        )
      }
    }
    for (const key of remove) run("DELETE FROM records WHERE key = ?", keyBytes(key))
    for (const { key, value, until = Number.MAX_SAFE_INTEGER } of put) {
      run("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", keyBytes(key), value, until)
    }
    run("DELETE FROM records WHERE key IN (SELECT key FROM records WHERE until <= ? LIMIT 2)", now)
  }

  /** One transaction: what it says of the store is true until it has written. */
  const write = (batch: Batch, now: number): Effect.Effect<{ readonly position: number }, WriteError> => {
    let refused: WriteError | undefined
    return Effect.flatMap(
      attempt(() => {
        database.exec("BEGIN IMMEDIATE")
        try {
          refused = refusal(batch, now)
          if (refused === undefined) carryOut(batch, now)
          const position = head()
          database.exec(refused === undefined ? "COMMIT" : "ROLLBACK")
          return position
        } catch (cause) {
          if (database.isTransaction) database.exec("ROLLBACK")
          throw cause
        }
      }),
      (position) => (refused === undefined ? Effect.succeed({ position }) : Effect.fail(refused))
    )
  }

  const now = <A, E>(use: (now: number) => Effect.Effect<A, E>) => Effect.flatMap(Clock.currentTimeMillis, use)
  const position = attempt(head)

  return EventStore.of({
    write: (batch) => now((now) => write(batch, now)),
    read: (streamId, afterVersion, limit) =>
      attempt(() =>
        rows(
          "SELECT * FROM events WHERE streamId = ? AND version > ? ORDER BY version LIMIT ?",
          ...[streamId, afterVersion, limit]
        ).map(toEvent)
      ),
    feed: (afterPosition, limit, { category, orgId } = {}) =>
      attempt(() =>
        rows(
          `SELECT * FROM events WHERE position > ?
            ${category === undefined ? "" : "AND category = ?"} ${orgId === undefined ? "" : "AND orgId = ?"}
            ORDER BY position LIMIT ?`,
          ...[afterPosition, category, orgId, limit].filter((value) => value !== undefined)
        ).map(toEvent)
      ),
    head: position,
    event: (eventId) =>
      attempt(() => {
        const [row] = rows("SELECT * FROM events WHERE eventId = ? ORDER BY position LIMIT 1", eventId)
        return row === undefined ? Option.none() : Option.some(toEvent(row))
      }),
    record: (key) => now((now) => attempt(() => Option.fromUndefinedOr(valueOf(key, now)))),
    records: (prefix, after, limit) =>
      now((now) =>
        attempt(() => {
          const found = rows(
            "SELECT key, value FROM records WHERE key >= ? AND key > ? AND until > ? ORDER BY key LIMIT ?",
            ...[keyBytes(prefix), keyBytes(after), now, limit]
          ).map(({ key, value }) => ({ key: keyText(key as Uint8Array), value: String(value) }))
          // In code-unit order, all keys with the prefix stand together, from the prefix on.
          const end = found.findIndex(({ key }) => !key.startsWith(prefix))
          return end < 0 ? found : found.slice(0, end)
        })
      ),
    changes: Stream.tick("50 millis").pipe(
      Stream.mapEffect(() => position),
      Stream.changes
    )
  })
})

/** Opens the store that is kept in a file, and makes it if it is not there. */
export const layer = (path: string): Layer.Layer<EventStore, StoreUnavailable> => Layer.effect(EventStore, make(path))

/** The driver's errors end here. */
const attempt = <A>(body: () => A): Effect.Effect<A, StoreUnavailable> =>
  Effect.try({
    try: body,
    catch: (cause) => new StoreUnavailable({ message: `The file does not do it: look at its disk. ${cause}`, cause })
  })

const toEvent = (row: Record<string, unknown>): StoredEvent => {
  const { streamId, version, position, eventId, orgId, body } = row
  return { ...JSON.parse(String(body)), streamId, version, position, eventId, orgId }
}

/** UTF-16, highest byte first: its bytes compare as the code units do. */
const keyBytes = (key: string): Uint8Array => Buffer.from(key, "utf16le").swap16()
const keyText = (bytes: Uint8Array): string => Buffer.from(bytes).swap16().toString("utf16le")
