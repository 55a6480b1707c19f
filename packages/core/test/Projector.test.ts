/** The read model follows the feed, and loses nothing on the way. */
import { describe, expect, it } from "@effect/vitest"
import { lockFeed, MemoryReadModel } from "@latchkey/core/testing"
import { Arbitrary, Context, Effect, Fiber, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { lockTables } from "../src/read-model/LockTables.ts"
import { lookups } from "../src/read-model/Lookups.ts"
import { Projector, rebuild } from "../src/read-model/Projector.ts"
import { ReadModel, ReadModelUnavailable } from "../src/read-model/ReadModel.ts"
import { EventStore, type StoredEvent, StoreUnavailable } from "../src/streams/EventStore.ts"
import { filler } from "./lockFeeds.ts"
import { makeWorld } from "./world.ts"

const owners = [
  "aaaaaaaa-0000-4000-8000-000000000001",
  "bbbbbbbb-0000-4000-8000-000000000002",
  "cccccccc-0000-4000-8000-000000000003"
]

/** Everything that can be asked of a read model about such feeds. */
const contents = (readModel: ReadModel["Service"]) => {
  const { devicesOwnedBy, isKnownUser, lockOfTempKey } = lookups(readModel)
  return Effect.all({
    position: positionOf(readModel),
    owned: Effect.forEach(owners, (owner) => devicesOwnedBy(owner)),
    known: Effect.forEach(owners, (owner) => isKnownUser(owner)),
    tempKeys: Effect.forEach([1, 2], (n) => lockOfTempKey(`eeeeeeee-0000-4000-8000-00000000000${n}`))
  })
}

const positionOf = (readModel: ReadModel["Service"]) => Effect.map(readModel.cursor, ({ position }) => position)

const append = (store: EventStore["Service"], { streamId, version, position: _, ...event }: StoredEvent) =>
  store.write({ append: [{ streamId, expectedVersion: version - 1, events: [event] }] })

const running = (store: EventStore["Service"], readModel: ReadModel["Service"]) => {
  const ports = Context.make(EventStore, store).pipe(Context.add(ReadModel, readModel))
  return Effect.map(Effect.provide(Layer.build(Layer.fresh(Projector.layer)), ports), (services) =>
    Context.get(services, Projector)
  )
}

const longFeed = Effect.map(Arbitrary.sampleEffect(lockFeed, { count: 200, seed: "doors" }), (feeds) =>
  feeds.reduce((longest, feed) => (feed.length > longest.length ? feed : longest))
)

describe("the projector", () => {
  it.live("gives, row for row, what a rebuild gives", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      const projector = yield* running(store, readModel)
      const feed = yield* longFeed
      for (const event of feed) yield* append(store, event)
      yield* projector.catchUp("10 seconds")
      const live = yield* contents(readModel)
      expect(live.position).toBe(feed.length)
      expect(live.owned.flat().length).toBeGreaterThan(0)

      const reached = yield* rebuild.pipe(
        Effect.provideService(EventStore, store),
        Effect.provideService(ReadModel, readModel)
      )
      expect(reached).toBe(feed.length)
      expect(yield* contents(readModel)).toEqual(live)
    })
  )

  it.live("goes on where the read model stands, and hears of what comes later", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      const feed = yield* longFeed
      const half = Math.floor(feed.length / 2)
      for (const event of feed.slice(0, half)) yield* append(store, event)
      yield* filler(store, readModel, lockTables).fill(3)
      expect(yield* positionOf(readModel)).toBe(3)
      const projector = yield* running(store, readModel)
      yield* projector.catchUp("10 seconds")
      expect(yield* positionOf(readModel)).toBe(half)
      for (const event of feed.slice(half)) yield* append(store, event)
      yield* projector.catchUp("10 seconds")
      expect(yield* positionOf(readModel)).toBe(feed.length)
    })
  )

  it.effect("fills again what somebody has emptied, though nothing new comes", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      const feed = yield* longFeed
      for (const event of feed) yield* append(store, event)
      const projector = yield* running(store, readModel)
      yield* projector.catchUp("10 seconds")
      yield* readModel.reset
      yield* TestClock.adjust("2 seconds")
      expect(yield* positionOf(readModel)).toBe(feed.length)
    })
  )

  it.live("tries again when the read model was down, and leaves nothing out", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      let failures = 3
      const down = Effect.suspend(() =>
        failures-- > 0 ? Effect.fail(new ReadModelUnavailable({ message: "down for a moment" })) : Effect.void
      )
      const flaky = ReadModel.of({ ...readModel, apply: (changes) => Effect.andThen(down, readModel.apply(changes)) })
      const projector = yield* running(store, flaky)
      const feed = yield* longFeed
      for (const event of feed) yield* append(store, event)
      yield* projector.catchUp("10 seconds")
      expect(failures).toBeLessThan(0)
      const fresh = yield* Effect.map(Layer.build(Layer.fresh(MemoryReadModel.layer)), Context.get(ReadModel))
      yield* filler(store, fresh, lockTables).fill()
      expect(yield* contents(readModel)).toEqual(yield* contents(fresh))
    })
  )

  it.live("fills a read model again that was emptied under its feet", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      const projector = yield* running(store, readModel)
      const feed = yield* longFeed
      const last = feed.at(-1)
      for (const event of feed.slice(0, -1)) yield* append(store, event)
      yield* projector.catchUp("10 seconds")
      const before = yield* contents(readModel)
      yield* readModel.reset
      expect((yield* contents(readModel)).owned.flat()).toEqual([])
      if (last !== undefined) yield* append(store, last)
      yield* projector.catchUp("10 seconds")
      expect(yield* positionOf(readModel)).toBe(feed.length)
      expect((yield* contents(readModel)).known).toEqual(before.known)
    })
  )
})

describe("whoever waits for the read model", () => {
  it.live("waits no longer than they want to", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      const stuck = ReadModel.of({ ...readModel, apply: () => Effect.never })
      const projector = yield* running(store, stuck)
      const [first] = yield* longFeed
      if (first !== undefined) yield* append(store, first)
      yield* projector.catchUp("20 millis")
      expect(yield* positionOf(readModel)).toBe(0)
      expect(Option.isNone(yield* lookups(readModel).lockOfThing("nothing"))).toBe(true)
    })
  )
})

describe("a store that gives no hints", () => {
  it.effect("is looked at once a second", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      const projector = yield* running({ ...store, changes: Stream.never }, readModel)
      const [first] = yield* longFeed
      yield* TestClock.adjust("10 seconds")
      if (first !== undefined) yield* append(store, first)
      const reached = yield* Effect.forkChild(projector.catchUp("5 seconds"))
      yield* TestClock.adjust("1100 millis")
      expect(yield* positionOf(readModel)).toBe(1)
      expect(yield* Fiber.join(reached)).toBe(true)
    })
  )

  it.effect("is looked at once a second, though its hints break off", () =>
    Effect.gen(function* () {
      const { store, readModel } = yield* makeWorld
      const down = Stream.fail(new StoreUnavailable({ message: "no hints" }))
      yield* running({ ...store, changes: down }, readModel)
      const [first] = yield* longFeed
      yield* TestClock.adjust("1 minute")
      if (first !== undefined) yield* append(store, first)
      yield* TestClock.adjust("1100 millis")
      expect(yield* positionOf(readModel)).toBe(1)
    })
  )
})
