/** A PIN that was refused at a lock, as the log has it: whose it was, if anybody's, and how long its guesser had to wait. */
import { Effect, Option, Schema } from "effect"
import type { Question } from "./Explanation.ts"
import { countPin, lockedUntil, PinEvent } from "./PinAttempts.ts"
import { PIN_ATTEMPTS } from "./PinGuard.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "./ports/EventStore.ts"

const PAGE = 1_000

/** The newest refused PIN at the lock that is `wanted`, as a question about it; `undefined` when there is none. */
export const refusedPinAt = Effect.fnUntraced(function* (
  lockId: number,
  wanted: (stored: StoredEvent) => boolean
): Effect.fn.Return<Question | undefined, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  /** Who guesses at many locks is locked out at all of them: every refusal counts. */
  const accounts = new Map<string, number>()
  let found: Question | undefined
  let version = 0
  while (true) {
    const page = yield* store.read(PIN_ATTEMPTS, version, PAGE)
    for (const stored of page) {
      countPin(accounts, stored)
      const refused = Option.getOrUndefined(decode({ ...stored.data, _tag: stored.type }))
      if (refused?.lockId === lockId && wanted(stored)) found = questionAbout(stored, refused, accounts)
    }
    version = page.at(-1)?.version ?? version
    if (page.length < PAGE) return found
  }
})

const questionAbout = (
  { eventId, at, principal }: StoredEvent,
  { credentialUuid, accounts }: typeof PinEvent.Type,
  counted: ReadonlyMap<string, number>
): Question => {
  const lockedOutUntil = lockedUntil(counted, accounts, at)
  return {
    subject: credentialUuid === undefined ? { _tag: "Pin" } : { _tag: "Pin", sharedKeyUuid: credentialUuid },
    at,
    attemptId: eventId,
    refusedPin: { eventId, principal, ...(lockedOutUntil !== undefined && { lockedOutUntil }) }
  }
}

const decode = Schema.decodeUnknownOption(PinEvent)
