/**
 * Rows that are made from the feed, for questions that no single stream can answer. A store keeps them, finds them again,
 * and knows nothing else about them: what they hold and how events change them is declared in core (`Table.ts`).
 * Disposable: emptied, it is filled again from the beginning of the feed. Never asked whether a command is allowed.
 *
 * What every store guarantees, and `readModelSuite` checks:
 * - changes are applied whole or not at all, together with the cursor, and only where the cursor still stands where they
 *   begin: of two processes that fill at the same time, one is told `false`, and begins again where the other came to;
 * - what was applied is seen at once by everybody who then asks, through whichever opener of the same store. It may be
 *   lost with the power, rows and cursor together;
 * - a row is found by its key, and under its listings, for as long as it is there.
 *
 * What it may rely on: every string is well-formed Unicode without NUL (`Text`), of at most 2,048 bytes in UTF-8, but for
 * a row's value: 65,536. Names of tables and indexes are lower-case ASCII letters and hyphens. Keys of rows that are
 * listed are ASCII digits, so that every way of comparing text sorts them alike: as text, never as numbers, as they have
 * different lengths, up to 2,011 digits. Changes hold at most 4,000 of each kind.
 */
import { Context, type Effect, Schema } from "effect"

/** The read model does not answer; commands go on without it. */
export class ReadModelUnavailable extends Schema.TaggedError<ReadModelUnavailable>()("ReadModelUnavailable", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** How far the feed has been taken in. */
export interface Cursor {
  /** Number of the way in which the rows were made: after another one, core empties the store and fills it again. */
  readonly format: number
  /** Place in the feed of the last event that was taken in; 0 when there is none. */
  readonly position: number
  /** Its id: so that rows made from another log are told apart. */
  readonly eventId: string
}

/** Where an empty read model stands. */
export const nowhere: Cursor = { format: 0, position: 0, eventId: "" }

/** Whether two cursors are the same place. */
export const sameCursor = (a: Cursor, b: Cursor): boolean =>
  a.position === b.position && a.format === b.format && a.eventId === b.eventId

/** Names a row: keys are unique in their table. */
export interface RowKey {
  readonly table: string
  readonly key: string
}

/** `value` is text that only core understands. */
export interface Row extends RowKey {
  readonly value: string
}

/** Lists a row under a value of an index. */
export interface Listing extends RowKey {
  readonly index: string
  readonly value: string
}

/**
 * What a piece of the feed changes. A row is named once, in `put` or `remove`; a listing once, in `list` or `unlist`. Core
 * keeps together what is in one table, or in one of its indexes, so that a store can write it together.
 */
export interface Changes {
  /** Where the cursor must stand, in all its fields; else nothing is changed. */
  readonly after: Cursor
  /** Where it stands then. */
  readonly cursor: Cursor
  /** Rows with their new values, whether they were there or not. Their listings stay as they are. */
  readonly put: ReadonlyArray<Row>
  /** Rows that go. Their listings are in `unlist`. */
  readonly remove: ReadonlyArray<RowKey>
  /** Listings that come; none of them is there. */
  readonly list: ReadonlyArray<Listing>
  /** Listings that go; all of them are there. */
  readonly unlist: ReadonlyArray<Listing>
}

/** A row as it is found. */
export interface FoundRow {
  readonly key: string
  readonly value: string
}

/**
 * The port of what is looked up across locks.
 *
 * @example
 * ```ts
 * const readModel = yield* ReadModel
 * const after = yield* readModel.cursor
 * const changes = { put: [{ table: "lock", key: "7", value }], remove: [], list: [], unlist: [] }
 * const isApplied = yield* readModel.apply({ ...changes, after, cursor: { ...after, position: 42, eventId } })
 * const [row] = yield* readModel.get("lock", ["7"])
 * ```
 */
export class ReadModel extends Context.Service<
  ReadModel,
  {
    /** Names the adapter in answers: `sqlite`, `memory`, `spacetimedb`, … */
    readonly source: string

    /** Where it stands; `nowhere` at first and after `reset`. */
    readonly cursor: Effect.Effect<Cursor, ReadModelUnavailable>

    /** Changes rows, listings and cursor, or nothing: then the answer is `false`, and the cursor stands elsewhere. */
    readonly apply: (changes: Changes) => Effect.Effect<boolean, ReadModelUnavailable>

    /** Those of the rows that there are, in any order. At most 4,000 keys, each once. */
    readonly get: (
      table: string,
      keys: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<FoundRow>, ReadModelUnavailable>

    /** Rows listed under a value of an index whose keys sort after `after`, by key, at most `limit` of them. */
    readonly find: (
      table: string,
      index: string,
      value: string,
      after: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<FoundRow>, ReadModelUnavailable>

    /** Forgets rows, listings and cursor, together. */
    readonly reset: Effect.Effect<void, ReadModelUnavailable>
  }
>()("@latchkey/core/ReadModel") {}
