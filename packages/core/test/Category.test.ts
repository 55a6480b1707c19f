/** What streams of one kind have in common: kept, read, folded and written in one way. */
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryEventStore from "../src/memory/MemoryEventStore.ts"
import { type At, Category, granting, type WriteContext } from "../src/streams/Category.ts"
import { type Batch, EventStore, type NewEvent, StoreUnavailable } from "../src/streams/EventStore.ts"
import { PAGE } from "../src/streams/Turns.ts"

const TallyEvent = Schema.TaggedUnion({
  Counted: { by: Schema.Int, name: Schema.optionalKey(Schema.String) },
  Cleared: {}
})

const Tally = Category({
  prefix: "tally-",
  events: TallyEvent,
  personal: { Counted: ["name"] },
  initial: 0,
  evolve: (sum, event) => (event._tag === "Counted" ? sum + event.by : 0)
})

let commands = 0
const context = (given: Partial<WriteContext> = {}): WriteContext => ({
  commandId: `tally-command-${++commands}`,
  at: 1_000,
  principal: { _tag: "System" },
  ...given
})
const counted = (by: number) => TallyEvent.cases.Counted.make({ by })

const stored = (type: string, data: Schema.JsonObject = {}): NewEvent => {
  const commandId = `by-hand-${++commands}`
  return { eventId: commandId, type, data, at: 1_000, orgId: "", principal: { _tag: "System" }, commandId }
}

const over =
  (store: EventStore["Service"]) =>
  <A, E>(effect: Effect.Effect<A, E, EventStore>) =>
    Effect.provideService(effect, EventStore, store)

/** A store in which another writer is quicker, so many times. */
const overtaken = (store: EventStore["Service"], times: number) => {
  const batches: Array<Batch> = []
  let left = times
  return {
    batches,
    store: EventStore.of({
      ...store,
      write: (batch) =>
        Effect.suspend(() => {
          batches.push(batch)
          const [append] = batch.append ?? []
          if (append === undefined || left-- <= 0) return store.write(batch)
          const others = [stored("Counted", { by: 100 })]
          return Effect.andThen(store.write({ append: [{ ...append, events: others }] }), store.write(batch))
        })
    })
  }
}

describe("a category", () => {
  it.effect("writes what was decided, and reads it back", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const { before, after } = yield* Tally.transact("a", context({ orgId: "org-1", commandId: "c" }), () => [
        counted(2),
        counted(3)
      ]).pipe(over(store))
      expect(before).toEqual(Tally.initial)
      expect(after).toEqual({ state: 5, version: 2, at: 1_000, unknown: undefined })
      expect(yield* over(store)(Tally.fold("a"))).toEqual(after)
      expect(yield* store.read("tally-a", 0, 10)).toMatchObject([
        { eventId: "c-1", type: "Counted", data: { by: 2 }, orgId: "org-1", version: 1, position: 1, commandId: "c" },
        { eventId: "c-2", type: "Counted", data: { by: 3 }, orgId: "org-1", version: 2, position: 2, commandId: "c" }
      ])
      expect([Tally.category, Tally.streamOf("a"), Tally.idOf("tally-a"), Tally.idOf("other-a")]).toEqual([
        "tally",
        "tally-a",
        "a",
        undefined
      ])
    })
  )

  it.effect("writes nothing when nothing was decided", () =>
    Effect.gen(function* () {
      const { store, batches } = overtaken(MemoryEventStore.make(), 0)
      expect(yield* over(store)(Tally.transact("a", context(), () => []))).toMatchObject({ events: [] })
      const refused = Tally.transact("a", context(), ({ state }) => Effect.fail(`not at ${state}`))
      expect(yield* Effect.flip(over(store)(refused))).toBe("not at 0")
      expect(batches).toEqual([])
    })
  )

  it.effect("folds any events as they follow each other, over any number of pages", () =>
    Effect.gen(function* () {
      const histories = yield* Arbitrary.sampleEffect(
        Arbitrary.schema(Schema.Array(TallyEvent).check(Schema.isMaxLength(40))),
        { count: 20, seed: "category" }
      )
      for (const [index, history] of [...histories, Array.from({ length: 2 * PAGE + 1 }, () => counted(1))].entries()) {
        const store = MemoryEventStore.make()
        const id = String(index)
        const { after } = yield* over(store)(Tally.transact(id, context(), () => history))
        const read = yield* over(store)(Tally.fold(id))
        expect(read).toEqual(after)
        expect(read.version).toBe(history.length)
        // From anywhere on it comes to the same.
        const events = yield* store.read(Tally.streamOf(id), 0, 1_000)
        const half = events.slice(0, Math.floor(events.length / 2)).reduce(Tally.next, Tally.initial)
        expect(yield* over(store)(Tally.fold(id, half))).toEqual(read)
        // What was folded already, or comes too early, changes nothing.
        expect(events.reduce(Tally.next, read)).toBe(read)
      }
    })
  )

  it.effect("lets no event happen before the one in front of it", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      for (const at of [2_000, 1_500, 3_000])
        yield* over(store)(Tally.transact("a", context({ at }), () => [counted(1)]))
      expect((yield* store.read("tally-a", 0, 10)).map(({ at }) => at)).toEqual([2_000, 2_000, 3_000])
    })
  )

  it.effect("says whose command id it was when it was used before", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const once = Tally.transact("a", context({ commandId: "once" }), () => [counted(1)])
      yield* over(store)(once)
      expect(yield* Effect.flip(over(store)(once))).toMatchObject({ _tag: "EventExists", eventId: "once-1" })
      const named = { events: [counted(1)], suffixes: ["again"], orgId: "org-2" }
      yield* over(store)(Tally.transact("a", context({ commandId: "once" }), () => named))
      expect(yield* store.read("tally-a", 1, 1)).toMatchObject([{ eventId: "once-again", orgId: "org-2" }])
    })
  )
})

