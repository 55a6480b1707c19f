/**
 * Counts refused PINs, durably and exactly: each is in the log before it is answered. Every lock and every stranger has a
 * stream of their own, so nobody waits for guesses at another lock. Several processes count together: a PIN, right or
 * wrong, takes effect only by an event at the version that was judged; whoever was overtaken is judged again.
 */
import { Context, Effect, Layer, Result, Semaphore } from "effect"
import {
  type AppendError,
  CommandExists,
  EventStore,
  type NewEvent,
  type StoredEvent,
  type StoreUnavailable
} from "../streams/OldEventStore.ts"
import { type Accounts, secondsUntil } from "./Budget.ts"
import { CurrentBudgets } from "./Budgets.ts"
import {
  countPin,
  forgottenAfter,
  knownCallersOf,
  lockedUntil,
  lockedUntilAfter,
  MOST_KNOWN,
  type PinAccounts,
  type PinEvent,
  pinEventIn,
  SKEW
} from "./PinAttempts.ts"
import { PinLockedOut, PinRefused } from "./SharedCredentialError.ts"
import type { SharedContext } from "./SharedCredentials.ts"

/** A PIN that somebody entered, and the accounts on which it counts when it is refused. */
export interface PinAttempt extends SharedContext {
  readonly lockId: number
  readonly accounts: PinAccounts
}

const PAGE = 1_000
/** Streams that a process remembers: those used longest ago are read again. */
const REMEMBERED = 10_000

/** What a process knows of a stream of counts. */
interface Tally {
  readonly streamId: string
  readonly accounts: Accounts
  /** One at a time appends; `undefined` until it was read. */
  readonly appending: Semaphore.Semaphore
  version: number | undefined
}

/** Who has opened a lock: accounts of callers, the latest last. */
interface Known {
  readonly streamId: string
  callers: ReadonlyArray<string>
  version: number | undefined
}

