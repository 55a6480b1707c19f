/** Places in long streams, found in steps. */
import { Effect } from "effect"
import type { EventStore, StoredEvent } from "./EventStore.ts"

/** The last version of a stream that is as asked, when all before it are; 0 when none is. */
export const lastVersion = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  streamId: string,
  isSo: (event: StoredEvent) => boolean
) {
  const holds = (version: number) =>
    Effect.map(store.read(streamId, version - 1, 1), ([event]) => event !== undefined && isSo(event))
  let below = 0
  let above = 1
  while (yield* holds(above)) {
    below = above
    above *= 2
  }
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2)
    if (yield* holds(middle)) below = middle
    else above = middle
  }
  return below
})
