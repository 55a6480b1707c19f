/**
 * Streams of events, named records beside them, and one gapless feed over all streams: everything that Latchkey keeps.
 *
 * What every store guarantees, and `storeSuite` checks:
 * - a batch is written whole or not at all, is durable before it answers, and is seen at once by everybody who then
 *   asks, through whichever opener of the same store;
 * - versions of a stream and positions of the feed count from 1 without gaps; positions are given in commit order, so
 *   a reader that has read up to position p has seen everything up to p;
 * - an event id is in the log once, but for doubles that were imported;
 * - what is stored is read back as it was: events, their order of keys included, and records.
 *
 * What it may rely on: every string is well-formed Unicode without NUL (`Text`), every number that it keeps or counts is
 * a safe integer. A batch holds at most 1,000 events and 1,000 records; a record's value, and an event's data as JSON, at
 * most 16 MiB. Of what is written,
 * - stream ids hold at most 255 UTF-16 code units, ASCII up to their first hyphen, and keys of records at most 1,024;
 * - `eventId` and `commandId` hold at most 300 code points, each up to four bytes of UTF-8: 255 that a caller has chosen, and
 *   what core appends to them, as `-outcome-1` or `-lost-9007199254740991`;
 * - `orgId` holds at most 255 code points, `type` at most 64 ASCII letters.
 * What is asked for may be longer: of that there is nothing.
 *
 * The rules of receipts, reservations, snapshots, cursors and leases are written once, over these primitives, in the
 * modules beside this one. Presence is not here: a device's connection ends with the server that holds it.
 */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { Principal } from "../values/Principal.ts"
import { Text } from "../values/Text.ts"

/** An event as a writer hands it over. `data` is plain JSON. */
export interface NewEvent {
  /** Unique in the log; the same event retried carries the same id. */
  readonly eventId: string
  readonly type: string
  readonly data: Schema.JsonObject
  /** Epoch milliseconds. */
  readonly at: number
  /** The organization it happened for; `""` when there is none. */
  readonly orgId: string
  readonly principal: Principal
  readonly commandId: string
  /** Epoch milliseconds when it was certain that the shadow holds the command; only on events of device commands. */
  readonly acceptedAt?: number
}

/** An event as the log keeps it: forever, and unchanged. */
export interface StoredEvent extends NewEvent {
  readonly streamId: string
  /** Place in its stream, from 1. */
  readonly version: number
  /** Place in the feed, from 1. */
  readonly position: number
}

/** In one pattern: it is asked of every event of an import. */
const nameUpTo = (most: number) =>
  Schema.String.check(
    Schema.isPattern(new RegExp(`^[^\\0\\p{Cs}]{0,${most}}$`, "u"), {
      expected: `at most ${most} characters of Unicode text without NUL`
    })
  )

/**
 * What every store keeps of an event's names, as said above: what others wrote is held to it before it is written.
 *
 * @example
 * const Row = Schema.Struct({ eventId: EventNames.eventId, streamId: EventNames.streamId })
 */
export const EventNames = {
  streamId: Schema.String.check(
    Schema.isMaxLength(255, { expected: "at most 255 characters" }),
    Schema.isPattern(/^[^\0\P{ASCII}-]*(?:-[^\0\p{Cs}]*)?$/u, {
      expected: "Unicode text without NUL characters, ASCII up to its first hyphen"
    })
  ),
  eventId: nameUpTo(300),
  commandId: nameUpTo(300),
  orgId: nameUpTo(255),
  type: Schema.String.check(Schema.isPattern(/^[A-Za-z]{0,64}$/, { expected: "at most 64 ASCII letters" }))
}
/** The same of a record's key. */
export const RecordKey = Text.check(Schema.isMaxLength(1_024, { expected: "at most 1,024 characters" }))

/** A named value beside the streams. `value` is text that only its writer understands. */
export interface StoredRecord {
  readonly key: string
  readonly value: string
}

/** What a batch requires of a record: exactly this value, or `undefined`: that there is none. */
export interface Expectation {
  readonly key: string
  readonly value: string | undefined
}

/** Events for the end of one stream, which must be at `expectedVersion`; 0 means that the stream does not exist yet. Of none, only the version counts. */
export interface Append {
  readonly streamId: string
  readonly expectedVersion: number
  readonly events: ReadonlyArray<NewEvent>
}

/** Sets a record, whatever it was. */
export interface Put extends StoredRecord {
  /**
   * Epoch milliseconds, by the store's clock, from which on it is as if the record had never been set; the store then
   * deletes it in its own time. Kept forever unless given.
   */
  readonly until?: number
}

