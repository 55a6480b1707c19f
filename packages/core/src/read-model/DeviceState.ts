/** What the read model keeps of a lock, and how each event changes it. Pure: the same feed gives the same rows. */
import { Option } from "effect"
import { lockOfStream } from "../lock/Lock.ts"
import { fromStored, type LockEvent, type LockEventType } from "../lock/LockEvent.ts"
import { canonical } from "../lock/TempKey.ts"
import type { StoredEvent } from "../streams/EventStore.ts"

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

/** What one event of the feed does to the read model. */
export interface Projected {
  readonly lockId: number
  /** The row of a lock that has none yet. Anything else that happens to a lock without a row leaves it so. */
  readonly created: DeviceState | undefined
  /** Fields with a new value, and what is added to counts, beside the row's last event. */
  readonly sets: Partial<Pick<DeviceState, "ownerId" | "orgId" | "lockUuid" | "thingName">>
  readonly adds: Partial<Pick<DeviceState, "keysCount" | "residentCount">>
  /** The row after the event, given the one before it; `undefined` while the lock does not exist. */
  readonly row: (before: DeviceState | undefined) => DeviceState | undefined
  /** Users that are known from now on. */
  readonly users: ReadonlyArray<string>
  /** The temp key that belongs to this lock from now on, unless another lock claimed it first. */
  readonly tempKeyUuid: string | undefined
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

/** What an event means for the read model; `undefined` when it is not about a lock. */
export const project = (stored: StoredEvent): Projected | undefined => {
  const lockId = lockOfStream(stored.streamId)
  if (lockId === undefined) return undefined
  const event = telling.has(stored.type) ? Option.getOrUndefined(fromStored(stored)) : undefined
  const created = event?._tag === "LockCreated" ? rowOf(event, stored) : undefined
  const sets = event === undefined ? nothing : setsOf(event)
  const adds = event === undefined ? nothing : addsOf(event)
  return {
    lockId,
    created,
    sets,
    adds,
    row: (before) =>
      before === undefined
        ? created
        : {
            ...before,
            ...sets,
            keysCount: before.keysCount + (adds.keysCount ?? 0),
            residentCount: before.residentCount + (adds.residentCount ?? 0),
            lastEvent: stored.type,
            lastUpdated: stored.at
          },
    users: event === undefined ? [] : usersOf(event),
    tempKeyUuid: event?._tag === "TempKeyCreated" ? canonical(event.tempKeyUuid) : undefined
  }
}

const nothing: Projected["sets"] & Projected["adds"] = {}

const rowOf = (event: Extract<LockEvent, { _tag: "LockCreated" }>, { type, at }: StoredEvent): DeviceState => ({
  lockId: event.lockId,
  lockUuid: event.uuid,
  thingName: event.uuid,
  serialNumber: event.serialNumber ?? null,
  ownerId: event.ownerId ?? null,
  orgId: event.orgId ?? null,
  keysCount: event.keys?.length ?? 0,
  residentCount: 0,
  lastEvent: type,
  lastUpdated: at
})

const setsOf = (event: LockEvent): Projected["sets"] => {
  switch (event._tag) {
    case "OwnerSet":
      return { ownerId: event.userId }
    case "OrganizationSet":
      return { orgId: event.orgId }
    case "LockUuidChanged":
      return { lockUuid: event.newUuid, thingName: event.newUuid }
    default:
      return nothing
  }
}

const addsOf = (event: LockEvent): Projected["adds"] => {
  switch (event._tag) {
    case "KeyAdded":
      return { keysCount: 1 }
    case "KeyRemoved":
      return { keysCount: -1 }
    case "ResidentAdded":
      return { residentCount: 1 }
    case "ResidentRemoved":
      return { residentCount: -1 }
    default:
      return nothing
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
      return event.userId === undefined ? [] : [event.userId]
    default:
      return []
  }
}
