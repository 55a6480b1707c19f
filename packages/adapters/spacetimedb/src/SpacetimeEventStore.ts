/** The event store: a write is a reducer, reads are procedures that are asked for page after page. */
import {
  type Append,
  EventExists,
  type EventStore,
  type NewEvent,
  RecordConflict,
  type StoredEvent,
  type StoredRecord,
  StoreUnavailable,
  VersionConflict,
  type WriteError
} from "@latchkey/core/streams"
import { Effect, Option, Stream } from "effect"
import type { ReadAnswer, WriteArguments } from "./Bindings.ts"
import { type Connection, type Refused, Unavailable } from "./Connection.ts"
import { fromKept, toKept } from "./recordKeys.ts"

/**
 * Bytes of events and records in one batch. SpacetimeDB ends a connection that sends more than 32 MiB at once, and with
 * it everything else that is under way there.
 */
const LARGEST_BATCH = 30_000_000
/** The largest number that the module takes for a limit. */
const MAX = 2 ** 32 - 1
/** How the text of an event is to be read. */
const FORMAT = 1

export const make = ({ write, read, heads }: Connection): EventStore["Service"] => {
  const head = Effect.mapBoth(read("feed_head", {}), { onSuccess: Number, onFailure: unavailable })

  return {
    write: ({ expect = [], append = [], put = [], remove = [], imported = false }) =>
      Effect.suspend((): Effect.Effect<{ readonly position: number }, WriteError> => {
        if (expect.length + append.length + put.length + remove.length === 0) {
          return Effect.map(head, (position) => ({ position }))
        }
        const batch: Batch = {
          expect: expect.map(({ key, value }) => ({ key: toKept(key), value })),
          append: append.map(toWire),
          put: put.map(({ key, value, until }) => ({ key: toKept(key), value, until })),
          remove: remove.map(toKept),
          imported,
          format: FORMAT
        }
        if (sizeOf(batch) > LARGEST_BATCH) return Effect.fail(TOO_LARGE)
        return Effect.mapBoth(write(batch), { onSuccess: (position) => ({ position }), onFailure: refused })
      }),

    read: (stream, afterVersion, limit) =>
      pages(limit, afterVersion, (after, limit) =>
        Effect.flatMap(
          read("read_stream", { stream, after: BigInt(after), limit }),
          pageBy(({ version }) => version)
        )
      ),

    feed: (afterPosition, limit, { category, orgId } = {}) =>
      pages(limit, afterPosition, (after, limit) =>
        Effect.flatMap(
          read("read_feed", { after: BigInt(after), limit, category, orgId }),
          pageBy(({ position }) => position)
        )
      ),

    head,

    event: (eventId) =>
      Effect.flatMap(read("find_event", { eventId }), (found) => stored(found === undefined ? [] : [found])).pipe(
        Effect.mapBoth({ onSuccess: ([event]) => Option.fromUndefinedOr(event), onFailure: unavailable })
      ),

    record: (key) =>
      Effect.mapBoth(read("find_record", { key: toKept(key) }), {
        onSuccess: Option.fromUndefinedOr,
        onFailure: unavailable
      }),

    records: (prefix, after, limit) =>
      pages(limit, toKept(after), (after, limit) =>
        Effect.map(read("list_records", { prefix: toKept(prefix), after, limit }), ({ records, more }) => ({
          rows: records.map(({ key, value }): StoredRecord => ({ key: fromKept(key), value })),
          next: more ? records.at(-1)?.key : undefined
        }))
      ),

    changes: Stream.mapError(heads, unavailable)
  }
}

type Batch = Omit<WriteArguments<"write">, "id">
type Event = ReadAnswer<"read_feed">["events"][number]

interface Page<Row, Place> {
  readonly rows: ReadonlyArray<Row>
  /** Where the next page begins, unless this was the last. */
  readonly next: Place | undefined
}

/** Pages end where they would grow too big to send: asks on until there are `limit` rows, or no more. */
const pages = Effect.fnUntraced(function* <Row, Place extends string | number | bigint>(
  limit: number,
  from: Place,
  ask: (after: Place, limit: number) => Effect.Effect<Page<Row, Place>, Unavailable>
) {
  const rows: Array<Row> = []
  let after: Place | undefined = from
  while (rows.length < limit && after !== undefined) {
    const page: Page<Row, Place> = yield* Effect.mapError(ask(after, Math.min(limit - rows.length, MAX)), unavailable)
    rows.push(...page.rows)
    after = page.next
  }
  return rows
})

/** All that no index needs is in the text, so that an event can have more without another table. */
const toWire = ({ streamId: stream, expectedVersion: expected, events }: Append): Batch["append"][number] => ({
  stream,
  expected,
  events: events.map(({ eventId, orgId, ...rest }) => ({ eventId, orgId, text: JSON.stringify(rest) }))
})

const stored = (events: ReadonlyArray<Event>): Effect.Effect<ReadonlyArray<StoredEvent>, Unavailable> =>
  Effect.suspend(() => {
    const unknown = events.find(({ format }) => format !== FORMAT)
    return unknown === undefined
      ? Effect.succeed(events.map(toStored))
      : Effect.fail(new Unavailable({ message: `A newer release wrote event ${unknown.eventId}: upgrade to it.` }))
  })

const toStored = ({ position, stream, version, eventId, orgId, text }: Event): StoredEvent => {
  const rest: Omit<NewEvent, "eventId" | "orgId"> = JSON.parse(text)
  return { ...rest, eventId, orgId, streamId: stream, version: Number(version), position: Number(position) }
}

const pageBy =
  (placeOf: (event: StoredEvent) => number) =>
  ({ events, more }: ReadAnswer<"read_feed">): Effect.Effect<Page<StoredEvent, number>, Unavailable> =>
    Effect.map(stored(events), (rows) => {
      const last = rows.at(-1)
      return { rows, next: more && last !== undefined ? placeOf(last) : undefined }
    })

const sizeOf = ({ expect, append, put }: Batch): number => {
  let size = 0
  for (const { value = "" } of expect) size += Buffer.byteLength(value)
  for (const { value } of put) size += Buffer.byteLength(value)
  for (const { events } of append) for (const { text } of events) size += Buffer.byteLength(text)
  return size
}

const TOO_LARGE = new StoreUnavailable({
  message: `One batch for SpacetimeDB holds at most ${LARGEST_BATCH} bytes of events and records: write it in parts.`
})

const refused = (error: Refused | Unavailable): WriteError => {
  if (error._tag === "Unavailable") return unavailable(error)
  const { refusal } = error
  switch (refusal.code) {
    case "RecordConflict":
      return new RecordConflict({ key: fromKept(refusal.key), actual: refusal.actual })
    case "EventExists":
      return new EventExists(refusal)
    case "VersionConflict":
      return new VersionConflict(refusal)
    default:
      return new StoreUnavailable({ message: `SpacetimeDB answered ${refusal.code} to another question.` })
  }
}

const unavailable = ({ message, cause }: Unavailable): StoreUnavailable => new StoreUnavailable({ message, cause })