/**
 * What is written together. Expectations and versions are those before the batch. Appends take effect in their order, so
 * the feed has them in that order; a stream may come again, and then expects the version that this batch has given it.
 * A record is named once among `put` and `remove`.
 */
export interface Batch {
  readonly expect?: ReadonlyArray<Expectation>
  readonly append?: ReadonlyArray<Append>
  readonly put?: ReadonlyArray<Put>
  /** Keys; one that is not there is removed already. */
  readonly remove?: ReadonlyArray<string>
  /** Takes event ids that are in the log already: only for logs of the first edition, which hold doubles. */
  readonly imported?: boolean
}

/** The feed's position after a batch: that of its last event, if it has any. */
export interface Written {
  readonly position: number
}

/** Which events of the feed are asked for. Costs what it returns, however much else there is. */
export interface FeedFilter {
  /** What the stream's id holds before its first hyphen: `lock` of `lock-17`; see `categoryOf`. */
  readonly category?: string
  /** The organization that the event happened for. */
  readonly orgId?: string
}

/** A record is not what the batch expects. Nothing was written. */
export class RecordConflict extends Schema.TaggedError<RecordConflict>()("RecordConflict", {
  key: Schema.String,
  /** What it is. */
  actual: Schema.UndefinedOr(Schema.String)
}) {}

/** An event with this id is in the log, or twice in the batch. Nothing was written. */
export class EventExists extends Schema.TaggedError<EventExists>()("EventExists", {
  eventId: Schema.String
}) {}

/** A stream is not at the version that the decision rests on. Nothing was written: load again and decide again. */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  streamId: Schema.String,
  expected: Schema.Number,
  actual: Schema.Number
}) {}

/**
 * The store did not do what was asked, or its answer was lost: a write may then have been carried out, and is never sent
 * again by the store itself. `message` tells the operator what to mend.
 */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Where several would do, the first in this order is the answer, and of several of a kind the first in the batch. */
export type WriteError = RecordConflict | EventExists | VersionConflict | StoreUnavailable

/** The category of a stream: what its id holds before its first hyphen, or all of an id without one. */
export const categoryOf = (streamId: string): string => {
  const hyphen = streamId.indexOf("-")
  return hyphen < 0 ? streamId : streamId.slice(0, hyphen)
}

/**
 * The port of the log: what every store guarantees is said at the top of this module.
 *
 * @example
 * ```ts
 * const store = yield* EventStore
 * yield* store.write({
 *   expect: [{ key: "receipt/42", value: undefined }],
 *   append: [{ streamId: "lock-7", expectedVersion: 3, events: [event] }],
 *   put: [{ key: "receipt/42", value: "lock-7" }]
 * })
 * const events = yield* store.read("lock-7", 3, 100)
 * ```
 */
export class EventStore extends Context.Service<
  EventStore,
  {
    /** Writes the batch, or nothing of it. An empty batch does nothing, and tells the position. */
    readonly write: (batch: Batch) => Effect.Effect<Written, WriteError>

    /** Events of a stream after a version, oldest first: `limit` of them, or all if they are fewer. An unknown stream is empty. */
    readonly read: (
      streamId: string,
      afterVersion: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, StoreUnavailable>

    /** Events of all streams after a position, in commit order: `limit` of them, or all if they are fewer; with a filter, only those. */
    readonly feed: (
      afterPosition: number,
      limit: number,
      filter?: FeedFilter
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, StoreUnavailable>

    /** Position of the newest event; 0 when there is none. */
    readonly head: Effect.Effect<number, StoreUnavailable>

    /** The event with this id; of imported doubles the first. */
    readonly event: (eventId: string) => Effect.Effect<Option.Option<StoredEvent>, StoreUnavailable>

    /** A record's value. */
    readonly record: (key: string) => Effect.Effect<Option.Option<string>, StoreUnavailable>

    /** Records whose keys start with `prefix` and sort after `after`, in code-unit order of their keys: `limit`, or all if they are fewer. */
    readonly records: (
      prefix: string,
      after: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<StoredRecord>, StoreUnavailable>

    /**
     * A hint that the feed has grown, by whichever process: its head at once, and again later. It promises nothing more:
     * who waits for something also looks once a second. It fails, rather than ends or falls silent, when its connection is
     * lost; core then subscribes again.
     */
    readonly changes: Stream.Stream<number, StoreUnavailable>
  }
>()("@latchkey/core/EventStore") {}
