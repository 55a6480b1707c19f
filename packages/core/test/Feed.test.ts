/** The one reader of the feed: registers and consumers get what they ask for, in order, each event once. */
import { describe, expect, it } from "@effect/vitest"
import { Context, type Duration, Effect, Exit, Fiber, Layer, Logger, Random, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { workers } from "../src/latchkey/Latchkey.ts"
import { Locks } from "../src/locks/Locks.ts"
import * as MemoryEventStore from "../src/memory/MemoryEventStore.ts"
import { EventStore, type StoredEvent, StoreUnavailable } from "../src/streams/EventStore.ts"
import { type Consumer, Feed, recorded } from "../src/streams/Feed.ts"
import { Workers } from "../src/streams/Workers.ts"
import { asked, lockUuid, type Request } from "./scenario.ts"
import { makeWorld } from "./world.ts"

/** One seed is one history. */
const SEEDS = Array.from({ length: 15 }, (_, seed) => seed + 1)

type Store = EventStore["Service"]
const down = new StoreUnavailable({ message: "down for a moment" })

/** A process of its own over a store. */
const feedOf = (store: Store) =>
  Effect.map(Effect.provideService(Layer.build(Layer.fresh(Feed.layer)), EventStore, store), Context.get(Feed))

let events = 0
const write = Effect.fnUntraced(function* (store: Store, streamId: string, orgId = "", count = 1) {
  const expectedVersion = (yield* store.read(streamId, 0, 100_000)).length
  const happened = { type: "Happened", data: {}, at: 1, orgId, principal: { _tag: "System" } as const }
  const ids = Array.from({ length: count }, () => `feed-${++events}`)
  const appended = {
    streamId,
    expectedVersion,
    events: ids.map((eventId) => ({ ...happened, eventId, commandId: eventId }))
  }
  const { position } = yield* store.write({ append: [appended] })
  return { ids, appended, position }
})
const append = (...of: [store: Store, streamId: string, orgId?: string]) =>
  Effect.map(write(...of), ({ ids: [eventId = ""] }) => eventId)

/** Counts what is asked of the feed, and fails while it is told to. */
const watched = (store: Store) => {
  const state = { looks: 0, rows: 0, isDown: false }
  const asked = <A>(effect: Effect.Effect<A, StoreUnavailable>) =>
    Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => (state.isDown ? Effect.fail(down) : effect))
    )
  return {
    state,
    store: EventStore.of({
      ...store,
      head: asked(store.head),
      feed: (...args) =>
        Effect.tap(asked(store.feed(...args)), (found) =>
          Effect.sync(() => {
            state.looks++
            state.rows += found.length
          })
        )
    })
  }
}

/** A consumer in memory that writes down what it is handed; `fails` says whether it does so this time. */
const listing = (name: string, fails: () => boolean = () => false, more: Partial<Consumer<StoreUnavailable>> = {}) => {
  const taken: Array<StoredEvent> = []
  let position = 0
  const consumer: Consumer<StoreUnavailable> = {
    name,
    cursor: Effect.sync(() => position),
    take: (events, upTo) =>
      Effect.suspend(() => {
        if (fails()) return Effect.fail(down)
        taken.push(...events)
        position = upTo
        return Effect.succeed(upTo)
      }),
    ...more
  }
  return { consumer, taken, ids: () => taken.map(({ eventId }) => eventId) }
}

const cursorAt = (position: number) => ({ key: "cursor/shared", value: String(position) })

