/** What a feed that is imported is written with: the records that are derived from its events. */
import { Effect } from "effect"
import { allClaimsKnown, claimsWith } from "../locks/Claims.ts"
import { cursorAt, recordOfWork } from "../locks/Reconciler.ts"
import { recordOfRefused } from "../locks/RefusedUses.ts"
import type { EventStore, Put, StoredEvent, StoreUnavailable } from "../streams/EventStore.ts"
import { endImport as end, importEvents } from "../streams/Import.ts"

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
): Effect.Effect<void, StoreUnavailable> =>
  importEvents(store, events, (page, isGuessed) =>
    Effect.map(claimsWith(store, page, isGuessed), ({ put, ...claims }) => ({
      ...claims,
      put: [...derived(page), ...put]
    }))
  )

/** Ends an import: the export is complete, and with it the claims of things, and what there is to do about keys. */
export const endImport = (store: EventStore["Service"]): Effect.Effect<void, StoreUnavailable> =>
  Effect.flatMap(store.head, (head) => end(store, [allClaimsKnown, cursorAt(head)]))

/** Of several events that leave the same record, the last one's stays. */
const derived = (page: ReadonlyArray<StoredEvent>): Iterable<Put> =>
  new Map(
    page
      .flatMap((event) => [event.version === 1 ? recordOfRefused(event) : undefined, recordOfWork(event)])
      .flatMap((record) => (record === undefined ? [] : [[record.key, record]]))
  ).values()
