/** Budgets of refused PINs. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { BUDGETS } from "../src/temp-key/Budgets.ts"
import {
  type Account,
  accountsOf,
  countPin as countPinOn,
  forgottenAfter,
  lockedUntil as lockedUntilOn,
  type PinCaller
} from "../src/temp-key/PinAttempts.ts"
import { pinKeyOf } from "./pinKey.ts"
import { guest, organization } from "./shared.ts"

const key = pinKeyOf("the server's key")
const FORGOTTEN_AFTER = forgottenAfter(BUDGETS)
const countPin = (state: Map<string, number>, stored: StoredEvent) => countPinOn(BUDGETS, state, stored)
const lockedUntil = (state: Map<string, number>, accounts: ReadonlyArray<string>, now: number) =>
  lockedUntilOn(BUDGETS, state, accounts, now)
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

const kinds = (["caller", "line", "site", "lock", "gateway"] as const).map((kind) => ({
  account: `${kind}:x` as Account,
  ...BUDGETS[kind]
}))

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
  const stranger: PinCaller = { principal: guest, networks: ["192.0.2.1"], mayOpen: false }
  const at = (caller: PinCaller, lockId = 7, hasPins = true, by = key) => accountsOf(by, caller, lockId, hasPins)
  const callerOf = (...args: Parameters<typeof at>) => at(...args).caller?.accounts

  it("of strangers are the caller's, at all locks together, and the lock's", () => {
    const [caller = "", ...more] = callerOf(stranger) ?? []
    expect([caller, more]).toEqual([expect.stringMatching(/^caller:[0-9a-f]{32}$/), []])
    expect(at(stranger).lock.accounts).toEqual(["lock:7"])
    expect(at(stranger, 8)).toEqual({
      caller: at(stranger).caller,
      lock: expect.objectContaining({ accounts: ["lock:8"] })
    })
    expect(callerOf({ ...stranger, networks: ["192.0.2.2"] })).not.toContain(caller)
    expect(callerOf({ ...stranger, principal: { _tag: "User", userId: "ada" } })).not.toContain(caller)
  })

  it("of strangers are also those of the line and the site that they come from", () => {
    const from = (...networks: ReadonlyArray<string>) => callerOf({ ...stranger, networks }) ?? []
    const [caller, line, site, ...more] = from("2001:db8::/64", "2001:db8::/56", "2001:db8::/48")
    expect([line, site, more]).toEqual([expect.stringMatching(/^line:/), expect.stringMatching(/^site:/), []])
    const neighbour = from("2001:db8:0:1::/64", "2001:db8::/56", "2001:db8::/48")
    expect(neighbour).toEqual([expect.not.stringMatching(`^${caller}$`), line, site])
    const colleague = from("2001:db8:0:100::/64", "2001:db8:0:100::/56", "2001:db8::/48")
    expect(colleague).toEqual([expect.anything(), expect.not.stringMatching(`^${line}$`), site])
  })

  it("of who may open the lock are their own at that lock, one for each API key", () => {
    const keypad: PinCaller = { ...stranger, principal: organization, apiKey: "one", mayOpen: true }
    const { caller, lock } = at(keypad)
    expect([caller, lock.accounts]).toEqual([undefined, [expect.stringMatching(/^gateway:[0-9a-f]{32}$/)]])
    expect(at(keypad, 8).lock.accounts).not.toEqual(lock.accounts)
    expect(at({ ...keypad, apiKey: "two" }).lock.accounts).not.toEqual(lock.accounts)
    expect(at({ ...keypad, principal: { ...organization, userId: "ada" } })).toEqual({ caller, lock })
    const owner: PinCaller = { ...stranger, principal: { _tag: "User", userId: "ada" }, mayOpen: true }
    expect(at(owner).lock.accounts).not.toEqual(
      at({ ...owner, principal: { _tag: "User", userId: "bob" } }).lock.accounts
    )
  })

  it("tell nobody without the key who was there", () => {
    expect(JSON.stringify(at(stranger))).not.toContain("192.0.2.1")
    expect(at(stranger, 7, true, pinKeyOf("another")).caller).not.toEqual(at(stranger).caller)
  })

  it("of locks without PINs are few, however many locks are asked for", () => {
    const locks = Array.from({ length: 1000 }, (_, n) => at(stranger, n + 1, false).lock)
    expect(new Set(locks.map(({ accounts }) => accounts[0])).size).toBe(16)
    expect(new Set(locks.map(({ streamId }) => streamId)).size).toBe(16)
  })

  it("of a later version of Latchkey are let alone", () => {
    const state = new Map<string, number>()
    countPin(state, refusedAt(START, "building:1"))
    countPin(state, { ...refusedAt(START, "caller:x"), type: "PinForgotten" })
    expect(state.size).toBe(0)
    expect(lockedUntil(state, ["building:1"], START)).toBeUndefined()
  })
})
