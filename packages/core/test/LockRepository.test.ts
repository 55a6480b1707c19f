/** Locks in memory: what is kept, and how a lock comes back that is not. */
import { describe, expect, it } from "@effect/vitest"
import { lockCommands } from "@latchkey/core/testing"
import { Arbitrary, Effect, Layer, Option, Result } from "effect"
import { decide } from "../src/lock/Decide.ts"
import { evolve, initial } from "../src/lock/Evolve.ts"
import { type Lock, tempKeysOf } from "../src/lock/Lock.ts"
import { type LockEvent, toStored } from "../src/lock/LockEvent.ts"
import { LockRepository, SNAPSHOT_EVERY } from "../src/locks/LockRepository.ts"
import { EventStore, type NewEvent } from "../src/streams/EventStore.ts"
import { findSnapshot, saveSnapshot } from "../src/streams/Snapshots.ts"
import { created, happened, operator } from "./scenario.ts"
import { append, eventually, makeWorld } from "./world.ts"

const enveloped = (event: LockEvent, index: number): NewEvent => ({
  eventId: `event-${index}`,
  ...toStored(event),
  at: 0,
  orgId: "",
  principal: { _tag: "System" },
  commandId: `command-${index}`
})

/** A process that counts how many events it reads, from a store that takes its time. */
const makeRepository = Effect.fnUntraced(function* ({ store }: Effect.Success<typeof makeWorld>, cachedLocks = 10) {
  const reads = { events: 0 }
  const counting = EventStore.of({
    ...store,
    read: Effect.fnUntraced(function* (streamId, after, limit) {
      yield* Effect.yieldNow
      const events = yield* store.read(streamId, after, limit)
      reads.events += events.length
      return events
    })
  })
  const built = Layer.build(Layer.fresh(LockRepository.layer({ cachedLocks })))
  const repository = yield* Effect.flatMap(Effect.provideService(built, EventStore, counting), (services) =>
    Effect.provide(LockRepository, services)
  )
  return { repository, reads }
})

/** A lock with many different events behind it. */
const longHistory = Effect.gen(function* () {
  const lives = yield* Arbitrary.sampleEffect(lockCommands, { count: 400, seed: "latchkey" })
  let lock = initial
  const events: Array<LockEvent> = []
  for (const command of lives.flat()) {
    // It is to have a long life.
    if (command._tag === "RetireLock") continue
    const decided = decide(lock, command)
    if (Result.isFailure(decided)) continue
    for (const event of decided.success.events) {
      events.push(event)
      lock = evolve(lock, event)
    }
  }
  return { events, lock: lock as Lock }
})

