/** Which principal may do what with which lock. Pure; nothing else in Latchkey decides about access. */
import { Result } from "effect"
import { OPERATOR } from "../access/ApiKeys.ts"
import { allows, isWithin, type Limits, reaches, type Scope } from "../values/Limits.ts"
import { isOrganization, isUser, limitsOf, type Principal } from "../values/Principal.ts"
import type { Giver, Hands } from "./Giver.ts"
import type { HeldKey, Lock } from "./Lock.ts"
import { type commandTable, type Right, rowOf } from "./LockCommands.ts"
import { AccessDenied } from "./LockError.ts"
import { isOwnTime, wasEver } from "./OwnTime.ts"
import type { Times } from "./Period.ts"

/**
 * Questions about one lock, who may ask them, and what an API key must be for: `ever` those whose it is, or once was, about
 * their own time.
 */
const questions = {
  "basic-info": { who: "holder", scope: "read" },
  details: { who: "owner", scope: "read" },
  /** What became of a command: key holders are told of their own. */
  commands: { who: "holder", scope: "read" },
  residents: { who: "owner", scope: "read" },
  events: { who: "ever", scope: "read" },
  attempts: { who: "ever", scope: "read" },
  audit: { who: "ever", scope: "read" },
  // Their links open.
  "temp-keys": { who: "owner", scope: "temp-keys" },
  "bulk-add-keys": { who: "owner", scope: "keys" },
  "remove-inherited-keys": { who: "owner", scope: "keys" },
  exposure: { who: "owner", scope: "read" },
  presence: { who: "owner", scope: "read" },
  explain: { who: "ever", scope: "read" },
  "simulate-update-temp-key": { who: "owner", scope: "temp-keys" }
} as const satisfies { readonly [question: string]: { readonly who: Right | "ever"; readonly scope: Scope } }
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
  const { who, scope } = isQuestion(action) ? questions[action] : rowOf(action)
  if (!isGranted(who, principal, lock)) return denied(action, needed[who])
  // What everybody may, a key need not be for.
  return who === "anyone" ? allowed : permitKey(principal, scope, action, lock.lockId)
}

/**
 * Whether the API key that the principal came with, if they came with one, is for this.
 *
 * @param lockId without one, it is about everything that the organization has
 */
export const permitKey = (
  principal: Principal,
  scope: Scope,
  action: string,
  lockId?: number
): Result.Result<void, AccessDenied> => {
  const limits = limitsOf(principal)
  if (limits === undefined) return allowed
  const permitted = permitScope(principal, scope, action)
  if (Result.isFailure(permitted) || reaches(limits, lockId)) return permitted
  return denied(action, lockId === undefined ? "an API key for all locks" : "an API key for this lock")
}

/** The same, whichever locks it is about: those that the key is not for are left out; see `isShown`. */
export const permitScope = (principal: Principal, scope: Scope, action: string): Result.Result<void, AccessDenied> =>
  allows(limitsOf(principal) ?? {}, scope) ? allowed : denied(action, `an API key with the scope "${scope}"`)

const isQuestion = (action: string): action is LockQuestion => Object.hasOwn(questions, action)

const isGranted = (right: Right | "ever", principal: Principal, lock: Lock): boolean => {
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
    case "keeper":
      return isGranted((lock.orgId ?? "") === "" ? "owner" : "organization", principal, lock)
    case "ever":
      return wasEver(principal, lock)
    case "holder":
      return isGranted("owner", principal, lock) || lock.keys.some((key) => isHolder(principal, key, lock))
  }
}

/**
 * Whether what they gave still stands on a lock that is in these hands: at every use of every key, temp key, door and PIN
 * its giver must still be allowed to give it. When a lock changes hands, what rests on the former side ends, and is back
 * with them; what the owner gave does not end with the organization, nor the other way round.
 *
 * @example
 * ```ts
 * stands({ _tag: "User", userId: "ann" }, { ownerId: "ben" }) // false
 * ```
 */
export const stands = (giver: Giver, hands: Hands): boolean => {
  switch (giver._tag) {
    case "User":
      return isUser(giver, hands.ownerId)
    case "Organization":
      return isOrganization(giver, hands.orgId)
    case "Operator":
      return (
        (giver.ownerId === undefined || giver.ownerId === hands.ownerId) &&
        (giver.orgId === undefined || giver.orgId === hands.orgId)
      )
  }
}

/** The same, as a permission. */
export const permitGiven = (giver: Giver, lock: Lock, action: string): Result.Result<void, AccessDenied> =>
  stands(giver, lock) ? allowed : denied(action, needed.owner)

/** Whether the principal holds this key of the lock, by a right that still stands. */
export const isHolder = (principal: Principal, key: HeldKey, hands: Hands): boolean =>
  isUser(principal, key.userId) && stands(key.giver, hands)

/**
 * Whether the principal may be told the link of a temp key. A key that a former side gave opens again once the lock is back
 * with them, for anyone who knows its link. Those who have the lock meanwhile see its id, by which they can end it.
 *
 * @example
 * ```ts
 * mayKnowLink(buyer, { _tag: "User", userId: "seller" }, { ownerId: "buyer" }) // false
 * ```
 */
export const mayKnowLink = (principal: Principal, giver: Giver, hands: Hands): boolean =>
  principal._tag === "Super" || principal._tag === "System" || stands(giver, hands) || isGiver(principal, giver)

