/** What follows from the keys that the device of a lock says it holds, and from how many it has room for. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { reportedKeysIn } from "../src/device/ReportedState.ts"
import { decide } from "../src/lock/Decide.ts"
import { hardwareOf, inheritedIn } from "../src/lock/DecideKeys.ts"
import { exposureOf, leftBehind } from "../src/lock/Exposure.ts"
import { nextLook } from "../src/lock/Hardware.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { LockCommand } from "../src/lock/LockCommand.ts"
import { STATES_AN_HOUR } from "../src/lock/Seen.ts"
import { lockAfter } from "../src/testing/Arbitraries.ts"
import { judgeOwn } from "../src/why/ExplainOwn.ts"
import { created, given, lockId, lockUuid, millis, operator } from "./scenario.ts"

const system = { _tag: "System" } as const

/** A lock whose device was sent nothing yet. */
const makeLock = () => {
  let lock = given(created).lock() as Lock
  let asked = 0
  const ask = (command: object, principal: LockCommand["principal"] = system, at = millis("09:00")) => {
    const context = { lockId, commandId: `command-${++asked}`, at, principal }
    const asking = { ...context, ...command } as LockCommand
    const decided = decide(lock, asking)
    if (Result.isFailure(decided)) return [decided.failure._tag]
    lock = lockAfter(lock, asking, decided.success) ?? lock
    return decided.success.events.map(({ _tag }) => _tag)
  }
  const lists = (keyUuids: ReadonlyArray<string>, more: object = {}) => {
    const list = keyUuids.map((keyUuid, index) => ({ keyUuid, keyIndexNumber: index + 1 }))
    return ask({ _tag: "RecordKeys", thing: lockUuid, seenAt: millis("09:00"), list, ...more })
  }
  return { ask, lists, lock: () => lock }
}

