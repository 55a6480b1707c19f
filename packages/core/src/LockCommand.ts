/** What somebody asks of a lock, and the context it is asked in: who, when, and under which id. */
import { Schema } from "effect"
import { Key, LockId } from "./Lock.ts"
import { Principal } from "./Principal.ts"
import { RequestReceipt } from "./Receipts.ts"
import { NewSchedule } from "./Schedule.ts"
import type { AnsweredCommand } from "./SentCommand.ts"
import { AccessMode, MaxUses } from "./TempKey.ts"
import { Instant, Text, UuidText } from "./Text.ts"

export const NonEmptyText = Text.check(Schema.isMinLength(1))
const optionalText = Schema.optionalKey(Text)
const PlateText = Schema.String.check(
  Schema.isMaxLength(800),
  Schema.isPattern(/^[a-zA-Z0-9_.,@/:#=[\]-]*$/, { expected: "letters, digits and _ . , @ / : # = [ ] -" })
)
/** Counted in characters, as JSON Schema counts, not in UTF-16 units. */
export const Description = Text.check(Schema.isPattern(/^[\s\S]{0,2000}$/u, { expected: "at most 2000 characters" }))
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
    ownerId: optionalText,
    keys: Schema.optionalKey(
      Schema.Array(Key).check(
        distinct((key) => key.uuid, "every key needs a uuid of its own"),
        distinct((key) => key.indexNumber, "every key needs a slot of its own")
      )
    )
  },
  AddKey: { keyUuid: NonEmptyText, keyIndexNumber: Slot, userId: optionalText },
  RemoveKey: { keyUuid: Schema.optionalKey(NonEmptyText), keyIndexNumber: Slot },
  WriteKey: { keyUuid: NonEmptyText, keyIndexNumber: Slot },
  /** Answers at once; the keys are added one by one in the background. */
  BulkAddKeys: {
    keys: Schema.NonEmptyArray(Schema.Struct({ keyUuid: Text, keyIndexNumber: Slot, userId: optionalText }))
  },
  OpenLock: { requestId: optionalText, reason: optionalText },
  SetOwner: { userId: Text },
  SetOrganization: { orgId: Text },
  ChangeLockUuid: { newUuid: UuidText },
  AddResident: {
    name: NonEmptyText,
    email: optionalText,
    phoneNumber: optionalText,
    /** Without one, the resident's id is the command's. */
    userId: Schema.optionalKey(NonEmptyText)
  },
  RemoveResident: { email: optionalText, phoneNumber: optionalText, userId: Schema.optionalKey(NonEmptyText) },
  CreateTempKey: {
    tempKeyUuid: UuidText,
    accessMode: AccessMode,
    allowedUserIds: Schema.optionalKey(Schema.Array(UuidText)),
    validFrom: Instant,
    validUntil: Instant,
    maxUses: Schema.optionalKey(MaxUses),
    schedule: Schema.optionalKey(NewSchedule),
    description: Schema.optionalKey(Description)
  },
  UpdateTempKey: {
    tempKeyUuid: UuidText,
    validFrom: Schema.optionalKey(Instant),
    validUntil: Schema.optionalKey(Instant),
    maxUses: Schema.optionalKey(MaxUses),
    allowedUserIds: Schema.optionalKey(Schema.Array(UuidText)),
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
