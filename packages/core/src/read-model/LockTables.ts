/** What the read model keeps of locks, and how each event changes it. Pure: the same feed gives the same rows. */
import { stateIn } from "../lock/Evolve.ts"
import { giverOf } from "../lock/Giver.ts"
import { saidAfter } from "../lock/LockDescription.ts"
import type { LockEvent, LockEventType } from "../lock/LockEvent.ts"
import type { SeenState } from "../lock/Seen.ts"
import { canonical } from "../lock/TempKey.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { conditions } from "./LockConditions.ts"
import { factOf, LISTS, type LockFact, lockKey, noKeys as none } from "./LockFact.ts"
import { handsOf, marksOfPlaces, type Place, type PlaceDescription } from "./LockPlaces.ts"
import { compound, type Table, type Tables } from "./Table.ts"

/** One lock, as lists of locks show it. */
export interface DeviceState extends PlaceDescription {
  readonly lockId: number
  readonly lockUuid: string
  /** The name under which the device is known to its shadow; empty while the lock has none. */
  readonly thingName: string
  readonly serialNumber: string | null
  readonly ownerId: string | null
  readonly orgId: string | null
  readonly keysCount: number
  readonly residentCount: number
  /** What its present device is like; `null` until it has said so. */
  readonly deviceState: SeenState | null
  /** Type of the last event. */
  readonly lastEvent: string
  /** Epoch milliseconds of the last event: taken from the event, so that a rebuild gives the same row. */
  readonly lastUpdated: number
}

/** What is kept of a lock in service, beside its last event. Instants are epoch milliseconds. */
export interface DeviceRow extends Omit<DeviceState, keyof PlaceDescription | "lastEvent" | "lastUpdated">, Place {
  /** Since when those have it who have it. */
  readonly ownerSince: number
  readonly orgSince: number
}

/** The events that change the row of a lock. */
const changing: ReadonlySet<string> = new Set<LockEventType>([
  "LockCreated",
  "OwnerSet",
  "OrganizationSet",
  "LockUuidChanged",
  "LockRetired",
  "ClaimMoved",
  "ClaimLost",
  "KeyAdded",
  "KeyRemoved",
  "ResidentAdded",
  "ResidentRemoved",
  "DeviceStateReported",
  "LockDescribed"
])

/** Every lock by its id. An event that is not its creation leaves a lock without a row so. */
export const devices: Table<LockFact, DeviceRow> = {
  name: "devices",
  keysOf: ({ key, event }) => (event !== undefined && changing.has(event._tag) ? [key] : none),
  fold: (row, { event, stored }) => {
    if (event === undefined) return row
    if (row !== undefined) return changed(row, event, stored)
    return event._tag === "LockCreated" ? rowOf(event, stored) : undefined
  },
  indexes: { ...LISTS, owner: ["ownerId"], thing: ["thingName"] },
  marks: marksOfPlaces
}

/** That a lock is there: all of them are listed together. */
export const locks: Table<LockFact, { readonly of: string }> = {
  name: "locks",
  keysOf: ({ key, event }) => (event?._tag === "LockCreated" ? [key] : none),
  fold: () => ({ of: "all" }),
  indexes: { all: ["of"] }
}

/** The last event of every lock. Most events change nothing else, so it is apart from the rest, and small. */
export const lastEvents: Table<LockFact, { readonly type: string; readonly at: number }> = {
  name: "last-events",
  keysOf: ({ key, beside }) => (beside === undefined ? [key] : none),
  overwrites: true,
  fold: (_, { stored: { type, at } }) => ({ type, at }),
  indexes: {}
}

/** When somebody last opened a lock. */
export const lastOpenings: Table<LockFact, { readonly at: number }> = {
  name: "last-openings",
  keysOf: ({ key, stored: { type } }) => (openings.has(type) ? [key] : none),
  overwrites: true,
  fold: (_, { stored: { at } }) => ({ at }),
  indexes: {}
}
const openings: ReadonlySet<string> = new Set<LockEventType>(["LockOpenRequested", "OpenedAtDoor"])