describe("a decision", () => {
  it.effect("is written at the version that it was made on, and made anew when another writer was quicker", () =>
    Effect.gen(function* () {
      const { store, batches } = overtaken(MemoryEventStore.make(), 3)
      const decidedOn: Array<At<number>> = []
      const running = yield* Effect.forkChild(
        over(store)(
          Tally.transact("a", context(), (at) => {
            decidedOn.push(at)
            return [counted(at.state + 1)]
          })
        )
      )
      yield* TestClock.adjust("1 second")
      const { after } = yield* Fiber.join(running)
      expect(decidedOn.map(({ state, version }) => [state, version])).toEqual([
        [0, 0],
        [100, 1],
        [200, 2],
        [300, 3]
      ])
      expect(batches.map(({ append }) => append?.[0]?.expectedVersion)).toEqual([0, 1, 2, 3])
      expect(after.state).toBe(601)
    })
  )

  it.effect("is given up, pausing longer each time, when others are quicker without end", () =>
    Effect.gen(function* () {
      const { store, batches } = overtaken(MemoryEventStore.make(), Number.POSITIVE_INFINITY)
      const running = yield* Effect.forkChild(
        Effect.flip(over(store)(Tally.transact("a", context(), () => [counted(1)])))
      )
      yield* TestClock.adjust("30 millis")
      expect(batches.length).toBeLessThan(6)
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(running)).toMatchObject({ _tag: "Contended", streamId: "tally-a" })
      expect(batches.length).toBeLessThan(20)
    })
  )

  it.effect("is made anew when a record that it expects is otherwise, and writes its records with its events", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      yield* store.write({ put: [{ key: "name/one", value: "b" }] })
      let looks = 0
      const running = yield* Effect.forkChild(
        over(store)(
          Tally.transact("a", context(), () => {
            // What it knew is old at first.
            const value = looks++ === 0 ? undefined : "b"
            return {
              events: [counted(1)],
              expect: [{ key: "name/one", value }],
              put: [{ key: "name/one", value: "a" }]
            }
          })
        )
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(running)
      expect([looks, yield* store.record("name/one")]).toMatchObject([2, { value: "a" }])
      expect(yield* store.head).toBe(1)
    })
  )

  it.effect("rests on what its caller has read, unless that turns out to be old", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const { after } = yield* over(store)(Tally.transact("a", context(), () => [counted(1)]))
      let reads = 0
      const watched = EventStore.of({
        ...store,
        read: (...args) =>
          Effect.andThen(
            Effect.sync(() => reads++),
            store.read(...args)
          )
      })
      const next = yield* over(watched)(Tally.transact("a", context(), ({ state }) => [counted(state)], after))
      expect([next.after.state, reads]).toEqual([2, 0])
      const running = yield* Effect.forkChild(
        over(watched)(Tally.transact("a", context(), ({ state }) => [counted(state)], after))
      )
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(running)).after).toMatchObject({ state: 4, version: 3 })
    })
  )

  it.effect("is not sent again when its answer was lost", () =>
    Effect.gen(function* () {
      const down = new StoreUnavailable({ message: "lost" })
      let writes = 0
      const store = EventStore.of({
        ...MemoryEventStore.make(),
        write: () =>
          Effect.andThen(
            Effect.sync(() => writes++),
            Effect.fail(down)
          )
      })
      expect(yield* Effect.flip(over(store)(Tally.transact("a", context(), () => [counted(1)])))).toBe(down)
      expect(writes).toBe(1)
    })
  )

  it.live("of many at once loses no other: eight writers count to eighty", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      const writer = Effect.forEach(Array.from({ length: 10 }), () =>
        over(store)(Tally.transact("a", context(), () => Effect.as(Effect.yieldNow, [counted(1)])))
      )
      yield* Effect.all(
        Array.from({ length: 8 }, () => writer),
        { concurrency: "unbounded" }
      )
      expect(yield* over(store)(Tally.fold("a"))).toMatchObject({ state: 80, version: 80 })
    })
  )
})

