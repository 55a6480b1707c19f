/**
 * How many PINs may be guessed: on which budgets a refused one counts, and which events tell of it. Anyone who has used a
 * budget up is locked out until the next guess is theirs; never longer, so nobody stays locked out. Pure: the instant
 * comes with the question.
 */
import { Option, Schema } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import { nameOf, type Principal } from "../values/Principal.ts"
import { type Accounts, type Budget, note, spendableAt, spent } from "./Budget.ts"
import type { Budgets } from "./Budgets.ts"
import type { PinKey } from "./Pins.ts"

/** Kinds of accounts, and which budget each has: `known` is of those at a lock who have opened it before, together. */
const BUDGET_OF = {
  caller: "caller",
  line: "line",
  site: "site",
  lock: "lock",
  known: "lock",
  gateway: "gateway"
} as const satisfies Readonly<Record<string, keyof Budgets>>

/** A budget of somebody or something: `caller:<who>`, `lock:<which>` and so on. */
export type Account = `${keyof typeof BUDGET_OF}:${string}`

/** Refused PINs older than this, in milliseconds, have no part in anything any more. */
export const forgottenAfter = (budgets: Budgets): number =>
  Math.max(...Object.values(BUDGET_OF).map((name) => budgets[name].burst * budgets[name].every))

/** Who enters a PIN. */
export interface PinCaller {
  readonly principal: Principal
  /** Tell strangers apart who are not signed in: the networks that they come from, the narrowest first. */
  readonly networks: ReadonlyArray<string>
  /** The API key that was sent, by any name that tells keys apart; an organization may have many. */
  readonly apiKey?: string | undefined
  /** Whether they may open the lock without a PIN: an API key of its organization, its owner, a key holder. */
  readonly mayOpen: boolean
}

/** The accounts that a refused PIN counts on, and the streams in which they are kept. */
export interface PinAccounts {
  /** What strangers used up at whatever locks, in a stream of the widest network that they come from. */
  readonly caller: { readonly streamId: string; readonly accounts: ReadonlyArray<Account> } | undefined
  /** What was used up at the lock, in a stream that the lock has for itself if it ever had a PIN. */
  readonly lock: {
    readonly streamId: string
    readonly accounts: ReadonlyArray<Account>
    /** Instead of these, for strangers who have opened the lock before, when others have used them up. */
    readonly known: ReadonlyArray<Account>
  }
}

/** The streams that hold what became of PINs at locks; of the first edition, one for all of them. */
export const PIN_ATTEMPTS = "pin-attempts"

/** Locks at which no PIN was ever valid have this many accounts between them: anyone who asks for many fills no store. */
const EMPTY_LOCKS = 16

const streamOf = (lock: string): string => `${PIN_ATTEMPTS}-lock-${lock}`
const emptyLock = (lockId: number): string => `empty-${lockId % EMPTY_LOCKS}`

/**
 * The streams in which a PIN that was refused at a lock may be: its own, and those that it shares with others, of when it
 * had no PINs and of the first edition.
 */
export const pinStreamsOf = (lockId: number): readonly [own: string, ...shared: ReadonlyArray<string>] => [
  streamOf(String(lockId)),
  streamOf(emptyLock(lockId)),
  PIN_ATTEMPTS
]

/** Where a refused PIN counts. Accounts and streams hold no address and no name that could be read without the key. */
export const accountsOf = (
  key: PinKey,
  { principal, networks, apiKey, mayOpen }: PinCaller,
  lockId: number,
  hasPins: boolean
): PinAccounts => {
  const hidden = (kind: string, ...names: ReadonlyArray<string | number>): string =>
    key.digest([kind, ...names].join("\n")).slice(0, 32)
  if (mayOpen) {
    const who = apiKey === undefined ? nameOf(principal) : `key ${apiKey}`
    const accounts: ReadonlyArray<Account> = [`gateway:${hidden("gateway", who, lockId)}`]
    return { caller: undefined, lock: { streamId: streamOf(String(lockId)), accounts, known: [] } }
  }
  const names = principal._tag === "Guest" ? networks.map((network) => `address ${network}`) : [nameOf(principal)]
  const [caller = "", line, site] = names
  const accounts: ReadonlyArray<Account> = [
    `caller:${hidden("caller", caller)}`,
    ...(line === undefined ? [] : [`line:${hidden("line", line)}` as const]),
    ...(site === undefined ? [] : [`site:${hidden("site", site)}` as const])
  ]
  const lock = hasPins ? String(lockId) : emptyLock(lockId)
  return {
    caller: { streamId: `pin-guessers-${hidden("stream", names.at(-1) ?? "")}`, accounts },
    lock: { streamId: streamOf(lock), accounts: [`lock:${lock}`], known: [`known:${lock}`] }
  }
}

