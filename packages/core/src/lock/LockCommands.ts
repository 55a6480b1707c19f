/**
 * Every command of a lock, one row each. What it may say, who may ask it, what it leads to, and how it meets others is
 * read from here, and nowhere said again; what exactly it leads to is its case in `decide`.
 */
import { Schema } from "effect"
import { CommandOutcome, type DeviceCommandType, LIFETIMES } from "../device/DeviceCommand.ts"
import { Principal } from "../values/Principal.ts"
import { NewSchedule } from "../values/Schedule.ts"
import { textUpTo, UuidText } from "../values/Text.ts"
import type { LockEventType } from "./LockEvent.ts"
import {
  BOUNDS,
  Description,
  distinct,
  Email,
  Id,
  listUpTo,
  NewInstant,
  NonEmptyText,
  optionalId,
  PhoneNumber,
  PlateText,
  Slot,
  Whitelist
} from "./RequestFields.ts"
import { AccessMode, MaxUses } from "./TempKey.ts"

/**
 * Who may ask something of a lock. Super keys and Latchkey itself may always.
 *
 * - `owner`: the owner, and the organization that has the lock
 * - `holder`: these, and who has a key on the lock
 * - `organization`: the organization that has the lock
 * - `operator`: nobody else
 * - `anyone`: everybody; the rules of what they use decide
 * - `device`: Latchkey alone, on behalf of the lock's device
 */
export type Right = "owner" | "holder" | "organization" | "operator" | "anyone" | "device"

interface Asked {
  /** The fields of the request. */
  readonly request: Schema.Struct.Fields
  readonly who: Right
  /** Gives nobody anything: it is also done at a lock that holds what only a newer version of Latchkey understands. */
  readonly revokes?: true
}

/** A command that the log alone is told of. */
interface Recorded extends Asked {
  readonly event: LockEventType
  /**
   * Changes neither who may do what with the hardware, nor which hardware it is, nor what is on it: while it is not known
   * what became of a device command, it need not wait.
   */
  readonly passes?: true
  /** What time it is decides over it: it is refused while the clock cannot be right. */
  readonly byClock?: true
  readonly device?: never
  readonly first?: never
  readonly byGuest?: never
  readonly each?: never
}

/** A command that the device carries out. When it may do so for a limited time only, the clock decides. */
interface CarriedOut extends Asked {
  /** The last event of its append. */
  readonly event: LockEventType
  readonly device: DeviceCommandType
  /** The event before it in the same append. */
  readonly first?: LockEventType
  /** Guests come after everybody else, and have less room in the shadow. */
  readonly byGuest?: true
  readonly passes?: never
  readonly byClock?: never
  readonly each?: never
}

/** Many commands at once, of another type: for each element of a list of the request, one. */
interface Many extends Asked {
  readonly each: { readonly of: string; readonly command: string }
  readonly event?: never
  readonly device?: never
  readonly first?: never
  readonly byGuest?: never
  readonly passes?: never
  readonly byClock?: never
}

/** A row of the table. */
export type CommandRow = Recorded | CarriedOut | Many

const tempKeyUuid = { tempKeyUuid: UuidText }
const use = { ...tempKeyUuid, userId: Schema.optionalKey(UuidText) }

