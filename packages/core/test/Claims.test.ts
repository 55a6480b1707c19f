/** A thing belongs to one lock at a time, whoever is quicker, however its uuid is written, and wherever the log came from. */
import { describe, expect, it } from "@effect/vitest"
import { lockFeed } from "@latchkey/core/testing"
import { Context, Effect, Layer } from "effect"
import { type Claim, claimAfter, claimKey } from "../src/access/Claims.ts"
import { DeviceShadow, ShadowUnavailable } from "../src/device/DeviceShadow.ts"
import { beginImport, disputesIn, type Executed, type ExecuteError, endImport, importFeed } from "../src/index.ts"
import { claimStepsOf } from "../src/lock/ClaimSteps.ts"
import { Claims } from "../src/locks/Claims.ts"
import * as MemoryEventStore from "../src/memory/MemoryEventStore.ts"
import { EventStore, type NewEvent, type StoredEvent } from "../src/streams/EventStore.ts"
import { lockUuid, millis, requestFor } from "./scenario.ts"
import { append, create, makeWorld } from "./world.ts"

const other = "0b0e8400-e29b-41d4-a716-44665544000a"
const inUse = { _tag: "DeviceInUse" }
const disputed = { _tag: "DeviceDisputed" }
const changeTo = (newUuid: string) => requestFor("LockUuidChanged", { newUuid })

/** A lock as Latchkey made them before there were claims. */
const made = (lockId: number, uuid: string): NewEvent => ({
  eventId: `made-${lockId}`,
  type: "LockCreated",
  data: { lockId, uuid, timestamp: "2026-08-31T07:00:00.000Z", keys: [], orgId: `org-${lockId}` },
  at: millis("07:00"),
  orgId: `org-${lockId}`,
  principal: { _tag: "Organization", orgId: `org-${lockId}` },
  commandId: `make-${lockId}`
})

/** What each lock's events come to, one thing after the other: what the records must say. */
const claimsOf = (feed: ReadonlyArray<StoredEvent>): ReadonlyMap<string, Claim> => {
  const claims = new Map<string, Claim>()
  for (const step of feed.flatMap(claimStepsOf)) {
    const claim = claimAfter(claims.get(claimKey(step.thing)), step)
    if (claim !== undefined) claims.set(claimKey(step.thing), claim)
  }
  return claims
}

const recorded = (store: EventStore["Service"]) =>
  Effect.map(
    store.records("claim/", "", 1_000),
    (records): ReadonlyMap<string, Claim> => new Map(records.map(({ key, value }) => [key, JSON.parse(value)]))
  )

describe("a thing", () => {
  it.live("is taken by one of twenty servers that want it for a lock of their own", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const servers = yield* Effect.forEach(Array.from({ length: 20 }), () => world.process())
      const answers = yield* Effect.forEach(
        servers,
        (execute, n) =>
          Effect.result(execute({ ...create, uuid: n % 2 ? lockUuid.toUpperCase() : lockUuid }, { lockId: n + 1 })),
        { concurrency: "unbounded" }
      )
      const won = answers.flatMap((answer, n) => (answer._tag === "Success" ? [n + 1] : []))
      expect(won).toHaveLength(1)
      for (const answer of answers) if (answer._tag === "Failure") expect(answer.failure).toMatchObject(inUse)
      expect(yield* world.store.head).toBe(1)
      expect(yield* recorded(world.store)).toEqual(new Map([[claimKey(lockUuid), { lockIds: won }]]))
    })
  )

  it.effect("is told of to nobody: the refusal names neither its lock nor anybody", () =>
    Effect.gen(function* () {
      const execute = yield* (yield* makeWorld).process()
      yield* execute({ ...create, ownerId: "ann" }, { lockId: 17 })
      const refused: ExecuteError | Executed = yield* Effect.flip(execute(create, { lockId: 8 }))
      expect({ ...refused }).toEqual({ _tag: "DeviceInUse", lockId: 8 })
      expect("message" in refused && refused.message).not.toMatch(/17|ann/)
    })
  )

  it.effect("cannot be taken over by changing a lock's thing, and is free when its lock has another", () =>
    Effect.gen(function* () {
      const { process, store } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create, { lockId: 1, principal: { _tag: "Organization", orgId: "org-1" } })
      yield* execute({ ...create, uuid: other }, { lockId: 2 })
      expect(yield* Effect.flip(execute(changeTo(lockUuid.toUpperCase()), { lockId: 2 }))).toMatchObject(inUse)
      yield* execute(changeTo("0b0e8400-e29b-41d4-a716-44665544000b"), { lockId: 1 })
      expect((yield* recorded(store)).get(claimKey(lockUuid))).toEqual({ lockIds: [], orgId: "org-1" })
      yield* execute(changeTo(lockUuid.toUpperCase()), { lockId: 2 })
      expect((yield* recorded(store)).get(claimKey(lockUuid))).toEqual({ lockIds: [2], orgId: "org-1" })
    })
  )

  it.effect("of a lock that was created is not asked for again by the same request", () =>
    Effect.gen(function* () {
      const execute = yield* (yield* makeWorld).process()
      yield* execute(create)
      expect(yield* execute(create)).toMatchObject({ version: 1, events: [] })
    })
  )
})

