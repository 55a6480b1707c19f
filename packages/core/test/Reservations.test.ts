/** The two-step append: durable but invisible, in nobody's way longer than it must be, and settled once. */
import { describe, expect, it } from "@effect/vitest"
import { MemoryEventStore } from "@latchkey/core/testing"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { EventStore, type NewEvent } from "../src/streams/EventStore.ts"
import { findReceipt } from "../src/streams/Receipts.ts"
import {
  append,
  commit,
  discard,
  find,
  type Preparing,
  prepare,
  type Reservation,
  release,
  unsettled
} from "../src/streams/Reservations.ts"
import { append as appendPlainly } from "./world.ts"

const THING = "thing-1"
const DAY = 86_400_000

/** Events of a command, as its aggregate names them. */
const eventsOf = (commandId: string, count = 1, at = 0): ReadonlyArray<NewEvent> =>
  Array.from({ length: count }, (_, n) => ({
    eventId: `${commandId}-${n + 1}`,
    type: "Tested",
    data: { n },
    at,
    orgId: "org-1",
    principal: { _tag: "User", userId: "ada" },
    commandId
  }))

const makeStreams = Effect.gen(function* () {
  const store = yield* EventStore
  const content = (streamId: string) =>
    Effect.map(store.read(streamId, 0, 1_000), (events) => events.map(({ eventId }) => eventId))
  return {
    store,
    content,
    append: (
      streamId: string,
      expectedVersion: number,
      commandId: string,
      { count = 1, at = 0, mayPass = false, receipt }: Options = {}
    ) =>
      append(
        store,
        { streamId, expectedVersion, events: eventsOf(commandId, count, at), commandId, receipt },
        () => mayPass
      ),
    prepare: (streamId: string, expectedVersion: number, commandId: string, options: Options = {}) =>
      prepare(store, preparing(streamId, expectedVersion, commandId, options)),
    commit: (reservation: Reservation) => commit(store, reservation),
    discard: (reservation: Reservation) => discard(store, reservation),
    release: (reservation: Reservation) => release(store, reservation),
    find: (commandId: string) => find(store, commandId),
    receipt: (id: string) => Effect.map(findReceipt(store, id), Option.getOrUndefined),
    unsettled: Effect.map(unsettled(store), (open) => open.map(({ commandId, attempt }) => [commandId, attempt]))
  }
})

interface Options {
  readonly count?: number
  readonly at?: number
  readonly mayPass?: boolean
  readonly receipt?: { readonly id: string; readonly fingerprint: string; readonly expiresAt?: number }
}

const preparing = (
  streamId: string,
  expectedVersion: number,
  commandId: string,
  { count = 1, at = 0, receipt }: Options
): Preparing => ({
  streamId,
  expectedVersion,
  events: eventsOf(commandId, count, at),
  commandId,
  receipt,
  thing: THING,
  deadline: 1_000
})

const test = <A, E>(
  sentence: string,
  body: (streams: Effect.Success<typeof makeStreams>) => Effect.Effect<A, E, never>
) =>
  it.effect(sentence, () => Effect.provide(Effect.flatMap(makeStreams, body), MemoryEventStore.layer, { local: true }))

const receipt = { id: "r", fingerprint: "of r" }

