/**
 * Streams of events with optimistic concurrency, and one gapless feed over all of them.
 *
 * What every implementation guarantees (and `eventStoreSuite` checks):
 * - an append is atomic, durable before it answers, and refused unless the stream is at the expected version;
 * - an event id is in the log once: an append of one that is there, or prepared, is refused. Logs of the first edition
 *   hold doubles, and keep them;
 * - times in a stream are in order: an event that comes with an earlier time than the one before it gets that one's;
 * - versions count from 1 without gaps; positions count from 1 without gaps, in commit order, so whoever has read
 *   up to position p has seen everything up to p;
 * - a prepared append is durable but invisible, and keeps every other append off its stream until it settles, or is
 *   released.
 */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { Principal } from "../values/Principal.ts"

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
  /**
   * Epoch milliseconds when it was certain that the shadow holds the command. Set by `commit` on what was prepared; a
   * plain append keeps what it is given, so that a log can be imported as it was.
   */
  readonly acceptedAt?: number
}

/** An event as the log keeps it: for ever, and unchanged. */
export interface StoredEvent extends NewEvent {
  readonly streamId: string
  /** Place in its stream, from 1. */
  readonly version: number
  /** Place in the feed, from 1. */
  readonly position: number
}

/** Lets a retried request be answered as it was the first time. */
export const Receipt = Schema.Struct({
  id: Schema.String,
  /** Tells a retry from another request that reuses the id. */
  fingerprint: Schema.String,
  /**
   * Epoch milliseconds until which it is kept: then it is as if it had never been given, and is deleted in time. Kept
   * for ever unless given.
   */
  expiresAt: Schema.optionalKey(Schema.Int)
})
export type Receipt = typeof Receipt.Type

/** What a receipt was given for: the versions `firstVersion..version` of a stream; none when `firstVersion > version`. */
export interface Receipted extends Receipt {
  readonly streamId: string
  readonly firstVersion: number
  readonly version: number
}

/** The stream's version and the feed's position after an append. */
export interface Appended {
  readonly version: number
  readonly position: number
}

/** A prepared append that has not settled. */
export interface Reservation {
  readonly commandId: string
  /**
   * Which attempt at the command this is, from 1. Whoever settles names it: what was learned of one attempt says
   * nothing of the next.
   */
  readonly attempt: number
  readonly streamId: string
  /** The thing whose shadow is asked whether the command arrived. */
  readonly thing: string
  /** Epoch milliseconds, by its writer's clock: how long it means to take. Others count for themselves; see `Settling`. */
  readonly deadline: number
  /** Appends that say so may pass; another `prepare` may not. See `EventStore.release`. */
  readonly released: boolean
}

/** Names one attempt at a command. */
export type Attempt = Pick<Reservation, "commandId" | "attempt">

/** How a prepared append ended. Whoever settles first decides; later callers learn what stands. */
export type Settlement =
  | { readonly _tag: "Committed"; readonly version: number; readonly position: number }
  | { readonly _tag: "Discarded" }

/** A state folded up to `version`, as text that only its writer understands. */
export interface Snapshot {
  readonly version: number
  readonly state: string
}

/** The stream is not at the version that the decision rests on: load again and decide again. */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  streamId: Schema.String,
  expected: Schema.Number,
  actual: Schema.Number
}) {}

/** A prepared append holds the stream: wait for it, or settle it once its writer has had its time. */
export class StreamReserved extends Schema.TaggedError<StreamReserved>()("StreamReserved", {
  streamId: Schema.String,
  commandId: Schema.String,
  attempt: Schema.Number,
  thing: Schema.String,
  deadline: Schema.Number,
  released: Schema.Boolean
}) {}

/** This receipt id was stored before: look it up with `receipt`. Nothing was appended. */
export class ReceiptExists extends Schema.TaggedError<ReceiptExists>()("ReceiptExists", {
  id: Schema.String
}) {}

/** An event with this id is in the log, or prepared. Nothing was appended. */
export class EventExists extends Schema.TaggedError<EventExists>()("EventExists", {
  eventId: Schema.String
}) {}

/** The last attempt at the command that is known was discarded: the next one has a higher number. Nothing was prepared. */
export class AttemptExists extends Schema.TaggedError<AttemptExists>()("AttemptExists", {
  commandId: Schema.String,
  /** The last one. */
  attempt: Schema.Number
}) {}

/** The command id was used before: every command needs an id of its own. Nothing was prepared. */
export class CommandExists extends Schema.TaggedError<CommandExists>()("CommandExists", {
  commandId: Schema.String
}) {
  override get message() {
    return "A command with this id was carried out before. Give every command an id of its own."
  }
}

/** The store did not do what was asked, or its answer was lost. `message` tells the operator what to mend. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Where several would do, the first of these in this order is the answer: ReceiptExists, StreamReserved, EventExists, VersionConflict. */
export type AppendError = ReceiptExists | StreamReserved | EventExists | VersionConflict | StoreUnavailable

