/** Many keys removed by one request: one answer says what became of each, and a retry goes on where the first try was. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { KeyRemovals } from "../src/locks/KeyRemovals.ts"
import { LockQueries } from "../src/locks/LockQueries.ts"
import { Locks } from "../src/locks/Locks.ts"
import { ReadModel, ReadModelUnavailable } from "../src/read-model/ReadModel.ts"
import { EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { asked, lockId, type Request } from "./scenario.ts"
import { thingOf } from "./shared.ts"
import { create, makeWorld } from "./world.ts"

const ann: Principal = { _tag: "User", userId: "ann" }
const ben: Principal = { _tag: "User", userId: "ben" }
const org: Principal = { _tag: "Organization", orgId: "org-1" }

/** Ben's lock with two keys of ann's, who had it before, and one of the organization's. */
const sold = Effect.gen(function* () {
  const world = yield* makeWorld
  const server = () =>
    Effect.map(world.latchkey(), (services) => {
      const { execute } = Context.get(services, Locks)
      return {
        removals: Context.get(services, KeyRemovals),
        ask: (principal: Principal, request: Request) =>
          execute(asked(request, { principal, commandId: `command-${++commands}` }))
      }
    })
  let commands = 0
  const { removals, ask } = yield* server()
  yield* ask(org, { ...create, ownerId: "ann", keys: [{ uuid: "office", indexNumber: 1 }] })
  yield* ask(ann, { _tag: "AddKey", keyUuid: "mine", keyIndexNumber: 2, userId: "ann" })
  yield* ask(ann, { _tag: "AddKey", keyUuid: "aunt" })
  yield* ask(ann, { _tag: "SetOwner", userId: "ben" })
  return { ...world, server, removals, ask }
})

const context = (principal: Principal, commandId: string, receipt?: string) => ({
  lockId,
  principal,
  commandId,
  at: 0,
  ...(receipt === undefined ? {} : { receipt: { id: receipt, fingerprint: "removal" } })
})
const both = { lockId, removed: [{ keyUuid: "mine", keyIndexNumber: 2 }, { keyUuid: "aunt" }], failed: [] }

describe("inherited keys", () => {
  it.live("are removed one by one, and no other", () =>
    Effect.gen(function* () {
      const { removals, log } = yield* sold
      expect(yield* removals.inherited(context(ben, "remove"))).toEqual(both)
      expect((yield* log).filter((type) => type === "KeyRemoved")).toHaveLength(2)
      expect(yield* removals.inherited(context(ben, "remove again"))).toEqual({ lockId, removed: [], failed: [] })
    })
  )

  it.live("are what the former side gave, whoever asks", () =>
    Effect.gen(function* () {
      const { removals, ask } = yield* sold
      yield* ask(org, { _tag: "SetOrganization", orgId: "org-2" })
      const { removed } = yield* removals.inherited(context({ _tag: "Super" }, "remove"))
      expect(removed.map(({ keyUuid }) => keyUuid)).toEqual(["office", "mine", "aunt"])
    })
  )

  it.live("are for those who may remove keys", () =>
    Effect.gen(function* () {
      const { removals } = yield* sold
      for (const principal of [ann, { _tag: "Guest" }, { _tag: "User", userId: "carl" }] as const)
        expect(yield* Effect.flip(removals.inherited(context(principal, "remove")))).toMatchObject({
          _tag: "AccessDenied"
        })
      const nowhere = { ...context(ben, "remove"), lockId: 999 }
      expect(yield* Effect.flip(removals.inherited(nowhere))).toMatchObject({ _tag: "LockNotFound" })
    })
  )

  it.live("are removed at once also where the device cannot be told", () =>
    Effect.gen(function* () {
      const { removals, shadow, log } = yield* sold
      yield* shadow.setMode("reject")
      expect(yield* removals.inherited(context(ben, "remove"))).toEqual(both)
      expect((yield* log).filter((type) => type === "KeyRemoved")).toHaveLength(2)
    })
  )

  it.live("with a receipt are those of the first try, on whichever server, and each is removed once", () =>
    Effect.gen(function* () {
      const { removals, server, ask, log } = yield* sold
      expect(yield* removals.inherited(context(ben, "remove", "receipt-1"))).toEqual(both)
      const removedKeys = Effect.map(log, (types) => types.filter((type) => type === "KeyRemoved").length)
      const another = yield* server()
      expect(yield* another.removals.inherited(context(ben, "retry", "receipt-1"))).toEqual(both)
      expect(yield* removedKeys).toBe(2)
      // What has come since is another request's.
      yield* ask(ben, { _tag: "AddKey", keyUuid: "new" })
      yield* ask(ben, { _tag: "SetOwner", userId: "ann" })
      yield* ask(org, { _tag: "AddKey", keyUuid: "mine", keyIndexNumber: 2 })
      expect(yield* another.removals.inherited(context(ann, "third", "receipt-1"))).toEqual(both)
      expect(yield* removedKeys).toBe(2)
      const reused = { ...context(ann, "fourth"), receipt: { id: "receipt-1", fingerprint: "another" } }
      expect(yield* Effect.flip(removals.inherited(reused))).toMatchObject({ _tag: "ReceiptReused" })
    })
  )

  it.live("with a receipt that a first try left behind half done are finished by the second", () =>
    Effect.gen(function* () {
      const { removals, latchkey, ports, log } = yield* sold
      const broken = Context.get(yield* latchkey(failingFor(ports, "aunt")), KeyRemovals)
      expect(yield* Effect.flip(broken.inherited(context(ben, "remove", "receipt-1")))).toMatchObject({
        _tag: "StoreUnavailable"
      })
      expect(yield* removals.inherited(context(ben, "retry", "receipt-1"))).toEqual(both)
      expect((yield* log).filter((type) => type === "KeyRemoved")).toHaveLength(2)
    })
  )
})