describe("a list of keys", () => {
  it("is recorded once, and shows what nobody added until the lock lists it no more", () => {
    const { lists, lock } = makeLock()
    expect(lists(["installer"])).toEqual(["KeysReported"])
    expect(lists(["installer"])).toEqual([])
    const exposed = { keyUuid: "installer", keyIndexNumber: 1, reason: "foreign", confirmed: true, status: "unknown" }
    expect(exposureOf(lock())).toEqual([{ ...exposed, exposedSince: millis("09:00") }])
    expect(judgeOwn(lock(), { _tag: "Key", keyUuid: "installer" }, millis("09:00"), [], false)).toMatchObject({
      allowed: false,
      rule: "no-such-key",
      message: expect.stringMatching(/may open for it/)
    })
    expect(lists([])).toEqual(["KeysReported"])
    expect(lock().hardware).toEqual([])
  })

  it("says nothing by what it lacks when it is not complete", () => {
    const { lists, lock } = makeLock()
    lists(["installer"])
    expect(lists([], { more: true })).toEqual([])
    expect(lock().hardware).toHaveLength(1)
  })

  it.each([
    ["of another device", { thing: "another" }],
    ["after a command of somebody else's", { after: "another" }],
    ["that is older than one that was recorded", { seenAt: millis("08:59") }]
  ])("%s changes nothing", (_, more) => {
    const { lists } = makeLock()
    lists(["installer"])
    expect(lists(["installer", "other"], more)).toEqual([])
  })

  it("of before somebody asked to begin again confirms nothing, however late it comes", () => {
    const { ask, lists, lock } = makeLock()
    expect(lists(["installer"])).toEqual(["KeysReported"])
    expect(ask({ _tag: "AddKey", keyUuid: "installer", keyIndexNumber: 1 }, operator)).toEqual(["KeyAdded"])
    const after = lock().lastKeyCommand
    ask({ _tag: "RecordOutcome", answered: after, thing: lockUuid, outcome: "done", reportedAt: millis("09:00") })
    expect(lock().hardware).toMatchObject([{ uuid: "installer", confirmed: true }])
    expect(ask({ _tag: "SyncKeys" }, operator, millis("09:02"))).toEqual(["KeysSyncRequested"])
    expect(lists(["installer"], { after, seenAt: millis("09:05") })).toEqual([])
    expect(lock().hardware[0]).not.toHaveProperty("confirmed")
    expect(ask({ _tag: "SendKey" }, operator, millis("09:06"))).toEqual(["KeyAdditionSent"])
    expect(lists(["installer"], { after, seenAt: millis("09:07") })).toEqual([])
    const again = lock().lastKeyCommand
    ask({ _tag: "RecordOutcome", answered: again, thing: lockUuid, outcome: "done", reportedAt: millis("09:08") })
    expect(lock().hardware).toMatchObject([{ uuid: "installer", confirmed: true }])
  })

  it("an answer of before somebody asked to begin again confirms nothing, and the key is sent once more", () => {
    const { ask, lists, lock } = makeLock()
    expect(lists(["installer"])).toEqual(["KeysReported"])
    expect(ask({ _tag: "AddKey", keyUuid: "installer", keyIndexNumber: 1 }, operator)).toEqual(["KeyAdded"])
    const sent = lock().lastKeyCommand
    expect(ask({ _tag: "SyncKeys" }, operator, millis("09:02"))).toEqual(["KeysSyncRequested"])
    expect(ask({ _tag: "SendKey" }, operator, millis("09:03"))).toEqual([])
    ask({ _tag: "RecordOutcome", answered: sent, thing: lockUuid, outcome: "done", reportedAt: millis("09:04") })
    expect(lock().hardware[0]).not.toHaveProperty("confirmed")
    expect(ask({ _tag: "SendKey" }, operator, millis("09:05"))).toEqual(["KeyAdditionSent"])
  })

  it("of a lock that has forgotten everything does not say that a key is gone which it was told of and may still add", () => {
    const { ask, lists, lock } = makeLock()
    expect(ask({ _tag: "AddKey", keyUuid: "guest", keyIndexNumber: 1 }, operator)).toEqual(["KeyAdded"])
    ask({ _tag: "SyncKeys" }, operator)
    expect(ask({ _tag: "RemoveKey", keyUuid: "guest" }, operator)).toEqual(["KeyRemoved"])
    expect(lists([])).toEqual([])
    expect(exposureOf(lock())).toMatchObject([{ keyUuid: "guest", reason: "removed" }])
    expect(ask({ _tag: "SendRemoval" })).toEqual(["KeyRemovalSent"])
    expect(lists(["guest"], { after: lock().lastKeyCommand })).toEqual([])
  })

  it("an answer of before that a key is removed is not taken either, and it is removed once more", () => {
    const { ask, lock } = makeLock()
    ask({ _tag: "AddKey", keyUuid: "guest", keyIndexNumber: 1 }, operator)
    const added = lock().lastKeyCommand
    ask({ _tag: "RecordOutcome", answered: added, thing: lockUuid, outcome: "done", reportedAt: millis("09:00") })
    ask({ _tag: "RemoveKey", keyUuid: "guest" }, operator)
    expect(ask({ _tag: "SendRemoval" })).toEqual(["KeyRemovalSent"])
    const removed = lock().lastKeyCommand
    ask({ _tag: "SyncKeys" }, operator)
    ask({ _tag: "RecordOutcome", answered: removed, thing: lockUuid, outcome: "done", reportedAt: millis("09:00") })
    expect(exposureOf(lock())).toMatchObject([{ keyUuid: "guest", reason: "removed" }])
    expect(ask({ _tag: "SendRemoval" })).toEqual(["KeyRemovalSent"])
  })

  it("counts after somebody asked to begin again, where all keys are of who had the lock before: none is sent", () => {
    const { ask, lists, lock } = makeLock()
    const seller = { _tag: "User", userId: "seller" } as const
    ask({ _tag: "SetOwner", userId: seller.userId }, operator)
    expect(ask({ _tag: "AddKey", keyUuid: "installer", keyIndexNumber: 1 }, seller)).toEqual(["KeyAdded"])
    const after = lock().lastKeyCommand
    ask({ _tag: "RecordOutcome", answered: after, thing: lockUuid, outcome: "done", reportedAt: millis("09:00") })
    ask({ _tag: "SetOwner", userId: "buyer" }, operator)
    expect(ask({ _tag: "SyncKeys" }, operator)).toEqual(["KeysSyncRequested"])
    expect(ask({ _tag: "SendKey" })).toEqual([])
    expect(lists(["installer"], { after })).toEqual(["KeysReported"])
    expect(lock().hardware).toMatchObject([{ uuid: "installer", confirmed: true }])
  })

  it("is not there of a key that was to be written, and nobody answers: it is sent again when that is of no use any more", () => {
    const { ask, lists, lock } = makeLock()
    ask({ _tag: "AddKey", keyUuid: "guest", keyIndexNumber: 1 }, operator)
    ask({ _tag: "WriteKey", keyUuid: "guest" }, operator)
    expect(lists(["guest"], { after: lock().lastKeyCommand })).toEqual([])
    expect(ask({ _tag: "SendKey" }, system, millis("09:01"))).toEqual([])
    expect(nextLook(lock().hardware)).toBe(millis("09:02"))
    expect(ask({ _tag: "SendKey" }, system, millis("09:02"))).toEqual(["KeyAdditionSent"])
  })

  it("does not count while nobody has answered that a key was written anew: it is sent again, and then one without it does", () => {
    const { ask, lists, lock } = makeLock()
    const done = () =>
      ask({ _tag: "RecordOutcome", answered: lock().lastKeyCommand, thing: lockUuid, outcome: "done", reportedAt: 0 })
    ask({ _tag: "AddKey", keyUuid: "guest", keyIndexNumber: 1 }, operator)
    const before = lock().lastKeyCommand
    done()
    ask({ _tag: "WriteKey", keyUuid: "guest" }, operator)
    expect(lists([], { after: before })).toEqual([])
    expect(nextLook(lock().hardware)).toBe(millis("09:02"))
    expect(ask({ _tag: "SendKey" }, system, millis("09:02"))).toEqual(["KeyAdditionSent"])
    done()
    expect(nextLook(lock().hardware)).toBeUndefined()
    expect(lists([], { after: lock().lastKeyCommand })).toEqual(["KeysReported"])
    expect(ask({ _tag: "SendKey" }, system, millis("09:03"))).toEqual(["KeyAdditionSent"])
  })

  it("is recorded some dozen times an hour at most, whatever it says", () => {
    const { lists } = makeLock()
    const recorded = Array.from({ length: 200 }, (_, n) => lists([`key-${n}`]).length)
    expect(recorded.reduce((sum, one) => sum + one, 0)).toBeLessThan(STATES_AN_HOUR)
  })

  it("that never has what the lock says it has written is believed: it is sent ever later, until somebody has to look", () => {
    const { ask, lists, lock } = makeLock()
    const done = () =>
      ask({ _tag: "RecordOutcome", answered: lock().lastKeyCommand, thing: lockUuid, outcome: "done", reportedAt: 0 })
    ask({ _tag: "AddKey", keyUuid: "guest", keyIndexNumber: 1 }, operator)
    let sent = 0
    let at = millis("09:00")
    do {
      done()
      expect(lists([], { after: lock().lastKeyCommand })).toEqual(["KeysReported"])
      at = Math.max(at, nextLook(lock().hardware) ?? expect.fail("nothing is to be done"))
    } while (sent++ < 10 && ask({ _tag: "SendKey" }, system, at).length > 0)
    expect(sent).toBe(6)
    expect(at).toBeGreaterThan(millis("09:10"))
    expect(ask({ _tag: "NoteAttention" }, system, at)).toEqual(["KeyNeedsAttention"])
    expect(lists(["guest"], { after: lock().lastKeyCommand })).toEqual(["KeysReported"])
    expect(lock().hardware).toEqual([{ uuid: "guest", indexNumber: 1, confirmed: true, reconciled: true }])
  })

  it("counts after somebody asked to begin again, where a key that nobody added holds the only one up", () => {
    const { ask, lists, lock } = makeLock()
    ask({ _tag: "AddKey", keyUuid: "guest", keyIndexNumber: 1 }, operator)
    const after = lock().lastKeyCommand
    ask({ _tag: "RecordOutcome", answered: after, thing: lockUuid, outcome: "failed", reportedAt: 0 })
    expect(lists(["installer"], { after })).toEqual(["KeysReported"])
    expect(nextLook(lock().hardware)).toBeUndefined()
    ask({ _tag: "SyncKeys" }, operator, millis("09:01"))
    expect(ask({ _tag: "SendKey" }, system, millis("09:02"))).toEqual([])
    expect(lists([], { after, seenAt: millis("09:03") })).toEqual(["KeysReported"])
    expect(ask({ _tag: "SendKey" }, system, millis("09:04"))).toEqual(["KeyAdditionSent"])
  })

  it("stays with the hardware that the lock had before, on which keys are then left behind", () => {
    const { ask, lists, lock } = makeLock()
    lists(["installer"])
    ask({ _tag: "MoveClaim", uuid: "5d0c3a5e-6a0f-4f0e-9a63-2f8d7d1f7c11" }, operator)
    expect(lock().hardware).toEqual([])
    expect(exposureOf(lock())).toEqual([])
    expect(leftBehind(lock())).toMatchObject([{ keyUuid: "installer", thing: lockUuid, confirmed: true }])
  })

  it.each([
    [{ list: [{ keyUuid: "a", keyIndexNumber: 1 }] }, { list: [{ keyUuid: "a", keyIndexNumber: 1 }] }],
    [
      { after: "c", list: [], more: true },
      { after: "c", list: [], more: true }
    ],
    [{ list: [{ keyUuid: "a" }, { keyUuid: "" }, 7] }, { list: [{ keyUuid: "a" }], more: true }],
    [
      { list: [], more: "yes" },
      { list: [], more: true }
    ],
    [{ after: 7, list: [] }, undefined],
    [{ list: "all" }, undefined],
    [null, undefined]
  ])("of %j is understood as %j", (said, understood) => {
    expect(reportedKeysIn(said)).toEqual(understood)
  })

  it("has a bound: of a longer one the rest is left aside, and it counts as one that is not complete", () => {
    const list = Array.from({ length: 40 }, (_, n) => ({ keyUuid: `key-${n}` }))
    expect(reportedKeysIn({ list })).toEqual({ list: list.slice(0, 32), more: true })
  })
})