/** As for an append; CommandExists and AttemptExists come before EventExists. */
export type PrepareError = AppendError | CommandExists | AttemptExists

/** The port of the log: see the top of this module. */
export class EventStore extends Context.Service<
  EventStore,
  {
    /** Events of a stream after a version, oldest first, at most `limit` of them. An unknown stream is empty. */
    readonly read: (
      streamId: string,
      afterVersion: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, StoreUnavailable>

    /**
     * The feed after a position, at most `limit` events of it; with `prefix`, only of streams whose id starts so; with
     * `lockId` too, only events whose `data.lockId` it is. A prefix of one kind of streams beside those of locks (it
     * holds their first hyphen) costs what it returns, however much else there is.
     */
    readonly readAll: (
      afterPosition: number,
      limit: number,
      prefix?: string,
      lockId?: number
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, StoreUnavailable>

    /** The event with this id; of the doubles that logs of the first edition hold, the first. */
    readonly event: (eventId: string) => Effect.Effect<Option.Option<StoredEvent>, StoreUnavailable>

    /** Position of the newest event; 0 when there is none. */
    readonly head: Effect.Effect<number, StoreUnavailable>

    /** Ids of the streams that start with `prefix` and sort after `after`, in code-unit order of ASCII ids, at most `limit`. */
    readonly streams: (
      prefix: string,
      after: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>

    /**
     * Appends all events or none. `expectedVersion` 0 means that the stream does not exist yet. With a receipt, `events`
     * may be empty: the receipt then records that the command changed nothing.
     *
     * A prepared append keeps every other off its stream. Once it is released, those may pass that say `mayPass`: they
     * can change neither its permission nor its outcome.
     */
    readonly append: (
      streamId: string,
      expectedVersion: number,
      events: ReadonlyArray<NewEvent>,
      receipt?: Receipt,
      mayPass?: boolean
    ) => Effect.Effect<Appended, AppendError>

    /**
     * First step of a two-step append: durable, invisible, and the stream is reserved until it settles. The command id
     * is that of no other unsettled reservation; one that was discarded may be prepared again, as a later attempt. A
     * receipt id stays free until commit: if another append takes it meanwhile, it stays with that append.
     */
    readonly prepare: (
      expectedVersion: number,
      events: ReadonlyArray<NewEvent>,
      reservation: Omit<Reservation, "released">,
      receipt?: Receipt
    ) => Effect.Effect<void, PrepareError>

    /**
     * Makes a prepared append part of stream and feed, at the stream's next versions, and stamps its events with the
     * time (`acceptedAt`). Idempotent. Evidence comes from the shadow of a thing: a command that was prepared for
     * another `thing` is unknown here, and stays as it is. Evidence of an attempt that is not the one prepared is
     * evidence of nothing; a device's own word names none, and proves the one that is: no earlier one can have reached it.
     */
    readonly commit: (commandId: string, thing: string, attempt?: number) => Effect.Effect<Settlement, StoreUnavailable>

    /** Drops a prepared append. Idempotent; an attempt that is unknown, or was followed by another, is already discarded. */
    readonly discard: (attempt: Attempt) => Effect.Effect<Settlement, StoreUnavailable>

    /**
     * Lets appends that say `mayPass` pass a reservation whose outcome cannot be learned yet (the shadow hangs). Only
     * for events that mean the same whatever such an append puts before them.
     */
    readonly release: (commandId: string, attempt: number) => Effect.Effect<void, StoreUnavailable>

    /** Every reservation. How a prepared append ended is remembered for a day. */
    readonly unsettled: Effect.Effect<ReadonlyArray<Reservation>, StoreUnavailable>

    /** What a receipt was given for; none once it has expired. */
    readonly receipt: (id: string) => Effect.Effect<Option.Option<Receipted>, StoreUnavailable>

    readonly snapshot: (streamId: string) => Effect.Effect<Option.Option<Snapshot>, StoreUnavailable>

    /** Keeps the newest snapshot of a stream. May be lost: a snapshot is never the only copy of anything. */
    readonly saveSnapshot: (streamId: string, snapshot: Snapshot) => Effect.Effect<void, StoreUnavailable>

    /**
     * Writes the next page of another log's feed as it was: places, and event ids that are there already, included. The
     * first page goes into an empty store, and each begins where the feed ends, else it is a `VersionConflict` of the
     * stream `""`. Pages may be empty. Until a page was the `last`, the store holds a part and is not opened again.
     */
    readonly importFeed: (
      events: ReadonlyArray<StoredEvent>,
      last: boolean
    ) => Effect.Effect<void, VersionConflict | StoreUnavailable>

    /** The head position at once, and again whenever it has grown, by whichever process; steps may be skipped, none comes twice. */
    readonly changes: Stream.Stream<number, StoreUnavailable>
  }
>()("@latchkey/core/OldEventStore") {}
