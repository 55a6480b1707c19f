/** Which principal may do what with which lock. Pure; nothing else in Latchkey decides about access. */
import { Result } from "effect"
import { isOrganization, isUser, type Principal } from "../values/Principal.ts"
import type { Lock } from "./Lock.ts"
import { type commandTable, type Right, rowOf } from "./LockCommands.ts"
import { AccessDenied } from "./LockError.ts"

/** Questions about one lock, and who may ask them. */
const questions = {
  "basic-info": "holder",
  details: "owner",
  residents: "owner",
  events: "owner",
  "temp-keys": "owner",
  "bulk-add-keys": "owner",
  explain: "owner",
  "simulate-update-temp-key": "owner"
} as const satisfies { readonly [question: string]: Right }
export type LockQuestion = keyof typeof questions

/**
 * Whether the principal may ask this of the lock. The lock exists: for one that does not, the answer is `LockNotFound`.
 *
 * @example
 * ```ts
 * const permitted = permit({ _tag: "User", userId: "ann" }, lock, "OpenLock")
 * if (Result.isFailure(permitted)) console.log(permitted.failure.message)
 * ```
 */
export const permit = (
  principal: Principal,
  lock: Lock,
  action: keyof typeof commandTable | LockQuestion
): Result.Result<void, AccessDenied> => {
  const right = isQuestion(action) ? questions[action] : rowOf(action).who
  return isGranted(right, principal, lock) ? allowed : denied(action, needed[right])
}

const isQuestion = (action: string): action is LockQuestion => Object.hasOwn(questions, action)

const isGranted = (right: Right, principal: Principal, lock: Lock): boolean => {
  if (principal._tag === "System") return true
  switch (right) {
    case "anyone":
      return true
    case "device":
      return false
    case "operator":
      return principal._tag === "Super"
    case "organization":
      return principal._tag === "Super" || isOrganization(principal, lock.orgId)
    case "owner":
      return isGranted("organization", principal, lock) || isUser(principal, lock.ownerId)
    case "holder":
      return isGranted("owner", principal, lock) || lock.keys.some((key) => isUser(principal, key.userId))
  }
}

/** What each right takes, in the words of a refusal. */
const needed: { readonly [Granted in Right]: string } = {
  owner: "the owner or the organization of the lock",
  holder: "the owner, a key holder or the organization of the lock",
  organization: "an API key of the lock's organization",
  operator: "a super key",
  anyone: "nothing",
  device: "a device's own report"
}

/** Whether the principal may create a lock for this owner: users only for themselves, guests never. */
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
