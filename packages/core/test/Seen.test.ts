/** What follows from what the device of a lock says of itself and its door. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import {
  MOST_OPENINGS,
  type Opening,
  openingsIn,
  type ReportedState,
  reportedStateIn
} from "../src/device/ReportedState.ts"
import { decide } from "../src/lock/Decide.ts"
import { evolve } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { LockCommand } from "../src/lock/LockCommand.ts"
import type { LockEvent } from "../src/lock/LockEvent.ts"
import { ALARMS_AN_HOUR, OPENINGS_AN_HOUR, STATES_AN_HOUR } from "../src/lock/Seen.ts"
import { clock, created, type Fact, given, lockId, lockUuid, millis } from "./scenario.ts"

const newUuid = "7e3b0000-0000-4000-8000-00000000000b"
const system = { _tag: "System" } as const

const bobsKey = { _tag: "KeyAdded", lockId, keyUuid: "key-1", keyIndexNumber: 3, userId: "bob" } as const
const inSlot = (n: number, time: string) => ({ n, by: "key", keyIndexNumber: 3, at: millis(time) }) as const

/** A lock that is told things, one after the other. */
const watched = (...facts: ReadonlyArray<Fact>) => {
  let lock = given(created, ...facts).lock() as Lock
  let asked = 0
  const tell = (command: object, at: number): ReadonlyArray<LockEvent> => {
    const context = { lockId, commandId: `command-${++asked}`, at, principal: system }
    const { events } = Result.getOrThrow(decide(lock, { ...context, thing: lockUuid, ...command } as LockCommand))
    lock = events.reduce<Lock>((lock, event) => evolve(lock, event, system) ?? lock, lock)
    return events
  }
  return {
    lock: () => lock,
    says: (state: ReportedState, at = millis("09:00"), more: object = {}) =>
      tell({ _tag: "RecordState", seenAt: at, ...state, ...more }, at).map(({ _tag }) => _tag),
    opened: (list: ReadonlyArray<Opening>, more: object = {}, at = millis("09:00")) =>
      tell({ _tag: "RecordOpenings", series: "a", dropped: 0, list, ...more }, at),
    happens: (event: LockEvent) => void (lock = evolve(lock, event, system) ?? lock)
  }
}

const REPORTED = "DeviceStateReported"

