/** A read model that keeps its rows in this process's memory: it begins empty and replays the feed. */
import { Effect, Layer, Option } from "effect"
import { canonical } from "../lock/TempKey.ts"
import { type DeviceState, project } from "../read-model/DeviceState.ts"
import { type OwnedLock, ReadModel } from "../read-model/ReadModel.ts"
import type { StoredEvent } from "../streams/EventStore.ts"

const make = (): ReadModel["Service"] => {
  let checkpoint = 0
  const rows = new Map<number, DeviceState>()
  const locksOfOwner = index()
  const locksOfOrganization = index()
  const locksOfThing = index()
  const lockOfTempKey = new Map<string, number>()
  const users = new Set<string>()
  /** By organization: who was named by its events. */
  const usersOf = new Map<string, Set<string>>()
  const devices = new Map<string, { readonly online: boolean; readonly since: number; readonly lastSeen: number }>()

  const applyOne = (event: StoredEvent): void => {
    checkpoint = event.position
    const projected = project(event)
    if (projected === undefined) return
    const { lockId, tempKeyUuid } = projected
    for (const user of projected.users) {
      users.add(user)
      const there = usersOf.get(event.orgId)
      if (there === undefined) usersOf.set(event.orgId, new Set([user]))
      else there.add(user)
    }
    if (tempKeyUuid !== undefined && !lockOfTempKey.has(tempKeyUuid)) lockOfTempKey.set(tempKeyUuid, lockId)
    const before = rows.get(lockId)
    const row = projected.row(before)
    if (row === undefined) return
    rows.set(lockId, row)
    locksOfOwner.move(lockId, before?.ownerId, row.ownerId)
    locksOfOrganization.move(lockId, before?.orgId, row.orgId)
    locksOfThing.move(lockId, before?.thingName, row.thingName)
  }

  const isOnline = (thing: string): boolean => devices.get(thing)?.online ?? false

  const owned = (lockId: number): ReadonlyArray<OwnedLock> => {
    const row = rows.get(lockId)
    if (row === undefined) return []
    return [{ ...row, online: isOnline(row.thingName), lastSeen: devices.get(row.thingName)?.lastSeen ?? null }]
  }

  return {
    source: "memory",

    checkpoint: Effect.sync(() => checkpoint),

    apply: (events) =>
      Effect.sync(() => {
        for (const event of events) {
          if (event.position === checkpoint + 1) applyOne(event)
        }
        return checkpoint
      }),

    devicesOwnedBy: (userId, orgId) =>
      Effect.sync(() =>
        locksOfOwner
          .of(userId)
          .flatMap(owned)
          .filter((row) => orgId === undefined || row.orgId === orgId)
      ),

    locksOfOrganization: (orgId) => Effect.sync(() => locksOfOrganization.of(orgId)),

    devices: (lockIds) => Effect.sync(() => lockIds.flatMap(owned)),

    lockOfThing: (thing) => Effect.sync(() => Option.fromUndefinedOr(locksOfThing.of(thing)[0])),

    lockOfTempKey: (tempKeyUuid) =>
      Effect.sync(() => Option.fromUndefinedOr(lockOfTempKey.get(canonical(tempKeyUuid)))),

    isKnownUser: (userId, orgId) =>
      Effect.sync(() => (orgId === undefined ? users.has(userId) : usersOf.get(orgId)?.has(userId) === true)),

    reportDevice: (thing, online, at) =>
      Effect.sync(() => {
        const before = devices.get(thing) ?? { online: false, since: Number.NEGATIVE_INFINITY, lastSeen: at }
        const lastSeen = Math.max(at, before.lastSeen)
        const counts = online !== undefined && (at > before.since || (at === before.since && online))
        devices.set(thing, counts ? { online, since: at, lastSeen } : { ...before, lastSeen })
      }),

    isOnline: (thing) => Effect.sync(() => isOnline(thing)),

    reset: Effect.sync(() => {
      checkpoint = 0
      for (const table of [rows, locksOfOwner, locksOfOrganization, locksOfThing, lockOfTempKey, users, usersOf])
        table.clear()
    })
  }
}

/** Which locks belong to a name. */
const index = () => {
  const locks = new Map<string, Set<number>>()
  return {
    of: (name: string): ReadonlyArray<number> => [...(locks.get(name) ?? [])].sort((a, b) => a - b),
    move: (lockId: number, from: string | null | undefined, to: string | null): void => {
      if (from === to) return
      if (typeof from === "string") locks.get(from)?.delete(lockId)
      if (to === null) return
      const there = locks.get(to)
      if (there === undefined) locks.set(to, new Set([lockId]))
      else there.add(lockId)
    },
    clear: (): void => locks.clear()
  }
}

/** Every build of the layer is an empty read model. */
export const layer: Layer.Layer<ReadModel> = Layer.sync(ReadModel, make)
