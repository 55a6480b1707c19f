/** A use that a lock is known not to have begun is given back, three times a day at most; everything else counts as used. */
import { describe, expect, it } from "@effect/vitest"
import { HashMap, Result } from "effect"
import fc from "fast-check"
import { decide } from "../src/lock/Decide.ts"
import { evolve, evolveStored } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { LockCommand } from "../src/lock/LockCommand.ts"
import { type LockEvent, toStored } from "../src/lock/LockEvent.ts"
import { canonical, MOST_RETURNED } from "../src/lock/TempKey.ts"
import { clock, created, type Fact, happened, lockId, lockUuid, millis, operator } from "./scenario.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const DAY = 24 * 60 * 60 * 1000

const publicKey: Fact = {
  _tag: "TempKeyCreated",
  tempKeyUuid,
  accessMode: "public",
  allowedUserIds: [],
  validFrom: clock("00:00"),
  validUntil: "2026-12-31T00:00:00.000Z",
  maxUses: 100,
  tempKeyId: "key-1",
  createdBy: "ada"
}
const withKey = [created, publicKey].reduce<Lock | undefined>(
  (lock, fact) => evolve(lock, happened(fact, "00:00"), operator),
  undefined
)

/** The lock after a command that the shadow has accepted. */
const lockAfter = (
  lock: Lock | undefined,
  command: LockCommand
): { lock: Lock | undefined; events: ReadonlyArray<LockEvent> } => {
  const decided = decide(lock, command)
  if (Result.isFailure(decided)) return { lock, events: [] }
  const { events } = decided.success
  const next = events.reduce((before, event, index) => {
    const version = (before?.version ?? 0) + 1
    const { commandId, at, principal } = command
    const sent = event._tag === "LockOpenRequested" ? { acceptedAt: at + 5 } : {}
    const envelope = { streamId: "lock-7", position: version, eventId: `${commandId}-${index}`, orgId: "" }
    return evolveStored(before, { ...envelope, version, at, principal, commandId, ...toStored(event), ...sent })
  }, lock)
  return { lock: next, events }
}

const context = (commandId: string, at: number) => ({ lockId, commandId, at, principal: operator })
const openWith = (tempKeyUuid: string, commandId: string, at: number): LockCommand => ({
  _tag: "OpenWithTempKey",
  tempKeyUuid,
  ...context(commandId, at)
})
const open = (commandId: string, at: number) => openWith(tempKeyUuid, commandId, at)
type Answer = { readonly outcome: "done" | "failed" | "expired"; readonly began?: boolean }
const answer = (answered: string, at: number, said: Answer): LockCommand => ({
  _tag: "RecordOutcome",
  ...context(`${answered}-outcome`, at),
  answered,
  thing: lockUuid,
  reportedAt: at,
  ...said
})
const usedCount = (lock: Lock | undefined) =>
  lock === undefined ? undefined : [...HashMap.values(lock.tempKeys)][0]?.usedCount

const returns = ({ outcome, began }: Answer) => outcome === "expired" || (outcome === "failed" && began === false)

