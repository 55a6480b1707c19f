/**
 * Temp keys: a validity window, in it perhaps weekly ones, an optional limit on uses, open to everyone who has the link
 * or to named users.
 * Pure rules; the instant always comes with the question.
 */
import { Schema } from "effect"
import { isOpenAt, nextTurn, Schedule, sameSchedule } from "../values/Schedule.ts"
import { edgeOf, Instant, isUuid, millisOf, Text, UuidText } from "../values/Text.ts"
import { zoneNamed } from "../values/TimeZone.ts"
import { Giver } from "./Giver.ts"

/** `public`: everyone who has the link; `user-whitelist`: the named users. */
export const AccessMode = Schema.Literals(["public", "user-whitelist"])
export type AccessMode = typeof AccessMode.Type

/** How often a key may be used; `null` is without limit. */
export const MaxUses = Schema.NullOr(Schema.Int.check(Schema.isGreaterThan(0)))

/** What a temp key is at an instant. */
export const TempKeyStatus = Schema.Literals(["valid", "expired", "used-up", "not-yet-valid"])
export type TempKeyStatus = typeof TempKeyStatus.Type

/** Links of temp keys are compared without regard to case (RFC 9562, section 4). */
export const canonical = (uuid: string): string => uuid.toLowerCase()

/** A lock's own temp key: its terms, and how often it was used. */
export const TempKey = Schema.Struct({
  /** Its link: anyone who has it may open, so it is shown only to those who may give the key away. */
  uuid: UuidText,
  /** Names it for good and is no secret. */
  id: Schema.String,
  accessMode: AccessMode,
  allowedUserIds: Schema.Array(UuidText),
  validFrom: Instant,
  validUntil: Instant,
  maxUses: MaxUses,
  /** Without one, the key opens all the time between `validFrom` and `validUntil`. */
  schedule: Schema.optionalKey(Schedule),
  usedCount: Schema.Int,
  /** When uses were last given back, epoch milliseconds, as many as count towards the most of a day. */
  returnedAt: Schema.optionalKey(Schema.Array(Schema.Int)),
  description: Schema.optionalKey(Text),
  /** Opens nothing until it is resumed. */
  suspended: Schema.optionalKey(Schema.Literal(true)),
  createdAt: Schema.String,
  createdBy: Schema.String,
  /** Whose right it is that lets guests in. An update leaves it as it is. */
  giver: Giver,
  /** Version of the event that created it; orders the keys of a lock. */
  createdVersion: Schema.Int
})
export type TempKey = typeof TempKey.Type

/** A temp key of either kind without whom it is for, who made it, and what was written on it. */
export const withoutGuests = <
  Key extends {
    readonly allowedUserIds: ReadonlyArray<string>
    readonly createdBy: string
    readonly description?: string | undefined
  }
>({
  description: _,
  ...key
}: Key) => ({ ...key, allowedUserIds: [], createdBy: "" })

/** Uses of one key that are given back within 24 hours, at most: a lock that fails again and again is no key without limit. */
export const MOST_RETURNED = 3
const DAY = 24 * 60 * 60 * 1000

/** How often a key was used, whatever it opens. */
interface Used {
  readonly usedCount: number
  readonly returnedAt?: ReadonlyArray<number>
}

/** Whether another use may be given back now, epoch milliseconds. */
export const mayReturn = ({ usedCount, returnedAt = [] }: Used, now: number): boolean =>
  usedCount > 0 && returnedAt.filter((at) => now - at < DAY).length < MOST_RETURNED

/** The key with one use given back. */
export const withReturned = <Key extends Used>(key: Key, usedCount: number, at: number): Key => ({
  ...key,
  usedCount,
  returnedAt: [...(key.returnedAt ?? []), at].slice(-MOST_RETURNED)
})

/** The terms of a temp key, whatever it opens: the part that an update may change. */
export interface Terms {
  readonly accessMode: AccessMode
  /** As their issuer writes them. */
  readonly allowedUserIds: ReadonlyArray<string>
  readonly validFrom: string
  readonly validUntil: string
  readonly maxUses: number | null
  readonly schedule?: Schedule
  readonly description?: string
}

/** What decides over the status of a temp key, whatever it opens. */
export type Standing = Pick<Terms, "validFrom" | "validUntil" | "maxUses" | "schedule"> &
  Pick<TempKey, "usedCount" | "suspended">

/** A `schedule` or `description` of `null` takes it away. */
export type TempKeyChanges = { readonly [K in Exclude<keyof Terms, "schedule" | "description">]?: Terms[K] } & {
  readonly schedule?: Schedule | null
  readonly description?: string | null
}

