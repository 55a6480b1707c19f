/** The questions that the rows of locks answer. */
import { Effect, Option } from "effect"
import { canonical } from "../lock/TempKey.ts"
import {
  type DeviceRow,
  type DeviceState,
  devices,
  lastEvents,
  lockKey,
  tempKeys,
  userOf,
  users,
  usersInOrganizations
} from "./LockTables.ts"
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"
import { rowsIn } from "./Table.ts"

type Answer<A> = Effect.Effect<A, ReadModelUnavailable>

/** Lookups across locks. */
export interface Lookups {
  /** Locks of an owner, by lockId; with `orgId`, only those of that organization. */
  readonly devicesOwnedBy: (userId: string, orgId?: string) => Answer<ReadonlyArray<DeviceState>>
  /** Which locks an organization has, by lockId. */
  readonly locksOfOrganization: (orgId: string) => Answer<ReadonlyArray<number>>
  /** These of the locks that there are, in any order: one question, however many. */
  readonly devices: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyArray<DeviceState>>
  /** The lock whose present thing this is; of several, the one with the lowest id. */
  readonly lockOfThing: (thing: string) => Answer<Option.Option<number>>
  /** The lock on which a temp key was created; when two locks claim the same uuid, the first. */
  readonly lockOfTempKey: (tempKeyUuid: string) => Answer<Option.Option<number>>
  /**
   * Whether this id was ever an owner, a key holder or a resident; with `orgId`, whether an event of that organization
   * made it one.
   */
  readonly isKnownUser: (userId: string, orgId?: string) => Answer<boolean>
}

/** Looks things up in the rows of a read model. */
export const lookups = (readModel: ReadModel["Service"]): Lookups => {
  const ofDevices = rowsIn(readModel, devices)
  const ofLastEvents = rowsIn(readModel, lastEvents)
  const ofTempKeys = rowsIn(readModel, tempKeys)
  const ofUsers = rowsIn(readModel, users)
  const ofUsersInOrganizations = rowsIn(readModel, usersInOrganizations)

  const withLastEvents = Effect.fnUntraced(function* (rows: ReadonlyArray<DeviceRow>) {
    const last = yield* ofLastEvents.byKey(rows.map(({ lockId }) => lockKey(lockId)))
    return rows.flatMap((row): ReadonlyArray<DeviceState> => {
      const event = last.get(lockKey(row.lockId))
      // Forgotten in between: then the lock is not there any more.
      return event === undefined ? [] : [{ ...row, lastEvent: event.type, lastUpdated: event.at }]
    })
  })

  return {
    devicesOwnedBy: (userId, orgId) =>
      Effect.flatMap(
        orgId === undefined ? ofDevices.all("owner", userId) : ofDevices.all("owner-in-organization", orgId, userId),
        withLastEvents
      ),
    locksOfOrganization: (orgId) =>
      Effect.map(ofDevices.all("organization", orgId), (rows) => rows.map(({ lockId }) => lockId)),
    devices: (lockIds) => Effect.flatMap(ofDevices.get(lockIds.map(lockKey)), withLastEvents),
    lockOfThing: (thing) => Effect.map(ofDevices.first("thing", thing), lockOf),
    lockOfTempKey: (tempKeyUuid) => Effect.map(ofTempKeys.get([canonical(tempKeyUuid)]), ([row]) => lockOf(row)),
    isKnownUser: (userId, orgId) =>
      Effect.map(
        orgId === undefined ? ofUsers.get([userId]) : ofUsersInOrganizations.get([userOf(orgId, userId)]),
        (rows) => rows.length > 0
      )
  }
}

const lockOf = (row: { readonly lockId: number } | undefined): Option.Option<number> =>
  row === undefined ? Option.none() : Option.some(row.lockId)
