/** Locks as lists show them: what is found, in which order, page by page. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Record } from "effect"
import fc from "fast-check"
import type { LockEvent } from "../src/lock/LockEvent.ts"
import { ATTENTION } from "../src/read-model/LockConditions.ts"
import { isPlaceOf, type ListFilter, lockList, type Whose } from "../src/read-model/LockList.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { about, created, emptyModel, feedOf, fill } from "./lockFeeds.ts"

const NOW = Date.parse("2026-01-02T00:00:00.000Z")
const uuidOf = (lockId: number) => `0b0e8400-e29b-41d4-a716-${String(446655440000 + lockId)}`

const lock = (lockId: number, name?: string, address?: string): ReadonlyArray<LockEvent> => [
  created(lockId, { uuid: uuidOf(lockId), orgId: "hotel" }),
  ...(name === undefined
    ? []
    : [{ _tag: "LockDescribed", ...about(lockId), name, ...(address && { address }), ignorable: true } as const])
]

const listOf = Effect.fnUntraced(function* (feed: ReadonlyArray<StoredEvent>) {
  const model = yield* emptyModel
  // Event by event: each changes rows that are there.
  for (const n of feed.keys()) yield* fill(model, feed.slice(0, n + 1))
  const { page } = lockList(model)
  /** All pages of this size, one behind the other. */
  return Effect.fnUntraced(function* (
    filter: ListFilter,
    { limit = 2, whose = "all" as Whose, only = undefined as ReadonlyArray<number> | undefined } = {}
  ) {
    const found: Array<number> = []
    let after: string | undefined = ""
    while (after !== undefined) {
      const { rows, next }: Effect.Success<ReturnType<typeof page>> = yield* page(whose, filter, {
        ...{ after, limit, now: NOW, only }
      })
      found.push(...rows.map(({ lock }) => lock.lockId))
      after = next
    }
    return found
  })
})

const rooms = [
  ...lock(1, "Room 2", "Harbour Street 1, Piraeus"),
  ...lock(2, "Room 10", "Harbour Street 1, Piraeus"),
  ...lock(12, "Café — Büro"),
  ...lock(120),
  ...lock(7, "Ärztehaus, Tür 2")
]
const hotel = feedOf(...rooms)

describe("what is searched for", () => {
  it.effect.each<[string, ReadonlyArray<number>]>([
    ["room", [2, 1]],
    ["ROOM 1", [2]],
    ["room 2", [1]],
    ["12", [12, 120]],
    ["2", [1, 2, 7]],
    ["cafe", [12]],
    ["café buro", [12]],
    ["buro", [12]],
    ["arztehaus", [7]],
    ["harb", [1, 2]],
    ["street 1 pir", [1, 2]],
    ["0b0e8400-E29B", [1, 2, 7, 12, 120]],
    [uuidOf(7), [7]],
    ["oom", []],
    ["—", []],
    ["1 room", []]
  ])("%s finds %o", ([q, lockIds]) =>
    Effect.gen(function* () {
      const list = yield* listOf(hotel)
      expect(yield* list({ q })).toEqual(lockIds)
      expect(yield* list({ q }, { only: [1, 2, 7, 12, 120, 999] })).toEqual(lockIds)
    })
  )
})

