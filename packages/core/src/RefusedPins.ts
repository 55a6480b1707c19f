/** PINs that were refused at a lock, as the log has them: whose they were, if anybody's, and how long their guesser had to wait. */
import { Effect, Option, Schema } from "effect"
import type { Question } from "./Explanation.ts"
import { countPin, FORGOTTEN_AFTER, lockedUntil, PinEvent } from "./PinAttempts.ts"
import { PIN_ATTEMPTS } from "./PinGuard.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "./ports/EventStore.ts"
import { forEachPaged, PAGE } from "./Turns.ts"

/** The newest PIN that was refused at the lock no later than an instant, as its event. */
export const lastRefusedPin = Effect.fnUntraced(function* (
  lockId: number,
  at: number
): Effect.fn.Return<StoredEvent | undefined, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  let found: StoredEvent | undefined
  yield* forEachPaged(
    (position, limit) => store.readAll(position, limit, PIN_ATTEMPTS, lockId),
    ({ position }) => position,
    (stored) => {
      if (stored.at <= at && refusedIn(stored) !== undefined) found = stored
    }
  )
  return found
})

/** The question about a PIN that was refused at the lock; `undefined` for any other event. */
export const questionAboutPin = Effect.fnUntraced(function* (
  lockId: number,
  stored: StoredEvent
): Effect.fn.Return<Question | undefined, StoreUnavailable, EventStore> {
  const refused = refusedIn(stored)
  if (refused?.lockId !== lockId) return undefined
  const { eventId, at, principal } = stored
  const lockedOutUntil = yield* lockedOut(stored, refused.accounts)
  return {
    subject:
      refused.credentialUuid === undefined ? { _tag: "Pin" } : { _tag: "Pin", sharedKeyUuid: refused.credentialUuid },
    at,
    attemptId: eventId,
    refusedPin: { eventId, principal, ...(lockedOutUntil !== undefined && { lockedOutUntil }) }
  }
})

/** Who guesses at many locks is locked out at all of them: every refusal counts that is not forgotten by then. */
const lockedOut = Effect.fnUntraced(function* (
  { streamId, version, at }: StoredEvent,
  accounts: ReadonlyArray<string>
): Effect.fn.Return<number | undefined, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  let from = version
  while (from > 0) {
    from = Math.max(0, from - PAGE)
    const [first] = yield* store.read(streamId, from, 1)
    if (first !== undefined && first.at < at - FORGOTTEN_AFTER) break
  }
  const counted = new Map<string, number>()
  yield* forEachPaged(
    (after, limit) => store.read(streamId, after, Math.min(limit, version - after)),
    (stored) => stored.version,
    (stored) => countPin(counted, stored),
    from
  )
  return lockedUntil(counted, accounts, at)
})

const decode = Schema.decodeUnknownOption(PinEvent)

const refusedIn = ({ streamId, type, data }: StoredEvent): typeof PinEvent.Type | undefined =>
  streamId.startsWith(PIN_ATTEMPTS) ? Option.getOrUndefined(decode({ ...data, _tag: type })) : undefined
