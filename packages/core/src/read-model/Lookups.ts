/** The questions that the rows of locks answer. */
import { Effect, Option } from "effect"
import type { Hands } from "../lock/Giver.ts"
import type { LockDescription } from "../lock/LockDescription.ts"
import { canonical } from "../lock/TempKey.ts"
import { type LockFact, lockKey } from "./LockFact.ts"
import { descriptionIn, places } from "./LockPlaces.ts"
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
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"
import { rowsIn, type Table } from "./Table.ts"

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
  /** These of the locks that there are, in any order: one question, however many. */
  readonly devices: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyArray<DeviceState>>
  /** What the devices of these locks are called, by lock: one question, however many. */
  readonly thingsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, string>>
  /** What those who have them say of these of the locks that there are. */
  readonly descriptionsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, LockDescription>>
  /** When these of the locks were last opened, epoch milliseconds. */
  readonly lastOpeningsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, number>>
  /** Who has these of the locks that there are. */
  readonly handsOf: (lockIds: ReadonlyArray<number>) => Answer<ReadonlyMap<number, Hands>>
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

interface OnLock {
  readonly lockId: number
}
interface OfUser {
  /** The name of a row. */
  readonly after?: string | undefined
  readonly orgId: string | undefined
  readonly isShown?: ((lockId: number) => boolean) | undefined
}

/** Rows that are looked at in one turn. */
const LOOKED_AT = 200

/** Looks things up in the rows of a read model. */
export const lookups = (readModel: ReadModel["Service"]): Lookups => {
  const ofDevices = rowsIn(readModel, devices)
  const ofLocks = rowsIn(readModel, locks)
  const ofLastEvents = rowsIn(readModel, lastEvents)
  const ofPlaces = rowsIn(readModel, places)
  const ofLastOpenings = rowsIn(readModel, lastOpenings)
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

  /** Those of the rows that are on locks which were not retired; with `orgId`, on those of the organization. */
  const onLocks = Effect.fnUntraced(function* <Row extends OnLock>(
    rows: ReadonlyArray<readonly [string, Row]>,
    orgId: string | undefined
  ) {
    const locks = yield* ofDevices.byKey([...new Set(rows.map(([_, { lockId }]) => lockKey(lockId)))])
    return rows.filter(([_, { lockId }]) => {
      const lock = locks.get(lockKey(lockId))
      return lock !== undefined && (orgId === undefined || lock.orgId === orgId)
    })
  })

  /** Finds rows of a user in such a table, as `keysHeldBy` says. */
  const ofUser = <Row extends OnLock>(table: Table<LockFact, Row>) => {
    const ofRows = rowsIn(readModel, table)
    return Effect.fnUntraced(function* (
      userId: string,
      limit: number,
      { after = "", orgId, isShown = () => true }: OfUser
    ) {
      const found: Array<Row> = []
      let reached = after
      while (true) {
        const rows = yield* ofRows.page("user", [userId], reached, LOOKED_AT)
        const own = yield* onLocks(rows, orgId)
        for (const [_, row] of own) if (isShown(row.lockId)) found.push(row)
        const last = rows.at(-1)
        if (found.length > limit || last === undefined || rows.length < LOOKED_AT)
          return { rows: found.slice(0, limit), hasMore: found.length > limit }
        reached = last[0]
        if (orgId === undefined || own.length > 0) continue
        // None of so many: on with the organization's next lock.
        const [next] = yield* ofDevices.page("organization", [orgId], lockKey(last[1].lockId - 1), 1)
        if (next === undefined) return { rows: found, hasMore: false }
        if (next[0] > reached) reached = next[0]
      }
    })
  }
  const ofHeldKeys = rowsIn(readModel, heldKeys)
  const heldBy = ofUser(heldKeys)
  const livingOf = ofUser(residents)

  return {
    keysHeldBy: (userId, { after, limit, orgId, isShown }) =>
      Effect.map(
        heldBy(userId, limit, { after: after && nameOnLock(after.lockId, after.keyUuid), orgId, isShown }),
        ({ rows, hasMore }) => ({ keys: rows.map((row) => ({ ...row, userId })), hasMore })
      ),
    locksOfResident: (userId, { limit, orgId }) =>
      Effect.map(livingOf(userId, limit, { orgId }), ({ rows }) => rows.map(({ lockId }) => lockId)),
    locksOfKey: (keyUuid, limit) =>
      Effect.map(ofHeldKeys.page("key", [keyUuid], "", limit), (rows) => rows.map(([_, { lockId }]) => lockId)),
    devicesOwnedBy: (userId, orgId) =>
      Effect.flatMap(
        orgId === undefined ? ofDevices.all("owner", userId) : ofDevices.all("owner-in-organization", orgId, userId),
        withLastEvents
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
    devices: (lockIds) => Effect.flatMap(ofDevices.get(lockIds.map(lockKey)), withLastEvents),
    thingsOf: (lockIds) =>
      Effect.map(
        ofDevices.get(lockIds.map(lockKey)),
        (rows) => new Map(rows.map(({ lockId, thingName }) => [lockId, thingName]))
      ),
    descriptionsOf: (lockIds) =>
      Effect.map(
        ofPlaces.byKey(lockIds.map(lockKey)),
        (rows) => new Map(Array.from(rows, ([key, row]) => [Number(key), descriptionIn(row)]))
      ),
    lastOpeningsOf: (lockIds) =>
      Effect.map(
        ofLastOpenings.byKey(lockIds.map(lockKey)),
        (rows) => new Map(Array.from(rows, ([key, { at }]) => [Number(key), at]))
      ),
    handsOf: (lockIds) =>
      Effect.map(
        ofDevices.get([...new Set(lockIds)].map(lockKey)),
        (rows) =>
          new Map(
            rows.map(({ lockId, ownerId, orgId }) => [
              lockId,
              { ownerId: ownerId ?? undefined, orgId: orgId ?? undefined }
            ])
          )
      ),
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