/** The ports with a store that never gets the removal of this key. */
const failingFor = (ports: World["ports"], keyUuid: string) => {
  const store = Context.get(ports, EventStore)
  return Context.add(ports, EventStore, {
    ...store,
    write: (batch) =>
      batch.append?.some(({ events }) => events.some(({ type, data }) => isRemovalOf(keyUuid, type, data)))
        ? Effect.fail(new StoreUnavailable({ message: "not this one" }))
        : store.write(batch)
  })
}
type World = Effect.Success<typeof makeWorld>
const isRemovalOf = (keyUuid: string, type: string, data: { readonly [field: string]: unknown }) =>
  type === "KeyRemoved" && data["keyUuid"] === keyUuid

/** Carl holds two keys on lock 1 of org-1, one on lock 2 of org-2, and none on lock 3. */
const employed = Effect.gen(function* () {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  const { execute } = Context.get(services, Locks)
  const removals = Context.get(services, KeyRemovals)
  const queries = Context.get(services, LockQueries)
  let commands = 0
  const ask = (lockId: number, principal: Principal, request: object) =>
    execute({ at: 0, lockId, principal, commandId: `command-${++commands}`, ...request } as never)
  for (const [lockId, principal] of [
    [1, org],
    [2, otherOrg],
    [3, org]
  ] as const)
    yield* ask(lockId, principal, { _tag: "CreateLock", index: 1, uuid: thingOf(lockId) })
  yield* ask(1, org, { _tag: "AddKey", keyUuid: "a", keyIndexNumber: 1, userId: "carl" })
  yield* ask(1, org, { _tag: "AddKey", keyUuid: "b", userId: "carl" })
  yield* ask(1, org, { _tag: "AddKey", keyUuid: "c", userId: "dora" })
  yield* ask(2, otherOrg, { _tag: "AddKey", keyUuid: "a", userId: "carl" })
  yield* ask(3, org, { _tag: "AddKey", keyUuid: "a", userId: "dora" })
  const keysOf = (userId: string, principal: Principal = { _tag: "Super" }) =>
    Effect.map(queries.userKeys(principal, userId, {}), ({ keys }) =>
      keys.map(({ lockId, keyUuid }) => `${lockId} ${keyUuid}`)
    )
  const by = (principal: Principal, commandId: string, receipt?: string) => {
    const { lockId: _, ...by } = context(principal, commandId, receipt)
    return by
  }
  return { ...world, removals, ask, keysOf, by }
})
const otherOrg: Principal = { _tag: "Organization", orgId: "org-2" }
const carl: Principal = { _tag: "User", userId: "carl" }
const atFirst = { lockId: 1, removed: [{ keyUuid: "a", keyIndexNumber: 1 }, { keyUuid: "b" }], failed: [] }
const atSecond = { lockId: 2, removed: [{ keyUuid: "a" }], failed: [] }

