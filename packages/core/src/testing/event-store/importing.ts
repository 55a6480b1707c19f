/** Another log's feed: taken as it was, page by page. */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import type { StoredEvent } from "../../streams/OldEventStore.ts"
import type { Check, StoreFixture } from "./fixture.ts"

/** Two streams by turns; the last event has the id of the first, as logs of the first edition may hold. */
export const feedToImport = ({ name, events }: Pick<StoreFixture, "name" | "events">): ReadonlyArray<StoredEvent> =>
  events(6, { text: "x" }).map((event, index) => ({
    ...event,
    eventId: index % 5 === 0 ? name("double") : event.eventId,
    streamId: name(index % 2 === 0 ? "a" : "b"),
    version: Math.floor(index / 2) + 1,
    position: index + 1,
    ...(index === 3 && { acceptedAt: 1_700_000_000_500 })
  }))

/** For stores that are empty at first. */
export const checkImporting = (check: Check) => {
  check("takes another feed as it was, event ids that are there twice included, and goes on behind it", (fixture) =>
    Effect.gen(function* () {
      const { store, name, events } = fixture
      const feed = feedToImport(fixture)
      yield* store.importFeed([], false)
      yield* store.importFeed(feed.slice(0, 4), false)
      yield* store.importFeed(feed.slice(4), false)
      yield* store.importFeed([], true)
      expect(yield* fixture.feed(0)).toEqual(feed)
      expect((yield* store.read(name("a"), 0, 10)).map(({ version }) => version)).toEqual([1, 2, 3])
      expect(yield* store.append(name("b"), 3, events(1))).toEqual({ version: 4, position: 7 })
      expect(yield* store.append(name("c"), 0, events(1))).toEqual({ version: 1, position: 8 })
    })
  )

  check("refuses a page that does not begin where the feed ends, and takes nothing of it", (fixture) =>
    Effect.gen(function* () {
      const { store, events, name } = fixture
      const feed = feedToImport(fixture)
      const conflict = (expected: number, actual: number) => ({
        _tag: "VersionConflict",
        streamId: "",
        expected,
        actual
      })
      expect(yield* Effect.flip(store.importFeed(feed.slice(1), false))).toMatchObject(conflict(1, 0))
      yield* store.importFeed(feed.slice(0, 2), false)
      expect(yield* Effect.flip(store.importFeed(feed.slice(3), false))).toMatchObject(conflict(3, 2))
      yield* store.append(name("elsewhere"), 0, events(1))
      expect(yield* Effect.flip(store.importFeed(feed.slice(2), true))).toMatchObject(conflict(2, 3))
      expect(yield* store.head).toBe(3)
    })
  )
}