describe("a register", () => {
  it.effect("is filled before it answers, hears of what comes by whichever process, and of nothing else", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const feed = yield* feedOf(store)
      const first = yield* append(store, "bell-1")
      yield* append(store, "door-1")
      const heard: Array<string> = []
      const { catchUp } = yield* feed.register({ category: "bell" }, ({ eventId }) => heard.push(eventId))
      expect(heard).toEqual([first])
      const second = yield* append(store, "bell-2")
      yield* append(store, "door-2")
      yield* catchUp()
      expect(heard).toEqual([first, second])
      const third = yield* append(store, "bell-1")
      yield* TestClock.adjust("1100 millis")
      expect(heard).toEqual([first, second, third])
      const late: Array<string> = []
      yield* feed.register({ category: "bell" }, ({ eventId }) => late.push(eventId), yield* store.head)
      const fourth = yield* append(store, "bell-3")
      yield* catchUp()
      expect([late, heard]).toEqual([[fourth], [first, second, third, fourth]])
    })
  )

  it.effect("hears once of what is appended while it is filled", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      for (let n = 0; n < 10; n++) yield* append(store, "bell-1")
      const busy = EventStore.of({
        ...store,
        feed: (...args) =>
          Effect.tap(store.feed(...args), (found) => (found.length > 0 ? append(store, "bell-2") : Effect.void)).pipe(
            Effect.catch((error) => (error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.die(error)))
          )
      })
      const feed = yield* feedOf(busy)
      const heard: Array<number> = []
      const { catchUp } = yield* feed.register({}, ({ position }) => heard.push(position))
      yield* catchUp()
      expect(heard.length).toBeGreaterThanOrEqual(11)
      expect(heard).toEqual(heard.map((_, index) => index + 1))
    })
  )

  it.effect("is asked by many at once for the price of a look or two", () =>
    Effect.gen(function* () {
      const { store, state } = watched(MemoryEventStore.make())
      const feed = yield* feedOf(store)
      const heard: Array<string> = []
      const { catchUp } = yield* feed.register({ category: "bell" }, ({ eventId }) => heard.push(eventId))
      for (let n = 0; n < 20; n++) yield* append(store, "bell-1")
      Object.assign(state, { looks: 0, rows: 0 })
      const seen = Effect.map(catchUp(), () => heard.length)
      expect(
        new Set(
          yield* Effect.all(
            Array.from({ length: 100 }, () => seen),
            { concurrency: "unbounded" }
          )
        )
      ).toEqual(new Set([20]))
      expect(state.looks).toBeLessThan(5)
      expect(state.rows).toBe(20)
    })
  )

  it.effect("is current for two seconds after the last look, and says so when the log cannot tell", () =>
    Effect.gen(function* () {
      const { store, state } = watched(MemoryEventStore.make())
      const feed = yield* feedOf(store)
      const heard: Array<string> = []
      const { catchUp, isCurrent } = yield* feed.register({}, ({ eventId }) => heard.push(eventId))
      yield* TestClock.adjust("1 minute")
      expect(isCurrent()).toBe(true)
      state.isDown = true
      yield* TestClock.adjust("900 millis")
      expect([isCurrent(), yield* Effect.flip(catchUp())]).toEqual([true, down])
      yield* TestClock.adjust("2 seconds")
      expect(isCurrent()).toBe(false)
      state.isDown = false
      const event = yield* append(store, "bell-1")
      yield* catchUp()
      expect([isCurrent(), heard]).toEqual([true, [event]])
    })
  )

  it.effect("is waited for while the store takes its time", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      let takes: Duration.Input = 0
      const feed = yield* feedOf({
        ...store,
        feed: (...args) => Effect.suspend(() => Effect.delay(store.feed(...args), takes))
      })
      const heard: Array<string> = []
      const { catchUp } = yield* feed.register({}, ({ eventId }) => heard.push(eventId))
      takes = "4 seconds"
      const event = yield* append(store, "bell-1")
      const waiting = yield* Effect.forkChild(catchUp())
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(waiting)
      expect(heard).toEqual([event])
    })
  )

  it.effect("that is not answered within five seconds says so to everybody who waits", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      let hangs = false
      const feed = yield* feedOf({
        ...store,
        feed: (...args) => Effect.suspend(() => (hangs ? Effect.never : store.feed(...args)))
      })
      const { catchUp } = yield* feed.register({}, () => {})
      hangs = true
      const waiting = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 5 }, () => Effect.flip(catchUp())),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("5 seconds")
      for (const error of yield* Fiber.join(waiting)) expect(error._tag).toBe("StoreUnavailable")
      hangs = false
      yield* catchUp()
    })
  )

  it.effect("that breaks is not rested on, and holds up nobody else", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const feed = yield* feedOf(store)
      const heard: Array<string> = []
      const broken = yield* feed.register({}, () => {
        throw new Error("broken")
      })
      const whole = yield* feed.register({}, ({ eventId }) => heard.push(eventId))
      const event = yield* append(store, "bell-1")
      yield* whole.catchUp()
      expect([heard, whole.isCurrent(), broken.isCurrent()]).toEqual([[event], true, false])
      expect((yield* Effect.exit(broken.catchUp()))._tag).toBe("Failure")
    })
  )

  it.effect("that breaks while it is filled answers, and says so", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const one = {
        type: "Happened",
        data: {},
        at: 1,
        orgId: "",
        principal: { _tag: "System" },
        commandId: ""
      } as const
      const events = Array.from({ length: 1_000 }, (_, n) => ({ ...one, eventId: `filled-${n}` }))
      yield* store.write({ append: [{ streamId: "bell-1", expectedVersion: 0, events }] })
      yield* append(store, "bell-2")
      const { store: looked, state } = watched(store)
      const feed = yield* feedOf(looked)
      const broken = yield* Effect.timeout(
        feed.register({}, () => {
          // Instead of forever.
          if (state.looks < 10) throw new Error("broken")
        }),
        "1 minute"
      )
      expect(broken.isCurrent()).toBe(false)
      expect(state.looks).toBeLessThan(10)
    })
  )
})

