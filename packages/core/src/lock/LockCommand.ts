/** What somebody asks of a lock, and the context it is asked in: who, when, and under which id. */
import { Schema } from "effect"
import { RequestReceipt } from "../streams/Receipts.ts"
import { Principal } from "../values/Principal.ts"
import { NewSchedule } from "../values/Schedule.ts"
import { DateTime, Instant, textUpTo, UuidText } from "../values/Text.ts"
import { LockId } from "./Lock.ts"
import type { AnsweredCommand } from "./SentCommand.ts"
import { AccessMode, MaxUses } from "./TempKey.ts"

/**
 * How long texts and lists of a request may be, and how much a lock may hold. What is stored already may be more: it
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
const Id = textUpTo(BOUNDS.id)
const optionalId = Schema.optionalKey(Id)
const Email = Schema.optionalKey(textUpTo(BOUNDS.email))
const PhoneNumber = Schema.optionalKey(textUpTo(BOUNDS.phoneNumber))
const shortInstant = Schema.isMaxLength(BOUNDS.instant, { expected: `at most ${BOUNDS.instant} characters` })
const listUpTo = (most: number, what: string) => Schema.isMaxLength(most, { expected: `at most ${most} ${what}` })
const Whitelist = Schema.optionalKey(Schema.Array(UuidText).check(listUpTo(BOUNDS.allowedUsers, "users")))
/** An instant as a request may say it. */
export const NewInstant = Instant.check(shortInstant)
export const NewDateTime = DateTime.check(shortInstant)
const PlateText = Schema.String.check(
  Schema.isMaxLength(800),
  Schema.isPattern(/^[a-zA-Z0-9_.,@/:#=[\]-]*$/, { expected: "letters, digits and _ . , @ / : # = [ ] -" })
)
export const Description = textUpTo(BOUNDS.description)
const Slot = Schema.optionalKey(Schema.Int)

const distinct = <A>(of: (key: A) => unknown, message: string) =>
  Schema.makeFilter((keys: ReadonlyArray<A>) => {
    const given = keys.map(of).filter((value) => value !== undefined)
    return new Set(given).size === given.length || message
  })

/** What may be asked of a lock. The bodies of the HTTP API are these, without the tag. */
export const LockRequest = Schema.TaggedUnion({
  CreateLock: {
    index: Schema.Int.check(Schema.isGreaterThan(0)),
    uuid: UuidText,
    serialNumber: Schema.optionalKey(PlateText),
    vendorName: Schema.optionalKey(PlateText),
    ownerId: optionalId,
    keys: Schema.optionalKey(
      Schema.Array(Schema.Struct({ uuid: Id, indexNumber: Slot, userId: optionalId })).check(
        listUpTo(BOUNDS.keys, "keys"),
        distinct((key) => key.uuid, "every key needs a uuid of its own"),
        distinct((key) => key.indexNumber, "every key needs a slot of its own")
      )
    )
  },
  AddKey: { keyUuid: NonEmptyText, keyIndexNumber: Slot, userId: optionalId },
  RemoveKey: { keyUuid: Schema.optionalKey(NonEmptyText), keyIndexNumber: Slot },
  WriteKey: { keyUuid: NonEmptyText, keyIndexNumber: Slot },
  /** Answers at once; the keys are added one by one in the background. */
  BulkAddKeys: {
    keys: Schema.NonEmptyArray(Schema.Struct({ keyUuid: Id, keyIndexNumber: Slot, userId: optionalId })).check(
      listUpTo(BOUNDS.bulkKeys, "keys")
    )
  },
  OpenLock: { requestId: optionalId, reason: Schema.optionalKey(textUpTo(BOUNDS.reason)) },
  SetOwner: { userId: Id },
  SetOrganization: { orgId: Id },
  ChangeLockUuid: { newUuid: UuidText },
  AddResident: {
    name: textUpTo(BOUNDS.name).check(Schema.isMinLength(1)),
    email: Email,
    phoneNumber: PhoneNumber,
    /** Without one, the resident's id is the command's. */
    userId: Schema.optionalKey(NonEmptyText)
  },
  RemoveResident: { email: Email, phoneNumber: PhoneNumber, userId: Schema.optionalKey(NonEmptyText) },
  CreateTempKey: {
    tempKeyUuid: UuidText,
    accessMode: AccessMode,
    allowedUserIds: Whitelist,
    validFrom: NewInstant,
    validUntil: NewInstant,
    maxUses: Schema.optionalKey(MaxUses),
    schedule: Schema.optionalKey(NewSchedule),
    description: Schema.optionalKey(Description)
  },
  UpdateTempKey: {
    tempKeyUuid: UuidText,
    validFrom: Schema.optionalKey(NewInstant),
    validUntil: Schema.optionalKey(NewInstant),
    maxUses: Schema.optionalKey(MaxUses),
    allowedUserIds: Whitelist,
    accessMode: Schema.optionalKey(AccessMode),
    /** `null` takes the schedule away. */
    schedule: Schema.optionalKey(Schema.NullOr(NewSchedule))
  },
  DeleteTempKey: { tempKeyUuid: UuidText },
  UseTempKey: { tempKeyUuid: UuidText, userId: Schema.optionalKey(UuidText) },
  /** Uses a temp key and opens the lock, in one append. */
  OpenWithTempKey: { tempKeyUuid: UuidText, userId: Schema.optionalKey(UuidText) }
})
export type LockRequest = typeof LockRequest.Type
export type LockRequestType = LockRequest["_tag"]

/** The context of a command. */
export const CommandContext = Schema.Struct({
  lockId: LockId,
  /** Unique to this command; ids of its events derive from it. */
  commandId: Schema.String,
  /** When it was asked, epoch milliseconds; no later and no earlier than a `Date` can say. */
  at: Schema.Int.check(Schema.isBetween({ minimum: -8.64e15, maximum: 8.64e15 })),
  principal: Principal,
  /** Makes a retried command answer what it answered the first time. */
  receipt: Schema.optionalKey(RequestReceipt)
})
export type CommandContext = typeof CommandContext.Type

/** What `DeviceReports` records when a device has answered a command; nobody can ask it from outside. */
export interface RecordOutcome {
  readonly _tag: "RecordOutcome"
  readonly answered: AnsweredCommand
}

/** Opens the lock as a door of a shared credential, which `SharedDoors.ts` has judged: nobody asks it of a lock. */
export interface OpenDoor {
  readonly _tag: "OpenDoor"
  readonly credentialUuid: string
  readonly doorId: number
  readonly by: "temp key" | "PIN"
  /** Whose right it is that lets the guest in. */
  readonly grantedBy: Principal
}

/** BulkAddKeys is no command of a single append: see `BulkAddKeys.ts`. */
export type LockCommand = CommandContext &
  (Exclude<LockRequest, { readonly _tag: "BulkAddKeys" }> | RecordOutcome | OpenDoor)
