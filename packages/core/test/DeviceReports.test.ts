/** What devices say, taken in. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Locks } from "../src/Locks.ts"
import { Projector } from "../src/Projector.ts"
import { DeviceShadow, ShadowUnavailable } from "../src/ports/DeviceShadow.ts"
import { asked, clock, lockUuid } from "./scenario.ts"
import { create, eventually, makeWorld } from "./world.ts"

const makeDevice = Effect.gen(function* () {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  const { execute } = Context.get(services, Locks)
  yield* execute(asked({ ...create, ownerId: "ada" }, { commandId: "create" }))
  yield* Context.get(services, Projector).catchUp("10 seconds")
  const isOnline = Effect.map(world.readModel.devicesOwnedBy("ada"), ([device]) => device?.online)
  /** Says so until it is heard: the listener may not have begun to listen yet. */
  const present = (online: boolean, at: number) =>
    eventually(
      Effect.andThen(world.shadow.report({ _tag: "Presence", thing: lockUuid, online, at }), isOnline),
      (is) => is === online
    )
  return { ...world, execute, isOnline, present }
})

describe("a device", () => {
  it.live("that connects is shown as online, until it disconnects", () =>
    Effect.gen(function* () {
      const { isOnline, present } = yield* makeDevice
      expect(yield* isOnline).toBe(false)
      for (const [at, online] of [true, false, true].entries()) yield* present(online, at + 1)
    })
  )

  it.live("that has carried out a command has it taken out of its shadow, and the log keeps it", () =>
    Effect.gen(function* () {
      const { shadow, execute, log } = yield* makeDevice
      yield* execute(asked({ _tag: "OpenLock" }, { commandId: "open" }))
      expect(Object.keys(yield* shadow.held(lockUuid))).toEqual(["open"])
      yield* shadow.report({ _tag: "CommandOutcome", thing: lockUuid, commandId: "open", outcome: "done", at: 1 })
      yield* eventually(shadow.held(lockUuid), (held) => Object.keys(held).length === 0)
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested", "CommandOutcomeReported"])
    })
  )

  it.live("that has carried out a command while the shadow is down has it taken out of its shadow later", () =>
    Effect.gen(function* () {
      const { ports, shadow, latchkey } = yield* makeWorld
      const inner = Context.get(ports, DeviceShadow)
      let failures = 3
      const flaky = DeviceShadow.of({
        ...inner,
        settle: (thing, commandId) =>
          Effect.suspend(() =>
            failures-- > 0
              ? Effect.fail(new ShadowUnavailable({ thing, message: "down" }))
              : inner.settle(thing, commandId)
          )
      })
      const { execute } = Context.get(yield* latchkey(Context.add(ports, DeviceShadow, flaky)), Locks)
      yield* execute(asked(create, { commandId: "create" }))
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
      yield* shadow.report({ _tag: "CommandOutcome", thing: lockUuid, commandId: "add", outcome: "done", at: 1 })
      yield* eventually(shadow.held(lockUuid), (held) => Object.keys(held).length === 0)
      expect(failures).toBeLessThan(0)
    })
  )

  it.live("that answers a command in doubt settles it", () =>
    Effect.gen(function* () {
      const { shadow, store, log } = yield* makeDevice
      const [created] = yield* store.read("lock-7", 0, 1)
      if (created === undefined) return yield* Effect.die("the lock was created")
      const event = {
        ...created,
        type: "LockOpenRequested",
        data: { lockId: 7, uuid: lockUuid, timestamp: clock("09:00") },
        eventId: "doubt-1",
        commandId: "doubt"
      }
      const deadline = Number.MAX_SAFE_INTEGER
      yield* store.prepare(1, [event], { commandId: "doubt", streamId: "lock-7", thing: lockUuid, deadline })
      yield* shadow.report({ _tag: "CommandOutcome", thing: lockUuid, commandId: "doubt", outcome: "failed", at: 1 })
      yield* eventually(log, (types) => types.length === 3)
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested", "CommandOutcomeReported"])
      expect(yield* store.unsettled(deadline)).toEqual([])
    })
  )

  it.live("that answers another device's command settles nothing", () =>
    Effect.gen(function* () {
      const { shadow, store, log, present } = yield* makeDevice
      const [created] = yield* store.read("lock-7", 0, 1)
      if (created === undefined) return yield* Effect.die("the lock was created")
      const event = { ...created, type: "LockOpenRequested", eventId: "doubt-1", commandId: "doubt" }
      const deadline = Number.MAX_SAFE_INTEGER
      yield* store.prepare(1, [event], {
        commandId: "doubt",
        streamId: "lock-7",
        thing: lockUuid,
        deadline: deadline - 1
      })
      yield* present(true, 1)
      yield* shadow.report({ _tag: "CommandOutcome", thing: "elsewhere", commandId: "doubt", outcome: "done", at: 1 })
      yield* present(false, 2)
      expect(yield* log).toEqual(["LockCreated"])
      expect(yield* store.unsettled(deadline)).toHaveLength(1)
    })
  )

  it.live("that answers something unknown does no harm", () =>
    Effect.gen(function* () {
      const { shadow, present, log } = yield* makeDevice
      yield* present(true, 1)
      yield* shadow.report({
        _tag: "CommandOutcome",
        thing: "elsewhere",
        commandId: "nothing",
        outcome: "expired",
        at: 1
      })
      yield* present(false, 2)
      expect(yield* log).toEqual(["LockCreated"])
    })
  )
})