describe("a consumer", () => {
  it.effect("takes from its cursor on, page by page, what its filter lets through", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const wanted: Array<string> = []
      for (let n = 0; n < 30; n++) {
        const streamId = n % 3 === 0 ? "bell-1" : "door-1"
        const orgId = n % 2 === 0 ? "org-1" : "org-2"
        const id = yield* append(store, streamId, orgId)
        if (streamId === "bell-1" && orgId === "org-1") wanted.push(id)
      }
      const feed = yield* feedOf(store)
      const { consumer, ids } = listing("bells", undefined, { filter: { category: "bell", orgId: "org-1" }, page: 2 })
      const { catchUp } = yield* feed.follow(consumer)
      expect(yield* catchUp("1 minute")).toBe(true)
      expect(ids()).toEqual(wanted)
      wanted.push(yield* append(store, "bell-9", "org-1"))
      yield* append(store, "bell-9", "org-2")
      expect(yield* catchUp("1 minute")).toBe(true)
      expect(ids()).toEqual(wanted)
    })
  )

  it.effect("hears from the one reader: what comes is read once, however many follow", () =>
    Effect.gen(function* () {
      const { store, state } = watched(MemoryEventStore.make())
      const feed = yield* feedOf(store)
      const all = Array.from({ length: 5 }, (_, n) => listing(`consumer ${n}`))
      for (const { consumer } of all) yield* feed.follow(consumer)
      yield* TestClock.adjust("1 second")
      Object.assign(state, { rows: 0 })
      const appended = yield* Effect.forEach(Array.from({ length: 50 }), () => append(store, "bell-1"))
      yield* TestClock.adjust("5 seconds")
      for (const { ids } of all) expect(ids()).toEqual(appended)
      expect(state.rows).toBe(50)
    })
  )

  it.effect("is looked after once a second, also when hints are silent, or break off, or were broken", () =>
    Effect.gen(function* () {
      for (const changes of [Stream.never, Stream.empty, Stream.fail(down), Stream.die(new Error("broken"))]) {
        const store = MemoryEventStore.make()
        const feed = yield* feedOf({ ...store, changes })
        const { consumer, ids } = listing("patient")
        yield* feed.follow(consumer)
        yield* TestClock.adjust("1 minute")
        const event = yield* append(store, "bell-1")
        yield* TestClock.adjust("2 seconds")
        expect(ids()).toEqual([event])
      }
    })
  )

  it.effect("goes by hints again after they ended, as after they failed: a second later", () =>
    Effect.gen(function* () {
      for (const ends of [Stream.empty, Stream.fail(down)]) {
        const store = MemoryEventStore.make()
        let subscribed = 0
        const changes = Stream.suspend(() => (++subscribed === 1 ? Stream.concat(Stream.make(0), ends) : store.changes))
        const feed = yield* feedOf({ ...store, changes })
        const { consumer, ids } = listing("awake")
        yield* feed.follow(consumer)
        yield* TestClock.adjust("500 millis")
        expect(subscribed).toBe(1)
        yield* TestClock.adjust("1 second")
        expect(subscribed).toBe(2)
        // Between two looks that are made without a hint.
        const event = yield* append(store, "bell-1")
        yield* TestClock.adjust("100 millis")
        expect(ids()).toEqual([event])
      }
    })
  )

  it.effect("that fails is asked again less and less often, soon again once it succeeds, and holds up nobody", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => lines.push(message))
      yield* Effect.gen(function* () {
        const store = MemoryEventStore.make()
        const feed = yield* feedOf(store)
        let [failing, asked] = [true, 0]
        const slow = listing("the slow one", () => {
          asked++
          return failing
        })
        const other = listing("the other one")
        yield* feed.follow(slow.consumer)
        yield* feed.follow(other.consumer)
        const first = yield* append(store, "bell-1")
        yield* TestClock.adjust("50 seconds")
        expect([slow.ids(), other.ids()]).toEqual([[], [first]])
        // 0.1, 0.2, 0.4 … seconds, then five.
        expect(asked).toBeGreaterThan(10)
        expect(asked).toBeLessThan(20)
        expect(lines).toEqual([["the slow one does not follow the feed; trying again", down.message]])
        failing = false
        yield* TestClock.adjust("6 seconds")
        expect(slow.ids()).toEqual([first])
        failing = true
        asked = 0
        const second = yield* append(store, "bell-1")
        yield* TestClock.adjust("3 seconds")
        expect(asked).toBeGreaterThanOrEqual(4)
        failing = false
        yield* TestClock.adjust("6 seconds")
        expect(slow.ids()).toEqual([first, second])
      }).pipe(Effect.provide(Logger.layer([logger])))
    })
  )

  it.effect("goes on where its cursor stands, when somebody else has moved it", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const feed = yield* feedOf(store)
      let position = 0
      const taken: Array<number> = []
      yield* feed.follow({
        name: "rows",
        cursor: Effect.sync(() => position),
        take: (events, upTo) =>
          Effect.sync(() => {
            taken.push(...events.map((event) => event.position))
            return (position = upTo)
          })
      })
      for (let n = 0; n < 3; n++) yield* append(store, "bell-1")
      yield* TestClock.adjust("2 seconds")
      // Emptied, though nothing new comes.
      position = 0
      yield* TestClock.adjust("2 seconds")
      expect(taken).toEqual([1, 2, 3, 1, 2, 3])
    })
  )

  it.effect("is handed nothing more once its scope has closed, also where others run what goes on", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const built = Layer.build(Layer.fresh(Layer.provideMerge(workers, Layer.provideMerge(Feed.layer, Workers.layer))))
      const process = yield* Effect.provideService(built, EventStore, store)
      const { consumer, ids } = listing("passing")
      const scope = yield* Scope.make()
      yield* Context.get(process, Feed).follow(consumer).pipe(Effect.provide(process), Scope.provide(scope))
      const first = yield* append(store, "bell-1")
      yield* TestClock.adjust("2 seconds")
      yield* Scope.close(scope, Exit.void)
      yield* append(store, "bell-1")
      yield* TestClock.adjust("2 seconds")
      expect(ids()).toEqual([first])
    })
  )

  it.effect("is waited for where another process has the lease", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const consumer = () => recorded(store, { name: "leased", lease: true, take: () => Effect.succeed({}) })
      yield* (yield* feedOf(store)).follow(consumer())
      yield* TestClock.adjust("1 second")
      const { catchUp } = yield* (yield* feedOf(store)).follow(consumer())
      yield* append(store, "bell-1")
      const caughtUp = yield* Effect.forkChild(catchUp("20 seconds"))
      yield* TestClock.adjust("5 seconds")
      yield* TestClock.adjust("16 seconds")
      expect(yield* Fiber.join(caughtUp)).toBe(true)
    })
  )

  it.effect("leaves the work for a moment to another process that has done it last, unless somebody waits", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      let taken = 0
      const { catchUp } = yield* (yield* feedOf(store)).follow(
        recorded(store, {
          name: "shared",
          take: (events) =>
            Effect.as(
              Effect.sync(() => (taken += events.length)),
              {}
            )
        })
      )
      yield* append(store, "bell-1")
      yield* TestClock.adjust("2 seconds")
      expect(taken).toBe(1)
      // Another process takes the next one.
      yield* append({ ...store, write: (batch) => store.write({ ...batch, put: [cursorAt(2)] }) }, "bell-1")
      yield* TestClock.adjust("2 seconds")
      yield* append(store, "bell-1")
      yield* TestClock.adjust("100 millis")
      expect(taken).toBe(1)
      yield* TestClock.adjust("1 second")
      expect(taken).toBe(2)
      yield* append({ ...store, write: (batch) => store.write({ ...batch, put: [cursorAt(4)] }) }, "bell-1")
      yield* TestClock.adjust("2 seconds")
      yield* append(store, "bell-1")
      expect(yield* catchUp("1 second")).toBe(true)
      expect(taken).toBe(3)
    })
  )

  it.effect("is waited for no longer than one wants to", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const feed = yield* feedOf(store)
      const { consumer } = listing("stuck", undefined, { take: () => Effect.never })
      const { catchUp } = yield* feed.follow(consumer)
      yield* append(store, "bell-1")
      const waiting = yield* Effect.forkChild(catchUp("20 millis"))
      yield* TestClock.adjust("20 millis")
      expect(yield* Fiber.join(waiting)).toBe(false)
    })
  )
})

