/**
 * Counts refused PINs, durably and exactly: each is in the log before it is answered. Every lock and every stranger has a
 * stream of their own, so nobody waits for guesses at another lock. Several processes count together: a PIN, right or
 * wrong, takes effect only by an event at the version that was judged; one that was overtaken is judged again.
 */
import { Context, Effect, Layer, Result, Semaphore } from "effect"
import { type At, asOfCommand, Category, type Decision, granting, type WriteContext } from "../streams/Category.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { lastVersion } from "../streams/LastVersion.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import { secondsUntil } from "./Budget.ts"
import { type Budgets, CurrentBudgets } from "./Budgets.ts"
import {
  countPin,
  forgottenAfter,
  knownCallersOf,
  lockedUntil,
  lockedUntilAfter,
  MOST_KNOWN,
  type PinAccounts,
  PinEvent,
  SKEW
} from "./PinAttempts.ts"
import { PinLockedOut, PinRefused } from "./SharedCredentialError.ts"
import type { SharedContext } from "./SharedCredentials.ts"

/** A PIN that somebody entered, and the accounts on which it counts when it is refused. */
export interface PinAttempt extends SharedContext {
  readonly lockId: number
  readonly accounts: PinAccounts
}

/** Streams that a process remembers: those used longest ago are read again. */
const REMEMBERED = 10_000

/** What a process knows of a stream of counts. */
interface Tally {
  readonly id: string
  /** One at a time writes. */
  readonly writing: Semaphore.Semaphore
  /** `undefined` until it was read. */
  latest: At<ReadonlyMap<string, number>> | undefined
}

/** Who has opened a lock. */
interface Known {
  latest: At<ReadonlyArray<string>> | undefined
}

const personal = { PinRefused: ["accounts"], PinCallerKnown: ["caller"] } as const

/** When the budgets of accounts are full again, as streams of refused PINs count them. */
const countsUnder = (budgets: Budgets) =>
  Category({
    prefix: "pin-",
    events: PinEvent,
    personal,
    initial: new Map() as ReadonlyMap<string, number>,
    evolve: (accounts, _, stored) => {
      const counted = new Map(accounts)
      countPin(budgets, counted, stored)
      return counted
    }
  })

/** Accounts of callers who have opened a lock, the latest last. */
export const KnownCallers = Category({
  prefix: "pin-callers-",
  events: PinEvent,
  personal,
  initial: [] as ReadonlyArray<string>,
  evolve: (callers, event) =>
    event._tag === "PinCallerKnown" ? [...callers, event.caller].slice(-MOST_KNOWN) : callers
})

/** Counts refused PINs, and locks out callers who guess. */
export class PinGuard extends Context.Service<
  PinGuard,
  {
    /**
     * What the check finds, unless the accounts are locked out. When it fails, that counts; it fails with the credential
     * whose PIN it is, if it is one's that opens nothing now: the log keeps that, the caller does not learn it. Who has
     * opened the lock before is not stopped by what strangers have used up there.
     */
    readonly attempt: <A, E>(
      attempt: PinAttempt,
      check: Effect.Effect<Result.Result<A, string | undefined>, E>
    ) => Effect.Effect<A, E | PinRefused | PinLockedOut | CommandExists | StoreUnavailable>
  }
