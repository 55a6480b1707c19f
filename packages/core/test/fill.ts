import { Effect } from "effect"
import { filling, PAGE } from "../src/read-model/Filling.ts"
import { lockTables } from "../src/read-model/LockTables.ts"
import type { ReadModel } from "../src/read-model/ReadModel.ts"
import type { EventStore } from "../src/streams/EventStore.ts"

/** Fills a read model with what the feed holds, up to a position; answers where its cursor then stands. */
export const fill = Effect.fnUntraced(function* (
  store: Pick<EventStore["Service"], "feed">,
  readModel: ReadModel["Service"],
  upTo = Number.POSITIVE_INFINITY
) {
  const { cursor, take } = filling(readModel, lockTables)
  let position = yield* cursor
  while (true) {
    const events = yield* store.feed(position, Math.min(PAGE, upTo - position))
    if (events.length === 0) return position
    position = yield* take(events)
  }
})
