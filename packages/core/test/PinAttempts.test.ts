/** Budgets of refused PINs. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Account, accountsOf, BUDGETS, countPin, FORGOTTEN_AFTER, lockedUntil } from "../src/PinAttempts.ts"
import type { StoredEvent } from "../src/ports/EventStore.ts"
import { pinKeyOf } from "./pinKey.ts"
import { guest, organization } from "./shared.ts"

const key = pinKeyOf("the server's key")
const START = 1_788_166_800_000

const refusedAt = (at: number, ...accounts: ReadonlyArray<string>): StoredEvent => ({
  streamId: "pin-attempts",
  version: 1,
  position: 1,
  eventId: "event",
  type: "PinRefused",
  data: { lockId: 7, accounts },
  at,
  orgId: "",
  principal: guest,
  commandId: "command"
})

/** Guesses at these instants; answers the instants of those that were looked at. */
const guess = (account: Account, times: ReadonlyArray<number>): ReadonlyArray<number> => {
  const state = new Map<string, number>()
  return times.filter((at) => {
    if (lockedUntil(state, [account], at) !== undefined) return false
    countPin(state, refusedAt(at, account))
    return true
  })
}

const kinds = Object.entries(BUDGETS).map(([kind, budget]) => ({ account: `${kind}:x` as Account, ...budget }))

describe.each(kinds)("$account", ({ account, burst, every }) => {
  it("is locked out at the documented count, until one guess has come back", () => {
    const state = new Map<string, number>()
    for (let n = 0; n < burst; n++) {
      expect(lockedUntil(state, [account], START)).toBeUndefined()
      countPin(state, refusedAt(START, account))
    }
    expect(lockedUntil(state, [account], START)).toBe(START + every)
    expect(lockedUntil(state, [account], START + every - 1)).toBe(START + every)
    expect(lockedUntil(state, [account], START + every)).toBeUndefined()
    countPin(state, refusedAt(START + every, account))
    expect(lockedUntil(state, [account], START + every)).toBe(START + 2 * every)
  })

  it.prop(
    "has no more guesses in any time than the budget and what came back",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: every })))],
    ([steps]) => {
      // As often as somebody may ask who asks without end.
      let now = START
      const times = [...steps, ...Array.from({ length: 3 * burst }, () => Math.floor(every / 3))].map(
        (step) => (now += step)
      )
      const made = guess(account, times)
      const tooMany = made.flatMap((from, index) =>
        made.slice(index).filter((to, further) => further + 1 > burst + Math.floor((to - from) / every))
      )
      expect(tooMany).toEqual([])
    }
  )

  it.prop(
    "is never locked out for longer than one guess takes to come back, also by a clock that was ahead",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: -FORGOTTEN_AFTER, maximum: 1e12 })))],
    ([times]) => {
      const state = new Map<string, number>()
      for (const at of times) countPin(state, refusedAt(START + at, account))
      const until = lockedUntil(state, [account], START)
      if (until !== undefined) expect(until - START).toBeLessThanOrEqual(every)
    }
  )

  it("is full again, and forgotten, after a while", () => {
    const state = new Map<string, number>()
    for (let n = 0; n < burst; n++) countPin(state, refusedAt(START, account))
    countPin(state, refusedAt(START + FORGOTTEN_AFTER, "caller:y"))
    expect([...state.keys()]).toEqual(["caller:y"])
  })
})

describe("accounts", () => {
  const stranger = { principal: guest, address: "192.0.2.1", isGateway: false }

  it("of strangers are the caller's and the lock's; of a keypad its own at that lock", () => {
    const [caller = "", lock] = accountsOf(key, stranger, 7, true)
    expect(caller).toMatch(/^caller:[0-9a-f]{32}$/)
    expect(lock).toBe("lock:7")
    expect(accountsOf(key, stranger, 8, true)).toEqual([caller, "lock:8"])
    expect(accountsOf(key, { ...stranger, address: "192.0.2.2" }, 7, true)[0]).not.toBe(caller)
    const keypad = { ...stranger, principal: organization, isGateway: true }
    const [gateway, ...more] = accountsOf(key, keypad, 7, true)
    expect([gateway, more]).toEqual([expect.stringMatching(/^gateway:[0-9a-f]{32}$/), []])
    expect(accountsOf(key, keypad, 8, true)).not.toEqual([gateway])
    expect(accountsOf(key, { ...keypad, principal: { ...organization, userId: "ada" } }, 7, true)).toEqual([gateway])
  })

  it("tell nobody without the key who was there", () => {
    expect(JSON.stringify(accountsOf(key, stranger, 7, true))).not.toContain("192.0.2.1")
    expect(accountsOf(pinKeyOf("another"), stranger, 7, true)[0]).not.toBe(accountsOf(key, stranger, 7, true)[0])
  })

  it("of locks without PINs are few, however many locks are asked for", () => {
    const locks = Array.from({ length: 1000 }, (_, n) => accountsOf(key, stranger, n + 1, false)[1])
    expect(new Set(locks).size).toBe(16)
  })

  it("of a later version of Latchkey are let alone", () => {
    const state = new Map<string, number>()
    countPin(state, refusedAt(START, "building:1"))
    countPin(state, { ...refusedAt(START, "caller:x"), type: "PinForgotten" })
    expect(state.size).toBe(0)
    expect(lockedUntil(state, ["building:1"], START)).toBeUndefined()
  })
})
