/** What partners are told of the log: which stored events, and which of their fields. Pure. */

import type { Schema } from "effect"
import { Option } from "effect"
import { Organizations } from "../access/ApiKeys.ts"
import { withoutLinks } from "../lock/EventRows.ts"
import { lockOfStream } from "../lock/Lock.ts"
import { fromStored, LockEvent, toWire } from "../lock/LockEvent.ts"
import { Outages } from "../locks/Outages.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { Credentials, type Door, type SharedCredentialEvent } from "../temp-key/SharedCredential.ts"
import { instantOf } from "../values/Text.ts"
import { WebhookStreams } from "./Webhook.ts"

/** What an event is about. */
export type AggregateType = "lock" | "temp-key" | "webhook" | "api-key" | "thing"

/** An event as partners are told of it. */
export interface Told {
  /** The same whoever is told, and however often. */
  readonly id: string
  readonly aggregateType: AggregateType
  readonly aggregateId: string
  /** In which events are in order. */
  readonly streamId: string
  /** Place in its stream. */
  readonly version: number
  /** Place in the feed of the one who is told. */
  readonly position: number
  /** Epoch milliseconds. */
  readonly at: number
  /** The organization that is told. */
  readonly orgId: string
  /** Of events of locks. */
  readonly lockId?: number
  readonly data: { readonly type: string } & Schema.JsonObject
}

/** What a stored event tells partners; `undefined`: nothing. */
export const toldOf = (stored: StoredEvent): Told | undefined => {
  const lockId = lockOfStream(stored.streamId)
  if (lockId !== undefined) return ofLock(lockId, stored)
  if (Organizations.idOf(stored.streamId) !== undefined) return ofApiKey(stored)
  if (WebhookStreams.idOf(stored.streamId) !== undefined) return ofWebhook(stored)
  const thing = Outages.idOf(stored.streamId)
  if (thing !== undefined) return ofThing(thing, stored)
  return undefined
}

const common = ({ eventId, streamId, version, position, at, orgId }: StoredEvent) => ({
  id: eventId,
  streamId,
  version,
  position,
  at,
  orgId
})

/**
 * Every event of a lock is told, so that its versions have no gaps. Of one that a newer server wrote, and this one does not
 * understand, only what every event has.
 */
const ofLock = (lockId: number, stored: StoredEvent): Told => {
  const event = Option.getOrUndefined(fromStored(stored))
  const thing = stored.data["uuid"] ?? stored.data["lockUuid"]
  const wire = event && toWire(event)
  const data = wire?.data ?? { lockId, timestamp: instantOf(stored.at) }
  return {
    ...common(stored),
    aggregateType: "lock",
    aggregateId: typeof thing === "string" ? thing : String(lockId),
    lockId,
    data: { type: stored.type, ...(data as Schema.JsonObject) }
  }
}

/** How events of temp keys with several doors are called where they are told: their stored names are storage. */
const SHARED: Readonly<Record<SharedCredentialEvent["_tag"], string>> = {
  SharedCredentialCreated: "SharedTempKeyCreated",
  SharedCredentialUpdated: "SharedTempKeyUpdated",
  SharedCredentialLinkSet: "SharedTempKeyLinkChanged",
  SharedCredentialPinSet: "SharedTempKeyPinChanged",
  SharedCredentialSuspended: "SharedTempKeySuspended",
  SharedCredentialResumed: "SharedTempKeyResumed",
  SharedCredentialUsed: "SharedTempKeyUsed",
  SharedCredentialUseReturned: "SharedTempKeyUseReturned",
  SharedCredentialRevoked: "SharedTempKeyRevoked"
}

/** Whether an event is of a temp key with several doors: whoever tells of it has to know the key's id; see `toldOfShared`. */
export const isOfShared = ({ streamId }: Pick<StoredEvent, "streamId">): boolean =>
  Credentials.idOf(streamId) !== undefined

/**
 * What is told of an event of a temp key with several doors: never its link, which names its stream, and nothing of its PIN.
 *
 * @param tempKeyId names the key for good; no secret
 */
