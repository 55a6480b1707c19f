/**
 * How often sign-ins may fail, by address and by thing: each costs a look into the log. A device that has signed in from an
 * address before has a budget of its own there, so anyone who guesses at its name does not keep it out.
 */

/** Failures at once, and milliseconds until one more is free. */
const BURST = 30
const REFILL = 1000
/** Names that are remembered; the one that is longest unused gives way. */
const MOST = 10_000

export interface SignInBudget {
  /** Whether a sign-in may be tried. `now` is in milliseconds, of a clock that nobody sets. */
  readonly allows: (thing: string, address: string, now: number) => boolean
  readonly failed: (thing: string, address: string, now: number) => void
  readonly succeeded: (thing: string, address: string) => void
}

export const signInBudget = (): SignInBudget => {
  const [things, addresses, pairs] = [budgets(), budgets(), budgets()]
  /** Things that have signed in, with the address. */
  const known = new Map<string, true>()
  const pairOf = (thing: string, address: string) => `${thing} ${address}`

  return {
    allows: (thing, address, now) => {
      const pair = pairOf(thing, address)
      return known.has(pair) ? pairs.left(pair, now) : things.left(thing, now) && addresses.left(address, now)
    },
    failed: (thing, address, now) => {
      const pair = pairOf(thing, address)
      if (known.has(pair)) return pairs.spend(pair, now)
      things.spend(thing, now)
      addresses.spend(address, now)
    },
    succeeded: (thing, address) => keep(known, pairOf(thing, address), true)
  }
}

/** What is left of each budget, and since when. One that is full again is the same as none. */
const budgets = () => {
  const spent = new Map<string, { readonly left: number; readonly at: number }>()
  const leftOf = (name: string, now: number): number => {
    const budget = spent.get(name)
    return budget === undefined ? BURST : Math.min(BURST, budget.left + (now - budget.at) / REFILL)
  }
  return {
    left: (name: string, now: number) => leftOf(name, now) >= 1,
    // What was tried at the same time may overdraw it, by as much again at most.
    spend: (name: string, now: number) => keep(spent, name, { left: Math.max(-BURST, leftOf(name, now) - 1), at: now })
  }
}

const keep = <A>(map: Map<string, A>, name: string, value: A): void => {
  map.delete(name)
  map.set(name, value)
  const [oldest] = map.keys()
  if (map.size > MOST && oldest !== undefined) map.delete(oldest)
}
