/** Who may cause how much: all budgets, and what they are unless somebody says otherwise. */
import { Context } from "effect"
import { type Budget, budget } from "./Budget.ts"

/**
 * Refused PINs:
 * - `caller`: one stranger, at all locks together: an address, or of IPv6 a /64;
 * - `line`: all strangers of a /56, which a household has;
 * - `site`: all strangers of a /48, which a company has;
 * - `lock`: all strangers together, at one lock;
 * - `gateway`: an API key or a user that may open the lock, at that lock: strangers do not count against it.
 *
 * Openings by guests, by link or PIN:
 * - `link`: with one temp key;
 * - `guests`: at one lock, with all temp keys together.
 *
 * What is asked by those who are signed in:
 * - `userEvents`, `orgEvents`: commands, of which one for many keys counts as many times; a question is a part of one;
 * - `userKB`, `orgKB`: kilobytes that are sent and answered, at least one a request.
 */
export interface Budgets {
  readonly caller: Budget
  readonly line: Budget
  readonly site: Budget
  readonly lock: Budget
  readonly gateway: Budget
  readonly link: Budget
  readonly guests: Budget
  readonly userEvents: Budget
  readonly userKB: Budget
  readonly orgEvents: Budget
  readonly orgKB: Budget
}

const MB = 1024

/** The budgets unless they are configured. Three strangers who guess without end leave a lock room, and so does one site. */
export const BUDGETS: Budgets = {
  caller: budget(5, 30),
  line: budget(10, 30),
  site: budget(20, 60),
  lock: budget(100, 120),
  gateway: budget(10, 60),
  link: budget(20, 360),
  guests: budget(40, 1_200),
  userEvents: budget(200, 14_400),
  userKB: budget(16 * MB, 128 * MB),
  orgEvents: budget(100_000, 36_000_000),
  orgKB: budget(4_096 * MB, 65_536 * MB)
}

/** The budgets that services go by. */
export const CurrentBudgets = Context.Reference<Budgets>("@latchkey/core/Budgets", { defaultValue: () => BUDGETS })
