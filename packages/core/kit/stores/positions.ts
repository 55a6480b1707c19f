/** Stores that number wrongly: positions in the feed, and versions in a stream. */
import type { StoredEvent } from "@latchkey/core"
import { Effect } from "effect"
import { type BrokenStore, source, view } from "./fixture.ts"

export const brokenPositions: ReadonlyArray<BrokenStore> = [
  source(
    "the answer is the first position of the batch",
    "return Effect.succeed({ position: feed.length })",
    "return Effect.succeed({ position: Math.min(before + 1, feed.length) })"
  ),
  source(
    "a batch without events is told position 0",
    "return Effect.succeed({ position: feed.length })",
    "return Effect.succeed({ position: feed.length > before ? feed.length : 0 })"
  ),
  source(
    "the answer is the version",
    "return Effect.succeed({ position: feed.length })",
    "return Effect.succeed({ position: feed.at(-1)?.version ?? 0 })"
  ),
  view("a refused write leaves a gap", (store) => {
    let gaps = 0
    const moved = <A extends StoredEvent>(events: ReadonlyArray<A>) =>
      events.map((event) => ({ ...event, position: event.position + gaps }))
    return {
      write: (batch) =>
        Effect.mapBoth(store.write(batch), {
          onFailure: (error) => {
            gaps++
            return error
          },
          onSuccess: ({ position }) => ({ position: position + gaps })
        }),
      head: Effect.map(store.head, (head) => head + gaps),
      feed: (after, limit, filter) => Effect.map(store.feed(Math.max(0, after - gaps), limit, filter), moved)
    }
  }),
  view("positions begin at 0", (store) => ({
    feed: (after, limit, filter) =>
      Effect.map(store.feed(after, limit, filter), (events) =>
        events.map((event) => ({ ...event, position: event.position - 1 }))
      )
  })),
  source(
    "versions begin at 0",
    "version, position: feed.length + 1 }",
    "version: version - 1, position: feed.length + 1 }"
  ),
  source(
    "positions count each category for itself",
    "position: feed.length + 1 }",
    "position: feed.filter((one) => categoryOf(one.streamId) === categoryOf(streamId)).length + 1 }"
  )
]