/** Which lock a temp key was created on, by the key's uuid; when two locks claim the same, the first has it. */
export const tempKeys: Table<LockFact, { readonly lockId: number }> = {
  name: "temp-keys",
  keysOf: ({ event }) =>
    event?._tag === "TempKeyCreated" && isShort(event.tempKeyUuid) ? [canonical(event.tempKeyUuid)] : none,
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

/** A permanent key of a lock. */
export interface KeyRow {
  readonly lockId: number
  readonly keyUuid: string
  readonly keyIndexNumber: number | null
  /** `null`: nobody is named. */
  readonly userId: string | null
}

/** One that somebody holds. */
export interface HeldKeyRow extends KeyRow {
  readonly userId: string
}

/** Ids of more characters came before ids had bounds: their rows would be larger than a store takes, so they have none. */
const LONGEST = 285
/** As many decimal digits hold any character. */
const DIGITS = 7

/** Names a row of something on a lock by its id; sorts as the locks do. Rows that are listed have names of digits: the id is written in them. */
export const nameOnLock = (lockId: number, id: string): string =>
  lockKey(lockId) + Array.from(id, (character) => String(character.codePointAt(0)).padStart(DIGITS, "0")).join("")

/** The uuid of the key whose row has this name. */
const uuidIn = (row: string): string => {
  const digits = row.slice(lockKey(0).length)
  return (digits.match(/.{7}/g) ?? []).map((point) => String.fromCodePoint(Number(point))).join("")
}

/** Every key, by its lock and uuid. Those of a retired lock stay: no event names them all. */
export const heldKeys: Table<LockFact, KeyRow> = {
  name: "held-keys",
  keysOf: ({ lockId, event }) => {
    switch (event?._tag) {
      case "LockCreated":
        return (event.keys ?? []).flatMap(({ uuid }) => (isShort(uuid) ? [nameOnLock(lockId, uuid)] : []))
      case "KeyAdded":
      case "KeyRemoved":
        return isShort(event.keyUuid) ? [nameOnLock(lockId, event.keyUuid)] : none
      default:
        return none
    }
  },
  fold: (row, { lockId, event }, name) => {
    switch (event?._tag) {
      case "LockCreated": {
        const uuid = uuidIn(name)
        const key = row === undefined ? event.keys?.find((key) => key.uuid === uuid) : undefined
        return key === undefined ? row : heldBy(lockId, key.uuid, key.indexNumber, key.userId)
      }
      case "KeyAdded":
        return heldBy(lockId, event.keyUuid, event.keyIndexNumber, event.userId)
      case "KeyRemoved":
        return undefined
      default:
        return row
    }
  },
  indexes: { user: ["userId"], key: ["keyUuid"] }
}

const isShort = (id: string): boolean => id.length <= LONGEST || Array.from(id).length <= LONGEST

/** The empty id is nobody's. */
const heldBy = (
  lockId: number,
  keyUuid: string,
  keyIndexNumber: number | undefined,
  userId: string | undefined
): KeyRow => ({
  lockId,
  keyUuid,
  keyIndexNumber: keyIndexNumber ?? null,
  userId: userId !== undefined && userId !== "" && isShort(userId) ? userId : null
})

/** Who lives behind a lock, by the lock and the user. Those of a retired lock stay, as its keys do. */
export const residents: Table<LockFact, { readonly lockId: number; readonly userId: string }> = {
  name: "residents",
  keysOf: ({ lockId, event }) =>
    (event?._tag === "ResidentAdded" || event?._tag === "ResidentRemoved") &&
    event.userId !== "" &&
    isShort(event.userId)
      ? [nameOnLock(lockId, event.userId)]
      : none,
  fold: (row, { lockId, event }) => {
    if (event?._tag === "ResidentRemoved") return undefined
    return event?._tag === "ResidentAdded" ? { lockId, userId: event.userId } : row
  },
  indexes: { user: ["userId"] }
}

/** What the read model of locks holds. */
export const lockTables: Tables<LockFact> = {
  format: 11,
  factOf,
  tables: [
    devices,
    locks,
    lastEvents,
    lastOpenings,
    tempKeys,
    users,
    usersInOrganizations,
    heldKeys,
    residents,
    conditions
  ]
}

const rowOf = (event: Extract<LockEvent, { _tag: "LockCreated" }>, { at }: StoredEvent): DeviceRow => ({
  of: "all",
  lockId: event.lockId,
  lockUuid: event.uuid,
  thingName: event.uuid,
  serialNumber: event.serialNumber ?? null,
  ownerId: event.ownerId ?? null,
  orgId: event.orgId ?? null,
  keysCount: event.keys?.length ?? 0,
  residentCount: 0,
  deviceState: null,
  ownerSince: at,
  orgSince: at,
  said: {}
})

/** Retired locks are in no list. */
const changed = (row: DeviceRow, event: LockEvent, { at, principal }: StoredEvent): DeviceRow | undefined => {
  switch (event._tag) {
    case "OwnerSet":
      return { ...row, ownerId: event.userId, ownerSince: at }
    case "OrganizationSet":
      return { ...row, orgId: event.orgId, orgSince: at }
    case "LockRetired":
      return undefined
    case "ClaimLost":
      return { ...row, thingName: "", deviceState: null }
    case "ClaimMoved":
    case "LockUuidChanged":
      return {
        ...row,
        lockUuid: event.newUuid,
        thingName: event.newUuid,
        deviceState: canonical(event.newUuid) === canonical(row.lockUuid) ? row.deviceState : null
      }
    case "DeviceStateReported":
      return { ...row, deviceState: stateIn(event) }
    case "KeyAdded":
      return { ...row, keysCount: row.keysCount + 1 }
    case "KeyRemoved":
      return { ...row, keysCount: row.keysCount - 1 }
    case "ResidentAdded":
      return { ...row, residentCount: row.residentCount + 1 }
    case "ResidentRemoved":
      return { ...row, residentCount: row.residentCount - 1 }
    case "LockDescribed":
      return { ...row, said: saidAfter(row.said, event, giverOf(principal, handsOf(row))) }
    default:
      return row
  }
}

const usersOf = (event: LockEvent): ReadonlyArray<string> => namedIn(event).filter(isShort)

const namedIn = (event: LockEvent): ReadonlyArray<string> => {
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
