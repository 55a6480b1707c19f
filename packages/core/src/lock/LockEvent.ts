/**
 * What happened to a lock. Stored forever: add cases and optional fields, never rename or remove one.
 * `test/golden/` holds one stored event of every kind.
 */
import { Option, Schema } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import { Schedule } from "../values/Schedule.ts"
import { instantOf, millisOf } from "../values/Text.ts"
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
  LockOpenRequested: { ...aboutLock, reason: text, requestId: text },
  LockUuidChanged: { ...aboutLock, newUuid: Schema.String, previousUuid: Schema.String },
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
  TempKeyDeleted: { ...aboutTempKey, deletedBy: Schema.String },
  TempKeyUsed: { ...aboutTempKey, userId: text, usedCount: Schema.Int },
  /** What a device said of a command, and when that was requested, accepted by the shadow and done. `uuid` is the device's. */
  CommandOutcomeReported: {
    ...aboutLock,
    ...ReportedOutcome.fields
  }
}

/** A stored event: the published fields and, beside them, what the caller gave that has no published field. */
export const LockEvent = Schema.TaggedUnion({
  ...published,
  LockCreated: { ...published.LockCreated, index: Schema.optionalKey(Schema.Int), vendorName: text, orgId: text },
  /** Which door of which shared credential was opened. Its uuid is a link to other doors too, so it is not published. */
  LockOpenRequested: {
    ...published.LockOpenRequested,
    credentialUuid: text,
    doorId: Schema.optionalKey(Schema.Int),
    /** Old events have none; those of doors say it in `reason`. */
    via: Schema.optionalKey(OpenedVia)
  },
  ResidentAdded: { ...published.ResidentAdded, phoneNumber: text },
  TempKeyCreated: { ...published.TempKeyCreated, description: text, schedule: Schema.optionalKey(Schedule) },
  /** A `schedule` of `null` took the schedule away. */
  TempKeyUpdated: { ...published.TempKeyUpdated, schedule: Schema.optionalKey(Schema.NullOr(Schedule)) }
})
export type LockEvent = typeof LockEvent.Type
/** The name of an event, as it is stored. */
export type LockEventType = LockEvent["_tag"]

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
  const { type, data: stored } = toStored(inWords(event))
  const data: { [field: string]: Schema.Json } = {}
  for (const field of publishedFields.get(type) ?? []) {
    const value = stored[field]
    if (value !== undefined) data[field] = value
  }
  return { type, data } as WireEvent
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
