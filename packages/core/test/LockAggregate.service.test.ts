/** A lock that is retired, or has no device: what it still carries out. And what a device's answer is taken for. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { decide, outOfService } from "../src/lock/Decide.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { CommandContext, CommandOf } from "../src/lock/LockCommand.ts"
import { DeviceLost, LockRetired } from "../src/lock/LockError.ts"
import type { AnsweredCommand, SentCommand } from "../src/lock/SentCommand.ts"
import type { Counted } from "../src/streams/Reservations.ts"
import type { Principal } from "../src/values/Principal.ts"
import { asked, created, type Fact, given, lockId, lockUuid, millis, type Request } from "./scenario.ts"

const lockOf = (fields: Partial<Lock> = {}, ...facts: ReadonlyArray<Fact>): Lock => ({
  ...(given(created, ...facts).lock() ?? expect.unreachable("no lock")),
  ...fields
})
const decided = (lock: Lock, request: Request, context: Partial<CommandContext> = {}) =>
  Result.map(decide(lock, asked(request, context)), ({ events }) => events.map(({ timestamp: _, ...event }) => event))
const about = { lockId, uuid: lockUuid }

describe("a lock out of service", () => {
  const retired = new LockRetired({ lockId })
  const lost = new DeviceLost({ lockId })

  it.each<[string, Partial<Lock>, Parameters<typeof outOfService>[1], LockRetired | DeviceLost | undefined]>([
    ["one in service opens", {}, "OpenLock", undefined],
    ["a retired lock does not", { retired: "held" }, "OpenLock", retired],
    ["nor when its device is free", { retired: "freed" }, "RemoveKey", retired],
    ["it is retired once more", { retired: "held" }, "RetireLock", undefined],
    ["its device is heard out", { retired: "held" }, "RecordOutcome", undefined],
    ["a lock without a device does not open", { lost: true }, "OpenLock", lost],
    ["nor is it given keys", { lost: true }, "AddKey", lost],
    ["keys are taken from it", { lost: true }, "RemoveKey", undefined],
    ["it is given a device", { lost: true }, "MoveClaim", undefined]
  ])("%s", (_, fields, tag, expected) => {
    expect(outOfService({ ...lockOf(), ...fields }, tag)).toStrictEqual(expected)
  })

  it("is refused before anything else is asked", () => {
    const updates = asked({ _tag: "UpdateTempKey", tempKeyUuid: lockUuid, maxUses: 1 })
    expect(decide(lockOf(), updates)).toMatchObject(Result.fail({ _tag: "TempKeyNotFound" }))
    expect(decide(lockOf({ retired: "held" }), updates)).toStrictEqual(Result.fail(retired))
    expect(decide(lockOf({ lost: true }), updates)).toStrictEqual(Result.fail(lost))
  })
})

describe("retiring a lock", () => {
  const acme: Principal = { _tag: "Organization", orgId: "acme" }
  const withKey: Fact = { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1 }
  const retires = (lock: Lock, reason?: string, principal?: Principal) =>
    decided(
      lock,
      { _tag: "RetireLock", ...(reason !== undefined && { reason }) },
      principal === undefined ? {} : { principal }
    )
  const leadsTo = (fields: object) => Result.succeed([{ _tag: "LockRetired", ...about, ...fields }])

  it("frees its device when nothing of the lock is on it, and when the operator says so", () => {
    expect(retires(lockOf(), undefined, acme)).toStrictEqual(leadsTo({ freed: true }))
    expect(retires(lockOf({}, withKey))).toStrictEqual(leadsTo({ freed: true }))
  })

  it("holds it while keys are on it, or may be, and brings the hardware to it", () => {
    expect(retires(lockOf({}, withKey), "sold", acme)).toStrictEqual(
      leadsTo({ freed: false, reason: "sold", reconciled: true })
    )
    expect(retires(lockOf({ mayHoldOthers: true }), undefined, acme)).toStrictEqual(leadsTo({ freed: false }))
  })

  it("is so already, unless it frees what was held", () => {
    const held = lockOf({ retired: "held" }, withKey)
    expect(retires(held, undefined, acme)).toStrictEqual(Result.succeed([]))
    expect(retires(held)).toStrictEqual(leadsTo({ freed: true }))
    expect(retires(lockOf({ retired: "freed" }))).toStrictEqual(Result.succeed([]))
  })
})

describe("an opening says by what right", () => {
  const lock = lockOf(
    {},
    { _tag: "OwnerSet", userId: "ada" },
    { _tag: "KeyAdded", keyUuid: "key-1", userId: "bob" },
    { _tag: "KeyAdded", keyUuid: "key-2", userId: "ada" }
  )

  it.each<[string, Principal, "key" | "API"]>([
    ["a key holder, by the key", { _tag: "User", userId: "bob" }, "key"],
    ["the owner, though they hold one", { _tag: "User", userId: "ada" }, "API"],
    ["the operator", { _tag: "Super" }, "API"]
  ])("%s", (_, principal, via) => {
    expect(decided(lock, { _tag: "OpenLock" }, { principal })).toStrictEqual(
      Result.succeed([{ _tag: "LockOpenRequested", ...about, via }])
    )
  })
})

describe("the answer of a device", () => {
  const at = millis("08:30")
  const sent: SentCommand = {
    commandId: "open-1",
    type: "OpenLock",
    thing: lockUuid,
    requestedAt: at,
    acceptedAt: at
  }
  type Answer = CommandOf<"RecordOutcome">
  const answers = (more: Partial<Answer>): Answer => ({
    _tag: "RecordOutcome",
    lockId,
    commandId: "command-1",
    at: millis("09:00"),
    principal: { _tag: "System" },
    answered: "open-1",
    thing: lockUuid,
    outcome: "done",
    reportedAt: at,
    ...more
  })
  const tags = (lock: Lock, more: Partial<Answer>) =>
    Result.map(decide(lock, answers(more)), ({ events }) => events.map(({ _tag }) => _tag))
  const useReturned: Counted["event"] = {
    eventId: "back-1",
    type: "SharedCredentialUseReturned",
    data: {},
    at,
    orgId: "acme",
    principal: { _tag: "System" },
    commandId: "command-1"
  }
  const counts = Result.succeed(["CommandOutcomeReported"])
  const isNothing = Result.succeed([])

  it.each<[string, Partial<Lock>, Partial<Answer>, typeof counts]>([
    ["counts, to what the lock waits for", { pendingCommands: [sent] }, {}, counts],
    ["is none from another device than was asked", { pendingCommands: [{ ...sent, thing: "other" }] }, {}, isNothing],
    ["is none to what nobody knows", {}, {}, isNothing],
    ["counts, to what the log alone knows", {}, { forgotten: sent }, counts],
    ["is none to something else that the log knows", {}, { forgotten: { ...sent, commandId: "open-2" } }, isNothing],
    ["is none to what the log says another device was sent", {}, { forgotten: { ...sent, thing: "other" } }, isNothing],
    [
      "is none from a device that the lock had before",
      { uuid: "0b0e8400-e29b-41d4-a716-446655440009" },
      { forgotten: sent },
      isNothing
    ],
    ["is none once the lock is retired", { retired: "freed" }, { forgotten: sent }, isNothing],
    ["is none once it has lost its device", { lost: true }, { forgotten: sent }, isNothing]
  ])("%s", (_, fields, more, expected) => {
    expect(tags(lockOf(fields), more)).toStrictEqual(expected)
  })

  it("counts once: what was answered is not answered again, whatever else was", () => {
    const done = (commandId: string): AnsweredCommand => ({ ...sent, commandId, outcome: "done", reportedAt: at })
    const lock = lockOf({ recentOutcomes: [done("open-0"), done("open-1")] })
    expect(tags(lock, { forgotten: sent })).toStrictEqual(isNothing)
    const other = lockOf({ recentOutcomes: [done("open-0")] })
    expect(tags(other, { forgotten: sent })).toStrictEqual(counts)
  })

  it("says what the device said, and gives back a use beside the lock of what opened nothing", () => {
    const lock = lockOf({ pendingCommands: [sent] })
    const back: Counted = { streamId: "credential-1", version: 3, event: useReturned }
    const decidedOn = (more: Partial<Answer>) => decide(lock, answers(more))
    const reported = Result.map(decidedOn({ outcome: "failed", detail: "jammed", began: false, back }), (decision) => [
      decision.events[0],
      decision.beside
    ])
    expect(reported).toMatchObject(
      Result.succeed([{ _tag: "CommandOutcomeReported", detail: "jammed", began: false }, back])
    )
    const began = Result.map(decidedOn({ outcome: "failed", began: true, back }), ({ beside }) => beside)
    expect(began).toStrictEqual(Result.succeed(undefined))
  })
})