export const toldOfShared = (stored: StoredEvent, tempKeyId: string): Told | undefined => {
  const event = Credentials.decode(stored)
  if (event === undefined) return undefined
  const type = SHARED[event._tag]
  const about = { ...common(stored), aggregateType: "temp-key" as const, aggregateId: tempKeyId }
  const data = { type, tempKeyId, timestamp: instantOf(stored.at) }
  switch (event._tag) {
    case "SharedCredentialCreated": {
      const { _tag: _, doors, ...terms } = event
      return { ...about, data: { ...data, ...(terms as Schema.JsonObject), doors: doors.map(shownDoor) } }
    }
    case "SharedCredentialUpdated": {
      const { changes, doors } = event
      const all = doors === undefined ? {} : { doors: doors.map(shownDoor) }
      return { ...about, data: { ...data, changes: changes as Schema.JsonObject, ...all } }
    }
    case "SharedCredentialUsed":
    case "SharedCredentialUseReturned": {
      const { lockId, doorId } = event
      return { ...about, lockId, data: { ...data, lockId, doorId } }
    }
    default:
      return { ...about, data }
  }
}

const shownDoor = ({ id, lockId, label, accessMethod }: Door): Schema.JsonObject => ({
  id,
  lockId,
  accessMethod,
  ...(label !== undefined && { label })
})

/** Never the hash of a key. */
const ofApiKey = (stored: StoredEvent): Told | undefined => {
  const event = Organizations.decode(stored)
  if (event === undefined) return undefined
  const { keyId } = event
  const about = { ...common(stored), aggregateType: "api-key" as const, aggregateId: keyId }
  const data = { type: event._tag, keyId, timestamp: instantOf(stored.at) }
  if (event._tag === "ApiKeyRevoked") return { ...about, data }
  const { name, expiresAt } = event
  return {
    ...about,
    data: {
      ...data,
      ...(name !== undefined && { name }),
      ...(expiresAt !== undefined && { expiresAt: instantOf(expiresAt) })
    }
  }
}

/** That nothing is sent to it any more; its owner's changes need not be told. */
const ofWebhook = (stored: StoredEvent): Told | undefined => {
  const event = WebhookStreams.decode(stored)
  if (event?._tag !== "WebhookDisabled") return undefined
  const { _tag: type, webhookId, reason } = event
  const data = { type, webhookId, timestamp: instantOf(stored.at), reason }
  return { ...common(stored), aggregateType: "webhook", aggregateId: webhookId, data }
}

/** That a device is gone, or back: about the thing, and told with the lock that it then was. */
const ofThing = (uuid: string, stored: StoredEvent): Told | undefined => {
  const event = Outages.decode(stored)
  if (event === undefined) return undefined
  const { _tag: type, lockId, since, ...why } = event
  const data = { type, lockId, uuid, timestamp: instantOf(stored.at), since: instantOf(since), ...why }
  return { ...common(stored), aggregateType: "thing", aggregateId: uuid, lockId, data }
}

/** The types of events that partners are told of. */
export const toldTypes: ReadonlyArray<string> = [
  ...Object.keys(LockEvent.cases),
  "ApiKeyCreated",
  "ApiKeyRevoked",
  "WebhookDisabled",
  "DeviceOffline",
  "DeviceOnline",
  ...Object.values(SHARED)
]

/** The event for somebody whom the links of temp keys are not shown. */
export const withoutLink = ({ data, ...told }: Told): Told => ({ ...told, data: withoutLinks(data) })

/** What is left of an event where ids alone may be told: no field that tells of a person, and no link of a temp key. */
export const thinned = ({ data, ...told }: Told): Told => {
  const thin: { type: string; [field: string]: Schema.Json } = { type: data.type }
  for (const [field, value] of Object.entries(data)) if (IDS.has(field)) thin[field] = value
  return { ...told, data: thin }
}

/** Users are people: their ids are not among these, and neither is `tempKeyUuid`, which opens doors. */
const IDS: ReadonlySet<string> = new Set([
  "lockId",
  "timestamp",
  "uuid",
  "lockUuid",
  "newUuid",
  "previousUuid",
  "keyUuid",
  "tempKeyId",
  "doorId",
  "orgId",
  "keyId",
  "commandId",
  "requestId",
  "webhookId"
])
