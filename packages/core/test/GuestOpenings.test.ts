/** How often guests may open, and that they are in nobody's way. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { UNLIMITED } from "../src/temp-key/Budget.ts"
import { BUDGETS, CurrentBudgets } from "../src/temp-key/Budgets.ts"
import { GuestOpenings } from "../src/temp-key/GuestOpenings.ts"
import type { Principal } from "../src/values/Principal.ts"
import { millis } from "./scenario.ts"
import { makeSharedWorld, organization, sharing, thingOf, uuidOf } from "./shared.ts"

const owner: Principal = { _tag: "User", userId: "ada" }
const at = millis("09:00")

/** Lock 1 of ada's, with two links and a PIN to it. */
const makeDoor = Effect.gen(function* () {
  const world = yield* makeSharedWorld
  const { process, command } = world
  const { pin } = yield* process.share(sharing([[1, "both"]]), uuidOf(1))
  yield* process.share(sharing([[1, "key"]]), uuidOf(2))
  yield* process.share(sharing([[2, "key"]]), uuidOf(3))
  yield* command({ _tag: "SetOwner", userId: "ada" }, 1)
  yield* command({ _tag: "AddKey", keyUuid: "stolen", commandId: "add-stolen" }, 1)
  return { ...world, pin: pin ?? "" }
})

const repeat = <A, E, R>(times: number, ask: () => Effect.Effect<A, E, R>) =>
  Effect.forEach(Array(times), () => Effect.result(ask()))

const tags = <A, E extends { readonly _tag: string }>(results: ReadonlyArray<Result.Result<A, E>>) => [
  ...new Set(results.map((result) => (Result.isSuccess(result) ? "Opened" : result.failure._tag)))
]

const withBudgets = (budgets: Partial<typeof BUDGETS>) =>
  Effect.provideService(CurrentBudgets, { ...BUDGETS, ...budgets })

describe("guests", () => {
  it.live("open with one key, by link or PIN, as often as its budget allows, and again after a while", () =>
    Effect.gen(function* () {
      const { process, pin } = yield* makeDoor
      const { burst, every } = BUDGETS.link
      expect(tags(yield* repeat(burst - 1, () => process.open(uuidOf(1), 1)))).toEqual(["Opened"])
      expect(yield* process.enter(1, pin)).toMatchObject({ doorId: 1 })
      const retryAfter = every / 1000
      const tooOften = { _tag: "TooManyOpenings", retryAfter }
      expect(yield* Effect.flip(process.open(uuidOf(1).toUpperCase(), 1))).toMatchObject(tooOften)
      expect(yield* Effect.flip(process.enter(1, pin))).toMatchObject(tooOften)
      expect(yield* process.open(uuidOf(2), 1)).toMatchObject({ doorId: 1 })
      expect(yield* process.open(uuidOf(1), 1, { at: at + every })).toMatchObject({ doorId: 1 })
      expect((yield* Effect.flip(process.open(uuidOf(1), 1, { at: at + every })))._tag).toBe("TooManyOpenings")
    }).pipe(withBudgets({ guests: UNLIMITED }))
  )

  it.live("who come at once with a key that has a limit are let in, each counted once", () =>
    Effect.gen(function* () {
      const { process } = yield* makeSharedWorld
      const { burst } = BUDGETS.link
      yield* process.share(sharing([[1, "key"]], { maxUses: burst }), uuidOf(4))
      const open = () => Effect.result(process.open(uuidOf(4), 1))
      const opened = yield* Effect.all(Array.from({ length: burst }, open), { concurrency: "unbounded" })
      expect(tags(opened)).toEqual(["Opened"])
    }).pipe(withBudgets({ guests: UNLIMITED }))
  )

  it.effect("who have opened while the clock was ahead open again soon once it is right", () =>
    Effect.gen(function* () {
      const { counted } = yield* GuestOpenings
      const open = (at: number) => Effect.result(counted({ link: uuidOf(1), lockId: 1, at }, Effect.succeed("opened")))
      const { burst, every } = BUDGETS.link
      for (let n = 0; n < burst; n++) yield* open(at + 3_600_000)
      expect(Result.isFailure(yield* open(at))).toBe(true)
      expect(Result.isSuccess(yield* open(at + every))).toBe(true)
    }).pipe(Effect.provide(GuestOpenings.layer))
  )

  it.live("have a budget together at a lock, which binds neither its owner nor other locks", () =>
    Effect.gen(function* () {
      const { process, command } = yield* makeDoor
      const links = [uuidOf(1), uuidOf(2)]
      const opened = yield* Effect.forEach(Array.from({ length: 10 }), (_, n) => process.open(links[n % 2] ?? "", 1))
      expect(opened).toHaveLength(10)
      expect((yield* Effect.flip(process.open(uuidOf(2), 1)))._tag).toBe("TooManyOpenings")
      expect(yield* process.open(uuidOf(3), 1)).toMatchObject({ doorId: 1 })
      yield* command({ _tag: "OpenLock", principal: owner, at }, 1)
    }).pipe(withBudgets({ guests: { burst: 10, every: 1_000 } }))
  )

  it.live("who are refused take nothing from the others at the lock", () =>
    Effect.gen(function* () {
      const { process, command } = yield* makeDoor
      // Given by somebody who has no say about the lock any more: only the lock can tell.
      const bob: Principal = { _tag: "User", userId: "bob" }
      yield* command({ _tag: "SetOwner", userId: "bob" }, 1)
      yield* process.share(sharing([[1, "key"]]), uuidOf(4), { principal: bob })
      yield* command({ _tag: "SetOwner", userId: "ada" }, 1)
      const refused = yield* repeat(BUDGETS.link.burst + 1, () => process.open(uuidOf(4), 1))
      expect(tags(refused)).toEqual(["DoorWithdrawn", "TooManyOpenings"])
      expect(tags(yield* repeat(3, () => process.open(uuidOf(1), 1)))).toEqual(["Opened"])
      expect((yield* Effect.flip(process.open(uuidOf(1), 1)))._tag).toBe("TooManyOpenings")
    }).pipe(withBudgets({ guests: { burst: 3, every: 1_000 } }))
  )

  it.effect("fill their part of the shadow of a lock that is away: its owner opens, and removes a stolen key", () =>
    Effect.gen(function* () {
      const { process, command, shadow } = yield* makeDoor
      const guestsTry = repeat(60, () => process.open(uuidOf(1), 1))
      expect(tags(yield* guestsTry)).toEqual(["Opened", "DeviceUnreachable"])
      for (let n = 0; n < 5; n++) {
        yield* command({ _tag: "OpenLock", principal: owner, at, commandId: `owner-${n}` }, 1)
        expect(tags(yield* guestsTry)).toEqual(["DeviceUnreachable"])
      }
      // Users and organizations fill no more than their part either.
      const added = yield* Effect.forEach(Array.from({ length: 60 }), (_, n) =>
        Effect.result(command({ _tag: "AddKey", keyUuid: `key-${n}`, principal: organization }, 1))
      )
      expect(tags(added)).toEqual(["Opened", "DeviceUnreachable"])
      yield* command({ _tag: "RemoveKey", keyUuid: "stolen", principal: owner, commandId: "remove-stolen" }, 1)
      yield* command({ _tag: "SendRemoval", at, principal: { _tag: "System" }, commandId: "send-removal" }, 1)
      expect(yield* shadow.held(thingOf(1))).toMatchObject({ "send-removal": { type: "RemoveKey" } })
    }).pipe(withBudgets({ link: UNLIMITED, guests: UNLIMITED }))
  )
})

