/** What an API key is limited to: less than all that its organization may, so that a keypad holds no more than it needs. */
import { Schema } from "effect"

/**
 * What a key may be for:
 *
 * - `open`: to open
 * - `read`: to ask
 * - `keys`: keys, and who lives there
 * - `temp-keys`: temp keys, whose links open: also to list them
 * - `admin`: all of these, whose a lock is, and API keys
 */
export const SCOPES = ["open", "read", "keys", "temp-keys", "admin"] as const
/** One of them. */
export const Scope = Schema.Literals(SCOPES)
export type Scope = typeof Scope.Type

/** What is not given is not limited; API keys are managed only by keys that say `admin`. */
export const Limits = Schema.Struct({
  scopes: Schema.optionalKey(Schema.Array(Scope)),
  /** By number. */
  locks: Schema.optionalKey(Schema.Array(Schema.Int))
})
export type Limits = typeof Limits.Type

/** Whether the limits let something be done at all, to whichever lock. */
export const allows = ({ scopes }: Limits, scope: Scope): boolean =>
  scopes === undefined || scopes.includes("admin") || scopes.includes(scope)

/** Whether they reach a lock; without one, everything that the organization has. */
export const reaches = ({ locks }: Limits, lockId: number | undefined): boolean =>
  locks === undefined || (lockId !== undefined && locks.includes(lockId))

/**
 * Whether a key with these limits can do nothing that one with those others cannot.
 *
 * @example
 * ```ts
 * isWithin({ scopes: ["open"], locks: [7] }, { scopes: ["open", "read"] }) // true
 * ```
 */
export const isWithin = (limits: Limits, others: Limits): boolean => {
  const isForAsMuch = (scope: Scope) =>
    // Only who says so manages API keys.
    scope === "admin" ? others.scopes?.includes(scope) === true : allows(others, scope)
  return (
    (limits.scopes === undefined ? allows(others, "admin") : limits.scopes.every(isForAsMuch)) &&
    (others.locks === undefined || (limits.locks?.every((lockId) => reaches(others, lockId)) ?? false))
  )
}
