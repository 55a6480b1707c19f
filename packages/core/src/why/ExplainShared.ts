/** Why a shared key, or its PIN, opens a door at a lock or does not: by the rules of shared keys, as of an instant. */
import { Result } from "effect"
import type { Lock } from "../lock/Lock.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import {
  Credentials,
  doorForPin,
  linkHindrance,
  mayShare,
  type SharedCredential,
  sharedStatusAt
} from "../temp-key/SharedCredential.ts"
import { millisOf } from "../values/Text.ts"
import { type Explanation, factOf, type Judged, noSuchLock } from "./Explanation.ts"

type Shared = Judged & Pick<Explanation, "nextChangeAt"> & { readonly facts: Omit<Explanation["facts"], "tempKey"> }

/**
 * @param giving the events of the lock that say who may give keys to it
 * @param stream the events of the shared key, all of them; none for a PIN that is nobody's
 */
export const explainShared = (
  lock: Lock | undefined,
  giving: ReadonlyArray<StoredEvent>,
  stream: ReadonlyArray<StoredEvent>,
  by: "link" | "PIN",
  at: number
): Shared => {
  const events = stream.filter((event) => event.at <= at)
  const key = events.reduce(Credentials.next, Credentials.initial).state
  const judged = judge(lock, key, by, at)
  if (lock === undefined || key === undefined) return { ...judged, nextChangeAt: undefined, facts: { events: [] } }
  const { uuid, validFrom, validUntil, grantedBy } = key
  const status = sharedStatusAt(key, at)
  const doors = doorsAt(key, lock).map(({ id, accessMethod }) => ({ id, accessMethod }))
  const facts = [...(doors.length === 0 ? [] : giving), ...events].sort((a, b) => a.position - b.position)
  return {
    ...judged,
    nextChangeAt: nextChangeAt(key, at),
    facts: { sharedKey: { uuid, validFrom, validUntil, status, doors, grantedBy }, events: facts.map(factOf) }
  }
}

const judge = (lock: Lock | undefined, key: SharedCredential | undefined, by: "link" | "PIN", at: number): Judged => {
  if (lock === undefined) return noSuchLock
  const doors = key === undefined ? [] : doorsAt(key, lock)
  if (key === undefined || doors[0] === undefined) {
    return by === "PIN"
      ? { allowed: false, rule: "unknown-pin", message: "No key of this lock had this PIN." }
      : { allowed: false, rule: "no-such-key", message: "This lock had no such key." }
  }
  const status = sharedStatusAt(key, at)
  if (status !== "valid") {
    const ends = { deleted: "deleted", expired: "valid-until", "not-yet-valid": "valid-from" } as const
    return { allowed: false, rule: ends[status], message: `The shared key was ${status}.` }
  }
  const isOpen =
    by === "PIN"
      ? doorForPin(key, lock.lockId, at) !== undefined
      : doors.some((door) => linkHindrance(key, door, at) === undefined)
  if (!isOpen) {
    return by === "PIN"
      ? { allowed: false, rule: "link-needed", message: "The door opens with the link only." }
      : { allowed: false, rule: "pin-needed", message: "The door opens with the PIN only." }
  }
  const granted = mayShare(key.grantedBy, lock)
  return Result.isFailure(granted)
    ? {
        allowed: false,
        rule: "withdrawn",
        message: `The giver of the key may no longer give it: ${granted.failure.message}`
      }
    : {
        allowed: true,
        rule: "valid",
        message: by === "PIN" ? "The PIN opens the lock." : "The shared key opens the lock."
      }
}

const doorsAt = ({ doors }: SharedCredential, { lockId }: Lock) => doors.filter((door) => door.lockId === lockId)

const nextChangeAt = (key: SharedCredential, now: number): number | undefined => {
  switch (sharedStatusAt(key, now)) {
    case "not-yet-valid":
      return millisOf(key.validFrom)
    case "valid":
      return millisOf(key.validUntil)
    default:
      return undefined
  }
}
