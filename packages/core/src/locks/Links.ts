/**
 * Which stream a link leads to: as its record says, which is written together with the key. Links that were stored before
 * there were records get theirs once, from the feed.
 */
import { Effect, Option } from "effect"
import { linkGivenBy, linkRecord } from "../lock/Link.ts"
import type { EventStore, Put, StoredEvent, StoreUnavailable } from "../streams/EventStore.ts"

type Store = EventStore["Service"]

const ALL = "links"
/** What says that all links have records. */
export const allLinksKnown = { key: ALL, value: "recorded" }
const PAGE = 500

/** The stream of the key that a link leads to, or led to once; none when no key ever had it. */
export const streamOfLink = (store: Store, link: string) => store.record(linkRecord(link))

/** What the keys to several doors are called that were made under these links: by the commands that made them. */
export const idsOfShared = Effect.fnUntraced(function* (
  store: Store,
  links: Iterable<string>
): Effect.fn.Return<ReadonlyMap<string, string>, StoreUnavailable> {
  const ids = new Map<string, string>()
  for (const link of new Set(links)) {
    const owner = Option.getOrUndefined(yield* streamOfLink(store, link))
    const [made] = owner === undefined ? [] : yield* store.read(owner, 0, 1)
    if (made?.type === "SharedCredentialCreated") ids.set(link, made.commandId)
  }
  return ids
})

/** The records of the links that these events give; of several keys with one link, the first has it. */
export const linksIn = (events: ReadonlyArray<StoredEvent>): Map<string, Put> => {
  const links = new Map<string, Put>()
  for (const event of events) {
    const link = linkGivenBy(event)
    if (link === undefined) continue
    const key = linkRecord(link)
    if (!links.has(key)) links.set(key, { key, value: event.streamId })
  }
  return links
}

/**
 * Writes down whose every stored link is, the first in the feed before all others. Costs one question when it was done before.
 */
export const recordStoredLinks = Effect.fnUntraced(function* (store: Store): Effect.fn.Return<void, StoreUnavailable> {
  const done = yield* store.record(ALL)
  if (done._tag === "Some") return
  for (let after = 0; ; ) {
    const events = yield* store.feed(after, PAGE)
    yield* putMissing(store, linksIn(events))
    after = events.at(-1)?.position ?? after
    if (events.length < PAGE) break
  }
  yield* put(store, [allLinksKnown])
})

/** Sets those that are not set yet. */
const putMissing = Effect.fnUntraced(function* (store: Store, wanted: Map<string, Put>) {
  while (wanted.size > 0) {
    const taken = yield* put(store, [...wanted.values()])
    if (taken === undefined) return
    wanted.delete(taken)
  }
})

/** Sets all of them, or none: then the answer is one that is set already. */
const put = (store: Store, puts: ReadonlyArray<Put>): Effect.Effect<string | undefined, StoreUnavailable> =>
  store.write({ expect: puts.map(({ key }) => ({ key, value: undefined })), put: puts }).pipe(
    Effect.as(undefined),
    Effect.catch((error) =>
      error._tag === "RecordConflict"
        ? Effect.succeed(error.key)
        : error._tag === "StoreUnavailable"
          ? Effect.fail(error)
          : Effect.die(error)
    )
  )