describe("the state of a device", () => {
  it("is recorded when something of it has changed, and kept whole", () => {
    const { says, lock } = watched()
    expect(says({ bolt: "locked", door: "closed", battery: 80, firmware: "1" })).toEqual([REPORTED])
    expect(says({ bolt: "locked", door: "closed", battery: 78, firmware: "1" })).toEqual([])
    expect(says({ bolt: "unlocked" })).toEqual([REPORTED])
    expect(lock().seen?.state).toEqual({
      bolt: "unlocked",
      door: "closed",
      battery: 80,
      batteryLow: false,
      firmware: "1",
      seenAt: millis("09:00")
    })
    expect(says({ battery: 75 })).toEqual([REPORTED])
    expect(says({ firmware: "2" })).toEqual([REPORTED])
  })

  it("of a late report changes nothing", () => {
    const { says, lock } = watched()
    says({ bolt: "locked" }, millis("09:00"))
    expect(says({ bolt: "unlocked" }, millis("09:01"), { seenAt: millis("08:59") })).toEqual([])
    expect(lock().seen?.state?.bolt).toBe("locked")
  })

  it("tells a low battery once, until it was good again", () => {
    const { says } = watched()
    expect(says({ battery: 16 })).toEqual([REPORTED])
    expect(says({ battery: 15 })).toEqual([REPORTED, "BatteryLow"])
    expect(says({ battery: 17 })).toEqual([])
    expect(says({ battery: 15 })).toEqual([])
    expect(says({ battery: 24 })).toEqual([REPORTED])
    expect(says({ battery: 12 })).toEqual([REPORTED])
    expect(says({ battery: 100 })).toEqual([REPORTED])
    expect(says({ battery: 15 })).toEqual([REPORTED, "BatteryLow"])
  })

  it("believes a device that knows no percent", () => {
    const { says } = watched()
    expect(says({ batteryLow: true })).toEqual([REPORTED, "BatteryLow"])
    expect(says({ bolt: "locked" })).toEqual([REPORTED])
    expect(says({ batteryLow: false })).toEqual([REPORTED])
    expect(says({ batteryLow: true })).toEqual([REPORTED, "BatteryLow"])
  })

  it.each([
    ["BoltJammed", { bolt: "jammed" }, { bolt: "locked" }],
    ["DoorForced", { door: "forced" }, { door: "closed" }],
    ["DoorLeftOpen", { door: "leftOpen" }, { door: "closed" }]
  ] as const)("tells %s each time it comes to that", (alarm, wrong, right) => {
    const { says } = watched()
    expect(says(wrong)).toEqual([REPORTED, alarm])
    expect(says(wrong)).toEqual([])
    expect(says(right)).toEqual([REPORTED])
    expect(says(wrong)).toEqual([REPORTED, alarm])
  })

  it("shows a clock that is wrong, and that it is right again", () => {
    const { says, lock } = watched()
    const at = millis("09:00")
    says({ bolt: "locked", clock: at + 120_000 })
    expect(lock().seen?.state).not.toHaveProperty("clockOffBy")
    expect(says({ clock: at - 3_600_000 })).toEqual([REPORTED])
    expect(lock().seen?.state?.clockOffBy).toBe(-3_600_000)
    expect(says({ clock: at - 3_600_500 })).toEqual([])
    expect(says({ clock: at })).toEqual([REPORTED])
    expect(lock().seen?.state).not.toHaveProperty("clockOffBy")
  })

  it("is recorded so often in an hour, alarms somewhat more often, and goes on in the next", () => {
    const { says } = watched()
    const flips = (n: number) => says({ bolt: n % 2 === 0 ? "locked" : "unlocked" })
    const recorded = Array.from({ length: 200 }, (_, n) => flips(n)).filter((events) => events.length > 0)
    expect(recorded).toHaveLength(STATES_AN_HOUR - ALARMS_AN_HOUR)
    const alarms = Array.from({ length: 100 }, (_, n) => says({ door: n % 2 === 0 ? "forced" : "closed" })).flat()
    // Where nothing is wrong, nothing more is recorded: so it is one alarm.
    expect(alarms).toEqual([REPORTED, "DoorForced"])
    expect(says({ bolt: "locked", door: "closed" }, millis("10:00"))).toEqual([REPORTED])
  })

  it("of another device, and of one that the lock has no more, changes nothing", () => {
    const { says, opened, happens, lock } = watched()
    says({ battery: 10, bolt: "locked" })
    opened([{ n: 1, by: "thumbTurn" }])
    expect(says({ bolt: "unlocked" }, millis("09:01"), { thing: newUuid })).toEqual([])
    const head = { lockId, uuid: lockUuid, timestamp: clock("09:02") }
    happens({ _tag: "LockUuidChanged", ...head, newUuid, previousUuid: lockUuid, ended: true })
    expect(lock().seen).toBeUndefined()
    expect(says({ bolt: "unlocked" }, millis("09:03"))).toEqual([])
    expect(opened([{ n: 2, by: "thumbTurn" }])).toEqual([])
    expect(says({ battery: 10 }, millis("09:03"), { thing: newUuid })).toEqual([REPORTED, "BatteryLow"])
    happens({ _tag: "ClaimLost", ...head, uuid: newUuid })
    expect(lock().seen).toBeUndefined()
    expect(says({ battery: 90 }, millis("09:04"), { thing: newUuid })).toEqual([])
  })
})

