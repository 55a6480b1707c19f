/**
 * Any device, driven until it holds what is wanted, or a person is asked for: one that fails before or after it has done
 * something, answers late, twice or never, forgets, is replaced, and has keys of its own.
 */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { WRITE_EXPIRES_AFTER } from "../src/device/DeviceCommand.ts"
import { decide } from "../src/lock/Decide.ts"
import { evolveStored } from "../src/lock/Evolve.ts"
import { type HardwareKey, holderOf, isLeftAlone, nextLook } from "../src/lock/Hardware.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { CommandOf, LockCommand } from "../src/lock/LockCommand.ts"
import { rowOf } from "../src/lock/LockCommands.ts"
import { toStored } from "../src/lock/LockEvent.ts"
import { type ConditionRow, conditions } from "../src/read-model/LockConditions.ts"
import { factOf, lockKey } from "../src/read-model/LockFact.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { given } from "../src/values/given.ts"
import type { Principal } from "../src/values/Principal.ts"

const lockId = 7
const things = ["thing-1", "thing-2", "thing-3"]
const system: Principal = { _tag: "System" }
const operator: Principal = { _tag: "Super" }

interface Sent {
  readonly commandId: string
  readonly type: string
  readonly keyUuid: string
  readonly keyIndexNumber: number | undefined
}

/** What a device does with the next command, and whether anyone hears of it. */
const Deed = fc.record({
  acts: fc.boolean(),
  says: fc.constantFrom("done", "done", "done", "failed", "nothing"),
  twice: fc.boolean()
})
type Deed = typeof Deed extends fc.Arbitrary<infer A> ? A : never

const keys = ["a", "b", "c"].map((keyUuid, keyIndexNumber) => ({ keyUuid, keyIndexNumber }))
const Step = fc.oneof(
  fc.constantFrom(...keys).map((key) => ({ do: "AddKey" as const, ...key })),
  fc.record({ do: fc.constant("AddKey" as const), keyUuid: fc.constantFrom("a", "b"), keyIndexNumber: fc.constant(2) }),
  fc.constantFrom(...keys).map((key) => ({ do: "RemoveKey" as const, ...key })),
  fc.constantFrom(...keys).map((key) => ({ do: "WriteKey" as const, ...key })),
  fc.constant({ do: "reconcile" as const }),
  fc.constant({ do: "reconcile" as const }),
  Deed.map((deed) => ({ do: "device" as const, deed })),
  Deed.map((deed) => ({ do: "device" as const, deed })),
  fc.constant({ do: "drops" as const }),
  fc.constant({ do: "forgets" as const }),
  fc.constant({ do: "lists" as const }),
  fc.constant({ do: "lists" as const }),
  fc.constant({ do: "late" as const }),
  fc.constant({ do: "replaced" as const }),
  fc.constant({ do: "sync" as const })
)

/** Of each key that somebody may have to look at: why. */
const troubles = (keys: ReadonlyArray<Pick<HardwareKey, "uuid" | "exposedSince" | "foreign" | "attention">>) =>
  new Map(
    keys.flatMap(({ uuid, exposedSince, foreign, attention }) =>
      exposedSince === undefined && attention === undefined ? [] : [[uuid, { exposedSince, foreign, attention }]]
    )
  )

/** Somebody has asked for its removal. */
const withoutForeign = ({ foreign: _, ...key }: HardwareKey): HardwareKey => key

