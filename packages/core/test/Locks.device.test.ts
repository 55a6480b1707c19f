/** Commands that must reach the hardware: log and shadow agree, whatever becomes of a command on its way. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Option } from "effect"
import { TestClock } from "effect/testing"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { fromStored } from "../src/lock/LockEvent.ts"
import { EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"
import { prepare } from "../src/streams/Reservations.ts"
import { clock, lockUuid, millis, requestFor } from "./scenario.ts"
import { create, makeWorld, withStep } from "./world.ts"

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
      yield* execute(requestFor("LockUuidChanged", { newUuid: tempKeyUuid }))
      yield* execute(open, { commandId: "open-it" })
      expect(Object.keys(yield* shadow.held(tempKeyUuid))).toEqual(["open-it"])
      expect(yield* shadow.held(lockUuid)).toEqual({})
    })
  )

  it.effect("that the shadow refuses is not recorded, and the lock is free at once", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held, unsettled } = yield* makeLock
      yield* shadow.setMode("reject")
      expect(yield* Effect.flip(execute(open))).toMatchObject(unreachable)
      expect(yield* Effect.flip(execute({ _tag: "AddKey", keyUuid: "key-1" }))).toMatchObject(unreachable)
      expect(yield* log).toEqual(["LockCreated"])
      expect(yield* unsettled).toEqual([])
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
      const flaky = withStep(store, "commit", (write) =>
        Effect.suspend(() =>
          failures-- > 0 ? Effect.fail(new StoreUnavailable({ message: "down for a moment" })) : write
        )
      )
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
  const resident = (name: string) => ({ _tag: "AddResident", name }) as const

  it.effect("a device command is refused in time, and the lock serves whatever needs no device", () =>
    Effect.gen(function* () {
      const { execute, shadow, log } = yield* makeLock
      yield* shadow.setMode("hang")
      expect(yield* afterTimeouts(execute(open))).toMatchObject({ failure: unreachable })
      expect(yield* log).toEqual(["LockCreated"])
      expect((yield* execute(resident("ada"))).version).toBe(2)
      expect(yield* afterTimeouts(execute(open))).toMatchObject({ failure: unreachable })
      expect((yield* execute(resident("bob"))).version).toBe(3)
    })
  )

  it.effect.each([
    { _tag: "SetOwner", userId: "ada" },
    { _tag: "SetOrganization", orgId: "other" },
    requestFor("LockUuidChanged", { newUuid: "5d0c3a5e-6a0f-4f0e-9a63-2f8d7d1f7c11" })
  ] as const)("$_tag waits until it is known what became of a device command in doubt", (change) =>
    Effect.gen(function* () {
      const { execute, shadow, log } = yield* makeLock
      yield* shadow.setMode("hang")
      yield* afterTimeouts(execute(open))
      expect(yield* Effect.flip(execute(change))).toMatchObject({ _tag: "LockBusy" })
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested"])
      expect((yield* execute(change)).version).toBe(3)
    })
  )

  it.effect("a key is removed though it may be what has just opened, which is told once it is known", () =>
    Effect.gen(function* () {
      const { execute, shadow, log } = yield* makeLock
      const holder = { principal: { _tag: "User", userId: "ben" } } as const
      yield* execute({ _tag: "AddKey", keyUuid: "key-1", userId: "ben" })
      yield* shadow.setMode("hang")
      yield* afterTimeouts(execute(open, holder))
      expect((yield* execute({ _tag: "RemoveKey", keyUuid: "key-1" })).events).toHaveLength(1)
      expect(yield* Effect.flip(execute(open, holder))).toMatchObject({ _tag: "AccessDenied" })
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect(yield* log).toEqual(["LockCreated", "KeyAdded", "KeyRemoved", "LockOpenRequested"])
    })
  )

  it.effect("what never arrived is dropped when the shadow answers again, and then cannot arrive", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held, unsettled } = yield* makeLock
      yield* shadow.setMode("hang")
      yield* afterTimeouts(execute(open))
      yield* execute(resident("ada"))
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect(yield* unsettled).toEqual([])
      yield* shadow.deliver
      expect([yield* held, yield* log]).toEqual([[], ["LockCreated", "ResidentAdded"]])
    })
  )

  it.effect("what arrived late is recorded behind what happened meanwhile, and no earlier", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, held, store } = yield* makeLock
      yield* shadow.setMode("hang")
      yield* afterTimeouts(execute({ _tag: "AddKey", keyUuid: "key-1" }))
      yield* execute(resident("ada"), { at: millis("09:01") })
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect([yield* held, yield* log]).toEqual([["AddKey"], ["LockCreated", "ResidentAdded", "KeyAdded"]])
      const times = (yield* store.read("lock-7", 0, 10)).map(
        (stored) => Option.getOrThrow(fromStored(stored)).timestamp
      )
      expect(times).toEqual([clock("09:00"), clock("09:01"), clock("09:01")])
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
      const { execute, shadow, log, held, unsettled } = yield* makeLock
      yield* shadow.setMode("hang")
      const caller = yield* Effect.forkChild(execute(open))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(caller)
      yield* shadow.deliver
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("3 seconds")
      expect(yield* unsettled).toEqual([])
      expect([yield* held, yield* log]).toEqual([["OpenLock"], ["LockCreated", "LockOpenRequested"]])
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(3)
    })
  )
})

describe("a writer that others gave up on", () => {
  it.effect("takes its command back out of the shadow", () =>
    Effect.gen(function* () {
      const { ports, process, log, held, discard } = yield* makeLock
      const gate = yield* Latch.make()
      const inner = Context.get(ports, DeviceShadow)
      const slow = {
        ...inner,
        send: (...command: Parameters<typeof inner.send>) => Effect.andThen(gate.await, inner.send(...command))
      }
      const execute = yield* process({ over: Context.add(ports, DeviceShadow, slow) })
      const writer = yield* Effect.forkChild(Effect.flip(execute(open, { commandId: "late" })))
      yield* TestClock.adjust("1 second")
      yield* discard("late")
      yield* gate.open
      expect(yield* Fiber.join(writer)).toMatchObject(unreachable)
      expect([yield* held, yield* log]).toEqual([[], ["LockCreated"]])
    })
  )
})

describe("a process that died between the two steps", () => {
  const reservation = { commandId: "orphan", deadline: 1_000 }
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
      const { execute, log, prepare } = yield* makeLock
      yield* prepare(1, [event], reservation)
      yield* TestClock.adjust("12 seconds")
      expect(yield* log).toEqual(["LockCreated"])
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(2)
    })
  )

  it.effect("after it sent has done it", () =>
    Effect.gen(function* () {
      const { execute, ports, log, prepare } = yield* makeLock
      yield* prepare(1, [event], reservation)
      yield* Context.get(ports, DeviceShadow).send(lockUuid, command, Number.POSITIVE_INFINITY)
      yield* TestClock.adjust("12 seconds")
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested"])
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(3)
    })
  )

  it.effect("holds up only what needs a device while the shadow hangs", () =>
    Effect.gen(function* () {
      const { execute, shadow, log, prepare } = yield* makeLock
      yield* shadow.setMode("hang")
      yield* prepare(1, [event], reservation)
      yield* TestClock.adjust("15 seconds")
      expect((yield* execute({ _tag: "AddResident", name: "ada" })).version).toBe(2)
      expect(yield* Effect.flip(execute({ _tag: "SetOwner", userId: "ada" }))).toMatchObject({ _tag: "LockBusy" })
      yield* shadow.setMode("ok")
      yield* TestClock.adjust("10 seconds")
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(3)
      expect(yield* log).toEqual(["LockCreated", "ResidentAdded", "OwnerSet"])
    })
  )

  it.effect("lets nothing pass what this version does not understand", () =>
    Effect.gen(function* () {
      const { execute, shadow, prepare } = yield* makeLock
      yield* shadow.setMode("hang")
      yield* prepare(1, [{ ...event, type: "LockPainted" }], reservation)
      yield* TestClock.adjust("15 seconds")
      const next = yield* Effect.forkChild(Effect.flip(execute({ _tag: "AddResident", name: "ada" })))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(next)).toMatchObject({ _tag: "LockBusy" })
    })
  )

  it.effect("that cannot be settled holds up no other", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const store = withStep(world.store, "discard", (write, { put = [] }) =>
        put.some(({ key }) => key === "command/stuck")
          ? Effect.fail(new StoreUnavailable({ message: "not this one" }))
          : write
      )
      yield* world.process({ over: Context.add(world.ports, EventStore, store) })
      yield* prepare(world.store, {
        ...{ streamId: "lock-1", expectedVersion: 0, thing: "thing-1", deadline: 0, commandId: "stuck" },
        events: [{ ...event, eventId: "stuck-1", commandId: "stuck" }]
      })
      yield* world.prepare(0, [event], reservation)
      yield* TestClock.adjust("15 seconds")
      expect(yield* world.unsettled).toEqual(["stuck"])
    })
  )

  it.effect("is settled by the next writer too, if that one comes before the sweep", () =>
    Effect.gen(function* () {
      const { execute, ports, log, prepare } = yield* makeLock
      yield* TestClock.adjust("2500 millis")
      yield* prepare(1, [event], reservation)
      yield* Context.get(ports, DeviceShadow).send(lockUuid, command, Number.POSITIVE_INFINITY)
      const first = yield* Effect.forkChild(Effect.flip(execute({ _tag: "SetOwner", userId: "bob" })))
      yield* TestClock.adjust("8 seconds")
      expect(yield* Fiber.join(first)).toMatchObject({ _tag: "LockBusy" })
      expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(3)
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested", "OwnerSet"])
    })
  )

  it.effect("is settled as soon after another starts as a writer may need", () =>
    Effect.gen(function* () {
      const { log, process, unsettled, prepare } = yield* makeWorld
      yield* TestClock.adjust("2 seconds")
      yield* prepare(0, [event], reservation)
      yield* process()
      yield* TestClock.adjust("8 seconds")
      expect(yield* unsettled).toEqual([])
      expect(yield* log).toEqual([])
    })
  )
})

describe("a deadline of another clock", () => {
  const HOUR = 3_600_000
  const event = {
    eventId: "orphan-1",
    type: "KeyAdded",
    data: { lockId: 7, uuid: lockUuid, timestamp: clock("09:00"), keyUuid: "key-1" },
    at: 0,
    orgId: "",
    principal: { _tag: "System" },
    commandId: "orphan"
  } as const
  const reservation = { commandId: "orphan", deadline: HOUR }

  it.effect.each([HOUR, -HOUR])("gives its writer as long as any other, and no longer: the sweep (%i)", (deadline) =>
    Effect.gen(function* () {
      const { log, unsettled, prepare } = yield* makeLock
      yield* prepare(1, [event], { ...reservation, deadline })
      yield* TestClock.adjust("6 seconds")
      expect(yield* unsettled).toHaveLength(1)
      yield* TestClock.adjust("6 seconds")
      expect([yield* unsettled, yield* log]).toEqual([[], ["LockCreated"]])
    })
  )

  it.effect("keeps the next writer waiting no longer than that", () =>
    Effect.gen(function* () {
      const { execute, prepare } = yield* makeLock
      yield* prepare(1, [event], reservation)
      const waiting = yield* Effect.forkChild(Effect.result(execute({ _tag: "AddResident", name: "Ada" })))
      // It gives up after some seconds, as at any busy lock, and is let through once the time is over.
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(waiting)
      expect((yield* execute({ _tag: "AddResident", name: "Ada" }, { commandId: "again" })).version).toBeGreaterThan(1)
    })
  )

  it.effect("keeps nobody waiting for longer when the clock is set back once more meanwhile", () =>
    Effect.gen(function* () {
      const { execute, prepare } = yield* makeLock
      yield* prepare(1, [event], { ...reservation, deadline: 10 * HOUR })
      const waiting = yield* Effect.forkChild(Effect.result(execute({ _tag: "AddResident", name: "Ada" })))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(waiting)
      yield* TestClock.setTime(-HOUR)
      yield* TestClock.adjust("5 seconds")
      const again = yield* Effect.forkChild(execute({ _tag: "AddResident", name: "Ada" }, { commandId: "again" }))
      yield* TestClock.adjust("10 seconds")
      expect((yield* Fiber.join(again)).version).toBeGreaterThan(1)
    })
  )

  it.effect("takes nothing from a writer that is slow", () =>
    Effect.gen(function* () {
      const { ports, process, store, log, held } = yield* makeLock
      const gate = yield* Latch.make()
      const inner = Context.get(ports, DeviceShadow)
      const over = ports.pipe(
        Context.add(EventStore, {
          ...store,
          write: (batch) =>
            store.write({
              ...batch,
              // Its clock is an hour behind.
              ...(batch.put !== undefined && {
                put: batch.put.map(({ value, ...put }) => ({
                  ...put,
                  value: value.replace(/"deadline":(\d+)/, (_, deadline) => `"deadline":${Number(deadline) - HOUR}`)
                }))
              })
            })
        }),
        Context.add(DeviceShadow, {
          ...inner,
          send: (...command) => Effect.andThen(gate.await, inner.send(...command))
        })
      )
      const execute = yield* process({ over })
      const writer = yield* Effect.forkChild(execute(open))
      yield* TestClock.adjust("2500 millis")
      yield* gate.open
      expect((yield* Fiber.join(writer)).version).toBe(2)
      expect([yield* held, yield* log]).toEqual([["OpenLock"], ["LockCreated", "LockOpenRequested"]])
    })
  )
})

describe("a writer that others may have given up on", () => {
  it.effect("sends nothing, though its clock was set back meanwhile", () =>
    Effect.gen(function* () {
      const { ports, process, store, log, held } = yield* makeLock
      const gate = yield* Latch.make()
      const inner = Context.get(ports, DeviceShadow)
      let sent = 0
      const over = ports.pipe(
        Context.add(
          EventStore,
          withStep(store, "prepare", (write) => Effect.tap(write, () => gate.await))
        ),
        Context.add(DeviceShadow, {
          ...inner,
          send: (...command) => Effect.tap(inner.send(...command), () => Effect.sync(() => sent++))
        })
      )
      const execute = yield* process({ over })
      const writer = yield* Effect.forkChild(Effect.flip(execute(open)))
      yield* TestClock.adjust("9 seconds")
      yield* TestClock.setTime(1_000)
      yield* gate.open
      expect(yield* Fiber.join(writer)).toMatchObject({ ...unreachable, inDoubt: false })
      expect(sent).toBe(0)
      expect([yield* held, yield* log]).toEqual([[], ["LockCreated"]])
    })
  )
})
