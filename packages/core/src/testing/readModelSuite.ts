/** The conformance suite of read models: an adapter's test file calls it and needs little else. */
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Effect, type Layer, Option, Schema } from "effect"
import { streamOfLock } from "../lock/Lock.ts"
import type { LockEvent } from "../lock/LockEvent.ts"
import * as MemoryReadModel from "../memory/MemoryReadModel.ts"
import { type OwnedLock, ReadModel } from "../read-model/ReadModel.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { lockFeed } from "./Arbitraries.ts"
import { about, aboutTempKey, created, feedOf, newThing, rowsOf, tempKeyCreated } from "./read-model/fixture.ts"

const TIMEOUT = 30_000
const ALICE = "aaaaaaaa-0000-4000-8000-000000000001"
const BOB = "bbbbbbbb-0000-4000-8000-000000000002"
const CAROL = "cccccccc-0000-4000-8000-000000000003"
const TEMP_KEY = "eeeeeeee-0000-4000-8000-000000000001"

/** Reports of one device; few instants, so that some are about the same one. */
const reports = Arbitrary.schema(
  Schema.Array(
    Schema.Struct({
      online: Schema.UndefinedOr(Schema.Boolean),
      at: Schema.Literals([-1, 0, 1_700_000_000_000, 1_700_000_000_001])
    })
  )
)