/** What may be asked of a lock from outside. */
export const requests = {
  CreateLock: {
    request: {
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
    // Of a lock that is there; who may create one, `permitCreate` says.
    who: "owner",
    event: "LockCreated"
  },
  AddKey: {
    request: { keyUuid: NonEmptyText, keyIndexNumber: Slot, userId: optionalId },
    who: "owner",
    event: "KeyAdded",
    device: "AddKey"
  },
  RemoveKey: {
    request: { keyUuid: Schema.optionalKey(NonEmptyText), keyIndexNumber: Slot },
    who: "owner",
    event: "KeyRemoved",
    device: "RemoveKey",
    revokes: true
  },
  WriteKey: {
    request: { keyUuid: NonEmptyText, keyIndexNumber: Slot },
    who: "owner",
    event: "KeyWriteRequested",
    device: "WriteKey"
  },
  /** Answers at once; the keys are added one by one in the background. */
  BulkAddKeys: {
    request: {
      keys: Schema.NonEmptyArray(Schema.Struct({ keyUuid: Id, keyIndexNumber: Slot, userId: optionalId })).check(
        listUpTo(BOUNDS.bulkKeys, "keys")
      )
    },
    who: "owner",
    each: { of: "keys", command: "AddKey" }
  },
  OpenLock: {
    request: { requestId: optionalId, reason: Schema.optionalKey(textUpTo(BOUNDS.reason)) },
    who: "holder",
    event: "LockOpenRequested",
    device: "OpenLock"
  },
  SetOwner: { request: { userId: Id }, who: "owner", event: "OwnerSet" },
  SetOrganization: { request: { orgId: Id }, who: "organization", event: "OrganizationSet" },
  ChangeLockUuid: { request: { newUuid: UuidText }, who: "operator", event: "LockUuidChanged" },
  AddResident: {
    request: {
      name: textUpTo(BOUNDS.name).check(Schema.isMinLength(1)),
      email: Email,
      phoneNumber: PhoneNumber,
      /** Without one, the resident's id is the command's. */
      userId: Schema.optionalKey(NonEmptyText)
    },
    who: "owner",
    event: "ResidentAdded",
    passes: true
  },
  RemoveResident: {
    request: { email: Email, phoneNumber: PhoneNumber, userId: Schema.optionalKey(NonEmptyText) },
    who: "owner",
    event: "ResidentRemoved",
    passes: true,
    revokes: true
  },
  CreateTempKey: {
    request: {
      ...tempKeyUuid,
      accessMode: AccessMode,
      allowedUserIds: Whitelist,
      validFrom: NewInstant,
      validUntil: NewInstant,
      maxUses: Schema.optionalKey(MaxUses),
      schedule: Schema.optionalKey(NewSchedule),
      description: Schema.optionalKey(Description)
    },
    who: "owner",
    event: "TempKeyCreated",
    passes: true
  },
  UpdateTempKey: {
    request: {
      ...tempKeyUuid,
      validFrom: Schema.optionalKey(NewInstant),
      validUntil: Schema.optionalKey(NewInstant),
      maxUses: Schema.optionalKey(MaxUses),
      allowedUserIds: Whitelist,
      accessMode: Schema.optionalKey(AccessMode),
      /** `null` takes the schedule away. */
      schedule: Schema.optionalKey(Schema.NullOr(NewSchedule))
    },
    who: "owner",
    event: "TempKeyUpdated",
    passes: true
  },
  DeleteTempKey: { request: tempKeyUuid, who: "owner", event: "TempKeyDeleted", passes: true, revokes: true },
  UseTempKey: { request: use, who: "organization", event: "TempKeyUsed", passes: true, byClock: true },
  /** Uses a temp key and opens the lock, in one append. Anyone who holds a temp key may try. */
  OpenWithTempKey: {
    request: use,
    who: "anyone",
    first: "TempKeyUsed",
    event: "LockOpenRequested",
    device: "OpenLock",
    byGuest: true
  }
} as const satisfies { readonly [tag: string]: CommandRow }

/** What only Latchkey itself asks of a lock. */
const ownCommands = {
  /** Opens the lock as a door of a shared credential, which `SharedDoors.ts` has judged. The right is its giver's. */
  OpenDoor: {
    request: {
      credentialUuid: Schema.String,
      doorId: Schema.Int,
      via: Schema.Literals(["link", "PIN"]),
      /** Whose right it is that lets the guest in. */
      grantedBy: Principal
    },
    who: "owner",
    event: "LockOpenRequested",
    device: "OpenLock",
    byGuest: true
  },
  /** What `DeviceReports` has heard of a device. Counts if the lock waits for it. */
  RecordOutcome: {
    request: {
      /** The id of the command that the device has answered. */
      answered: Schema.String,
      /** The device: nobody else can say what became of it. */
      thing: Schema.String,
      outcome: CommandOutcome,
      /** By the device's own clock, epoch milliseconds. */
      reportedAt: Schema.Int,
      detail: Schema.optionalKey(Schema.String)
    },
    who: "device",
    event: "CommandOutcomeReported",
    passes: true,
    revokes: true
  }
} as const satisfies { readonly [tag: string]: CommandRow }

/** The table: every command that a lock knows, by its tag. */
export const commandTable = { ...requests, ...ownCommands }

type Table = typeof commandTable
/** The tags of all commands that a lock carries out by itself: BulkAddKeys is many of them (see `BulkAddKeys.ts`). */
export type LockCommandType = {
  readonly [Tag in keyof Table]: Table[Tag] extends { readonly event: LockEventType } ? Tag : never
}[keyof Table]

/** The row of a command, without its types. */
export const rowOf = (tag: keyof Table): CommandRow => commandTable[tag]

/** Whether what time it is decides over a command: windows of temp keys, and device commands that end. */
export const isByClock = (tag: keyof Table): boolean => {
  const { byClock, device } = rowOf(tag)
  return byClock === true || (device !== undefined && LIFETIMES[device] !== undefined)
}

/** How many events a request asks for. */
export const eventsAskedFor = (tag: keyof Table, request: { readonly [field: string]: unknown }): number => {
  const { each } = rowOf(tag)
  const list = each === undefined ? undefined : request[each.of]
  return Array.isArray(list) ? list.length : 1
}