describe("what this process has written", () => {
  /** A process that hears of everything, and whose looks at the store are counted. */
  const hearing = Effect.gen(function* () {
    const { store, state } = watched(MemoryEventStore.make())
    const feed = yield* feedOf(store)
    const heard: Array<StoredEvent> = []
    const { catchUp } = yield* feed.register({}, (stored) => heard.push(stored))
    return { store, state, feed, heard, catchUp }
  })

  it.effect("is handed on, and not read back; what others have written meanwhile is read", () =>
    Effect.gen(function* () {
      const { store, state, feed, heard, catchUp } = yield* hearing
      const own = Effect.gen(function* () {
        const { appended, position } = yield* write(store, "bell-1", "", 3)
        feed.wrote(appended, position)
      })
      yield* own
      yield* own
      yield* catchUp()
      expect([heard.length, state.rows]).toEqual([6, 0])
      yield* own
      yield* append(store, "bell-1")
      yield* own
      yield* catchUp()
      // The one of the others, and what came after it.
      expect([heard.length, state.rows]).toEqual([13, 4])
      expect(heard).toEqual(yield* store.feed(0, 100))
    })
  )

  it.effect("does not change with the object that was handed over, and is read back when there is too much of it", () =>
    Effect.gen(function* () {
      const { store, state, feed, heard, catchUp } = yield* hearing
      const { appended, position } = yield* write(store, "bell-1")
      const windows = [{ from: "09:00" }]
      const [event] = appended.events
      feed.wrote({ ...appended, events: event === undefined ? [] : [{ ...event, data: { windows } }] }, position)
      windows.pop()
      yield* catchUp()
      expect(heard.map(({ data }) => data)).toEqual([{ windows: [{ from: "09:00" }] }])
      for (let n = 0; n < 4; n++) {
        const { appended, position } = yield* write(store, "bell-2", "", 900)
        feed.wrote(appended, position)
      }
      yield* catchUp()
      expect(heard.slice(1)).toEqual(yield* store.feed(1, 10_000))
      expect(state.rows).toBe(900 + 3_600)
    })
  )

  it.effect("is what commands have written, but for those that write to other streams too", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { store, state } = watched(world.store)
      const services = yield* world.quiet(Context.add(world.ports, EventStore, store))
      const { execute } = Context.get(services, Locks)
      const heard: Array<StoredEvent> = []
      const { catchUp } = yield* Context.get(services, Feed).register({}, (stored) => heard.push(stored))
      const ask = (request: Request, n: number) => execute(asked(request, { commandId: `command-${n}` }))
      yield* ask({ _tag: "CreateLock", uuid: lockUuid, index: 1, keys: [], ownerId: "ann" }, 1)
      yield* catchUp()
      state.rows = 0
      yield* ask({ _tag: "SetOrganization", orgId: "org-1" }, 2)
      yield* ask({ _tag: "SetOwner", userId: "ben" }, 3)
      yield* catchUp()
      expect([heard.slice(-2).map(({ type }) => type), state.rows]).toEqual([["OrganizationSet", "OwnerSet"], 0])
      yield* ask({ _tag: "SetOrganization", orgId: "org-2" }, 4)
      yield* ask({ _tag: "SetOwner", userId: "ann" }, 5)
      yield* catchUp()
      expect(state.rows).toBe(3)
      expect(heard).toEqual(yield* store.feed(0, 100))
    })
  )

  it.effect("needs no feed: a process with locks alone reads none", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { store, state } = watched(world.store)
      const ask = yield* world.process({ over: Context.add(world.ports, EventStore, store) })
      yield* ask({ _tag: "CreateLock", uuid: lockUuid, index: 1, keys: [], ownerId: "ann" })
      // Before the first command, the claims are written down that a log may hold from before there were records of them.
      state.looks = 0
      yield* append(world.store, "bell-1")
      yield* TestClock.adjust("5 seconds")
      expect(state.looks).toBe(0)
    })
  )

  it.effect.each(SEEDS)(
    "reaches everybody once and in order, also when others write in between and when it is told late (seed %i)",
    (seed) =>
      Effect.gen(function* () {
        const random = yield* Random.Random
        const { store, state } = watched(MemoryEventStore.make())
        const feed = yield* feedOf(store)
        const { consumer, taken } = listing("all")
        const { catchUp } = yield* feed.follow(consumer)
        const heard: Array<StoredEvent> = []
        const { catchUp: hear } = yield* feed.register({}, (stored) => heard.push(stored))
        let untold: Array<() => void> = []
        for (let n = 0; n < 200; n++) {
          const count = 1 + Math.floor(random.nextDoubleUnsafe() * 3)
          const { appended, position } = yield* write(store, `bell-${n % 5}`, "", count)
          const chance = random.nextDoubleUnsafe()
          if (chance < 0.5) feed.wrote(appended, position)
          else if (chance < 0.8) untold.push(() => feed.wrote(appended, position))
          if (random.nextDoubleUnsafe() < 0.2) {
            for (const tell of untold.reverse()) tell()
            untold = []
          }
          if (random.nextDoubleUnsafe() < 0.2) state.isDown = !state.isDown
          if (random.nextDoubleUnsafe() < 0.3) yield* TestClock.adjust("60 millis")
        }
        state.isDown = false
        yield* TestClock.adjust("1 minute")
        yield* hear()
        expect(yield* catchUp("1 minute")).toBe(true)
        const all = yield* store.feed(0, 1_000)
        expect(taken).toEqual(all)
        expect(heard).toEqual(all)
      }).pipe(Random.withSeed(seed))
  )
})