describe("openings at the door", () => {
  const keys: ReadonlyArray<Fact> = [{ _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 3, userId: "bob" }]

  it("are told with the key and its user, by the key's uuid or its slot", () => {
    const { opened } = watched(...keys)
    const bobs = { by: "key", keyUuid: "key-1", keyIndexNumber: 3, userId: "bob" }
    expect(opened([{ n: 1, by: "key", keyUuid: "key-1" }])).toMatchObject([{ _tag: "OpenedAtDoor", ...bobs, count: 1 }])
    expect(opened([{ n: 2, by: "key", keyIndexNumber: 3 }])).toMatchObject([bobs])
    const [strange] = opened([{ n: 3, by: "key", keyUuid: "key-9" }])
    expect(strange).toMatchObject({ by: "key", keyUuid: "key-9" })
    expect(strange).not.toHaveProperty("userId")
    // A slot of PINs is not one of keys.
    expect(opened([{ n: 4, by: "pin", keyIndexNumber: 3 }])[0]).not.toHaveProperty("userId")
  })

  it("count once by the device's own counter, however often they are told", () => {
    const { opened } = watched()
    const list = [1, 2, 3].map((n) => ({ n, by: "thumbTurn" }) as const)
    expect(opened(list)).toHaveLength(3)
    expect(opened(list)).toEqual([])
    expect(opened([...list, { n: 4, by: "outsideHandle" }]).map((event) => "count" in event && event.count)).toEqual([
      4
    ])
    // The counter begins anew, as after a loss of memory, and a report of before is late.
    expect(opened(list, { series: "b" })).toHaveLength(3)
    expect(opened(list)).toEqual([])
    expect(opened(list, { series: "b" })).toEqual([])
  })

  it("that are missing are counted", () => {
    const { opened } = watched()
    const list = [3, 6].map((n) => ({ n, by: "pin" }) as const)
    const told = opened(list, { dropped: 2 })
    expect(told).toMatchObject([{ _tag: "OpeningsMissed", missed: 4 }, { count: 3 }, { count: 6 }])
    expect(opened([{ n: 9, by: "pin" }], { series: "b", dropped: 5 })).toMatchObject([{ missed: 8, dropped: 5 }, {}])
    expect(opened([{ n: 7, by: "pin" }])).toMatchObject([{ _tag: "OpenedAtDoor" }])
  })

  it("of before the device was at this lock are not missed here, unless it dropped some or does not say", () => {
    const list = [{ n: 501, by: "pin" }] as const
    const missedBy = (more: object) =>
      watched()
        .opened(list, more)
        .map((event) => "missed" in event && event.missed)
    expect(missedBy({ dropped: 0 })).toEqual([false])
    // In whose time it has dropped them nobody knows.
    expect(missedBy({ dropped: 3 })).toEqual([3, false])
    expect(missedBy({ dropped: 900 })).toEqual([500, false])
    expect(missedBy({ dropped: undefined })).toEqual([500, false])
  })

  it("of a device that was at another lock meanwhile are missed from its return on", () => {
    const { opened, happens } = watched()
    const uuids = [lockUuid, newUuid, lockUuid] as const
    expect(opened([{ n: 1, by: "pin" }])).toHaveLength(1)
    for (const [n, previousUuid] of uuids.slice(0, -1).entries()) {
      const head = { lockId, uuid: previousUuid, timestamp: clock("09:00") }
      happens({ _tag: "LockUuidChanged", ...head, newUuid: uuids[n + 1] ?? "", previousUuid, ended: true })
    }
    expect(opened([{ n: 9, by: "pin" }])).toMatchObject([{ _tag: "OpenedAtDoor", count: 9 }])
    expect(opened([{ n: 12, by: "pin" }])).toMatchObject([{ _tag: "OpeningsMissed", missed: 2 }, {}])
    // A counter that begins anew does so here.
    expect(opened([{ n: 4, by: "pin" }], { series: "b" })).toMatchObject([{ _tag: "OpeningsMissed", missed: 3 }, {}])
  })

  it("of a device that shows sixteen counters in turn count once", () => {
    const { opened } = watched()
    const counters = Array.from({ length: 16 }, (_, n) => `counter-${n}`)
    const round = (n: number) => counters.flatMap((series) => opened([{ n, by: "pin" }], { series }))
    expect([round(1), round(1), round(2)].map(({ length }) => length)).toEqual([16, 0, 16])
  })

  it("are recorded so often in an hour, and counted beyond", () => {
    const { opened } = watched()
    for (let n = 0; n < OPENINGS_AN_HOUR + 50; n++) opened([{ n: n + 1, by: "thumbTurn" }])
    expect(opened([{ n: OPENINGS_AN_HOUR + 51, by: "thumbTurn" }], {}, millis("10:00"))).toMatchObject([
      { _tag: "OpeningsMissed", missed: 50 },
      { _tag: "OpenedAtDoor" }
    ])
  })

  it("keep the device's own time beside ours", () => {
    const { opened } = watched()
    expect(opened([{ n: 1, by: "key", at: 0 }])).toMatchObject([
      { timestamp: clock("09:00"), openedAt: "1970-01-01T00:00:00.000Z" }
    ])
  })

  it("from before the lock came into these hands name nobody, unless the clock is wrong", () => {
    const sold = [...keys, { _tag: "OwnerSet", userId: "zoe" } as const]
    const yesterday = millis("08:00") - 86_400_000
    const byBob = { by: "key", keyUuid: "key-1", at: yesterday } as const
    const [before] = watched(...sold).opened([{ n: 1, ...byBob }])
    expect(before).toMatchObject({ by: "key" })
    for (const field of ["userId", "keyUuid"]) expect(before).not.toHaveProperty(field)
    const wrong = watched(...sold)
    wrong.says({ clock: yesterday })
    expect(wrong.opened([{ n: 1, ...byBob }])).toMatchObject([{ userId: "bob" }])
    expect(watched(...sold).opened([{ n: 1, ...byBob, at: millis("08:30") }])).toMatchObject([{ userId: "bob" }])
  })

  it("from before the lock had any key, when it got its device, name nobody either", () => {
    const { opened, happens } = watched()
    happens({
      _tag: "LockUuidChanged",
      lockId,
      uuid: lockUuid,
      timestamp: clock("09:00"),
      newUuid,
      previousUuid: lockUuid
    })
    happens({ ...bobsKey, uuid: newUuid, timestamp: clock("09:01") })
    const [before] = opened([inSlot(1, "08:59")], { thing: newUuid }, millis("09:05"))
    expect(before).not.toHaveProperty("userId")
  })

  it("from while its device was at another lock name nobody when it is back", () => {
    const { opened, happens } = watched()
    happens({ ...bobsKey, uuid: lockUuid, timestamp: clock("08:01") })
    const moved = { lockId, uuid: lockUuid, newUuid: lockUuid, previousUuid: lockUuid }
    happens({ _tag: "ClaimLost", lockId, uuid: lockUuid, timestamp: clock("08:30") })
    happens({ _tag: "ClaimMoved", ...moved, timestamp: clock("09:00") })
    const [meanwhile, after] = opened([inSlot(1, "08:45"), inSlot(2, "09:01")], {}, millis("09:05"))
    expect(meanwhile).not.toHaveProperty("userId")
    expect(after).toMatchObject({ userId: "bob" })
  })

  it("from before the lock got its device name nobody: its slots were those of another door", () => {
    const { opened, happens } = watched(...keys)
    const head = { lockId, uuid: lockUuid, timestamp: clock("09:00") }
    happens({ _tag: "LockUuidChanged", ...head, newUuid, previousUuid: lockUuid, ended: true })
    const [before, after] = opened([inSlot(1, "08:59"), inSlot(2, "09:01")], { thing: newUuid }, millis("09:05"))
    expect(before).toMatchObject({ by: "key", count: 1 })
    for (const field of ["userId", "keyUuid", "keyIndexNumber"]) expect(before).not.toHaveProperty(field)
    expect(after).toMatchObject({ by: "key", count: 2, userId: "bob" })
  })
})

