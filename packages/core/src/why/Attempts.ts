/**
 * What was refused at a lock, newest first: uses of temp keys, PINs, and commands of those who may not give them. They are
 * kept in several places, each of which is read from a place in time backwards; what a page looks at is bounded.
 */
import { Effect, Schema } from "effect"
import { type Lock, tempKeyIdOf } from "../lock/Lock.ts"
import { isOwnInstant, isOwnTime } from "../lock/OwnTime.ts"
import type { Times } from "../lock/Period.ts"
import { idsOfShared } from "../locks/Links.ts"
import { type RefusalReason, type Refused, refusedDaysBefore, refusedIn, refusedOnDay } from "../locks/RefusedUses.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { lastVersion } from "../streams/LastVersion.ts"
import { PAGE } from "../streams/Turns.ts"
import { pinStreamsOf } from "../temp-key/PinAttempts.ts"
import { cursors } from "../values/Cursor.ts"
import { given } from "../values/given.ts"
import type { Principal } from "../values/Principal.ts"
import { DAY } from "../values/TimeZone.ts"
import { refusedPinIn } from "./RefusedPins.ts"

/** Something that was refused at a lock. */
export interface RefusedAttempt {
  /** `explain` takes it. */
  readonly attemptId: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly what: "temp-key" | "PIN" | "command"
  /** The command, when it is one. */
  readonly command?: string
  /** What the temp key is called that was used, or whose PIN it was: no secret, as its link is. Not of deleted ones. */
  readonly tempKeyId?: string
  readonly reason: RefusalReason | "access-denied" | "pin-refused"
  /** Who tried, as far as is known. */
  readonly principal: Principal
  /** For whom the key was used. */
  readonly userId?: string
  /** Until when whoever entered PINs was locked out, epoch milliseconds. */
  readonly lockedOutUntil?: number
}

/** A page may hold fewer attempts than asked for, or none, and still have a cursor. */
export interface AttemptsPage {
  readonly attempts: ReadonlyArray<RefusedAttempt>
  /** Where to go on, further back; none when this was all. */
  readonly nextCursor: string | undefined
}

/** A place in time: what happened before it comes next. */
type Place = Pick<StoredEvent, "at" | "position">
const isBefore = (one: Place, other: Place): boolean =>
  one.at < other.at || (one.at === other.at && one.position < other.position)

const { cursorAt, placeIn, Cursor } = cursors<Place>(
  ({ at, position }) => `${at}.${position}`,
  (text) => {
    const [_, at, position] = /^([0-9]{1,15})\.([0-9]{1,15})$/.exec(text) ?? []
    return at === undefined ? undefined : { at: Number(at), position: Number(position) }
  }
)

/** Attempts on a page, unless it says how many; and the most that it may say. */
const PAGE_SIZE = 100
const MOST_ON_PAGE = 200

/** The fields of a question about what was refused. */
export const attemptsFields = {
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: MOST_ON_PAGE }))),
  /** From the answer before. */
  cursor: Schema.optionalKey(Cursor)
}
/** A question about what was refused at a lock. */
export const AttemptsQuery = Schema.Struct(attemptsFields)
export type AttemptsQuery = typeof AttemptsQuery.Type

/** Most events of one place that one page looks at. */
const MOST_LOOKED_AT = 1_000

/** What was found in one place before another, newest first, and down to where was looked; `undefined`: to the beginning. */
interface Looked {
  readonly found: ReadonlyArray<StoredEvent>
  readonly downTo: Place | undefined
}

/** A page of what was refused at a lock by now (epoch milliseconds), as far as it is the principal's to see. */
export const readAttempts = Effect.fnUntraced(function* (
  principal: Principal,
  lock: Lock,
  { limit = PAGE_SIZE, cursor }: AttemptsQuery,
  now: number
): Effect.fn.Return<AttemptsPage, StoreUnavailable, EventStore> {
  // Clocks of other servers may be ahead.
  const newest: Place = { at: now + DAY, position: Number.MAX_SAFE_INTEGER }
  const place = cursor === undefined ? undefined : placeIn(cursor)
  const before = place !== undefined && isBefore(place, newest) ? place : newest
  const isShown = (stored: StoredEvent) => isOwn(principal, lock, lock.lockId, stored)
  const [own, ...shared] = pinStreamsOf(lock.lockId)
  const looked = yield* Effect.all([
    lookAtDays(lock.lockId, before, limit, isShown),
    lookAtPins(own, before, limit, isShown),
    ...shared.map((streamId) => Effect.map(lookAtPins(streamId, before, limit, isShown), withoutRest(limit)))
  ])
  // Further back than the least far that was looked there may be more.
  const ends = looked.flatMap(({ downTo }) => downTo ?? [])
  const horizon = ends.reduce<Place | undefined>((far, end) => (far && isBefore(end, far) ? far : end), undefined)
  const found = looked
    .flatMap(({ found }) => found)
    .filter((stored) => horizon === undefined || !isBefore(stored, horizon))
    .sort((a, b) => (isBefore(a, b) ? 1 : -1))
  const shown = found.slice(0, limit)
  const last = found.length > limit ? shown.at(-1) : horizon
  const ofPins = shown.flatMap((stored) => refusedPinIn(lock.lockId, stored)?.credentialUuid ?? [])
  const ids = yield* idsOfShared(yield* EventStore, ofPins)
  return {
    attempts: shown.map((stored) => attemptIn(lock, stored, ids)),
    nextCursor: last && cursorAt(last)
  }
})

