/** A temp key as it is at an instant. */
import { nextChangeAt, statusAt, type TempKey, type TempKeyStatus } from "../lock/TempKey.ts"

/** A temp key at some instant; `nextChangeAt` is in epoch milliseconds, and there is none once it has expired. */
export type TempKeyNow = TempKey & { readonly status: TempKeyStatus; readonly nextChangeAt: number | undefined }

/**
 * The key at `now` (epoch milliseconds). The same object for as long as time and events leave it as it is, so that what
 * is made of it need not be made again: a lock may have thousands, and most have not changed since somebody last asked.
 */
export const tempKeyAt = (key: TempKey, now: number): TempKeyNow => {
  const seen = lastSeen.get(key)
  if (seen !== undefined && seen.since <= now && now < (seen.key.nextChangeAt ?? Number.POSITIVE_INFINITY)) {
    return seen.key
  }
  const found = { ...key, status: statusAt(key, now), nextChangeAt: nextChangeAt(key, now) }
  lastSeen.set(key, { since: now, key: found })
  for (const oldest of lastSeen.keys()) {
    if (lastSeen.size <= REMEMBERED) break
    lastSeen.delete(oldest)
  }
  return found
}

/** About 20 MB. */
const REMEMBERED = 20_000
const lastSeen = new Map<TempKey, { readonly since: number; readonly key: TempKeyNow }>()