describe("a prepared append", () => {
  test("shows nothing of itself until it is committed, and then all of it", (streams) =>
    Effect.gen(function* () {
      const { store, content } = streams
      yield* streams.append("lock-1", 0, "a")
      const reservation = yield* streams.prepare("lock-1", 1, "b", { count: 2, receipt })
      expect(yield* content("lock-1")).toEqual(["a-1"])
      expect(yield* store.head).toBe(1)
      expect(yield* streams.receipt("r")).toBeUndefined()
      expect(yield* streams.find("b")).toEqual({ _tag: "Prepared", reservation })
      const settlement = yield* streams.commit(reservation)
      expect(settlement).toEqual({
        _tag: "Committed",
        streamId: "lock-1",
        version: 3,
        stored: yield* store.read("lock-1", 1, 10)
      })
      expect(yield* content("lock-1")).toEqual(["a-1", "b-1", "b-2"])
      expect(yield* streams.receipt("r")).toEqual({
        fingerprint: "of r",
        streamId: "lock-1",
        firstVersion: 2,
        version: 3
      })
      expect(yield* streams.unsettled).toEqual([])
    }))

  test("is stamped with the time of its commit", (streams) =>
    Effect.gen(function* () {
      const reservation = yield* streams.prepare("lock-1", 0, "a")
      yield* TestClock.setTime(4_711)
      yield* streams.commit(reservation)
      yield* TestClock.setTime(5_000)
      yield* streams.commit(reservation)
      expect((yield* streams.store.read("lock-1", 0, 10)).map(({ acceptedAt }) => acceptedAt)).toEqual([4_711])
    }))

  test("keeps other appends off its stream, and off no other", (streams) =>
    Effect.gen(function* () {
      const reservation = yield* streams.prepare("lock-1", 0, "a")
      const others: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        streams.append("lock-1", 0, "b"),
        streams.append("lock-1", 0, "b", { mayPass: true }),
        streams.append("lock-1", 0, "b", { count: 0, receipt }),
        streams.append("lock-1", 0, "a"),
        streams.prepare("lock-1", 0, "b"),
        streams.prepare("lock-1", 0, "a")
      ]
      for (const other of others)
        expect(yield* Effect.flip(other)).toMatchObject({ _tag: "StreamReserved", reservation })
      yield* streams.append("lock-2", 0, "b")
      yield* streams.prepare("lock-3", 0, "c")
      expect(yield* streams.unsettled).toEqual([
        ["a", 1],
        ["c", 1]
      ])
    }))

  test("is refused at another version, and reserves nothing then", (streams) =>
    Effect.gen(function* () {
      yield* streams.append("lock-1", 0, "a")
      for (const expected of [0, 2]) {
        expect(yield* Effect.flip(streams.prepare("lock-1", expected, "b"))).toMatchObject({
          _tag: "VersionConflict",
          expected,
          actual: 1
        })
      }
      yield* streams.append("lock-1", 1, "c")
    }))

  test("leaves nothing when it is discarded", (streams) =>
    Effect.gen(function* () {
      const reservation = yield* streams.prepare("lock-1", 0, "a", { receipt })
      expect(yield* streams.discard(reservation)).toEqual({ _tag: "Discarded" })
      expect(yield* streams.receipt("r")).toBeUndefined()
      yield* streams.append("lock-1", 0, "b", { receipt })
      expect(yield* streams.content("lock-1")).toEqual(["b-1"])
    }))

  test("once released lets those pass that may, and no other, and comes after them", (streams) =>
    Effect.gen(function* () {
      yield* streams.append("lock-1", 0, "a")
      const reservation = yield* streams.prepare("lock-1", 1, "b", { at: 10, receipt })
      yield* streams.release(reservation)
      yield* streams.release(reservation)
      const released = { _tag: "StreamReserved", reservation: { commandId: "b", released: true } }
      expect(yield* Effect.flip(streams.append("lock-1", 1, "c"))).toMatchObject(released)
      expect(yield* Effect.flip(streams.prepare("lock-1", 1, "c"))).toMatchObject(released)
      yield* streams.append("lock-1", 1, "d", { count: 2, at: 20, mayPass: true })
      expect(yield* Effect.flip(streams.append("lock-1", 1, "e", { mayPass: true }))).toMatchObject({
        _tag: "VersionConflict",
        actual: 3
      })
      // By whoever prepared it, and does not know what has passed it.
      expect(yield* streams.commit(reservation)).toMatchObject({ _tag: "Committed", version: 4 })
      expect(yield* streams.content("lock-1")).toEqual(["a-1", "d-1", "d-2", "b-1"])
      // No earlier than they.
      expect((yield* streams.store.read("lock-1", 0, 10)).map(({ at }) => at)).toEqual([0, 20, 20, 20])
      expect(yield* streams.receipt("r")).toMatchObject({ firstVersion: 4, version: 4 })
      yield* streams.append("lock-1", 4, "f")
    }))

  test("stays as it was settled first, whoever settles it again", (streams) =>
    Effect.gen(function* () {
      const one = yield* streams.prepare("lock-1", 0, "a", { count: 2 })
      yield* streams.commit(one)
      const two = yield* streams.prepare("lock-1", 2, "b")
      yield* streams.discard(two)
      const committed = { _tag: "Committed", streamId: "lock-1", version: 2 }
      for (const again of [streams.commit(one), streams.discard(one), streams.find("a")])
        expect(yield* again).toEqual(committed)
      for (const again of [streams.commit(two), streams.discard(two), streams.find("b"), streams.find("nobody")])
        expect(yield* again).toEqual({ _tag: "Discarded" })
      yield* streams.release(one)
      yield* streams.release(two)
      expect(yield* streams.content("lock-1")).toEqual(["a-1", "a-2"])
      expect(yield* streams.unsettled).toEqual([])
    }))

  test("is in the log for whoever settles it once more when the store has forgotten how it was settled", (streams) =>
    Effect.gen(function* () {
      const one = yield* streams.prepare("lock-1", 0, "a", { count: 2 })
      yield* streams.commit(one)
      const two = yield* streams.prepare("lock-1", 2, "b")
      yield* streams.discard(two)
      yield* TestClock.adjust(2 * DAY)
      expect(yield* streams.find("a")).toEqual({ _tag: "Discarded" })
      for (const again of [streams.commit(one), streams.discard(one)])
        expect(yield* again).toEqual({ _tag: "Committed", streamId: "lock-1", version: 2 })
      for (const again of [streams.commit(two), streams.discard(two)])
        expect(yield* again).toEqual({ _tag: "Discarded" })
    }))

  test("is committed though its receipt was given meanwhile, which stays where it is", (streams) =>
    Effect.gen(function* () {
      const reservation = yield* streams.prepare("lock-1", 0, "a", { receipt })
      yield* streams.append("lock-2", 0, "b", { receipt })
      expect(yield* streams.commit(reservation)).toMatchObject({ _tag: "Committed", version: 1 })
      expect(yield* streams.receipt("r")).toMatchObject({ streamId: "lock-2" })
    }))

  test("is found again as it was written by those before: without the version that it was decided on", (streams) =>
    Effect.gen(function* () {
      const { store } = streams
      yield* streams.append("lock-1", 0, "a", { at: 7 })
      const reservation = { commandId: "b", attempt: 1, thing: THING, deadline: 1, released: false }
      yield* store.write({
        put: [
          { key: "reservation/lock-1", value: JSON.stringify({ ...reservation, events: eventsOf("b") }) },
          { key: "command/b", value: '{"streamId":"lock-1","attempt":1,"state":"prepared"}' }
        ]
      })
      const found = yield* streams.find("b")
      if (found._tag !== "Prepared") return yield* Effect.die("it is prepared")
      expect(yield* streams.commit(found.reservation)).toMatchObject({ version: 2 })
      expect((yield* store.read("lock-1", 1, 1))[0]).toMatchObject({ eventId: "b-1", at: 7 })
    }))

  test("counts as discarded where there is nothing to commit: its stream is free, or another's", (streams) =>
    Effect.gen(function* () {
      yield* streams.store.write({
        put: [{ key: "command/a", value: '{"streamId":"lock-1","attempt":1,"state":"prepared"}' }]
      })
      expect(yield* streams.find("a")).toEqual({ _tag: "Discarded" })
      yield* streams.prepare("lock-1", 0, "b")
      expect(yield* streams.find("a")).toEqual({ _tag: "Discarded" })
    }))

  test("that cannot be read says so, nobody passes it, and it holds up no other", (streams) =>
    Effect.gen(function* () {
      yield* streams.store.write({ put: [{ key: "reservation/lock-1", value: "from the future" }] })
      yield* streams.prepare("lock-2", 0, "a")
      expect(yield* Effect.flip(streams.append("lock-1", 0, "b", { mayPass: true }))).toMatchObject({
        _tag: "StoreUnavailable",
        message: expect.stringContaining("update this server")
      })
      expect(yield* streams.unsettled).toEqual([["a", 1]])
    }))
})

