/** The feed by organization and category, across the spans in which it is indexed. */
import { expect, it } from "@effect/vitest"
import { categoryOf, EventStore, type FeedFilter } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Effect } from "effect"
import { SPAN } from "../src/organizationFeed.ts"
import { event } from "./fixture.ts"

it.live("a filtered feed is the feed without the rest, wherever it is read from", () =>
  EventStore.use((store) =>
    Effect.gen(function* () {
      const ends = new Map<string, number>()
      // In batches that end before, at and after the ends of spans.
      for (const size of [1, SPAN - 2, 1, 1, 300, 1_000, SPAN, 100]) {
        const append = Array.from({ length: size }, (_, n) => {
          const streamId = `${["lock", "device", "pin"][n % 7] ?? "lock"}-${n % 5}`
          const expectedVersion = ends.get(streamId) ?? 0
          ends.set(streamId, expectedVersion + 1)
          return {
            streamId,
            expectedVersion,
            events: [{ ...event(), orgId: n % 101 === 50 ? "seldom" : `org-${n % 3}` }]
          }
        })
        yield* store.write({ append })
      }
      const feed = yield* store.feed(0, 10_000)
      expect(feed.length).toBeGreaterThan(3 * SPAN)
      const filters: ReadonlyArray<FeedFilter> = ["org-0", "seldom", "nobody", ""].flatMap((orgId) => [
        { orgId },
        { orgId, category: "device" },
        { orgId, category: "lock" }
      ])
      for (const filter of [...filters, { category: "pin" }]) {
        const { category, orgId } = filter
        const within = feed.filter(
          (event) =>
            (orgId === undefined || event.orgId === orgId) &&
            (category === undefined || categoryOf(event.streamId) === category)
        )
        for (const after of [0, 1, 700, SPAN - 1, SPAN, SPAN + 1, 3 * SPAN, feed.length - 1, feed.length]) {
          for (const limit of [1, 10, 500, 10_000]) {
            const expected = within.filter(({ position }) => position > after).slice(0, limit)
            expect(yield* store.feed(after, limit, filter), JSON.stringify({ filter, after, limit })).toEqual(expected)
          }
        }
      }
    })
  ).pipe(Effect.provide(Sqlite.layer({ folder: ":memory:" })))
)