describe("a removal", () => {
  it("that was under way when the lock was retired is still waited for", () => {
    const { ask, lock } = makeLock()
    const done = () =>
      ask({ _tag: "RecordOutcome", answered: lock().lastKeyCommand, thing: lockUuid, outcome: "done", reportedAt: 0 })
    const ann = { _tag: "User", userId: "ann" } as const
    ask({ _tag: "AddKey", keyUuid: "guest", keyIndexNumber: 1 }, operator)
    done()
    ask({ _tag: "RemoveKey", keyUuid: "guest" }, operator)
    expect(ask({ _tag: "SendRemoval" })).toEqual(["KeyRemovalSent"])
    expect(ask({ _tag: "RetireLock" }, ann)).toEqual(["LockRetired"])
    expect(done()).toEqual(["CommandOutcomeReported"])
    expect(exposureOf(lock())).toEqual([])
    expect(ask({ _tag: "RetireLock" })).toEqual(["LockRetired"])
    expect(lock().retired).toBe("freed")
  })
})

describe("a key of a former side", () => {
  it("is exposed since its giver lost the lock, whatever changes after that, and not while the lock is back", () => {
    const { ask, lock } = makeLock()
    const owned = (userId: string, time: string) => ask({ _tag: "SetOwner", userId }, operator, millis(time))
    const exposed = () => exposureOf(lock()).map(({ reason, exposedSince }) => [reason, exposedSince])
    owned("ann", "09:00")
    ask({ _tag: "AddKey", keyUuid: "of-ann" }, { _tag: "User", userId: "ann" }, millis("09:01"))
    expect(exposed()).toEqual([])
    owned("ben", "09:02")
    ask({ _tag: "SetOrganization", orgId: "another" }, operator, millis("09:03"))
    owned("carol", "09:04")
    expect(exposed()).toEqual([["inherited", millis("09:02")]])
    owned("ann", "09:05")
    expect(exposed()).toEqual([])
    owned("ben", "09:06")
    ask({ _tag: "SetOrganization", orgId: "a-third" }, operator, millis("09:07"))
    expect(exposed()).toEqual([["inherited", millis("09:06")]])
  })

  it("is not brought to the hardware again, while all others are: those that are wanted, and those that are to go", () => {
    const { ask, lock } = makeLock()
    ask({ _tag: "SetOwner", userId: "ann" }, operator)
    for (const keyUuid of ["of-ann", "gone"]) ask({ _tag: "AddKey", keyUuid }, { _tag: "User", userId: "ann" })
    ask({ _tag: "RemoveKey", keyUuid: "gone" }, { _tag: "User", userId: "ann" })
    expect(hardwareOf(lock())).toBe(lock().hardware)
    ask({ _tag: "SetOwner", userId: "ben" }, operator)
    ask({ _tag: "AddKey", keyUuid: "of-ben" }, { _tag: "User", userId: "ben" })
    expect([...inheritedIn(lock())]).toEqual(["of-ann"])
    const brought = hardwareOf(lock()).map(({ uuid, reconciled }) => [uuid, reconciled])
    expect(brought).toEqual([
      ["of-ann", undefined],
      ["gone", true],
      ["of-ben", true]
    ])
  })
})