describe("a command id", () => {
  const refused = { _tag: "CommandExists", commandId: "a" }

  test("counts once, for plain and prepared appends alike, on whatever stream", (streams) =>
    Effect.gen(function* () {
      const reservation = yield* streams.prepare("lock-1", 0, "a")
      expect(yield* Effect.flip(streams.append("lock-2", 0, "a"))).toMatchObject(refused)
      expect(yield* Effect.flip(streams.prepare("lock-2", 7, "a"))).toMatchObject(refused)
      yield* streams.commit(reservation)
      // Also after it is forgotten how it was settled.
      for (const time of [0, 2 * DAY]) {
        yield* TestClock.setTime(time)
        for (const [stream, version] of [
          ["lock-1", 1],
          ["lock-2", 0]
        ] as const) {
          expect(yield* Effect.flip(streams.append(stream, version, "a"))).toMatchObject(refused)
          expect(yield* Effect.flip(streams.prepare(stream, version, "a"))).toMatchObject(refused)
        }
        expect(yield* streams.unsettled).toEqual([])
      }
      yield* streams.append("lock-2", 0, "b")
      expect(yield* Effect.flip(streams.prepare("lock-1", 1, "b"))).toMatchObject({ ...refused, commandId: "b" })
      yield* streams.append("lock-1", 1, "c")
    }))

  test("may be prepared again, or used otherwise, when what was prepared was discarded", (streams) =>
    Effect.gen(function* () {
      yield* streams.discard(yield* streams.prepare("lock-1", 0, "a"))
      const second = yield* streams.prepare("lock-2", 0, "a")
      expect(second.attempt).toBe(2)
      yield* streams.discard(second)
      yield* streams.append("lock-1", 0, "a")
      expect(yield* Effect.flip(streams.prepare("lock-2", 0, "a"))).toMatchObject(refused)
      expect(yield* streams.unsettled).toEqual([])
    }))

  test("has attempts that are told apart: evidence of one says nothing of another", (streams) =>
    Effect.gen(function* () {
      const first = yield* streams.prepare("lock-1", 0, "a")
      yield* streams.discard(first)
      const second = yield* streams.prepare("lock-1", 0, "a", { count: 2 })
      // What was learned of the first attempt comes late.
      expect(yield* streams.discard(first)).toEqual({ _tag: "Discarded" })
      expect(yield* streams.commit(first)).toEqual({ _tag: "Discarded" })
      yield* streams.release(first)
      expect(yield* streams.find("a")).toEqual({ _tag: "Prepared", reservation: second })
      expect(yield* streams.commit(second)).toMatchObject({ _tag: "Committed", version: 2 })
      expect(yield* streams.commit(first)).toEqual({ _tag: "Discarded" })
      expect(yield* streams.content("lock-1")).toEqual(["a-1", "a-2"])
    }))

  test("that its log has already is committed where it is, when its writer could not see that in time", (streams) =>
    Effect.gen(function* () {
      yield* streams.append("lock-1", 0, "a", { count: 2 })
      yield* streams.append("lock-1", 2, "b")
      const reservation = yield* streams.prepare("lock-1", 3, "c", { count: 2 })
      const stopped = { ...reservation, events: eventsOf("a", 2) }
      expect(yield* streams.commit(stopped)).toEqual({ _tag: "Committed", streamId: "lock-1", version: 2 })
      expect(yield* streams.content("lock-1")).toEqual(["a-1", "a-2", "b-1"])
      expect(yield* streams.unsettled).toEqual([])
    }))

  test("that something else has used while it was prepared is in the log all the same", (streams) =>
    Effect.gen(function* () {
      const reservation = yield* streams.prepare("lock-1", 0, "a", { count: 2 })
      yield* appendPlainly(streams.store, "other-1", 0, eventsOf("a"))
      expect(yield* streams.commit(reservation)).toMatchObject({ _tag: "Committed", version: 2 })
      expect(yield* streams.content("lock-1")).toHaveLength(2)
    }))

  test("is free again a day after it was discarded, from the first attempt on", (streams) =>
    Effect.gen(function* () {
      yield* streams.discard(yield* streams.prepare("lock-1", 0, "a"))
      yield* TestClock.setTime(DAY + 1)
      expect((yield* streams.prepare("lock-1", 0, "a")).attempt).toBe(1)
    }))
})

