/** Why a shared key or its PIN opened a door, or did not: also for PINs that somebody guessed, which nobody writes down. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { BUDGETS } from "../src/temp-key/Budgets.ts"
import type { Principal } from "../src/values/Principal.ts"
import { type ExplainRequest, Explanations } from "../src/why/Explanations.ts"
import { millis, operator } from "./scenario.ts"
import { makeSharedWorld, sharing, uuidOf } from "./shared.ts"

/** What is asked at another time than nine. */
const when = (time: string): object => ({ at: millis(time) })

const worldWithDoors = Effect.gen(function* () {
  const world = yield* makeSharedWorld
  const { explain } = Context.get(yield* world.latchkey(), Explanations)
  const doors = sharing([
    [1, "both"],
    [2, "code"],
    [2, "key"]
  ])
  const { pin } = yield* world.process.share(doors, uuidOf(1), when("07:30"))
  const why = (lockId: number, request: ExplainRequest) =>
    Effect.map(explain(operator, lockId, request), ({ allowed, rule }) => [allowed, rule])
  const byLink = (time: string, lockId = 1) =>
    why(lockId, { subject: { _tag: "TempKey", tempKeyUuid: uuidOf(1).toUpperCase() }, at: millis(time) })
  const byPin = (time: string, lockId = 1) =>
    why(lockId, { subject: { _tag: "Pin", sharedKeyUuid: uuidOf(1) }, at: millis(time) })
  return { ...world, pin: pin ?? "", explain, why, byLink, byPin }
})

describe("a shared key is explained", () => {
  it.effect("by its window, its doors, and whether it was revoked by then", () =>
    Effect.gen(function* () {
      const { byLink, byPin, process, explain } = yield* worldWithDoors
      yield* process.revoke(uuidOf(1))
      expect(yield* byLink("07:20")).toEqual([false, "no-such-key"])
      expect(yield* byPin("07:20")).toEqual([false, "unknown-pin"])
      expect(yield* byLink("07:45")).toEqual([false, "valid-from"])
      expect(yield* byPin("07:45")).toEqual([false, "valid-from"])
      expect(yield* byLink("08:00")).toEqual([true, "valid"])
      expect(yield* byPin("08:00")).toEqual([true, "valid"])
      expect(yield* byLink("09:00")).toEqual([false, "deleted"])
      expect(yield* byLink("08:00", 3)).toEqual([false, "no-such-key"])
      const { facts, nextChangeAt } = yield* explain(operator, 2, {
        subject: { _tag: "TempKey", tempKeyUuid: uuidOf(1) },
        at: millis("08:30")
      })
      expect(nextChangeAt).toBe(millis("18:00"))
      expect(facts.sharedKey).toMatchObject({
        status: "valid",
        doors: [
          { id: 2, accessMethod: "code" },
          { id: 3, accessMethod: "key" }
        ]
      })
      const types = ["LockCreated", "SharedCredentialCreated", "SharedCredentialPinSet"]
      expect(facts.events.map(({ type }) => type)).toEqual(types)
    })
  )

  it.effect("by what the door takes, and by whether its giver still has a say", () =>
    Effect.gen(function* () {
      const { process, explain, why, byLink, command } = yield* worldWithDoors
      yield* process.share(sharing([[1, "code"]]), uuidOf(2), when("07:30"))
      yield* process.share(sharing([[1, "key"]]), uuidOf(3), when("07:30"))
      const at = millis("08:10")
      expect(yield* why(1, { subject: { _tag: "TempKey", tempKeyUuid: uuidOf(2) }, at })).toEqual([false, "pin-needed"])
      expect(yield* why(1, { subject: { _tag: "Pin", sharedKeyUuid: uuidOf(3) }, at })).toEqual([false, "link-needed"])
      yield* command({ _tag: "SetOrganization", orgId: "org-9" }, 1)
      expect(yield* byLink("08:20")).toEqual([true, "valid"])
      expect(yield* byLink("08:30")).toEqual([false, "withdrawn"])
      // The answer rests on the event that took the lock from its giver.
      const subject = { _tag: "Pin", sharedKeyUuid: uuidOf(1) } as const
      const { facts } = yield* explain(operator, 1, { subject, at: millis("08:30") })
      expect(facts.events.map(({ type }) => type)).toContain("OrganizationSet")
    })
  )
})