/** A lock's log, its shadow, and its device. */
const makeHouse = (isUsed: boolean) => {
  let lock: Lock | undefined
  /** What the read model keeps of it. */
  let row: ConditionRow | undefined
  let at = 1_000
  let commands = 0
  let thing = 0
  const wanted = new Map<string, number>()
  let shadow: Array<Sent> = []
  const sent: Array<string> = []
  let device = new Map<string, number | undefined>(isUsed ? [["foreign", 9]] : [])
  /** Everything that any device ever said: it may be heard again at any time. */
  const said: Array<{ readonly commandId: string; readonly outcome: "done" | "failed"; readonly thing: string }> = []
  /** The command that the device answered last, and every list of its keys that any device ever gave. */
  let after: string | undefined
  let mayRemoveForeign = false
  const lists: Array<Pick<CommandOf<"RecordKeys">, "thing" | "seenAt" | "after" | "list">> = []

  const ask = (command: object, principal: Principal): boolean => {
    const commandId = `command-${++commands}`
    const asked = { lockId, commandId, at: ++at, principal, ...command } as LockCommand
    const before = lock
    const decided = decide(lock, asked, { isUsed, isOthers: false })
    if (Result.isFailure(decided)) return false
    const { events, device: told } = decided.success
    const { first, event, instead, also = [] } = rowOf(asked._tag)
    for (const { _tag } of events) expect([first, event, instead, ...also]).toContain(_tag)
    for (const [index, event] of events.entries()) {
      const version = (lock?.version ?? 0) + 1
      const stored: StoredEvent = {
        ...{ eventId: `${commandId}-${index}`, streamId: "lock-7", version, position: version, at, orgId: "" },
        ...{ principal, commandId, ...toStored(event), ...(told && { acceptedAt: at }) }
      }
      lock = evolveStored(lock, stored)
      const fact = factOf(stored) ?? expect.fail("it is about the lock")
      if (conditions.keysOf(fact).length > 0) row = conditions.fold(row, fact, lockKey(lockId))
      // Overtaken additions are taken out of the shadow.
      if (event._tag === "KeyRemoved") {
        const ended = (before?.pendingCommands ?? []).filter(
          (sent) => !lock?.pendingCommands.some(({ commandId }) => commandId === sent.commandId)
        )
        shadow = shadow.filter((sent) => !ended.some(({ commandId }) => commandId === sent.commandId))
      }
    }
    if (told !== undefined && told._tag !== "OpenLock" && told._tag !== "LockDevice") {
      const { keyUuid, keyIndexNumber } = told
      if (asked._tag === "SendKey") {
        // Only what somebody wanted.
        expect(wanted.get(keyUuid)).toBe(keyIndexNumber)
        expect(holderOf(lock?.hardware ?? [], keyIndexNumber, keyUuid)).toBeUndefined()
      }
      if (asked._tag === "SendRemoval") {
        expect(wanted.has(keyUuid)).toBe(false)
        // Nobody has asked for that.
        if (!mayRemoveForeign) expect(keyUuid).not.toBe("foreign")
      }
      shadow.push({ commandId, type: told._tag, keyUuid, keyIndexNumber })
      sent.push(keyUuid)
    }
    check()
    if (events.length > 0) checkRow()
    return events.length > 0
  }

  /** What the log says of the hardware is so: of what it says nothing, nothing is there that anyone had put there. */
  const check = () => {
    for (const [uuid, slot] of device) {
      if (uuid === "foreign") continue
      const known = lock?.hardware.find((key) => key.uuid === uuid)
      expect(known, `${uuid} in slot ${slot} is not known`).toBeDefined()
    }
  }

  /** The read model names the same keys, for the same reasons. */
  const checkRow = () => {
    const { keys = [], more = null } = row?.unsettled ?? {}
    expect(more).toBeNull()
    expect(
      troubles(keys.map(({ attention, ...key }) => ({ ...key, ...given({ attention: attention?.reason }) })))
    ).toEqual(troubles((lock?.hardware ?? []).map((key) => (isLeftAlone(key) ? key : withoutForeign(key)))))
  }

  const report = ({ commandId, outcome, thing }: (typeof said)[number]) => {
    ask(
      { _tag: "RecordOutcome", answered: commandId, thing, outcome, reportedAt: at } as Partial<
        CommandOf<"RecordOutcome">
      >,
      system
    )
    shadow = shadow.filter((sent) => sent.commandId !== commandId || thing !== things[0])
  }

  const tell = (list: (typeof lists)[number]) => ask({ _tag: "RecordKeys", ...list }, system)

  /** The device says which keys it holds: if it has answered everything, the log then says the same. */
  const listKeys = () => {
    const list = [...device].map(([keyUuid, keyIndexNumber]) => ({ keyUuid, ...given({ keyIndexNumber }) }))
    const one = { thing: things[thing] ?? "", seenAt: at, ...given({ after }), list }
    lists.push(one)
    tell(one)
    const hardware = lock?.hardware ?? []
    if (after !== lock?.lastKeyCommand || hardware.some(({ sent }) => sent !== undefined)) return
    const confirmed = hardware.filter((key) => key.confirmed === true)
    expect(new Set(confirmed.map(({ uuid }) => uuid))).toEqual(new Set(device.keys()))
    for (const { uuid, foreign } of confirmed) expect(foreign === true).toBe(uuid === "foreign")
  }

  /** The device carries out the oldest command that it has. */
  const perform = ({ acts, says, twice }: Deed) => {
    const [command] = shadow
    if (command === undefined) return
    shadow = shadow.slice(1)
    const { commandId, type, keyUuid, keyIndexNumber } = command
    after = commandId
    if (acts || says === "done") {
      if (type === "RemoveKey") device.delete(keyUuid)
      else device.set(keyUuid, keyIndexNumber)
    }
    if (says === "nothing") return
    const answer = { commandId, outcome: says, thing: things[thing] ?? "" } as const
    said.push(answer)
    report(answer)
    if (twice) report(answer)
  }

  const reconcile = () => {
    for (let n = 0; n < 20; n++) {
      if (!ask({ _tag: "SendRemoval" }, system) && !ask({ _tag: "SendKey" }, system)) break
    }
    ask({ _tag: "NoteAttention" }, system)
  }

  const step = (one: typeof Step extends fc.Arbitrary<infer A> ? A : never) => {
    switch (one.do) {
      case "AddKey":
        if (ask({ _tag: "AddKey", keyUuid: one.keyUuid, keyIndexNumber: one.keyIndexNumber }, operator))
          wanted.set(one.keyUuid, one.keyIndexNumber)
        return
      case "RemoveKey":
        if (wanted.has(one.keyUuid)) {
          wanted.delete(one.keyUuid)
          // Never refused.
          expect(ask({ _tag: "RemoveKey", keyUuid: one.keyUuid }, operator)).toBe(true)
        }
        return
      case "WriteKey":
        ask({ _tag: "WriteKey", keyUuid: one.keyUuid }, operator)
        return
      case "reconcile":
        return reconcile()
      case "device":
        return perform(one.deed)
      case "drops":
        // Of no use any more: the shadow takes it out, and the device has not seen it.
        if (shadow.some(({ type }) => type === "WriteKey")) at += WRITE_EXPIRES_AFTER
        shadow = shadow.filter(({ type }) => type !== "WriteKey")
        return
      case "forgets":
        device = new Map()
        return
      case "late": {
        const before = lock?.hardware
        for (const answer of said.filter((answer) => answer.thing !== things[thing])) report(answer)
        for (const list of lists.filter((list) => list.thing !== things[thing])) tell(list)
        expect(lock?.hardware).toEqual(before)
        for (const answer of said) report(answer)
        for (const list of lists) if (list !== lists.at(-1)) tell(list)
        return check()
      }
      case "replaced": {
        const next = things[thing + 1]
        if (next === undefined) return
        thing++
        device = new Map([["foreign", 8]])
        after = undefined
        shadow = []
        ask({ _tag: "MoveClaim", uuid: next }, operator)
        return
      }
      case "lists":
        return listKeys()
      case "sync":
        ask({ _tag: "SyncKeys" }, operator)
        return
    }
  }

  ask({ _tag: "CreateLock", index: 1, uuid: things[0], keys: [{ uuid: "a", indexNumber: 0 }] }, operator)
  wanted.set("a", 0)

  return {
    step,
    /** From now on the device does what it is told, or never answers again. */
    settle: (answers: boolean) => {
      for (let n = 0; n < 200; n++) {
        reconcile()
        while (answers && shadow.length > 0) perform({ acts: true, says: "done", twice: false })
        const next = nextLook(lock?.hardware ?? [])
        if (next === undefined) return
        at = Math.max(at, next)
      }
      expect.fail("it never comes to an end")
    },
    wanted,
    /** Somebody asks for something; from then on what nobody wanted may go. */
    ask: (command: object) => {
      mayRemoveForeign = true
      ask(command, operator)
    },
    /** Lets the time pass until there is something to do. */
    wait: () => {
      at = Math.max(at, nextLook(lock?.hardware ?? []) ?? at)
    },
    sentOf: (keyUuid: string) => sent.filter((uuid) => uuid === keyUuid).length,
    device: () => new Map([...device].filter(([uuid]) => uuid !== "foreign")),
    foreign: () => device.has("foreign"),
    lock: () => lock,
    thing: () => things[thing]
  }
}

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)

