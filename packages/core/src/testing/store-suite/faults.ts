/** Connections that are lost: what was answered holds, what failed is whole or not there, and nothing is sent twice. */
import { expect } from "@effect/vitest"
import { Clock, Effect, Fiber, Queue, Schedule, Stream } from "effect"
import type { Batch } from "../../streams/EventStore.ts"
import { clockPast } from "../clockPast.ts"
import {
  append,
  type CaseBody,
  casesOf,
  feedOf,
  idsOf,
  type Store,
  type StoreFaults,
  upTo,
  valueOf
} from "./fixture.ts"

const failing = casesOf("a lost answer", "failNextWrite")
const dropping = casesOf("a lost connection", "dropConnections")

const fault = <K extends keyof StoreFaults>(place: Parameters<CaseBody>[0]["place"], hook: K) => {
  const found = place.faults?.[hook]
  return found === undefined ? expect.fail(`The store offers no ${hook}.`) : found
}

/** Ends all connections, of which there is one at least. */
const drop = Effect.fnUntraced(function* (place: Parameters<CaseBody>[0]["place"]) {
  const ended = yield* fault(place, "dropConnections")
  if (!(ended > 0))
    expect.fail(`dropConnections must answer how many connections it has ended: at least one, and not ${ended}.`)
})

/** Until the store answers again. */
const again = <A, E extends { readonly _tag: string }>(asked: Effect.Effect<A, E>) =>
  Effect.retry(asked, { while: ({ _tag }) => _tag === "StoreUnavailable", schedule: Schedule.spaced(10), times: 1_000 })

const outcome = (store: Store, batch: Batch) =>
  Effect.match(store.write(batch), {
    onSuccess: () => "Written",
    onFailure: (error) => {
      // It is the operator who reads it.
      if (error._tag === "StoreUnavailable") expect(error.message).not.toBe("")
      return error._tag
    }
  })

