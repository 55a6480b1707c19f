/**
 * Counts refused PINs, durably and exactly: each is in the log before it is answered, and before the next one is looked
 * at. Several processes count together: whoever was overtaken looks again.
 */
import { Context, Effect, Layer, Result, Semaphore } from "effect"
import { countPin, FORGOTTEN_AFTER, lockedUntil, type PinEvent } from "./PinAttempts.ts"
import { EventStore, type NewEvent, type StoreUnavailable } from "./ports/EventStore.ts"
import { PinLockedOut, PinRefused } from "./SharedCredentialError.ts"
import type { SharedContext } from "./SharedCredentials.ts"

/** A PIN that somebody entered, and the accounts on which it counts when it is refused. */
export interface PinAttempt extends SharedContext {
  readonly lockId: number
  readonly accounts: ReadonlyArray<string>
}

/** The stream that holds every PIN that was refused. */
export const PIN_ATTEMPTS = "pin-attempts"
const PAGE = 1_000
/** Clocks of several processes may differ by so much, in milliseconds. */
const SKEW = 60 * 60_000

export class PinGuard extends Context.Service<
  PinGuard,
  {
    /**
     * What the check finds, unless the accounts are locked out. When it fails, that counts; it fails with the credential
     * whose PIN it is, if it is one's that opens nothing now: the log keeps that, the caller does not learn it.
     */
    readonly attempt: <A, E>(
      attempt: PinAttempt,
      check: Effect.Effect<Result.Result<A, string | undefined>, E>
    ) => Effect.Effect<A, E | PinRefused | PinLockedOut | StoreUnavailable>
  }
>()("@latchkey/core/PinGuard") {
  static readonly layer = Layer.effect(
    PinGuard,
    Effect.gen(function* () {
      const store = yield* EventStore
      const oneAtATime = yield* Semaphore.make(1)
      const state = new Map<string, number>()
      let version: number | undefined

      const lockOut = ({ accounts, at }: PinAttempt) => {
        const until = lockedUntil(state, accounts, at)
        return until === undefined ? undefined : new PinLockedOut({ retryAfter: Math.ceil((until - at) / 1000) })
      }

      const catchUp = Effect.fnUntraced(function* (now: number) {
        // What lies further back counts no more, however much there is of it.
        let read = version ?? (yield* versionBefore(store, now - FORGOTTEN_AFTER - SKEW))
        while (true) {
          const events = yield* store.read(PIN_ATTEMPTS, read, PAGE)
          for (const event of events) countPin(state, event)
          read = events.at(-1)?.version ?? read
          version = read
          if (events.length < PAGE) return read
        }
      })

      const judge = Effect.fnUntraced(function* <A, E>(
        attempt: PinAttempt,
        check: Effect.Effect<Result.Result<A, string | undefined>, E>
      ) {
        while (true) {
          const expected = yield* catchUp(attempt.at)
          const lockedOut = lockOut(attempt)
          if (lockedOut !== undefined) return yield* Effect.fail(lockedOut)
          const found = yield* check
          if (Result.isSuccess(found)) return found.success
          const written = yield* Effect.result(store.append(PIN_ATTEMPTS, expected, [refusal(attempt, found.failure)]))
          if (Result.isSuccess(written)) return yield* Effect.fail(new PinRefused())
          if (written.failure._tag === "StoreUnavailable") return yield* Effect.fail(written.failure)
        }
      })

      return {
        attempt: (attempt, check) =>
          Effect.suspend(() => {
            // What has been counted stays counted: whoever is locked out waits for nobody.
            const lockedOut = lockOut(attempt)
            return lockedOut === undefined ? oneAtATime.withPermit(judge(attempt, check)) : Effect.fail(lockedOut)
          })
      }
    })
  )
}

const refusal = (
  { lockId, accounts, commandId, at, principal }: PinAttempt,
  credentialUuid: string | undefined
): NewEvent => {
  const refused: typeof PinEvent.Type = { _tag: "PinRefused", lockId, accounts }
  const { _tag: type, ...data } = credentialUuid === undefined ? refused : { ...refused, credentialUuid }
  return { eventId: `${commandId}-1`, type, data, at, orgId: "", principal, commandId }
}

/** A version of the stream with no event after an instant before it: found in steps, since there may be many events. */
const versionBefore = Effect.fnUntraced(function* (store: EventStore["Service"], instant: number) {
  const isBefore = (version: number) =>
    Effect.map(store.read(PIN_ATTEMPTS, version - 1, 1), ([event]) => event !== undefined && event.at < instant)
  let below = 0
  let above = 1
  while (yield* isBefore(above)) {
    below = above
    above *= 2
  }
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2)
    if (yield* isBefore(middle)) below = middle
    else above = middle
  }
  return below
})