describe("a lock that is not in memory", () => {
  it.live("is folded from its whole stream the first time, and from its snapshot the next", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { events, lock } = yield* longHistory
      expect(events.length).toBeGreaterThan(2 * SNAPSHOT_EVERY)
      yield* append(world.store, "lock-1", 0, events.map(enveloped))

      const first = yield* makeRepository(world)
      expect((yield* first.repository.load(1)).loaded.latest.lock).toEqual(lock)
      expect(first.reads.events).toBe(events.length)

      const snapshot = yield* eventually(findSnapshot(world.store, "lock-1"), Option.isSome).pipe(
        Effect.provide(Layer.empty)
      )
      expect(Option.getOrThrow(snapshot).version).toBe(events.length)

      const second = yield* makeRepository(world)
      expect((yield* second.repository.load(1)).loaded.latest.lock).toEqual(lock)
      expect(second.reads.events).toBe(0)
    })
  )

  it.effect("is folded from its stream when the snapshot is none that this version understands", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const events = [happened(created), happened({ _tag: "OwnerSet", userId: "ada" })]
      yield* append(world.store, "lock-7", 0, events.map(enveloped))
      yield* saveSnapshot(world.store, "lock-7", { version: 2, state: '{"format":0,"owner":"bob"}' })
      const { repository } = yield* makeRepository(world)
      expect((yield* repository.load(7)).loaded.latest.lock).toMatchObject({ ownerId: "ada", version: 2 })
    })
  )

  it.live("is folded from its stream when a newer version has put more into the snapshot, whatever its format", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const suspended = { ...enveloped(happened({ _tag: "LockOpenRequested" }), 2), type: "LockSuspended" }
      yield* append(world.store, "lock-7", 0, [enveloped(happened(created), 1), suspended])
      const opened = Array.from({ length: SNAPSHOT_EVERY + 2 }, (_, n) =>
        enveloped(happened({ _tag: "LockOpenRequested" }), n + 3)
      )
      yield* append(world.store, "lock-8", 0, [enveloped(happened(created), 0), ...opened])
      yield* (yield* makeRepository(world)).repository.load(8)
      const own = JSON.parse(
        Option.getOrThrow(yield* eventually(findSnapshot(world.store, "lock-8"), Option.isSome)).state
      )
      const newer = { ...own, lock: { ...own.lock, version: 2, suspended: true } }
      yield* saveSnapshot(world.store, "lock-7", { version: 2, state: JSON.stringify(newer) })
      const { repository } = yield* makeRepository(world)
      expect((yield* repository.load(7)).loaded.latest.unknown).toMatchObject({ type: "LockSuspended" })
    })
  )

  it.live("comes back also with values that nobody may give it today", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const old = happened({
        _tag: "TempKeyCreated",
        tempKeyUuid: "temp-key-1",
        accessMode: "public",
        allowedUserIds: [],
        validFrom: "2026-08-31",
        validUntil: "2026-09-01",
        maxUses: null,
        createdBy: "ada"
      })
      const opened = Array.from({ length: SNAPSHOT_EVERY + 2 }, () => happened({ _tag: "LockOpenRequested" }))
      yield* append(world.store, "lock-7", 0, [happened(created), old, ...opened].map(enveloped))
      for (const reads of [SNAPSHOT_EVERY + 4, 0]) {
        const process = yield* makeRepository(world)
        const { lock } = (yield* process.repository.load(7)).loaded.latest
        expect(lock && tempKeysOf(lock).map(({ uuid }) => uuid)).toEqual(["temp-key-1"])
        expect(process.reads.events).toBe(reads)
        yield* eventually(findSnapshot(world.store, "lock-7"), Option.isSome)
      }
    })
  )

  it.live("waits longer for its next snapshot the more owners there were: each is written down again", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const handed = Array.from({ length: SNAPSHOT_EVERY + 10 }, (_, n) =>
        happened({ _tag: "OwnerSet", userId: `owner-${n}` })
      )
      const opened = handed.map(() => happened({ _tag: "LockOpenRequested" }))
      yield* append(
        world.store,
        "lock-7",
        0,
        [happened(created), ...handed].map((event, n) => enveloped(event, n))
      )
      const ofOther = [happened(created), ...opened].map((event, n) => enveloped(event, handed.length + 1 + n))
      yield* append(world.store, "lock-8", 0, ofOther)
      const { repository } = yield* makeRepository(world)
      yield* repository.load(7)
      yield* repository.load(8)
      yield* eventually(findSnapshot(world.store, "lock-8"), Option.isSome)
      expect(yield* findSnapshot(world.store, "lock-7")).toEqual(Option.none())
    })
  )

  it.effect("counts events of a later version of Latchkey, which mean nothing to it", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const later = { ...enveloped(happened({ _tag: "LockOpenRequested" }), 2), type: "LockPainted" }
      yield* append(world.store, "lock-7", 0, [enveloped(happened(created), 1), later])
      const { repository } = yield* makeRepository(world)
      expect((yield* repository.load(7)).loaded).toMatchObject({ latest: { version: 2, lock: { version: 2 } } })
    })
  )

  it.effect("is one and the same for all who ask at once", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* append(world.store, "lock-7", 0, [enveloped(happened(created), 1)])
      const { repository } = yield* makeRepository(world)
      const asking = Array.from({ length: 10 }, () => repository.load(7))
      const answers = yield* Effect.all(asking, { concurrency: "unbounded" })
      expect(new Set(answers.map(({ loaded }) => loaded)).size).toBe(1)
    })
  )
})

describe("memory", () => {
  it.effect("keeps the locks that were used last, and no more than it may", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { repository } = yield* makeRepository(world, 2)
      for (const lockId of [1, 2, 3]) {
        yield* append(world.store, `lock-${lockId}`, 0, [enveloped(happened(created), lockId)])
      }
      const isFresh = (lockId: number) => Effect.map(repository.load(lockId), ({ fresh }) => fresh)
      expect([yield* isFresh(1), yield* isFresh(2), yield* isFresh(1)]).toEqual([true, true, false])
      expect(yield* isFresh(3)).toBe(true)
      expect([yield* isFresh(1), yield* isFresh(3), yield* isFresh(2)]).toEqual([false, false, true])
    })
  )

  it.effect("has no room for locks that do not exist", () =>
    Effect.gen(function* () {
      const { repository } = yield* makeRepository(yield* makeWorld)
      const loads = [yield* repository.load(404), yield* repository.load(404)]
      expect(loads.map(({ fresh }) => fresh)).toEqual([true, true])
    })
  )

  it.effect("catches up with other processes when asked to", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { repository } = yield* makeRepository(world)
      const { loaded } = yield* repository.load(7)
      expect(loaded.latest.lock).toBeUndefined()
      yield* append(world.store, "lock-7", 0, [enveloped(happened(created), 1)])
      yield* repository.refresh(loaded)
      expect(loaded.latest.lock?.version).toBe(1)
    })
  )

  it.effect("takes over own events once, also when a query has read them already", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { repository } = yield* makeRepository(world)
      const { loaded } = yield* repository.load(7)
      const event = happened(created)
      yield* append(world.store, "lock-7", 0, [enveloped(event, 1)])
      yield* repository.refresh(loaded)
      yield* repository.advance(loaded, [event], 1, operator)
      expect(loaded.latest.lock?.version).toBe(1)
    })
  )
})
