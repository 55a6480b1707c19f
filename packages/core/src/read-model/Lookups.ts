/** The questions that the rows of locks answer. */
import { Effect, Option, Struct } from "effect"
import type { Hands } from "../lock/Giver.ts"
import type { LockDescription } from "../lock/LockDescription.ts"
import { canonical } from "../lock/TempKey.ts"
import { given } from "../values/given.ts"
import { lockKey } from "./LockFact.ts"
import { descriptionIn, handsOf } from "./LockPlaces.ts"
import {
  type DeviceRow,
  type DeviceState,
  devices,
  type HeldKeyRow,
  heldKeys,
  lastEvents,
  lastOpenings,
  locks,
  nameOnLock,
  residents,
  tempKeys,
  userOf,
  users,
  usersInOrganizations
} from "./LockTables.ts"
import { onLocksOf, ownedBy } from "./OnLocks.ts"
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"
import { rowsIn } from "./Table.ts"

type Answer<A> = Effect.Effect<A, ReadModelUnavailable>

/** Lookups across locks. */
export interface Lookups {
  /** Locks of an owner, by lockId; with `orgId`, only those of that organization. */
  readonly devicesOwnedBy: (userId: string, orgId?: string) => Answer<ReadonlyArray<DeviceState>>
  /** Which locks an organization has, by lockId. */
  readonly locksOfOrganization: (orgId: string) => Answer<ReadonlyArray<number>>
  /** Locks after a lock, by lockId: those of an owner, of an organization, or all. */
  readonly locksAfter: (
    whose: { readonly ownerId: string } | { readonly orgId: string } | "all",
    lockId: number,
    limit: number
  ) => Answer<ReadonlyArray<number>>
  /** What lists show of locks. */
  readonly statesOf: (rows: ReadonlyArray<DeviceRow>) => Answer<ReadonlyArray<DeviceState>>
  /** What the devices of these locks are called, by lock: one question, however many. */
  readonly thingsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, string>>
  /** When these of the locks were last opened, epoch milliseconds. */
  readonly lastOpeningsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, number>>
  /** Who has these of the locks that there are. */
  readonly handsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, Hands>>
  /** What those who have them say of these of the locks that there are. */
  readonly descriptionsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, LockDescription>>
  /** The lock whose present thing this is; of several, the one with the lowest id. */
  readonly lockOfThing: (thing: string) => Answer<Option.Option<number>>
  /** The lock on which a temp key was created; when two locks claim the same uuid, the first. */
  readonly lockOfTempKey: (tempKeyUuid: string) => Answer<Option.Option<number>>
  /**
   * Whether this id was ever an owner, a key holder or a resident; with `orgId`, whether an event of that organization
   * made it one.
   */
  readonly isKnownUser: (userId: string, orgId?: string) => Answer<boolean>
  /** Locks on which a key is, so many of them at most: keys of several locks may have one uuid. */
  readonly locksOfKey: (keyUuid: string, limit: number) => Answer<ReadonlyArray<number>>
  /**
   * Keys that a user holds, by lock, so many of them after a key; with `orgId`, only those on locks of that organization:
   * what the user holds elsewhere costs it no more than its own locks do. `isShown` leaves locks out. `hasMore`: there are
   * others after these.
   */
  readonly keysHeldBy: (
    userId: string,
    page: {
      readonly after: HeldKeyName | undefined
      readonly limit: number
      readonly orgId: string | undefined
      readonly isShown?: (lockId: number) => boolean
    }
  ) => Answer<{ readonly keys: ReadonlyArray<HeldKeyRow>; readonly hasMore: boolean }>
  /** Locks behind which a user lives, so many of them at most; with `orgId`, only those of that organization, at the same cost. */
  readonly locksOfResident: (
    userId: string,
    page: { readonly limit: number; readonly orgId: string | undefined }
  ) => Answer<ReadonlyArray<number>>
}

/** Names a key of a lock. */
export type HeldKeyName = Pick<HeldKeyRow, "lockId" | "keyUuid">

