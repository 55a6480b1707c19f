/** The feed: one gapless order over all streams, whole or for a category or an organization. */
import { expect } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import type { FeedFilter } from "../../streams/EventStore.ts"
import { append, asStored, casesOf, feedOf, idsOf, refuses, upTo } from "./fixture.ts"

const check = casesOf("the feed")

export const feedCases = [
  check("begins at position 1, and its head is the position of the newest event", function* (fixture) {
    const { store, start, name, events } = fixture
    const [first] = yield* store.feed(0, 1)
    expect(first?.position).toBe(start === 0 ? undefined : 1)
    expect(yield* store.feed(start, 10)).toEqual([])
    expect(yield* store.write(append(name("a-1"), events(2)))).toEqual({ position: start + 2 })
    expect(yield* store.head).toBe(start + 2)
    expect((yield* store.feed(0, 1)).map(({ position }) => position)).toEqual([1])
    expect((yield* store.feed(start, 10)).map(({ position }) => position)).toEqual([start + 1, start + 2])
  }),

  check("holds all streams in the order of their writes, and a refused one leaves no gap", function* (fixture) {
    const { store, start, name, events } = fixture
    const [a, b] = [name("a-1"), name("b-1")]
    const [one, two, three] = [events(2), events(1), events(2)]
    yield* store.write(append(a, one))
    yield* store.write(append(b, two))
    yield* refuses(store, append(b, events(4)), { _tag: "VersionConflict" })
    yield* refuses(store, append(b, [...events(4), ...one], 1), { _tag: "EventExists" })
    yield* refuses(
      store,
      { ...append(b, events(4), 1), expect: [{ key: name("k"), value: "1" }] },
      { _tag: "RecordConflict" }
    )
    expect(yield* store.write(append(a, three, 2))).toEqual({ position: start + 5 })
    expect(yield* store.feed(start, 10)).toEqual([
      ...asStored(one, a, start + 1),
      ...asStored(two, b, start + 3),
      ...asStored(three, a, start + 4, 3)
    ])
  }),

  check("is read in pages, with `limit` events at most", function* ({ store, start, name, events }) {
    yield* store.write(append(name("a-1"), events(10)))
    const steps = (after: number, limit: number, filter?: FeedFilter) =>
      Effect.map(store.feed(start + after, limit, filter), (page) => page.map(({ position }) => position - start))
    for (const filter of [
      undefined,
      {},
      { category: name("a") },
      { orgId: "org-1" },
      { category: name("a"), orgId: "org-1" }
    ]) {
      expect(yield* steps(0, 4, filter)).toEqual([1, 2, 3, 4])
      expect(yield* steps(4, 4, filter)).toEqual([5, 6, 7, 8])
      expect(yield* steps(8, 4, filter)).toEqual([9, 10])
      expect(yield* steps(0, 10, filter)).toEqual(upTo(10))
      expect(yield* steps(10, 4, filter)).toEqual([])
      expect(yield* steps(99, 4, filter)).toEqual([])
      expect(yield* steps(0, 0, filter)).toEqual([])
    }
  }),

  check("gives a category and no other, however alike they are", function* ({ store, start, name, event }) {
    const ids = [
      "lock-1",
      "lock",
      "locks-1",
      "loc-1",
      "lock_a-1",
      "lock%-1",
      "LOCK-1",
      "lock-lock-2",
      "lock-",
      "lock -1",
      "l-lock-1"
    ]
    for (const id of ids) yield* store.write(append(name(id), [event({ data: { id } })]))
    const found = (category: string) =>
      Effect.map(feedOf(store, start, { category: name(category) }, 3), (page) => page.map(({ data }) => data["id"]))
    expect(yield* found("lock")).toEqual(["lock-1", "lock", "lock-lock-2", "lock-"])
    expect(yield* found("locks")).toEqual(["locks-1"])
    expect(yield* found("loc")).toEqual(["loc-1"])
    expect(yield* found("lock_a")).toEqual(["lock_a-1"])
    expect(yield* found("loc_")).toEqual([])
    expect(yield* found("lock%")).toEqual(["lock%-1"])
    expect(yield* found("LOCK")).toEqual(["LOCK-1"])
    expect(yield* found("lock ")).toEqual(["lock -1"])
    expect(yield* found("Lock")).toEqual([])
    expect(yield* found("lock-")).toEqual([])
    expect(yield* found("lock-1")).toEqual([])
    expect(yield* found("nobody")).toEqual([])
  }),

  check("gives what happened for an organization, or for none, and nothing else", function* (fixture) {
    const { store, start, name, event } = fixture
    const orgs = ["org", "org-1", "ORG", "org ", "org%", "or_", "", "🔑", "org\\", "null"].map((org) =>
      org === "" ? "" : name(org)
    )
    for (const [index, orgId] of orgs.entries()) {
      const batch = [event({ orgId }), event({ orgId: "another" }), event({ orgId })]
      yield* store.write(append(name(`${index % 2 === 0 ? "a" : "b"}-${index}`), batch))
    }
    const positions = (filter: FeedFilter) =>
      Effect.map(feedOf(store, start, filter, 2), (page) => page.map(({ position }) => position - start))
    for (const [index, orgId] of orgs.entries()) {
      const both = [3 * index + 1, 3 * index + 3]
      expect(yield* positions({ orgId })).toEqual(both)
      expect(yield* positions({ orgId, category: name("a") })).toEqual(index % 2 === 0 ? both : [])
      expect(yield* positions({ orgId, category: name("b") })).toEqual(index % 2 === 0 ? [] : both)
    }
    expect(yield* positions({ orgId: name("nobody") })).toEqual([])
    expect(yield* positions({ orgId: name("nobody"), category: name("a") })).toEqual([])
    expect(yield* positions({ orgId: "another" })).toEqual(orgs.map((_, index) => 3 * index + 2))
    expect(yield* positions({})).toEqual(upTo(3 * orgs.length))
  }),

  check("counts only what its filter lets through, and goes on after any position", function* (fixture) {
    const { store, start, name, event } = fixture
    // One in five is wanted; every seventh of all is for another organization.
    for (let n = 0; n < 40; n++) {
      const id = name(n % 5 === 2 ? `few-${n}` : `many-${n}`)
      yield* store.write(append(id, [event({ orgId: name(n % 7 === 0 ? "other" : "org") })]))
    }
    const wanted = upTo(40).filter((position) => (position - 1) % 5 === 2)
    for (const after of [0, 2, 3, 4, 12, 13, 37, 38, 40]) {
      for (const limit of [1, 2, 5, 100]) {
        const page = yield* store.feed(start + after, limit, { category: name("few") })
        const expected = wanted.filter((position) => position > after).slice(0, limit)
        expect(page.map(({ position }) => position - start)).toEqual(expected)
        const ours = yield* store.feed(start + after, limit, { category: name("few"), orgId: name("org") })
        expect(ours.map(({ position }) => position - start)).toEqual(
          wanted.filter((position) => position > after && (position - 1) % 7 !== 0).slice(0, limit)
        )
      }
    }
  }),

  check("finds an event by its id, and by no other", function* ({ store, start, name, event, events }) {
    const [first, second] = [events(2), [event({ eventId: name("Event") })]]
    yield* store.write(append(name("a-1"), first))
    yield* store.write(append(name("b-1"), second))
    for (const stored of [...asStored(first, name("a-1"), start + 1), ...asStored(second, name("b-1"), start + 3)]) {
      expect(yield* store.event(stored.eventId)).toMatchObject({ _tag: "Some", value: stored })
    }
    for (const id of ["nobody", "event", "EVENT", "Event ", "Even", "Even_", "%"]) {
      expect((yield* store.event(name(id)))._tag).toBe("None")
    }
  }),

  check("shows a reader every position once and in order, while several openers write", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const openers = [store, yield* another, yield* another]
    const reader = yield* another
    const [WRITERS, WRITES, SIZE] = [9, 6, 3]
    const write = (writer: number) =>
      Effect.forEach(upTo(WRITES), (n) =>
        (openers[writer % openers.length] ?? store)
          .write(append(name(`w-${writer}`), events(SIZE), SIZE * (n - 1)))
          .pipe(Effect.andThen(Effect.yieldNow))
      )
    const all = WRITERS * WRITES * SIZE
    const seen: Array<number> = []
    const follow = Effect.gen(function* () {
      while (seen.length < all) {
        const page = yield* reader.feed(start + seen.length, 5)
        // A position that is seen has all positions before it: what comes later, comes behind it.
        seen.push(...page.map(({ position }) => position - start))
        expect(seen).toEqual(upTo(seen.length))
        const head = (yield* reader.head) - start
        expect(head).toBeGreaterThanOrEqual(seen.length)
        yield* Effect.yieldNow
      }
    })
    yield* Effect.all([follow, Effect.forEach(upTo(WRITERS), write, { concurrency: "unbounded" })], {
      concurrency: "unbounded"
    })
    const stored = yield* feedOf(reader, start)
    for (const writer of upTo(WRITERS)) {
      const own = stored.filter(({ streamId }) => streamId === name(`w-${writer}`))
      expect(own.map(({ version }) => version)).toEqual(upTo(WRITES * SIZE))
      expect(yield* reader.read(name(`w-${writer}`), 0, 100)).toEqual(own)
    }
    // A filter's readers miss nothing either.
    expect(idsOf(yield* feedOf(reader, start, { category: name("w") }))).toEqual(idsOf(stored))
  }),

  check("gives all that comes after a position to who follows its changes", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const [before, after, later] = [events(5), events(4), events(3)]
    yield* store.write(append(name("a-1"), before))
    yield* store.write(append(name("a-1"), after, 5))
    let position = start + 5
    const reader = yield* store.changes.pipe(
      Stream.mapEffect(() => feedOf(store, position)),
      Stream.flatMap(Stream.fromIterable),
      Stream.tap((event) => Effect.sync(() => (position = event.position))),
      Stream.take(7),
      Stream.runCollect,
      Effect.forkChild
    )
    yield* (yield* another).write(append(name("b-1"), later))
    expect(idsOf(yield* Fiber.join(reader))).toEqual(idsOf([...after, ...later]))
  })
]
