/** What is wanted and what is on the hardware, brought together by a whole Latchkey and a device that is told. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Metric } from "effect"
import { hardwareOf } from "../src/lock/DecideKeys.ts"
import { hardwareStatus } from "../src/lock/Hardware.ts"
import { type Lock, streamOfLock } from "../src/lock/Lock.ts"
import { DeviceReports } from "../src/locks/DeviceReports.ts"
import { LockQueries } from "../src/locks/LockQueries.ts"
import { Locks } from "../src/locks/Locks.ts"
import type { Principal } from "../src/values/Principal.ts"
import { judgeOwn } from "../src/why/ExplainOwn.ts"
import { asked, lockId, lockUuid, operator, type Request } from "./scenario.ts"
import { create, eventually, makeWorld } from "./world.ts"

const makeHouse = Effect.gen(function* () {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  const { execute } = Context.get(services, Locks)
  const { take } = Context.get(services, DeviceReports)
  const queries = Context.get(services, LockQueries)
  let commands = 0
  const ask = (request: Request, principal: Principal = operator) =>
    execute(asked(request, { commandId: `command-${++commands}`, at: Date.now(), principal }))
  const held = (thing = lockUuid) => Effect.map(world.shadow.held(thing), (held) => Object.entries(held))
  const lock = Effect.map(queries.lock(operator, lockId, "details"), (lock): Lock => lock)
  return {
    ...world,
    ask,
    held,
    take,
    explain: (keyUuid: string) =>
      Effect.map(lock, (lock) => judgeOwn(lock, { _tag: "Key", keyUuid }, Date.now(), [], false)),
    lock,
    /** The device answers everything that it is told, once there is something. */
    answer: (outcome: "done" | "failed", thing = lockUuid) =>
      Effect.gen(function* () {
        const told = yield* eventually(held(thing), (held) => held.length > 0)
        for (const [commandId] of told)
          yield* take({ _tag: "CommandOutcome", thing, commandId, outcome, at: Date.now() })
        return told.map(([, { type }]) => type)
      })
  }
})

