/** A temp key as it is on its lock at an instant. */
import { stands } from "../lock/AccessPolicy.ts"
import type { Hands } from "../lock/Giver.ts"
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
