/** What devices say, taken in. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Option } from "effect"
import { type DeviceReport, DeviceShadow, ShadowUnavailable } from "../src/device/DeviceShadow.ts"
import { evolveStored, initial } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { MOST_LATE } from "../src/lock/SentCommand.ts"
import { DeviceReports, LONGEST_DETAIL } from "../src/locks/DeviceReports.ts"
import { Locks } from "../src/locks/Locks.ts"
import { Projector } from "../src/read-model/Projector.ts"
import { nowhere, ReadModel } from "../src/read-model/ReadModel.ts"
import { EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"
import { asked, clock, lockUuid, millis, operator, requestFor } from "./scenario.ts"
import { create, createAnother, eventually, makeWorld } from "./world.ts"

const makeDevice = Effect.gen(function* () {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  const { execute } = Context.get(services, Locks)
  yield* execute(asked({ ...create, ownerId: "ada" }, { commandId: "create" }))
  yield* Context.get(services, Projector).catchUp("10 seconds")
  const isOnline = Effect.map(world.ownedBy("ada"), ([device]) => device?.online)
  /** Says so until it is heard: the listener may not have begun to listen yet. */
  const present = (online: boolean, at: number) =>
    eventually(
      Effect.andThen(world.shadow.report({ _tag: "Presence", thing: lockUuid, online, at }), isOnline),
      (is) => is === online
    )
  return { ...world, execute, isOnline, present }
})

