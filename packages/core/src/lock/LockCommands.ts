/**
 * Every command of a lock, one row each. What it may say, who may ask it, what it leads to, and how it meets others is
 * read from here, and nowhere said again; what exactly it leads to is its case in `decide`.
 */
import { Schema } from "effect"
import { CommandOutcome, type DeviceCommandType, LIFETIMES } from "../device/DeviceCommand.ts"
import { keysFields, openingsFields, stateFields } from "../device/ReportedState.ts"
import { Counted, Counting } from "../streams/Reservations.ts"
import type { Scope } from "../values/Limits.ts"
import { NewSchedule } from "../values/Schedule.ts"
import { textUpTo, UuidText } from "../values/Text.ts"
import { Giver } from "./Giver.ts"
import { NewLink } from "./Link.ts"
import { describeFields } from "./LockDescription.ts"
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
import { SentCommand } from "./SentCommand.ts"
import { AccessMode, MaxUses } from "./TempKey.ts"

/**
 * Who may ask something of a lock. Super keys and Latchkey itself may always.
 *
 * - `owner`: the owner, and the organization that has the lock
 * - `keeper`: the organization that has the lock; where none has, the owner
 * - `holder`: these, and who has a key on the lock
 * - `organization`: the organization that has the lock
 * - `operator`: nobody else
 * - `anyone`: everybody; the rules of what they use decide
 * - `device`: Latchkey alone, on behalf of the lock's device
 */
export type Right = "owner" | "keeper" | "holder" | "organization" | "operator" | "anyone" | "device"

interface Asked {
  /** The fields of the request. */
  readonly request: Schema.Struct.Fields
  /**
   * Published so: members that it does not know are left aside, at its top level. All other requests are refused with
   * them, and so is this one with what is nested: a restriction that nobody understands would be dropped.
   */
  readonly open?: true
  readonly who: Right
  /** What an API key of the organization must be for. */
  readonly scope: Scope
  /** Gives nobody anything: it is also done at a lock that holds what only a newer version of Latchkey understands. */
  readonly revokes?: true
  /** Changes which thing the lock has: the field of the request that names the thing. It is claimed in the same write. */
  readonly claims?: "uuid" | "newUuid"
  /** It is taken from the locks that have it. */
  readonly takes?: true
}

/** A command that the log alone is told of. */
interface Recorded extends Asked {
  readonly event: LockEventType
  /** The event that it leads to instead, for a key that is on the hardware alone. */
  readonly instead?: LockEventType
  /**
   * Changes neither who may do what with the hardware, nor which hardware it is, nor what is on it: while it is not known
   * what became of a device command, it need not wait.
   */
  readonly passes?: true
  /** What the device is told afterwards: the command is an intent, and is recorded whether that succeeds or not. */
  readonly later?: DeviceCommandType
  /** Events that may be in the same append. */
  readonly also?: ReadonlyArray<LockEventType>
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
  readonly instead?: never
  readonly passes?: never
  readonly later?: never
  readonly also?: never
  readonly byClock?: never
  readonly each?: never
}

