/** A temp key as it is on its lock at an instant. */
import { stands } from "../lock/AccessPolicy.ts"
import type { Hands } from "../lock/Giver.ts"
import { type Lock, tempKeysOf } from "../lock/Lock.ts"
import { nextChangeAt, statusAt, type TempKey, type TempKeyStatus } from "../lock/TempKey.ts"
import { edgeOf } from "../values/Text.ts"

/** A temp key at some instant; `nextChangeAt` is in epoch milliseconds, and there is none once it has expired. */
export type TempKeyNow = TempKey & {
  readonly status: TempKeyStatus
  readonly nextChangeAt: number | undefined
  /** Its giver may no longer give it. It is not valid until they may again: the lock has changed hands. */
  readonly withdrawn?: true
}

/**
 * The key at `now` (epoch milliseconds). The same object for as long as time and events leave it as it is, so that what
 * is made of it need not be made again: a lock may have thousands, and most have not changed since somebody last asked.
 */
export const tempKeyAt = (key: TempKey, hands: Hands, now: number): TempKeyNow => {
  const isWithdrawn = !stands(key.giver, hands)
  const seen = lastSeen.get(key)
  if (
    seen !== undefined &&
    seen.since <= now &&
    now < (seen.key.nextChangeAt ?? Number.POSITIVE_INFINITY) &&
    isWithdrawn === (seen.key.withdrawn === true)
  ) {
    return seen.key
  }
  const found = isWithdrawn ? withdrawnAt(key, now) : given(key, now)
  lastSeen.set(key, { since: now, key: found })
  for (const oldest of lastSeen.keys()) {
    if (lastSeen.size <= REMEMBERED) break
    lastSeen.delete(oldest)
  }
  return found
}

/**
 * All temp keys of the lock at `now` (epoch milliseconds), oldest first. The same list for as long as time and events leave
 * it as it is: most who ask learn nothing new.
 */
export const tempKeysAt = (lock: Lock, now: number): ReadonlyArray<TempKeyNow> => {
  const known = lastLists.get(lock)
  if (known !== undefined && known.since <= now && now < known.until) return known.keys
  const keys = tempKeysOf(lock).map((key) => tempKeyAt(key, lock, now))
  const until = keys.reduce(
    (until, { nextChangeAt = until }) => Math.min(until, nextChangeAt),
    Number.POSITIVE_INFINITY
  )
  forgetList(lock)
  lastLists.set(lock, { since: now, until, keys })
  inLists += spaceOf(keys)
  for (const oldest of lastLists.keys()) {
    if (inLists <= REMEMBERED) break
    forgetList(oldest)
  }
  return keys
}

const forgetList = (lock: Lock): void => {
  inLists -= spaceOf(lastLists.get(lock)?.keys)
  lastLists.delete(lock)
}

/** A list without keys takes some space too. */
const spaceOf = (keys: ReadonlyArray<TempKeyNow> | undefined): number => (keys === undefined ? 0 : 1 + keys.length)

const given = (key: TempKey, now: number): TempKeyNow => ({
  ...key,
  status: statusAt(key, now),
  nextChangeAt: nextChangeAt(key, now)
})

/** What has ended stays ended; anything else is not valid yet, and time alone does not change that. */
const withdrawnAt = (key: TempKey, now: number): TempKeyNow => {
  const status = statusAt(key, now)
  return {
    ...key,
    status: status === "valid" ? "not-yet-valid" : status,
    nextChangeAt: status === "expired" ? undefined : edgeOf(key.validUntil),
    withdrawn: true
  }
}

/** About 20 MB. */
const REMEMBERED = 20_000
const lastSeen = new Map<TempKey, { readonly since: number; readonly key: TempKeyNow }>()

/** By the lock as it was: an event makes another one of it. */
const lastLists = new Map<
  Lock,
  { readonly since: number; readonly until: number; readonly keys: ReadonlyArray<TempKeyNow> }
>()
/** How much space they take. */
let inLists = 0
