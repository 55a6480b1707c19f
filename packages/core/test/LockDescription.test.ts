/** What people say of a lock, and who is shown it. */
import { describe, expect, it } from "@effect/vitest"
import { decide } from "../src/lock/Decide.ts"
import { evolve } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { LockEvent } from "../src/lock/LockEvent.ts"
import { descriptionOf } from "../src/lock/ShownDescription.ts"
import type { Principal } from "../src/values/Principal.ts"
import { created, type Fact, given, happened } from "./scenario.ts"

const ada: Principal = { _tag: "User", userId: "ada" }
const ben: Principal = { _tag: "User", userId: "ben" }
const hotel: Principal = { _tag: "Organization", orgId: "hotel" }

const described = (changes: object): Fact => ({ _tag: "LockDescribed", ...changes, ignorable: true })
const lockAfter = (...facts: ReadonlyArray<readonly [Fact, Principal]>): Lock => {
  const lock = facts.reduce<Lock | undefined>(
    (lock, [fact, by]) => evolve(lock, happened(fact) as LockEvent, by),
    undefined
  )
  return lock ?? expect.fail("there is no lock")
}

describe("DescribeLock", () => {
  it("changes what is named, and nothing else", () => {
    given(created, described({ name: "Room 12", address: "Harbour Street" }))
      .when({ _tag: "DescribeLock", name: "Room 14", timeZone: "Europe/Athens" })
      .leadsTo([{ _tag: "LockDescribed", name: "Room 14", timeZone: "Europe/Athens", ignorable: true }])
  })

  it("takes away what is null", () => {
    given(created, described({ name: "Room 12" }))
      .when({ _tag: "DescribeLock", name: null, contact: null })
      .leadsTo([{ _tag: "LockDescribed", name: null, ignorable: true }])
  })

  it("tells nothing that is so already", () => {
    given(created, described({ name: "Room 12" }))
      .when({ _tag: "DescribeLock", name: "Room 12", address: null })
      .isAlreadySo()
    given(created).when({ _tag: "DescribeLock" }).isAlreadySo()
  })
})

describe("a description", () => {
  const at: Fact = { _tag: "LockCreated", ownerId: "ada", orgId: "hotel" }

  it("is of those who have the lock: each part ends with who said it, and is back with them", () => {
    const before = [
      [at, hotel],
      [described({ name: "Ada's flat", contact: "Ada" }), ada],
      [described({ address: "Harbour Street" }), hotel]
    ] as const
    expect(descriptionOf(lockAfter(...before))).toEqual({
      name: "Ada's flat",
      contact: "Ada",
      address: "Harbour Street"
    })
    const sold = [...before, [{ _tag: "OwnerSet", userId: "ben" }, hotel]] as const
    expect(descriptionOf(lockAfter(...sold))).toEqual({ address: "Harbour Street" })
    const renamed = [...sold, [described({ name: "Ben's flat" }), ben]] as const
    expect(descriptionOf(lockAfter(...renamed))).toEqual({ name: "Ben's flat", address: "Harbour Street" })
    const back = [...renamed, [{ _tag: "OwnerSet", userId: "ada" }, hotel]] as const
    expect(descriptionOf(lockAfter(...back))).toEqual({ contact: "Ada", address: "Harbour Street" })
  })

  it("that is not shown is not changed either by what says the same", () => {
    const lock = lockAfter(
      [at, hotel],
      [described({ name: "Ada's flat" }), ada],
      [{ _tag: "OwnerSet", userId: "ben" }, hotel]
    )
    const context = { lockId: lock.lockId, commandId: "command-1", at: lock.changedAt, principal: ben }
    const asked = decide(lock, { _tag: "DescribeLock", name: null, ...context })
    expect(asked).toMatchObject({ success: { events: [] } })
  })
})
