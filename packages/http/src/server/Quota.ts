/**
 * How much those who are signed in may ask for: commands, and bytes. Counted in the memory of a process, so several servers
 * allow as many times as much, and a restart forgets it. That is safe: the budgets are there for the time and the memory
 * of a process, and what is stored is bounded for each lock besides. The operator has none.
 */
import {
  type Accounts,
  type Budget,
  CurrentBudgets,
  note,
  type Principal,
  secondsUntil,
  spend,
  spent,
  steadily
} from "@latchkey/core"
import { Effect, Schema } from "effect"

/** Somebody who is signed in has asked for too much. Nothing was done. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", {
  /** Whole seconds from now. */
  retryAfter: Schema.Number
}) {
  override get message() {
    return `You have asked for too much in a short time. Nothing was done; try again in ${this.retryAfter} seconds.`
  }
}

/** What a request takes: of a command for many keys, as many events. */
export interface Asked {
  readonly events: number
  readonly bytes: number
}

export interface Quota {
  /** Takes it from what the principal may ask for at an instant (epoch milliseconds); or none of it, and says why not. */
  readonly admit: (principal: Principal, asked: Asked, at: number) => TooManyRequests | undefined
  /** Takes what was answered, which nobody knew before. */
  readonly answered: (principal: Principal, bytes: number, at: number) => void
}

export const makeQuota: Effect.Effect<Quota> = Effect.gen(function* () {
  const budgets = yield* CurrentBudgets
  const accounts: Accounts = new Map()
  const steady = steadily()

  const holderOf = (principal: Principal): Holder | undefined => {
    switch (principal._tag) {
      case "User":
        return { name: `user ${principal.userId}`, events: budgets.userEvents, kilobytes: budgets.userKB }
      case "Organization":
        return { name: `organization ${principal.orgId}`, events: budgets.orgEvents, kilobytes: budgets.orgKB }
      default:
        return undefined
    }
  }

  return {
    admit: (principal, { events, bytes }, asked) => {
      const holder = holderOf(principal)
      if (holder === undefined || (isUnlimited(holder.events) && isUnlimited(holder.kilobytes))) return undefined
      const at = steady(asked)
      const spendings = [
        ...(events === 0 ? [] : [{ account: `events of ${holder.name}`, budget: holder.events, cost: events }]),
        ...(bytes === 0 ? [] : [{ account: bytesOf(holder), budget: holder.kilobytes, cost: Math.max(1, bytes / KB) }])
      ]
      const until = spend(accounts, spendings, at)
      return until === undefined ? undefined : new TooManyRequests({ retryAfter: secondsUntil(until, at) })
    },
    answered: (principal, bytes, asked) => {
      const holder = holderOf(principal)
      if (holder === undefined || isUnlimited(holder.kilobytes)) return
      const account = bytesOf(holder)
      const at = steady(asked)
      note(accounts, account, spent(holder.kilobytes, accounts.get(account), at, bytes / KB), at)
    }
  }
})

interface Holder {
  readonly name: string
  readonly events: Budget
  readonly kilobytes: Budget
}

const isUnlimited = ({ every }: Budget): boolean => every === 0

const KB = 1024

const bytesOf = ({ name }: Holder): string => `bytes of ${name}`