/** Looks things up in the rows of a read model. */
export const lookups = (readModel: ReadModel["Service"]): Lookups => {
  const ofDevices = rowsIn(readModel, devices)
  const ofLocks = rowsIn(readModel, locks)
  const ofLastEvents = rowsIn(readModel, lastEvents)
  const ofLastOpenings = rowsIn(readModel, lastOpenings)
  const ofTempKeys = rowsIn(readModel, tempKeys)
  const ofUsers = rowsIn(readModel, users)
  const ofUsersInOrganizations = rowsIn(readModel, usersInOrganizations)

  const statesOf = Effect.fnUntraced(function* (rows: ReadonlyArray<DeviceRow>) {
    const last = yield* ofLastEvents.byKey(rows.map(({ lockId }) => lockKey(lockId)))
    return rows.flatMap((row): ReadonlyArray<DeviceState> => {
      const event = last.get(lockKey(row.lockId))
      // Forgotten in between: then the lock is not there any more.
      return event === undefined ? [] : [{ ...shownOf(row), lastEvent: event.type, lastUpdated: event.at }]
    })
  })

  const ofHeldKeys = rowsIn(readModel, heldKeys)
  const aboutLocks = <A>(lockIds: ReadonlyArray<number>, about: (row: DeviceRow) => A) =>
    Effect.map(
      ofDevices.get([...new Set(lockIds)].map(lockKey)),
      (rows): ReadonlyMap<number, A> => new Map(rows.map((row) => [row.lockId, about(row)]))
    )

  const ofOwner = ownedBy(readModel)
  const heldBy = onLocksOf(readModel, heldKeys)
  const livingOf = onLocksOf(readModel, residents)

  return {
    keysHeldBy: (userId, { after, limit, orgId, isShown }) =>
      Effect.map(
        heldBy(userId, { after: after && nameOnLock(after.lockId, after.keyUuid), limit, orgId, isShown }),
        ({ rows, hasMore }) => ({ keys: rows.map(([_, row]) => ({ ...row, userId })), hasMore })
      ),
    locksOfResident: (userId, { limit, orgId }) =>
      Effect.map(livingOf(userId, { limit, orgId }), ({ rows }) => rows.map(([_, { lockId }]) => lockId)),
    locksOfKey: (keyUuid, limit) =>
      Effect.map(ofHeldKeys.page("key", [keyUuid], "", limit), (rows) => rows.map(([_, { lockId }]) => lockId)),
    devicesOwnedBy: (userId, orgId) =>
      Effect.flatMap(ofOwner(userId, { limit: Number.POSITIVE_INFINITY, orgId }), ({ rows }) =>
        statesOf(rows.map(([_, row]) => row))
      ),
    locksOfOrganization: (orgId) =>
      Effect.map(ofDevices.all("organization", orgId), (rows) => rows.map(({ lockId }) => lockId)),
    locksAfter: (whose, lockId, limit) => {
      const after = lockKey(lockId)
      const page: Answer<ReadonlyArray<readonly [key: string, row: unknown]>> =
        whose === "all"
          ? ofLocks.page("all", ["all"], after, limit)
          : "ownerId" in whose
            ? ofDevices.page("owner", [whose.ownerId], after, limit)
            : ofDevices.page("organization", [whose.orgId], after, limit)
      return Effect.map(page, (rows) => rows.map(([key]) => Number(key)))
    },
    statesOf,
    thingsOf: (lockIds) => aboutLocks(lockIds, ({ thingName }) => thingName),
    lastOpeningsOf: (lockIds) =>
      Effect.map(
        ofLastOpenings.byKey(lockIds.map(lockKey)),
        (rows) => new Map(Array.from(rows, ([key, { at }]) => [Number(key), at]))
      ),
    handsOf: (lockIds) => aboutLocks(lockIds, handsOf),
    descriptionsOf: (lockIds) => aboutLocks(lockIds, descriptionIn),
    lockOfThing: (thing) => Effect.map(ofDevices.first("thing", thing), lockOf),
    lockOfTempKey: (tempKeyUuid) => Effect.map(ofTempKeys.get([canonical(tempKeyUuid)]), ([row]) => lockOf(row)),
    isKnownUser: (userId, orgId) =>
      Effect.map(
        orgId === undefined ? ofUsers.get([userId]) : ofUsersInOrganizations.get([userOf(orgId, userId)]),
        (rows) => rows.length > 0
      )
  }
}

/** Nothing else of a row is shown: what is said of a lock may be of those who had it before. */
const SHOWN = [
  ...(["lockId", "lockUuid", "thingName", "serialNumber", "ownerId"] as const),
  ...(["orgId", "keysCount", "residentCount", "deviceState"] as const)
]
const shownOf = (row: DeviceRow) => {
  const { name, timeZone, address } = descriptionIn(row)
  return { ...Struct.pick(row, SHOWN), ...given({ name, timeZone, address }) }
}

const lockOf = (row: { readonly lockId: number } | undefined): Option.Option<number> =>
  row === undefined ? Option.none() : Option.some(row.lockId)
