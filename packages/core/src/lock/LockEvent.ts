/**
 * What happened to a lock. Stored forever: add cases and optional fields, never rename or remove one.
 * `test/golden/` holds one stored event of every kind.
 */
import { Option, Schema, Struct } from "effect"
import { Bolt, Door, OpenedBy } from "../device/ReportedState.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { Schedule } from "../values/Schedule.ts"
import { instantOf, millisOf } from "../values/Text.ts"
import { AttentionReason } from "./Hardware.ts"
import { Key, LockId } from "./Lock.ts"
import { ReportedOutcome } from "./SentCommand.ts"
import { AccessMode, MaxUses } from "./TempKey.ts"

/**
 * What a lock was opened with: the link of a temp key, a PIN, a key that the user has on the lock, or else the right of
 * the one who asked over the API.
 */
export const OpenedVia = Schema.Literals(["link", "PIN", "API", "key"])
export type OpenedVia = typeof OpenedVia.Type

const aboutLock = { lockId: LockId, uuid: Schema.String, timestamp: Schema.String }
const aboutTempKey = { tempKeyUuid: Schema.String, lockId: LockId, lockUuid: Schema.String, timestamp: Schema.String }
const key = { keyUuid: Schema.String, keyIndexNumber: Schema.optionalKey(Schema.Int) }
const text = Schema.optionalKey(Schema.String)
const part = Schema.optionalKey(Schema.NullOr(Schema.String))

/** The published fields of every event: what callers and partners get, and nothing else. */
const published = {
  LockCreated: {
    ...aboutLock,
    serialNumber: text,
    keys: Schema.optionalKey(Schema.Array(Key)),
    ownerId: text
  },
  OwnerSet: { ...aboutLock, userId: Schema.String },
  OrganizationSet: { ...aboutLock, orgId: Schema.String },
  KeyAdded: { ...aboutLock, ...key, userId: text },
  KeyRemoved: { ...aboutLock, ...key },
  KeyWriteRequested: { ...aboutLock, ...key },
  /** A key that is wanted, and of which the lock had not said that it holds it, was sent to it again. */
  KeyAdditionSent: { ...aboutLock, ...key },
  /** The lock was told to remove a key that is not wanted any more. */
  KeyRemovalSent: { ...aboutLock, ...key },
  /** What is on the hardware is brought to what is wanted from the beginning; of one key, where it is named. */
  KeysSyncRequested: { ...aboutLock, keyUuid: text },
  /** The lock has failed too often to take or remove a key, or has not answered for a day: nothing is sent until somebody asks. */
  KeyNeedsAttention: { ...aboutLock, ...key, wanted: Schema.Boolean, reason: AttentionReason, failures: Schema.Int },
  LockOpenRequested: { ...aboutLock, reason: text, requestId: text },
  /** Its device was told to lock: who did it wants the door locked, whatever it was before. */
  LockDeviceRequested: { ...aboutLock, reason: text },
  LockUuidChanged: { ...aboutLock, newUuid: Schema.String, previousUuid: Schema.String },
  /** It was taken out of service; `freed`: other locks may have its device. */
  LockRetired: { ...aboutLock, freed: Schema.Boolean, reason: text },
  /** The operator gave it a device, whichever locks had it. */
  ClaimMoved: { ...aboutLock, newUuid: Schema.String, previousUuid: Schema.String },
  /** The operator gave its device to another lock. */
  ClaimLost: aboutLock,
  /** What it is called, and where it is: the parts that changed; `null` took one away. */
  LockDescribed: {
    ...aboutLock,
    name: part,
    timeZone: part,
    address: part,
    contact: part,
    instructions: part
  },
  ResidentAdded: { ...aboutLock, userId: Schema.String, name: Schema.String, email: text },
  ResidentRemoved: { ...aboutLock, userId: Schema.String, email: text },
  TempKeyCreated: {
    ...aboutTempKey,
    accessMode: AccessMode,
    allowedUserIds: Schema.Array(Schema.String),
    validFrom: Schema.String,
    validUntil: Schema.String,
    maxUses: MaxUses,
    createdBy: Schema.String
  },
  TempKeyUpdated: {
    ...aboutTempKey,
    changes: Schema.Struct({
      validFrom: text,
      validUntil: text,
      maxUses: Schema.optionalKey(MaxUses),
      allowedUserIds: Schema.optionalKey(Schema.Array(Schema.String)),
      accessMode: Schema.optionalKey(AccessMode)
    }),
    updatedBy: Schema.String
  },
  TempKeySuspended: { ...aboutTempKey, suspendedBy: Schema.String },
  TempKeyResumed: { ...aboutTempKey, resumedBy: Schema.String },
  /** From now on the key is called by another uuid; the one before opens nothing any more. */
  TempKeyLinkChanged: { ...aboutTempKey, newTempKeyUuid: Schema.String, changedBy: Schema.String },
  TempKeyDeleted: { ...aboutTempKey, deletedBy: Schema.String },
  TempKeyUsed: { ...aboutTempKey, userId: text, usedCount: Schema.Int },
  /** A use that the lock is known not to have begun does not count. `commandId` is that of its opening. */
  TempKeyUseReturned: { ...aboutTempKey, commandId: Schema.String, usedCount: Schema.Int },
  /** What a device said of a command, and when that was requested, accepted by the shadow and done. `uuid` is the device's. */
  CommandOutcomeReported: {
    ...aboutLock,
    ...ReportedOutcome.fields
  },
  /** Which keys its device says that it holds, where that is not what was known; `more`: and others. */
  KeysReported: {
    ...aboutLock,
    keys: Schema.Array(Schema.Struct(key)),
    more: Schema.optionalKey(Schema.Literal(true)),
    /** When its shadow was told. */
    seenAt: Schema.String
  },
  /** What its device is like now: all that is known of it, where something of that has changed. */
  DeviceStateReported: {
    ...aboutLock,
    bolt: Schema.optionalKey(Bolt),
    door: Schema.optionalKey(Door),
    /** In percent. */
    battery: Schema.optionalKey(Schema.Int),
    batteryLow: Schema.optionalKey(Schema.Boolean),
    firmware: text,
    /** How many keys it has room for. */
    keySlots: Schema.optionalKey(Schema.Int),
    /** How far its clock is ahead, in milliseconds, where it is wrong. */
    clockOffBy: Schema.optionalKey(Schema.Int),
    /** When its shadow was told. */
    seenAt: Schema.String
  },
  /** Once, until it was good again. */
  BatteryLow: { ...aboutLock, battery: Schema.optionalKey(Schema.Int) },
  BoltJammed: aboutLock,
  /** It was opened though the bolt was out. */
  DoorForced: aboutLock,
  /** For longer than the device finds right. */
  DoorLeftOpen: aboutLock,
  /** Somebody opened at the door itself. Who has the key is told as it was when this was recorded. */
  OpenedAtDoor: {
    ...aboutLock,
    by: OpenedBy,
    keyUuid: text,
    keyIndexNumber: Schema.optionalKey(Schema.Int),
    userId: text,
    /** The device's own counter of openings. */
    count: Schema.Int,
    /** When it was, by the device's own clock; `timestamp` is when it was recorded. */
    openedAt: text
  },
  /** So many openings at the door that nothing else is known of. `dropped`: how many the device says that it has dropped in all. */
  OpeningsMissed: { ...aboutLock, missed: Schema.Int, dropped: Schema.optionalKey(Schema.Int) }
}