describe("two locks on one thing, from before there were claims", () => {
  const makeOld = Effect.gen(function* () {
    const world = yield* makeWorld
    yield* append(world.store, "lock-1", 0, [made(1, lockUuid)])
    yield* append(world.store, "lock-2", 0, [made(2, lockUuid.toUpperCase())])
    yield* append(world.store, "lock-3", 0, [made(3, other)])
    return { ...world, execute: yield* world.process() }
  })

  it.effect("neither give nor open, and both revoke", () =>
    Effect.gen(function* () {
      const { execute } = yield* makeOld
      for (const lockId of [1, 2]) {
        for (const request of [
          { _tag: "OpenLock" },
          { _tag: "AddKey", keyUuid: "key-1" },
          { _tag: "SetOwner", userId: "ann" },
          { _tag: "SetOrganization", orgId: "org-9" },
          { _tag: "AddResident", name: "Ann" }
        ] as const)
          expect(yield* Effect.flip(execute(request, { lockId })), request._tag).toMatchObject(disputed)
        // It is for the rules of the lock to say that there is no such key.
        expect(yield* Effect.flip(execute({ _tag: "RemoveKey", keyUuid: "key-1" }, { lockId }))).toMatchObject({
          _tag: "KeyNotFound"
        })
      }
      yield* execute({ _tag: "OpenLock" }, { lockId: 3 })
      expect(yield* Effect.flip(execute(create, { lockId: 4 }))).toMatchObject(inUse)
    })
  )

  it.effect("are listed before and after the log is read for claims, and by no server more than once", () =>
    Effect.gen(function* () {
      const { store, execute, process } = yield* makeOld
      const dispute = [{ thing: lockUuid, lockIds: [1, 2] }]
      expect(yield* disputesIn(store)).toEqual(dispute)
      expect(yield* store.records("claim", "", 10)).toEqual([])
      yield* execute({ _tag: "OpenLock" }, { lockId: 3 })
      expect(yield* disputesIn(store)).toEqual(dispute)
      const known = yield* store.records("claim", "", 10)
      yield* Effect.flip((yield* process())({ _tag: "OpenLock" }, { lockId: 1 }))
      expect(yield* store.records("claim", "", 10)).toEqual(known)
    })
  )

  it.effect("go on when the operator gives one of them another thing, on every server", () =>
    Effect.gen(function* () {
      const { store, execute, process } = yield* makeOld
      const another = yield* process()
      for (const server of [execute, another])
        expect(yield* Effect.flip(server({ _tag: "OpenLock" }, { lockId: 1 }))).toMatchObject(disputed)
      yield* execute(changeTo("0b0e8400-e29b-41d4-a716-44665544000b"), { lockId: 2 })
      for (const server of [another, execute]) yield* server({ _tag: "OpenLock" }, { lockId: 1 })
      expect(yield* disputesIn(store)).toEqual([])
      expect(yield* store.records("dispute/", "", 10)).toEqual([])
    })
  )
})

