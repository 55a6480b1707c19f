/** What guessing comes to under the budgets: worked out from them, and as the documentation says. */
import { readFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import type { Budget } from "../src/temp-key/Budget.ts"
import { BUDGETS } from "../src/temp-key/Budgets.ts"
import { countPin, lockedUntil, MOST_KNOWN } from "../src/temp-key/PinAttempts.ts"
import { PIN_LENGTH } from "../src/temp-key/Pins.ts"

const HOUR = 3_600_000
const DAY = 24 * HOUR
const YEAR = 365 * DAY

const within = ({ burst, every }: Budget, time: number): number => burst + time / every

const { caller, line, site, lock, gateway } = BUDGETS

const rows: ReadonlyArray<readonly [who: string, guesses: (time: number) => number]> = [
  ["one address (a /64)", (time) => within(caller, time)],
  ["one home (a /56)", (time) => within(line, time)],
  ["one site (a /48)", (time) => within(site, time)],
  ["ten thousand addresses", (time) => Math.min(10_000 * within(caller, time), within(lock, time))],
  [
    `ten thousand addresses, and ${MOST_KNOWN} that have opened it before`,
    (time) => within(lock, time) + Math.min(MOST_KNOWN * within(caller, time), within(lock, time))
  ],
  ["somebody at a keypad", (time) => within(gateway, time)]
]

/** The chance that so many guesses hit one of the PINs that are valid at the lock. */
const chance = (guesses: number, pins: number): string =>
  `${((1 - (1 - pins / 10 ** PIN_LENGTH) ** guesses) * 100).toPrecision(2)} %`

it("is what the documentation says", () => {
  const table = rows.map(([who, guesses]) => {
    const counts = [HOUR, DAY, YEAR].map((time) => guesses(time).toLocaleString("en"))
    const year = guesses(YEAR)
    return `| ${[who, ...counts, chance(guesses(DAY), 1), chance(year, 1), chance(year, 10)].join(" | ")} |`
  })
  const page = readFileSync(new URL("../../../docs/shared-keys.md", import.meta.url), "utf8")
  expect(page).toContain(table.join("\n"))
})

it("is no more in a day, of ten thousand addresses that guess whenever they may", () => {
  const state = new Map<string, number>()
  const accountsOf = (address: number) => [`caller:${address}`, "lock:7"]
  const data = { lockId: 7 }
  let guesses = 0
  // Each guess comes from the address that has waited longest.
  for (let now = 0; now <= DAY; ) {
    const accounts = accountsOf(guesses % 10_000)
    const until = lockedUntil(BUDGETS, state, accounts, now)
    if (until === undefined) {
      countPin(BUDGETS, state, { type: "PinRefused", data: { ...data, accounts }, at: now })
      guesses++
    } else now = until
  }
  expect(guesses).toBe(within(lock, DAY))
})