/** The hardware is brought to it by itself. Where it is missing, as in all events of the first edition, nothing is sent for it. */
const reconciled = Schema.optionalKey(Schema.Literal(true))

/** What an older Latchkey need not understand to go on. */
const ignorable = { ignorable: Schema.Literal(true) }

/** A stored event: the published fields and, beside them, what the caller gave that has no published field. */
export const LockEvent = Schema.TaggedUnion({
  ...published,
  LockCreated: {
    ...published.LockCreated,
    index: Schema.optionalKey(Schema.Int),
    vendorName: text,
    orgId: text,
    /** Another lock had its thing before. */
    used: Schema.optionalKey(Schema.Literal(true)),
    reconciled
  },
  KeyAdded: { ...published.KeyAdded, reconciled },
  /** With `reconciled`, the lock is told afterwards. Old events came with the command that told it. */
  KeyRemoved: { ...published.KeyRemoved, reconciled },
  LockRetired: { ...published.LockRetired, reconciled },
  ClaimMoved: { ...published.ClaimMoved, reconciled },
  /** `ended`: what was sent to the former thing and not answered has ended. Old events have none. */
  LockUuidChanged: { ...published.LockUuidChanged, ended: Schema.optionalKey(Schema.Literal(true)), reconciled },
  /** Which door of which shared credential was opened. Its uuid is a link to other doors too, so it is not published. */
  LockOpenRequested: {
    ...published.LockOpenRequested,
    credentialUuid: text,
    doorId: Schema.optionalKey(Schema.Int),
    /** The id of that credential, or of the lock's own temp key, which is no secret; old events have none. */
    tempKeyId: text,
    /** Old events have none; those of doors say it in `reason`. */
    via: Schema.optionalKey(OpenedVia)
  },
  LockDescribed: { ...published.LockDescribed, ...ignorable },
  ResidentAdded: { ...published.ResidentAdded, phoneNumber: text },
  /** `tempKeyId` names the key and is no secret, as its link is; where it is missing, it is the id of the command. */
  TempKeyCreated: {
    ...published.TempKeyCreated,
    description: text,
    schedule: Schema.optionalKey(Schedule),
    tempKeyId: text
  },
  /** `exposed`: those of the keys that are not wanted, which only who knows all keys of the lock can tell. */
  KeysReported: {
    ...published.KeysReported,
    exposed: Schema.optionalKey(
      Schema.Array(
        Schema.Struct({
          keyUuid: Schema.String,
          since: Schema.String,
          /** Nobody had asked for it here, nor yet for its removal. */
          foreign: Schema.optionalKey(Schema.Literal(true))
        })
      )
    ),
    reconciled,
    ...ignorable
  },
  DeviceStateReported: { ...published.DeviceStateReported, ...ignorable },
  BatteryLow: { ...published.BatteryLow, ...ignorable },
  BoltJammed: { ...published.BoltJammed, ...ignorable },
  DoorForced: { ...published.DoorForced, ...ignorable },
  DoorLeftOpen: { ...published.DoorLeftOpen, ...ignorable },
  /** `series` names the device's counter. */
  OpenedAtDoor: { ...published.OpenedAtDoor, series: Schema.String, ...ignorable },
  OpeningsMissed: { ...published.OpeningsMissed, ...ignorable },
  /** Old events do not name the key by its id. */
  TempKeyUsed: { ...published.TempKeyUsed, tempKeyId: text },
  /** A `schedule` or `description` of `null` took it away. */
  TempKeyUpdated: {
    ...published.TempKeyUpdated,
    schedule: Schema.optionalKey(Schema.NullOr(Schedule)),
    description: Schema.optionalKey(Schema.NullOr(Schema.String))
  }
})
export type LockEvent = typeof LockEvent.Type
/** The name of an event, as it is stored. */
export type LockEventType = LockEvent["_tag"]

