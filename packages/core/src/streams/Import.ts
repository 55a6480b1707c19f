/**
 * Filling an empty store with another log's feed, page by page. Until the last one is there, a record says that the
 * store holds a part, and nothing else is begun on it.
 */
import { Effect, Option } from "effect"
import { type Append, type EventStore, type Put, type StoredEvent, StoreUnavailable } from "./EventStore.ts"

const KEY = "import"
const PART = "part"
/** Events of one batch. */
const PAGE = 500

type Store = EventStore["Service"]

const isPart = new StoreUnavailable({
  message:
    "The store holds part of an export: an import into it is under way, or was interrupted. Wait for it to end, or empty the store and import again."
})
const writtenByOthers = new StoreUnavailable({ message: "Another process wrote to the store at the same time." })

/** Fails for a store that holds only part of an export. */
export const refusePart = (store: Store): Effect.Effect<void, StoreUnavailable> =>
  Effect.flatMap(store.record(KEY), (record) => (Option.isSome(record) ? Effect.fail(isPart) : Effect.void))

/** Marks the store as holding part of an export: nothing else begins on it. */
export const beginImport = (store: Store): Effect.Effect<void, StoreUnavailable> =>
  store
    .write({ expect: [{ key: KEY, value: undefined }], put: [{ key: KEY, value: PART }] })
    .pipe(Effect.asVoid, refused(isPart))

/** Takes the next events of the feed as they were: places, and event ids that are there already, included. */
export const importEvents = Effect.fnUntraced(function* (
  store: Store,
  events: ReadonlyArray<StoredEvent>,
  /** The records that are derived from an event, and written with it. */
  recordsOf: (event: StoredEvent) => ReadonlyArray<Put>
): Effect.fn.Return<void, StoreUnavailable> {
  for (let from = 0; from < events.length; from += PAGE) {
    const page = events.slice(from, from + PAGE)
    // Nothing is mixed into what holds something else already.
    if ((yield* store.head) + 1 !== page[0]?.position) return yield* Effect.fail(writtenByOthers)
    const { position } = yield* store
      .write({
        imported: true,
        expect: [{ key: KEY, value: PART }],
        append: appendsOf(page),
        put: page.flatMap(recordsOf)
      })
      .pipe(refused(writtenByOthers))
    if (position !== page.at(-1)?.position) return yield* Effect.fail(writtenByOthers)
  }
})

/** Ends an import: the export is complete. */
export const endImport = (store: Store): Effect.Effect<void, StoreUnavailable> =>
  store.write({ expect: [{ key: KEY, value: PART }], remove: [KEY] }).pipe(Effect.asVoid, refused(writtenByOthers))

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