describe("a shared key that opens nothing is explained", () => {
  it.effect("while it is suspended, once its uses are taken over all doors, and at a lock without a device", () =>
    Effect.gen(function* () {
      const { process, why, byLink, byPin, command, store } = yield* worldWithDoors
      const asked = (time: string, commandId: string) => ({ ...when(time), commandId, principal: operator }) as never
      yield* process.credentials.suspend(asked("08:10", "suspend"), uuidOf(1))
      expect(yield* byLink("08:15")).toEqual([false, "suspended"])
      expect(yield* byPin("08:15")).toEqual([false, "suspended"])
      yield* process.credentials.resume(asked("08:20", "resume"), uuidOf(1))
      expect(yield* byLink("08:25")).toEqual([true, "valid"])

      yield* process.share(
        sharing(
          [
            [1, "key"],
            [2, "key"]
          ],
          { maxUses: 2 }
        ),
        uuidOf(4),
        when("07:30")
      )
      const twice = (time: string, lockId = 1) =>
        why(lockId, { subject: { _tag: "TempKey", tempKeyUuid: uuidOf(4) }, at: millis(time) })
      yield* process.open(uuidOf(4), 2, when("08:40"))
      expect(yield* twice("08:45")).toEqual([true, "valid"])
      // Of a use in doubt it is not known whether it happened: it counts.
      yield* store.write({ put: [{ key: `held/credential-${uuidOf(4)}`, value: '["in doubt"]' }] })
      expect(yield* twice("08:45")).toEqual([false, "max-uses"])
      expect(yield* twice("08:30")).toEqual([true, "valid"])
      yield* store.write({ remove: [`held/credential-${uuidOf(4)}`] })
      yield* process.open(uuidOf(4), 1, when("08:50"))
      for (const lockId of [1, 2]) expect(yield* twice("08:55", lockId)).toEqual([false, "max-uses"])

      yield* command({ _tag: "RetireLock", at: millis("09:00") }, 1)
      expect(yield* byLink("09:10")).toEqual([false, "retired"])
      expect(yield* byPin("09:10")).toEqual([false, "retired"])
      expect(yield* byPin("09:10", 2)).toEqual([true, "valid"])
    })
  )

  it.effect("where somebody tried its link and the door takes the PIN only: that is kept, so many a day", () =>
    Effect.gen(function* () {
      const { process, explain, store, latchkey } = yield* worldWithDoors
      for (let n = 0; n < 25; n++)
        expect(yield* Effect.flip(process.open(uuidOf(1), 2, when("08:30")))).toMatchObject({ _tag: "DoorNeedsPin" })
      const { attempts } = Context.get(yield* latchkey(), Explanations)
      const { attempts: kept } = yield* attempts(operator, 2, {}, millis("09:00"))
      expect(kept).toHaveLength(20)
      expect(kept[0]).toMatchObject({ what: "temp-key", reason: "pin-needed", principal: { _tag: "Guest" } })
      expect(kept[0]?.tempKeyId).toBeDefined()
      const found = yield* explain(operator, 2, { attemptId: kept[0]?.attemptId ?? "" })
      expect(found).toMatchObject({ allowed: false, rule: "pin-needed", recorded: { outcome: "pin-needed" } })
      const [stored] = yield* store.read("attempts-2-2026-08-31", 0, 1)
      expect(stored?.data).toMatchObject({ reason: "pin-needed", ignorable: true })
    })
  )
})

describe("a PIN that was entered is explained", () => {
  it.effect("by what became of it, whoever's it was", () =>
    Effect.gen(function* () {
      const { process, pin, explain, why } = yield* worldWithDoors
      const last = (time: string, lockId = 1) => why(lockId, { pinAttempt: "last", at: millis(time) })
      yield* Effect.flip(process.enter(1, pin, when("07:40")))
      yield* process.enter(1, pin, when("08:40"))
      yield* Effect.flip(process.enter(1, "00000000", when("08:50")))
      expect(yield* last("08:00")).toEqual([false, "valid-from"])
      expect(yield* last("08:45")).toEqual([true, "valid"])
      expect(yield* last("09:00")).toEqual([false, "unknown-pin"])
      expect((yield* Effect.flip(last("07:00")))._tag).toBe("AttemptNotFound")
      expect((yield* Effect.flip(last("09:00", 2)))._tag).toBe("AttemptNotFound")

      const early = yield* explain(operator, 1, { pinAttempt: "last", at: millis("08:00") })
      expect(early).toMatchObject({ subject: { sharedKeyUuid: uuidOf(1) }, recorded: { outcome: "pin-refused" } })
      expect(yield* explain(operator, 1, { attemptId: early.recorded?.eventId ?? "" })).toEqual(early)
      const used = yield* explain(operator, 1, { pinAttempt: "last", at: millis("08:45") })
      expect(used).toMatchObject({ recorded: { outcome: "used" }, version: 1, at: millis("08:40") })
      expect(yield* explain(operator, 1, { attemptId: used.recorded?.eventId ?? "" })).toEqual(used)
      expect(JSON.stringify([early, used])).not.toContain(pin)
    })
  )

  it.effect("without the link, to whoever has a say about one of its doors only", () =>
    Effect.gen(function* () {
      const { process, pin, explain, command } = yield* worldWithDoors
      yield* command({ _tag: "SetOwner", userId: "ann" }, 1)
      yield* process.enter(1, pin, when("08:40"))
      yield* process.open(uuidOf(1), 1, when("08:50"))
      const ann: Principal = { _tag: "User", userId: "ann" }
      const entered = { pinAttempt: "last", at: millis("09:00") } as const
      const byPin = yield* explain(ann, 1, entered)
      expect(byPin).toMatchObject({ subject: { _tag: "Withheld" }, rule: "valid", facts: { sharedKey: {} } })
      const subject = { _tag: "TempKey", tempKeyUuid: uuidOf(1) } as const
      const { recorded } = yield* explain(ann, 1, { subject, at: millis("08:50") })
      const byLink = yield* explain(ann, 1, { attemptId: recorded?.eventId ?? "" })
      expect(byLink).toMatchObject({ subject: { _tag: "Withheld" }, recorded })
      expect(JSON.stringify([byPin, byLink])).not.toContain(uuidOf(1))
      yield* command({ _tag: "SetOwner", userId: "ann" }, 2)
      expect(yield* explain(ann, 1, entered)).toMatchObject({ subject: { sharedKeyUuid: uuidOf(1) } })
    })
  )

  it.effect("with how long its guesser was locked out", () =>
    Effect.gen(function* () {
      const { process, explain } = yield* worldWithDoors
      const at = millis("08:40")
      for (let n = 0; n < BUDGETS.caller.burst; n++) yield* Effect.flip(process.enter(1, "00000000", when("08:40")))
      const { facts } = yield* explain(operator, 1, { pinAttempt: "last", at })
      expect(facts.lockedOutUntil).toBe(at + BUDGETS.caller.every)
    })
  )
})