/** Registers the tests. Each builds the layer anew and begins with `reset`, so the layer may open one and the same database. */
export const readModelSuite = (name: string, layer: Layer.Layer<ReadModel, unknown>): void => {
  const check = (sentence: string, body: (model: ReadModel["Service"]) => Effect.Effect<unknown, unknown>) =>
    it.live(
      sentence,
      () =>
        ReadModel.pipe(
          Effect.tap((model) => model.reset),
          Effect.flatMap(body),
          Effect.provide(layer, { local: true })
        ),
      TIMEOUT
    )

  describe(`read model: ${name}`, () => {
    check("knows nothing at first", (model) =>
      Effect.gen(function* () {
        expect(model.source).not.toBe("")
        expect(yield* model.checkpoint).toBe(0)
        expect(yield* model.apply([])).toBe(0)
        expect(yield* model.devicesOwnedBy(ALICE)).toEqual([])
        expect(yield* model.lockOfThing("thing-1")).toEqual(Option.none())
        expect(yield* model.lockOfTempKey(TEMP_KEY)).toEqual(Option.none())
        expect(yield* model.isKnownUser(ALICE)).toBe(false)
      })
    )

    check("shows a lock as its events leave it", (model) =>
      Effect.gen(function* () {
        const feed = feedOf(
          created(1, {
            ownerId: ALICE,
            orgId: "org-1",
            serialNumber: "SN 🔑 'ä'",
            keys: [{ uuid: "key-1" }, { uuid: "key-2" }]
          }),
          { _tag: "KeyAdded", ...about(1), keyUuid: "key-3" },
          { _tag: "KeyRemoved", ...about(1), keyUuid: "key-1" },
          { _tag: "KeyRemoved", ...about(1), keyUuid: "key-2" },
          { _tag: "ResidentAdded", ...about(1), userId: BOB, name: "Bob" },
          { _tag: "ResidentAdded", ...about(1), userId: CAROL, name: "Carol" },
          { _tag: "ResidentRemoved", ...about(1), userId: BOB }
        )
        expect(yield* model.apply(feed)).toBe(7)
        expect(yield* model.checkpoint).toBe(7)
        const row: OwnedLock = {
          lockId: 1,
          lockUuid: "thing-1",
          thingName: "thing-1",
          serialNumber: "SN 🔑 'ä'",
          ownerId: ALICE,
          orgId: "org-1",
          keysCount: 1,
          residentCount: 1,
          lastEvent: "ResidentRemoved",
          lastUpdated: feed[6]?.at ?? 0,
          online: false,
          lastSeen: null
        }
        expect(yield* model.devicesOwnedBy(ALICE)).toEqual([row])
      })
    )

    check("leaves empty what a lock does not have", (model) =>
      Effect.gen(function* () {
        yield* model.apply(feedOf(created(1), { _tag: "OwnerSet", ...about(1), userId: ALICE }))
        expect(yield* model.devicesOwnedBy(ALICE)).toMatchObject([
          { serialNumber: null, orgId: null, keysCount: 0, residentCount: 0, lastEvent: "OwnerSet" }
        ])
      })
    )

    check("applies a batch once, however often and however overlapping it comes", (model) =>
      Effect.gen(function* () {
        const keys = Array.from(
          { length: 8 },
          (_, index): LockEvent => ({ _tag: "KeyAdded", ...about(1), keyUuid: `key-${index}` })
        )
        const feed = feedOf(created(1, { ownerId: ALICE }), ...keys)
        for (const [from, to] of [
          [0, 3],
          [0, 3],
          [1, 6],
          [5, 6],
          [0, 9],
          [2, 4]
        ] as const) {
          const before = yield* model.checkpoint
          expect(yield* model.apply(feed.slice(from, to))).toBe(Math.max(before, to))
          expect(yield* model.devicesOwnedBy(ALICE)).toMatchObject([{ keysCount: Math.max(before, to) - 1 }])
        }
      })
    )

    check("leaves out a batch that begins after the next position", (model) =>
      Effect.gen(function* () {
        const feed = feedOf(created(1, { ownerId: ALICE }), { _tag: "OwnerSet", ...about(1), userId: BOB }, created(2))
        expect(yield* model.apply(feed.slice(1))).toBe(0)
        expect(yield* model.apply(feed.slice(0, 1))).toBe(1)
        expect(yield* model.apply(feed.slice(2))).toBe(1)
        expect(yield* model.checkpoint).toBe(1)
        expect(yield* model.devicesOwnedBy(ALICE)).toHaveLength(1)
        expect(yield* model.isKnownUser(BOB)).toBe(false)
        expect(yield* model.apply(feed)).toBe(3)
        expect(yield* model.devicesOwnedBy(BOB)).toHaveLength(1)
      })
    )

    check("passes over events that are not about locks, and keeps the name of those it does not know", (model) =>
      Effect.gen(function* () {
        const [first, second, third] = feedOf(created(1, { ownerId: ALICE }), created(2), created(3)) as [
          StoredEvent,
          StoredEvent,
          StoredEvent
        ]
        const foreign = { ...second, streamId: "bulk-1", type: "SomethingElse" }
        const later = { ...third, streamId: streamOfLock(1), version: 2, type: "OfALaterLatchkey", data: {} }
        expect(yield* model.apply([first, foreign, later])).toBe(3)
        expect(yield* model.devicesOwnedBy(ALICE)).toMatchObject([
          { lastEvent: "OfALaterLatchkey", lastUpdated: later.at }
        ])
        expect(yield* model.lockOfThing("thing-2")).toEqual(Option.none())
      })
    )

    check("takes a long batch", (model) =>
      Effect.gen(function* () {
        const feed = feedOf(...Array.from({ length: 1_000 }, (_, index) => created(index + 1, { ownerId: ALICE })))
        expect(yield* model.apply(feed)).toBe(1_000)
        expect(yield* model.devicesOwnedBy(ALICE)).toHaveLength(1_000)
      })
    )

    check("lists the locks of an owner by lockId, of one organization if asked", (model) =>
      Effect.gen(function* () {
        yield* model.apply(
          feedOf(
            created(10, { ownerId: ALICE, orgId: "org-1" }),
            created(9, { ownerId: ALICE, orgId: "org-2" }),
            created(2, { ownerId: BOB, orgId: "org-1" }),
            created(100, { ownerId: ALICE }),
            { _tag: "OwnerSet", ...about(2), userId: ALICE },
            created(3, { ownerId: ALICE }),
            { _tag: "OwnerSet", ...about(3), userId: BOB },
            { _tag: "OrganizationSet", ...about(9), orgId: "org-1" }
          )
        )
        const owned = (userId: string, orgId?: string) =>
          Effect.map(model.devicesOwnedBy(userId, orgId), (rows) => rows.map(({ lockId }) => lockId))
        expect(yield* owned(ALICE)).toEqual([2, 9, 10, 100])
        expect(yield* owned(ALICE, "org-1")).toEqual([2, 9, 10])
        expect(yield* owned(ALICE, "org-2")).toEqual([])
        expect(yield* owned(BOB)).toEqual([3])
        expect(yield* owned(CAROL)).toEqual([])
      })
    )

    check("lists the locks of an organization by lockId", (model) =>
      Effect.gen(function* () {
        yield* model.apply(
          feedOf(
            created(10, { orgId: "org-1" }),
            created(9, { orgId: "org-2" }),
            created(2, { orgId: "org-1" }),
            created(3),
            { _tag: "OrganizationSet", ...about(9), orgId: "org-1" },
            { _tag: "OrganizationSet", ...about(2), orgId: "org-3" }
          )
        )
        expect(yield* model.locksOfOrganization("org-1")).toEqual([9, 10])
        expect(yield* model.locksOfOrganization("org-2")).toEqual([])
        expect(yield* model.locksOfOrganization("org-3")).toEqual([2])
      })
    )

    check("tells of any number of locks at once", (model) =>
      Effect.gen(function* () {
        const thing = yield* newThing
        yield* model.apply(feedOf({ ...created(1, { ownerId: ALICE }), uuid: thing }, created(2), created(3)))
        yield* model.reportDevice(thing, true, 1_700_000_000_000)
        const rows = yield* model.devices([3, 1, 99])
        expect(rows.toSorted((a, b) => a.lockId - b.lockId)).toMatchObject([
          { lockId: 1, thingName: thing, ownerId: ALICE, online: true, lastSeen: 1_700_000_000_000 },
          { lockId: 3, thingName: "thing-3", online: false, lastSeen: null }
        ])
        expect(yield* model.devices([])).toEqual([])
      })
    )

    check("knows by whose events a user is known", (model) =>
      Effect.gen(function* () {
        yield* model.apply(
          feedOf(
            created(1, { ownerId: ALICE, orgId: "org-1" }),
            created(2, { orgId: "org-2", keys: [{ uuid: "key-1", userId: BOB }] }),
            { _tag: "OrganizationSet", ...about(1), orgId: "org-2" },
            { _tag: "ResidentAdded", ...about(1), userId: CAROL, name: "Carol" }
          )
        )
        const knownTo = (orgId: string) =>
          Effect.forEach([ALICE, BOB, CAROL], (userId) => model.isKnownUser(userId, orgId))
        expect(yield* knownTo("org-1")).toEqual([true, false, false])
        expect(yield* knownTo("org-2")).toEqual([false, true, true])
        expect(yield* knownTo("org-3")).toEqual([false, false, false])
        expect(yield* model.isKnownUser(CAROL)).toBe(true)
      })
    )

    check("finds a lock by its present thing; of two locks with one thing, the one with the lower id", (model) =>
      Effect.gen(function* () {
        const feed = feedOf(
          created(2),
          created(1),
          {
            _tag: "LockUuidChanged",
            ...about(2),
            newUuid: "thing-new",
            previousUuid: "thing-2"
          },
          { _tag: "LockUuidChanged", ...about(1), newUuid: "thing-new", previousUuid: "thing-1" }
        )
        yield* model.apply(feed.slice(0, 2))
        expect(yield* model.lockOfThing("thing-2")).toEqual(Option.some(2))
        yield* model.apply(feed.slice(2, 3))
        expect(yield* model.lockOfThing("thing-2")).toEqual(Option.none())
        expect(yield* model.lockOfThing("thing-new")).toEqual(Option.some(2))
        expect(yield* model.lockOfThing("THING-NEW")).toEqual(Option.none())
        yield* model.apply(feed)
        expect(yield* model.lockOfThing("thing-new")).toEqual(Option.some(1))
      })
    )

    check(
      "finds the first lock that a temp key was created on, however its uuid is written, also once it is gone",
      (model) =>
        Effect.gen(function* () {
          yield* model.apply(
            feedOf(created(1), created(2), tempKeyCreated(2, TEMP_KEY.toUpperCase()), tempKeyCreated(1, TEMP_KEY), {
              _tag: "TempKeyDeleted",
              ...aboutTempKey(2, TEMP_KEY),
              deletedBy: ALICE
            })
          )
          expect(yield* model.lockOfTempKey(TEMP_KEY)).toEqual(Option.some(2))
          expect(yield* model.lockOfTempKey(TEMP_KEY.toUpperCase())).toEqual(Option.some(2))
        })
    )

    check("knows owners, key holders and residents, also former ones", (model) =>
      Effect.gen(function* () {
        const users = ["first owner", "owner", "first holder", "holder", "resident"]
        yield* model.apply(
          feedOf(
            created(1, {
              ownerId: "first owner",
              keys: [{ uuid: "key-1", userId: "first holder" }, { uuid: "key-2" }]
            }),
            { _tag: "OwnerSet", ...about(1), userId: "owner" },
            { _tag: "KeyAdded", ...about(1), keyUuid: "key-3", userId: "holder" },
            { _tag: "KeyRemoved", ...about(1), keyUuid: "key-3" },
            { _tag: "ResidentAdded", ...about(1), userId: "resident", name: "Ada" },
            { _tag: "ResidentRemoved", ...about(1), userId: "resident" }
          )
        )
        for (const user of users) expect(yield* model.isKnownUser(user)).toBe(true)
        for (const user of ["nobody", "Owner", ""]) expect(yield* model.isKnownUser(user)).toBe(false)
      })
    )

    check("believes the newest report of a device, in whatever order reports come", (model) =>
      Effect.gen(function* () {
        const thing = yield* newThing
        yield* model.apply(feedOf({ ...created(1, { ownerId: ALICE }), uuid: thing }))
        const online = Effect.map(model.devicesOwnedBy(ALICE), (rows) => rows.map((row) => row.online))
        expect(yield* online).toEqual([false])
        expect(yield* model.isOnline(thing)).toBe(false)
        for (const [report, at, then] of [
          [true, 20, true],
          [false, 10, true],
          [true, 20, true],
          [false, 30, false],
          [true, 25, false]
        ] as const) {
          yield* model.reportDevice(thing, report, 1_700_000_000_000 + at)
          expect(yield* online).toEqual([then])
          expect(yield* model.isOnline(thing)).toBe(then)
        }
      })
    )

    check("knows when a device was last heard of, also by what says nothing of its presence", (model) =>
      Effect.gen(function* () {
        const [thing, silent] = [yield* newThing, yield* newThing]
        yield* model.apply(
          feedOf(
            { ...created(1, { ownerId: ALICE }), uuid: thing },
            { ...created(2, { ownerId: ALICE }), uuid: silent }
          )
        )
        const seen = Effect.map(model.devicesOwnedBy(ALICE), (rows) =>
          rows.map(({ online, lastSeen }) => [online, lastSeen])
        )
        expect(yield* seen).toEqual([
          [false, null],
          [false, null]
        ])
        for (const [report, at, online, lastSeen] of [
          [undefined, 20, false, 20],
          [true, 10, true, 20],
          [undefined, 30, true, 30],
          [false, 25, false, 30],
          [undefined, 5, false, 30]
        ] as const) {
          yield* model.reportDevice(thing, report, at)
          expect(yield* seen).toEqual([
            [online, lastSeen],
            [false, null]
          ])
        }
      })
    )

    it.live.prop(
      "is left the same by reports in every order, however often they come",
      [reports, Arbitrary.schema(Schema.Array(Schema.Int))],
      ([said, order]) =>
        Effect.gen(function* () {
          const model = yield* ReadModel
          yield* model.reset
          const [straight, jumbled] = [yield* newThing, yield* newThing]
          yield* model.apply(
            feedOf(
              { ...created(1, { ownerId: ALICE }), uuid: straight },
              { ...created(2, { ownerId: ALICE }), uuid: jumbled }
            )
          )
          for (const { online, at } of said) yield* model.reportDevice(straight, online, at)
          const shuffled = [...said, ...said]
            .map((report, n) => [(order[n % Math.max(1, order.length)] ?? -n) * (n + 1), report] as const)
            .toSorted(([a], [b]) => a - b)
          for (const [, { online, at }] of shuffled) yield* model.reportDevice(jumbled, online, at)
          const [a, b] = yield* model.devicesOwnedBy(ALICE)
          expect([b?.online, b?.lastSeen]).toEqual([a?.online, a?.lastSeen])
          // What the newest of them said: online, when two at the same time disagree.
          const present = said.filter(({ online }) => online !== undefined)
          const newest = Math.max(...present.map(({ at }) => at))
          expect(a?.online).toBe(present.some(({ online, at }) => online === true && at === newest))
          expect(a?.lastSeen).toBe(said.length === 0 ? null : Math.max(...said.map(({ at }) => at)))
        }).pipe(Effect.provide(layer, { local: true })),
      { timeout: 60_000, arbitrary: { runs: 100 } }
    )

    check("keeps reports of devices that have no lock yet, and through a reset", (model) =>
      Effect.gen(function* () {
        const [thing, other] = [yield* newThing, yield* newThing]
        const feed = feedOf(
          { ...created(1, { ownerId: ALICE }), uuid: other },
          {
            _tag: "LockUuidChanged",
            ...about(1),
            newUuid: thing,
            previousUuid: other
          }
        )
        yield* model.reportDevice(thing, true, 1_700_000_000_000)
        yield* model.apply(feed.slice(0, 1))
        expect(yield* model.devicesOwnedBy(ALICE)).toMatchObject([{ online: false }])
        yield* model.apply(feed)
        expect(yield* model.devicesOwnedBy(ALICE)).toMatchObject([{ online: true }])
        yield* model.reset
        expect(yield* model.devicesOwnedBy(ALICE)).toEqual([])
        yield* model.apply(feed)
        expect(yield* model.devicesOwnedBy(ALICE)).toMatchObject([{ online: true }])
      })
    )

    check("forgets everything when it is reset", (model) =>
      Effect.gen(function* () {
        yield* model.apply(feedOf(created(1, { ownerId: ALICE }), tempKeyCreated(1, TEMP_KEY)))
        yield* model.reset
        expect(yield* model.checkpoint).toBe(0)
        expect(yield* model.devicesOwnedBy(ALICE)).toEqual([])
        expect(yield* model.lockOfThing("thing-1")).toEqual(Option.none())
        expect(yield* model.lockOfTempKey(TEMP_KEY)).toEqual(Option.none())
        expect(yield* model.isKnownUser(ALICE)).toBe(false)
      })
    )

    it.live.prop(
      "has the same rows after any batches, after a reset and a replay, and as the model in memory",
      [lockFeed],
      ([feed]) =>
        Effect.gen(function* () {
          const model = yield* ReadModel
          yield* model.reset
          for (let from = 0; from < feed.length; from += 3)
            yield* model.apply(feed.slice(Math.max(0, from - 1), from + 3))
          const rows = yield* rowsOf(model, feed)
          yield* model.reset
          expect(yield* model.checkpoint).toBe(0)
          yield* model.apply(feed)
          expect(yield* rowsOf(model, feed)).toEqual(rows)
          const reference = yield* Effect.provide(ReadModel, MemoryReadModel.layer, { local: true })
          yield* reference.apply(feed)
          expect(rows).toEqual(yield* rowsOf(reference, feed))
        }).pipe(Effect.provide(layer, { local: true })),
      { timeout: 60_000, arbitrary: { runs: 30 } }
    )
  })
}
