/**
 * Budgets that refill with time, as leaky buckets: what is not used comes back, up to all of it. Pure: the instant comes
 * with the question, in epoch milliseconds.
 */

/** `burst` at once, then one every `every` milliseconds; all at any time when `every` is 0. */
export interface Budget {
  readonly burst: number
  readonly every: number
}

/** Without a limit. */
export const UNLIMITED: Budget = { burst: 1, every: 0 }

const HOUR = 3_600_000

/** `burst` at once, and as many an hour as given. */
export const budget = (burst: number, perHour: number): Budget => ({ burst, every: HOUR / perHour })

/** What is left of a budget, told by when it will be full again; `undefined`: it is full. */
export type FullAt = number | undefined

/** From when on so much may be spent, epoch milliseconds; `undefined`: at once. More than a full budget needs a full one. */
export const spendableAt = ({ burst, every }: Budget, full: FullAt, now: number, cost = 1): number | undefined => {
  if (full === undefined) return undefined
  // A clock that was once ahead stops nobody for longer than a budget can be empty.
  const at = Math.min(full, now + burst * every) - Math.max(0, burst - cost) * every
  return at > now ? at : undefined
}

/** When the budget will be full again after so much was spent now. What was overspent is forgiven by and by, not at once. */
export const spent = ({ burst, every }: Budget, full: FullAt, now: number, cost = 1): number =>
  Math.max(now, Math.min(full ?? now, now + burst * every)) + cost * every

/** Budgets of many, by account: for each that is not full, when it will be. In order of when they were last spent from. */
export type Accounts = Map<string, number>

/** Takes down what is left of an account, and forgets those that are full by now: they come first. */
export const note = (accounts: Accounts, account: string, full: number, now: number): void => {
  accounts.delete(account)
  accounts.set(account, full)
  for (const [name, at] of accounts) {
    if (at > now) break
    accounts.delete(name)
  }
}

/** Something to be spent from an account. */
export interface Spending {
  readonly account: string
  readonly budget: Budget
  /** 1 unless given. */
  readonly cost?: number
}

/** Most accounts that `spend` keeps: the one spent from longest ago is forgotten first, as if it were full. */
const MOST_ACCOUNTS = 100_000

/** Spends all of it or nothing. If nothing, it answers when to try again, epoch milliseconds. */
export const spend = (accounts: Accounts, spendings: ReadonlyArray<Spending>, now: number): number | undefined => {
  let until = 0
  for (const { account, budget, cost } of spendings) {
    until = Math.max(until, spendableAt(budget, accounts.get(account), now, cost) ?? 0)
  }
  if (until > now) return until
  for (const { account, budget, cost } of spendings) {
    if (budget.every === 0) continue
    note(accounts, account, spent(budget, accounts.get(account), now, cost), now)
  }
  for (const oldest of accounts.keys()) {
    if (accounts.size <= MOST_ACCOUNTS) break
    accounts.delete(oldest)
  }
  return undefined
}

/** How far, in milliseconds, the instants of requests under way at the same time may be apart. */
const APART = 60_000

/**
 * Instants that follow each other, whatever becomes of the clock that they are from: while it is set back, no time passes.
 * Else anyone who had spent something would wait for it to catch up.
 */
export const steadily = (): ((now: number) => number) => {
  let latest = Number.NEGATIVE_INFINITY
  let behind = 0
  return (now) => {
    if (now + behind < latest - APART) behind = latest - now
    latest = Math.max(latest, now + behind)
    return now + behind
  }
}

/** Takes back what was spent a moment ago. */
export const giveBack = (accounts: Accounts, { account, budget: { every }, cost = 1 }: Spending): void => {
  const full = accounts.get(account)
  if (full !== undefined) accounts.set(account, full - cost * every)
}

/** Whole seconds from `now` until an instant: what a `Retry-After` says. */
export const secondsUntil = (until: number, now: number): number => Math.max(1, Math.ceil((until - now) / 1000))
