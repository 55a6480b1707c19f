/** What the read model keeps of locks, and how each event changes it. Pure: the same feed gives the same rows. */
import { Option } from "effect"
import { lockOfStream } from "../lock/Lock.ts"
import { fromStored, type LockEvent, type LockEventType } from "../lock/LockEvent.ts"
import { canonical } from "../lock/TempKey.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { compound, type Table, type Tables } from "./Table.ts"

/** One lock, as lists of locks show it. */
export interface DeviceState {
  readonly lockId: number
  readonly lockUuid: string
  /** The name under which the device is known to its shadow. */
  readonly thingName: string
  readonly serialNumber: string | null
  readonly ownerId: string | null
  readonly orgId: string | null
  readonly keysCount: number
  readonly residentCount: number
  /** Type of the last event. */
  readonly lastEvent: string
  /** Epoch milliseconds of the last event: taken from the event, so that a rebuild gives the same row. */
  readonly lastUpdated: number
}

/** What is kept of it, beside its last event. */
export type DeviceRow = Omit<DeviceState, "lastEvent" | "lastUpdated">

/** Something that happened to a lock. */
export interface LockFact {
  readonly lockId: number
  readonly stored: StoredEvent
  /** Nothing where it tells no more than that it happened. */
  readonly event: LockEvent | undefined
}

/** The events that tell the read model more than that they happened; no other needs to be decoded. */
const telling: ReadonlySet<string> = new Set<LockEventType>([
  "LockCreated",
  "OwnerSet",
  "OrganizationSet",
  "LockUuidChanged",
  "KeyAdded",
  "KeyRemoved",
  "ResidentAdded",
  "ResidentRemoved",
  "TempKeyCreated"
])

/** Keys sort as the locks do by number. */
export const lockKey = (lockId: number): string => String(lockId).padStart(16, "0")

/** Every lock by its id. An event that is not its creation leaves a lock without a row so. */
export const devices: Table<LockFact, DeviceRow> = {
  name: "devices",
  keysOf: ({ lockId, event }) => (event === undefined ? none : [lockKey(lockId)]),
  fold: (row, { event }) => {
    if (event === undefined) return row
    if (row !== undefined) return changed(row, event)
    return event._tag === "LockCreated" ? rowOf(event) : undefined
  },
  indexes: {
    owner: ["ownerId"],
    organization: ["orgId"],
    "owner-in-organization": ["orgId", "ownerId"],
    thing: ["thingName"]
  }
}

/** The last event of every lock. Most events change nothing else, so it is apart from the rest, and small. */
export const lastEvents: Table<LockFact, { readonly type: string; readonly at: number }> = {
  name: "last-events",
  keysOf: ({ lockId }) => [lockKey(lockId)],
  overwrites: true,
  fold: (_, { stored: { type, at } }) => ({ type, at }),
  indexes: {}
}

/** Which lock a temp key was created on, by the key's uuid; when two locks claim the same, the first has it. */
export const tempKeys: Table<LockFact, { readonly lockId: number }> = {
  name: "temp-keys",
  keysOf: ({ event }) => (event?._tag === "TempKeyCreated" ? [canonical(event.tempKeyUuid)] : none),
  fold: (row, { lockId }) => row ?? { lockId },
  indexes: {}
}

/** Everybody who was ever an owner, a key holder or a resident. */
export const users: Table<LockFact, true> = {
  name: "users",
  keysOf: ({ event }) => (event === undefined ? none : usersOf(event)),
  fold: () => true,
  indexes: {}
}

/** Those whom events of an organization made so, by `userOf`. */
export const usersInOrganizations: Table<LockFact, true> = {
  name: "users-in-organizations",
  keysOf: ({ event, stored: { orgId } }) =>
    event === undefined ? none : usersOf(event).map((userId) => userOf(orgId, userId)),
  fold: () => true,
  indexes: {}
}

export const userOf = (orgId: string, userId: string): string => compound([orgId, userId])

/** What the read model of locks holds. */
export const lockTables: Tables<LockFact> = {
  format: 1,
  factOf: (stored) => {
    const lockId = lockOfStream(stored.streamId)
    if (lockId === undefined) return undefined
    const event = telling.has(stored.type) ? Option.getOrUndefined(fromStored(stored)) : undefined
    return { lockId, stored, event }
  },
  tables: [devices, lastEvents, tempKeys, users, usersInOrganizations]
}

const none: ReadonlyArray<string> = []

const rowOf = (event: Extract<LockEvent, { _tag: "LockCreated" }>): DeviceRow => ({
  lockId: event.lockId,
  lockUuid: event.uuid,
  thingName: event.uuid,
  serialNumber: event.serialNumber ?? null,
  ownerId: event.ownerId ?? null,
  orgId: event.orgId ?? null,
  keysCount: event.keys?.length ?? 0,
  residentCount: 0
})

const changed = (row: DeviceRow, event: LockEvent): DeviceRow => {
  switch (event._tag) {
    case "OwnerSet":
      return { ...row, ownerId: event.userId }
    case "OrganizationSet":
      return { ...row, orgId: event.orgId }
    case "LockUuidChanged":
      return { ...row, lockUuid: event.newUuid, thingName: event.newUuid }
    case "KeyAdded":
      return { ...row, keysCount: row.keysCount + 1 }
    case "KeyRemoved":
      return { ...row, keysCount: row.keysCount - 1 }
    case "ResidentAdded":
      return { ...row, residentCount: row.residentCount + 1 }
    case "ResidentRemoved":
      return { ...row, residentCount: row.residentCount - 1 }
    default:
      return row
  }
}

const usersOf = (event: LockEvent): ReadonlyArray<string> => {
  switch (event._tag) {
    case "LockCreated":
      return [event.ownerId, ...(event.keys ?? []).map((key) => key.userId)].filter((id) => id !== undefined)
    case "OwnerSet":
    case "ResidentAdded":
      return [event.userId]
    case "KeyAdded":
      return event.userId === undefined ? none : [event.userId]
    default:
      return none
  }
}