describe("the events after a position", () => {
  it.effect("are those that there are and then those that come, for each who asks, however slowly they take them", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const feed = yield* feedOf(store)
      const ids: Array<string> = []
      for (let n = 0; n < 5; n++) ids.push(yield* append(store, n % 2 === 0 ? "bell-1" : "door-1"))
      const heard: Array<string> = []
      const all = feed.events(1).pipe(Stream.runForEach(({ eventId }) => Effect.sync(() => heard.push(eventId))))
      const listening = yield* Effect.forkChild(all)
      const bells: Array<string> = []
      const slow = feed.events(0, { category: "bell" }).pipe(
        Stream.runForEach(({ eventId }) =>
          Effect.delay(
            Effect.sync(() => bells.push(eventId)),
            "1 minute"
          )
        )
      )
      yield* Effect.forkChild(slow)
      yield* TestClock.adjust("2 seconds")
      expect(heard).toEqual(ids.slice(1))
      ids.push(yield* append(store, "bell-2"))
      yield* TestClock.adjust("2 seconds")
      expect(heard).toEqual(ids.slice(1))
      yield* Fiber.interrupt(listening)
      yield* TestClock.adjust("10 minutes")
      expect(bells).toEqual([ids[0], ids[2], ids[4], ids[5]])
    })
  )

  it.effect("fail where the log cannot be read", () =>
    Effect.gen(function* () {
      const { store, state } = watched(MemoryEventStore.make())
      yield* append(store, "bell-1")
      const feed = yield* feedOf(store)
      state.isDown = true
      expect(yield* Effect.flip(Stream.runDrain(feed.events(0)))).toBe(down)
    })
  )
})

