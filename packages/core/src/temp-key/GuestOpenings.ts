/**
 * How often guests may open: with one temp key, and at one lock with all of them. Counted in the memory of a process, so
 * several servers allow as many times as much, and a restart forgets it. That is safe: what guests can do to others at a
 * lock is bounded by their part of its shadow (`DeviceCommand.ts`) and their place in its line (`LockTurns.ts`).
 */
import { Context, Effect, Layer } from "effect"
import { TooManyOpenings } from "../lock/LockError.ts"
import { canonical } from "../lock/TempKey.ts"
import { type Accounts, giveBack, secondsUntil, spend, steadily } from "./Budget.ts"
import { CurrentBudgets } from "./Budgets.ts"

/** An opening that a guest asks for, `at` (epoch milliseconds). */
export interface GuestOpening {
  readonly link: string
  readonly lockId: number
  readonly at: number
}

/** Counts how often guests open, by link and by lock. */
export class GuestOpenings extends Context.Service<
  GuestOpenings,
  {
    /** Opens, unless that would be too often. What was refused has not told the device, and counts on the link alone. */
    readonly counted: <A, E extends { readonly _tag: string }>(
      opening: GuestOpening,
      open: Effect.Effect<A, E>
    ) => Effect.Effect<A, E | TooManyOpenings>
  }
>()("@latchkey/core/GuestOpenings") {
  static readonly layer = Layer.effect(
    GuestOpenings,
    Effect.gen(function* () {
      const budgets = yield* CurrentBudgets
      const accounts: Accounts = new Map()
      const steady = steadily()
      return {
        counted: <A, E extends { readonly _tag: string }>(
          { link, lockId, at: asked }: GuestOpening,
          open: Effect.Effect<A, E>
        ) =>
          Effect.suspend((): Effect.Effect<A, E | TooManyOpenings> => {
            const at = steady(asked)
            const byLink = { account: `link:${canonical(link)}`, budget: budgets.link }
            const atLock = { account: `guests:${lockId}`, budget: budgets.guests }
            const until = spend(accounts, [byLink, atLock], at)
            if (until !== undefined) return Effect.fail(new TooManyOpenings({ retryAfter: secondsUntil(until, at) }))
            return Effect.tapError(open, ({ _tag }) =>
              Effect.sync(() => {
                if (!TRIED.has(_tag)) giveBack(accounts, atLock)
                if (_tag === OVERTAKEN) giveBack(accounts, byLink)
              })
            )
          })
      }
    })
  )
}

/** Another guest used the key at that moment: what is tried again for that is no other opening. */
const OVERTAKEN = "CountMoved"

/** Failures of what was allowed: the store or the device had work with it. */
const TRIED: ReadonlySet<string> = new Set(["DeviceUnreachable", "LockBusy", "StoreUnavailable"])
