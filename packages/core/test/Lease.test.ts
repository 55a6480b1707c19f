/** Leases: one of many does the work, whatever their clocks say, and another when that one is gone. */
import { describe, expect, it } from "@effect/vitest"
import { MemoryEventStore } from "@latchkey/core/testing"
import { Deferred, Effect, Exit, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Batch, EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"
import { byOne, heldLeases, LEASE, type Lease, underLease } from "../src/streams/Lease.ts"

const KEY = "lease/work"

type Store = EventStore["Service"]

/** Work that goes on until it is told to end, for as many as want to do it. */
const makeWork = Effect.gen(function* () {
  const store = yield* EventStore
  const ended = yield* Deferred.make<void>()
  let isDone = false
  const working = new Set<string>()
  const most = { at: 0 }
  const worker = (name: string, over = store) => {
    const perform = Effect.acquireUseRelease(
      Effect.sync(() => {
        working.add(name)
        most.at = Math.max(most.at, working.size)
      }),
      () => Deferred.await(ended),
      () => Effect.sync(() => working.delete(name))
    )
    return Effect.forkScoped(
      underLease(
        over,
        "work",
        Effect.sync(() => isDone),
        () => Effect.tap(perform, () => Effect.sync(() => (isDone = true)))
      )
    )
  }
  return { store, ended, working, most, worker, lease: store.record(KEY) }
})

const test = <A, E>(
  sentence: string,
  body: (work: Effect.Success<typeof makeWork>) => Effect.Effect<A, E, Scope.Scope>
) => it.effect(sentence, () => Effect.provide(Effect.flatMap(makeWork, body), MemoryEventStore.layer, { local: true }))

describe("work under a lease", () => {
  test("is done by one of many, and ends for all when it is done; nothing is left of the lease", (work) =>
    Effect.gen(function* () {
      const workers = yield* Effect.all(["one", "two", "three"].map((name) => work.worker(name)))
      yield* TestClock.adjust("2 minutes")
      expect([...work.working]).toEqual(["one"])
      yield* Deferred.succeed(work.ended, undefined)
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(workers)
      expect(work.most.at).toBe(1)
      expect(Option.isNone(yield* work.lease)).toBe(true)
    }))

  test("goes on at once when its holder is told to stop", (work) =>
    Effect.gen(function* () {
      const life = yield* Scope.make()
      yield* Effect.provideService(work.worker("one"), Scope.Scope, life)
      yield* work.worker("two")
      yield* TestClock.adjust("5 seconds")
      yield* Scope.close(life, Exit.void)
      yield* TestClock.adjust("1 second")
      expect([...work.working]).toEqual(["two"])
    }))

  test("is taken over from one that is silent, and that one gives up when it is back", (work) =>
    Effect.gen(function* () {
      let isSilent = false
      const paused = EventStore.of({
        ...work.store,
        write: (batch: Batch) =>
          Effect.suspend(() =>
            isSilent ? Effect.fail(new StoreUnavailable({ message: "not here" })) : work.store.write(batch)
          )
      })
      yield* work.worker("one", paused)
      yield* TestClock.adjust("1 second")
      isSilent = true
      yield* work.worker("two")
      yield* TestClock.adjust(LEASE)
      expect([...work.working]).toEqual(["one", "two"])
      isSilent = false
      yield* TestClock.adjust("4 seconds")
      expect([...work.working]).toEqual(["two"])
    }))

  test("is not taken from one that was in time, however often others look", (work) =>
    Effect.gen(function* () {
      yield* work.worker("one")
      yield* TestClock.adjust("1 second")
      const seen = yield* work.lease
      for (const name of ["two", "three"]) yield* work.worker(name)
      for (let n = 0; n < 20; n++) {
        yield* TestClock.adjust("9 seconds")
        expect([...work.working]).toEqual(["one"])
      }
      // It is heard of, and no value comes twice.
      expect(yield* work.lease).not.toEqual(seen)
    }))

  test("goes on when the lease was kept, and the answer was lost", (work) =>
    Effect.gen(function* () {
      let losses = 0
      const lossy = EventStore.of({
        ...work.store,
        write: (batch: Batch) =>
          Effect.tap(work.store.write(batch), () =>
            losses-- > 0 ? Effect.fail(new StoreUnavailable({ message: "the answer was lost" })) : Effect.void
          )
      })
      yield* work.worker("one", lossy)
      yield* TestClock.adjust("1 second")
      losses = 1
      yield* work.worker("two")
      for (let n = 0; n < 30; n++) {
        yield* TestClock.adjust("1 second")
        expect([...work.working]).toEqual(["one"])
      }
    }))

  test("begins anew when its lease is lost", (work) =>
    Effect.gen(function* () {
      yield* work.worker("one")
      yield* TestClock.adjust("1 second")
      yield* work.store.write({ remove: [KEY] })
      yield* TestClock.adjust("5 seconds")
      expect([...work.working]).toEqual(["one"])
      expect(Option.isSome(yield* work.lease)).toBe(true)
    }))

  /** Leases that are handed to the work of each, and how to pause the first one's store. */
  const holders = Effect.fnUntraced(function* (store: Store) {
    let paused: Deferred.Deferred<void> | undefined
    const held = new Map<string, Lease>()
    const write = (batch: Batch) =>
      Effect.suspend(() =>
        Effect.andThen(paused === undefined ? Effect.void : Deferred.await(paused), store.write(batch))
      )
    const holder = (name: string, over: Store) =>
      Effect.forkScoped(
        byOne(over, "work", (lease) =>
          Effect.andThen(
            Effect.sync(() => held.set(name, lease)),
            Effect.never
          )
        )
      )
    const first = EventStore.of({ ...store, write })
    yield* holder("one", first)
    yield* TestClock.adjust("1 second")
    yield* holder("two", store)
    return {
      held,
      first,
      pause: Effect.sync(() => (paused = Deferred.makeUnsafe())),
      resume: Effect.suspend(() => Deferred.succeed(paused ?? Deferred.makeUnsafe<void>(), undefined))
    }
  })
  const put = (n: number) => ({ put: [{ key: "done", value: String(n) }] })

  test("is refused to the store from one that was paused, whatever its clock says, and confirmed no more", ({
    store
  }) =>
    Effect.gen(function* () {
      const { held, pause, resume } = yield* holders(store)
      const one = held.get("one") ?? (yield* Effect.die("nobody has it"))
      yield* one.confirm
      yield* one.store.write(put(1))
      yield* pause
      // What it had decided to write before it was paused.
      const late = yield* Effect.forkScoped(Effect.flip(one.store.write(put(2))))
      yield* TestClock.adjust(LEASE)
      const two = held.get("two") ?? (yield* Effect.die("nobody has it"))
      yield* two.confirm
      yield* two.store.write(put(3))
      yield* resume
      expect((yield* Fiber.join(late)).message).toMatch("Another server does this now")
      expect(one.isLost()).toBe(true)
      expect((yield* Effect.flip(one.confirm)).message).toMatch("Another server does this now")
      expect((yield* Effect.flip(one.store.write(put(4)))).message).toMatch("Another server does this now")
      expect(yield* store.record("done")).toEqual(Option.some("3"))
    }))

  test("is confirmed by asking, once nothing was heard for longer than a moment", ({ store }) =>
    Effect.gen(function* () {
      const { held, pause, resume } = yield* holders(store)
      const one = held.get("one") ?? (yield* Effect.die("nobody has it"))
      yield* pause
      yield* TestClock.adjust(LEASE)
      // It does not know yet that another has it: it goes on, and asks first.
      expect([...held.keys()]).toEqual(["one", "two"])
      const asked = yield* Effect.forkScoped(Effect.flip(one.confirm))
      yield* resume
      expect((yield* Fiber.join(asked)).message).toMatch("Another server does this now")
    }))

  test("is let go by one that cannot keep it, since the store may answer elsewhere", ({ store }) =>
    Effect.gen(function* () {
      const { held, pause } = yield* holders(store)
      yield* pause
      yield* TestClock.adjust("20 seconds")
      expect(held.get("one")?.isLost()).toBe(true)
    }))

  test("has a holder that each process knows of", ({ store }) =>
    Effect.gen(function* () {
      const { first, pause, resume } = yield* holders(store)
      const known = () => [first, store].map((over) => heldLeases(over).map(({ holder }) => holder))
      yield* TestClock.adjust("2 seconds")
      expect(known()).toEqual([["this server"], ["another server"]])
      yield* pause
      yield* TestClock.adjust("8 seconds")
      expect(known()[1]).toEqual(["nobody"])
      yield* TestClock.adjust("5 seconds")
      expect(known()[1]).toEqual(["this server"])
      yield* resume
    }))
})
