/** Which principal may do what with which lock. Pure; nothing else in Latchkey decides about access. */
import { Result } from "effect"
import { isOrganization, isUser, type Principal } from "../values/Principal.ts"
import type { Lock } from "./Lock.ts"
import type { LockCommand, LockRequest } from "./LockCommand.ts"
import { AccessDenied } from "./LockError.ts"

/** Questions about one lock. */
export type LockQuestion =
  | "basic-info"
  | "details"
  | "residents"
  | "events"
  | "temp-keys"
  | "bulk-add-keys"
  | "explain"
  | "simulate-update-temp-key"

/** Whether the principal may ask this of the lock. The lock is there: what is asked of no lock is refused as not found. */
export const permit = (
  principal: Principal,
  lock: Lock,
  action: LockRequest["_tag"] | LockCommand["_tag"] | LockQuestion
): Result.Result<void, AccessDenied> => {
  if (action === "RecordOutcome") return principal._tag === "System" ? allowed : denied(action, "a device's own report")
  // Whoever holds a temp key may try to open with it; the key's own rules decide.
  if (principal._tag === "Super" || principal._tag === "System" || action === "OpenWithTempKey") return allowed
  const isItsOrganization = isOrganization(principal, lock.orgId)
  const isOwner = isUser(principal, lock.ownerId)
  switch (action) {
    case "ChangeLockUuid":
      return denied(action, "a super key")
    case "SetOrganization":
    case "UseTempKey":
      return isItsOrganization ? allowed : denied(action, "an API key of the lock's organization")
    case "OpenLock":
    case "basic-info":
      return isItsOrganization || isOwner || holdsKey(principal, lock)
        ? allowed
        : denied(action, "the owner, a key holder or the organization of the lock")
    default:
      return isItsOrganization || isOwner ? allowed : denied(action, "the owner or the organization of the lock")
  }
}

/** Whether the principal may create a lock for this owner: users only for themselves, guests and nobody not at all. */
export const permitCreate = (principal: Principal, ownerId: string | undefined): Result.Result<void, AccessDenied> => {
  switch (principal._tag) {
    case "User":
      return isUser(principal, ownerId ?? principal.userId)
        ? allowed
        : denied("CreateLock", "an ownerId that is your own, or an API key")
    case "Organization":
      return isOrganization(principal, principal.orgId) ? allowed : denied("CreateLock", "an organization with a name")
    case "Guest":
      return denied("CreateLock", "a user's token, or an API key")
    default:
      return allowed
  }
}

/** Whether the principal may read `/users/{id}/…`: users only their own; organizations see their own locks there. */
export const permitUser = (principal: Principal, userId: string): Result.Result<void, AccessDenied> =>
  principal._tag === "Super" ||
  principal._tag === "System" ||
  isUser(principal, userId) ||
  (principal._tag === "Organization" && isOrganization(principal, principal.orgId))
    ? allowed
    : denied("Reading another user's locks", "that user's own token, or an API key")

const allowed: Result.Result<void, never> = Result.succeed(undefined)

const denied = (action: string, needed: string): Result.Result<never, AccessDenied> =>
  Result.fail(new AccessDenied({ action, needed }))

const holdsKey = (principal: Principal, lock: Lock): boolean => lock.keys.some((key) => isUser(principal, key.userId))
