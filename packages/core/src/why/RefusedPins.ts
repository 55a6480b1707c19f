/** PINs that were refused at a lock, as the log has them: whose they were, if anybody's, and how long their guesser had to wait. */
import { Effect } from "effect"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { lastVersion } from "../streams/LastVersion.ts"
import { forEachPaged, PAGE } from "../streams/Turns.ts"
import { BUDGETS } from "../temp-key/Budgets.ts"
import {
  countPin,
  forgottenAfter,
  lockedUntil,
  PIN_ATTEMPTS,
  type PinEvent,
  pinEventIn,
  pinStreamsOf
} from "../temp-key/PinAttempts.ts"
import type { Question } from "./Explanation.ts"

/** Most events of streams that locks share which are looked through: what one lock asks does not grow with the others. */
const SHARED = 1_000

/** The newest PIN that was refused at the lock no later than an instant, as its event. */
export const lastRefusedPin = Effect.fnUntraced(function* (
  lockId: number,
  at: number
): Effect.fn.Return<StoredEvent | undefined, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  const [own, ...shared] = pinStreamsOf(lockId)
  const found: Array<StoredEvent> = []
  for (const [streamId, most] of [
    [own, Number.POSITIVE_INFINITY],
    ...shared.map((id) => [id, SHARED] as const)
  ] as const) {
    const last = yield* lastVersion(store, streamId, (stored) => stored.at <= at)
    const isIt = (stored: StoredEvent) => refusedPinIn(lockId, stored) !== undefined
    let newest: StoredEvent | undefined
    for (let above = last; newest === undefined && above > Math.max(0, last - most); above -= PAGE) {
      const below = Math.max(0, above - PAGE)
      newest = (yield* store.read(streamId, below, above - below)).findLast(isIt)
      yield* Effect.yieldNow
    }
    if (newest !== undefined) found.push(newest)
  }
  return found.sort((a, b) => b.at - a.at || b.position - a.position)[0]
})

/** The question about a PIN that was refused at the lock; `undefined` for any other event. */
export const questionAboutPin = Effect.fnUntraced(function* (
  lockId: number,
  stored: StoredEvent
): Effect.fn.Return<Question | undefined, StoreUnavailable, EventStore> {
  const refused = refusedPinIn(lockId, stored)
  if (refused === undefined) return undefined
  const { eventId, at, principal } = stored
  const lockedOutUntil = refused.lockedOutUntil ?? (yield* lockedOut(stored, refused.accounts))
  return {
    subject:
      refused.credentialUuid === undefined ? { _tag: "Pin" } : { _tag: "Pin", sharedKeyUuid: refused.credentialUuid },
    at,
    attemptId: eventId,
    refusedPin: { eventId, principal, ...(lockedOutUntil !== undefined && { lockedOutUntil }) }
  }
})

/**
 * The first edition did not say so with the refusal, and kept those of all locks in one stream: every one counts that
 * was not forgotten by then.
 */
const lockedOut = Effect.fnUntraced(function* (
  { streamId, version, at }: StoredEvent,
  accounts: ReadonlyArray<string>
): Effect.fn.Return<number | undefined, StoreUnavailable, EventStore> {
  if (streamId !== PIN_ATTEMPTS) return undefined
  const store = yield* EventStore
  let from = version
  while (from > 0) {
    from = Math.max(0, from - PAGE)
    const [first] = yield* store.read(streamId, from, 1)
    if (first !== undefined && first.at < at - forgottenAfter(BUDGETS)) break
  }
  const counted = new Map<string, number>()
  yield* forEachPaged(
    (after, limit) => store.read(streamId, after, Math.min(limit, version - after)),
    (stored) => stored.version,
    (stored) => countPin(BUDGETS, counted, stored),
    from
  )
  return lockedUntil(BUDGETS, counted, accounts, at)
})

/** The PIN that was refused at the lock, as an event tells it; `undefined` for any other event. */
export const refusedPinIn = (
  lockId: number,
  stored: StoredEvent
): Extract<PinEvent, { _tag: "PinRefused" }> | undefined => {
  const event = stored.streamId.startsWith(PIN_ATTEMPTS) ? pinEventIn(stored) : undefined
  return event?._tag === "PinRefused" && event.lockId === lockId ? event : undefined
}
