/** Another log's feed is taken as it was, and the store holds a part until all of it is there. */
import { describe, expect, it } from "@effect/vitest"
import { lockFeed } from "@latchkey/core/testing"
import { Effect, Layer, Option } from "effect"
import { endImport as endFeed, importFeed } from "../src/latchkey/importFeed.ts"
import { disputesIn } from "../src/locks/Claims.ts"
import { streamOfRefused } from "../src/locks/RefusedUses.ts"
import * as MemoryEventStore from "../src/memory/MemoryEventStore.ts"
import { EventStore, type StoredEvent, StoreUnavailable } from "../src/streams/EventStore.ts"
import { Feed } from "../src/streams/Feed.ts"
import { beginImport, endImport, refusePart } from "../src/streams/Import.ts"
import { instantOf } from "../src/values/Text.ts"
import { refusedUsesAt } from "./refusedUses.ts"
import { millis } from "./scenario.ts"

const at = millis("09:00")

/** Two streams by turns; some event ids are there twice, as logs of the first edition hold them. */
const feedOf = (count: number): ReadonlyArray<StoredEvent> =>
  Array.from({ length: count }, (_, index) => ({
    eventId: index % 5 === 0 ? "double" : `event-${index}`,
    type: "Happened",
    data: { text: "x" },
    at,
    orgId: "",
    principal: { _tag: "System" },
    commandId: `command-${index}`,
    streamId: index % 3 === 0 ? "a-1" : "b-1",
    version: index % 3 === 0 ? index / 3 + 1 : index - Math.floor(index / 3),
    position: index + 1,
    ...(index === 3 && { acceptedAt: at + 1 })
  }))

describe("a feed that is imported", () => {
  it.effect("is as it was, over any number of batches, event ids that are there twice included", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const feed = feedOf(1_234)
      yield* beginImport(store)
      for (const from of [0, 700]) yield* importFeed(store, feed.slice(from, from === 0 ? 700 : undefined))
      yield* endImport(store)
      expect(yield* store.feed(0, 10_000)).toEqual(feed)
      expect(yield* store.records("", "", 10)).toEqual([])
    })
  )

  it.effect("is not mixed into a log that holds other events", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const [first, ...rest] = feedOf(3)
      const { version: _, position: __, streamId: ___, ...event } = first as StoredEvent
      yield* store.write({ append: [{ streamId: "c-1", expectedVersion: 0, events: [event] }] })
      yield* beginImport(store)
      for (const feed of [feedOf(3), rest.slice(1)])
        expect(yield* Effect.flip(importFeed(store, feed))).toMatchObject({ _tag: "StoreUnavailable" })
      expect(yield* store.head).toBe(1)
    })
  )

  /** Each in a stream of its own: none expects anything of another. */
  const apart = (count: number) => feedOf(count).map((event, n) => ({ ...event, streamId: `a-${n}`, version: 1 }))

  it.effect("is handed over while what came before is still being written", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      let [begun, atFirstAnswer] = [0, 0]
      const slow: typeof store = {
        ...store,
        write: Effect.fnUntraced(function* (batch) {
          begun += 1
          for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
          atFirstAnswer ||= begun
          return yield* store.write(batch)
        })
      }
      yield* beginImport(store)
      yield* importFeed(slow, apart(1_500))
      expect([begun, atFirstAnswer]).toEqual([3, 3])
      expect(yield* store.feed(0, 10_000)).toEqual(apart(1_500))
    })
  )

  it.effect("is written to where something fails and no further, though more was handed over", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      let writes = 0
      const failing: typeof store = {
        ...store,
        write: (batch) =>
          ++writes === 2 ? Effect.fail(new StoreUnavailable({ message: "The disk is full." })) : store.write(batch)
      }
      yield* beginImport(store)
      expect(yield* Effect.flip(importFeed(failing, apart(1_500)))).toMatchObject({ message: "The disk is full." })
      expect(writes).toBe(3)
      expect(yield* store.feed(0, 10_000)).toEqual(apart(500))
      yield* importFeed(store, apart(1_500).slice(500))
      expect(yield* store.feed(0, 10_000)).toEqual(apart(1_500))
    })
  )

  it.effect.prop("is as it was, whatever happened", [lockFeed], ([feed]) =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      yield* beginImport(store)
      yield* importFeed(store, feed)
      yield* endImport(store)
      expect(yield* store.feed(0, 10_000)).toEqual(feed)
    })
  )

  it.effect("says what there is to do about keys, once for each lock, and that all of it was heard", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const events = [
        ["lock-1", "LockCreated", { reconciled: true }],
        ["lock-2", "LockCreated", {}],
        ["lock-1", "KeyAdded", { reconciled: true }],
        ["lock-3", "OwnerSet", {}],
        ["lock-1", "ResidentAdded", {}]
      ] as const
      const versions = new Map<string, number>()
      yield* beginImport(store)
      yield* importFeed(
        store,
        events.map(([streamId, type, data], index): StoredEvent => {
          const version = (versions.get(streamId) ?? 0) + 1
          versions.set(streamId, version)
          const eventId = `event-${index}`
          return { ...(feedOf(1)[0] as StoredEvent), eventId, type, data, streamId, version, position: index + 1 }
        })
      )
      yield* endFeed(store)
      expect(yield* store.records("reconcile/", "", 10)).toEqual([
        { key: "reconcile/1", value: "3" },
        { key: "reconcile/3", value: "4" }
      ])
      expect(yield* store.record("cursor/reconciler")).toEqual(Option.some("5"))
    })
  )

  it.effect("brings the records that are derived from it", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const data = { lockId: 7, lockVersion: 1, reason: "expired", tempKeyUuid: "5d2f8f5e-0000-4000-8000-000000000001" }
      const refused = (position: number, version: number, at: number): StoredEvent => ({
        ...(feedOf(1)[0] as StoredEvent),
        eventId: `refused-${position}`,
        type: "TempKeyRefused",
        data,
        streamId: streamOfRefused(7, at),
        version,
        position,
        at
      })
      yield* beginImport(store)
      yield* importFeed(store, [refused(1, 1, at), refused(2, 2, at), refused(3, 1, at + 86_400_000)])
      yield* endImport(store)
      expect((yield* store.records("", "", 10)).map(({ key }) => key)).toEqual([
        "refused/7/2026-08-31",
        "refused/7/2026-09-01"
      ])
      expect(yield* Effect.provideService(refusedUsesAt(7), EventStore, store)).toHaveLength(3)
    })
  )
})

