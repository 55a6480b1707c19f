/** Whose events somebody may be told of. Pure. */
import { Result } from "effect"
import { OPERATOR } from "../access/ApiKeys.ts"
import { permitKey, permitScope } from "../lock/AccessPolicy.ts"
import { AccessDenied } from "../lock/LockError.ts"
import type { Scope } from "../values/Limits.ts"
import { limitsOf, type Principal } from "../values/Principal.ts"

const TELLING = "telling of an organization's events"

/**
 * The organization that is asked about: an organization asks about itself, the operator about any, or about all (`*`).
 *
 * @param asked the organization that the question names, if it names one
 * @param scope what an API key must be for; one that is for some locks alone is for none of this
 */
export const tenantOf = (
  principal: Principal,
  asked: string | undefined,
  scope: Scope
): Result.Result<string, AccessDenied> =>
  Result.flatMap(permitKey(principal, scope, TELLING), () => named(principal, asked))

/**
 * Whose events may be read, and of which locks: of all, unless one is asked about, or the API key is for some alone. Such
 * a key is told of those, and of nothing that is not of one lock.
 *
 * @example
 * ```ts
 * eventsFor({ _tag: "Organization", orgId: "acme", limits: { locks: [7, 9] } }, undefined)
 * // whose: "acme", lockIds: 7 and 9
 * ```
 */
export const eventsFor = (
  principal: Principal,
  asked: string | undefined,
  lockId?: number
): Result.Result<{ readonly whose: string; readonly lockIds: ReadonlySet<number> | undefined }, AccessDenied> => {
  const own = limitsOf(principal)?.locks
  const locks = lockId === undefined ? own : [lockId]
  const permitted =
    lockId === undefined ? permitScope(principal, "read", TELLING) : permitKey(principal, "read", TELLING, lockId)
  return Result.flatMap(permitted, () =>
    Result.map(named(principal, asked), (whose) => ({ whose, lockIds: locks && new Set(locks) }))
  )
}

const named = (principal: Principal, asked: string | undefined): Result.Result<string, AccessDenied> => {
  if (principal._tag === "Super") return Result.succeed(asked ?? OPERATOR)
  if (principal._tag === "Organization" && (asked === undefined || asked === principal.orgId))
    return Result.succeed(principal.orgId)
  return Result.fail(new AccessDenied({ action: TELLING, needed: "an API key of the organization, or a super key" }))
}
