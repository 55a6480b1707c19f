/** Commands that must reach the hardware: log and shadow agree, whatever becomes of a command on its way. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch } from "effect"
import { TestClock } from "effect/testing"
import { DeviceShadow } from "../src/ports/DeviceShadow.ts"
import { EventStore, StoreUnavailable } from "../src/ports/EventStore.ts"
import { clock, lockUuid } from "./scenario.ts"
import { create, makeWorld } from "./world.ts"

const open = { _tag: "OpenLock" } as const
const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"

/** A process with the lock, and what else there is in its world. */
const makeLock = Effect.gen(function* () {
  const world = yield* makeWorld
  const execute = yield* world.process()
  yield* execute(create)
  const held = Effect.map(world.shadow.held(lockUuid), (commands) => Object.values(commands).map(({ type }) => type))
  return { ...world, execute, held }
})

/** What a command on its way comes to when the shadow's patience and that of the handler are over. */
const afterTimeouts = <A, E>(command: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const sent = yield* Effect.forkChild(Effect.result(command))
    yield* TestClock.adjust("3 seconds")
    yield* TestClock.adjust("1 second")
    return yield* Fiber.join(sent)
  })

const unreachable = { _tag: "DeviceUnreachable", message: "Failed to update device shadow" }

describe("a device command", () => {
  it.effect("is in the shadow and in the log when its caller has an answer", () =>
    Effect.gen(function* () {
      const { execute, shadow, log } = yield* makeLock
      const { version } = yield* execute(open, { commandId: "open-it" })
      expect(yield* shadow.held(lockUuid)).toMatchObject({ "open-it": { type: "OpenLock", seq: version } })
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested"])
    })
  )

  it.effect("goes to the thing of the lock's present uuid", () =>
    Effect.gen(function* () {
      const { execute, shadow } = yield* makeLock
      yield* execute({ _tag: "ChangeLockUuid", newUuid: tempKeyUuid })
      yield* execute(open, { commandId: "open-it" })
      expect(Object.keys(yield* shadow.held(tempKeyUuid))).toEqual(["open-it"])
      expect(yield* shadow.held(lockUuid)).toEqual({})
    })
  )

  it.effect("that the shadow refuses is not recorded, and the lock is free at once", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held, store } = yield* makeLock
      yield* shadow.setMode("reject")
      expect(yield* Effect.flip(execute(open))).toMatchObject(unreachable)
      expect(yield* Effect.flip(execute({ _tag: "AddKey", keyUuid: "key-1" }))).toMatchObject(unreachable)
      expect(yield* log).toEqual(["LockCreated"])
      expect(yield* store.unsettled(Number.MAX_SAFE_INTEGER)).toEqual([])
      yield* shadow.setMode("ok")
      yield* execute({ _tag: "AddKey", keyUuid: "key-1" })
      expect(yield* held).toEqual(["AddKey"])
    })
  )

  it.effect("that has no room in the shadow is not recorded", () =>
    Effect.gen(function* () {
      const { execute, log, held } = yield* makeLock
      const adding = Array.from({ length: 100 }, (_, n) =>
        Effect.result(execute({ _tag: "AddKey", keyUuid: `key-${n}` }))
      )
      yield* Effect.all(adding)
      expect((yield* held).length).toBeLessThan(100)
      expect((yield* log).slice(1)).toEqual((yield* held).map(() => "KeyAdded"))
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).events).toHaveLength(1)
    })
  )

  it.effect("whose answer is lost is recorded once, and answered", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held } = yield* makeLock
      yield* shadow.setMode("lose-answer")
      expect((yield* execute(open)).version).toBe(2)
      expect([yield* held, yield* log]).toEqual([["OpenLock"], ["LockCreated", "LockOpenRequested"]])
    })
  )

  it.effect("that the store cannot commit at once is committed by the sweep", () =>
    Effect.gen(function* () {
      const { ports, process, store, log, held } = yield* makeLock
      let failures = 1
      const flaky = EventStore.of({
        ...store,
        commit: (commandId, thing) =>
          Effect.suspend(() =>
            failures-- > 0
              ? Effect.fail(new StoreUnavailable({ message: "down for a moment" }))
              : store.commit(commandId, thing)
          )
      })
      const execute = yield* process({ over: Context.add(ports, EventStore, flaky) })
      expect(yield* Effect.flip(execute({ _tag: "AddKey", keyUuid: "key-1" }))).toMatchObject({
        _tag: "StoreUnavailable"
      })
      expect([yield* held, yield* log]).toEqual([["AddKey"], ["LockCreated"]])
      yield* TestClock.adjust("10 seconds")
      expect([yield* held, yield* log]).toEqual([["AddKey"], ["LockCreated", "KeyAdded"]])
    })
  )

  it.effect("that is lost on its way is not recorded, and does not arrive later", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held } = yield* makeLock
      yield* shadow.setMode("lose-request")
      expect(yield* Effect.flip(execute(open))).toMatchObject(unreachable)
      yield* shadow.deliver
      expect([yield* held, yield* log]).toEqual([[], ["LockCreated"]])
    })
  )
})