describe("a lock that is retired", () => {
  const organization = { _tag: "Organization", orgId: "org-1" } as const
  const retire = { _tag: "RetireLock" } as const
  const makeRetired = Effect.fnUntraced(function* (keys: boolean) {
    const world = yield* makeWorld
    const execute = yield* world.process()
    yield* execute({ ...create, ownerId: "ann" }, { principal: organization })
    if (keys) yield* execute({ _tag: "AddKey", keyUuid: "key-1" }, { principal: organization })
    yield* execute({ _tag: "OpenLock" }, { principal: organization })
    return { ...world, execute }
  })

  it.effect("ends its keys and commands, keeps its history, and does nothing more", () =>
    Effect.gen(function* () {
      const { execute, process, log, shadow } = yield* makeRetired(true)
      const another = yield* process()
      yield* execute(retire, { principal: organization })
      expect(Object.keys(yield* shadow.held(lockUuid))).toEqual([])
      for (const server of [execute, another])
        for (const request of [
          create,
          { _tag: "OpenLock" },
          { _tag: "AddKey", keyUuid: "key-2" },
          { _tag: "RemoveKey", keyUuid: "key-1" },
          { _tag: "SetOwner", userId: "ben" },
          changeTo(other)
        ] as const)
          expect(yield* Effect.flip(server(request)), request._tag).toMatchObject({ _tag: "LockRetired" })
      expect(yield* execute(retire, { principal: organization })).toMatchObject({ events: [] })
      expect(yield* log).toEqual(["LockCreated", "KeyAdded", "LockOpenRequested", "LockRetired"])
    })
  )

  it.effect("frees a thing on which no key ever was, and else only for the operator", () =>
    Effect.gen(function* () {
      const bare = yield* makeRetired(false)
      yield* bare.execute(retire, { principal: organization })
      expect((yield* recorded(bare.store)).get(claimKey(lockUuid))).toEqual({ lockIds: [], orgId: "org-1" })
      yield* bare.execute(create, { lockId: 8, principal: organization })
      // A thing that was used before may hold anything.
      yield* bare.execute(retire, { lockId: 8, principal: organization })
      expect(yield* Effect.flip(bare.execute(create, { lockId: 9 }))).toMatchObject(inUse)

      const { execute, store } = yield* makeRetired(true)
      yield* execute(retire, { principal: organization })
      expect(yield* Effect.flip(execute(create, { lockId: 8, principal: organization }))).toMatchObject(inUse)
      yield* execute(retire)
      expect((yield* recorded(store)).get(claimKey(lockUuid))).toEqual({ lockIds: [], orgId: "org-1" })
      yield* execute(create, { lockId: 8, principal: organization })
    })
  )

  it.effect.each([
    ["that its organization gave up before", { ownerId: "ann" }],
    ["that another lock without an organization had after it", {}]
  ] as const)("keeps a thing %s from other organizations", ([_, owned]) =>
    Effect.gen(function* () {
      const { process, store } = yield* makeWorld
      const execute = yield* process()
      yield* execute({ ...create, ...owned }, { principal: organization })
      if ("ownerId" in owned) yield* execute({ _tag: "SetOrganization", orgId: "" }, { principal: organization })
      yield* execute(retire)
      if (!("ownerId" in owned)) {
        yield* execute(create, { lockId: 8 })
        yield* execute(retire, { lockId: 8 })
      }
      const by = (orgId: string) => ({ lockId: 9, principal: { _tag: "Organization", orgId } as const })
      expect(yield* Effect.flip(execute(create, by("org-2")))).toMatchObject({ _tag: "AccessDenied" })
      yield* execute(create, by("org-1"))
      expect(yield* recorded(store)).toEqual(claimsOf(yield* store.feed(0, 100)))
    })
  )

  it.effect("is its last organization's, once it was passed on", () =>
    Effect.gen(function* () {
      const execute = yield* (yield* makeWorld).process()
      yield* execute(create, { principal: organization })
      yield* execute({ _tag: "SetOrganization", orgId: "org-2" }, { principal: organization })
      yield* execute(retire)
      const by = (orgId: string) => ({ lockId: 9, principal: { _tag: "Organization", orgId } as const })
      expect(yield* Effect.flip(execute(create, by("org-1")))).toMatchObject({ _tag: "AccessDenied" })
      yield* execute(create, by("org-2"))
    })
  )

  it.effect("is retired by its organization, and by its owner only where it has none", () =>
    Effect.gen(function* () {
      const { execute } = yield* makeRetired(true)
      const ann = { _tag: "User", userId: "ann" } as const
      expect(yield* Effect.flip(execute(retire, { principal: ann }))).toMatchObject({ _tag: "AccessDenied" })
      yield* execute({ ...create, uuid: other }, { lockId: 8, principal: ann })
      yield* execute(retire, { lockId: 8, principal: ann })
    })
  )

  it.effect(
    "leaves nothing of its commands to whoever claims its thing, though its server dies or the shadow is away",
    () =>
      Effect.gen(function* () {
        const { execute, ports, process, shadow, store } = yield* makeRetired(true)
        const away = Context.add(ports, DeviceShadow, {
          ...Context.get(ports, DeviceShadow),
          settle: (thing) => Effect.fail(new ShadowUnavailable({ thing, message: "away" }))
        })
        const cutOff = yield* process({ over: away })
        yield* cutOff(retire)
        expect(Object.keys(yield* shadow.held(lockUuid))).toHaveLength(2)
        expect(yield* store.records("take-back/", "", 10)).toHaveLength(1)
        expect(yield* Effect.flip(cutOff(create, { lockId: 8 }))).toMatchObject({ _tag: "LockBusy" })
        yield* execute(create, { lockId: 8 })
        expect(Object.keys(yield* shadow.held(lockUuid))).toEqual([])
        expect(yield* store.records("take-back/", "", 10)).toEqual([])
      })
  )
})

