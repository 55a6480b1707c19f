/** Why a shared key, or its PIN, opens a door at a lock or does not: by the rules of shared keys, as of an instant. */
import type { Lock } from "../lock/Lock.ts"
import { admits, nextChangeAt, ruleAt } from "../lock/TempKey.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import {
  Credentials,
  doorForPin,
  isGiven,
  linkHindrance,
  type SharedCredential,
  sharedStatusAt
} from "../temp-key/SharedCredential.ts"
import { hindranceAt } from "./ExplainOwn.ts"
import { type Explanation, factOf, type Judged, type Now, noSuchLock, nothingElse } from "./Explanation.ts"

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
  at: number,
  { userId, attemptId }: { readonly userId?: string | undefined; readonly attemptId?: string | undefined } = {},
  { isDisputed, held }: Now = nothingElse
): Shared => {
  const events = stream.filter((event) => event.at <= at)
  const counted = events.reduce(uncounted(attemptId), Credentials.initial).state
  const inDoubt = events.length === stream.length ? held : 0
  const key = counted && { ...counted, usedCount: counted.usedCount + inDoubt }
  const judged = judge(lock, key, by, userId, at, isDisputed)
  if (lock === undefined || key === undefined) return { ...judged, nextChangeAt: undefined, facts: { events: [] } }
  const { id, link, validFrom, validUntil, grantedBy } = key
  const status = sharedStatusAt(key, at)
  const doors = doorsAt(key, lock).map(({ id, accessMethod }) => ({ id, accessMethod }))
  const terms = events.filter((event) => !isUse(event))
  const facts = [...(doors.length === 0 ? [] : giving), ...terms].sort((a, b) => a.position - b.position)
  return {
    ...judged,
    nextChangeAt: key.revokedAt === undefined ? nextChangeAt(key, at) : undefined,
    facts: { sharedKey: { id, uuid: link, validFrom, validUntil, status, doors, grantedBy }, events: facts.map(factOf) }
  }
}

const isUse = ({ type }: StoredEvent): boolean =>
  type === "SharedCredentialUsed" || type === "SharedCredentialUseReturned"

/** An attempt was judged before it counted: the use that it led to itself is left out. */
const uncounted = (attemptId: string | undefined) => (before: typeof Credentials.initial, stored: StoredEvent) => {
  const after = Credentials.next(before, stored)
  return isUse(stored) && `${stored.commandId}-1` === attemptId ? { ...after, state: before.state } : after
}

const judge = (
  lock: Lock | undefined,
  key: SharedCredential | undefined,
  by: "link" | "PIN",
  userId: string | undefined,
  at: number,
  isDisputed: boolean
): Judged => {
  if (lock === undefined) return noSuchLock
  const doors = key === undefined ? [] : doorsAt(key, lock)
  if (key === undefined || doors[0] === undefined) {
    return by === "PIN"
      ? { allowed: false, rule: "unknown-pin", message: "No key of this lock had this PIN." }
      : { allowed: false, rule: "no-such-key", message: "This lock had no such key." }
  }
  const status = sharedStatusAt(key, at)
  if (status !== "valid") {
    const rule = status === "deleted" ? status : ruleAt(key, at)
    return { allowed: false, rule, message: `The shared key was ${rule === "suspended" ? rule : status}.` }
  }
  if (!admits(key, userId)) return { allowed: false, rule: "whitelist", message: "The shared key was for other users." }
  const isOpen =
    by === "PIN"
      ? doorForPin(key, lock.lockId, userId, at) !== undefined
      : doors.some((door) => linkHindrance(key, door, key.link, userId, at) === undefined)
  if (!isOpen) {
    return by === "PIN"
      ? { allowed: false, rule: "link-needed", message: "The door opens with the link only." }
      : { allowed: false, rule: "pin-needed", message: pinNeeded }
  }
  if (!doors.some((door) => isGiven(key, door, lock)))
    return { allowed: false, rule: "withdrawn", message: "The giver of the key may no longer give keys to this lock." }
  const message = by === "PIN" ? "The PIN opens the lock." : "The shared key opens the lock."
  return hindranceAt(lock, isDisputed) ?? { allowed: true, rule: "valid", message }
}

export const pinNeeded = "The door opens with the PIN only."

const doorsAt = ({ doors }: SharedCredential, { lockId }: Lock) => doors.filter((door) => door.lockId === lockId)
