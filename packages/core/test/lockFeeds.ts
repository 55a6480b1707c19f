/** Feeds about locks as they are told to the read model, and a read model that is filled from one. */
import { MemoryReadModel } from "@latchkey/core/testing"
import { Context, Effect, Layer } from "effect"
import { streamOfLock } from "../src/lock/Lock.ts"
import { type LockEvent, toStored } from "../src/lock/LockEvent.ts"
import { filling, PAGE } from "../src/read-model/Filling.ts"
import { lockTables } from "../src/read-model/LockTables.ts"
import { ReadModel } from "../src/read-model/ReadModel.ts"
import type { Tables } from "../src/read-model/Table.ts"
import type { EventStore, StoredEvent } from "../src/streams/EventStore.ts"
import { millisOf } from "../src/values/Text.ts"

const TIME = "2026-01-01T00:00:00.000Z"

/** The fields that every event has about its lock. */
export const about = (lockId: number) => ({ lockId, uuid: `thing-${lockId}`, timestamp: TIME })

type Created = Extract<LockEvent, { readonly _tag: "LockCreated" }>
export const created = (lockId: number, fields: Partial<Created> = {}): Created => ({
  _tag: "LockCreated",
  ...about(lockId),
  ...fields
})

/** The fields that every event has about a temp key. */
export const aboutTempKey = (lockId: number, tempKeyUuid: string) => ({
  tempKeyUuid,
  lockId,
  lockUuid: `thing-${lockId}`,
  timestamp: TIME
})

export const tempKeyCreated = (lockId: number, tempKeyUuid: string): LockEvent => ({
  _tag: "TempKeyCreated",
  ...aboutTempKey(lockId, tempKeyUuid),
  accessMode: "public",
  allowedUserIds: [],
  validFrom: TIME,
  validUntil: TIME,
  maxUses: null,
  createdBy: "somebody"
})

/** The events as a feed from its beginning, a second apart. */
export const feedOf = (...events: ReadonlyArray<LockEvent>): ReadonlyArray<StoredEvent> => {
  const versions = new Map<number, number>()
  const organizations = new Map<number, string>()
  return events.map((event, index) => {
    const { lockId } = event
    if ((event._tag === "LockCreated" || event._tag === "OrganizationSet") && event.orgId !== undefined)
      organizations.set(lockId, event.orgId)
    const version = (versions.get(lockId) ?? 0) + 1
    versions.set(lockId, version)
    return {
      eventId: `event-${index + 1}`,
      ...toStored(event),
      streamId: streamOfLock(lockId),
      version,
      position: index + 1,
      at: millisOf(TIME) + index * 1_000,
      orgId: organizations.get(lockId) ?? "",
      principal: { _tag: "System" },
      commandId: `command-${index + 1}`
    }
  })
}

type Reading = Pick<EventStore["Service"], "feed">

/** A store that holds this feed and no more. */
export const storeOf = (feed: ReadonlyArray<StoredEvent>): Reading => ({
  feed: (after, limit) => Effect.succeed(feed.slice(after, after + limit))
})

export const emptyModel = Effect.map(Layer.build(Layer.fresh(MemoryReadModel.layer)), Context.get(ReadModel))

/** Takes in, as the reader of the feed does, what a feed holds when it is asked to. */
export const filler = <Fact>(store: Reading, readModel: ReadModel["Service"], tables: Tables<Fact>) => {
  const { cursor, take } = filling(readModel, tables)
  return {
    /** Up to a position; answers where the cursor then stands. */
    fill: Effect.fnUntraced(function* (upTo = Number.POSITIVE_INFINITY) {
      let position = yield* cursor
      while (true) {
        const events = yield* store.feed(position, Math.min(PAGE, upTo - position))
        if (events.length === 0) return position
        position = yield* take(events)
      }
    })
  }
}

export const fill = (readModel: ReadModel["Service"], feed: ReadonlyArray<StoredEvent>) =>
  filler(storeOf(feed), readModel, lockTables).fill()

/** A read model that has seen these events. */
export const filledWith = Effect.fnUntraced(function* (...events: ReadonlyArray<LockEvent>) {
  const readModel = yield* emptyModel
  yield* fill(readModel, feedOf(...events))
  return readModel
})
