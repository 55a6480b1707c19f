/** The feed: one gapless order over all streams, and a wake-up whenever it grows. */
import { expect } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Queue, Stream } from "effect"
import { asStored, type Check, withoutPosition } from "./fixture.ts"

export const checkFeed = (check: Check, { shared }: { readonly shared: boolean }) => {
  if (!shared) {
    check("starts at position 1; an empty store's head is 0", ({ store, name, events }) =>
      Effect.gen(function* () {
        expect(yield* store.head).toBe(0)
        expect(yield* store.readAll(0, 10)).toEqual([])
        expect(yield* store.append(name("a"), 0, events(2))).toEqual({ version: 2, position: 2 })
        expect((yield* store.readAll(0, 10)).map(({ position }) => position)).toEqual([1, 2])
      })
    )
  }

  check("holds all streams in the order of their appends, without gaps", ({ store, name, events, feed }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const [one, two, three] = [events(2), events(1), events(2)]
      const [a, b] = [name("a"), name("b")]
      expect((yield* store.append(a, 0, one)).position).toBe(start + 2)
      expect((yield* store.append(b, 0, two)).position).toBe(start + 3)
      yield* Effect.flip(store.append(b, 0, events(4)))
      expect((yield* store.append(a, 2, three)).position).toBe(start + 5)
      expect(yield* store.head).toBe(start + 5)
      const stored = yield* feed(start)
      expect(withoutPosition(stored)).toEqual([...asStored(one, a), ...asStored(two, b), ...asStored(three, a, 3)])
      expect(stored.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5].map((step) => start + step))
      expect(yield* store.read(a, 0, 10)).toEqual(stored.filter(({ streamId }) => streamId === a))
    })
  )

  check("keeps the order in which one caller starts appends", ({ store, name, events, feed }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const [a, b] = [name("a"), name("b")]
      const versions = Array.from({ length: 20 }, (_, version) => version)
      const appends = versions.flatMap((version) => [
        store.append(a, version, events(1)),
        store.append(b, version, events(1))
      ])
      yield* Effect.all(appends, { concurrency: "unbounded" })
      const order = (yield* feed(start)).map(({ streamId, version }) => `${streamId} ${version}`)
      expect(order).toEqual(versions.flatMap((version) => [`${a} ${version + 1}`, `${b} ${version + 1}`]))
    })
  )

  check("can be read for the streams of one kind", ({ store, name, events }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const [a, b] = [name("kind-a"), name("other-b")]
      yield* store.append(a, 0, events(2))
      yield* store.append(b, 0, events(2))
      yield* store.append(a, 2, events(2))
      const versions = (after: number, limit: number) =>
        Effect.map(store.readAll(start + after, limit, a), (page) =>
          page.map(({ streamId, version }) => [streamId, version])
        )
      expect(yield* versions(0, 10)).toEqual([1, 2, 3, 4].map((version) => [a, version]))
      expect(yield* versions(1, 2)).toEqual([2, 3].map((version) => [a, version]))
      expect(yield* versions(6, 10)).toEqual([])
      expect(yield* store.readAll(start, 10, name("nobody"))).toEqual([])
    })
  )

  check("can be read for what is about one lock, beside the streams of locks", ({ store, name, events }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const [a, b, other] = [name("kind-a"), name("kind-b"), name("other")]
      yield* store.append(a, 0, [...events(1, { lockId: 7 }), ...events(1, { lockId: 8 }), ...events(1)])
      yield* store.append(other, 0, events(1, { lockId: 7 }))
      yield* store.append(b, 0, [...events(1, { lockId: 7 }), ...events(1, { lockId: "7" })])
      yield* store.append(a, 3, events(1, { lockId: 7 }))
      const found = (after: number, limit: number, lockId = 7, prefix = name("kind-")) =>
        Effect.map(store.readAll(start + after, limit, prefix, lockId), (page) =>
          page.map(({ streamId, version }) => [streamId, version])
        )
      expect(yield* found(0, 10)).toEqual([
        [a, 1],
        [b, 1],
        [a, 4]
      ])
      expect(yield* found(1, 1)).toEqual([[b, 1]])
      expect(yield* found(0, 10, 8)).toEqual([[a, 2]])
      expect(yield* found(0, 10, 9)).toEqual([])
      expect(yield* found(0, 10, 7, b)).toEqual([[b, 1]])
      expect(yield* found(7, 10)).toEqual([])
    })
  )

  check("finds an event by its id", ({ store, name, events }) =>
    Effect.gen(function* () {
      const [first, second] = [events(2), events(1)]
      yield* store.append(name("a"), 0, first)
      yield* store.append(name("b"), 0, second)
      for (const stored of [...asStored(first, name("a")), ...asStored(second, name("b"))]) {
        const found = Option.toArray(yield* store.event(stored.eventId))
        expect(withoutPosition(found)).toEqual([stored])
      }
      expect(Option.isNone(yield* store.event(name("nothing")))).toBe(true)
    })
  )

  check("is read in pages", ({ store, name, events }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      yield* store.append(name("a"), 0, events(10))
      const steps = (after: number, limit: number) =>
        Effect.map(store.readAll(start + after, limit), (page) => page.map(({ position }) => position - start))
      expect(yield* steps(0, 4)).toEqual([1, 2, 3, 4])
      expect(yield* steps(4, 4)).toEqual([5, 6, 7, 8])
      expect(yield* steps(8, 4)).toEqual([9, 10])
      expect(yield* steps(10, 4)).toEqual([])
      expect(yield* steps(99, 4)).toEqual([])
    })
  )

  check("shows a reader every position once and in order while others write", ({ store, name, events, follow }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const write = (writer: number) =>
        Effect.forEach([0, 3, 6, 9, 12], (version) =>
          store.append(name(`w-${writer}`), version, events(3)).pipe(Effect.andThen(Effect.yieldNow))
        )
      const reader = yield* follow(start).pipe(Stream.take(150), Stream.runCollect, Effect.forkChild)
      yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => index),
        write,
        { concurrency: "unbounded" }
      )
      const seen = yield* Fiber.join(reader)
      expect(seen.map(({ position }) => position)).toEqual(Array.from({ length: 150 }, (_, index) => start + index + 1))
      for (let writer = 0; writer < 10; writer++) {
        const versions = seen.filter(({ streamId }) => streamId === name(`w-${writer}`)).map(({ version }) => version)
        expect(versions).toEqual(Array.from({ length: 15 }, (_, index) => index + 1))
      }
    })
  )

  check("never shows part of a batch", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const writing = yield* Effect.forEach([0, 1, 2, 3, 4], (batch) => store.append(stream, batch * 40, events(40)), {
        discard: true
      }).pipe(Effect.forkChild)
      let seen = 0
      while (seen < 200) {
        seen = (yield* store.read(stream, 0, 1_000)).length
        expect(seen % 40).toBe(0)
        yield* Effect.yieldNow
      }
      yield* Fiber.join(writing)
    })
  )

  check("wakes a subscriber that started at the head, each time", ({ store, name, events }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const heard = yield* Queue.unbounded<number>()
      yield* store.changes.pipe(
        Stream.runForEach((position) => Queue.offer(heard, position)),
        Effect.forkScoped
      )
      for (let version = 0; version < 4; version++) {
        expect(yield* Queue.take(heard)).toBe(start + version)
        // Right after any number of turns, or none; by the time that these are answered the subscriber is asleep.
        yield* Effect.repeat(Effect.andThen(store.head, Effect.yieldNow), { times: 10 })
        yield* store.append(name("a"), version, events(1))
      }
      expect(yield* Queue.take(heard)).toBe(start + 4)
    })
  )

  check("gives a subscriber that starts in the middle all that comes after", ({ store, name, events, follow }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const [a, b] = [name("a"), name("b")]
      const [before, after, later] = [events(5), events(4), events(3)]
      yield* store.append(a, 0, before)
      yield* store.append(a, 5, after)
      const reader = yield* follow(start + 5).pipe(Stream.take(7), Stream.runCollect, Effect.forkChild)
      yield* store.append(b, 0, later)
      expect(withoutPosition(yield* Fiber.join(reader))).toEqual([...asStored(after, a, 6), ...asStored(later, b)])
    })
  )

  check("tells every subscriber where the feed stands, at once", ({ store, name, events }) =>
    Effect.gen(function* () {
      const { position } = yield* store.append(name("a"), 0, events(3))
      const heads = yield* Effect.forEach([1, 2, 3], () => Stream.runHead(store.changes), { concurrency: "unbounded" })
      for (const head of heads) expect(head).toMatchObject({ _tag: "Some", value: position })
    })
  )

  check("lets a slow subscriber miss steps, but not the last one", ({ store, name, events }) =>
    Effect.gen(function* () {
      const start = yield* store.head
      const busy = yield* Deferred.make<void>()
      const final = start + 100
      const seen = yield* Deferred.make<void>()
      const subscriber = yield* store.changes.pipe(
        Stream.tap(() => Effect.andThen(Deferred.succeed(seen, undefined), Deferred.await(busy))),
        Stream.takeUntil((position) => position >= final),
        Stream.runLast,
        Effect.forkChild
      )
      yield* Deferred.await(seen)
      for (let version = 0; version < 100; version++) yield* store.append(name("a"), version, events(1))
      yield* Deferred.succeed(busy, undefined)
      expect(yield* Fiber.join(subscriber)).toMatchObject({ _tag: "Some", value: final })
    })
  )
}