/** Further back in a stream that locks share is mostly what is theirs: nobody walks through that. */
const withoutRest =
  (wanted: number) =>
  ({ found, downTo }: Looked): Looked => ({ found, downTo: found.length < wanted ? undefined : downTo })

/** Streams of days are short: they are read whole, the newest first. */
const lookAtDays = Effect.fnUntraced(function* (
  lockId: number,
  before: Place,
  wanted: number,
  isShown: (stored: StoredEvent) => boolean
): Effect.fn.Return<Looked, StoreUnavailable, EventStore> {
  const found: Array<StoredEvent> = []
  let [at, looked] = [before.at, 0]
  while (true) {
    const days = yield* refusedDaysBefore(lockId, at)
    if (days.length === 0) return { found, downTo: undefined }
    for (const day of days) {
      const events = yield* refusedOnDay(lockId, day)
      looked += events.length
      found.push(...events.filter((stored) => isBefore(stored, before) && isShown(stored)).toReversed())
      const first = events[0]
      if (first !== undefined && (found.length >= wanted || looked >= MOST_LOOKED_AT)) return { found, downTo: first }
      at = Date.parse(day) - 1
    }
  }
})

/** A stream of PINs is read backwards from where it had come by then; times in it are in order. */
const lookAtPins = Effect.fnUntraced(function* (
  streamId: string,
  before: Place,
  wanted: number,
  isShown: (stored: StoredEvent) => boolean
): Effect.fn.Return<Looked, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  const found: Array<StoredEvent> = []
  let above = yield* lastVersion(store, streamId, (stored) => isBefore(stored, before))
  for (let looked = 0; above > 0; looked += PAGE) {
    const below = Math.max(0, above - PAGE)
    const events = yield* store.read(streamId, below, above - below)
    found.push(...events.filter(isShown).toReversed())
    above = below
    const first = events[0]
    if (first !== undefined && above > 0 && (found.length >= wanted || looked >= MOST_LOOKED_AT))
      return { found, downTo: first }
    yield* Effect.yieldNow
  }
  return { found, downTo: undefined }
})

const isOwn = (principal: Principal, times: Times, lockId: number, stored: StoredEvent): boolean => {
  const refused = refusedIn(lockId, stored)
  if (refused !== undefined) return isOwnTime(principal, times, refused.lockVersion)
  return refusedPinIn(lockId, stored) !== undefined && isOwnInstant(principal, times, stored.at)
}

const attemptIn = (lock: Lock, stored: StoredEvent, idsOfShared: ReadonlyMap<string, string>): RefusedAttempt => {
  const { eventId: attemptId, at, principal } = stored
  const about = { attemptId, at, principal }
  const refused = refusedIn(lock.lockId, stored)
  if (refused !== undefined) return { ...about, ...attemptOf(lock, refused) }
  const { credentialUuid = "", lockedOutUntil } = refusedPinIn(lock.lockId, stored) ?? {}
  const tempKeyId = idsOfShared.get(credentialUuid)
  return { ...about, what: "PIN", reason: "pin-refused", ...given({ tempKeyId, lockedOutUntil }) }
}

const attemptOf = (
  lock: Lock,
  refused: Refused
): Pick<RefusedAttempt, "what" | "command" | "tempKeyId" | "userId" | "reason"> => {
  if (refused._tag === "CommandRefused") return { what: "command", command: refused.command, reason: refused.reason }
  const { tempKeyUuid, reason, userId, tempKeyId = tempKeyIdOf(lock, tempKeyUuid) } = refused
  return { what: "temp-key", reason, ...given({ tempKeyId, userId }) }
}