describe("a use of a temp key", () => {
  it.each<readonly [Answer, boolean]>([
    [{ outcome: "done" }, false],
    [{ outcome: "done", began: false }, false],
    [{ outcome: "failed" }, false],
    [{ outcome: "failed", began: true }, false],
    [{ outcome: "failed", began: false }, true],
    [{ outcome: "expired" }, true]
  ])("whose opening is answered with %j is given back: %s", (said, isReturned) => {
    const opened = lockAfter(withKey, open("open", millis("09:00"))).lock
    expect(usedCount(opened)).toBe(1)
    const { lock, events } = lockAfter(opened, answer("open", millis("09:00:03"), said))
    expect(events.map(({ _tag }) => _tag)).toEqual(
      isReturned ? ["CommandOutcomeReported", "TempKeyUseReturned"] : ["CommandOutcomeReported"]
    )
    expect(usedCount(lock)).toBe(isReturned ? 0 : 1)
    if (isReturned) {
      expect(events[1]).toEqual({
        _tag: "TempKeyUseReturned",
        tempKeyUuid,
        lockId,
        lockUuid,
        timestamp: clock("09:00:03"),
        commandId: "open",
        usedCount: 0
      })
    }
    expect(lockAfter(lock, answer("open", millis("09:00:04"), said)).events).toEqual([])
  })

  it("is given back to the key that was used, of all that the lock has", () => {
    const uuids = ["a", "b", "c"].map((letter) => `7e3b0000-0000-4000-8000-0000000000${letter}0`)
    const facts = uuids.map((uuid): Fact => ({ ...publicKey, tempKeyUuid: uuid, tempKeyId: `key to ${uuid}` }))
    const several = [created, ...facts].reduce<Lock | undefined>(
      (lock, fact) => evolve(lock, happened(fact, "00:00"), operator),
      undefined
    )
    const used = uuids.reduce<Lock | undefined>(
      (lock, uuid) => lockAfter(lock, openWith(uuid, `open ${uuid}`, millis("09:00"))).lock,
      several
    )
    for (const uuid of uuids)
      expect(lockAfter(used, answer(`open ${uuid}`, millis("09:00:03"), { outcome: "expired" })).events).toMatchObject([
        { _tag: "CommandOutcomeReported" },
        { _tag: "TempKeyUseReturned", tempKeyUuid: uuid }
      ])
  })

  it("of a key that is gone is not given back, and neither is an opening without a key", () => {
    const opened = lockAfter(withKey, open("open", millis("09:00"))).lock
    const gone = lockAfter(opened, {
      _tag: "DeleteTempKey",
      tempKeyUuid,
      ...context("delete", millis("09:00:01"))
    }).lock
    const answered = lockAfter(gone, answer("open", millis("09:00:03"), { outcome: "expired" }))
    expect(answered.events.map(({ _tag }) => _tag)).toEqual(["CommandOutcomeReported"])
    const byOwner = lockAfter(withKey, { _tag: "OpenLock", ...context("plain", millis("09:00")) }).lock
    expect(lockAfter(byOwner, answer("plain", millis("09:00:03"), { outcome: "expired" })).events).toHaveLength(1)
  })

  it("counts unless it is given back: never more than three in any 24 hours, whatever the lock says and when", () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: DAY / 2 }),
      said: fc.option(
        fc.record(
          { outcome: fc.constantFrom("done", "failed", "expired"), began: fc.boolean() },
          { requiredKeys: ["outcome"] }
        )
      ),
      late: fc.integer({ min: 0, max: 20_000 })
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let [lock, now, counted] = [withKey, millis("09:00"), 0]
        const given: Array<number> = []
        for (const [n, { wait, said, late }] of steps.entries()) {
          now += wait
          const opened = lockAfter(lock, open(`open-${n}`, now))
          if (opened.events.length > 0) counted++
          lock = opened.lock
          // Silence counts as used.
          if (said === null) continue
          now += late
          const told = lockAfter(lock, answer(`open-${n}`, now, said as Answer))
          lock = told.lock
          const back = told.events.filter(({ _tag }) => _tag === "TempKeyUseReturned").length
          expect(back).toBeLessThanOrEqual(returns(said as Answer) ? 1 : 0)
          const lately = given.filter((at) => now - at < DAY).length
          if (opened.events.length > 0 && returns(said as Answer)) expect(back).toBe(lately < MOST_RETURNED ? 1 : 0)
          if (back > 0) given.push(now)
          counted -= back
        }
        expect(usedCount(lock)).toBe(counted)
        for (const at of given) {
          expect(given.filter((other) => other <= at && at - other < DAY).length).toBeLessThanOrEqual(MOST_RETURNED)
        }
      })
    )
  })

  it("is still known when it is answered by a key in another spelling", () => {
    const shouted = { ...open("open", millis("09:00")), tempKeyUuid: tempKeyUuid.toUpperCase() } as LockCommand
    const opened = lockAfter(withKey, shouted).lock
    const { lock } = lockAfter(opened, answer("open", millis("09:00:03"), { outcome: "expired" }))
    expect(HashMap.has(lock?.tempKeys ?? HashMap.empty(), canonical(tempKeyUuid))).toBe(true)
    expect(usedCount(lock)).toBe(0)
  })
})