describe("claims of things in a feed that is imported", () => {
  const created = (index: number, thing: string, lockId: number, type = "LockCreated", more = {}): StoredEvent => ({
    ...(feedOf(1)[0] as StoredEvent),
    eventId: `claim-${index}`,
    type,
    data: { lockId, uuid: thing, index: 1, timestamp: instantOf(at), ...more },
    streamId: `lock-${lockId}`,
    version: 1,
    position: index + 1
  })
  const things = Array.from({ length: 1_500 }, (_, n) => `thing-${n}`)

  it.effect("are as the log has them, though a later page takes what an earlier one has taken", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const feed = [...things, "thing-3", "thing-4"].map((thing, n) => created(n, thing, n + 1))
      yield* beginImport(store)
      yield* importFeed(store, feed)
      yield* endImport(store)
      expect(yield* store.feed(0, 10_000)).toEqual(feed)
      expect(yield* store.record("claim/thing-2")).toEqual(Option.some('{"lockIds":[3]}'))
      expect(yield* store.record("claim/thing-3")).toEqual(Option.some('{"lockIds":[4,1501]}'))
      expect((yield* disputesIn(store)).map(({ thing }) => thing)).toEqual(["thing-3", "thing-4"])
    })
  )

  it.effect("are more than a batch may hold, and then there are more batches", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const batches: Array<number> = []
      const counted: typeof store = {
        ...store,
        write: (batch) => {
          batches.push((batch.put?.length ?? 0) + (batch.remove?.length ?? 0))
          return store.write(batch)
        }
      }
      const moves = (n: number) => ({ previousUuid: things[n], newUuid: `other-${n}` })
      const feed = things.map((thing, n) => created(n, thing, n + 1))
      const moved = things.map((thing, n) => ({
        ...created(things.length + n, thing, n + 1, "LockUuidChanged", moves(n)),
        version: 2
      }))
      yield* beginImport(store)
      yield* importFeed(counted, [...feed, ...moved])
      yield* endImport(store)
      expect(yield* store.head).toBe(3_000)
      expect(Math.max(...batches)).toBeLessThanOrEqual(1_000)
      expect(yield* store.record("claim/other-7")).toEqual(Option.some('{"lockIds":[8]}'))
    })
  )
})

describe("a store that holds a part of an export", () => {
  const half = Effect.gen(function* () {
    const store = MemoryEventStore.make()
    yield* beginImport(store)
    yield* importFeed(store, feedOf(10))
    return store
  })
  const part = { _tag: "StoreUnavailable", message: expect.stringContaining("part of an export") }

  it.effect("is refused by whatever begins on it until all of it is there", () =>
    Effect.gen(function* () {
      const store = yield* half
      const started = Effect.provideService(Layer.build(Layer.fresh(Feed.layer)), EventStore, store)
      for (const begun of [refusePart(store), started]) {
        expect(yield* Effect.flip(begun as Effect.Effect<unknown, unknown>)).toMatchObject(part)
      }
      yield* endImport(store)
      yield* started
    })
  )

  it.effect("takes no page that does not begin where its feed ends", () =>
    Effect.gen(function* () {
      const store = yield* half
      const others = { _tag: "StoreUnavailable", message: expect.stringContaining("Another process wrote") }
      expect(yield* Effect.flip(importFeed(store, feedOf(15).slice(12)))).toMatchObject(others)
      expect(yield* store.head).toBe(10)
    })
  )
})