describe("locks", () => {
  it.effect("are listed by number, or by name as people count", () =>
    Effect.gen(function* () {
      const list = yield* listOf(hotel)
      expect(yield* list({})).toEqual([1, 2, 7, 12, 120])
      expect(yield* list({ sort: "name" })).toEqual([120, 7, 12, 1, 2])
      expect(yield* list({ sort: "name" }, { only: [2, 1] })).toEqual([1, 2])
    })
  )

  it.effect("of an owner are looked through, and found as those of an organization are", () =>
    Effect.gen(function* () {
      const owned = [1, 2, 12, 120, 7].map(
        (lockId) => ({ _tag: "OwnerSet", ...about(lockId), userId: "ada" }) satisfies LockEvent
      )
      const events = [...rooms, ...owned, low(2), low(12)]
      const list = yield* listOf(feedOf(...events, ...lock(3, "Room 3"), low(3)))
      const filters: ReadonlyArray<ListFilter> = [
        {},
        { q: "room" },
        { q: "12" },
        { sort: "name" },
        { battery: "low" },
        { battery: "unknown", sort: "name" },
        { attention: true }
      ]
      for (const filter of filters)
        for (const limit of [1, 2, 10]) {
          const those = (yield* list(filter, { whose: { orgId: "hotel" } })).filter((lockId) => lockId !== 3)
          expect([filter, those.length > 0]).toEqual([filter, true])
          expect(yield* list(filter, { whose: { ownerId: "ada" }, limit })).toEqual(those)
          expect(yield* list(filter, { whose: { orgId: "hotel", ownerId: "ada" }, limit })).toEqual(those)
          expect(yield* list(filter, { whose: { orgId: "other", ownerId: "ada" }, limit })).toEqual([])
        }
    })
  )

  it.effect("are those of whose they are now", () =>
    Effect.gen(function* () {
      const feed = feedOf(
        ...lock(1, "Old"),
        ...lock(2, "Room"),
        { _tag: "OrganizationSet", ...about(1), orgId: "other" },
        { _tag: "OwnerSet", ...about(2), userId: "ada" },
        ...lock(3, "Gone"),
        { _tag: "LockRetired", ...about(3), freed: true }
      ).map(
        (event, n): StoredEvent => (n === 1 ? { ...event, principal: { _tag: "Organization", orgId: "hotel" } } : event)
      )
      const list = yield* listOf(feed)
      expect(yield* list({}, { whose: { orgId: "hotel" } })).toEqual([2])
      expect(yield* list({}, { whose: { orgId: "hotel", ownerId: "ada" } })).toEqual([2])
      expect(yield* list({}, { whose: { ownerId: "ada" } })).toEqual([2])
      expect(yield* list({}, { whose: { ownerId: "ben" } })).toEqual([])
      expect(yield* list({}, { whose: { orgId: "other" } })).toEqual([1])
      expect(yield* list({}, { whose: { orgId: "other" }, only: [1, 2] })).toEqual([1])
      // The former organization called it so.
      expect(yield* list({ q: "old" })).toEqual([])
      expect(yield* list({ q: "gone" })).toEqual([])
    })
  )

  it.effect("are not shown to an organization whose they are no more once they are read", () =>
    Effect.gen(function* () {
      const model = yield* emptyModel
      yield* fill(model, feedOf(...lock(1)))
      const moved = feedOf(...lock(1), { _tag: "OrganizationSet", ...about(1), orgId: "other" })
      const { page } = lockList({
        ...model,
        find: (...asked) => Effect.tap(model.find(...asked), () => Effect.orDie(fill(model, moved)))
      })
      expect((yield* page({ orgId: "hotel" }, {}, { after: "", limit: 5, now: NOW })).rows).toEqual([])
    })
  )

  it.effect("of an owner in an organization are each listed once, however many others there are between", () =>
    Effect.gen(function* () {
      const isTheirs = (lockId: number) => lockId % 3 === 0 || (lockId > 300 && lockId < 620)
      const lockIds = Array.from({ length: 700 }, (_, n) => n + 1)
      const model = yield* emptyModel
      yield* fill(
        model,
        feedOf(
          ...lockIds.map((lockId) => created(lockId, { ownerId: "ada", orgId: isTheirs(lockId) ? "hotel" : "other" }))
        )
      )
      const { page } = lockList(model)
      for (const limit of [7, 250]) {
        const found: Array<number> = []
        let after: string | undefined = ""
        while (after !== undefined) {
          const { rows, next }: Effect.Success<ReturnType<typeof page>> = yield* page(
            { orgId: "hotel", ownerId: "ada" },
            {},
            { after, limit, now: NOW }
          )
          found.push(...rows.map(({ lock }) => lock.lockId))
          after = next
        }
        expect(found).toEqual(lockIds.filter(isTheirs))
      }
    })
  )

  it.effect("are found by what their owner calls them while it is theirs, and by the hardware that they have", () =>
    Effect.gen(function* () {
      const owned = (userId: string) => ({ _tag: "OwnerSet", ...about(1), userId }) as const
      const named = {
        _tag: "LockDescribed",
        ...about(1),
        name: "Cabin",
        address: "Lake Road 2",
        ignorable: true
      } as const
      const feed = feedOf(
        ...[...lock(1), owned("ada"), named, owned("ben"), owned("ada")],
        { _tag: "LockUuidChanged", ...about(1), newUuid: "beef", previousUuid: uuidOf(1) },
        { _tag: "LockDescribed", ...about(1), address: "Hill 9", ignorable: true }
      ).map(
        (event): StoredEvent =>
          event.type === "LockDescribed" ? { ...event, principal: { _tag: "User", userId: "ada" } } : event
      )
      const until = (type: string, nth: number) => {
        const at = feed.map((event, n) => (event.type === type ? n : -1)).filter((n) => n >= 0)
        return feed.slice(0, (at[nth] ?? 0) + 1)
      }
      for (const [events, calls] of [
        [until("LockDescribed", 0), [[1], [1], [], [1], []]],
        [until("OwnerSet", 1), [[], [], [], [1], []]],
        [until("OwnerSet", 2), [[1], [1], [], [1], []]],
        [until("LockUuidChanged", 0), [[1], [1], [], [], [1]]],
        [feed, [[1], [], [1], [], [1]]]
      ] as const) {
        const list = yield* listOf(events)
        expect(yield* Effect.forEach(["cabin", "lake", "hill", uuidOf(1), "beef"], (q) => list({ q }))).toEqual(calls)
      }
    })
  )

  it.effect("are found by what is so of them, and by several such things together", () =>
    Effect.gen(function* () {
      const state = (lockId: number, fields: object) =>
        ({
          _tag: "DeviceStateReported",
          ...about(lockId),
          seenAt: about(lockId).timestamp,
          ...fields,
          ignorable: true
        }) as const
      const feed = feedOf(
        ...[1, 2, 3, 4, 5].flatMap((lockId) => lock(lockId, `Room ${lockId}`)),
        state(1, { battery: 10, batteryLow: true }),
        state(2, { battery: 80, batteryLow: false }),
        state(3, { battery: 10, batteryLow: true, bolt: "jammed" }),
        state(4, { bolt: "jammed" })
      )
      const list = yield* listOf(feed)
      expect(yield* list({ battery: "low" })).toEqual([1, 3])
      expect(yield* list({ battery: "good" })).toEqual([2])
      expect(yield* list({ battery: "unknown" })).toEqual([4, 5])
      expect(yield* list({ attention: true })).toEqual([1, 3, 4])
      expect(yield* list({ attention: false })).toEqual([2, 5])
      expect(yield* list({ attention: "bolt-jammed" })).toEqual([3, 4])
      expect(yield* list({ attention: "bolt-jammed", battery: "low" })).toEqual([3])
      expect(yield* list({ attention: "wrong-pins" })).toEqual([])
      expect(yield* list({ q: "room", attention: true, battery: "unknown" })).toEqual([4])
      expect(yield* list({ online: false })).toEqual([1, 2, 3, 4, 5])
      expect(yield* list({ online: true })).toEqual([])
    })
  )

  it.effect("of a list that goes on while others come and go are each told once", () =>
    Effect.gen(function* () {
      const model = yield* emptyModel
      const before = [10, 20, 30, 40].flatMap((lockId) => lock(lockId))
      yield* fill(model, feedOf(...before))
      const { page } = lockList(model)
      const asked = { limit: 2, now: NOW }
      const first = yield* page("all", {}, { after: "", ...asked })
      yield* fill(model, feedOf(...before, ...lock(5), ...lock(25), { _tag: "LockRetired", ...about(20), freed: true }))
      const second = yield* page("all", {}, { after: first.next ?? "", ...asked })
      const third = yield* page("all", {}, { after: second.next ?? "", ...asked })
      expect([first, second, third].map(({ rows }) => rows.map(({ lock }) => lock.lockId))).toEqual([
        [10, 20],
        [25, 30],
        [40]
      ])
      expect(third.next).toBeUndefined()
    })
  )

  it.effect("that fewer are as they should be than were looked at end a page early, and it goes on", () =>
    Effect.gen(function* () {
      const feed = feedOf(...Array.from({ length: 400 }, (_, n) => lock(n + 1, n === 399 ? "Tower" : "Room")).flat())
      const model = yield* emptyModel
      yield* fill(model, feed)
      const { page } = lockList(model)
      const first = yield* page("all", { sort: "name", attention: true }, { after: "", limit: 10, now: NOW })
      expect([first.rows, first.next]).toEqual([[], expect.any(String)])
      const list = yield* listOf(feed)
      expect(yield* list({ sort: "name", attention: false }, { limit: 150 })).toHaveLength(400)
    })
  )
})