describe(`whatever a device does (SEED=${seed})`, () => {
  const driven = fc.record({ isUsed: fc.boolean(), answers: fc.boolean(), steps: fc.array(Step, { maxLength: 40 }) })

  it("wanted, confirmed and the hardware agree in the end, or a person is asked for; nothing unwanted is sent", () => {
    fc.assert(
      fc.property(driven, ({ isUsed, answers, steps }) => {
        const house = makeHouse(isUsed)
        for (const step of steps) house.step(step)
        // Whatever it has forgotten, nobody can know without asking.
        house.step({ do: "sync" })
        house.settle(answers)
        // What it had swallowed, and never answered, a person has asked for again.
        if (answers) {
          house.step({ do: "sync" })
          house.settle(answers)
        }
        const hardware = (house.lock()?.hardware ?? []).filter(({ foreign }) => foreign === undefined)
        const agreed = hardware.filter(({ confirmed, exposedSince }) => confirmed && exposedSince === undefined)
        if (answers) {
          expect(new Map(hardware.map(({ uuid, indexNumber }) => [uuid, indexNumber]))).toEqual(house.wanted)
          expect(agreed).toHaveLength(hardware.length)
          expect(house.device()).toEqual(house.wanted)
        } else {
          for (const key of hardware) if (!agreed.includes(key)) expect(key.attention).toBe("silent")
        }
        // What nobody put there nobody takes away.
        if (isUsed && house.thing() === things[0] && !steps.some((step) => step.do === "forgets"))
          expect(house.foreign()).toBe(true)
      }),
      { seed, numRuns: 500 }
    )
  })

  it("whatever it forgets it is told again once it lists its keys, also after a command that it never saw", () => {
    const before = fc.array(Step, { maxLength: 20 })
    fc.assert(
      fc.property(before, fc.subarray(keys), (steps, written) => {
        const house = makeHouse(false)
        for (const step of steps) house.step(step)
        for (let n = 0; n < 2; n++) {
          house.step({ do: "sync" })
          house.settle(true)
        }
        for (const key of written) house.step({ do: "WriteKey", ...key })
        house.step({ do: "drops" })
        house.settle(true)
        house.step({ do: "forgets" })
        house.step({ do: "lists" })
        house.settle(true)
        expect(house.device()).toEqual(house.wanted)
      }),
      { seed, numRuns: 300 }
    )
  })

  it("what was lost is written again, what nobody wanted is shown, and removed when somebody asks", () => {
    const house = makeHouse(true)
    house.settle(true)
    house.step({ do: "lists" })
    const foreign = { uuid: "foreign", indexNumber: 9, confirmed: true, foreign: true }
    expect(house.lock()?.hardware).toMatchObject([{ uuid: "a", confirmed: true }, foreign])
    expect(house.lock()).not.toHaveProperty("mayHoldOthers")
    expect(nextLook(house.lock()?.hardware ?? [])).toBeUndefined()
    house.step({ do: "forgets" })
    house.step({ do: "lists" })
    expect(house.lock()?.hardware).toEqual([{ uuid: "a", indexNumber: 0, reconciled: true, lost: true }])
    house.settle(true)
    expect(house.device()).toEqual(house.wanted)
  })

  it("a key that nobody wanted is removed when it is named, and not by a sync of all", () => {
    const house = makeHouse(true)
    house.settle(true)
    house.step({ do: "lists" })
    house.settle(true)
    expect(house.foreign()).toBe(true)
    house.ask({ _tag: "RemoveKey", keyIndexNumber: 9 })
    house.step({ do: "reconcile" })
    house.step({ do: "device", deed: { acts: true, says: "done", twice: false } })
    expect(house.foreign()).toBe(false)
    expect(house.lock()?.hardware).toMatchObject([{ uuid: "a", confirmed: true }])
  })

  it("five failures in a row ask for a person, and nothing more is sent until somebody asks again", () => {
    const house = makeHouse(false)
    const fails = { acts: false, says: "failed", twice: false } as const
    for (let n = 0; n < 20; n++) {
      house.step({ do: "reconcile" })
      house.step({ do: "device", deed: fails })
      house.wait()
    }
    expect(house.sentOf("a")).toBe(5)
    expect(house.lock()?.hardware).toMatchObject([{ uuid: "a", attention: "failed", failures: { count: 5 } }])
    house.step({ do: "sync" })
    house.step({ do: "reconcile" })
    expect(house.sentOf("a")).toBe(6)
  })
})
