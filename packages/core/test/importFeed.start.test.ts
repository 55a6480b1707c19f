/** The first start on a log that is imported reads no more of it than any other start. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { DeviceSecrets, recordStoredSpellings } from "../src/access/DeviceSecrets.ts"
import { beginImport, endImport, importFeed } from "../src/latchkey/importFeed.ts"
import { Locks } from "../src/locks/Locks.ts"
import * as MemoryEventStore from "../src/memory/MemoryEventStore.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../src/streams/EventStore.ts"
import { beginImport as beginPart } from "../src/streams/Import.ts"
import { over } from "./controlledStore.ts"
import { clock, millis, operator } from "./scenario.ts"
import { makeSharedWorld, sharing, thingOf, uuidOf } from "./shared.ts"

const key = { _tag: "CreateTempKey", accessMode: "public", validFrom: clock("08:00"), validUntil: clock("18:00") }

/** A log with links of all kinds, one of which leads to two keys, and a device that is not spelled canonically. */
const makeLog = Effect.gen(function* () {
  const { process, command, ...world } = yield* makeSharedWorld
  yield* command({ ...key, tempKeyUuid: uuidOf(1) }, 1)
  yield* command({ ...key, tempKeyUuid: uuidOf(2) }, 2)
  yield* command({ _tag: "ChangeTempKeyLink", tempKeyUuid: uuidOf(1), newTempKeyUuid: uuidOf(3) }, 1)
  yield* process.share(sharing([[1, "both"]]), uuidOf(4))
  const secrets = yield* over(DeviceSecrets, DeviceSecrets.layer, world.store)
  yield* secrets.create(thingOf(3).replace("e", "E"))
  yield* recordStoredSpellings(world.store)
  const feed = yield* world.store.feed(0, 1_000)
  const made = feed.find(({ type }) => type === "TempKeyCreated") as StoredEvent
  const ofThird = { streamId: "lock-3", version: 2, position: feed.length + 1, eventId: "double" }
  const double = { ...made, ...ofThird, data: { ...made.data, lockId: 3, tempKeyUuid: uuidOf(2) } }
  return { ...world, feed, double }
})
type Store = EventStore["Service"]
type Log = Effect.Success<typeof makeLog>

const imported = Effect.fnUntraced(function* (
  feed: ReadonlyArray<StoredEvent>,
  begin: (store: Store) => Effect.Effect<void, StoreUnavailable> = beginImport
): Effect.fn.Return<Store, StoreUnavailable> {
  const store = MemoryEventStore.make()
  yield* begin(store)
  for (const event of feed) yield* importFeed(store, [event])
  yield* endImport(store)
  return store
})

/** The events that are read until everything is there and a first command was judged. */
const readsOf = Effect.fnUntraced(function* ({ ports, quiet }: Log, store: Store) {
  let events = 0
  const counted =
    (read: EventStore["Service"]["feed"]): EventStore["Service"]["feed"] =>
    (...asked) =>
      Effect.tap(read(...asked), (page) => Effect.sync(() => (events += page.length)))
  const watched = Context.add(ports, EventStore, {
    ...store,
    feed: counted(store.feed),
    read: (stream, after, limit) =>
      Effect.tap(store.read(stream, after, limit), (page) => Effect.sync(() => (events += page.length)))
  })
  const { execute } = Context.get(yield* quiet(watched), Locks)
  const command = { lockId: 9, commandId: "first", at: millis("09:30"), principal: operator, index: 1, keys: [] }
  yield* execute({ _tag: "CreateLock", uuid: thingOf(9), ...command })
  return events
})

describe("a log that is imported", () => {
  it.live("is read no more by its first start than where it was written", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      const store = yield* imported(log.feed)
      const first = yield* readsOf(log, store)
      expect(first).toBe(yield* readsOf(log, log.store))
      expect(first).toBeLessThan(log.feed.length)
    })
  )

  it.live("has its links, each of the first key that had it, and the names of its devices", () =>
    Effect.gen(function* () {
      const { store, feed, double } = yield* makeLog
      const other = yield* imported([...feed, double])
      for (const prefix of ["link/", "thing-name"])
        expect(yield* other.records(prefix, "", 10)).toEqual(yield* store.records(prefix, "", 10))
      expect(yield* other.records("link/", "", 10)).toHaveLength(4)
      expect(yield* other.records("thing-name/", "", 10)).toHaveLength(1)
    })
  )

  it.live("is read once more if an older Latchkey began to import it", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      const store = yield* imported(log.feed, beginPart)
      expect(yield* store.record("links")).toEqual(Option.none())
      expect(yield* readsOf(log, store)).toBeGreaterThan(log.feed.length)
      expect(yield* store.record("links")).toEqual(Option.some("recorded"))
    })
  )
})

describe("requests for many keys in a log that is imported", () => {
  const requestAt = (position: number, time: number): StoredEvent => {
    const hex = time.toString(16).padStart(12, "0")
    const commandId = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-00000000000${position}`
    return {
      eventId: `${commandId}-1`,
      type: "BulkAddKeysRequested",
      data: { lockId: 1, keys: [] },
      at: time,
      orgId: "",
      principal: operator,
      commandId,
      streamId: `bulk-${commandId}`,
      version: 1,
      position
    }
  }
  const DAY = 86_400_000
  const NOW = 60 * DAY
  const cursorAfter = (...ages: ReadonlyArray<number>) =>
    Effect.flatMap(imported(ages.map((age, index) => requestAt(index + 1, NOW - age * DAY))), (store) =>
      store.record("cursor/bulk-add-keys")
    )

  it.effect("are looked for from the first one on that may not have ended", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW)
      expect(yield* cursorAfter(30, 20, 1, 1)).toEqual(Option.some("2"))
      expect(yield* cursorAfter(30, 20)).toEqual(Option.some("2"))
      expect(yield* cursorAfter(1, 20)).toEqual(Option.some("0"))
    })
  )
})
