/**
 * Filling an empty store with another log's feed, page by page. Until the last one is there, a record says that the
 * store holds a part, and nothing else is begun on it.
 */
import { Effect, Fiber, Option } from "effect"
import {
  type Append,
  type Batch,
  type EventStore,
  type Put,
  type StoredEvent,
  StoreUnavailable,
  type WriteError
} from "./EventStore.ts"

const KEY = "import"
const PART = "part"
/** Events of a batch, at most: fewer than it may hold, since the store writes some while the next are made ready. */
const PAGE = 500
/** Records that a batch may hold. */
const MOST = 1_000
/** Pages that are on their way to the store at a time. */
const MOST_AHEAD = 8

type Store = EventStore["Service"]

const isPart = new StoreUnavailable({
  message:
    "The store holds part of an export: an import into it is under way, or was interrupted. Wait for it to end, or import the same export again, which goes on from there."
})
const writtenByOthers = new StoreUnavailable({ message: "Another process wrote to the store at the same time." })

/** Fails for a store that holds only part of an export. */
export const refusePart = (store: Store): Effect.Effect<void, StoreUnavailable> =>
  Effect.flatMap(holdsPart(store), (isThere) => (isThere ? Effect.fail(isPart) : Effect.void))

/**
 * Marks a store as holding part of an export: nothing else begins on it. One that holds a part already still does.
 *
 * @param put what holds for all that is imported from its beginning on
 */
export const beginImport = (store: Store, put: ReadonlyArray<Put> = []): Effect.Effect<void, StoreUnavailable> =>
  store.write({ expect: [{ key: KEY, value: undefined }], put: [{ key: KEY, value: PART }, ...put] }).pipe(
    Effect.asVoid,
    Effect.catchTag("RecordConflict", () => Effect.void),
    refused(writtenByOthers)
  )

/** Whether an import into the store is under way, or was interrupted: the same export goes on from its head. */
export const holdsPart = (store: Store): Effect.Effect<boolean, StoreUnavailable> =>
  Effect.map(store.record(KEY), Option.isSome)

/** Takes the next events of the feed as they were: places, and event ids that are there already, included. */
export const importEvents = Effect.fnUntraced(function* (
  store: Store,
  events: ReadonlyArray<StoredEvent>,
  recordsOf: RecordsOf
): Effect.fn.Return<void, StoreUnavailable> {
  // Nothing is mixed into what holds something else already.
  if (events.length > 0 && events[0]?.position !== (yield* store.head) + 1) return yield* Effect.fail(writtenByOthers)
  for (let done = 0; done < events.length; ) {
    const rest = events.slice(done)
    done += (yield* writeAhead(store, rest, recordsOf)) || (yield* writeNext(store, rest, recordsOf))
  }
})

/**
 * The records that are derived from a page of events, after the pages before it, and written with it. What is new in most
 * pages may be taken for new (`isGuessed`), and expected to be so: it is asked for only where that was wrong.
 */
type RecordsOf = (
  records: Records,
  page: ReadonlyArray<StoredEvent>,
  isGuessed: boolean
) => Effect.Effect<Required<Pick<Batch, "expect" | "put" | "remove">>, StoreUnavailable>

/** Where records are asked for. */
export type Records = Pick<Store, "record">

/**
 * Hands over pages while those before them are being written, each on condition that the one before it was. Answers how many
 * events were written: fewer when something was not as guessed.
 */
const writeAhead = Effect.fnUntraced(function* (
  store: Store,
  events: ReadonlyArray<StoredEvent>,
  recordsOf: RecordsOf
) {
  const pages: Array<Fiber.Fiber<number, WriteError>> = []
  const records: Records = { record: (key) => Effect.andThen(Fiber.awaitAll(pages), store.record(key)) }
  const handOver = Effect.gen(function* () {
    for (let at = 0; at < events.length && pages.length < MOST_AHEAD; ) {
      const { page, batch } = yield* pageOf(events.slice(at, at + PAGE), (page) => recordsOf(records, page, true))
      const last = events[at - 1]
      // Of a stream to which nothing is appended only the version counts.
      const after = last === undefined ? [] : [{ streamId: last.streamId, expectedVersion: last.version, events: [] }]
      const write = writePage(store, page, { ...batch, append: [...after, ...batch.append] })
      pages.push(yield* Effect.forkChild(write, { startImmediately: true }))
      at += page.length
      // The store may begin with it.
      yield* Effect.yieldNow
    }
  })
  const handedOver = yield* Effect.exit(handOver)
  let done = 0
  for (const written of yield* Fiber.awaitAll(pages)) {
    const count = yield* Effect.catch(written, (error) =>
      error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.succeed(0)
    )
    if (count === 0) return done
    done += count
  }
  yield* handedOver
  return done
})

/** Writes one page of which nothing is guessed. */
const writeNext = Effect.fnUntraced(function* (store: Store, events: ReadonlyArray<StoredEvent>, recordsOf: RecordsOf) {
  const { page, batch } = yield* pageOf(events, (page) => recordsOf(store, page, false))
  return yield* refused(writtenByOthers)(writePage(store, page, batch))
})

/** As many of the events, from the first on, as fit into a batch together with their records. */
const pageOf = Effect.fnUntraced(function* (
  events: ReadonlyArray<StoredEvent>,
  recordsOf: (page: ReadonlyArray<StoredEvent>) => ReturnType<RecordsOf>
) {
  for (let size = PAGE; ; size = Math.ceil(size / 2)) {
    const page = events.slice(0, size)
    const { expect, put, remove } = yield* recordsOf(page)
    if (size > 1 && put.length + remove.length > MOST) continue
    const isPart = { key: KEY, value: PART }
    return { page, batch: { imported: true, expect: [isPart, ...expect], append: appendsOf(page), put, remove } }
  }
})

/** Answers how many events that were. */
const writePage = Effect.fnUntraced(function* (store: Store, page: ReadonlyArray<StoredEvent>, batch: Batch) {
  const { position } = yield* store.write(batch)
  return position === page.at(-1)?.position ? page.length : yield* Effect.fail(writtenByOthers)
})

/** Ends an import: the export is complete, and so are the records that are derived from it, as `put` may say. */
export const endImport = (store: Store, put: ReadonlyArray<Put> = []): Effect.Effect<void, StoreUnavailable> =>
  store.write({ expect: [{ key: KEY, value: PART }], put, remove: [KEY] }).pipe(Effect.asVoid, refused(writtenByOthers))

/** In the order of the feed: what follows each other in one stream is one append. */
const appendsOf = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<Append> => {
  const appends: Array<Append & { readonly events: Array<Append["events"][number]> }> = []
  for (const { streamId, version, position: _, ...event } of events) {
    const last = appends.at(-1)
    if (last?.streamId === streamId) last.events.push(event)
    else appends.push({ streamId, expectedVersion: version - 1, events: [event] })
  }
  return appends
}

const refused =
  (otherwise: StoreUnavailable) =>
  <A, E>(write: Effect.Effect<A, E>): Effect.Effect<A, StoreUnavailable> =>
    Effect.mapError(write, (error) => (error instanceof StoreUnavailable ? error : otherwise))