describe("a key that a person has to look at", () => {
  const day = 86_400_000

  it("was wanted and has failed too often, or is to go and nobody has answered for a day", () => {
    const { ask, lock } = makeLock()
    const note = (at: number) => {
      const command = { _tag: "NoteAttention", lockId, commandId: "note", at, principal: system } as const
      return Result.getOrThrow(decide(lock(), command)).events
    }
    const fails = () =>
      ask({ _tag: "RecordOutcome", answered: lock().lastKeyCommand, thing: lockUuid, outcome: "failed", reportedAt: 0 })
    ask({ _tag: "AddKey", keyUuid: "leaves", keyIndexNumber: 2 }, operator)
    ask({ _tag: "RemoveKey", keyUuid: "leaves" }, operator)
    ask({ _tag: "SendRemoval" }, system, millis("09:01"))
    expect(note(millis("09:01") + day - 1)).toEqual([])
    expect(note(millis("09:01") + day)).toMatchObject([
      { keyUuid: "leaves", keyIndexNumber: 2, wanted: false, reason: "silent", failures: 0 }
    ])
    ask({ _tag: "AddKey", keyUuid: "comes" }, operator, millis("09:02"))
    for (let hour = 10; hour < 14; hour++) {
      fails()
      expect(note(millis(`${hour}:00`))).toEqual([])
      expect(ask({ _tag: "SendKey" }, system, millis(`${hour}:00`))).toEqual(["KeyAdditionSent"])
    }
    fails()
    expect(note(millis("14:00"))).toMatchObject([{ keyUuid: "comes", wanted: true, reason: "failed", failures: 5 }])
  })
})