/** Counts refused PINs, and locks out who guesses. */
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
      const tallyOf = remembering((streamId): Tally => {
        return { streamId, accounts: new Map(), appending: Semaphore.makeUnsafe(1), version: undefined }
      })
      const knownOf = remembering((streamId): Known => ({ streamId, callers: [], version: undefined }))

      const lockOut = (tally: Tally, accounts: ReadonlyArray<string>, now: number): PinLockedOut | undefined => {
        const until = lockedUntil(budgets, tally.accounts, accounts, now)
        return until === undefined ? undefined : new PinLockedOut({ retryAfter: secondsUntil(until, now) })
      }

      const take = (tally: Tally, event: Pick<StoredEvent, "version" | "type" | "data" | "at">): void => {
        if (event.version !== (tally.version ?? 0) + 1) return
        countPin(budgets, tally.accounts, event)
        tally.version = event.version
      }

      const catchUp = Effect.fnUntraced(function* (tally: Tally, now: number) {
        if (tally.version === undefined) {
          // What lies further back counts no more, however much there is of it.
          const since = now - forgottenAfter(budgets) - SKEW
          const version = yield* lastVersion(store, tally.streamId, ({ at }) => at < since)
          tally.version ??= version
        }
        while (true) {
          const events = yield* store.read(tally.streamId, tally.version, PAGE)
          for (const event of events) take(tally, event)
          if (events.length < PAGE) return
        }
      })

      /** Appends the event, unless the accounts are locked out at the version at which it would stand. */
      const record = (tally: Tally, judged: ReadonlyArray<string>, eventOf: () => NewEvent) =>
        tally.appending.withPermit(append(tally, judged, eventOf))

      const append = Effect.fnUntraced(function* (
        tally: Tally,
        judged: ReadonlyArray<string>,
        eventOf: () => NewEvent
      ): Effect.fn.Return<void, PinLockedOut | CommandExists | StoreUnavailable> {
        while (true) {
          const event = eventOf()
          const lockedOut = lockOut(tally, judged, event.at)
          if (lockedOut !== undefined) return yield* Effect.fail(lockedOut)
          const written = yield* Effect.result(store.append(tally.streamId, tally.version ?? 0, [event]))
          if (Result.isSuccess(written)) return take(tally, { ...event, version: written.success.version })
          yield* overtaken(written.failure, event)
          yield* catchUp(tally, event.at)
        }
      })

      const catchUpKnown = Effect.fnUntraced(function* (known: Known) {
        if (known.version === undefined) {
          const last = yield* lastVersion(store, known.streamId, () => true)
          known.version ??= Math.max(0, last - MOST_KNOWN)
        }
        while (true) {
          const events: ReadonlyArray<StoredEvent> = yield* store.read(known.streamId, known.version ?? 0, PAGE)
          for (const stored of events) {
            if (stored.version !== (known.version ?? 0) + 1) continue
            known.version = stored.version
            const event = pinEventIn(stored)
            if (event?._tag === "PinCallerKnown") known.callers = [...known.callers, event.caller].slice(-MOST_KNOWN)
          }
          if (events.length < PAGE) return
        }
      })

      /** Whether the caller has opened the lock before. */
      const isKnown = Effect.fnUntraced(function* (lockId: number, caller: string) {
        const known = knownOf(knownCallersOf(lockId))
        yield* catchUpKnown(known)
        return known.callers.includes(caller)
      })

      const remember = Effect.fnUntraced(function* (attempt: PinAttempt, caller: string) {
        const known = knownOf(knownCallersOf(attempt.lockId))
        while (!(yield* isKnown(attempt.lockId, caller))) {
          const event = eventOf(attempt, "known", { _tag: "PinCallerKnown", lockId: attempt.lockId, caller })
          const written = yield* Effect.result(store.append(known.streamId, known.version ?? 0, [event]))
          if (Result.isFailure(written)) yield* overtaken(written.failure, event)
        }
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
          callers === undefined || caller === undefined ? undefined : lockOut(callers, caller.accounts, at)
        const byLock = () => lockOut(atLock, lock.accounts, at)

        // What has been counted stays counted: whoever is locked out waits for nobody.
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
          const lockedOut = isKnownThere ? lockOut(atLock, lock.known, at) : strangers
          return lockedOut === undefined ? lock.known : yield* Effect.fail(lockedOut)
        })
        const counted = yield* standing(byLock())

        const found = yield* check
        const told = (accounts: ReadonlyArray<string>, more: object = {}): typeof PinEvent.Type =>
          Result.isSuccess(found)
            ? { _tag: "PinAccepted", lockId }
            : { _tag: "PinRefused", lockId, accounts, guessedAt: at, ...more }
        if (callers !== undefined && caller !== undefined) {
          yield* record(callers, caller.accounts, () => eventOf(attempt, "caller", told(caller.accounts)))
        }
        /** What is known of it at the lock; it counts there on these accounts. */
        const atTheLock = (counted: ReadonlyArray<string>): NewEvent => {
          const untils = [
            callers && caller && lockedUntil(budgets, callers.accounts, caller.accounts, at),
            lockedUntilAfter(budgets, atLock.accounts, counted, at)
          ].filter((until) => until !== undefined)
          const facts = {
            ...(Result.isFailure(found) && found.failure !== undefined && { credentialUuid: found.failure }),
            ...(untils.length > 0 && { lockedOutUntil: Math.max(...untils) })
          }
          // A refused PIN has the id of the command's first event: that is how it is asked about.
          return eventOf(attempt, Result.isSuccess(found) ? "accepted" : "1", told(counted, facts))
        }
        const recordAtLock = (counted: ReadonlyArray<string>) => record(atLock, counted, () => atTheLock(counted))
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

const eventOf = (
  { commandId, at, principal }: PinAttempt,
  suffix: string,
  { _tag: type, ...data }: typeof PinEvent.Type
): NewEvent => ({ eventId: `${commandId}-${suffix}`, type, data, at, orgId: "", principal, commandId })

/** Nothing to do about a conflict but to look again. */
const overtaken = (
  error: AppendError,
  { commandId }: NewEvent
): Effect.Effect<void, CommandExists | StoreUnavailable> => {
  switch (error._tag) {
    case "VersionConflict":
      return Effect.void
    case "EventExists":
      return Effect.fail(new CommandExists({ commandId }))
    case "StoreUnavailable":
      return Effect.fail(error)
    default:
      // Nothing is prepared in these streams, and no receipt is kept there.
      return Effect.die(error)
  }
}

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

/** The last version of a stream that is as asked, when all before it are: found in steps, since there may be many. */
const lastVersion = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  streamId: string,
  isSo: (event: StoredEvent) => boolean
) {
  const holds = (version: number) =>
    Effect.map(store.read(streamId, version - 1, 1), ([event]) => event !== undefined && isSo(event))
  let below = 0
  let above = 1
  while (yield* holds(above)) {
    below = above
    above *= 2
  }
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2)
    if (yield* holds(middle)) below = middle
    else above = middle
  }
  return below
})
