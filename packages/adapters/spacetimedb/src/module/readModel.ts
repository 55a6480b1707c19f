/** The rows of the read model. The client derives them from the feed; here they are kept, with their checkpoint. */
import type { Infer } from "spacetimedb/server"
import { type procedures, type ReadArguments, refuse, type Transaction, type WriteArguments } from "./database.ts"

/** A name of its own for every way of deriving the rows: under a new one, everything is projected again. */
const CHECKPOINT = "device_state_2"

type OwnedDevice = Infer<typeof procedures.owned_devices.returns>[number]

const checkpoint = (tx: Transaction): bigint => tx.db.checkpoints.name.find(CHECKPOINT)?.position ?? 0n

/** Rows that begin elsewhere than the read model stands are refused: they were derived from others. */
export const applyRows = (
  tx: Transaction,
  { from, to, devices, users, tempKeys, usersOf }: WriteArguments["apply_rows"]
): void => {
  const position = checkpoint(tx)
  if (position !== from) refuse({ code: "CheckpointMoved", checkpoint: Number(position) })
  // What stands here before the first event was derived in another way.
  if (position === 0n) forgetRows(tx)
  for (const device of devices) {
    const row = { ...device, owner: device.ownerId ?? "" }
    if (tx.db.device_state.lockId.find(device.lockId) === null) tx.db.device_state.insert(row)
    else tx.db.device_state.lockId.update(row)
    tx.db.organizations.lockId.delete(device.lockId)
    if (device.orgId !== undefined) tx.db.organizations.insert({ lockId: device.lockId, orgId: device.orgId })
  }
  for (const key of usersOf) if (tx.db.users_of.key.find(key) === null) tx.db.users_of.insert({ key })
  for (const userId of users) {
    if (tx.db.known_users.userId.find(userId) === null) tx.db.known_users.insert({ userId })
  }
  // Of two locks that claim a temp key, the first has it.
  for (const key of tempKeys) if (tx.db.temp_keys.uuid.find(key.uuid) === null) tx.db.temp_keys.insert(key)
  tx.db.checkpoints.name.delete(CHECKPOINT)
  tx.db.checkpoints.insert({ name: CHECKPOINT, position: to })
}

/** Presence stays: it is not in the feed. */
export const forgetRows = ({ db }: Transaction): void => {
  for (const table of [db.device_state, db.organizations, db.known_users, db.users_of, db.temp_keys, db.checkpoints])
    table.clear()
}

/** Reports come doubled and unordered: the newer one counts, and of two at one time the one that says online. */
export const reportDevice = (tx: Transaction, { thing, online, at }: WriteArguments["report_device"]): void => {
  const known = tx.db.presence.thing.find(thing)
  const before = known ?? { thing, online: false, since: Number.NEGATIVE_INFINITY, lastSeen: at }
  const lastSeen = Math.max(at, before.lastSeen)
  const counts = online !== undefined && (at > before.since || (at === before.since && online))
  const after = counts ? { thing, online, since: at, lastSeen } : { ...before, lastSeen }
  if (known === null) tx.db.presence.insert(after)
  else tx.db.presence.thing.update(after)
}

export const deviceRows = (tx: Transaction, { lockIds }: ReadArguments["device_rows"]) => {
  const position = checkpoint(tx)
  const devices = position === 0n ? [] : lockIds.flatMap((lockId) => tx.db.device_state.lockId.find(lockId) ?? [])
  return { checkpoint: position, devices }
}

export const ownedDevices = (tx: Transaction, { ownerId, orgId }: ReadArguments["owned_devices"]): Array<OwnedDevice> =>
  [...tx.db.device_state.owner.filter(ownerId)]
    .filter((row) => row.ownerId === ownerId && (orgId === undefined || row.orgId === orgId))
    .sort(byLockId)
    .map((row) => withPresence(tx, row))

export const devices = (tx: Transaction, { lockIds }: ReadArguments["devices"]): Array<OwnedDevice> =>
  lockIds.flatMap((lockId) => {
    const row = tx.db.device_state.lockId.find(lockId)
    return row === null ? [] : [withPresence(tx, row)]
  })

const withPresence = <Row extends { readonly thingName: string }>(tx: Transaction, row: Row) => {
  const presence = tx.db.presence.thing.find(row.thingName)
  return { ...row, online: presence?.online ?? false, lastSeen: presence?.lastSeen }
}

export const locksOfOrganization = (tx: Transaction, { orgId }: ReadArguments["locks_of_organization"]) =>
  [...tx.db.organizations.orgId.filter(orgId)].sort(byLockId).map(({ lockId }) => lockId)

export const lockOfThing = (tx: Transaction, { thing }: ReadArguments["lock_of_thing"]): bigint | undefined =>
  [...tx.db.device_state.thingName.filter(thing)].sort(byLockId)[0]?.lockId

export const lockOfTempKey = (tx: Transaction, { uuid }: ReadArguments["lock_of_temp_key"]): bigint | undefined =>
  tx.db.temp_keys.uuid.find(uuid)?.lockId

export const isKnownUser = (tx: Transaction, { userId }: ReadArguments["is_known_user"]): boolean =>
  tx.db.known_users.userId.find(userId) !== null

export const isUserOf = (tx: Transaction, { key }: ReadArguments["is_user_of"]): boolean =>
  tx.db.users_of.key.find(key) !== null

export const isOnline = (tx: Transaction, { thing }: ReadArguments["is_online"]): boolean =>
  tx.db.presence.thing.find(thing)?.online ?? false

const byLockId = (a: { lockId: bigint }, b: { lockId: bigint }): number => (a.lockId < b.lockId ? -1 : 1)