/** Clocks of several processes may differ by so much, in milliseconds. */
export const SKEW = 60 * 60_000

/** Callers that a lock remembers as having opened it: the latest ones. */
export const MOST_KNOWN = 32

/** The stream of callers who have opened a lock. */
export const knownCallersOf = (lockId: number): string => `pin-callers-${lockId}`

/** What happened when PINs were entered. Stored forever: add cases and optional fields, never rename or remove one. */
export const PinEvent = Schema.TaggedUnion({
  PinRefused: {
    lockId: Schema.Int,
    accounts: Schema.Array(Schema.String),
    /** Epoch milliseconds by the clock of its server. The event's own time is later when a clock was ahead before. */
    guessedAt: Schema.optionalKey(Schema.Finite),
    /** The credential whose PIN it is, when it is one's that opened nothing then. */
    credentialUuid: Schema.optionalKey(Schema.String),
    /** Until when its guesser was locked out, epoch milliseconds, if they were; of the first edition, count it. */
    lockedOutUntil: Schema.optionalKey(Schema.Finite)
  },
  /** The right one: it counts on no account, but stands in line with those that do. */
  PinAccepted: { lockId: Schema.Int },
  /** The account of a caller who has opened the lock. */
  PinCallerKnown: { lockId: Schema.Int, caller: Schema.String }
})
export type PinEvent = typeof PinEvent.Type

const budgetOf = (budgets: Budgets, account: string): Budget | undefined => {
  const kind = account.slice(0, account.indexOf(":"))
  const name = (BUDGET_OF as { readonly [kind: string]: keyof Budgets })[kind]
  return name === undefined ? undefined : budgets[name]
}

/** When the next PIN may be entered on these accounts, epoch milliseconds; `undefined`: at once. */
export const lockedUntil = (
  budgets: Budgets,
  state: ReadonlyMap<string, number>,
  accounts: ReadonlyArray<string>,
  now: number
): number | undefined => {
  const times = accounts.flatMap((account) => {
    const budget = budgetOf(budgets, account)
    const full = state.get(account)
    if (budget === undefined || full === undefined || isOfAnotherClock(budget, full, now)) return []
    return spendableAt(budget, full, now) ?? []
  })
  return times.length === 0 ? undefined : Math.max(...times)
}

/**
 * No guess takes a budget that far: a clock was ahead, and was set back. It stops nobody, and the next guess is counted by
 * the time it is now.
 */
const isOfAnotherClock = ({ burst, every }: Budget, full: number, now: number): boolean =>
  full > now + (burst + 1) * every + SKEW

const decode = Schema.decodeUnknownOption(PinEvent)

/** The event of PINs behind a stored one. */
export const pinEventIn = ({ type, data }: Pick<StoredEvent, "type" | "data">): typeof PinEvent.Type | undefined =>
  Option.getOrUndefined(decode({ ...data, _tag: type }))

/** Takes a stored event into account. Changes `state`: there may be many accounts. */
export const countPin = (
  budgets: Budgets,
  state: Accounts,
  stored: Pick<StoredEvent, "type" | "data" | "at">
): void => {
  const event = pinEventIn(stored)
  if (event?._tag !== "PinRefused") return
  const at = event.guessedAt ?? stored.at
  for (const account of event.accounts) {
    const budget = budgetOf(budgets, account)
    if (budget !== undefined) note(state, account, spent(budget, state.get(account), at), at)
  }
}

/** When the next PIN may be entered on these accounts once this one was refused, epoch milliseconds; `undefined`: at once. */
export const lockedUntilAfter = (
  budgets: Budgets,
  state: ReadonlyMap<string, number>,
  accounts: ReadonlyArray<string>,
  now: number
): number | undefined => {
  const after = accounts.flatMap((account) => {
    const budget = budgetOf(budgets, account)
    return budget === undefined ? [] : [[account, spent(budget, state.get(account), now)] as const]
  })
  return lockedUntil(budgets, new Map(after), accounts, now)
}