describe("an event that is not understood", () => {
  const withEvent = Effect.fnUntraced(function* (event: NewEvent) {
    const store = MemoryEventStore.make()
    const append = (expectedVersion: number, events: ReadonlyArray<NewEvent>) =>
      store.write({ append: [{ streamId: "tally-a", expectedVersion, events }] })
    yield* append(0, [stored("Counted", { by: 1 }), event])
    yield* append(2, [stored("Counted", { by: 1 })])
    return store
  })
  const notOurs: ReadonlyArray<readonly [string, NewEvent]> = [
    ["of a type that nobody here knows", stored("Suspended", { by: 1 })],
    ["with data that none of its type has here", stored("Counted", { by: "everybody" })]
  ]

  for (const [what, event] of notOurs) {
    it.effect(`stops its stream from granting: ${what}`, () =>
      Effect.gen(function* () {
        const store = yield* withEvent(event)
        const at = yield* over(store)(Tally.fold("a"))
        expect(at).toMatchObject({ state: 2, version: 3, unknown: { type: event.type } })
        const refused = yield* Effect.flip(granting(at))
        expect(refused).toMatchObject({ _tag: "StoreUnavailable", message: expect.stringContaining(event.type) })
        let asked = 0
        const decided = Tally.transact("a", context(), () => {
          asked++
          return [counted(1)]
        })
        expect(yield* Effect.flip(over(store)(decided))).toEqual(refused)
        expect([asked, yield* store.head]).toEqual([0, 3])
        // Others of its kind go on.
        expect(yield* over(store)(Tally.transact("b", context(), () => [counted(1)]))).toMatchObject({
          after: { state: 1 }
        })
      })
    )
  }

  it.effect("keeps nobody from taking rights away", () =>
    Effect.gen(function* () {
      const store = yield* withEvent(stored("Suspended"))
      const { after } = yield* over(store)(
        Tally.transact("a", context({ revokes: true }), () => [TallyEvent.cases.Cleared.make({})])
      )
      expect(after).toMatchObject({ state: 0, version: 4, unknown: { type: "Suspended" } })
    })
  )

  it.effect("stops nothing when it says that it may be ignored", () =>
    Effect.gen(function* () {
      const store = yield* withEvent(stored("Praised", { ignorable: true }))
      expect(yield* over(store)(Tally.transact("a", context(), () => [counted(1)]))).toMatchObject({
        after: { state: 3, version: 4, unknown: undefined }
      })
    })
  )
})