describe("while the shadow hangs", () => {
  it.effect("a device command is refused in time, and the lock serves whatever needs no device", () =>
    Effect.gen(function* () {
      const { execute, shadow, log } = yield* makeLock
      yield* shadow.setMode("hang")
      expect(yield* afterTimeouts(execute(open))).toMatchObject({ failure: unreachable })
      expect(yield* log).toEqual(["LockCreated"])
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(2)
      expect(yield* afterTimeouts(execute(open))).toMatchObject({ failure: unreachable })
      expect((yield* execute({ _tag: "SetOwner", userId: "bob" })).version).toBe(3)
    })
  )

  it.effect("what never arrived is dropped when the shadow answers again, and then cannot arrive", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held, store } = yield* makeLock
      yield* shadow.setMode("hang")
      yield* afterTimeouts(execute(open))
      yield* execute({ _tag: "SetOwner", userId: "ada" })
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect(yield* store.unsettled(Number.MAX_SAFE_INTEGER)).toEqual([])
      yield* shadow.deliver
      expect([yield* held, yield* log]).toEqual([[], ["LockCreated", "OwnerSet"]])
    })
  )

  it.effect("what arrived late is recorded behind what happened meanwhile", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held } = yield* makeLock
      yield* shadow.setMode("hang")
      yield* afterTimeouts(execute({ _tag: "AddKey", keyUuid: "key-1" }))
      yield* execute({ _tag: "SetOwner", userId: "ada" })
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect([yield* held, yield* log]).toEqual([["AddKey"], ["LockCreated", "OwnerSet", "KeyAdded"]])
      expect(yield* Effect.flip(execute({ _tag: "AddKey", keyUuid: "key-1" }))).toMatchObject({ _tag: "KeyExists" })
    })
  )

  it.effect("a use of a temp key in doubt is not overtaken by another", () =>
    Effect.gen(function* () {
      const { execute, shadow, log } = yield* makeLock
      const window = { validFrom: clock("08:00"), validUntil: clock("18:00") }
      yield* execute({
        _tag: "CreateTempKey",
        tempKeyUuid,
        accessMode: "public",
        allowedUserIds: [],
        ...window,
        maxUses: 1
      })
      yield* shadow.setMode("hang")
      expect(yield* afterTimeouts(execute({ _tag: "OpenWithTempKey", tempKeyUuid }))).toMatchObject({
        failure: unreachable
      })
      yield* TestClock.adjust("2 seconds")
      const second = yield* Effect.forkChild(Effect.flip(execute({ _tag: "UseTempKey", tempKeyUuid })))
      yield* TestClock.adjust("1 second")
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(second)).toMatchObject({ _tag: "TempKeyNotValid", status: "used-up" })
      expect(yield* log).toEqual(["LockCreated", "TempKeyCreated", "TempKeyUsed", "LockOpenRequested"])
    })
  )

  it.effect("the retry of a command in doubt answers what became of it", () =>
    Effect.gen(function* () {
      const { execute, shadow, log } = yield* makeLock
      const receipt = { id: "receipt-1", fingerprint: "open" }
      yield* shadow.setMode("hang")
      yield* afterTimeouts(execute(open, { receipt }))
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("2 seconds")
      expect(yield* execute(open, { receipt })).toMatchObject({ version: 2, events: [{ _tag: "LockOpenRequested" }] })
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested"])
    })
  )
})