describe("a claim that the operator moves", () => {
  const lost = { _tag: "DeviceLost" }
  const moveTo = (uuid: string) => ({ _tag: "MoveClaim", uuid }) as const

  // Live: two servers keep refused openings of one lock in one stream, and pause when they meet there.
  it.live("decides a dispute: one lock has the thing, the other has none until it is given another", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      for (const lockId of [1, 2, 3]) yield* append(world.store, `lock-${lockId}`, 0, [made(lockId, lockUuid)])
      const [execute, another] = [yield* world.process(), yield* world.process()]
      for (const server of [execute, another])
        expect(yield* Effect.flip(server({ _tag: "OpenLock" }, { lockId: 2 }))).toMatchObject(disputed)
      const byOrganization = { lockId: 2, principal: { _tag: "Organization", orgId: "org-2" } } as const
      expect(yield* Effect.flip(execute(moveTo(lockUuid), byOrganization))).toMatchObject({ _tag: "AccessDenied" })
      yield* execute(moveTo(lockUuid.toUpperCase()), { lockId: 2 })
      expect(yield* execute(moveTo(lockUuid), { lockId: 2 })).toMatchObject({ events: [] })
      expect(yield* disputesIn(world.store)).toEqual([])
      for (const server of [another, execute]) {
        yield* server({ _tag: "OpenLock" }, { lockId: 2 })
        for (const lockId of [1, 3])
          expect(yield* Effect.flip(server({ _tag: "OpenLock" }, { lockId }))).toMatchObject(lost)
      }
      yield* execute(changeTo(other), { lockId: 1 })
      yield* another({ _tag: "OpenLock" }, { lockId: 1 })
      expect(yield* recorded(world.store)).toEqual(
        new Map([
          [claimKey(lockUuid), { lockIds: [2], orgId: "org-2" }],
          [claimKey(other), { lockIds: [1], orgId: "org-1" }]
        ])
      )
      expect(yield* recorded(world.store)).toEqual(claimsOf(yield* world.store.feed(0, 100)))
    })
  )

  it.effect("takes a thing from the lock that has it, with everything that was sent, and tells the thing no more", () =>
    Effect.gen(function* () {
      const { process, shadow, store } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create, { lockId: 1 })
      yield* execute({ ...create, uuid: other }, { lockId: 2 })
      yield* execute({ _tag: "AddKey", keyUuid: "key-1" }, { lockId: 1 })
      yield* execute({ _tag: "AddKey", keyUuid: "key-2" }, { lockId: 2 })
      yield* execute(moveTo(lockUuid), { lockId: 2 })
      expect([Object.keys(yield* shadow.held(lockUuid)), Object.keys(yield* shadow.held(other))]).toEqual([[], []])
      yield* execute({ _tag: "RemoveKey", keyUuid: "key-1" }, { lockId: 1 })
      expect(Object.keys(yield* shadow.held(lockUuid))).toEqual([])
      yield* execute({ _tag: "OpenLock" }, { lockId: 2 })
      expect(Object.keys(yield* shadow.held(lockUuid))).toHaveLength(1)
      expect((yield* recorded(store)).get(claimKey(other))).toEqual({ lockIds: [] })
    })
  )
})

