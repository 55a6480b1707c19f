/**
 * Temp keys: a validity window, in it perhaps weekly ones, an optional limit on uses, open to everyone who has the link
 * or to named users.
 * Pure rules; the instant always comes with the question.
 */
import { Schema } from "effect"
import { isOpenAt, nextTurn, Schedule, sameSchedule } from "../values/Schedule.ts"
import { edgeOf, Instant, millisOf, Text, UuidText } from "../values/Text.ts"
import { zoneNamed } from "../values/TimeZone.ts"

/** `public`: everyone who has the link; `user-whitelist`: the named users. */
export const AccessMode = Schema.Literals(["public", "user-whitelist"])
export type AccessMode = typeof AccessMode.Type

/** How often a key may be used; `null` is without limit. */
export const MaxUses = Schema.NullOr(Schema.Int.check(Schema.isGreaterThan(0)))

/** What a temp key is at an instant. */
export const TempKeyStatus = Schema.Literals(["valid", "expired", "used-up", "not-yet-valid"])
export type TempKeyStatus = typeof TempKeyStatus.Type

/** Ids of temp keys and of whitelisted users are compared without regard to case (RFC 9562, section 4). */
export const canonical = (uuid: string): string => uuid.toLowerCase()

/** A lock's own temp key: its terms, and how often it was used. */
export const TempKey = Schema.Struct({
  uuid: UuidText,
  accessMode: AccessMode,
  allowedUserIds: Schema.Array(UuidText),
  validFrom: Instant,
  validUntil: Instant,
  maxUses: MaxUses,
  /** Without one, the key opens all the time between `validFrom` and `validUntil`. */
  schedule: Schema.optionalKey(Schedule),
  usedCount: Schema.Int,
  description: Schema.optionalKey(Text),
  createdAt: Schema.String,
  createdBy: Schema.String,
  /** Version of the event that created it; orders the keys of a lock. */
  createdVersion: Schema.Int
})
export type TempKey = typeof TempKey.Type

/** The part of a temp key that an update may change. */
export type TempKeyTerms = Pick<
  TempKey,
  "accessMode" | "allowedUserIds" | "validFrom" | "validUntil" | "maxUses" | "schedule"
>
/** A `schedule` of `null` takes the schedule away. */
export type TempKeyChanges = { readonly [K in Exclude<keyof TempKeyTerms, "schedule">]?: TempKeyTerms[K] } & {
  readonly schedule?: Schedule | null
}

/** Why terms are no temp key at all; `undefined` when they are fine. */
export const flawOf = (terms: TempKeyTerms): "empty-window" | "empty-whitelist" | undefined => {
  if (millisOf(terms.validUntil) <= millisOf(terms.validFrom)) return "empty-window"
  if (terms.accessMode === "user-whitelist" && terms.allowedUserIds.length === 0) return "empty-whitelist"
  return undefined
}

/** What decides over the status of a key: the first of them that stands in the way, or `valid` when none does. */
export const TempKeyRule = Schema.Literals([
  "valid-until",
  "max-uses",
  "valid-from",
  "unknown-time-zone",
  "schedule",
  "valid"
])
export type TempKeyRule = typeof TempKeyRule.Type

/**
 * The rule that decides at an instant (epoch milliseconds). Windows are half-open: valid from `validFrom`, no more at
 * `validUntil`. A schedule whose time zone the runtime does not know is closed.
 */
export const ruleAt = (key: TempKey, now: number): TempKeyRule => {
  if (now >= edgeOf(key.validUntil)) return "valid-until"
  if (isUsedUp(key)) return "max-uses"
  if (now < edgeOf(key.validFrom)) return "valid-from"
  if (key.schedule === undefined || isOpenAt(key.schedule, now)) return "valid"
  return zoneNamed(key.schedule.timeZone) === undefined ? "unknown-time-zone" : "schedule"
}

const statusBy: { readonly [Rule in TempKeyRule]: TempKeyStatus } = {
  "valid-until": "expired",
  "max-uses": "used-up",
  "valid-from": "not-yet-valid",
  "unknown-time-zone": "not-yet-valid",
  schedule: "not-yet-valid",
  valid: "valid"
}

/**
 * Status at an instant (epoch milliseconds). Between the windows of its schedule a key is not yet valid.
 *
 * @example
 * ```ts
 * statusAt(key, Date.parse("2026-08-31T09:00:00Z")) // "valid", "not-yet-valid", "expired", …
 * ```
 */
export const statusAt = (key: TempKey, now: number): TempKeyStatus => statusBy[ruleAt(key, now)]

/** The next instant after `now` (epoch milliseconds) at which time alone changes the status; none once it has expired. */
export const nextChangeAt = (key: TempKey, now: number): number | undefined => {
  const from = edgeOf(key.validFrom)
  const until = edgeOf(key.validUntil)
  if (now >= until) return undefined
  if (isUsedUp(key)) return until
  const { schedule } = key
  if (now < from && (schedule === undefined || isOpenAt(schedule, from))) return Math.min(from, until)
  return (schedule && nextTurn(schedule, Math.max(now, from), until)) ?? until
}

const isUsedUp = ({ maxUses, usedCount }: TempKey): boolean => maxUses !== null && usedCount >= maxUses

/** Whether this user may use the key; nobody in particular may use a public one. */
export const admits = (key: TempKey, userId: string | undefined): boolean =>
  key.accessMode === "public" ||
  (userId !== undefined &&
    userId !== "" &&
    key.allowedUserIds.some((allowed) => canonical(allowed) === canonical(userId)))

/** What an update really changes: fields that it names and that are not so already. */
export const changesTo = (key: TempKey, update: TempKeyChanges): TempKeyChanges => {
  const changes: { -readonly [K in keyof TempKeyChanges]: TempKeyChanges[K] } = {}
  if (update.accessMode !== undefined && update.accessMode !== key.accessMode) changes.accessMode = update.accessMode
  if (update.maxUses !== undefined && update.maxUses !== key.maxUses) changes.maxUses = update.maxUses
  if (update.validFrom !== undefined && millisOf(update.validFrom) !== millisOf(key.validFrom)) {
    changes.validFrom = update.validFrom
  }
  if (update.validUntil !== undefined && millisOf(update.validUntil) !== millisOf(key.validUntil)) {
    changes.validUntil = update.validUntil
  }
  if (update.allowedUserIds !== undefined && !sameMembers(update.allowedUserIds, key.allowedUserIds)) {
    changes.allowedUserIds = update.allowedUserIds
  }
  if (update.schedule !== undefined && !sameTerms(update.schedule ?? undefined, key.schedule)) {
    changes.schedule = update.schedule
  }
  return changes
}

/** The key with these changes made. */
export const changed = (key: TempKey, { schedule, ...changes }: TempKeyChanges): TempKey => {
  if (schedule === undefined) return { ...key, ...changes }
  const { schedule: _, ...rest } = key
  return schedule === null ? { ...rest, ...changes } : { ...rest, ...changes, schedule }
}

const sameTerms = (a: Schedule | undefined, b: Schedule | undefined): boolean =>
  a === undefined || b === undefined ? a === b : sameSchedule(a, b)

const sameMembers = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => {
  const left = new Set(a.map(canonical))
  const right = new Set(b.map(canonical))
  return left.size === right.size && [...left].every((id) => right.has(id))
}
