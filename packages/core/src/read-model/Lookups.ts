/** The questions that the rows of locks answer. */
import { Effect, Option } from "effect"
import { canonical } from "../lock/TempKey.ts"
import { type DeviceState, devices, lockKey, tempKeys, userOf, users, usersInOrganizations } from "./LockTables.ts"
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"
import { rowsIn } from "./Table.ts"

type Answer<A> = Effect.Effect<A, ReadModelUnavailable>

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

export const lookups = (readModel: ReadModel["Service"]): Lookups => {
  const ofDevices = rowsIn(readModel, devices)
  const ofTempKeys = rowsIn(readModel, tempKeys)
  const ofUsers = rowsIn(readModel, users)
  const ofUsersInOrganizations = rowsIn(readModel, usersInOrganizations)
  return {
    devicesOwnedBy: (userId, orgId) =>
      orgId === undefined ? ofDevices.all("owner", userId) : ofDevices.all("owner-in-organization", orgId, userId),
    locksOfOrganization: (orgId) =>
      Effect.map(ofDevices.all("organization", orgId), (rows) => rows.map(({ lockId }) => lockId)),
    devices: (lockIds) => ofDevices.get(lockIds.map(lockKey)),
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