/** Somebody was locked out at the lock who had entered wrong PINs. */
const guessed = (lockId: number, at: number): StoredEvent => ({
  ...{ eventId: `guessed-${lockId}-${at}`, type: "PinRefused", streamId: `pin-attempts-lock-${lockId}`, version: 1 },
  ...{ position: 0, at, orgId: "", principal: { _tag: "System" }, commandId: `guessed-${lockId}-${at}` },
  data: { lockId, lockedOutUntil: at + 1 }
})
/** One behind the other. */
const joined = (...feeds: ReadonlyArray<ReadonlyArray<StoredEvent>>) =>
  feeds.flat().map((event, index) => ({ ...event, position: index + 1 }))
const low = (lockId: number, batteryLow = true) =>
  ({
    _tag: "DeviceStateReported",
    ...about(lockId),
    seenAt: about(lockId).timestamp,
    batteryLow,
    ignorable: true
  }) as const

describe("locks that need somebody", () => {
  const feed = joined(feedOf(...[1, 2, 3, 4].flatMap((lockId) => lock(lockId)), low(1), low(4)), [
    guessed(2, NOW - 5),
    guessed(4, NOW - 7),
    guessed(3, NOW - 86_400_000)
  ])

  it.effect("for what time alone ends come last, and each comes once", () =>
    Effect.gen(function* () {
      const list = yield* listOf(feed)
      for (const limit of [1, 2, 3, 10]) expect(yield* list({ attention: true }, { limit })).toEqual([1, 4, 2])
      expect(yield* list({ attention: "wrong-pins" })).toEqual([4, 2])
    })
  )

  it.effect("of some locks alone are found page by page as well: every place is one of the question", () =>
    Effect.gen(function* () {
      const model = yield* emptyModel
      yield* fill(model, feed)
      const { page } = lockList(model)
      const found: Array<number> = []
      for (const filter of [
        { attention: true },
        { attention: "wrong-pins" },
        { battery: "low" },
        { q: "4" }
      ] as const) {
        let after: string | undefined = ""
        while (after !== undefined) {
          const { rows, next }: Effect.Success<ReturnType<typeof page>> = yield* page("all", filter, {
            ...{ after, limit: 1, now: NOW, only: [2, 4] }
          })
          found.push(...rows.map(({ lock }) => lock.lockId))
          if (next !== undefined) expect([filter, isPlaceOf(filter, next)]).toEqual([filter, true])
          after = next
        }
      }
      expect(found).toEqual([2, 4, 4, 2, 4, 4])
    })
  )
})