describe("a key", () => {
  const saysRoom = (keySlots: number) => {
    const house = makeLock()
    house.ask({ _tag: "RecordState", thing: lockUuid, seenAt: millis("09:00"), keySlots })
    return {
      ...house,
      add: (keyUuid: string, keyIndexNumber?: number) =>
        house.ask({ _tag: "AddKey", keyUuid, ...(keyIndexNumber !== undefined && { keyIndexNumber }) }, operator)
    }
  }

  it("in a slot that the hardware does not have is refused; any integer is one where it has not said so", () => {
    const { add } = saysRoom(10)
    expect([-1, 11].map((slot) => add(`key-${slot}`, slot))).toEqual([["NoSuchSlot"], ["NoSuchSlot"]])
    expect([0, 10].map((slot) => add(`key-${slot}`, slot))).toEqual([["KeyAdded"], ["KeyAdded"]])
    const { ask } = makeLock()
    expect(ask({ _tag: "AddKey", keyUuid: "key", keyIndexNumber: -7 }, operator)).toEqual(["KeyAdded"])
  })

  it("beyond the room of the hardware is refused, and what is foreign or leaving takes room", () => {
    const { add, lists, ask } = saysRoom(2)
    lists(["installer"])
    expect(add("key-1")).toEqual(["KeyAdded"])
    expect(add("key-2")).toEqual(["LockFull"])
    ask({ _tag: "RemoveKey", keyUuid: "key-1" }, operator)
    expect(add("key-2")).toEqual(["LockFull"])
    expect(add("key-1")).toEqual(["KeyAdded"])
  })

  it("is not put into the slot of one that nobody added", () => {
    const { add, lists } = saysRoom(10)
    lists(["installer"])
    expect(add("key-1", 1)).toEqual(["SlotTaken"])
  })
})