describe("a caller who goes away", () => {
  it.effect("does not leave a command half done", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held, store } = yield* makeLock
      yield* shadow.setMode("hang")
      const caller = yield* Effect.forkChild(execute(open))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(caller)
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("3 seconds")
      expect(yield* store.unsettled(Number.MAX_SAFE_INTEGER)).toEqual([])
      expect([yield* held, yield* log]).toEqual([["OpenLock"], ["LockCreated", "LockOpenRequested"]])
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(3)
    })
  )
})

describe("a writer that others gave up on", () => {
  it.effect("takes its command back out of the shadow", () =>
    Effect.gen(function* () {
      const { ports, process, store, log, held } = yield* makeLock
      const gate = yield* Latch.make()
      const inner = Context.get(ports, DeviceShadow)
      const slow = {
        ...inner,
        send: (...command: Parameters<typeof inner.send>) => Effect.andThen(gate.await, inner.send(...command))
      }
      const execute = yield* process({ over: Context.add(ports, DeviceShadow, slow) })
      const writer = yield* Effect.forkChild(Effect.flip(execute(open, { commandId: "late" })))
      yield* TestClock.adjust("1 second")
      yield* store.discard("late")
      yield* gate.open
      expect(yield* Fiber.join(writer)).toMatchObject(unreachable)
      expect([yield* held, yield* log]).toEqual([[], ["LockCreated"]])
    })
  )
})

describe("a process that died between the two steps", () => {
  const reservation = { commandId: "orphan", streamId: "lock-7", thing: lockUuid, deadline: 1_000 }
  const command = { _tag: "OpenLock", commandId: "orphan", seq: 2, issuedAt: 0, expiresAt: 10_000 } as const
  const event = {
    eventId: "orphan-1",
    type: "LockOpenRequested",
    data: { lockId: 7, uuid: lockUuid, timestamp: clock("09:00") },
    at: 0,
    orgId: "",
    principal: { _tag: "System" },
    commandId: "orphan"
  } as const

  it.effect("before it sent has done nothing", () =>
    Effect.gen(function* () {
      const { execute, store, log } = yield* makeLock
      yield* store.prepare(1, [event], reservation)
      yield* TestClock.adjust("4 seconds")
      expect(yield* log).toEqual(["LockCreated"])
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(2)
    })
  )

  it.effect("after it sent has done it", () =>
    Effect.gen(function* () {
      const { execute, ports, store, log } = yield* makeLock
      yield* store.prepare(1, [event], reservation)
      yield* Context.get(ports, DeviceShadow).send(lockUuid, command, Number.POSITIVE_INFINITY)
      yield* TestClock.adjust("4 seconds")
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested"])
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(3)
    })
  )

  it.effect("is settled by the next writer too, if that one comes before the sweep", () =>
    Effect.gen(function* () {
      const { execute, ports, store, log } = yield* makeLock
      yield* TestClock.adjust("2 seconds")
      yield* store.prepare(1, [event], reservation)
      yield* Context.get(ports, DeviceShadow).send(lockUuid, command, Number.POSITIVE_INFINITY)
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(3)
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested", "OwnerSet"])
    })
  )

  it.effect("is settled when another starts", () =>
    Effect.gen(function* () {
      const { store, log, process } = yield* makeWorld
      yield* TestClock.adjust("2 seconds")
      yield* store.prepare(0, [event], reservation)
      yield* process()
      yield* TestClock.adjust("1 millis")
      expect(yield* store.unsettled(Number.MAX_SAFE_INTEGER)).toEqual([])
      expect(yield* log).toEqual([])
    })
  )
})
