/** The feed of an organization: its own events, in order, complete and once, and who waits hears of its own alone. */
import { expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Stream } from "effect"
import { Locks } from "../src/locks/Locks.ts"
import { PartnerFeed } from "../src/partners/PartnerFeed.ts"
import type { Told } from "../src/partners/Told.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import type { ChangeRequest } from "../src/temp-key/SharedCredential.ts"
import { millis, operator } from "./scenario.ts"
import { makeSharedWorld, pinKey, sharing, uuidOf } from "./shared.ts"
import { makeWorld } from "./world.ts"

const setUp = Effect.gen(function* () {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  const { execute } = Context.get(services, Locks)
  let commands = 0
  const command = (lockId: number, request: object) =>
    execute({
      ...request,
      lockId,
      commandId: `command-${++commands}`,
      at: 1_788_166_800_000 + commands,
      principal: operator
    } as Parameters<typeof execute>[0])
  const create = (lockId: number, orgId: string) =>
    Effect.andThen(
      command(lockId, {
        _tag: "CreateLock",
        index: 1,
        uuid: `0b0e8400-e29b-41d4-a716-${String(lockId).padStart(12, "0")}`
      }),
      command(lockId, { _tag: "SetOrganization", orgId })
    )
  return { ...world, feed: Context.get(services, PartnerFeed), command, create, services }
})

const names = (told: ReadonlyArray<Told>) =>
  told.map(({ lockId, version, data }) => `${lockId}:${version} ${data.type}`)

it.effect("an organization is told of its own events alone, in order; the operator of all", () =>
  Effect.gen(function* () {
    const { feed, create, command } = yield* setUp
    yield* create(1, "org-1")
    yield* create(2, "org-2")
    yield* command(1, { _tag: "SetOwner", userId: "ada" })
    expect(names((yield* feed.page("org-1", 0, 100)).told)).toEqual(["1:2 OrganizationSet", "1:3 OwnerSet"])
    expect(names((yield* feed.page("org-2", 0, 100)).told)).toEqual(["2:2 OrganizationSet"])
    expect((yield* feed.page("*", 0, 100)).told).toHaveLength(5)
  }).pipe(Effect.scoped)
)

it.effect("that a lock changes hands is told to both organizations as the same event, to all once", () =>
  Effect.gen(function* () {
    const { feed, create, command } = yield* setUp
    yield* create(1, "org-1")
    yield* command(1, { _tag: "SetOrganization", orgId: "org-2" })
    yield* command(1, { _tag: "SetOwner", userId: "ada" })
    yield* command(1, { _tag: "SetOrganization", orgId: "" })
    const before = (yield* feed.page("org-1", 0, 100)).told
    const after = (yield* feed.page("org-2", 0, 100)).told
    expect(names(before)).toEqual(["1:2 OrganizationSet", "1:3 OrganizationSet"])
    expect(names(after)).toEqual(["1:3 OrganizationSet", "1:4 OwnerSet", "1:5 OrganizationSet"])
    expect(before[1]?.id).toBe(after[0]?.id)
    expect(before[1]?.data).toEqual(after[0]?.data)
    expect([before[1]?.orgId, after[0]?.orgId]).toEqual(["org-1", "org-2"])
    const all = (yield* feed.page("*", 0, 100)).told
    expect(names(all)).toEqual([
      "1:1 LockCreated",
      "1:2 OrganizationSet",
      "1:3 OrganizationSet",
      "1:4 OwnerSet",
      "1:5 OrganizationSet"
    ])
  }).pipe(Effect.scoped)
)

it.effect("page after page, whatever their size and filter, is the whole, once", () =>
  Effect.gen(function* () {
    const { feed, create, command } = yield* setUp
    for (const lockId of [1, 2, 3]) yield* create(lockId, "org-1")
    for (let n = 0; n < 30; n++) yield* command((n % 3) + 1, { _tag: "SetOwner", userId: `user-${n}` })
    const whole = (yield* feed.page("org-1", 0, 1_000)).told
    for (const filter of [{}, { lockIds: new Set([2]) }, { types: new Set(["OrganizationSet"]) }]) {
      for (const limit of [1, 2, 7, 100]) {
        const told: Array<Told> = []
        let [after, more] = [0, true]
        while (more) {
          const page = yield* feed.page("org-1", after, limit, filter)
          expect(page.told.length).toBeLessThanOrEqual(limit)
          told.push(...page.told)
          after = page.upTo
          more = page.more
        }
        const { lockIds, types } = { lockIds: undefined, types: undefined, ...filter }
        expect(told).toEqual(
          whole.filter((one) => (lockIds?.has(one.lockId ?? 0) ?? true) && (types?.has(one.data.type) ?? true))
        )
      }
    }
  }).pipe(Effect.scoped)
)