describe("what a device says", () => {
  it("is taken field by field: what is not understood says nothing of the rest", () => {
    const state = {
      bolt: "locked",
      door: "ajar",
      battery: 101,
      batteryLow: "no",
      firmware: "x".repeat(65),
      clock: 1e99
    }
    expect(reportedStateIn(state)).toEqual({ bolt: "locked" })
    expect(reportedStateIn({ firmware: "\0", battery: 1.5 })).toBeUndefined()
    for (const junk of [null, 7, "locked", ["locked"], {}]) expect(reportedStateIn(junk)).toBeUndefined()
  })

  it("of openings is kept as long as it can be counted, the newest first", () => {
    const list = [{ n: 2, by: "magic", keyUuid: "" }, { n: 0, by: "key" }, { by: "key" }, 7, { n: 1, by: "key", at: 5 }]
    expect(openingsIn({ series: "a", dropped: -1, list })).toEqual({
      series: "a",
      partial: true,
      list: [
        { n: 1, by: "key", at: 5 },
        { n: 2, by: "other" }
      ]
    })
    const many = Array.from({ length: 40 }, (_, n) => ({ n: n + 1, by: "pin" }))
    const kept = openingsIn({ series: "a", dropped: 0, list: many })
    expect(kept?.list.map(({ n }) => n)).toEqual(many.slice(-MOST_OPENINGS).map(({ n }) => n))
    expect(kept).toMatchObject({ dropped: 0, partial: true })
    const junk = { n: 2, by: "pin", at: 5 }
    expect(openingsIn({ series: "a", dropped: 3, list: [junk, { by: "pin" }] })).toEqual({
      series: "a",
      dropped: 3,
      partial: true,
      list: [junk]
    })
    const whole = { series: "a", dropped: 4, list: [{ n: 5, by: "pin" }] }
    expect(openingsIn(whole)).toEqual(whole)
    for (const junk of [null, [], { list: [] }, { series: "", list: [] }, { series: "a" }])
      expect(openingsIn(junk)).toBeUndefined()
  })
})