describe("a receipt", () => {
  test("is given once, and is looked at before anything else", (streams) =>
    Effect.gen(function* () {
      yield* streams.append("lock-1", 0, "a", { receipt })
      yield* streams.prepare("lock-2", 0, "b")
      const again = { receipt: { ...receipt, fingerprint: "another" } }
      const refused: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        streams.append("lock-1", 7, "c", again),
        streams.append("lock-2", 0, "b", again),
        streams.append("lock-3", 0, "a", { ...again, count: 0 }),
        streams.prepare("lock-2", 0, "c", again),
        streams.prepare("lock-3", 0, "a", again)
      ]
      for (const call of refused) expect(yield* Effect.flip(call)).toMatchObject({ _tag: "ReceiptExists", id: "r" })
      expect(yield* streams.receipt("r")).toMatchObject({ streamId: "lock-1", firstVersion: 1, version: 1 })
    }))

  test("is also given for a command that changed nothing, at the version that it was decided on", (streams) =>
    Effect.gen(function* () {
      yield* streams.append("lock-1", 0, "a")
      expect(yield* Effect.flip(streams.append("lock-1", 0, "b", { count: 0, receipt }))).toMatchObject({
        _tag: "VersionConflict"
      })
      yield* streams.append("lock-1", 1, "b", { count: 0, receipt })
      expect(yield* streams.receipt("r")).toMatchObject({ firstVersion: 2, version: 1 })
    }))

  test("ends when it says so, and its id is then free", (streams) =>
    Effect.gen(function* () {
      const ending = { ...receipt, expiresAt: 1_000 }
      yield* streams.append("lock-1", 0, "a", { receipt: ending })
      expect(yield* Effect.flip(streams.append("lock-1", 1, "b", { receipt }))).toMatchObject({ _tag: "ReceiptExists" })
      yield* TestClock.setTime(1_000)
      expect(yield* streams.receipt("r")).toBeUndefined()
      const lasting = yield* streams.prepare("lock-1", 1, "b", { receipt: { ...receipt, expiresAt: 9_000 } })
      yield* streams.commit(lasting)
      yield* TestClock.setTime(8_999)
      expect(yield* streams.receipt("r")).toMatchObject({ firstVersion: 2 })
      yield* TestClock.setTime(9_000)
      expect(yield* streams.receipt("r")).toBeUndefined()
    }))
})

it("is one call of the store for an append, and two writes for a device command", async () => {
  const calls: Array<string> = []
  const counted = Effect.gen(function* () {
    const store = yield* EventStore
    return EventStore.of({
      ...store,
      write: (batch) => {
        calls.push(`write${batch.put === undefined ? "" : " with records"}`)
        return store.write(batch)
      },
      record: (key) => {
        calls.push("record")
        return store.record(key)
      },
      read: (...args) => {
        calls.push("read")
        return store.read(...args)
      }
    })
  })
  await Effect.runPromise(
    Effect.gen(function* () {
      const streams = yield* Effect.provideServiceEffect(makeStreams, EventStore, counted)
      yield* streams.append("lock-1", 0, "a")
      expect(calls.splice(0)).toEqual(["write"])
      yield* streams.commit(yield* streams.prepare("lock-1", 1, "b"))
      expect(calls.splice(0)).toEqual(["write with records", "write with records"])
    }).pipe(Effect.provide(MemoryEventStore.layer))
  )
})