describe("a device", () => {
  it.live("that is given to another lock while its openings are taken in has them in the log of that one", () =>
    Effect.gen(function* () {
      const { ports, store, quiet } = yield* makeWorld
      /** Before the first answer of the store that names the device, once it is armed. */
      let meanwhile: Effect.Effect<unknown, unknown> = Effect.void
      const over = Context.add(ports, EventStore, {
        ...store,
        record: (key) =>
          Effect.tap(store.record(key), () => {
            const now = meanwhile
            if (key.includes(lockUuid)) meanwhile = Effect.void
            return key.includes(lockUuid) ? Effect.orDie(now) : Effect.void
          })
      })
      const services = yield* quiet(over)
      const { execute } = Context.get(services, Locks)
      const { take } = Context.get(services, DeviceReports)
      yield* execute(asked(create, { commandId: "create" }))
      yield* execute(asked({ ...create, uuid: "another-device" }, { commandId: "create-8", lockId: 8 }))
      const openings = { series: "a", dropped: 0, list: [{ n: 1, by: "pin" }] } as const
      meanwhile = execute(asked({ _tag: "MoveClaim", uuid: lockUuid }, { commandId: "move", lockId: 8 }))
      yield* take({ _tag: "Openings", thing: lockUuid, ...openings })
      const typesOf = (lockId: number) =>
        Effect.map(store.read(`lock-${lockId}`, 0, 100), (events) => events.map(({ type }) => type))
      expect(yield* typesOf(8)).toEqual(["LockCreated", "ClaimMoved", "OpenedAtDoor"])
      expect(yield* typesOf(7)).toEqual(["LockCreated", "ClaimLost"])
    })
  )

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
      const { shadow, store, log, prepare, unsettled } = yield* makeDevice
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
      yield* prepare(1, [event], { commandId: "doubt", deadline })
      yield* shadow.report({ _tag: "CommandOutcome", thing: lockUuid, commandId: "doubt", outcome: "failed", at: 1 })
      yield* eventually(log, (types) => types.length === 3)
      expect(yield* log).toEqual(["LockCreated", "LockOpenRequested", "CommandOutcomeReported"])
      expect(yield* unsettled).toEqual([])
    })
  )

  it.live("that answers another device's command settles nothing", () =>
    Effect.gen(function* () {
      const { shadow, store, log, present, prepare, unsettled } = yield* makeDevice
      const [created] = yield* store.read("lock-7", 0, 1)
      if (created === undefined) return yield* Effect.die("the lock was created")
      const event = { ...created, type: "LockOpenRequested", eventId: "doubt-1", commandId: "doubt" }
      const deadline = Number.MAX_SAFE_INTEGER
      yield* prepare(1, [event], { commandId: "doubt", deadline: deadline - 1 })
      yield* present(true, 1)
      yield* shadow.report({ _tag: "CommandOutcome", thing: "elsewhere", commandId: "doubt", outcome: "done", at: 1 })
      yield* present(false, 2)
      expect(yield* log).toEqual(["LockCreated"])
      expect(yield* unsettled).toHaveLength(1)
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

/** The store on the day after: how commands were settled is forgotten. */
const forgetfulOf = (store: EventStore["Service"]) =>
  EventStore.of({
    ...store,
    record: (key) => (key.startsWith("command/") ? Effect.succeedNone : store.record(key))
  })

describe("the outcome of a command", () => {
  /** Two processes, and what one of them is told. */
  const makeTaker = Effect.gen(function* () {
    const device = yield* makeDevice
    const { take } = Context.get(yield* device.latchkey(), DeviceReports)
    const done = (commandId: string, fields: Partial<Outcome> = {}) =>
      take({
        _tag: "CommandOutcome",
        thing: lockUuid,
        commandId,
        outcome: "done",
        at: millis("09:00") + 900,
        ...fields
      })
    const outcomes = Effect.map(device.store.read("lock-7", 0, 1_000), (events) =>
      events.filter(({ type }) => type === "CommandOutcomeReported").map(({ data }) => data)
    )
    return { ...device, take, done, outcomes }
  })
  type Outcome = Extract<DeviceReport, { readonly _tag: "CommandOutcome" }>

  it.live("is one of three facts: requested, accepted by the shadow, done by the lock, each with its time", () =>
    Effect.gen(function* () {
      const { execute, done, store } = yield* makeTaker
      const before = Date.now()
      yield* execute(asked({ _tag: "OpenLock" }, { commandId: "open" }))
      yield* done("open", { detail: "with a click" })
      const [requested, answered] = yield* store.read("lock-7", 1, 10)
      expect(requested).toMatchObject({ type: "LockOpenRequested", at: millis("09:00"), commandId: "open" })
      expect(requested?.acceptedAt).toBeGreaterThanOrEqual(before)
      expect(answered).toMatchObject({
        type: "CommandOutcomeReported",
        principal: { _tag: "System" },
        data: {
          lockId: 7,
          uuid: lockUuid,
          commandId: "open",
          commandType: "OpenLock",
          outcome: "done",
          requestedAt: clock("09:00"),
          acceptedAt: new Date(requested?.acceptedAt ?? Number.NaN).toISOString(),
          reportedAt: clock("09:00").replace(".000", ".900"),
          expiresAt: clock("09:00").replace("00.000", "10.000"),
          detail: "with a click"
        }
      })
    })
  )

  it.live("of an opening with a temp key is that of the opening", () =>
    Effect.gen(function* () {
      const { execute, done, outcomes } = yield* makeTaker
      const terms = {
        accessMode: "public",
        allowedUserIds: [],
        validFrom: clock("08:00"),
        validUntil: clock("18:00")
      } as const
      yield* execute(asked({ _tag: "CreateTempKey", tempKeyUuid: lockUuid, ...terms }, { commandId: "key" }))
      yield* execute(asked({ _tag: "OpenWithTempKey", tempKeyUuid: lockUuid }, { commandId: "open" }))
      yield* done("open")
      expect(yield* outcomes).toMatchObject([{ commandId: "open", commandType: "OpenLock" }])
    })
  )

  it.live("changes nothing once the lock has another device: what it was told has ended", () =>
    Effect.gen(function* () {
      const { execute, done, outcomes, rows } = yield* makeTaker
      const newUuid = "7e3b0000-0000-4000-8000-00000000000b"
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
      yield* execute(asked(requestFor("LockUuidChanged", { newUuid }), { commandId: "change" }))
      yield* eventually(rows.lockOfThing(newUuid), Option.isSome)
      yield* done("add", { thing: newUuid })
      yield* done("add", { thing: "elsewhere" })
      expect(yield* outcomes).toEqual([])
      yield* done("add")
      expect(yield* outcomes).toEqual([])
    })
  )

  it.live("comes days later, when the store has forgotten how the command was settled, and counts once", () =>
    Effect.gen(function* () {
      const { execute, store, ports, latchkey, outcomes, shadow } = yield* makeTaker
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
      const forgetful = forgetfulOf(store)
      const services = yield* latchkey(Context.add(ports, EventStore, forgetful))
      yield* Context.get(services, Projector).catchUp("10 seconds")
      const { take } = Context.get(services, DeviceReports)
      const report = { _tag: "CommandOutcome", thing: lockUuid, commandId: "add", outcome: "done", at: 1 } as const
      yield* Effect.all([take(report), take(report), take({ ...report, thing: "elsewhere" })], { concurrency: 3 })
      yield* take(report)
      expect(yield* outcomes).toMatchObject([{ commandId: "add", outcome: "done" }])
      expect(yield* shadow.held(lockUuid)).toEqual({})
    })
  )

  /** Asks for one opening, and then for so many that the lock does not remember it; each when the one before has expired. */
  const openAndForget = Effect.fnUntraced(function* (execute: Locks["Service"]["execute"]) {
    for (let n = 0; n <= MOST_LATE + 1; n++)
      yield* execute(asked({ _tag: "OpenLock" }, { commandId: `open-${n}`, at: millis("09:00") + n * 20_000 }))
  })

  it.live("counts once, though the lock was sent more since than it remembers", () =>
    Effect.gen(function* () {
      const { execute, done, outcomes, shadow } = yield* makeTaker
      yield* openAndForget(execute)
      yield* done("open-0", { thing: "elsewhere" })
      yield* Effect.all([done("open-0"), done("open-0", { outcome: "expired" })], { concurrency: 2 })
      yield* done("open-0")
      yield* done("open-3", { outcome: "expired" })
      expect(yield* outcomes).toMatchObject([
        { commandId: "open-0", commandType: "OpenLock", requestedAt: clock("09:00") },
        { commandId: "open-3", outcome: "expired" }
      ])
      expect(Object.keys(yield* shadow.held(lockUuid))).not.toContain("open-0")
    })
  )

  it.live("counts though a removal has overtaken it, and changes nothing of what the key is to be", () =>
    Effect.gen(function* () {
      const { execute, done, outcomes, store } = yield* makeTaker
      const hardware = Effect.map(
        store.read("lock-7", 0, 1_000),
        (events) => events.reduce<Lock | undefined>(evolveStored, initial)?.hardware
      )
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
      yield* execute(asked({ _tag: "RemoveKey", keyUuid: "key-1" }, { commandId: "remove" }))
      const before = yield* hardware
      yield* done("add")
      expect(yield* outcomes).toMatchObject([{ commandId: "add", commandType: "AddKey", outcome: "done" }])
      expect(yield* hardware).toEqual(before)
    })
  )

  it.live("counts though nobody had heard it when a removal of the key took the command back", () =>
    Effect.gen(function* () {
      const { ports, quiet, shadow, log, latchkey } = yield* makeWorld
      const { execute } = Context.get(yield* quiet(), Locks)
      const { find } = Context.get(ports, DeviceShadow)
      yield* execute(asked(create, { commandId: "create" }))
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
      yield* shadow.report({ _tag: "CommandOutcome", thing: lockUuid, commandId: "add", outcome: "done", at: 1 })
      yield* execute(asked({ _tag: "RemoveKey", keyUuid: "key-1" }, { commandId: "remove" }))
      yield* eventually(shadow.held(lockUuid), (held) => !("add" in held))
      expect(yield* find(lockUuid, "add", 1)).toBe(true)
      yield* latchkey()
      yield* eventually(log, (types) => types.includes("CommandOutcomeReported"))
      yield* eventually(find(lockUuid, "add", 1), (isThere) => !isThere)
    })
  )

  it.live("is taken out with its command when the lock is retired: its next lock must not show it", () =>
    Effect.gen(function* () {
      const { ports, quiet, shadow } = yield* makeWorld
      const { execute } = Context.get(yield* quiet(), Locks)
      const { find } = Context.get(ports, DeviceShadow)
      yield* execute(asked(create, { commandId: "create" }))
      yield* execute(asked({ _tag: "OpenLock" }, { commandId: "open" }))
      yield* shadow.report({ _tag: "CommandOutcome", thing: lockUuid, commandId: "open", outcome: "done", at: 1 })
      yield* execute(asked({ _tag: "RetireLock" }, { commandId: "retire" }))
      yield* eventually(find(lockUuid, "open", 1), (isThere) => !isThere)
    })
  )

  it.live("comes days later, and is the one of the lock that asked, also if others have the thing", () =>
    Effect.gen(function* () {
      const { store, latchkey } = yield* makeWorld
      for (const id of [1, 2]) {
        const event = (commandId: string, type: string, data: object) => ({
          eventId: `${commandId}-1`,
          commandId,
          type,
          data: { lockId: id, uuid: lockUuid, timestamp: clock("09:00"), ...data },
          at: millis("09:00"),
          orgId: "",
          principal: operator
        })
        const events = [
          event(`create-${id}`, "LockCreated", { keys: [], index: 1 }),
          { ...event(`open-${id}`, "LockOpenRequested", {}), acceptedAt: millis("09:00") }
        ]
        yield* store.write({ append: [{ streamId: `lock-${id}`, expectedVersion: 0, events }] })
      }
      const { take } = Context.get(yield* latchkey(), DeviceReports)
      for (const id of [1, 2])
        yield* take({ _tag: "CommandOutcome", thing: lockUuid, commandId: `open-${id}`, outcome: "done", at: 1 })
      for (const id of [1, 2])
        expect((yield* store.read(`lock-${id}`, 2, 10)).map(({ data }) => data["commandId"])).toEqual([`open-${id}`])
    })
  )

  it.live("of an opening for one organization is not told to the next", () =>
    Effect.gen(function* () {
      const { execute, done, store } = yield* makeTaker
      const move = (orgId: string, at: number) =>
        execute(asked({ _tag: "SetOrganization", orgId }, { commandId: `${orgId}-${at}`, at }))
      yield* move("seaside", millis("08:59"))
      yield* openAndForget(execute)
      yield* move("hilltop", millis("09:30"))
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add", at: millis("09:31") }))
      yield* execute(asked({ _tag: "OpenLock" }, { commandId: "theirs", at: millis("09:32") }))
      const last = `open-${MOST_LATE + 1}`
      for (const commandId of ["open-0", last, "theirs", "add"]) yield* done(commandId)
      const feed = yield* store.feed(0, 1_000)
      const told = feed.flatMap(({ type, data, orgId }) =>
        type === "CommandOutcomeReported" ? [[data["commandId"], orgId]] : []
      )
      expect(told).toEqual([
        ["open-0", ""],
        [last, ""],
        ["theirs", "hilltop"],
        ["add", "hilltop"]
      ])
      // Back where it was asked for, it is told.
      yield* move("seaside", millis("09:40"))
      yield* done("open-1")
      expect((yield* store.feed(0, 1_000)).at(-1)).toMatchObject({ orgId: "seaside", data: { commandId: "open-1" } })
      expect(feed.filter(({ type }) => type === "LockLeft").map(({ orgId }) => orgId)).toEqual(["seaside"])
    })
  )

  it.live.each([
    ["has another device", requestFor("LockUuidChanged", { newUuid: "7e3b0000-0000-4000-8000-00000000000b" })],
    ["is retired", { _tag: "RetireLock" }],
    ["has lost its device", { _tag: "MoveClaim", uuid: lockUuid }, 8]
  ] as const)("of what a lock does not remember changes nothing once it %s", ([_, ending, lockId = 7]) =>
    Effect.gen(function* () {
      const { execute, done, outcomes } = yield* makeTaker
      yield* openAndForget(execute)
      yield* execute(asked(createAnother, { lockId: 8, commandId: "another", at: millis("09:50") }))
      yield* execute(asked(ending, { lockId, commandId: "ending", at: millis("10:00") }))
      yield* done("open-0")
      expect(yield* outcomes).toEqual([])
    })
  )

  it.live("needs no read model: that may be behind, or be a newer Latchkey's", () =>
    Effect.gen(function* () {
      const { execute, store, ports, readModel, latchkey, outcomes, shadow } = yield* makeTaker
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
      const newer = ReadModel.of({ ...readModel, cursor: Effect.succeed({ ...nowhere, format: 1_000, position: 1 }) })
      const over = ports.pipe(Context.add(EventStore, forgetfulOf(store)), Context.add(ReadModel, newer))
      const { take } = Context.get(yield* latchkey(over), DeviceReports)
      yield* take({ _tag: "CommandOutcome", thing: lockUuid, commandId: "add", outcome: "done", at: 1 })
      expect(yield* outcomes).toMatchObject([{ commandId: "add", outcome: "done" }])
      expect(yield* shadow.held(lockUuid)).toEqual({})
    })
  )

  it.live("is the first that was told", () =>
    Effect.gen(function* () {
      const { execute, done, outcomes } = yield* makeTaker
      yield* execute(asked({ _tag: "OpenLock" }, { commandId: "open" }))
      yield* done("open", { outcome: "failed" })
      yield* done("open", { outcome: "done" })
      expect(yield* outcomes).toMatchObject([{ outcome: "failed" }])
    })
  )

  it.live("is kept whatever a device says beside it", () =>
    Effect.gen(function* () {
      const { execute, done, outcomes } = yield* makeTaker
      const detail = `\0 half a pair: \ud83d ${"x".repeat(10_000)}`
      for (const [n, at] of [Number.NaN, Number.NEGATIVE_INFINITY, 1e300, 8.64e15 + 2, 1.5, -1].entries()) {
        yield* execute(asked({ _tag: "OpenLock" }, { commandId: `open-${n}`, at: Date.now() }))
        yield* done(`open-${n}`, { at, detail })
      }
      const now = new Date().toISOString().slice(0, 10)
      const times = (yield* outcomes).map((data) => String(data["reportedAt"]))
      expect(times.slice(0, 4).map((time) => time.slice(0, 10))).toEqual([now, now, now, now])
      expect(times.slice(4)).toEqual(["1970-01-01T00:00:00.001Z", "1969-12-31T23:59:59.999Z"])
      for (const { detail } of yield* outcomes) {
        expect(detail).toHaveLength(LONGEST_DETAIL)
        expect(detail).toMatch(/^\ufffd half a pair: \ufffd x+$/)
      }
    })
  )

  it.live("of what no store can keep the name of is taken out of the shadow, and asks nothing of the store", () =>
    Effect.gen(function* () {
      const { ports, store, shadow, latchkey, outcomes } = yield* makeTaker
      const strict = EventStore.of({
        ...store,
        record: (key) =>
          key.isWellFormed() && !key.includes("\0") && key.length <= 1_024
            ? store.record(key)
            : Effect.fail(new StoreUnavailable({ message: "No key of a record." }))
      })
      const settled: Array<string> = []
      const device = Context.get(ports, DeviceShadow)
      const watched = DeviceShadow.of({
        ...device,
        settle: (thing, commandId, attempt) => {
          settled.push(commandId)
          return device.settle(thing, commandId, attempt)
        }
      })
      const over = ports.pipe(Context.add(EventStore, strict), Context.add(DeviceShadow, watched))
      const { take } = Context.get(yield* latchkey(over), DeviceReports)
      const names = ["\0", "half a pair: \ud83d", "x".repeat(2_000)]
      for (const commandId of names)
        yield* take({ _tag: "CommandOutcome", thing: lockUuid, commandId, outcome: "done", at: 1 })
      expect(settled).toEqual(names)
      expect([yield* outcomes, yield* shadow.held(lockUuid)]).toEqual([[], {}])
    })
  )

  it.live("is not lost when the store is down, nor is the command taken out of the shadow", () =>
    Effect.gen(function* () {
      const { execute, store, ports, latchkey, outcomes, shadow } = yield* makeTaker
      yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
      let down = true
      const unavailable = new StoreUnavailable({ message: "down" })
      const flaky = EventStore.of({
        ...store,
        write: (...args) => Effect.suspend(() => (down ? Effect.fail(unavailable) : store.write(...args)))
      })
      const { take } = Context.get(yield* latchkey(Context.add(ports, EventStore, flaky)), DeviceReports)
      const report = { _tag: "CommandOutcome", thing: lockUuid, commandId: "add", outcome: "done", at: 1 } as const
      expect(yield* Effect.flip(take(report))).toBe(unavailable)
      expect(Object.keys(yield* shadow.held(lockUuid))).toEqual(["add"])
      down = false
      yield* take(report)
      expect(yield* outcomes).toHaveLength(1)
      expect(yield* shadow.held(lockUuid)).toEqual({})
    })
  )

  it.live("stands in nobody's way: other commands of the lock are carried out, here and in another process", () =>
    Effect.gen(function* () {
      const { execute, done, latchkey, log } = yield* makeTaker
      const elsewhere = Context.get(yield* latchkey(), Locks).execute
      for (const [n, run] of [execute, elsewhere, execute, elsewhere].entries()) {
        yield* run(asked({ _tag: "OpenLock" }, { commandId: `open-${n}`, at: Date.now() }))
        yield* Effect.all(
          [done(`open-${n}`), run(asked({ _tag: "SetOwner", userId: `user-${n}` }, { commandId: `owner-${n}` }))],
          { concurrency: 2 }
        )
      }
      const types = yield* log
      for (const type of ["LockOpenRequested", "CommandOutcomeReported", "OwnerSet"]) {
        expect(types.filter((other) => other === type)).toHaveLength(4)
      }
    })
  )
})

describe("what a device says of itself and its door", () => {
  const openings = (...ns: ReadonlyArray<number>): DeviceReport => ({
    _tag: "Openings",
    thing: lockUuid,
    series: "a",
    dropped: 0,
    list: ns.map((n) => ({ n, by: "key", keyUuid: "key-1" }))
  })
  const state = (reported: object, at = millis("09:00"), thing = lockUuid): DeviceReport => ({
    _tag: "State",
    thing,
    reported: { state: { ...reported } },
    at
  })
  const makeWatcher = Effect.gen(function* () {
    const device = yield* makeDevice
    const services = yield* device.latchkey()
    const { take } = Context.get(services, DeviceReports)
    yield* device.execute(asked({ _tag: "AddKey", keyUuid: "key-1", userId: "bob" }, { commandId: "add" }))
    const told = Effect.map(device.store.read("lock-7", 2, 1_000), (events) =>
      events.map(({ type, data }) => [type, data["count"] ?? data["battery"] ?? null])
    )
    const shown = Effect.map(
      Effect.andThen(Context.get(services, Projector).catchUp("10 seconds"), device.ownedBy("ada")),
      ([lock]) => lock?.deviceState
    )
    return { ...device, take, told, shown }
  })

  it.live("is in the log, and with the lock in its owner's list; a battery that is low is told once", () =>
    Effect.gen(function* () {
      const { take, told, shown } = yield* makeWatcher
      expect(yield* shown).toBeNull()
      yield* take(state({ bolt: "locked", door: "closed", battery: 14, firmware: "2.4.1" }))
      for (const battery of [14, 13, 12]) yield* take(state({ battery }, millis("09:01")))
      expect(yield* told).toEqual([
        ["DeviceStateReported", 14],
        ["BatteryLow", 14]
      ])
      expect(yield* shown).toEqual({
        bolt: "locked",
        door: "closed",
        battery: 14,
        batteryLow: true,
        firmware: "2.4.1",
        seenAt: millis("09:00")
      })
    })
  )

  it.live("says that it is there, and nothing of the lock, where it is not understood, or of no lock", () =>
    Effect.gen(function* () {
      const { take, told, presence } = yield* makeWatcher
      yield* take(state({ bolt: "ajar" }))
      yield* take(state({ bolt: "locked" }, millis("09:00"), "elsewhere"))
      expect(yield* told).toEqual([])
      expect((yield* presence.of([lockUuid, "elsewhere"])).size).toBe(2)
    })
  )

  it.live(
    "of openings is told once by two servers at once, and again by a third, and is gone from the shadow then",
    () =>
      Effect.gen(function* () {
        const { take, told, latchkey, shadow } = yield* makeWatcher
        const second = Context.get(yield* latchkey(), DeviceReports).take
        yield* shadow.report(openings(1, 2))
        yield* Effect.all([take(openings(1, 2)), second(openings(1, 2)), take(openings(1, 2, 3))], { concurrency: 3 })
        yield* eventually(shadow.openings(lockUuid), (held) => held.length === 0)
        const third = Context.get(yield* latchkey(), DeviceReports).take
        yield* third(openings(1, 2, 3, 4))
        expect(yield* told).toEqual([1, 2, 3, 4].map((n) => ["OpenedAtDoor", n]))
      })
  )

  it.live("of openings stays in the shadow while the store is down, and is taken when it is back", () =>
    Effect.gen(function* () {
      const { store, ports, latchkey, told, shadow } = yield* makeWatcher
      let down = true
      const unavailable = new StoreUnavailable({ message: "down" })
      const flaky = EventStore.of({
        ...store,
        write: (...args) => Effect.suspend(() => (down ? Effect.fail(unavailable) : store.write(...args)))
      })
      const inner = Context.get(ports, DeviceShadow)
      const cleared: Array<number> = []
      const watched = DeviceShadow.of({
        ...inner,
        clearOpenings: (thing, series, last) =>
          Effect.andThen(
            Effect.sync(() => cleared.push(last)),
            inner.clearOpenings(thing, series, last)
          )
      })
      const over = ports.pipe(Context.add(EventStore, flaky), Context.add(DeviceShadow, watched))
      const { take } = Context.get(yield* latchkey(over), DeviceReports)
      expect(yield* Effect.flip(take(openings(1)))).toBe(unavailable)
      expect([yield* told, cleared]).toEqual([[], []])
      down = false
      yield* take(openings(1))
      expect([yield* told, cleared]).toEqual([[["OpenedAtDoor", 1]], [1]])
      expect(yield* shadow.openings(lockUuid)).toEqual([])
    })
  )

  it.live("of openings that come late from a device which the lock has no more changes nothing, and is cleared", () =>
    Effect.gen(function* () {
      const { take, told, execute, rows, shadow } = yield* makeWatcher
      const newUuid = "7e3b0000-0000-4000-8000-00000000000b"
      yield* execute(asked(requestFor("LockUuidChanged", { newUuid }), { commandId: "change" }))
      yield* eventually(rows.lockOfThing(newUuid), Option.isSome)
      yield* shadow.report(openings(1, 2))
      yield* take(openings(1, 2))
      yield* take(state({ battery: 5 }))
      // The keys of the lock are sent to its new device.
      const toldOfOld = (yield* told).filter(([type]) => type !== "KeyAdditionSent")
      expect(toldOfOld).toEqual([["LockUuidChanged", null]])
      yield* eventually(shadow.openings(lockUuid), (held) => held.length === 0)
    })
  )
})