/** Many commands at once, of another type: for each element of a list of the request, one. */
interface Many extends Asked {
  readonly each: { readonly of: string; readonly command: string }
  readonly event?: never
  readonly instead?: never
  readonly device?: never
  readonly first?: never
  readonly byGuest?: never
  readonly passes?: never
  readonly later?: never
  readonly also?: never
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
      /** Either proves that the device is whose lock this is: a secret of the device, or its claim code. Never stored. */
      deviceSecret: Schema.optionalKey(textUpTo(BOUNDS.proof)),
      claimCode: Schema.optionalKey(textUpTo(BOUNDS.proof)),
      keys: Schema.optionalKey(
        Schema.Array(Schema.Struct({ uuid: Id, indexNumber: Slot, userId: optionalId })).check(
          listUpTo(BOUNDS.keys, "keys"),
          distinct((key) => key.uuid, "every key needs a uuid of its own"),
          distinct((key) => key.indexNumber, "every key needs a slot of its own")
        )
      )
    },
    open: true,
    // Of a lock that is there; who may create one, `permitCreate` says.
    who: "owner",
    scope: "admin",
    event: "LockCreated",
    claims: "uuid"
  },
  AddKey: {
    request: { keyUuid: NonEmptyText, keyIndexNumber: Slot, userId: optionalId },
    who: "owner",
    scope: "keys",
    event: "KeyAdded",
    device: "AddKey"
  },
  RemoveKey: {
    /** A `userId` is that of the key's holder. */
    request: {
      keyUuid: Schema.optionalKey(NonEmptyText),
      keyIndexNumber: Slot,
      userId: Schema.optionalKey(NonEmptyText)
    },
    open: true,
    who: "owner",
    scope: "keys",
    event: "KeyRemoved",
    instead: "KeysSyncRequested",
    later: "RemoveKey",
    revokes: true
  },
  WriteKey: {
    request: { keyUuid: NonEmptyText, keyIndexNumber: Slot },
    open: true,
    who: "owner",
    scope: "keys",
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
    scope: "keys",
    each: { of: "keys", command: "AddKey" }
  },
  OpenLock: {
    request: { requestId: optionalId, reason: Schema.optionalKey(textUpTo(BOUNDS.reason)) },
    open: true,
    who: "holder",
    scope: "open",
    event: "LockOpenRequested",
    device: "OpenLock"
  },
  /** Moves the bolt out: what `OpenLock` does, the other way. */
  LockDevice: {
    request: { reason: Schema.optionalKey(textUpTo(BOUNDS.reason)) },
    who: "holder",
    scope: "open",
    event: "LockDeviceRequested",
    device: "LockDevice"
  },
  SetOwner: { request: { userId: Id }, who: "owner", scope: "admin", event: "OwnerSet" },
  SetOrganization: { request: { orgId: Id }, who: "organization", scope: "admin", event: "OrganizationSet" },
  ChangeLockUuid: {
    request: { newUuid: UuidText },
    open: true,
    who: "operator",
    scope: "admin",
    event: "LockUuidChanged",
    claims: "newUuid"
  },
  /** Brings what is on the hardware to what is wanted, from the beginning: nothing counts as known. All keys, or this one. */
  SyncKeys: {
    request: { keyUuid: Schema.optionalKey(NonEmptyText) },
    who: "owner",
    scope: "keys",
    event: "KeysSyncRequested"
  },
  /** Says what the lock is called, and where it is. */
  DescribeLock: { request: describeFields, who: "owner", scope: "keys", event: "LockDescribed", passes: true },
  /** Ends its keys, temp keys and commands; the history stays. */
  RetireLock: {
    request: { reason: Schema.optionalKey(textUpTo(BOUNDS.reason)) },
    who: "keeper",
    scope: "admin",
    event: "LockRetired",
    revokes: true
  },
  MoveClaim: {
    request: { uuid: UuidText },
    who: "operator",
    scope: "admin",
    event: "ClaimMoved",
    claims: "uuid",
    takes: true
  },
  AddResident: {
    request: {
      name: textUpTo(BOUNDS.name).check(Schema.isMinLength(1)),
      email: Email,
      phoneNumber: PhoneNumber,
      /** Without one, the resident's id is the command's. */
      userId: Schema.optionalKey(NonEmptyText)
    },
    open: true,
    who: "owner",
    scope: "keys",
    event: "ResidentAdded",
    passes: true
  },
  RemoveResident: {
    request: { email: Email, phoneNumber: PhoneNumber, userId: Schema.optionalKey(NonEmptyText) },
    open: true,
    who: "owner",
    scope: "keys",
    event: "ResidentRemoved",
    passes: true,
    revokes: true
  },
  CreateTempKey: {
    request: {
      tempKeyUuid: NewLink,
      accessMode: AccessMode,
      allowedUserIds: Whitelist,
      validFrom: NewInstant,
      validUntil: NewInstant,
      maxUses: Schema.optionalKey(MaxUses),
      schedule: Schema.optionalKey(NewSchedule),
      description: Schema.optionalKey(Description)
    },
    who: "owner",
    scope: "temp-keys",
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
      schedule: Schema.optionalKey(Schema.NullOr(NewSchedule)),
      /** `null` takes the description away. */
      description: Schema.optionalKey(Schema.NullOr(Description))
    },
    who: "owner",
    scope: "temp-keys",
    event: "TempKeyUpdated",
    passes: true
  },
  /** Opens nothing until it is resumed. Waits for what is not settled: a use of the key may be among it. */
  SuspendTempKey: { request: tempKeyUuid, who: "owner", scope: "temp-keys", event: "TempKeySuspended", revokes: true },
  ResumeTempKey: { request: tempKeyUuid, who: "owner", scope: "temp-keys", event: "TempKeyResumed" },
  /** The link before opens nothing any more; everything else stays. */
  ChangeTempKeyLink: {
    request: { ...tempKeyUuid, newTempKeyUuid: NewLink },
    who: "owner",
    scope: "temp-keys",
    event: "TempKeyLinkChanged"
  },
  DeleteTempKey: {
    request: tempKeyUuid,
    open: true,
    who: "owner",
    scope: "temp-keys",
    event: "TempKeyDeleted",
    passes: true,
    revokes: true
  },
  UseTempKey: {
    request: use,
    open: true,
    who: "organization",
    scope: "open",
    event: "TempKeyUsed",
    passes: true,
    byClock: true
  },
  /** Uses a temp key and opens the lock, in one append. Anyone who holds a temp key may try. */
  OpenWithTempKey: {
    request: use,
    who: "anyone",
    scope: "open",
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
      giver: Giver,
      /** The id of the key, which is no secret. */
      tempKeyId: Schema.optionalKey(Schema.String),
      /** Where the use is counted, of a key with a limit. */
      count: Schema.optionalKey(Counting)
    },
    who: "owner",
    scope: "open",
    event: "LockOpenRequested",
    device: "OpenLock",
    byGuest: true
  },
  /** Removes a key of the one who asks: also one that opens nothing more, since its giver may no longer give it. */
  GiveUpKey: {
    request: { keyUuid: NonEmptyText },
    who: "anyone",
    scope: "keys",
    event: "KeyRemoved",
    later: "RemoveKey",
    revokes: true
  },
  /** Sends the next key that is wanted, and of which the lock has not said that it holds it. */
  SendKey: { request: {}, who: "device", scope: "admin", event: "KeyAdditionSent", device: "AddKey" },
  /** Sends the next removal of a key that is not wanted any more. */
  SendRemoval: {
    request: {},
    who: "device",
    scope: "admin",
    event: "KeyRemovalSent",
    device: "RemoveKey",
    revokes: true
  },
  /** Notes the keys that a person has to look at. */
  NoteAttention: {
    request: {},
    who: "device",
    scope: "admin",
    event: "KeyNeedsAttention",
    passes: true,
    revokes: true
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
      detail: Schema.optionalKey(Schema.String),
      /** `false`: the device has said that it never began. */
      began: Schema.optionalKey(Schema.Boolean),
      /** What gives back the use that was counted beside the lock, if nothing was opened. */
      back: Schema.optionalKey(Counted),
      /** The command by the log, where the lock does not wait for it any more. */
      forgotten: Schema.optionalKey(SentCommand)
    },
    who: "device",
    scope: "admin",
    event: "CommandOutcomeReported",
    also: ["TempKeyUseReturned"],
    passes: true,
    revokes: true
  },
  /** What the device has said of itself. Counts if it says something new. */
  RecordState: {
    request: {
      thing: Schema.String,
      /** When its shadow was told, epoch milliseconds. */
      seenAt: Schema.Int,
      ...stateFields
    },
    who: "device",
    scope: "admin",
    event: "DeviceStateReported",
    also: ["BatteryLow", "BoltJammed", "DoorForced", "DoorLeftOpen"],
    passes: true,
    revokes: true
  },
  /** The keys that the device says it holds. Counts if it was sent nothing about keys since, and says something new. */
  RecordKeys: {
    request: {
      thing: Schema.String,
      /** When its shadow was told, epoch milliseconds. */
      seenAt: Schema.Int,
      ...keysFields
    },
    who: "device",
    scope: "admin",
    event: "KeysReported",
    passes: true,
    revokes: true
  },
  /** Openings that the device has seen at the door. Those count that are not in the log. */
  RecordOpenings: {
    request: { thing: Schema.String, ...openingsFields },
    who: "device",
    scope: "admin",
    event: "OpenedAtDoor",
    also: ["OpeningsMissed"],
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
