/** Random batches, with the store in memory as a second witness of what they do. */
import { expect } from "@effect/vitest"
import { Clock, Effect, Exit, Random } from "effect"
import { make as makeMemory } from "../../memory/MemoryEventStore.ts"
import type { Batch, FeedFilter, NewEvent } from "../../streams/EventStore.ts"
import { type CaseBody, casesOf, feedOf, type Store, upTo } from "./fixture.ts"

const check = casesOf("random batches")

const STREAMS = ["lock-1", "lock-2", "locks-1", "lock", "loc-1"]
const KEYS = ["a", "a/", "a/1", "a/2", "b%", "🔑"]
const ORGS = ["", "org-1", "org-10"]
const HOUR = 3_600_000

/** Draws what a case needs, over names of its own. */
const drawing = ({ name, event }: Parameters<CaseBody>[0], random: typeof Random.Random.Service, now: number) => {
  const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
  const one = <A>(items: ReadonlyArray<A>): A => items[below(items.length)] as A
  const some = <A>(most: number, draw: () => A): ReadonlyArray<A> => Array.from({ length: below(most + 1) }, draw)
  const made: Array<NewEvent> = []

  const newEvent = (): NewEvent => {
    // Now and then one that may be there already.
    if (made.length > 0 && below(12) === 0) return one(made)
    const fresh = event({ orgId: one(ORGS), data: { n: below(1_000), text: one(["", "x", "🔑"]) } })
    made.push(fresh)
    return fresh
  }

  const key = () => name(one(KEYS))
  const value = () => one(["", "1", "2"])

  /** Mostly one that is taken: `versions` and `values` are what the store then holds. */
  const batch = (versions: ReadonlyMap<string, number>, values: ReadonlyMap<string, string>): Batch => {
    const next = new Map(versions)
    const appends = some(3, () => {
      const streamId = name(one(STREAMS))
      const version = next.get(streamId) ?? 0
      const events = some(3, newEvent)
      next.set(streamId, version + events.length)
      return { streamId, expectedVersion: below(10) === 0 ? version + below(3) - 1 : version, events }
    })
    const expected = some(2, () => {
      const of = key()
      return { key: of, value: below(5) === 0 ? one([undefined, "", "1"]) : values.get(of) }
    })
    const changed = [...new Set(some(3, key))]
    const removed = changed.filter(() => below(3) === 0)
    const put = changed
      .filter((of) => !removed.includes(of))
      .map((of) => ({ key: of, value: value(), ...one([{}, {}, { until: now - HOUR }, { until: now + 24 * HOUR }]) }))
    return { expect: expected, append: appends, put, remove: removed, imported: below(25) === 0 }
  }

  const filter = (): FeedFilter => ({
    ...(below(2) === 0 && { category: name(one(["lock", "locks", "loc", "l"])) }),
    ...(below(2) === 0 && { orgId: one(ORGS) })
  })

  return { below, one, batch, key, filter, eventId: () => (made.length > 0 ? one(made).eventId : name("nobody")) }
}

/** A random source of its own, and the memory of what the store should hold; positions there are those here less `start`. */
const witnessed = Effect.fnUntraced(function* (fixture: Parameters<CaseBody>[0]) {
  const random = yield* Random.Random.pipe(Random.withSeed(fixture.seed))
  return { witness: makeMemory(), draw: drawing(fixture, random, yield* Clock.currentTimeMillis) }
})