describe("the keys of a user", () => {
  it.live("are found by lock: a user's own, those on an organization's locks, and all of them", () =>
    Effect.gen(function* () {
      const { keysOf } = yield* employed
      const all = ["1 a", "1 b", "2 a"]
      expect(yield* keysOf("carl")).toEqual(all)
      expect(yield* keysOf("carl", carl)).toEqual(all)
      expect(yield* keysOf("carl", org)).toEqual(all.slice(0, 2))
      expect(yield* keysOf("carl", otherOrg)).toEqual(["2 a"])
      expect(yield* keysOf("nobody", org)).toEqual([])
      for (const principal of [ann, { _tag: "Guest" }] as const)
        expect(yield* Effect.flip(keysOf("carl", principal))).toMatchObject({ _tag: "AccessDenied" })
    })
  )

  it.live("are removed on the locks of the organization that asks, and on no other", () =>
    Effect.gen(function* () {
      const { removals, keysOf, by } = yield* employed
      expect(yield* removals.ofUser("carl", by(org, "remove"))).toEqual({ locks: [atFirst], more: false })
      expect(yield* keysOf("carl")).toEqual(["2 a"])
      expect(yield* keysOf("dora")).toEqual(["1 c", "3 a"])
      expect(yield* removals.ofUser("carl", by(org, "again"))).toEqual({ locks: [], more: false })
    })
  )

  it.live("are given up by the user, also where their giver has lost the lock", () =>
    Effect.gen(function* () {
      const { removals, ask, keysOf, by } = yield* employed
      yield* ask(1, org, { _tag: "SetOrganization", orgId: "org-3" })
      expect(yield* removals.ofUser("carl", by(carl, "remove"))).toEqual({ locks: [atFirst, atSecond], more: false })
      expect(yield* keysOf("carl")).toEqual([])
      expect(yield* Effect.flip(removals.ofUser("dora", by(carl, "another's")))).toMatchObject({ _tag: "AccessDenied" })
      expect(yield* keysOf("dora")).toEqual(["1 c", "3 a"])
    })
  )

  it.live("with a receipt are those of the first try: half done, it is finished, and a key that is new stays", () =>
    Effect.gen(function* () {
      const { removals, ask, keysOf, by, latchkey, ports } = yield* employed
      const superKey: Principal = { _tag: "Super" }
      const broken = Context.get(yield* latchkey(failingFor(ports, "b")), KeyRemovals)
      expect(yield* Effect.flip(broken.ofUser("carl", by(superKey, "remove", "receipt-1")))).toMatchObject({
        _tag: "StoreUnavailable"
      })
      yield* ask(3, org, { _tag: "AddKey", keyUuid: "new", userId: "carl" })
      const whole = { locks: [atFirst, atSecond], more: false }
      expect(yield* removals.ofUser("carl", by(superKey, "retry", "receipt-1"))).toEqual(whole)
      expect(yield* keysOf("carl")).toEqual(["3 new"])
      // Under the same name it is another key: what the receipt stands for is done.
      yield* ask(1, org, { _tag: "AddKey", keyUuid: "b", userId: "carl" })
      expect(yield* removals.ofUser("carl", by(superKey, "third", "receipt-1"))).toEqual(whole)
      expect(yield* keysOf("carl")).toEqual(["1 b", "3 new"])
    })
  )

  it.live("are not said to be none when the read model cannot tell", () =>
    Effect.gen(function* () {
      const { ports, readModel, latchkey, by } = yield* employed
      const down = Effect.fail(new ReadModelUnavailable({ message: "down" }))
      const over = Context.add(ports, ReadModel, { ...readModel, find: () => down })
      const removals = Context.get(yield* latchkey(over), KeyRemovals)
      expect(yield* Effect.flip(removals.ofUser("carl", by(org, "remove")))).toMatchObject({
        _tag: "ReadModelUnavailable"
      })
    })
  )
})
