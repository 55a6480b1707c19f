/**
 * How many PINs may be guessed: budgets of refused ones that refill with time. Whoever has used one up is locked out
 * until the next guess is theirs; never longer, so nobody stays locked out. Pure: the instant comes with the question.
 */
import { Option, Schema } from "effect"
import type { PinKey } from "./Pins.ts"
import type { Principal } from "./Principal.ts"
import type { StoredEvent } from "./ports/EventStore.ts"

const MINUTE = 60_000

/** `burst` refusals at once, then one every `every` milliseconds. */
interface Budget {
  readonly burst: number
  readonly every: number
}

/**
 * `caller`: one stranger, at all locks together. `lock`: all strangers together, at one lock: three who guess without end
 * leave it room. `gateway`: an API key that may open the lock, such as its keypad's, at that lock: strangers do not count
 * against it, nor it against them.
 */
export const BUDGETS = {
  caller: { burst: 5, every: 2 * MINUTE },
  lock: { burst: 100, every: MINUTE / 2 },
  gateway: { burst: 10, every: MINUTE }
} as const satisfies Readonly<Record<string, Budget>>

/** A budget of somebody or something: `caller:<who>`, `lock:<which>` or `gateway:<which>`. */
export type Account = `${keyof typeof BUDGETS}:${string}`

/** Refused PINs older than this, in milliseconds, have no part in anything any more. */
export const FORGOTTEN_AFTER = Math.max(...Object.values(BUDGETS).map(({ burst, every }) => burst * every))

/** Who enters a PIN; `address` tells strangers apart who are not signed in. */
export interface PinCaller {
  readonly principal: Principal
  readonly address: string
  /** Whether the principal is an API key that may open the lock. */
  readonly isGateway: boolean
}

/** Locks at which no PIN was ever valid have this many accounts between them: whoever asks for many fills no store. */
const EMPTY_LOCKS = 16

/** The accounts that a refused PIN counts on. They hold no address and no name that could be read without the key. */
export const accountsOf = (
  key: PinKey,
  { principal, address, isGateway }: PinCaller,
  lockId: number,
  hasPins: boolean
): ReadonlyArray<Account> => {
  const who = nameOf(principal, address)
  if (isGateway) return [`gateway:${key.digest(`gateway\n${who}\n${lockId}`).slice(0, 32)}`]
  const empty = Number.parseInt(key.digest(`empty\n${lockId}`).slice(0, 8), 16) % EMPTY_LOCKS
  return [`caller:${key.digest(`caller\n${who}`).slice(0, 32)}`, hasPins ? `lock:${lockId}` : `lock:empty-${empty}`]
}

/** An API key is one caller, whoever is signed in beside it. */
const nameOf = (principal: Principal, address: string): string => {
  switch (principal._tag) {
    case "User":
      return `user ${principal.userId}`
    case "Organization":
      return `organization ${principal.orgId}`
    case "Guest":
      return `address ${address}`
    default:
      return principal._tag
  }
}

/** What happened when PINs were entered. Stored for ever: add cases and optional fields, never rename or remove one. */
export const PinEvent = Schema.TaggedUnion({
  PinRefused: {
    lockId: Schema.Int,
    accounts: Schema.Array(Schema.String),
    /** The credential whose PIN it is, when it is one's that opened nothing then. */
    credentialUuid: Schema.optionalKey(Schema.String)
  }
})

/** For every account that is not full: when it will be, epoch milliseconds. */
export type Accounts = ReadonlyMap<string, number>

const budgetOf = (account: string): Budget | undefined =>
  (BUDGETS as { readonly [kind: string]: Budget })[account.slice(0, account.indexOf(":"))]

/** When the next PIN may be entered on these accounts, epoch milliseconds; `undefined`: at once. */
export const lockedUntil = (state: Accounts, accounts: ReadonlyArray<string>, now: number): number | undefined => {
  const times = accounts.flatMap((account) => {
    const budget = budgetOf(account)
    const full = state.get(account)
    if (budget === undefined || full === undefined) return []
    // A clock that was once ahead locks nobody out for longer than a budget can be empty.
    return [Math.min(full, now + budget.burst * budget.every) - (budget.burst - 1) * budget.every]
  })
  const until = Math.max(...times)
  return until > now ? until : undefined
}

const decode = Schema.decodeUnknownOption(PinEvent)

/** Takes a stored event into account. Changes `state`: there may be many accounts. */
export const countPin = (state: Map<string, number>, { type, data, at }: StoredEvent): void => {
  const event = Option.getOrUndefined(decode({ ...data, _tag: type }))
  for (const account of event?.accounts ?? []) {
    const budget = budgetOf(account)
    if (budget === undefined) continue
    const full = Math.max(at, Math.min(state.get(account) ?? at, at + budget.burst * budget.every)) + budget.every
    // Accounts that were counted on last come last: the ones to forget are in front.
    state.delete(account)
    state.set(account, full)
  }
  for (const [account, full] of state) {
    if (full > at) break
    state.delete(account)
  }
}