>()("@latchkey/core/PinGuard") {
  static readonly layer = Layer.effect(
    PinGuard,
    Effect.gen(function* () {
      const store = yield* EventStore
      const budgets = yield* CurrentBudgets
      const counts = countsUnder(budgets)
      const tallyOf = remembering((streamId): Tally => {
        return { id: counts.idOf(streamId) ?? streamId, writing: Semaphore.makeUnsafe(1), latest: undefined }
      })
      const knownOf = remembering((): Known => ({ latest: undefined }))

      const accountsIn = (tally: Tally) => tally.latest?.state ?? counts.initial.state
      const lockOut = (
        counted: ReadonlyMap<string, number>,
        accounts: ReadonlyArray<string>,
        now: number
      ): PinLockedOut | undefined => {
        const until = lockedUntil(budgets, counted, accounts, now)
        return until === undefined ? undefined : new PinLockedOut({ retryAfter: secondsUntil(until, now) })
      }

      const catchUp = Effect.fnUntraced(function* (tally: Tally, now: number) {
        if (tally.latest === undefined) {
          // What lies further back counts no more, however much there is of it.
          const since = now - forgottenAfter(budgets) - SKEW
          const version = yield* lastVersion(store, counts.streamOf(tally.id), ({ at }) => at < since)
          tally.latest ??= { ...counts.initial, version }
        }
        const read = yield* fromStore(counts.fold(tally.id, tally.latest))
        tally.latest = later(tally.latest, read)
        yield* granting(tally.latest)
      })

      /** Writes what was decided, unless the accounts are locked out at the version at which it would stand. */
      const record = (
        tally: Tally,
        attempt: PinAttempt,
        judged: ReadonlyArray<string>,
        decide: (counted: ReadonlyMap<string, number>) => Decision<PinEvent>
      ): Effect.Effect<void, PinLockedOut | CommandExists | StoreUnavailable> =>
        tally.writing.withPermit(
          Effect.suspend(() =>
            counts.transact(
              tally.id,
              contextOf(attempt),
              ({ state }) => {
                const lockedOut = lockOut(state, judged, attempt.at)
                return lockedOut === undefined ? decide(state) : Effect.fail(lockedOut)
              },
              tally.latest
            )
          ).pipe(
            Effect.tap(({ after }) => Effect.sync(() => (tally.latest = later(tally.latest, after)))),
            Effect.asVoid,
            asOfCommand(attempt),
            fromStore
          )
        )

      const fromStore = Effect.provideService(EventStore, store)

      /** Whether the caller has opened the lock before. */
      const isKnown = Effect.fnUntraced(function* (lockId: number, caller: string) {
        const known = knownOf(knownCallersOf(lockId))
        if (known.latest === undefined) {
          const last = yield* lastVersion(store, knownCallersOf(lockId), () => true)
          known.latest ??= { ...KnownCallers.initial, version: Math.max(0, last - MOST_KNOWN) }
        }
        const read = yield* fromStore(KnownCallers.fold(String(lockId), known.latest))
        known.latest = later(known.latest, read)
        return known.latest.state.includes(caller)
      })

      const remember = Effect.fnUntraced(function* (attempt: PinAttempt, caller: string) {
        const { lockId } = attempt
        if (yield* isKnown(lockId, caller)) return
        const known = knownOf(knownCallersOf(lockId))
        const event = PinEvent.cases.PinCallerKnown.make({ lockId, caller })
        const { after } = yield* KnownCallers.transact(
          String(lockId),
          contextOf(attempt),
          ({ state }) => (state.includes(caller) ? [] : { events: [event], suffixes: ["known"] }),
          known.latest
        ).pipe(asOfCommand(attempt), fromStore)
        known.latest = later(known.latest, after)
      })

      const attempt = Effect.fnUntraced(function* <A, E>(
        attempt: PinAttempt,
        check: Effect.Effect<Result.Result<A, string | undefined>, E>
      ) {
        const { lockId, at } = attempt
        const { caller, lock } = attempt.accounts
        const callers = caller === undefined ? undefined : tallyOf(caller.streamId)
        const atLock = tallyOf(lock.streamId)
        const name = caller?.accounts[0]
        const byCaller = () =>
          callers === undefined || caller === undefined ? undefined : lockOut(accountsIn(callers), caller.accounts, at)
        const byLock = () => lockOut(accountsIn(atLock), lock.accounts, at)

        // What has been counted stays counted: anyone who is locked out waits for nobody.
        const early = byCaller() ?? (name === undefined ? byLock() : undefined)
        if (early !== undefined) return yield* Effect.fail(early)
        if (callers !== undefined) yield* catchUp(callers, at)
        yield* catchUp(atLock, at)
        const fromCaller = byCaller()
        if (fromCaller !== undefined) return yield* Effect.fail(fromCaller)
        /** The accounts at the lock on which it counts: what strangers have used up there does not stop whom it knows. */
        const standing = Effect.fnUntraced(function* (strangers: PinLockedOut | undefined) {
          if (strangers === undefined) return lock.accounts
          const isKnownThere = name !== undefined && (yield* isKnown(lockId, name))
          const lockedOut = isKnownThere ? lockOut(accountsIn(atLock), lock.known, at) : strangers
          return lockedOut === undefined ? lock.known : yield* Effect.fail(lockedOut)
        })
        const counted = yield* standing(byLock())

        const found = yield* check
        const told = (accounts: ReadonlyArray<string>, suffix: string, more: object = {}): Decision<PinEvent> => ({
          events: [
            Result.isSuccess(found)
              ? { _tag: "PinAccepted", lockId }
              : { _tag: "PinRefused", lockId, accounts, guessedAt: at, ...more }
          ],
          suffixes: [suffix]
        })
        if (callers !== undefined && caller !== undefined) {
          yield* record(callers, attempt, caller.accounts, () => told(caller.accounts, "caller"))
        }
        /** What is known of it at the lock; it counts there on these accounts. */
        const recordAtLock = (judged: ReadonlyArray<string>) =>
          record(atLock, attempt, judged, (counted) => {
            const untils = [
              callers && caller && lockedUntil(budgets, accountsIn(callers), caller.accounts, at),
              lockedUntilAfter(budgets, counted, judged, at)
            ].filter((until) => until !== undefined)
            const facts = {
              ...(Result.isFailure(found) && found.failure !== undefined && { credentialUuid: found.failure }),
              ...(untils.length > 0 && { lockedOutUntil: Math.max(...untils) })
            }
            // A refused PIN has the id of the command's first event: that is how it is asked about.
            return told(judged, Result.isSuccess(found) ? "accepted" : "1", facts)
          })
        yield* Effect.catchTag(recordAtLock(counted), "PinLockedOut", (lockedOut) =>
          // Others were quicker. Who counts with those whom the lock knows has no other account.
          counted === lock.known ? Effect.fail(lockedOut) : Effect.flatMap(standing(lockedOut), recordAtLock)
        )
        if (Result.isFailure(found)) return yield* Effect.fail(new PinRefused())
        if (name !== undefined) yield* remember(attempt, name)
        return found.success
      })

      return { attempt }
    })
  )
}

/** These streams are of no organization. */
const contextOf = ({ commandId, at, principal }: PinAttempt): WriteContext => ({ commandId, at, principal })

const later = <State>(one: At<State> | undefined, other: At<State>): At<State> =>
  one === undefined || other.version > one.version ? other : one

/** Things by name, made when they are first asked for: of many, those asked for longest ago are forgotten. */
const remembering = <A>(make: (name: string) => A) => {
  const things = new Map<string, A>()
  return (name: string): A => {
    const thing = things.get(name) ?? make(name)
    things.delete(name)
    things.set(name, thing)
    for (const oldest of things.keys()) {
      if (things.size <= REMEMBERED) break
      things.delete(oldest)
    }
    return thing
  }
}
