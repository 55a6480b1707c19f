/**
 * What a feed that is imported is written with: the records that are derived from its events. So the first start reads no
 * more of the log than any other.
 */
import { Effect, Option, Schema } from "effect"
import { disputeKey } from "../access/Claims.ts"
import { allSpellingsKnown, spellingsIn } from "../access/DeviceSecrets.ts"
import { claimStepsOf } from "../lock/ClaimSteps.ts"
import { linkGivenBy, linkRecord } from "../lock/Link.ts"
import { bulkCursorAt, cursorBefore } from "../locks/BulkAddKeys.ts"
import { allClaimsKnown, claimsWith } from "../locks/Claims.ts"
import { allLinksKnown, linksIn } from "../locks/Links.ts"
import { cursorAt, recordOfWork } from "../locks/Reconciler.ts"
import { recordOfRefused } from "../locks/RefusedUses.ts"
import { type EventStore, type Put, RecordKey, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { beginImport as begin, endImport as end, importEvents, type Records } from "../streams/Import.ts"

type Store = EventStore["Service"]

/** Records that are asked for at the same time. */
const AT_ONCE = 16

/**
 * Marks a store as holding part of an export: nothing else begins on it. One that holds a part already still does, and if an
 * older version began it, the first start reads the log for what that one did not derive.
 */
export const beginImport = (store: Store): Effect.Effect<void, StoreUnavailable> =>
  begin(store, [allClaimsKnown, allLinksKnown, allSpellingsKnown])

/**
 * Writes the next events of another log's feed, after `beginImport`.
 *
 * @example
 * yield* beginImport(store)
 * yield* Stream.runForEach(pages, (events) => importFeed(store, events))
 * yield* endImport(store)
 */
export const importFeed = (store: Store, events: ReadonlyArray<StoredEvent>): Effect.Effect<void, StoreUnavailable> =>
  importEvents(
    store,
    events,
    Effect.fnUntraced(function* (records, page, isGuessed) {
      const claims = yield* claimsWith(records, page, isGuessed)
      const firsts = yield* firstsOf(records, page, isGuessed)
      return {
        expect: [...claims.expect, ...firsts.map(({ key }) => ({ key, value: undefined }))],
        put: [...lastsOf(page), ...firsts, ...claims.put],
        remove: claims.remove
      }
    })
  )

/**
 * Whether an event can be imported: every store keeps the records that follow from it. The names of things and links had no
 * bounds once.
 *
 * @example
 * const flaw = isImportable(event) ? undefined : "a name that is too long"
 */
export const isImportable = (event: StoredEvent): boolean => {
  const link = linkGivenBy(event)
  if (link !== undefined && !isRecordKey(linkRecord(link))) return false
  return claimStepsOf(event).every(({ thing }) => isRecordKey(disputeKey(thing)))
}

/** Ends an import: the export is complete, and with it what there is to do about keys. */
export const endImport = Effect.fnUntraced(function* (store: Store): Effect.fn.Return<void, StoreUnavailable> {
  const head = yield* store.head
  const nothingToAdd = bulkCursorAt(head)
  const cursor = Option.getOrElse(yield* store.record(nothingToAdd.key), () => nothingToAdd.value)
  yield* end(store, [cursorAt(head), { ...nothingToAdd, value: cursor }])
})

/** Of several events that leave the same record, the last one's stays. */
const lastsOf = (page: ReadonlyArray<StoredEvent>): Iterable<Put> => {
  const lasts = new Map<string, Put>()
  const leave = (record: Put | undefined) => record && lasts.set(record.key, record)
  for (const event of page) {
    if (event.version === 1) leave(recordOfRefused(event))
    leave(recordOfWork(event))
  }
  for (const record of spellingsIn(page)) leave(record)
  return lasts.values()
}

/** Of several that leave the same record, the first one's, also if an earlier page has left it. */
const firstsOf = Effect.fnUntraced(function* (records: Records, page: ReadonlyArray<StoredEvent>, isGuessed: boolean) {
  const cursor = yield* cursorBefore(page)
  const firsts = [...linksIn(page).values(), ...(cursor === undefined ? [] : [cursor])]
  if (isGuessed) return firsts
  return yield* Effect.filter(firsts, ({ key }) => Effect.map(records.record(key), Option.isNone), {
    concurrency: AT_ONCE
  })
})

const isRecordKey = Schema.is(RecordKey)
