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
} from "@latchkey/core"
import { Effect, Option, Stream } from "effect"
import type { ReadAnswer, WriteArguments } from "./Bindings.ts"
import { type Connection, type Refused, Unavailable } from "./Connection.ts"
import { type Page, pages } from "./pages.ts"
import { fromKept, toKept } from "./recordKeys.ts"
import { isTooLarge, TOO_LARGE } from "./size.ts"

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
        if (isBatchTooLarge(batch)) return Effect.fail(new StoreUnavailable({ message: TOO_LARGE }))
        return Effect.mapBoth(
          write("write", (id) => ({ ...batch, id })),
          { onSuccess: (position) => ({ position }), onFailure: refused }
        )
      }),

    read: (stream, afterVersion, limit) =>
      pages(
        limit,
        afterVersion,
        (after, most) =>
          Effect.flatMap(
            read("read_stream", { stream, after: BigInt(after), most }),
            pageBy(({ version }) => version)
          ),
        unavailable
      ),

    feed: (afterPosition, limit, { category, orgId } = {}) =>
      pages(
        limit,
        afterPosition,
        (after, most) =>
          Effect.flatMap(
            read("read_feed", { after: BigInt(after), most, category, orgId }),
            pageBy(({ position }) => position)
          ),
        unavailable
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
      pages(
        limit,
        toKept(after),
        (after, most) =>
          Effect.map(read("list_records", { prefix: toKept(prefix), after, most }), ({ records, more }) => ({
            rows: records.map(({ key, value }): StoredRecord => ({ key: fromKept(key), value })),
            next: more ? records.at(-1)?.key : undefined
          })),
        unavailable
      ),

    changes: Stream.mapError(heads, unavailable)
  }
}

type Batch = Omit<WriteArguments<"write">, "id">
type Event = ReadAnswer<"read_feed">["events"][number]

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

const isBatchTooLarge = ({ expect, append, put, remove }: Batch): boolean =>
  isTooLarge(
    expect.map(({ key, value = "" }) => key + value),
    put.map(({ key, value }) => key + value),
    append.flatMap(({ events }) => events.map(({ text }) => text)),
    remove
  )

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