export const propertyCases = [
  check("do what they do in memory, through whichever opener", function* (fixture) {
    const { store, another, start, name } = fixture
    const openers = [store, yield* another]
    const { witness, draw } = yield* witnessed(fixture)
    const at = <A extends { readonly position: number }>(answers: ReadonlyArray<A>) =>
      answers.map((answer) => ({ ...answer, position: answer.position + start }))
    const inside = new Set(STREAMS.map(name))

    for (let step = 0; step < 150; step++) {
      const [versions, values] = [new Map<string, number>(), new Map<string, string>()]
      for (const id of inside) versions.set(id, (yield* witness.read(id, 0, 1_000)).length)
      for (const { key, value } of yield* witness.records(name(""), "", 100)) values.set(key, value)
      const batch = draw.batch(versions, values)
      const told = `step ${step}: ${JSON.stringify(batch)}`
      const [ours, theirs] = [
        yield* Effect.exit(draw.one(openers).write(batch)),
        yield* Effect.exit(witness.write(batch))
      ]
      if (Exit.isSuccess(theirs)) expect(ours, told).toEqual(Exit.succeed({ position: theirs.value.position + start }))
      else expect({ ...(yield* Effect.flip(ours)) }, told).toEqual({ ...(yield* Effect.flip(theirs)) })

      const [opener, after, limit, filter] = [draw.one(openers), draw.below(12), draw.below(8), draw.filter()]
      const page = (yield* opener.feed(start + after, limit, filter)).filter(({ streamId }) => inside.has(streamId))
      expect(page, told).toEqual(at(yield* witness.feed(after, limit, filter)))
      const stream = name(draw.one(STREAMS))
      expect(yield* opener.read(stream, after, limit), told).toEqual(at(yield* witness.read(stream, after, limit)))
      const [prefix, from] = [draw.key(), draw.one(["", draw.key()])]
      expect(yield* opener.records(prefix, from, limit), told).toEqual(yield* witness.records(prefix, from, limit))
      const key = draw.key()
      expect(yield* opener.record(key), told).toEqual(yield* witness.record(key))
      const id = draw.eventId()
      const [found, expected] = [yield* opener.event(id), yield* witness.event(id)]
      expect(found._tag, told).toBe(expected._tag)
      if (found._tag === "Some" && expected._tag === "Some") expect(found.value, told).toEqual(at([expected.value])[0])
      expect(yield* opener.head, told).toBe(start + (yield* witness.head))
    }
  }),

  check("that are written at once do what they do one after the other, in the order of the feed", function* (fixture) {
    const { store, another, start, name, event } = fixture
    const openers = [store, yield* another, yield* another]
    const { witness, draw } = yield* witnessed(fixture)
    const written: Array<{ readonly batch: Batch; readonly position: number }> = []

    const write = (opener: Store) =>
      Effect.gen(function* () {
        const [versions, values] = [new Map<string, number>(), new Map<string, string>()]
        for (const id of STREAMS.map(name)) versions.set(id, (yield* opener.read(id, 0, 1_000)).length)
        for (const { key, value } of yield* opener.records(name(""), "", 100)) values.set(key, value)
        const drawn = draw.batch(versions, values)
        // Each has an event, by which its place among the others is known; and a record that all of them change.
        const [streamId, key] = [name(`own-${written.length}-${draw.below(1e9)}`), name("a")]
        const batch: Batch = {
          ...drawn,
          append: [...(drawn.append ?? []), { streamId, expectedVersion: 0, events: [event()] }],
          expect: [...(drawn.expect ?? []), { key, value: values.get(key) }]
        }
        yield* Effect.yieldNow
        const answer = yield* Effect.exit(opener.write(batch))
        if (Exit.isSuccess(answer)) written.push({ batch, position: answer.value.position })
        else expect((yield* Effect.flip(answer))._tag).not.toBe("StoreUnavailable")
      })
    yield* Effect.forEach(upTo(90), (n) => write(openers[n % 3] ?? store), { concurrency: 9, discard: true })

    expect(written.length).toBeGreaterThan(5)
    for (const { batch, position } of written.toSorted((one, other) => one.position - other.position)) {
      expect(yield* witness.write(batch), JSON.stringify(batch)).toEqual({ position: position - start })
    }
    expect(yield* feedOf(store, start)).toEqual(
      (yield* feedOf(witness, 0)).map((stored) => ({ ...stored, position: stored.position + start }))
    )
    expect(yield* store.records(name(""), "", 100)).toEqual(yield* witness.records(name(""), "", 100))
  })
]