/**
 * Whether the principal may be told whom a temp key is for, who made it, and what was written on it: they may, of what
 * stands, and of what was made in their own time.
 */
export const mayKnowGuests = (
  principal: Principal,
  { giver, createdVersion }: { readonly giver: Giver; readonly createdVersion: number },
  lock: Hands & Times
): boolean => stands(giver, lock) || isOwnTime(principal, lock, createdVersion)

const isGiver = (principal: Principal, giver: Giver): boolean =>
  (giver._tag === "User" && isUser(principal, giver.userId)) ||
  (giver._tag === "Organization" && isOrganization(principal, giver.orgId))

/** What each right takes, in the words of a refusal. */
const needed: { readonly [Granted in Right | "ever"]: string } = {
  owner: "the owner or the organization of the lock",
  keeper: "an API key of the lock's organization, or its owner where it has none",
  ever: "the owner or the organization of the lock, now or at an earlier time",
  holder: "the owner, a key holder or the organization of the lock",
  organization: "an API key of the lock's organization",
  operator: "a super key",
  anyone: "nothing",
  device: "a device's own report"
}

/** Whether the principal may create a lock for this owner: users only for themselves, guests never. */
export const permitCreate = (
  principal: Principal,
  ownerId: string | undefined,
  lockId: number
): Result.Result<void, AccessDenied> => {
  switch (principal._tag) {
    case "User":
      return isUser(principal, ownerId ?? principal.userId)
        ? allowed
        : denied("CreateLock", "an ownerId that is your own, or an API key")
    case "Organization":
      return isOrganization(principal, principal.orgId)
        ? permitKey(principal, rowOf("CreateLock").scope, "CreateLock", lockId)
        : denied("CreateLock", "an organization with a name")
    case "Guest":
      return denied("CreateLock", "a user's token, or an API key")
    default:
      return permitKey(principal, rowOf("CreateLock").scope, "CreateLock", lockId)
  }
}

/**
 * Whether the principal may ask about `/users/{id}/…`: users only their own; organizations see their own locks there, and their
 * keys those that they are for; see `isShown`.
 */
export const permitUser = (
  principal: Principal,
  userId: string,
  scope: Scope = "read"
): Result.Result<void, AccessDenied> =>
  principal._tag === "Super" ||
  principal._tag === "System" ||
  isUser(principal, userId) ||
  (principal._tag === "Organization" && isOrganization(principal, principal.orgId))
    ? permitScope(principal, scope, scope === "read" ? "Reading a user's locks" : "Removing a user's keys")
    : denied("Reading another user's locks", "that user's own token, or an API key")

/**
 * Whether the principal may ask for lists of locks: users see their own, organizations those that they have, and their keys
 * those that they are for.
 */
export const permitLists = (principal: Principal): Result.Result<void, AccessDenied> =>
  principal._tag === "Super" ||
  principal._tag === "System" ||
  (principal._tag === "User" && isUser(principal, principal.userId)) ||
  (principal._tag === "Organization" && isOrganization(principal, principal.orgId))
    ? permitScope(principal, "read", "Reading locks")
    : denied("Reading locks", "a user's token, or an API key")

/** Whether the principal is shown the links of temp keys, where they are shown at all: a key that is not for them is not. */
export const seesLinks = (principal: Principal): boolean => allows(limitsOf(principal) ?? {}, "temp-keys")

/** Whether a lock that the principal has is shown to the API key that they came with. */
export const isShown = (principal: Principal, lockId: number): boolean => reaches(limitsOf(principal) ?? {}, lockId)

/**
 * The organization whose API keys the principal manages: an organization its own, with a key that says `admin` or that the
 * operator configured; super keys that of any.
 *
 * @param asked the organization that is named, if one is
 */
export const permitApiKeys = (principal: Principal, asked?: string): Result.Result<string, AccessDenied> => {
  const action = "Managing API keys"
  const limits = limitsOf(principal)
  switch (principal._tag) {
    case "Organization":
      if (!isOrganization(principal, asked ?? principal.orgId)) return denied(action, "an API key of that organization")
      // In the log are keys of before there were scopes: they never managed others.
      return (limits === undefined ? principal.keyId === undefined : limits.scopes?.includes("admin"))
        ? Result.succeed(principal.orgId)
        : denied(action, needsAdmin)
    case "Super":
      if (!allows(limits ?? {}, "admin")) return denied(action, needsAdmin)
      return asked === undefined || asked === "" || asked === OPERATOR
        ? denied(action, "the name of an organization; keys of the operator are made on the command line")
        : Result.succeed(asked)
    default:
      return denied(action, "an API key")
  }
}

const needsAdmin = 'an API key with the scope "admin"'

/** Whether the principal may make, see and revoke an API key with these limits: none that can do more than theirs. */
export const permitApiKey = (principal: Principal, limits: Limits): Result.Result<void, AccessDenied> => {
  const own = limitsOf(principal)
  return own === undefined || isWithin(limits, own)
    ? allowed
    : denied("An API key that can do more than your own", "a key that can do as much itself")
}

const allowed: Result.Result<void, never> = Result.succeed(undefined)

const denied = (action: string, needed: string): Result.Result<never, AccessDenied> =>
  Result.fail(new AccessDenied({ action, needed }))