/** Why terms are no temp key at all; `undefined` when they are fine. */
export const flawOf = (
  terms: Omit<Terms, "schedule" | "description">
): "empty-window" | "empty-whitelist" | undefined => {
  if (millisOf(terms.validUntil) <= millisOf(terms.validFrom)) return "empty-window"
  if (terms.accessMode === "user-whitelist" && terms.allowedUserIds.length === 0) return "empty-whitelist"
  return undefined
}

/** What decides over the status of a key: the first of them that stands in the way, or `valid` when none does. */
export const TempKeyRule = Schema.Literals([
  "valid-until",
  "max-uses",
  "suspended",
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
export const ruleAt = (key: Standing, now: number): TempKeyRule => {
  if (now >= edgeOf(key.validUntil)) return "valid-until"
  if (isUsedUp(key)) return "max-uses"
  if (key.suspended === true) return "suspended"
  if (now < edgeOf(key.validFrom)) return "valid-from"
  if (key.schedule === undefined || isOpenAt(key.schedule, now)) return "valid"
  return zoneNamed(key.schedule.timeZone) === undefined ? "unknown-time-zone" : "schedule"
}

const statusBy: { readonly [Rule in TempKeyRule]: TempKeyStatus } = {
  "valid-until": "expired",
  "max-uses": "used-up",
  suspended: "not-yet-valid",
  "valid-from": "not-yet-valid",
  "unknown-time-zone": "not-yet-valid",
  schedule: "not-yet-valid",
  valid: "valid"
}

/**
 * Status at an instant (epoch milliseconds). Between the windows of its schedule, and while it is suspended, a key is not
 * yet valid.
 *
 * @example
 * ```ts
 * statusAt(key, Date.parse("2026-08-31T09:00:00Z")) // "valid", "not-yet-valid", "expired", …
 * ```
 */
export const statusAt = (key: Standing, now: number): TempKeyStatus => statusBy[ruleAt(key, now)]

/** The next instant after `now` (epoch milliseconds) at which time alone changes the status; none once it has expired. */
export const nextChangeAt = (key: Standing, now: number): number | undefined => {
  const from = edgeOf(key.validFrom)
  const until = edgeOf(key.validUntil)
  if (now >= until) return undefined
  if (isUsedUp(key) || key.suspended === true) return until
  const { schedule } = key
  if (now < from && (schedule === undefined || isOpenAt(schedule, from))) return Math.min(from, until)
  return (schedule && nextTurn(schedule, Math.max(now, from), until)) ?? until
}

const isUsedUp = ({ maxUses, usedCount }: Standing): boolean => maxUses !== null && usedCount >= maxUses

/** Whether this user may use the key; nobody in particular may use a public one. */
export const admits = (key: Pick<Terms, "accessMode" | "allowedUserIds">, userId: string | undefined): boolean =>
  key.accessMode === "public" ||
  (userId !== undefined && userId !== "" && key.allowedUserIds.some((allowed) => isSameUser(allowed, userId)))

/** Ids of users are their issuer's: only those that are UUIDs are the same in another case. */
const isSameUser = (a: string, b: string): boolean => userIdOf(a) === userIdOf(b)

const userIdOf = (userId: string): string => (isUuid(userId) ? canonical(userId) : userId)

/** What an update really changes: fields that it names and that are not so already. */
export const changesTo = (key: Terms, update: TempKeyChanges): TempKeyChanges => {
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
  if (update.description !== undefined && (update.description ?? undefined) !== key.description) {
    changes.description = update.description
  }
  return changes
}

/** The key with these changes made. */
export const changed = <Key extends Terms>(key: Key, { schedule, description, ...changes }: TempKeyChanges): Key => {
  const next = { ...key, ...changes }
  if (schedule !== undefined) setOrLeaveOut(next, "schedule", schedule)
  if (description !== undefined) setOrLeaveOut(next, "description", description)
  return next
}

/** Sets a field of an object that nobody else has yet, or takes it away. */
const setOrLeaveOut = <Field extends "schedule" | "description">(
  key: { -readonly [K in Field]?: Terms[K] },
  field: Field,
  value: Terms[Field] | null
): void => {
  if (value === null) delete key[field]
  else key[field] = value
}

const sameTerms = (a: Schedule | undefined, b: Schedule | undefined): boolean =>
  a === undefined || b === undefined ? a === b : sameSchedule(a, b)

const sameMembers = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => {
  const left = new Set(a.map(userIdOf))
  const right = new Set(b.map(userIdOf))
  return left.size === right.size && [...left].every((id) => right.has(id))
}