const Happening = fc.record({
  lockId: fc.integer({ min: 1, max: 5 }),
  what: fc.constantFrom("low", "good", "jammed", "owner", "organization", "retired", "removed", "told", "guessed"),
  who: fc.constantFrom("ada", "bob", "hotel")
})

const happened = ({ lockId, what, who }: typeof Happening extends fc.Arbitrary<infer A> ? A : never): LockEvent => {
  switch (what) {
    case "low":
    case "good":
      return low(lockId, what === "low")
    case "jammed":
      return { ...low(lockId), bolt: "jammed" }
    case "owner":
      return { _tag: "OwnerSet", ...about(lockId), userId: who }
    case "organization":
      return { _tag: "OrganizationSet", ...about(lockId), orgId: who }
    case "retired":
      return { _tag: "LockRetired", ...about(lockId), freed: true }
    case "removed":
      return { _tag: "KeyRemoved", ...about(lockId), keyUuid: "key-1" }
    default:
      return { _tag: "KeyAdded", ...about(lockId), keyUuid: "key-1" }
  }
}

it.effect("as many are counted as are listed, whatever has happened, and whoever has taken it in", () =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.array(Happening, { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (happenings, piece) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const feed = joined(
              feedOf(...[1, 2, 3, 4, 5].flatMap((lockId) => lock(lockId)), ...happenings.map(happened)),
              [guessed(1, NOW - 5)]
            )
            const model = yield* emptyModel
            // Each piece is taken in by somebody who has nothing in memory.
            for (let upTo = piece; upTo < feed.length + piece; upTo += piece) yield* fill(model, feed.slice(0, upTo))
            const { count, page } = lockList(model)
            for (const whose of [
              "all",
              { ownerId: "ada" },
              { orgId: "hotel" },
              { orgId: "bob", ownerId: "ada" }
            ] as const) {
              const number = (filter: ListFilter) =>
                Effect.map(page(whose, filter, { after: "", limit: 50, now: NOW }), ({ rows }) => rows.length)
              const counts = {
                locks: yield* number({}),
                online: yield* number({ online: true }),
                battery: yield* Effect.all({
                  low: number({ battery: "low" }),
                  good: number({ battery: "good" }),
                  unknown: number({ battery: "unknown" })
                }),
                attention: yield* Effect.all(
                  Record.fromEntries(ATTENTION.map((kind) => [kind, number({ attention: kind })] as const))
                )
              }
              expect(yield* count(whose, NOW, undefined)).toEqual(counts)
              if (whose === "all") expect(yield* count(whose, NOW, [1, 2, 3, 4, 5, 9])).toEqual(counts)
            }
          }).pipe(Effect.scoped)
        )
      ),
      { numRuns: 40 }
    )
  )
)
