/** Stores that give no hint, or a wrong one, that the feed has grown. */
import { Stream } from "effect"
import { type BrokenStore, source, view } from "./fixture.ts"

export const brokenChanges: ReadonlyArray<BrokenStore> = [
  view("the hint of changes does not come at once", (store) => ({ changes: Stream.drop(store.changes, 1) })),
  view("the hint of changes comes once", (store) => ({
    changes: Stream.concat(Stream.take(store.changes, 1), Stream.never)
  })),
  view("the hint of changes comes twice", (store) => ({
    changes: Stream.concat(Stream.take(store.changes, 2), Stream.never)
  })),
  view("the hint of changes ends", (store) => ({ changes: Stream.take(store.changes, 2) })),
  view("the hint of changes tells one too few", (store) => ({
    changes: Stream.map(store.changes, (head) => Math.max(0, head - 1))
  })),
  view("the hint of changes tells one too many", (store) => ({
    changes: Stream.map(store.changes, (head) => head + 1)
  })),
  view("the hint of changes tells nothing but 1", (store) => ({ changes: Stream.map(store.changes, () => 1) })),
  source(
    "a sleeper that was woken stays asleep from then on",
    "if (feed.length > before) for (const wake of sleepers) wake()",
    "if (feed.length > before) for (const wake of [...sleepers].slice(0, 1)) wake()"
  ),
  source("a write of one event wakes nobody", "if (feed.length > before) for", "if (feed.length > before + 1) for"),
  source(
    "a subscriber that goes takes the others with it",
    "return Effect.sync(() => sleepers.delete(answer))",
    "return Effect.sync(() => sleepers.clear())"
  )
]