describe("a consumer whose cursor is a record", () => {
  /** Writes down each event as an event of its own, together with the cursor. */
  const echo = (store: Store, name: string, more: { readonly lease?: boolean } = {}) =>
    recorded(store, {
      name,
      filter: { category: "bell" },
      page: 3,
      ...more,
      take: (taken) =>
        Effect.gen(function* () {
          const expectedVersion = (yield* store.read(`echo-${name}`, 0, 100_000)).length
          const echoes = taken.map(({ streamId: _, version: __, position: ___, ...event }) => ({
            ...event,
            data: { of: event.eventId },
            eventId: `echo-${++events}`
          }))
          return { append: [{ streamId: `echo-${name}`, expectedVersion, events: echoes }] }
        })
    })
  const echoed = (store: Store, name: string) =>
    Effect.map(store.read(`echo-${name}`, 0, 100_000), (echoes) => echoes.map(({ data }) => data["of"]))

  it.effect.each(SEEDS)("takes each event once, in order, whatever stops and whichever write fails (seed %i)", (seed) =>
    Effect.gen(function* () {
      const inner = MemoryEventStore.make()
      const random = yield* Random.Random
      const fails = () => random.nextDoubleUnsafe() < 0.2
      const lossy = EventStore.of({
        ...inner,
        write: (batch) =>
          Effect.suspend(() => {
            if (fails()) return Effect.fail(down)
            // The answer is lost: nobody knows whether it was written.
            return fails() ? Effect.andThen(inner.write(batch), Effect.fail(down)) : inner.write(batch)
          })
      })
      const appended: Array<string> = []
      for (let life = 0; life < 4; life++) {
        const scope = yield* Scope.make()
        for (let server = 0; server < 2; server++) {
          const feed = yield* Scope.provide(feedOf(lossy), scope)
          yield* Scope.provide(feed.follow(echo(lossy, "once")), scope)
        }
        for (let n = 0; n < 5; n++) {
          appended.push(yield* append(inner, "bell-1"))
          yield* append(inner, "door-1")
          yield* TestClock.adjust(`${Math.floor(random.nextDoubleUnsafe() * 300)} millis`)
        }
        yield* Scope.close(scope, Exit.void)
      }
      const feed = yield* feedOf(inner)
      const { catchUp } = yield* feed.follow(echo(inner, "once"))
      yield* TestClock.adjust("1 minute")
      expect(yield* catchUp("1 minute")).toBe(true)
      expect(yield* echoed(inner, "once")).toEqual(appended)
    }).pipe(Random.withSeed(seed))
  )

  it.effect("is one of many under a lease, until that one stops", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const taken: Array<string> = []
      const server = (name: string) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const feed = yield* Scope.provide(feedOf(store), scope)
          const consumer = recorded(store, {
            name: "leased",
            lease: true,
            take: () =>
              Effect.as(
                Effect.sync(() => taken.push(name)),
                {}
              )
          })
          yield* Scope.provide(feed.follow(consumer), scope)
          return scope
        })
      const first = yield* server("first")
      yield* TestClock.adjust("2 seconds")
      yield* server("second")
      for (let n = 0; n < 3; n++) {
        yield* append(store, "bell-1")
        yield* TestClock.adjust("2 seconds")
      }
      expect(taken).toEqual(["first", "first", "first"])
      yield* Scope.close(first, Exit.void)
      yield* append(store, "bell-1")
      yield* TestClock.adjust("30 seconds")
      expect(taken.slice(3)).toEqual(["second"])
    })
  )
})
