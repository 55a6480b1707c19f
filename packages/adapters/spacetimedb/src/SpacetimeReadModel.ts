/**
 * The read model. Its rows are derived here, by the rules of the core, and applied there: a batch that was derived from
 * rows that somebody else has changed since is refused, and derived again.
 */
import {
  canonical,
  type DeviceState,
  type OwnedLock,
  project,
  type ReadModel,
  ReadModelUnavailable,
  type StoredEvent
} from "@latchkey/core"
import { Effect, Option } from "effect"
import type { ReadAnswer, WriteArguments } from "./Bindings.ts"
import type { Connection, Unavailable } from "./Connection.ts"

export const make = ({ send, read }: Connection): ReadModel["Service"] => {
  const checkpoint = Effect.map(read("device_rows", { lockIds: [] }), (rows) => Number(rows.checkpoint))

  const apply = (events: ReadonlyArray<StoredEvent>): Effect.Effect<number, Unavailable> =>
    Effect.gen(function* () {
      const lockIds = new Set(events.flatMap((event) => project(event)?.lockId ?? []))
      const before = yield* read("device_rows", { lockIds: Array.from(lockIds, BigInt) })
      const from = Number(before.checkpoint)
      const news = events.filter(({ position }) => position > from)
      const last = news.at(-1)
      if (last === undefined || news[0]?.position !== from + 1) return from
      yield* send("apply_rows", { ...rowsAfter(before, news), from: before.checkpoint, to: BigInt(last.position) })
      return last.position
    }).pipe(Effect.catchTag("Refused", () => apply(events)))

  return {
    source: "spacetimedb",

    checkpoint: Effect.mapError(checkpoint, unavailable),

    apply: (events) => Effect.mapError(apply(events), unavailable),

    devicesOwnedBy: (ownerId, orgId) =>
      Effect.mapBoth(read("owned_devices", { ownerId, orgId }), {
        onSuccess: (rows) => rows.map(toOwned),
        onFailure: unavailable
      }),

    locksOfOrganization: (orgId) =>
      Effect.mapBoth(read("locks_of_organization", { orgId }), {
        onSuccess: (lockIds) => lockIds.map(Number),
        onFailure: unavailable
      }),

    devices: (lockIds) =>
      Effect.mapBoth(read("devices", { lockIds: lockIds.map(BigInt) }), {
        onSuccess: (rows) => rows.map(toOwned),
        onFailure: unavailable
      }),

    lockOfThing: (thing) => Effect.mapBoth(read("lock_of_thing", { thing }), toLock),

    lockOfTempKey: (uuid) => Effect.mapBoth(read("lock_of_temp_key", { uuid: canonical(uuid) }), toLock),

    isKnownUser: (userId, orgId) =>
      Effect.mapError(
        orgId === undefined ? read("is_known_user", { userId }) : read("is_user_of", { key: userOf(orgId, userId) }),
        unavailable
      ),

    reportDevice: (thing, online, at) => done(send("report_device", { thing, online, at })),

    isOnline: (thing) => Effect.mapError(read("is_online", { thing }), unavailable),

    reset: done(send("forget_rows", {}))
  }
}

type Device = WriteArguments<"apply_rows">["devices"][number]

/** What the events make of the rows before them. */
const rowsAfter = ({ devices }: ReadAnswer<"device_rows">, events: ReadonlyArray<StoredEvent>) => {
  const rows = new Map(devices.map((row) => [Number(row.lockId), toState(row)]))
  const users = new Set<string>()
  const usersOf = new Set<string>()
  const tempKeys: WriteArguments<"apply_rows">["tempKeys"] = []
  for (const event of events) {
    const projected = project(event)
    if (projected === undefined) continue
    const { lockId, tempKeyUuid } = projected
    const row = projected.row(rows.get(lockId))
    if (row !== undefined) rows.set(lockId, row)
    for (const user of projected.users) {
      users.add(user)
      usersOf.add(userOf(event.orgId, user))
    }
    if (tempKeyUuid !== undefined) tempKeys.push({ uuid: tempKeyUuid, lockId: BigInt(lockId) })
  }
  return { devices: Array.from(rows.values(), toDevice), users: [...users], tempKeys, usersOf: [...usersOf] }
}

const toDevice = ({ lockId, serialNumber, ownerId, orgId, ...row }: DeviceState): Device => ({
  ...row,
  lockId: BigInt(lockId),
  serialNumber: serialNumber ?? undefined,
  ownerId: ownerId ?? undefined,
  orgId: orgId ?? undefined
})

const toState = ({ lockId, serialNumber, ownerId, orgId, ...row }: Device): DeviceState => ({
  ...row,
  lockId: Number(lockId),
  serialNumber: serialNumber ?? null,
  ownerId: ownerId ?? null,
  orgId: orgId ?? null
})

const toOwned = ({ online, lastSeen, ...row }: ReadAnswer<"devices">[number]): OwnedLock => ({
  ...toState(row),
  online,
  lastSeen: lastSeen ?? null
})

const userOf = (orgId: string, userId: string): string => JSON.stringify([orgId, userId])

const unavailable = ({ message, cause }: Unavailable): ReadModelUnavailable =>
  new ReadModelUnavailable({ message, cause })

const toLock = {
  onSuccess: (lockId: bigint | undefined) => Option.map(Option.fromUndefinedOr(lockId), Number),
  onFailure: unavailable
}

/** The module refuses none of these. */
const done = (writing: ReturnType<Connection["send"]>): Effect.Effect<void, ReadModelUnavailable> =>
  writing.pipe(Effect.catchTag("Refused", Effect.die), Effect.mapError(unavailable), Effect.asVoid)