describe("a thing with more locks on it than one write takes", () => {
  it.live("is moved to one of them all the same, and a retry of the same request goes on where it broke off", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      for (let lockId = 1; lockId <= 1_200; lockId++)
        yield* append(world.store, `lock-${lockId}`, 0, [made(lockId, lockUuid)])
      let writes = 0
      const over = Context.add(world.ports, EventStore, {
        ...world.store,
        write: (batch) => {
          const events = (batch.append ?? []).reduce((sum, { events }) => sum + events.length, 0)
          const isLoss = batch.append?.some(({ events }) => events.some(({ type }) => type === "ClaimLost")) === true
          expect([events, (batch.put?.length ?? 0) + (batch.remove?.length ?? 0)].every((n) => n <= 1_000)).toBe(true)
          return isLoss && ++writes === 3 ? Effect.die("gone") : world.store.write(batch)
        }
      })
      const dying = yield* world.process({ over })
      const move = { _tag: "MoveClaim", uuid: lockUuid } as const
      yield* Effect.exit(dying(move, { lockId: 1_000, commandId: "move" }))
      expect((yield* disputesIn(world.store))[0]?.lockIds.length).toBeLessThan(1_200)
      const execute = yield* world.process()
      yield* execute(move, { lockId: 1_000, commandId: "move" })
      expect(yield* disputesIn(world.store)).toEqual([])
      expect((yield* recorded(world.store)).get(claimKey(lockUuid))).toEqual({ lockIds: [1_000], orgId: "org-1000" })
      yield* execute({ _tag: "OpenLock" }, { lockId: 1_000 })
      for (const lockId of [1, 999, 1_001, 1_200]) {
        expect(yield* Effect.flip(execute({ _tag: "OpenLock" }, { lockId }))).toMatchObject({ _tag: "DeviceLost" })
        expect(yield* world.store.read(`lock-${lockId}`, 1, 10)).toHaveLength(1)
      }
    })
  )
})

describe("the claims of a log", () => {
  const known = (store: EventStore["Service"]) =>
    Effect.flatMap(
      Effect.provideService(Layer.build(Layer.fresh(Claims.layer("proof"))), EventStore, store),
      (services) => Context.get(services, Claims).known
    )

  it.effect.prop("are the same whether it was imported, or read by several servers at once", [lockFeed], ([feed]) =>
    Effect.gen(function* () {
      const [imported, old] = [MemoryEventStore.make(), MemoryEventStore.make()]
      yield* beginImport(imported)
      yield* importFeed(imported, feed)
      yield* endImport(imported)
      const expected = claimsOf(feed)
      expect(yield* recorded(imported)).toEqual(expected)
      for (const { streamId, version, position: _, ...event } of feed)
        yield* append(old, streamId, version - 1, [event])
      yield* Effect.all([known(old), known(old), known(old)], { concurrency: "unbounded" })
      expect(yield* recorded(old)).toEqual(expected)
      const disputes = [...expected].flatMap(([_, { lockIds }]) => (lockIds.length > 1 ? [lockIds] : []))
      for (const store of [imported, old])
        expect((yield* disputesIn(store)).map(({ lockIds }) => lockIds)).toEqual(expect.arrayContaining(disputes))
      // Nothing more is read once it is known.
      yield* known({ ...old, feed: () => Effect.die("was read again") })
    })
  )

  it.effect("are read on from where another server stopped, in batches that every store takes", () =>
    Effect.gen(function* () {
      const store = MemoryEventStore.make()
      for (let lockId = 1; lockId <= 1_200; lockId++)
        yield* append(store, `lock-${lockId}`, 0, [
          made(lockId, `0b0e8400-e29b-41d4-a716-${String(Math.ceil(lockId / 2)).padStart(12, "0")}`)
        ])
      let writes = 0
      const dying: EventStore["Service"] = {
        ...store,
        write: (batch) => {
          expect((batch.put?.length ?? 0) + (batch.remove?.length ?? 0)).toBeLessThanOrEqual(1_000)
          return ++writes === 3 ? Effect.die("gone") : store.write(batch)
        }
      }
      yield* Effect.exit(known(dying))
      yield* known(store)
      expect(yield* disputesIn(store)).toHaveLength(600)
      expect((yield* recorded(store)).size).toBe(600)
      expect(writes).toBe(3)
    })
  )
})
