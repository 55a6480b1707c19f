/** What can be asked, by whom, and how fresh the answers are. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { LockQueries } from "../src/locks/LockQueries.ts"
import { Locks } from "../src/locks/Locks.ts"
import { ReadModel, ReadModelUnavailable } from "../src/read-model/ReadModel.ts"
import type { Principal } from "../src/values/Principal.ts"
import { asked, clock, lockId, lockUuid, millis, operator, type Request } from "./scenario.ts"
import { append, create, createAnother, makeWorld } from "./world.ts"

const ada: Principal = { _tag: "User", userId: "ada" }
const bob: Principal = { _tag: "User", userId: "bob" }
const organization: Principal = { _tag: "Organization", orgId: "org-1" }
const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const window = {
  accessMode: "public",
  allowedUserIds: [],
  validFrom: clock("09:00"),
  validUntil: clock("17:00")
} as const

/** A process that asks, and another that changes the lock meanwhile: ada's, with a key of bob's. */
const makeQueries = Effect.gen(function* () {
  const world = yield* makeWorld
  const queries = Context.get(yield* world.quiet(), LockQueries)
  const execute = yield* world.process()
  yield* execute({ ...create, ownerId: "ada", keys: [{ uuid: "key-1", userId: "bob" }] }, { principal: organization })
  return { ...world, queries, execute }
})

describe("a question about a lock", () => {
  it.live("is answered as of now, also when another process wrote", () =>
    Effect.gen(function* () {
      const { queries, execute } = yield* makeQueries
      expect(yield* queries.lock(ada, lockId, "details")).toMatchObject({ ownerId: "ada", version: 1 })
      yield* execute({ _tag: "SetOwner", userId: "bob" })
      expect(yield* queries.lock(bob, lockId, "details")).toMatchObject({ ownerId: "bob", version: 2 })
      expect(yield* Effect.flip(queries.lock(ada, lockId, "details"))).toMatchObject({ _tag: "AccessDenied" })
    })
  )

  it.live("is refused to whom it is not for, and for a lock that is not there", () =>
    Effect.gen(function* () {
      const { queries } = yield* makeQueries
      expect(yield* queries.lock(bob, lockId, "basic-info")).toMatchObject({ lockId })
      expect(yield* Effect.flip(queries.lock(bob, lockId, "details"))).toMatchObject({ _tag: "AccessDenied" })
      expect(yield* Effect.flip(queries.tempKeys(bob, lockId, 0))).toMatchObject({ _tag: "AccessDenied" })
      expect(yield* Effect.flip(queries.history(bob, lockId, {}))).toMatchObject({ _tag: "AccessDenied" })
      expect(yield* Effect.flip(queries.lock(operator, 8, "details"))).toMatchObject({ _tag: "LockNotFound" })
    })
  )
})

describe("temp keys", () => {
  it.live("are the same a page at a time, whatever comes and goes meanwhile, each once and in its place", () =>
    Effect.gen(function* () {
      const { queries, execute } = yield* makeQueries
      const uuidOf = (n: number) => `7e3b0000-0000-4000-8000-${String(n).padStart(12, "0")}`
      for (let n = 0; n < 7; n++) yield* execute({ _tag: "CreateTempKey", tempKeyUuid: uuidOf(n), ...window })
      const all = Effect.map(queries.tempKeys(ada, lockId, millis("09:00")), ({ tempKeys }) => tempKeys)
      expect((yield* all).map(({ uuid }) => uuid)).toEqual([0, 1, 2, 3, 4, 5, 6].map(uuidOf))
      yield* execute({ _tag: "UseTempKey", tempKeyUuid: uuidOf(5) })
      const changes = [
        { _tag: "DeleteTempKey", tempKeyUuid: uuidOf(1) },
        { _tag: "ChangeTempKeyLink", tempKeyUuid: uuidOf(4), newTempKeyUuid: uuidOf(9) },
        { _tag: "CreateTempKey", tempKeyUuid: uuidOf(8), ...window }
      ] as const
      const listed: Array<string> = []
      let cursor: string | undefined
      for (let page = 0; page === 0 || cursor !== undefined; page++) {
        const query = { limit: 2, ...(cursor !== undefined && { cursor }) }
        const { tempKeys, nextCursor } = yield* queries.tempKeys(ada, lockId, millis("09:00"), query)
        listed.push(...tempKeys.map(({ uuid, usedCount }) => `${uuid} ${usedCount}`))
        cursor = nextCursor
        const change = changes[page]
        if (change !== undefined) yield* execute(change)
      }
      // The second was seen before it went.
      expect(listed.map((one) => one.slice(-4))).toEqual([
        "00 0",
        "01 0",
        "02 0",
        "03 0",
        "09 0",
        "05 1",
        "06 0",
        "08 0"
      ])
      expect((yield* all).map(({ uuid }) => uuid)).toEqual([0, 2, 3, 9, 5, 6, 8].map(uuidOf))
    })
  )

  it.live("are listed with their status at the instant asked about, oldest first, deleted ones not", () =>
    Effect.gen(function* () {
      const { queries, execute } = yield* makeQueries
      const uuids = ["c", "b", "a"].map((letter) => tempKeyUuid.slice(0, -1) + letter)
      for (const uuid of uuids) yield* execute({ _tag: "CreateTempKey", tempKeyUuid: uuid, ...window, maxUses: 1 })
      yield* execute({ _tag: "DeleteTempKey", tempKeyUuid: uuids[1] ?? "" })
      yield* execute({ _tag: "UseTempKey", tempKeyUuid: uuids[2] ?? "" })
      const statuses = (time: string) =>
        Effect.map(queries.tempKeys(ada, lockId, millis(time)), ({ tempKeys }) =>
          tempKeys.map(({ uuid, status }) => [uuid.at(-1), status])
        )
      expect(yield* statuses("08:59")).toEqual([
        ["c", "not-yet-valid"],
        ["a", "used-up"]
      ])
      expect(yield* statuses("09:00")).toEqual([
        ["c", "valid"],
        ["a", "used-up"]
      ])
      expect(yield* statuses("17:00")).toEqual([
        ["c", "expired"],
        ["a", "expired"]
      ])
    })
  )
})