/** The names of all events. */
export const eventTypes: ReadonlyArray<LockEventType> = Struct.keys(published)

/** An event as the outside sees it: exactly the published fields. */
export type WireEvent<Type extends LockEventType = LockEventType> = {
  readonly [T in Type]: { readonly type: T; readonly data: Schema.Struct.Type<(typeof published)[T]> }
}[Type]

/** The schema of a published event. */
export const wireEvent = <Type extends LockEventType>(type: Type) =>
  Schema.Struct({ type: Schema.Literal(type), data: Schema.Struct(published[type]) })

const publishedFields = new Map(Object.entries(published).map(([type, fields]) => [type, Object.keys(fields)]))

/** The published form of an event. */
export const toWire = (event: LockEvent): WireEvent => {
  const said: LockEvent & Schema.JsonObject = inWords(event)
  const data: { [field: string]: Schema.Json } = {}
  for (const field of publishedFields.get(event._tag) ?? []) {
    const value = said[field]
    if (value !== undefined) data[field] = value
  }
  return { type: event._tag, data } as WireEvent
}

/** Which door was opened, and how, is published as the reason. */
const inWords = (event: LockEvent): LockEvent =>
  event._tag === "LockOpenRequested" && event.doorId !== undefined && event.reason === undefined
    ? { ...event, reason: `${event.via === "PIN" ? "PIN" : "temp key"}, door ${event.doorId}` }
    : event

/** What a lock was opened with, where the event tells: old events of doors tell it in their reason. */
export const openedVia = ({
  via,
  credentialUuid,
  reason
}: Pick<Extract<LockEvent, { readonly _tag: "LockOpenRequested" }>, "via" | "credentialUuid" | "reason">):
  | OpenedVia
  | undefined => via ?? (credentialUuid === undefined ? undefined : reason?.startsWith("PIN") ? "PIN" : "link")

/** The stored form of an event: its type and its data. */
export const toStored = ({
  _tag,
  ...data
}: LockEvent): { readonly type: LockEventType; readonly data: Schema.JsonObject } => ({
  type: _tag,
  data
})

const decode = Schema.decodeUnknownOption(LockEvent)

/** The event behind a stored one; none when a newer version of Latchkey wrote a type that this one does not know. */
export const fromStored = (
  stored: Pick<StoredEvent, "type" | "data"> & Partial<Pick<StoredEvent, "at" | "acceptedAt">>
): Option.Option<LockEvent> =>
  Option.map(decode({ ...stored.data, _tag: stored.type }), (event) => inOrder(event, stored))

/** What was prepared, and others have passed, happened after them: the store has given it their time. */
const inOrder = (event: LockEvent, { at, acceptedAt }: Partial<Pick<StoredEvent, "at" | "acceptedAt">>): LockEvent =>
  acceptedAt === undefined || at === undefined || at <= millisOf(event.timestamp)
    ? event
    : { ...event, timestamp: instantOf(at) }