it.live("who waits is woken by the first event of its own, and asks the store nothing for those of others", () =>
  Effect.gen(function* () {
    const { create, command, ports, latchkey } = yield* setUp
    yield* create(1, "org-1")
    yield* create(2, "org-2")
    const store = Context.get(ports, EventStore)
    const asked = { ofOrg1: 0 }
    const watched = EventStore.of({
      ...store,
      feed: (after, limit, filter) => {
        if (filter?.orgId === "org-1") asked.ofOrg1++
        return store.feed(after, limit, filter)
      }
    })
    const feed = Context.get(yield* latchkey(Context.add(ports, EventStore, watched)), PartnerFeed)
    const waiting = yield* Effect.forkChild(feed.wait("org-1", yield* feed.head, 10, Duration.seconds(60)))
    yield* Effect.repeat(Effect.yieldNow, { until: () => asked.ofOrg1 === 1 })
    for (let n = 0; n < 20; n++) yield* command(2, { _tag: "SetOwner", userId: `user-${n}` })
    const others = yield* feed.wait("org-2", 0, 100, Duration.seconds(60))
    expect(others.told).toHaveLength(21)
    expect(asked.ofOrg1).toBe(1)
    yield* command(1, { _tag: "SetOwner", userId: "ada" })
    expect(names((yield* Fiber.join(waiting)).told)).toEqual(["1:3 OwnerSet"])
    // What has just come is told from memory.
    expect(asked.ofOrg1).toBe(1)
  }).pipe(Effect.scoped)
)

it.live("a thousand who wait, or follow, cost the store no more reads than one", () =>
  Effect.gen(function* () {
    const { create, command, ports, latchkey } = yield* setUp
    yield* create(1, "org-1")
    const store = Context.get(ports, EventStore)
    const reads = { all: 0 }
    const counted = <A extends ReadonlyArray<unknown>, B>(read: (...args: A) => B) => {
      return (...args: A) => {
        reads.all++
        return read(...args)
      }
    }
    const watched = EventStore.of({ ...store, feed: counted(store.feed), read: counted(store.read) })
    const feed = Context.get(yield* latchkey(Context.add(ports, EventStore, watched)), PartnerFeed)
    const after = yield* feed.head
    const MANY = 500
    const many = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.forEach(Array.from({ length: MANY }), () => Effect.forkChild(effect))
    // Each looks once by itself.
    const waiting = yield* many(feed.wait("org-1", after, 10, Duration.seconds(60)))
    const following = yield* many(
      Stream.runCollect(Stream.take(Stream.flattenIterable(feed.follow("org-1", after)), 20))
    )
    yield* Effect.repeat(Effect.yieldNow, { until: () => reads.all >= 2 * MANY })
    const begun = reads.all
    for (let n = 0; n < 20; n++) yield* command(1, { _tag: "SetOwner", userId: `user-${n}` })
    for (const one of waiting) expect((yield* Fiber.join(one)).told[0]?.version).toBe(3)
    for (const one of following) expect(yield* Fiber.join(one)).toHaveLength(20)
    // The reader of the process, and everybody else who follows the log: none of them is one of the thousand.
    expect(reads.all - begun).toBeLessThan(MANY / 2)
  }).pipe(Effect.scoped)
)

it.live("nothing comes within that time: the page is empty, and its end is where to go on", () =>
  Effect.gen(function* () {
    const { feed, create } = yield* setUp
    yield* create(1, "org-1")
    const head = yield* feed.head
    expect(yield* feed.wait("org-1", head, 10, Duration.millis(20))).toEqual({ told: [], upTo: head, more: false })
  }).pipe(Effect.scoped)
)

it.live("a stream tells what there is, and then what comes", () =>
  Effect.gen(function* () {
    const { feed, create, command } = yield* setUp
    yield* create(1, "org-1")
    const told = yield* Effect.forkChild(
      Stream.runCollect(Stream.take(Stream.flattenIterable(feed.follow("org-1", 0)), 3))
    )
    yield* command(1, { _tag: "SetOwner", userId: "ada" })
    yield* command(1, { _tag: "SetOwner", userId: "bob" })
    expect(names(yield* Fiber.join(told))).toEqual(["1:2 OrganizationSet", "1:3 OwnerSet", "1:4 OwnerSet"])
  }).pipe(Effect.scoped)
)

it.effect("a shared key with a door at another organization's lock tells the first nothing of that lock", () =>
  Effect.gen(function* () {
    const { process, latchkey } = yield* makeSharedWorld
    const feed = Context.get(yield* latchkey(), PartnerFeed)
    const doors = [
      [1, "key"],
      [2, "key"]
    ] as const
    yield* process.share(sharing(doors, { maxUses: 9 }), uuidOf(1), { principal: operator })
    const change = (request: ChangeRequest) =>
      process.credentials.change(
        { commandId: `change-${JSON.stringify(request)}`, at: millis("09:00"), principal: operator },
        uuidOf(1),
        request,
        pinKey
      )
    yield* change({ description: "ours" })
    yield* process.open(uuidOf(1), 2)
    yield* change({ addDoors: [{ lockId: "3", accessMethod: "key" }] })
    yield* process.open(uuidOf(1), 3)
    yield* process.open(uuidOf(1), 1)
    yield* change({ description: "still ours" })
    const { told } = yield* feed.page("org-1", 0, 100)
    const ofKey = told.filter(({ aggregateType }) => aggregateType === "temp-key")
    expect(ofKey.map(({ data: { type, lockId } }) => [type, lockId])).toEqual([
      ["SharedTempKeyCreated", undefined],
      ["SharedTempKeyUpdated", undefined],
      ["SharedTempKeyUsed", 2],
      ["SharedTempKeyUsed", 1],
      ["SharedTempKeyUpdated", undefined]
    ])
  }).pipe(Effect.scoped)
)