describe("the history", () => {
  it.live("comes in pages, oldest event first, and ends", () =>
    Effect.gen(function* () {
      const { queries, execute } = yield* makeQueries
      const changes: ReadonlyArray<Request> = ["b", "c", "d", "e"].map((userId) => ({ _tag: "SetOwner", userId }))
      for (const change of changes) yield* execute(change)
      const page = (number: number, size: number) =>
        Effect.map(queries.history(operator, lockId, { page: number, limit: size }), ({ totalEvents, events }) => [
          totalEvents,
          events.map(({ version }) => version)
        ])
      expect(yield* page(1, 2)).toEqual([5, [1, 2]])
      expect(yield* page(3, 2)).toEqual([5, [5]])
      expect(yield* page(4, 2)).toEqual([5, []])
      expect(yield* page(1, 5)).toEqual([5, [1, 2, 3, 4, 5]])
      expect(yield* page(2, 5)).toEqual([5, []])
      expect(yield* page(1_000_000, 1_000)).toEqual([5, []])
    })
  )

  it.live("shows events as published, and such as a later version of Latchkey wrote only as they are stored", () =>
    Effect.gen(function* () {
      const { queries, execute, store } = yield* makeQueries
      yield* execute({ _tag: "AddResident", userId: "eve", name: "Eve", phoneNumber: "+31 1" })
      const [created] = yield* store.read("lock-7", 0, 1)
      if (created !== undefined)
        yield* append(store, "lock-7", 2, [{ ...created, eventId: "later", type: "LockPainted" }])
      const { events } = yield* queries.history(operator, lockId, {})
      expect(events[1]?.wire).toEqual({
        type: "ResidentAdded",
        data: { lockId, uuid: lockUuid, timestamp: clock("09:00"), userId: "eve", name: "Eve" }
      })
      expect([events[2]?.type, events[2]?.wire]).toEqual(["LockPainted", undefined])
    })
  )
})

describe("owned locks", () => {
  it.live("show at once what was just answered", () =>
    Effect.gen(function* () {
      const { queries, execute } = yield* makeQueries
      for (const owner of ["bob", "ada", "bob"]) {
        yield* execute({ _tag: "SetOwner", userId: owner })
        const { locks, source } = yield* queries.ownedLocks({ _tag: "User", userId: owner }, owner)
        expect([source, locks.map((lock) => lock.lockId)]).toEqual(["memory", [lockId]])
      }
      expect((yield* queries.ownedLocks(ada, "ada")).locks).toEqual([])
    })
  )

  it.live("are a user's own business, and an organization sees only its own among them", () =>
    Effect.gen(function* () {
      const { queries, execute } = yield* makeQueries
      yield* execute(
        { ...createAnother, ownerId: "ada" },
        { lockId: 8, principal: { _tag: "Organization", orgId: "org-2" } }
      )
      const lockIds = (principal: Principal) =>
        Effect.map(queries.ownedLocks(principal, "ada"), ({ locks }) => locks.map((lock) => lock.lockId))
      expect(yield* lockIds(ada)).toEqual([7, 8])
      expect(yield* lockIds(operator)).toEqual([7, 8])
      expect(yield* lockIds(organization)).toEqual([7])
      // Whether others know a user is none of an organization's business: to it they are nobody.
      for (const userId of ["ada", "mallory"]) {
        const refused = yield* Effect.flip(queries.ownedLocks({ _tag: "Organization", orgId: "org-3" }, userId))
        expect(refused).toMatchObject({ _tag: "UserNotFound" })
      }
      expect(yield* Effect.flip(queries.ownedLocks(bob, "ada"))).toMatchObject({ _tag: "AccessDenied" })
    })
  )

  it.live("of a user whom no lock knows are not found, unless they ask themselves", () =>
    Effect.gen(function* () {
      const { queries } = yield* makeQueries
      expect(yield* Effect.flip(queries.ownedLocks(organization, "mallory"))).toMatchObject({ _tag: "UserNotFound" })
      expect((yield* queries.ownedLocks(organization, "bob")).locks).toEqual([])
      expect((yield* queries.ownedLocks({ _tag: "User", userId: "mallory" }, "mallory")).locks).toEqual([])
    })
  )

  it.live("are unavailable while the read model is down; commands work all the same", () =>
    Effect.gen(function* () {
      const { ports, readModel } = yield* makeWorld
      const down = Effect.fail(new ReadModelUnavailable({ message: "down" }))
      const broken = ReadModel.of({
        ...readModel,
        cursor: down,
        apply: () => down,
        get: () => down,
        find: () => down
      })
      const { latchkey } = yield* makeWorld
      const services = yield* latchkey(Context.add(ports, ReadModel, broken))
      yield* Context.get(services, Locks).execute(asked({ ...create, ownerId: "ada" }))
      const queries = Context.get(services, LockQueries)
      expect(yield* queries.ownedLocks(ada, "ada")).toEqual({ locks: [], source: "unavailable" })
      expect(yield* queries.ownedLocks(organization, "ada")).toEqual({ locks: [], source: "unavailable" })
    })
  )
})