describe("a lock", () => {
  it.live("that could not remove a key is told again, keeps the slot, and can be asked again", () =>
    Effect.gen(function* () {
      const { ask, answer, lock, explain } = yield* makeHouse
      yield* ask(create)
      yield* ask({ _tag: "AddKey", keyUuid: "g1", keyIndexNumber: 5 })
      yield* answer("done")
      expect((yield* lock).hardware).toMatchObject([{ uuid: "g1", confirmed: true }])
      yield* ask({ _tag: "RemoveKey", keyUuid: "g1" })
      expect(yield* answer("failed")).toEqual(["RemoveKey"])
      const { keys, hardware } = yield* lock
      expect(keys).toEqual([])
      expect(hardware).toMatchObject([{ uuid: "g1", exposedSince: expect.any(Number), failures: { count: 1 } }])
      expect((yield* ask({ _tag: "RemoveKey", keyUuid: "g1" })).events).toEqual([])
      expect(yield* explain("g1")).toMatchObject({ rule: "key-removed", message: expect.stringMatching(/still open/) })
      const taken = yield* Effect.flip(ask({ _tag: "AddKey", keyUuid: "g2", keyIndexNumber: 5 }))
      expect(taken).toMatchObject({ _tag: "SlotTaken", leaving: true })
      // By itself, two seconds later.
      expect(yield* answer("done")).toEqual(["RemoveKey"])
      expect((yield* lock).hardware).toEqual([])
      yield* ask({ _tag: "AddKey", keyUuid: "g2", keyIndexNumber: 5 })
      expect(yield* answer("failed")).toEqual(["AddKey"])
      expect(yield* explain("g2")).toMatchObject({ allowed: true, message: expect.stringMatching(/failed to take it/) })
    })
  )

  it.live("that is away takes any number of removals, and refuses additions alone", () =>
    Effect.gen(function* () {
      const { ask, held } = yield* makeHouse
      yield* ask(create)
      let added = 0
      for (let n = 0; n < 80; n++) {
        const keyUuid = `0b0e8400-e29b-41d4-a716-4466554400${String(n).padStart(2, "0")}`
        const addition = yield* Effect.result(ask({ _tag: "AddKey", keyUuid }))
        if (addition._tag === "Failure") continue
        added++
        expect((yield* ask({ _tag: "RemoveKey", keyUuid })).events).toHaveLength(1)
      }
      expect(added).toBeGreaterThan(10)
      const types = (held: ReadonlyArray<readonly [string, { readonly type: string }]>) =>
        held.map(([, { type }]) => type)
      // For a moment all additions may be taken out, and no removal be sent.
      yield* eventually(
        Effect.map(held(), types),
        (types) => types.length > 0 && types.every((type) => type === "RemoveKey")
      )
    })
  )

  it.live("gets the keys that it was created with, and all of its keys when it gets other hardware", () =>
    Effect.gen(function* () {
      const { ask, answer, lock } = yield* makeHouse
      yield* ask({ ...create, keys: [{ uuid: "a", indexNumber: 1 }, { uuid: "b" }] })
      while ((yield* lock).hardware.some(({ confirmed }) => confirmed !== true))
        expect(new Set(yield* answer("done"))).toEqual(new Set(["AddKey"]))
      const uuid = "0b0e8400-e29b-41d4-a716-44665544000b"
      yield* ask({ _tag: "MoveClaim", uuid })
      expect((yield* lock).hardware).toMatchObject([{ uuid: "a" }, { uuid: "b" }])
      while ((yield* lock).hardware.some(({ confirmed }) => confirmed !== true)) yield* answer("done", uuid)
    })
  )

  it.live("that changed hands is told no key of the former side again, until that has it back", () =>
    Effect.gen(function* () {
      const { ask, answer, lock, held, store } = yield* makeHouse
      const { records } = store
      const [ada, ben] = [{ _tag: "User", userId: "ada" } as const, { _tag: "User", userId: "ben" } as const]
      yield* ask({ ...create, ownerId: "ada" })
      yield* ask({ _tag: "AddKey", keyUuid: "of-ada" }, ada)
      expect(yield* answer("failed")).toEqual(["AddKey"])
      yield* ask({ _tag: "SetOwner", userId: "ben" }, ada)
      const uuid = "0b0e8400-e29b-41d4-a716-44665544000b"
      yield* ask({ _tag: "MoveClaim", uuid })
      expect(hardwareOf(yield* lock).map(hardwareStatus)).toEqual(["unknown"])
      yield* ask({ _tag: "AddKey", keyUuid: "of-ben" }, ben)
      yield* answer("done", uuid)
      // That the removal is told says that the lock was looked at.
      yield* ask({ _tag: "RemoveKey", keyUuid: "of-ben" }, ben)
      const told = yield* eventually(held(uuid), (held) => held.some(([, { type }]) => type === "RemoveKey"))
      expect(told).toHaveLength(1)
      yield* answer("done", uuid)
      yield* eventually(records("reconcile/", "", 10), ({ length }) => length === 0)
      // That it changes hands is enough.
      yield* ask({ _tag: "SetOwner", userId: "ada" }, ben)
      expect(yield* answer("done", uuid)).toEqual(["AddKey"])
      expect((yield* lock).hardware).toMatchObject([{ uuid: "of-ada", confirmed: true }])
    })
  )

  it.live("that is retired gives its device back once that has said that it is empty", () =>
    Effect.gen(function* () {
      const { ask, answer, lock } = yield* makeHouse
      yield* ask({ ...create, ownerId: "ada" })
      yield* ask({ _tag: "AddKey", keyUuid: "a" })
      yield* answer("done")
      yield* ask({ _tag: "RetireLock" }, { _tag: "User", userId: "ada" })
      expect((yield* lock).retired).toBe("held")
      expect(yield* answer("done")).toEqual(["RemoveKey"])
      yield* eventually(lock, ({ retired }) => retired === "freed")
    })
  )

  it.live("whose list comes with an answer is believed, not the answer", () =>
    Effect.gen(function* () {
      const { ask, held, lock, take } = yield* makeHouse
      yield* ask(create)
      yield* ask({ _tag: "AddKey", keyUuid: "a" })
      const [[after = ""] = []] = yield* held()
      const reported = { commands: { [after]: { outcome: "done" } }, keys: { after, list: [] } }
      yield* take({ _tag: "State", thing: lockUuid, reported, at: Date.now() })
      expect((yield* lock).hardware).toMatchObject([{ uuid: "a", lost: true }])
    })
  )

  it.live("that is retired is asked to remove what it lists and nobody had added, and then gives its device back", () =>
    Effect.gen(function* () {
      const { ask, answer, held, lock, take } = yield* makeHouse
      yield* ask({ ...create, ownerId: "ada" })
      yield* ask({ _tag: "AddKey", keyUuid: "a" })
      yield* answer("done")
      yield* ask({ _tag: "RetireLock" }, { _tag: "User", userId: "ada" })
      const [told] = yield* eventually(held(), (held) => held.length === 1)
      const keys = { after: told?.[0] ?? "", list: [{ keyUuid: "installer" }] }
      yield* take({ _tag: "State", thing: lockUuid, reported: { keys }, at: Date.now() })
      yield* answer("done")
      yield* eventually(lock, ({ hardware }) => hardware.some(({ sent }) => sent?.type === "RemoveKey"))
      expect((yield* lock).hardware).toMatchObject([{ uuid: "installer" }])
      yield* answer("done")
      yield* eventually(lock, ({ retired }) => retired === "freed")
    })
  )

  it.live(
    "that was to write a key anew is waited for, though it had the key already, and let go of when it answers",
    () =>
      Effect.gen(function* () {
        const { ask, answer, store } = yield* makeHouse
        const waiting = (length: number) =>
          eventually(store.records("reconcile/", "", 10), (records) => records.length === length)
        yield* ask(create)
        yield* ask({ _tag: "AddKey", keyUuid: "g1" })
        yield* answer("done")
        yield* waiting(0)
        yield* ask({ _tag: "WriteKey", keyUuid: "g1" })
        yield* waiting(1)
        expect(yield* answer("done")).toEqual(["WriteKey"])
        yield* waiting(0)
      })
  )

  it.live("that has left a command unanswered for a day needs attention, and is counted", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const execute = yield* world.process()
      yield* execute(create, { at: Date.now() })
      yield* execute({ _tag: "AddKey", keyUuid: "a" }, { at: Date.now() })
      const counted = Effect.map(
        Metric.snapshot,
        (all) => all.find(({ id }) => id === "latchkey_keys_needing_attention_total")?.state
      )
      const before = (yield* counted) as { readonly count: number } | undefined
      const clock = yield* Clock.Clock
      const tomorrow = () => clock.currentTimeMillisUnsafe() + 86_400_001
      const ahead = { currentTimeMillisUnsafe: tomorrow, currentTimeMillis: Effect.sync(tomorrow) }
      yield* Effect.provideService(world.latchkey(), Clock.Clock, Object.assign(Object.create(clock), ahead))
      yield* eventually(world.log, (types) => types.includes("KeyNeedsAttention"))
      yield* eventually(counted, (now) => (now as { readonly count: number }).count === (before?.count ?? 0) + 1)
      expect(yield* world.store.read(streamOfLock(lockId), 2, 10)).toMatchObject([
        { type: "KeyNeedsAttention", data: { keyUuid: "a", wanted: true, reason: "silent", failures: 0 } }
      ])
    })
  )

  it.live("is found again by another process that has heard nothing of it", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const execute = yield* world.process()
      yield* execute(create, { at: Date.now() })
      yield* execute({ _tag: "AddKey", keyUuid: "a" }, { at: Date.now() })
      yield* execute({ _tag: "RemoveKey", keyUuid: "a" }, { at: Date.now() })
      yield* world.latchkey()
      yield* eventually(world.shadow.held(lockUuid), (held) =>
        Object.values(held).some(({ type }) => type === "RemoveKey")
      )
      yield* eventually(world.store.records("reconcile/", "", 10), (records) => records.length === 1)
      expect(yield* world.store.read(streamOfLock(lockId), 3, 10)).toMatchObject([{ type: "KeyRemovalSent" }])
    })
  )
})
