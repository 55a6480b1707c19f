/** What the rows of locks answer. */
import { expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { LockEvent } from "../src/lock/LockEvent.ts"
import { type Lookups, lookups } from "../src/read-model/Lookups.ts"
import type { ReadModel } from "../src/read-model/ReadModel.ts"
import { about, aboutTempKey, created, emptyModel, feedOf, fill, filledWith, tempKeyCreated } from "./lockFeeds.ts"

const ALICE = "aaaaaaaa-0000-4000-8000-000000000001"
const BOB = "bbbbbbbb-0000-4000-8000-000000000002"
const CAROL = "cccccccc-0000-4000-8000-000000000003"
const TEMP_KEY = "eeeeeeee-0000-4000-8000-000000000001"

const check = (
  sentence: string,
  events: ReadonlyArray<LockEvent>,
  body: (asked: Lookups) => Generator<Effect.Effect<unknown, unknown>, unknown, never>
) =>
  it.effect(sentence, () =>
    Effect.flatMap(filledWith(...events), (readModel) => Effect.gen(() => body(lookups(readModel))))
  )

const lockIdsOf = (rows: ReadonlyArray<{ readonly lockId: number }>) => rows.map(({ lockId }) => lockId)

const lived = [
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
] as const satisfies ReadonlyArray<LockEvent>

check("a lock is shown as its events leave it", lived, function* ({ devicesOwnedBy }) {
  expect(yield* devicesOwnedBy(ALICE)).toEqual([
    {
      lockId: 1,
      lockUuid: "thing-1",
      thingName: "thing-1",
      serialNumber: "SN 🔑 'ä'",
      ownerId: ALICE,
      orgId: "org-1",
      keysCount: 1,
      residentCount: 1,
      deviceState: null,
      lastEvent: "ResidentRemoved",
      lastUpdated: feedOf(...lived)[6]?.at
    }
  ])
})

check(
  "locks are found by who lives behind them, until they do not or the lock is retired, and for an organization its own",
  [
    ...lived,
    created(2, { orgId: "org-2" }),
    { _tag: "ResidentAdded", ...about(2), userId: CAROL, name: "Carol" },
    created(3, { orgId: "org-1" }),
    { _tag: "ResidentAdded", ...about(3), userId: CAROL, name: "Carol" },
    { _tag: "LockRetired", ...about(3), freed: true }
  ],
  function* ({ locksOfResident }) {
    expect(yield* locksOfResident(CAROL, { limit: 10, orgId: undefined })).toEqual([1, 2])
    expect(yield* locksOfResident(CAROL, { limit: 1, orgId: undefined })).toEqual([1])
    expect(yield* locksOfResident(CAROL, { limit: 10, orgId: "org-2" })).toEqual([2])
    expect(yield* locksOfResident(BOB, { limit: 10, orgId: undefined })).toEqual([])
  }
)

check(
  "what a lock does not have is left empty",
  [created(1), { _tag: "OwnerSet", ...about(1), userId: ALICE }],
  function* ({ devicesOwnedBy }) {
    expect(yield* devicesOwnedBy(ALICE)).toMatchObject([
      { serialNumber: null, orgId: null, keysCount: 0, residentCount: 0, lastEvent: "OwnerSet" }
    ])
  }
)

check(
  "the locks of an owner are listed by lockId, of one organization if asked",
  [
    created(10, { ownerId: ALICE, orgId: "org-1" }),
    created(9, { ownerId: ALICE, orgId: "org-2" }),
    created(2, { ownerId: BOB, orgId: "org-1" }),
    created(100, { ownerId: ALICE }),
    { _tag: "OwnerSet", ...about(2), userId: ALICE },
    created(3, { ownerId: ALICE }),
    { _tag: "OwnerSet", ...about(3), userId: BOB },
    { _tag: "OrganizationSet", ...about(9), orgId: "org-1" }
  ],
  function* ({ devicesOwnedBy }) {
    const owned = (userId: string, orgId?: string) => Effect.map(devicesOwnedBy(userId, orgId), lockIdsOf)
    expect(yield* owned(ALICE)).toEqual([2, 9, 10, 100])
    expect(yield* owned(ALICE, "org-1")).toEqual([2, 9, 10])
    expect(yield* owned(ALICE, "org-2")).toEqual([])
    expect(yield* owned(BOB)).toEqual([3])
    expect(yield* owned(CAROL)).toEqual([])
  }
)

check(
  "more locks than a page holds are all listed, in order",
  Array.from({ length: 1_234 }, (_, n) => created(1_234 - n, { ownerId: ALICE, orgId: "org-1" })),
  function* ({ devicesOwnedBy, locksOfOrganization, thingsOf }) {
    const all = Array.from({ length: 1_234 }, (_, n) => n + 1)
    expect(lockIdsOf(yield* devicesOwnedBy(ALICE))).toEqual(all)
    expect(lockIdsOf(yield* devicesOwnedBy(ALICE, "org-1"))).toEqual(all)
    expect(yield* locksOfOrganization("org-1")).toEqual(all)
    expect([...(yield* thingsOf(all)).keys()].toSorted((a, b) => a - b)).toEqual(all)
  }
)

check(
  "the locks of an organization are listed by lockId",
  [
    created(10, { orgId: "org-1" }),
    created(9, { orgId: "org-2" }),
    created(2, { orgId: "org-1" }),
    created(3),
    { _tag: "OrganizationSet", ...about(9), orgId: "org-1" },
    { _tag: "OrganizationSet", ...about(2), orgId: "org-3" }
  ],
  function* ({ locksOfOrganization }) {
    expect(yield* locksOfOrganization("org-1")).toEqual([9, 10])
    expect(yield* locksOfOrganization("org-2")).toEqual([])
    expect(yield* locksOfOrganization("org-3")).toEqual([2])
  }
)

check(
  "an owner and an organization are not taken for others whose names run together alike",
  [
    created(1, { ownerId: "b", orgId: "a1:" }),
    created(2, { ownerId: "1:b", orgId: "a" }),
    created(3, { ownerId: "ab", orgId: "" })
  ],
  function* ({ devicesOwnedBy, isKnownUser }) {
    expect(lockIdsOf(yield* devicesOwnedBy("b", "a1:"))).toEqual([1])
    expect(lockIdsOf(yield* devicesOwnedBy("1:b", "a"))).toEqual([2])
    expect(lockIdsOf(yield* devicesOwnedBy("b", "a"))).toEqual([])
    expect([yield* isKnownUser("b", "a1:"), yield* isKnownUser("b", "a")]).toEqual([true, false])
  }
)

check("any number of locks is told of at once", [created(1), created(2), created(3)], function* ({ thingsOf }) {
  expect(yield* thingsOf([3, 1, 99, 3])).toEqual(
    new Map([
      [1, "thing-1"],
      [3, "thing-3"]
    ])
  )
  expect(yield* thingsOf([])).toEqual(new Map())
})

check(
  "an organization knows the users whom its events name",
  [
    created(1, { ownerId: ALICE, orgId: "org-1" }),
    created(2, { orgId: "org-2", keys: [{ uuid: "key-1", userId: BOB }] }),
    { _tag: "OrganizationSet", ...about(1), orgId: "org-2" },
    { _tag: "ResidentAdded", ...about(1), userId: CAROL, name: "Carol" }
  ],
  function* ({ isKnownUser }) {
    const knownTo = (orgId: string) => Effect.forEach([ALICE, BOB, CAROL], (userId) => isKnownUser(userId, orgId))
    expect(yield* knownTo("org-1")).toEqual([true, false, false])
    expect(yield* knownTo("org-2")).toEqual([false, true, true])
    expect(yield* knownTo("org-3")).toEqual([false, false, false])
    expect(yield* isKnownUser(CAROL)).toBe(true)
  }
)

check(
  "owners, key holders and residents are known, also former ones",
  [
    created(1, { ownerId: "first owner", keys: [{ uuid: "key-1", userId: "first holder" }, { uuid: "key-2" }] }),
    { _tag: "OwnerSet", ...about(1), userId: "owner" },
    { _tag: "KeyAdded", ...about(1), keyUuid: "key-3", userId: "holder" },
    { _tag: "KeyRemoved", ...about(1), keyUuid: "key-3" },
    { _tag: "ResidentAdded", ...about(1), userId: "resident", name: "Ada" },
    { _tag: "ResidentRemoved", ...about(1), userId: "resident" }
  ],
  function* ({ isKnownUser }) {
    for (const user of ["first owner", "owner", "first holder", "holder", "resident"])
      expect([user, yield* isKnownUser(user)]).toEqual([user, true])
    for (const user of ["nobody", "Owner", ""]) expect([user, yield* isKnownUser(user)]).toEqual([user, false])
  }
)

check(
  "a lock is found by its present thing; of two locks with one thing, the one with the lower id",
  [
    created(2),
    created(1),
    created(3),
    { _tag: "LockUuidChanged", ...about(2), newUuid: "thing-new", previousUuid: "thing-2" },
    { _tag: "LockUuidChanged", ...about(1), newUuid: "thing-new", previousUuid: "thing-1" }
  ],
  function* ({ lockOfThing }) {
    expect(yield* lockOfThing("thing-3")).toEqual(Option.some(3))
    expect(yield* lockOfThing("thing-2")).toEqual(Option.none())
    expect(yield* lockOfThing("thing-new")).toEqual(Option.some(1))
    expect(yield* lockOfThing("THING-NEW")).toEqual(Option.none())
  }
)

check(
  "the first lock that a temp key was created on is found, however its uuid is written, also once it is gone",
  [
    created(1),
    created(2),
    tempKeyCreated(2, TEMP_KEY.toUpperCase()),
    tempKeyCreated(1, TEMP_KEY),
    { _tag: "TempKeyDeleted", ...aboutTempKey(2, TEMP_KEY), deletedBy: ALICE }
  ],
  function* ({ lockOfTempKey }) {
    expect(yield* lockOfTempKey(TEMP_KEY)).toEqual(Option.some(2))
    expect(yield* lockOfTempKey(TEMP_KEY.toUpperCase())).toEqual(Option.some(2))
  }
)

/** Locks 1 and 900 are the organization's; of them, and of the many of others between, one has all and holds a key to each. */
const spread = [1, ...Array.from({ length: 898 }, (_, n) => n + 2), 900].flatMap((lockId) => [
  created(lockId, {
    ownerId: ALICE,
    orgId: lockId === 1 || lockId === 900 ? "org-1" : "org-2",
    keys: [{ uuid: `key-${lockId}`, indexNumber: 1, userId: ALICE }]
  })
])

check("the keys that a user holds are found by lock, page by page", spread, function* ({ keysHeldBy }) {
  const first = yield* keysHeldBy(ALICE, { after: undefined, limit: 450, orgId: undefined })
  expect([lockIdsOf(first.keys).slice(0, 3), first.keys.length, first.hasMore]).toEqual([[1, 2, 3], 450, true])
  const rest = yield* keysHeldBy(ALICE, { after: first.keys.at(-1), limit: 450, orgId: undefined })
  expect([lockIdsOf(rest.keys).at(0), lockIdsOf(rest.keys).at(-1), rest.hasMore]).toEqual([451, 900, false])
  expect(yield* keysHeldBy(BOB, { after: undefined, limit: 10, orgId: undefined })).toEqual({
    keys: [],
    hasMore: false
  })
})

/** Counts the rows that are read. */
const counting = (readModel: ReadModel["Service"]) => {
  const read = { rows: 0 }
  const counted = <A extends { readonly length: number }, E>(asked: Effect.Effect<A, E>) =>
    Effect.tap(asked, (rows) => Effect.sync(() => (read.rows += rows.length)))
  const model: ReadModel["Service"] = {
    ...readModel,
    get: (...asked) => counted(readModel.get(...asked)),
    find: (...asked) => counted(readModel.find(...asked))
  }
  return { read, model }
}

check(
  "what a former owner said of a lock is in no answer about it",
  [
    created(1, { ownerId: ALICE }),
    { _tag: "LockDescribed", ...about(1), name: "Cabin", ignorable: true },
    { _tag: "OwnerSet", ...about(1), userId: BOB }
  ],
  function* ({ devicesOwnedBy, descriptionsOf }) {
    expect(JSON.stringify(yield* devicesOwnedBy(BOB))).not.toContain("Cabin")
    expect(yield* descriptionsOf([1])).toEqual(new Map([[1, {}]]))
  }
)

it.effect("what is on others' locks between those of an organization costs it next to nothing", () =>
  Effect.gen(function* () {
    const isTheirs = (lockId: number) => lockId % 50 === 0
    const { read, model } = counting(
      yield* filledWith(
        ...Array.from({ length: 1_000 }, (_, n) =>
          created(n + 1, { ownerId: ALICE, orgId: isTheirs(n + 1) ? "org-1" : "org-2" })
        ),
        // The one before theirs has a thousand keys of the same holder.
        created(1_007, {
          orgId: "org-2",
          keys: Array.from({ length: 1_000 }, (_, n) => ({ uuid: `k-${n}`, userId: BOB }))
        }),
        created(1_008, { orgId: "org-1", keys: [{ uuid: "theirs", userId: BOB }] })
      )
    )
    const { devicesOwnedBy, keysHeldBy } = lookups(model)
    expect(lockIdsOf(yield* devicesOwnedBy(ALICE, "org-1"))).toEqual(Array.from({ length: 20 }, (_, n) => 50 * (n + 1)))
    // For each of their 20 a few, after the first look.
    expect(read.rows).toBeLessThan(200 + 20 * 7)
    read.rows = 0
    const { keys } = yield* keysHeldBy(BOB, { after: undefined, limit: 10, orgId: "org-1" })
    expect(keys.map(({ keyUuid }) => keyUuid)).toEqual(["theirs"])
    expect(read.rows).toBeLessThan(50)
  })
)

it.effect("a lock that changes hands while it is looked for is not shown as it was before", () =>
  Effect.gen(function* () {
    const before = feedOf(created(1, { ownerId: ALICE, orgId: "org-1" }))
    const after = feedOf(created(1, { ownerId: ALICE, orgId: "org-1" }), {
      _tag: "OrganizationSet",
      ...about(1),
      orgId: "org-2"
    })
    const readModel = yield* emptyModel
    yield* fill(readModel, before)
    const { devicesOwnedBy } = lookups({
      ...readModel,
      find: (...asked) => Effect.tap(readModel.find(...asked), () => Effect.orDie(fill(readModel, after)))
    })
    expect(yield* devicesOwnedBy(ALICE, "org-2")).toEqual([])
  })
)

it.effect("an organization finds those on its own locks, at the cost of its own locks", () =>
  Effect.gen(function* () {
    const readModel = yield* filledWith(...spread)
    let asked = 0
    const { keysHeldBy, devicesOwnedBy } = lookups({
      ...readModel,
      find: (...find) => {
        asked++
        return readModel.find(...find)
      }
    })
    const held = yield* keysHeldBy(ALICE, { after: undefined, limit: 10, orgId: "org-1" })
    expect([lockIdsOf(held.keys), held.hasMore]).toEqual([[1, 900], false])
    expect(asked).toBeLessThanOrEqual(4)
    asked = 0
    expect(lockIdsOf(yield* devicesOwnedBy(ALICE, "org-1"))).toEqual([1, 900])
    expect(asked).toBeLessThanOrEqual(4)
    expect(lockIdsOf(yield* devicesOwnedBy(ALICE, "org-2"))).toHaveLength(898)
    const one = yield* keysHeldBy(ALICE, { after: undefined, limit: 1, orgId: "org-1" })
    expect([lockIdsOf(one.keys), one.hasMore]).toEqual([[1], true])
    const next = yield* keysHeldBy(ALICE, { after: one.keys[0], limit: 1, orgId: "org-1" })
    expect([lockIdsOf(next.keys), next.hasMore]).toEqual([[900], false])
    expect((yield* keysHeldBy(ALICE, { after: undefined, limit: 10, orgId: "org-3" })).keys).toEqual([])
  })
)
