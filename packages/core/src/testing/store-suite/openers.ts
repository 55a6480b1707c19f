/** Several openers of one store, at once and one after the other: they see one store, and it outlives them. */
import { expect } from "@effect/vitest"
import { Effect, Fiber, Scope } from "effect"
import type { Batch } from "../../streams/EventStore.ts"
import {
  append,
  asStored,
  casesOf,
  feedOf,
  idsOf,
  keysOf,
  opened,
  refuses,
  type StoreCase,
  upTo,
  valueOf
} from "./fixture.ts"

const check = casesOf("several openers")

export const openerCases: ReadonlyArray<StoreCase> = [
  check("see at once what any of them has written, whatever they had seen before", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const openers = [store, yield* another, yield* another]
    const [stream, key] = [name("a-1"), name("k")]
    for (let turn = 0; turn < 9; turn++) {
      const writer = openers[turn % 3] ?? store
      const [one] = events(1, { orgId: name("org") })
      if (one === undefined) break
      for (const opener of openers) expect((yield* opener.event(one.eventId))._tag).toBe("None")
      const expect_ = [{ key, value: turn === 0 ? undefined : String(turn - 1) }]
      yield* writer.write({ ...append(stream, [one], turn), expect: expect_, put: [{ key, value: String(turn) }] })
      for (const opener of openers) {
        expect(yield* opener.head).toBe(start + turn + 1)
        const [stored] = asStored([one], stream, start + turn + 1, turn + 1)
        expect(yield* opener.read(stream, turn, 10)).toEqual([stored])
        expect(yield* opener.feed(start + turn, 10)).toEqual([stored])
        expect(yield* opener.feed(start + turn, 10, { category: name("a") })).toEqual([stored])
        expect(yield* opener.feed(start + turn, 10, { orgId: name("org") })).toEqual([stored])
        expect(yield* opener.event(one.eventId)).toMatchObject({ value: stored })
        expect(yield* valueOf(opener, key)).toBe(String(turn))
        expect(yield* opener.records(key, "", 1)).toEqual([{ key, value: String(turn) }])
        yield* refuses(opener, append(stream, events(1), turn), { _tag: "VersionConflict", actual: turn + 1 })
        yield* refuses(opener, append(name("b-1"), [one]), { _tag: "EventExists" })
      }
    }
  }),

  check("lose and double nothing when they write to one stream at once", function* (fixture) {
    const { store, another, name, events } = fixture
    const openers = [store, yield* another, yield* another]
    const stream = name("a-1")
    const batches = Array.from({ length: 30 }, () => events(2))
    const write = (batch: (typeof batches)[number], index: number) =>
      Effect.gen(function* () {
        const opener = openers[index % 3] ?? store
        const version = (yield* opener.read(stream, 0, 1_000)).length
        expect(version % 2).toBe(0)
        yield* Effect.yieldNow
        yield* opener.write(append(stream, batch, version))
      }).pipe(Effect.retry({ while: (error) => error._tag === "VersionConflict" }))
    yield* Effect.forEach(batches, write, { concurrency: 9 })
    const stored = yield* store.read(stream, 0, 1_000)
    expect(stored.map(({ version }) => version)).toEqual(upTo(60))
    const ids = idsOf(stored)
    expect(ids.toSorted()).toEqual(idsOf(batches.flat()).toSorted())
    for (const [first, second] of batches.map(idsOf))
      expect(ids.indexOf(second ?? "")).toBe(ids.indexOf(first ?? "") + 1)
  }),

  check("give an event id to one of many who write it at once, and a version to one", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const openers = [store, yield* another, yield* another]
    const shared = events(1)
    const outcomes = (batchOf: (n: number) => Batch) =>
      Effect.forEach(
        upTo(15),
        (n) =>
          Effect.match((openers[n % 3] ?? store).write(batchOf(n)), {
            onSuccess: () => "Written",
            onFailure: ({ _tag }) => _tag
          }),
        { concurrency: "unbounded" }
      )
    const ids = yield* outcomes((n) => append(name(`a-${n}`), shared))
    expect(ids.toSorted()).toEqual([...Array(14).fill("EventExists"), "Written"])
    const versions = yield* outcomes(() => append(name("b-1"), events(1)))
    expect(versions.toSorted()).toEqual([...Array(14).fill("VersionConflict"), "Written"])
    const own = yield* outcomes((n) => append(name(`c-${n}`), events(2)))
    expect(own).toEqual(Array(15).fill("Written"))
    expect((yield* feedOf(store, start)).map(({ position }) => position - start)).toEqual(upTo(32))
  }),

  check("see a batch whole: events and records of it together", function* ({ store, another, start, name, events }) {
    const reader = yield* another
    const [stream, other, key] = [name("a-1"), name("b-1"), name("k")]
    const [BATCHES, SIZE] = [8, 20]
    const write = Effect.forEach(
      upTo(BATCHES),
      (n) =>
        store.write({
          append: [
            { streamId: stream, expectedVersion: SIZE * (n - 1), events: events(SIZE) },
            { streamId: other, expectedVersion: n - 1, events: events(1) }
          ],
          put: ["", "/1", "/2"].map((more) => ({ key: `${key}${more}`, value: String(n) }))
        }),
      { discard: true }
    )
    const read = Effect.gen(function* () {
      let seen = 0
      while (seen < BATCHES) {
        const value = Number(yield* valueOf(reader, key)) || 0
        const others = (yield* reader.read(other, 0, 1_000)).length
        const { length } = yield* reader.read(stream, 0, 1_000)
        expect(length % SIZE).toBe(0)
        expect(others).toBeGreaterThanOrEqual(value)
        expect(length).toBeGreaterThanOrEqual(SIZE * others)
        expect((yield* reader.feed(start, 1_000)).length % (SIZE + 1)).toBe(0)
        expect(new Set((yield* reader.records(key, "", 10)).map((record) => record.value)).size).toBeLessThanOrEqual(1)
        seen = Number(yield* valueOf(reader, key)) || 0
        expect(SIZE * seen).toBeGreaterThanOrEqual(length)
        yield* Effect.yieldNow
      }
    })
    yield* Effect.all([write, read], { concurrency: "unbounded" })
  }),

  check("see a large record as one of them has written it, and never part of it", function* (fixture) {
    const { store, another, name } = fixture
    const reader = yield* another
    const key = name("k")
    const values = ["a", "b"].map((letter) => letter.repeat(2 * 1_024 * 1_024))
    const put = (turn: number) => store.write({ put: [{ key, value: values[turn % 2] ?? "" }] })
    yield* put(0)
    const written = yield* Effect.forkChild(Effect.forEach(upTo(10), put, { discard: true }))
    let isRead = true
    while (isRead) {
      isRead = written.pollUnsafe() === undefined
      // Not as `expect` would print it.
      const value = yield* valueOf(reader, key)
      expect(values.some((one) => one === value)).toBe(true)
      const [listed] = yield* reader.records(key, "", 1)
      expect(values.some((one) => one === listed?.value)).toBe(true)
      yield* Effect.yieldNow
    }
    yield* Fiber.join(written)
  }),

  check(
    "come and go, and leave the others and the store as they are",
    function* ({ store, place, start, name, events }) {
      for (let n = 0; n < 5; n++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const guest = yield* opened(place.open)
            yield* guest.write({ ...append(name("a-1"), events(1), 2 * n), put: [{ key: name(`k/${n}`), value: "1" }] })
          })
        )
        yield* store.write(append(name("a-1"), events(1), 2 * n + 1))
      }
      expect((yield* store.read(name("a-1"), 0, 100)).map(({ position }) => position - start)).toEqual(upTo(10))
      expect(yield* keysOf(store, name("k/"))).toHaveLength(5)
    }
  ),

  check("go with writes on their way, each of which is whole, and there if it was answered", function* (fixture) {
    const { store, place, start, name, events } = fixture
    const batches = upTo(30).map((n) => ({
      ...append(name(`s-${n}`), events(2)),
      put: [{ key: name(`k/${n}`), value: "1" }]
    }))
    const answered = new Set<Batch>()
    const ours = yield* Scope.Scope
    yield* Effect.scoped(
      Effect.gen(function* () {
        const leaving = yield* opened(place.open)
        for (const batch of batches) {
          const written = Effect.tap(leaving.write(batch), () => Effect.sync(() => answered.add(batch)))
          yield* Effect.forkIn(Effect.exit(written), ours)
          if (batches.indexOf(batch) % 10 === 0) yield* leaving.head
        }
      })
    )
    for (const [index, batch] of batches.entries()) {
      const before = yield* valueOf(store, name(`k/${index + 1}`))
      const { length } = yield* store.read(name(`s-${index + 1}`), 0, 10)
      expect(answered.has(batch) || before !== undefined ? [2] : [0, 2]).toContain(length)
      if (length === 2) expect(yield* valueOf(store, name(`k/${index + 1}`))).toBe("1")
    }
    const positions = (yield* feedOf(store, start)).map(({ position }) => position - start)
    expect(positions).toEqual(upTo(positions.length))
  }),

  {
    name: "several openers may open a new store at once",
    run: (place) =>
      Effect.gen(function* () {
        const openers = yield* Effect.all([opened(place.open), opened(place.open), opened(place.open)], {
          concurrency: "unbounded"
        })
        const heads = yield* Effect.forEach(openers, ({ head }) => head)
        expect(new Set(heads).size).toBe(1)
      })
  },

  {
    name: "a store holds everything that was answered after all have closed it, and goes on from there",
    run: (place, seed) =>
      Effect.gen(function* () {
        const name = (name: string) => `r${Math.abs(seed).toString(36)}${name}`
        const [stream, org, key] = [name("a-1"), name("org"), name("k")]
        const eventOf = (id: string) => ({
          ...{ eventId: name(id), type: "Tested", data: { z: "🔑", a: [id] }, at: 1, acceptedAt: 2, orgId: org },
          ...{ principal: { _tag: "Guest" as const }, commandId: name("command") }
        })
        const live = [1, 2, 3].map((n) => eventOf(`event-${n}`))
        const far = Number.MAX_SAFE_INTEGER
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* opened(place.open)
            yield* store.write({ put: [{ key: name("removed"), value: "1" }] })
            yield* store.write({
              ...append(stream, live.slice(0, 2)),
              put: [
                { key, value: "1" },
                { key: name("l"), value: "", until: far },
                { key: name("gone"), value: "1", until: 1 }
              ],
              remove: [name("removed")]
            })
            yield* Effect.flip(
              store.write({ ...append(stream, live.slice(2), 7), put: [{ key: name("never"), value: "1" }] })
            )
            return { feed: yield* feedOf(store, 0, undefined, 1_000), head: yield* store.head }
          })
        )
        for (const turn of [0, 1]) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const store = yield* opened(place.reopen)
              expect(yield* store.head).toBe(before.head + turn)
              expect((yield* feedOf(store, 0, undefined, 1_000)).slice(0, before.head)).toEqual(before.feed)
              expect(yield* feedOf(store, 0, { orgId: org, category: name("a") })).toEqual(
                yield* store.read(stream, 0, 10)
              )
              expect(yield* store.event(name("event-2"))).toMatchObject({ value: { ...live[1], version: 2 } })
              expect(yield* keysOf(store, name(""))).toEqual([key, name("l")])
              expect(yield* valueOf(store, key)).toBe(turn === 0 ? "1" : "2")
              yield* refuses(store, append(name("b-1"), live.slice(0, 1)), { _tag: "EventExists" })
              yield* refuses(store, append(stream, live.slice(2)), {
                _tag: turn === 0 ? "VersionConflict" : "EventExists"
              })
              if (turn === 1) return
              const next = {
                ...append(stream, live.slice(2), 2),
                expect: [{ key, value: "1" }],
                put: [{ key, value: "2" }]
              }
              expect(yield* store.write(next)).toEqual({ position: before.head + 1 })
            })
          )
        }
      })
  }
]
