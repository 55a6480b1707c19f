/** What a feed that is imported is written with: the records that are derived from its events. */
import type { Effect } from "effect"
import { recordOfRefused } from "../locks/RefusedUses.ts"
import type { EventStore, Put, StoredEvent, StoreUnavailable } from "../streams/EventStore.ts"
import { importEvents } from "../streams/Import.ts"

/**
 * Writes the next events of another log's feed, after `beginImport`.
 *
 * @example
 * yield* beginImport(store)
 * yield* Stream.runForEach(pages, (events) => importFeed(store, events))
 * yield* endImport(store)
 */
export const importFeed = (
  store: EventStore["Service"],
  events: ReadonlyArray<StoredEvent>
): Effect.Effect<void, StoreUnavailable> => importEvents(store, events, derived)

const derived = (event: StoredEvent): ReadonlyArray<Put> => {
  if (event.version !== 1) return []
  const record = recordOfRefused(event)
  return record === undefined ? [] : [record]
}