export const faultCases = [
  failing("before a write was carried out leaves nothing of it", function* (fixture) {
    const { place, store, another, start, name, events } = fixture
    const second = yield* another
    const batch = { ...append(name("a-1"), events(2)), put: [{ key: name("k"), value: "1" }] }
    yield* fault(place, "failNextWrite")("before")
    expect(yield* outcome(store, batch)).toBe("StoreUnavailable")
    expect(yield* again(second.head)).toBe(start)
    expect(yield* again(valueOf(second, name("k")))).toBe(undefined)
    // Its caller decides, and may send it again.
    expect(yield* again(store.write(batch))).toEqual({ position: start + 2 })
    expect(yield* again(second.head)).toBe(start + 2)
  }),

  failing("after a write was carried out is no refusal: it is there, once", function* (fixture) {
    const { place, store, another, start, name, events } = fixture
    const second = yield* another
    const [stream, key] = [name("a-1"), name("k")]
    for (const version of [0, 2, 4]) {
      const value = version === 0 ? undefined : String(version)
      const batch: Batch = {
        ...append(stream, events(2), version),
        expect: [{ key, value }],
        put: [{ key, value: String(version + 2) }]
      }
      yield* fault(place, "failNextWrite")("after")
      // Who finds out that it was carried out may say so. Who sends it again is told of a conflict with itself.
      expect(["StoreUnavailable", "Written"]).toContain(yield* outcome(store, batch))
      for (const opener of [store, second]) {
        expect(yield* again(opener.head)).toBe(start + version + 2)
        expect(yield* again(valueOf(opener, key))).toBe(String(version + 2))
        expect(yield* again(opener.read(stream, version, 10))).toHaveLength(2)
      }
    }
    // Not even where sending it again would be taken.
    yield* fault(place, "failNextWrite")("after")
    yield* outcome(store, { put: [{ key, value: "first" }] })
    yield* again(second.write({ put: [{ key, value: "second" }] }))
    // Not later either, when the connection is there again.
    yield* clockPast((yield* Clock.currentTimeMillis) + 50)
    expect(yield* again(valueOf(store, key))).toBe("second")
  }),

  ...(["before", "after"] as const).map((when) =>
    failing(`${when} one of many writes leaves each of them whole, and true to its answer`, function* (fixture) {
      const { place, store, another, start, name, events } = fixture
      const openers = [store, yield* another]
      const batches = upTo(40).map((n) => ({
        ...append(name(`s-${n}`), events(3)),
        put: [{ key: name(`k/${n}`), value: "1" }]
      }))
      yield* fault(place, "failNextWrite")(when)
      const outcomes = yield* Effect.forEach(batches, (batch, n) => outcome(openers[n % 2] ?? store, batch), {
        concurrency: "unbounded"
      })
      expect(outcomes.filter((one) => one !== "Written" && one !== "StoreUnavailable")).toEqual([])
      for (const [index, one] of outcomes.entries()) {
        const stored = yield* again(store.read(name(`s-${index + 1}`), 0, 10))
        const whole = idsOf(batches[index]?.append?.[0]?.events ?? [])
        expect(one === "Written" || stored.length > 0 ? whole : []).toEqual(idsOf(stored))
        expect(yield* again(valueOf(store, name(`k/${index + 1}`)))).toBe(stored.length > 0 ? "1" : undefined)
      }
      const positions = (yield* again(feedOf(store, start))).map(({ position }) => position - start)
      expect(positions).toEqual(upTo(positions.length))
      // The store goes on.
      for (const opener of openers)
        yield* again(opener.write(append(name("next-1"), events(1), openers.indexOf(opener))))
    })
  ),

  dropping("is made again, and what was answered is there", function* ({ place, store, another, start, name, events }) {
    const openers = [store, yield* another]
    for (const turn of [0, 1, 2]) {
      yield* again(
        store.write({ ...append(name("a-1"), events(1), turn), put: [{ key: name("k"), value: String(turn) }] })
      )
      yield* drop(place)
      for (const opener of openers) {
        expect(yield* again(opener.head)).toBe(start + turn + 1)
        expect(yield* again(valueOf(opener, name("k")))).toBe(String(turn))
        expect(yield* again(opener.feed(start, 10))).toHaveLength(turn + 1)
      }
    }
  }),

  dropping("under load takes nothing with it that was answered, and doubles nothing", function* (fixture) {
    const { place, store, another, start, name, events } = fixture
    const openers = [store, yield* another]
    const answered: Array<string> = []
    const write = (writer: number) =>
      Effect.forEach(
        upTo(20),
        (n) =>
          Effect.gen(function* () {
            const batch = events(2)
            const one = yield* outcome(openers[writer % 2] ?? store, append(name(`w-${writer}-${n}`), batch))
            expect(["Written", "StoreUnavailable"]).toContain(one)
            if (one === "Written") answered.push(...idsOf(batch))
            yield* Effect.yieldNow
          }),
        { discard: true }
      )
    const load = yield* Effect.forkChild(Effect.forEach(upTo(6), write, { concurrency: "unbounded", discard: true }))
    yield* again(store.head)
    yield* drop(place)
    yield* again(store.head)
    yield* drop(place)
    yield* Fiber.join(load)
    const feed = yield* again(feedOf(store, start))
    expect(feed.map(({ position }) => position - start)).toEqual(upTo(feed.length))
    const ids = idsOf(feed)
    expect(new Set(ids).size).toBe(ids.length)
    expect(answered.filter((id) => !ids.includes(id))).toEqual([])
    for (const n of ids.keys()) if (n % 2 === 0) expect(feed[n + 1]?.streamId).toBe(feed[n]?.streamId)
  }),

  dropping("does not silence the hint of changes for who asks for it again", function* (fixture) {
    const { place, store, another, start, name, events } = fixture
    const heard = yield* Queue.unbounded<number>()
    const hears = Effect.fnUntraced(function* (head: number) {
      while ((yield* Queue.take(heard)) < head);
    })
    yield* store.changes.pipe(
      Stream.retry(Schedule.spaced(10)),
      Stream.runForEach((head) => Queue.offer(heard, head)),
      Effect.forkScoped
    )
    yield* hears(start)
    yield* drop(place)
    yield* again((yield* another).write(append(name("a-1"), events(1))))
    yield* hears(start + 1)
    yield* again(store.write(append(name("a-1"), events(1), 1)))
    yield* hears(start + 2)
  })
]