describe("the removal of a key", () => {
  it.effect("waits a moment for an opening that hangs, and not for the guests behind it", () =>
    Effect.gen(function* () {
      const { process, command, shadow, logOf } = yield* makeDoor
      yield* shadow.setMode("hang")
      const guests = yield* Effect.forEach(Array(10), () =>
        Effect.forkChild(Effect.result(process.open(uuidOf(1), 1)), { startImmediately: true })
      )
      yield* TestClock.adjust("1 millis")
      yield* shadow.setMode("ok")
      const removal = yield* Effect.forkChild(
        command({ _tag: "RemoveKey", keyUuid: "stolen", principal: owner, commandId: "remove-stolen" }, 1),
        { startImmediately: true }
      )
      yield* TestClock.adjust("250 millis")
      const { version } = yield* Fiber.join(removal)
      // The one that hung was given up; the others come after the removal.
      expect((yield* logOf(1)).slice(0, version).map(({ type }) => type)).not.toContain("LockOpenRequested")
      yield* TestClock.adjust("10 seconds")
      const opened = yield* Effect.forEach(guests, Fiber.join)
      expect(opened.filter(Result.isSuccess)).toHaveLength(9)
    })
  )

  it.effect("on another server waits for no longer than the shadow has for a guest", () =>
    Effect.gen(function* () {
      const { process, another, shadow } = yield* makeDoor
      const other = yield* another()
      yield* shadow.setMode("hang")
      const guest = yield* Effect.forkChild(Effect.result(process.open(uuidOf(1), 1)), { startImmediately: true })
      yield* TestClock.adjust("1 millis")
      yield* shadow.setMode("ok")
      const asked = { commandId: "remove-stolen", at, principal: owner, lockId: 1 }
      const removal = yield* Effect.forkChild(other.execute({ ...asked, _tag: "RemoveKey", keyUuid: "stolen" }), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(removal)
      expect(yield* Fiber.join(guest)).toMatchObject({ failure: { _tag: "DeviceUnreachable" } })
    })
  )
})
