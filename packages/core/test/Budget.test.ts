/** Budgets that refill with time. */
import { expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Accounts, budget, giveBack, secondsUntil, spend, steadily, UNLIMITED } from "../src/temp-key/Budget.ts"

const NOW = 1_788_166_800_000
const three = { account: "three", budget: budget(3, 3_600) }
const five = { account: "five", budget: budget(5, 3_600) }

it("what is spent from several budgets is spent from all of them, or from none", () => {
  const accounts: Accounts = new Map()
  for (let n = 0; n < 3; n++) expect(spend(accounts, [three, five], NOW)).toBeUndefined()
  for (let n = 0; n < 9; n++) expect(spend(accounts, [three, five], NOW)).toBe(NOW + 1_000)
  expect(spend(accounts, [{ ...five, cost: 2 }], NOW)).toBeUndefined()
  expect(spend(accounts, [five], NOW)).toBe(NOW + 1_000)
  expect(secondsUntil(NOW + 1_001, NOW)).toBe(2)
})

it("what is given back can be spent again, and without a limit nothing is counted", () => {
  const accounts: Accounts = new Map()
  for (let n = 0; n < 3; n++) spend(accounts, [three], NOW)
  giveBack(accounts, three)
  expect(spend(accounts, [three], NOW)).toBeUndefined()
  expect(spend(accounts, [three], NOW)).toBe(NOW + 1_000)
  for (let n = 0; n < 1_000; n++) {
    expect(spend(accounts, [{ account: "all", budget: UNLIMITED, cost: 9 }], NOW)).toBeUndefined()
  }
  expect([...accounts.keys()]).toEqual(["three"])
})

it("more than a whole budget takes a full one", () => {
  const accounts: Accounts = new Map()
  const all = { ...three, cost: 50 }
  expect(spend(accounts, [all], NOW)).toBeUndefined()
  expect(spend(accounts, [all], NOW)).toBe(NOW + 3_000)
  expect(spend(accounts, [three], NOW)).toBe(NOW + 1_000)
  expect(spend(accounts, [all], NOW + 60_000)).toBeUndefined()
})

it("accounts that are full again are forgotten, and however many there are, they have a bound", () => {
  const accounts: Accounts = new Map()
  for (let n = 0; n < 120_000; n++) spend(accounts, [{ ...three, account: `caller ${n}` }], NOW)
  expect(accounts.size).toBe(100_000)
  expect(accounts.has("caller 119999")).toBe(true)
  spend(accounts, [{ ...three, account: "later" }], NOW + 10_000)
  expect([...accounts.keys()]).toEqual(["later"])
})

it("a clock that is set back stops nobody for longer", () => {
  const accounts: Accounts = new Map()
  const steady = steadily()
  const year = 365 * 86_400_000
  for (let n = 0; n < 3; n++) spend(accounts, [three], steady(NOW + year))
  expect(spend(accounts, [three], steady(NOW))).toBeDefined()
  expect(spend(accounts, [three], steady(NOW + 999))).toBeDefined()
  expect(spend(accounts, [three], steady(NOW + 1_000))).toBeUndefined()
  // Of requests under way at the same time, the one that asked first may come last.
  expect(steady(NOW + 5_000) - steady(NOW + 4_000)).toBe(1_000)
})

const Step = Schema.Struct({
  pause: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2_000 })),
  cost: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 }))
})

it.prop("no more is spent in any time than the budget and what came back", [Schema.Array(Step)], ([steps]) => {
  const accounts: Accounts = new Map()
  const made: Array<{ readonly at: number; readonly cost: number }> = []
  let at = NOW
  for (const { pause, cost } of steps) {
    at += pause
    if (spend(accounts, [{ ...three, cost }], at) === undefined) made.push({ at, cost })
  }
  for (const [index, first] of made.entries()) {
    let sum = 0
    for (const { at, cost } of made.slice(index)) {
      sum += cost
      expect(sum).toBeLessThanOrEqual(3 + (at - first.at) / 1_000)
    }
  }
})
