/** The hint that the feed has grown: early, for everybody, and again and again. */
import { expect } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue, Stream } from "effect"
import { append, casesOf, type Store, upTo } from "./fixture.ts"

const check = casesOf("the hint of changes")

/** Hears the heads that a store tells, from now on. */
const heads = Effect.fnUntraced(function* (store: Store) {
  const heard = yield* Queue.unbounded<number>()
  yield* store.changes.pipe(
    Stream.runForEach((head) => Queue.offer(heard, head)),
    Effect.forkScoped
  )
  return heard
})

/** Hears until the head is reached, and no further. */
const hears = Effect.fnUntraced(function* (heard: Queue.Dequeue<number>, head: number) {
  let last = 0
  while (last < head) last = yield* Queue.take(heard)
  expect(last).toBe(head)
})

export const changesCases = [
  check("comes at once, with the head, to each subscriber", function* ({ store, another, name, events }) {
    const { position } = yield* store.write(append(name("a-1"), events(3)))
    for (const opener of [store, yield* another]) {
      const first = yield* Effect.forEach([1, 2, 3], () => Stream.runHead(opener.changes), { concurrency: "unbounded" })
      for (const head of first) expect(head).toMatchObject({ _tag: "Some", value: position })
    }
  }),

  check("comes with each write, to a subscriber that started at the head", function* (fixture) {
    const { store, start, name, events } = fixture
    const heard = yield* heads(store)
    for (let version = 0; version < 4; version++) {
      yield* hears(heard, start + version)
      // Right after any number of turns, or none; by the time that these are answered the subscriber is asleep.
      yield* Effect.repeat(Effect.andThen(store.head, Effect.yieldNow), { times: 10 })
      yield* store.write(append(name("a-1"), events(1), version))
    }
    yield* hears(heard, start + 4)
  }),

  check("wakes all of many subscribers, in every opener, no matter who writes", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const openers = [store, yield* another, yield* another]
    const subscribers = yield* Effect.forEach([...openers, ...openers, ...openers], heads)
    yield* Effect.forEach(subscribers, (heard) => hears(heard, start), { discard: true })
    for (const [index, opener] of openers.entries()) {
      yield* opener.write(append(name(`a-${index}`), events(2)))
      const head = start + 2 * (index + 1)
      yield* Effect.forEach(subscribers, (heard) => hears(heard, head), { discard: true })
    }
  }),

  check("comes when there is something to read", function* ({ store, another, start, name, events }) {
    const writer = yield* another
    const reading = yield* store.changes.pipe(
      Stream.mapEffect((head) => Effect.map(store.feed(start, 1_000), (feed) => [head, start + feed.length] as const)),
      Stream.takeUntil(([head]) => head >= start + 30),
      Stream.runCollect,
      Effect.forkChild
    )
    yield* Effect.forEach(upTo(15), (n) => (n % 2 ? store : writer).write(append(name(`a-${n}`), events(2))), {
      concurrency: 3
    })
    for (const [head, read] of yield* Fiber.join(reading)) expect(read).toBeGreaterThanOrEqual(head)
  }),

  check("may leave out steps for a slow subscriber, but not the last one", function* (fixture) {
    const { store, start, name, events } = fixture
    const [busy, seen] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const final = start + 50
    const subscriber = yield* store.changes.pipe(
      Stream.tap(() => Effect.andThen(Deferred.succeed(seen, undefined), Deferred.await(busy))),
      Stream.takeUntil((position) => position >= final),
      Stream.runLast,
      Effect.forkChild
    )
    yield* Deferred.await(seen)
    for (let version = 0; version < 50; version++) yield* store.write(append(name("a-1"), events(1), version))
    yield* Deferred.succeed(busy, undefined)
    expect(yield* Fiber.join(subscriber)).toMatchObject({ _tag: "Some", value: final })
  }),

  check(
    "goes on for others when a subscriber, or an opener, goes",
    function* ({ store, another, start, name, events }) {
      const staying = [yield* heads(store), yield* heads(yield* another)]
      yield* Effect.forEach(staying, (heard) => hears(heard, start), { discard: true })
      yield* Stream.runHead(store.changes)
      yield* Effect.scoped(
        Effect.gen(function* () {
          for (const opener of [yield* another, store]) {
            yield* hears(yield* heads(opener), start)
            // So that it waits for the next one when it goes.
            yield* Effect.repeat(Effect.andThen(opener.head, Effect.yieldNow), { times: 10 })
          }
        })
      )
      yield* store.write(append(name("a-1"), events(1)))
      yield* Effect.forEach(staying, (heard) => hears(heard, start + 1), { discard: true })
      const late = yield* heads(store)
      yield* hears(late, start + 1)
      yield* store.write(append(name("a-1"), events(1), 1))
      yield* Effect.forEach([...staying, late], (heard) => hears(heard, start + 2), { discard: true })
    }
  )
]
