/** What the fields of a request to a lock may hold. */
import { Schema } from "effect"
import { DateTime, Instant, textUpTo, UuidText } from "../values/Text.ts"

/**
 * How long texts and lists of a request may be, and how much a lock may hold. What was stored before may be longer, and
 * loads as it is.
 */
export const BOUNDS = {
  /** Characters of the id of a key, a user, an organization or a request. */
  id: 255,
  name: 200,
  email: 320,
  phoneNumber: 64,
  reason: 2_000,
  description: 2_000,
  address: 500,
  contact: 500,
  /** Characters of a secret or a code that is presented. */
  proof: 200,
  /** Characters of an instant; what is beyond milliseconds is not looked at. */
  instant: 40,
  /** Keys of one BulkAddKeys. */
  bulkKeys: 500,
  /** Users of one whitelist. */
  allowedUsers: 100,
  keys: 1_000,
  residents: 200,
  tempKeys: 5_000,
  /** Deleted ones included: their uuids are not given out again. */
  tempKeysEver: 50_000,
  /** Users in the whitelists of all temp keys together, and windows in their schedules. */
  usersAndWindows: 20_000
} as const

export const NonEmptyText = textUpTo(BOUNDS.id).check(Schema.isMinLength(1))
export const Id = textUpTo(BOUNDS.id)
export const optionalId = Schema.optionalKey(Id)
export const Email = Schema.optionalKey(textUpTo(BOUNDS.email))
export const PhoneNumber = Schema.optionalKey(textUpTo(BOUNDS.phoneNumber))
const shortInstant = Schema.isMaxLength(BOUNDS.instant, { expected: `at most ${BOUNDS.instant} characters` })
export const listUpTo = (most: number, what: string) =>
  Schema.isMaxLength(most, { expected: `at most ${most} ${what}` })
export const Whitelist = Schema.optionalKey(Schema.Array(UuidText).check(listUpTo(BOUNDS.allowedUsers, "users")))
/** An instant as a request may say it. */
export const NewInstant = Instant.check(shortInstant)
export const NewDateTime = DateTime.check(shortInstant)
export const PlateText = Schema.String.check(
  Schema.isMaxLength(800),
  Schema.isPattern(/^[a-zA-Z0-9_.,@/:#=[\]-]*$/u, { expected: "letters, digits and _ . , @ / : # = [ ] -" })
)
export const Description = textUpTo(BOUNDS.description)
export const Slot = Schema.optionalKey(Schema.Int)

/** Refuses a list in which two elements have the same of something; those that have none of it are not compared. */
export const distinct = <A>(of: (key: A) => unknown, message: string) =>
  Schema.makeFilter((keys: ReadonlyArray<A>) => {
    const given = keys.map(of).filter((value) => value !== undefined)
    return new Set(given).size === given.length || message
  })
