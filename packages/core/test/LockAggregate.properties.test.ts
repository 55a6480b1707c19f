/** What holds of a lock whatever is asked of it, in whichever order. */
import { describe, expect, it } from "@effect/vitest"
import { lockAfter, lockCommands, lockHistory } from "@latchkey/core/testing"
import { Arbitrary, HashMap, Option, Result, Schema } from "effect"
import { LIFETIMES } from "../src/device/DeviceCommand.ts"
import { permit } from "../src/lock/AccessPolicy.ts"
import { decide } from "../src/lock/Decide.ts"
import type { Decision } from "../src/lock/Decision.ts"
import { evolve, initial } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { LockCommand } from "../src/lock/LockCommand.ts"
import { isByClock, rowOf } from "../src/lock/LockCommands.ts"
import type { LockRefused } from "../src/lock/LockError.ts"
import { fromStored, type LockEvent, toStored, toWire } from "../src/lock/LockEvent.ts"
import { canonical, type TempKey } from "../src/lock/TempKey.ts"
import { flawsOfEvent } from "./contract.ts"

/** One command of a life: the lock before it, what was decided, and the lock after it. */
interface Step {
  readonly before: Lock | undefined
  readonly command: LockCommand
  readonly decided: Result.Result<Decision, LockRefused>
  readonly after: Lock | undefined
}

const live = (commands: ReadonlyArray<LockCommand>): ReadonlyArray<Step> => {
  let lock = initial
  return commands.map((command) => {
    const before = lock
    const decided = decide(before, command)
    lock = Result.isSuccess(decided) ? lockAfter(before, command, decided.success) : before
    return { before, command, decided, after: lock }
  })
}

/** Whether it is about a key that is on the hardware alone: there it is looked for again. */
const isOfLeftOver = (lock: Lock | undefined, event: LockEvent | undefined): boolean => {
  const keyUuid = event?._tag === "KeysSyncRequested" ? event.keyUuid : undefined
  const isIn = (keys: ReadonlyArray<{ readonly uuid: string }> = []) => keys.some(({ uuid }) => uuid === keyUuid)
  return isIn(lock?.hardware) && !isIn(lock?.keys)
}

const eventsOf = (decided: Step["decided"]): ReadonlyArray<LockEvent> =>
  Result.isSuccess(decided) ? decided.success.events : []

const tempKeyIn = (lock: Lock | undefined, uuid: string): TempKey | undefined =>
  lock && Option.getOrUndefined(HashMap.get(lock.tempKeys, canonical(uuid)))

describe("whatever is asked of a lock", () => {
  it.prop("every event is exactly as published", [lockCommands], ([commands]) => {
    for (const event of live(commands).flatMap(({ decided }) => eventsOf(decided))) {
      const { type, data } = toWire(event)
      expect(flawsOfEvent(type, data)).toEqual([])
    }
  })

  it.prop("every event can be read back from what is stored", [lockCommands], ([commands]) => {
    for (const event of live(commands).flatMap(({ decided }) => eventsOf(decided))) {
      const { type, data } = JSON.parse(JSON.stringify(toStored(event)))
      // What was just written is handed on without being read back: there is nothing in it that storing leaves out.
      const everything = JSON.stringify(toStored(event), (_, value) => (value === undefined ? "undefined" : value))
      expect(everything).toBe(JSON.stringify(toStored(event)))
      expect(Option.getOrUndefined(fromStored({ type, data }))).toEqual(event)
    }
  })

  it.prop("the version counts the events", [lockCommands], ([commands]) => {
    for (const { before, decided, after } of live(commands)) {
      expect(after?.version ?? 0).toBe((before?.version ?? 0) + eventsOf(decided).length)
    }
  })

  it.prop("events, and what the device is told, are those of the command's row", [lockCommands], ([commands]) => {
    for (const { before, command, decided, after } of live(commands)) {
      const { first, event, instead, device: type, also = [] } = rowOf(command._tag)
      const events = eventsOf(decided)
      if (events.length === 0) continue
      const isInstead = instead !== undefined && isOfLeftOver(before, events[0])
      // With an outcome, a use may be given back; with what a device says, something may be wrong at the door.
      const own = new Set(events.map(({ _tag }) => _tag).filter((type) => !also.includes(type)))
      expect([...own]).toEqual(isInstead ? [instead] : first === undefined ? [event] : [first, event])
      const device = Result.isSuccess(decided) ? decided.success.device : undefined
      expect(device?._tag).toBe(type)
      if (device === undefined) continue
      expect(device).toMatchObject({ commandId: command.commandId, issuedAt: command.at, seq: after?.version })
      const lifetime = LIFETIMES[device._tag]
      expect("expiresAt" in device ? device.expiresAt - command.at : undefined).toBe(lifetime)
    }
  })

  it.prop("no two keys share a uuid or a slot, and no two residents a userId", [lockCommands], ([commands]) => {
    for (const { after } of live(commands)) {
      for (const names of [
        after?.keys.map(({ uuid }) => uuid) ?? [],
        after?.keys.flatMap(({ indexNumber }) => indexNumber ?? []) ?? [],
        after?.residents.map(({ userId }) => userId) ?? []
      ]) {
        expect(new Set<string | number>(names).size).toBe(names.length)
      }
    }
  })
})

