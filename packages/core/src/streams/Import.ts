/**
 * Filling an empty store with another log's feed, page by page. Until the last one is there, a record says that the
 * store holds a part, and nothing else is begun on it.
 */
import { Effect, Option } from "effect"
import { type Append, type Batch, type EventStore, type Put, type StoredEvent, StoreUnavailable } from "./EventStore.ts"

const KEY = "import"
const PART = "part"
/** Events, and records, that a batch may hold. */
const MOST = 1_000

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
  let reached = yield* store.head
  for (let rest = events; rest.length > 0; ) {
    // Nothing is mixed into what holds something else already.
    if (rest[0]?.position !== reached + 1) return yield* Effect.fail(writtenByOthers)
    const write = (isGuessed: boolean) => writePage(store, rest, (page) => recordsOf(page, isGuessed))
    const { page, position } = yield* write(true).pipe(
      Effect.catchTag("RecordConflict", () => write(false)),
      refused(writtenByOthers)
    )
    if (position !== page.at(-1)?.position) return yield* Effect.fail(writtenByOthers)
    reached = position
    rest = rest.slice(page.length)
  }
})

/**
 * The records that are derived from a page of events, after the pages before it, and written with it. What is new in most
 * pages may be taken for new (`isGuessed`), and expected to be so: it is asked for only where that was wrong.
 */
type RecordsOf = (
  page: ReadonlyArray<StoredEvent>,
  isGuessed: boolean
) => Effect.Effect<Required<Pick<Batch, "expect" | "put" | "remove">>, StoreUnavailable>

/** Writes as many of the events, from the first on, as fit into a batch together with their records. */
const writePage = Effect.fnUntraced(function* (
  store: Store,
  events: ReadonlyArray<StoredEvent>,
  recordsOf: (page: ReadonlyArray<StoredEvent>) => ReturnType<RecordsOf>
) {
  for (let size = MOST; ; size = Math.ceil(size / 2)) {
    const page = events.slice(0, size)
    const { expect, put, remove } = yield* recordsOf(page)
    if (size > 1 && put.length + remove.length > MOST) continue
    const append = appendsOf(page)
    const isPart = { key: KEY, value: PART }
    const { position } = yield* store.write({ imported: true, expect: [isPart, ...expect], append, put, remove })
    return { page, position }
  }
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
