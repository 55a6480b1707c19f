/** Shadows in the store of the log: the suite that every device shadow passes, and what several servers see of each other. */
import { describe, expect, it } from "@effect/vitest"
import { DeviceShadow, EventStore } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import { deviceShadowSuite } from "@latchkey/core/testing"
import { LocalShadow, type ShadowChange } from "@latchkey/local-shadow"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"

deviceShadowSuite("local shadow in the store", LocalShadow.layerInStore.pipe(Layer.provide(MemoryEventStore.layer)), {
  acknowledge: Effect.fnUntraced(function* (thing, commandId, outcome) {
    const shadow = yield* LocalShadow
    yield* shadow.update(thing, { state: { reported: { commands: { [commandId]: { outcome } } } } })
  }),
  sayOpenings: Effect.fnUntraced(function* (thing, openings) {
    const shadow = yield* LocalShadow
    yield* shadow.update(thing, { state: { reported: { openings } } })
  })
})

type Store = EventStore["Service"]

/** One more server over a store. */
const opened = (store: Store) =>
  Effect.map(
    Layer.build(Layer.fresh(Layer.provide(LocalShadow.layerInStore, Layer.succeed(EventStore, store)))),
    (services) => ({
      shadows: Context.get(services, LocalShadow),
      device: Context.get(services, DeviceShadow)
    })
  )

/** Changes that a server is told of, from now on. */
const told = Effect.fnUntraced(function* (shadows: LocalShadow["Service"]) {
  const heard: Array<ShadowChange> = []
  yield* shadows.observe({ told: (event) => event._tag !== "Presence" && heard.push(event), skipped: () => {} })
  return heard
})

const desired = (n: number) => ({ state: { desired: { n } } })
const presenceOf = (store: Store, thing: string) =>
  Effect.map(store.record(`shadow/presence/${thing}`), (text) => JSON.parse(Option.getOrElse(text, () => "{}")).online)

describe("several servers over one store", () => {
  it.effect("tell the one that holds a device's connection what they change, once and in order, and no other", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const [one, two, three] = [yield* opened(store), yield* opened(store), yield* opened(store)]
      yield* one.shadows.connected("thing")
      const [atOne, atThree] = [yield* told(one.shadows), yield* told(three.shadows)]
      for (let n = 1; n <= 5; n++) yield* (n % 2 === 0 ? one : two).shadows.update("thing", desired(n))
      yield* two.shadows.delete("thing")
      yield* TestClock.adjust("1 second")
      expect(atOne.map(({ accepted }) => accepted.version).toSorted()).toEqual([1, 2, 3, 4, 5, 5])
      expect(atOne.filter(({ accepted }) => accepted.version % 2 === 1).map(({ _tag }) => _tag)).toEqual([
        ...["Updated", "Updated", "Updated", "Deleted"]
      ])
      expect(atThree).toEqual([])
      expect(yield* store.records("shadow/inbox/", "", 10)).toEqual([])
    })
  )

  it.effect("miss no change that was made while a device was connecting", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const [one, two] = [yield* opened(store), yield* opened(store)]
      const heard = yield* told(one.shadows)
      yield* two.shadows.update("thing", desired(1))
      yield* one.shadows.connected("thing")
      expect(heard).toMatchObject([{ _tag: "Updated", delta: { state: { n: 1 } } }])
    })
  )

  it.effect("lose no update when all change one shadow at once", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const servers = [yield* opened(store), yield* opened(store), yield* opened(store)]
      const updates = Array.from(
        { length: 30 },
        (_, n) => servers[n % 3]?.shadows.update("thing", { state: { reported: { [`n${n}`]: n } } }) ?? Effect.void
      )
      yield* Effect.all(updates, { concurrency: "unbounded" })
      const got = yield* servers[0]?.shadows.get("thing") ?? Effect.die("none")
      expect([got.version, Object.keys(got.state.reported ?? {}).length]).toEqual([30, 30])
    })
  )

  it.effect("find a dead server's devices gone within fifteen seconds, and report it once", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const dying = yield* Scope.make()
      const one = yield* Scope.provide(opened(store), dying)
      const two = yield* opened(store)
      yield* one.shadows.connected("a")
      yield* one.shadows.connected("b")
      yield* two.shadows.connected("c")
      const reports = yield* two.device.reports.pipe(
        Stream.filter((report) => report._tag === "Presence" && !report.online),
        Stream.take(2),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("30 seconds")
      expect(yield* presenceOf(store, "a")).toBe(true)
      yield* Scope.close(dying, Exit.void)
      yield* TestClock.adjust("15 seconds")
      const told = [...(yield* Fiber.join(reports))].toSorted((one, other) => (one.thing < other.thing ? -1 : 1))
      expect(told).toMatchObject(["a", "b"].map((thing) => ({ thing, reason: "serverGone" })))
      expect([yield* presenceOf(store, "a"), yield* presenceOf(store, "c")]).toEqual([false, true])
      expect(yield* store.records("shadow/held/", "", 10)).toHaveLength(1)
    })
  )

  it.effect("give back what a server held that was only paused, but not what has come to another one", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const resumed = yield* Deferred.make<void>()
      let isPaused = false
      const pausing: Store = {
        ...store,
        record: (key) =>
          Effect.suspend(() => Effect.andThen(isPaused ? Deferred.await(resumed) : Effect.void, store.record(key)))
      }
      const one = yield* opened(store)
      const two = yield* opened(pausing)
      yield* two.shadows.connected("stays")
      yield* two.shadows.connected("moves")
      isPaused = true
      yield* TestClock.adjust("15 seconds")
      expect(yield* presenceOf(store, "stays")).toBe(false)
      yield* one.shadows.connected("moves")
      isPaused = false
      yield* Deferred.succeed(resumed, undefined)
      yield* TestClock.adjust("5 seconds")
      expect(yield* presenceOf(store, "stays")).toBe(true)
      const [moved] = yield* store.records("shadow/presence/moves", "", 1)
      yield* two.shadows.disconnected("moves")
      expect(yield* store.records("shadow/presence/moves", "", 1)).toEqual([moved])
    })
  )

  it.effect("hold as many named shadows as one does, and list them in order", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const [one, two] = [yield* opened(store), yield* opened(store)]
      for (let n = 0; n < 25; n++) yield* (n % 2 === 0 ? one : two).shadows.update("thing", desired(n), `name-${n}`)
      const refused = yield* Effect.flip(one.shadows.update("thing", desired(25), "name-25"))
      expect(refused).toMatchObject({ _tag: "ShadowRefused", code: 413 })
      yield* two.shadows.delete("thing", "name-3")
      yield* one.shadows.update("thing", desired(25), "name-25")
      expect(yield* two.shadows.list("thing")).toHaveLength(25)
      for (let n = 0; n < 60; n++) {
        yield* one.shadows.delete("thing", n === 0 ? "name-25" : `more-${n}`)
        yield* one.shadows.update("thing", desired(n), `more-${n + 1}`)
      }
      // Of deleted ones so many are remembered, and no more.
      expect((yield* store.records("shadow/document/thing/", "", 200)).length).toBeLessThanOrEqual(50)
    })
  )
})