describe("a command asked a second time", () => {
  it.prop(
    "changes nothing, unless it is to write, to open, to use or to send what is next",
    [lockCommands],
    ([commands]) => {
      for (const { before, command, decided, after } of live(commands)) {
        if (isByClock(command._tag) || Result.isFailure(decided)) continue
        // What is said of a lock by somebody who may not say it is not shown, and so is said again.
        if (
          command._tag === "DescribeLock" &&
          before &&
          Result.isFailure(permit(command.principal, before, command._tag))
        )
          continue
        if (["SendKey", "SendRemoval", "SyncKeys"].includes(command._tag)) continue
        expect(eventsOf(decide(after, command))).toEqual([])
      }
    }
  )
})

describe("whatever is asked of a temp key", () => {
  it.prop("uses count one by one and never exceed the limit", [lockCommands], ([commands]) => {
    for (const { before, decided } of live(commands)) {
      for (const event of eventsOf(decided)) {
        if (event._tag !== "TempKeyUsed") continue
        const key = tempKeyIn(before, event.tempKeyUuid)
        expect(event.usedCount).toBe((key?.usedCount ?? Number.NaN) + 1)
        expect(event.usedCount).toBeLessThanOrEqual(key?.maxUses ?? Number.POSITIVE_INFINITY)
      }
    }
  })

  it.prop("an edit changes nothing that it does not name", [lockCommands], ([commands]) => {
    for (const { before, command, after } of live(commands)) {
      if (command._tag !== "UpdateTempKey") continue
      const { _tag: _, lockId: __, commandId: ___, at: ____, principal: _____, tempKeyUuid, ...named } = command
      const was = tempKeyIn(before, tempKeyUuid)
      const is = tempKeyIn(after, tempKeyUuid)
      if (was !== undefined) expect({ ...is, ...named }).toStrictEqual({ ...was, ...named })
    }
  })

  it.prop("a deleted key opens nothing and does not come back", [lockCommands], ([commands]) => {
    const gone = new Set<string>()
    for (const { decided, after } of live(commands)) {
      for (const event of eventsOf(decided)) {
        if (event._tag === "TempKeyDeleted") gone.add(canonical(event.tempKeyUuid))
        else if ("tempKeyUuid" in event) expect(gone).not.toContain(canonical(event.tempKeyUuid))
      }
      for (const uuid of gone) expect(tempKeyIn(after, uuid)).toBeUndefined()
    }
  })
})

describe("evolve", () => {
  const Left = Arbitrary.array(Arbitrary.schema(Schema.Boolean))

  it.prop(
    "takes any events in any order, even such as never happened",
    [lockHistory, lockHistory, Left],
    ([a, b, left]) => {
      const [created, ...rest] = a
      const jumbled = [...rest, ...b].toReversed().filter((_, index) => left[index % left.length] ?? true)
      const lock = [...(created === undefined ? [] : [created]), ...jumbled].reduce(
        (lock, event) => evolve(lock, event),
        initial
      )
      expect(lock?.version).toBe(1 + jumbled.length)
    }
  )

  it.prop("leaves the state it is given as it was", [lockHistory], ([history]) => {
    const states = history.map((_, index) =>
      history.slice(0, index).reduce((lock, event) => evolve(lock, event), initial)
    )
    const before = JSON.stringify(states)
    history.forEach((event, index) => {
      evolve(states[index], event)
    })
    expect(JSON.stringify(states)).toBe(before)
  })
})
