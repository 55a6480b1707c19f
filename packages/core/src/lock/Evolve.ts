/** What a lock is after its events. Pure and total: every stored fact applies. */
import { HashMap, HashSet, Option } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import { given } from "../values/given.ts"
import type { Principal } from "../values/Principal.ts"
import { millisOf } from "../values/Text.ts"
import { hardwareOf } from "./DecideKeys.ts"
import type { EventOf } from "./Decision.ts"
import { answeredIn, sentWith } from "./DeviceEvents.ts"
import { giverOf, type Hands } from "./Giver.ts"
import {
  beginningAgain,
  inSlot,
  isGoingOn,
  isKeyCommand,
  overtakenBy,
  unknownOf,
  unwanting,
  unwantingAll,
  wanting,
  withAnswer,
  withAttention,
  withList,
  withoutForeign,
  withSent
} from "./Hardware.ts"
import { type HeldKey, inPlaces, type Key, type Lock, noDeletedTempKeys, noTempKeys, type Resident } from "./Lock.ts"
import { saidAfter } from "./LockDescription.ts"
import { fromStored, type LockEvent } from "./LockEvent.ts"
import { withPeriod } from "./Period.ts"
import { counting, nothingSeen, type Seen, type SeenState, withLast } from "./Seen.ts"
import { RECENT_OUTCOMES, withPending } from "./SentCommand.ts"
import { canonical, changed, type TempKey, withReturned } from "./TempKey.ts"

/** Before its first event a lock does not exist. */
export const initial: Lock | undefined = undefined

/**
 * Total: every stored fact applies; nothing is refused here. Before LockCreated there is nothing to apply to. What is
 * given rests on the right of the one who caused the event; unless that is said, it is as if Latchkey had.
 *
 * @example
 * ```ts
 * const lock = events.reduce((lock, event) => evolve(lock, event, ann), initial)
 * ```
 */
export const evolve = (lock: Lock | undefined, event: LockEvent, by: Principal = latchkey): Lock | undefined => {
  if (lock === undefined) return event._tag === "LockCreated" ? create(event, by) : undefined
  const version = lock.version + 1
  // With the temp keys as an argument, a use copies its lock once.
  const next = (tempKeys = lock.tempKeys): Lock => ({
    ...lock,
    version,
    changedAt: millisOf(event.timestamp),
    tempKeys
  })
  switch (event._tag) {
    case "LockCreated":
      return next()
    case "OwnerSet":
      return ownedBy(next(), event.userId)
    case "OrganizationSet":
      return hadBy(next(), event.orgId)
    case "KeyAdded":
      return {
        ...next(),
        keys: [...lock.keys, heldKey(keyOf(event), by, lock)],
        hardware: wanting(lock.hardware, keyOf(event), event.reconciled)
      }
    case "KeyRemoved":
      return {
        ...next(),
        keys: lock.keys.filter((key) => key.uuid !== event.keyUuid),
        hardware: unwanting(lock.hardware, event.keyUuid, millisOf(event.timestamp), event.reconciled),
        ...(event.reconciled && { pendingCommands: withoutOvertaken(lock, event.keyUuid) })
      }
    case "KeyWriteRequested":
      return { ...next(), hardware: inSlot(lock.hardware, nameOf(event)) }
    case "KeyAdditionSent":
    case "KeyRemovalSent":
      return next()
    case "KeysSyncRequested":
      return begunAgain(next(), event.keyUuid)
    case "KeyNeedsAttention":
      return { ...next(), hardware: withAttention(lock.hardware, event.keyUuid, event.reason) }
    case "LockOpenRequested":
    case "LockDeviceRequested":
      return next()
    case "LockUuidChanged":
      return withThing(event.ended ? { ...next(), pendingCommands: [] } : next(), event)
    case "ClaimMoved":
      return withThing(isSameThing(event) ? next() : { ...next(), pendingCommands: [] }, event)
    case "ClaimLost":
      return { ...withoutSeen(next()), lost: true, hardware: [], pendingCommands: [] }
    case "LockRetired":
      return {
        ...next(noTempKeys),
        retired: event.freed ? "freed" : "held",
        keys: [],
        hardware: event.freed ? [] : unwantingAll(lock.hardware, millisOf(event.timestamp), event.reconciled),
        deletedTempKeys: HashSet.union(lock.deletedTempKeys, HashSet.fromIterable(HashMap.keys(lock.tempKeys))),
        // Removals stay in the shadow, and the lock waits for their answers.
        pendingCommands: event.freed ? [] : lock.pendingCommands.filter(({ type }) => type === "RemoveKey")
      }
    case "LockDescribed":
      return { ...next(), said: saidAfter(lock.said, event, giverOf(by, lock)) }
    case "ResidentAdded":
      return { ...next(), residents: [...lock.residents, residentOf(event, version)] }
    case "ResidentRemoved":
      return { ...next(), residents: lock.residents.filter((resident) => resident.userId !== event.userId) }
    case "TempKeyCreated": {
      const key = { ...tempKeyOf(event, version), giver: giverOf(by, lock) }
      return next(HashMap.set(lock.tempKeys, canonical(key.uuid), key))
    }
    case "TempKeyUpdated": {
      const { schedule, description } = event
      const changes = { ...event.changes, ...given({ schedule, description }) }
      return next(withKey(lock, event, (key) => changed(key, changes)))
    }
    case "TempKeyUsed":
      return next(withKey(lock, event, (key) => ({ ...key, usedCount: event.usedCount })))
    case "TempKeyUseReturned":
      return next(withKey(lock, event, (key) => withReturned(key, event.usedCount, millisOf(event.timestamp))))
    case "TempKeyDeleted": {
      const uuid = canonical(event.tempKeyUuid)
      return {
        ...next(HashMap.remove(lock.tempKeys, uuid)),
        deletedTempKeys: HashSet.add(lock.deletedTempKeys, uuid)
      }
    }
    case "TempKeySuspended":
      return next(withKey(lock, event, (key) => ({ ...key, suspended: true as const })))
    case "TempKeyResumed":
      return next(withKey(lock, event, ({ suspended: _, ...key }) => key))
    case "TempKeyLinkChanged": {
      const before = canonical(event.tempKeyUuid)
      const key = Option.getOrUndefined(HashMap.get(lock.tempKeys, before))
      if (key === undefined) return next()
      const uuid = event.newTempKeyUuid
      return {
        ...next(HashMap.set(HashMap.remove(lock.tempKeys, before), canonical(uuid), { ...key, uuid })),
        deletedTempKeys: HashSet.add(lock.deletedTempKeys, before)
      }
    }
    case "CommandOutcomeReported":
      return {
        ...next(),
        pendingCommands: lock.pendingCommands.filter(({ commandId }) => commandId !== event.commandId),
        recentOutcomes: [...lock.recentOutcomes, answeredIn(event)].slice(-RECENT_OUTCOMES),
        hardware: isKeyCommand(event.commandType)
          ? withAnswer(lock.hardware, { ...event, at: millisOf(event.timestamp) })
          : lock.hardware
      }
    case "KeysReported":
      return withKeys(next(), event)
    case "DeviceStateReported":
      return {
        ...next(),
        seen: { ...counting(seenBy(lock), millisOf(event.timestamp), { states: 1 }), state: stateIn(event) }
      }
    case "BatteryLow":
    case "BoltJammed":
    case "DoorForced":
    case "DoorLeftOpen":
    case "OpeningsMissed":
      return next()
    case "OpenedAtDoor": {
      const seen = withLast(seenBy(lock), event.series, event.count)
      return { ...next(), seen: counting(seen, millisOf(event.timestamp), { openings: 1 }) }
    }
  }
}

/** The temp keys with one of them changed, if the lock has it. */
const withKey = (
  { tempKeys }: Lock,
  { tempKeyUuid }: { readonly tempKeyUuid: string },
  change: (key: TempKey) => TempKey
): Lock["tempKeys"] => inPlaces(tempKeys, HashMap.modify(tempKeys, canonical(tempKeyUuid), change))

/**
 * Somebody asks to begin again, as the thing may have forgotten everything: what it says of before must not count. It is told
 * of a key next, and what it says then is of after that. Where it is told of none, its lists count as before.
 */
const begunAgain = (before: Lock, only: string | undefined): Lock => {
  const after = { ...before, hardware: beginningAgain(before.hardware, only) }
  return isGoingOn(hardwareOf(after)) ? { ...after, lastKeyCommand: null } : after
}

/** What its thing holds, by its own word. */
const withKeys = ({ mayHoldOthers, ...lock }: Lock, event: EventOf<"KeysReported">): Lock => {
  const at = millisOf(event.timestamp)
  const more = event.more === true
  const hardware = withList(lock.hardware, { keys: event.keys.map(nameOf), more, at })
  return {
    ...lock,
    ...(more && given({ mayHoldOthers })),
    seen: { ...counting(seenBy(lock), at, { states: 1 }), keysAt: millisOf(event.seenAt) },
    hardware: lock.retired === undefined ? hardware : withoutForeign(hardware)
  }
}

/** On another thing: what is on that, nobody knows, and what was on the one before stays there. */
const withThing = (before: Lock, event: EventOf<"LockUuidChanged" | "ClaimMoved">): Lock => {
  const { lost, lastKeyCommand: _, ...lock } = { ...before, uuid: event.newUuid }
  if (lost === undefined && isSameThing(event)) return { ...lock, ...given({ lastKeyCommand: before.lastKeyCommand }) }
  const { previousUuid: thing, timestamp } = event
  const since = millisOf(timestamp)
  const left = { thing, since, keys: before.hardware }
  return {
    ...withoutSeen(lock),
    thingSince: since,
    hardware: unknownOf(lock.keys, event.reconciled),
    mayHoldOthers: true,
    // Of old logs it is not told: nobody could say any more what became of that hardware.
    ...((event._tag === "ClaimMoved" || event.ended === true) && before.hardware.length > 0 && { left })
  }
}

const nameOf = ({ keyUuid, keyIndexNumber }: { readonly keyUuid: string; readonly keyIndexNumber?: number }) => ({
  uuid: keyUuid,
  ...given({ indexNumber: keyIndexNumber })
})

/** What was sent to put the key there is taken out of the shadow, and nobody waits for it any more. */
const withoutOvertaken = ({ hardware, pendingCommands }: Lock, keyUuid: string): Lock["pendingCommands"] => {
  const overtaken = overtakenBy(hardware, keyUuid)
  return overtaken === undefined ? pendingCommands : pendingCommands.filter(({ commandId }) => commandId !== overtaken)
}

/** It is another lock's to know now. */
const withoutSeen = ({ seen: _, ...lock }: Lock): Lock => lock

const seenBy = ({ seen = nothingSeen }: Lock): Seen => seen

/** The state of a device, as an event tells it. */
export const stateIn = ({
  bolt,
  door,
  battery,
  batteryLow,
  firmware,
  keySlots,
  clockOffBy,
  seenAt
}: EventOf<"DeviceStateReported">): SeenState => ({
  ...given({ bolt, door, battery, batteryLow, firmware, keySlots, clockOffBy }),
  seenAt: millisOf(seenAt)
})

const isSameThing = ({ newUuid, previousUuid }: { readonly newUuid: string; readonly previousUuid: string }) =>
  canonical(newUuid) === canonical(previousUuid)

/**
 * The lock after an event as it is stored: with the command that the shadow accepted, if it tells of one. An event of a
 * later Latchkey means nothing to this one, but it is a version of the stream, and has its time.
 */
export const evolveStored = (lock: Lock | undefined, stored: StoredEvent): Lock | undefined =>
  evolveDecoded(lock, stored, fromStored(stored))

/** The same, of an event that was decoded, or was found not to be understood. */
export const evolveDecoded = (
  lock: Lock | undefined,
  stored: StoredEvent,
  event: Option.Option<LockEvent>
): Lock | undefined => {
  const next = Option.isSome(event)
    ? evolve(lock, withId(event.value, stored), stored.principal)
    : lock && { ...lock, changedAt: Math.max(lock.changedAt, stored.at) }
  if (next === undefined) return undefined
  const sent = sentWith(stored)
  if (sent === undefined) return next.version === stored.version ? next : { ...next, version: stored.version }
  const { commandId, type, acceptedAt } = sent
  const about = Option.isSome(event) && "keyUuid" in event.value ? event.value.keyUuid : undefined
  const pendingCommands = withPending(next.pendingCommands, sent)
  if (about === undefined || !isKeyCommand(type)) return { ...next, version: stored.version, pendingCommands }
  return {
    ...next,
    version: stored.version,
    hardware: withSent(next.hardware, about, { commandId, type, at: acceptedAt }),
    lastKeyCommand: commandId,
    pendingCommands
  }
}

/** A temp key is called by the command that made it, also where its event does not say so: that is no secret. */
const withId = (event: LockEvent, { commandId }: StoredEvent): LockEvent =>
  event._tag === "TempKeyCreated" && event.tempKeyId === undefined ? { ...event, tempKeyId: commandId } : event

const create = (event: EventOf<"LockCreated">, by: Principal): Lock => {
  const { lockId, uuid, index, serialNumber, vendorName, ownerId, orgId, keys = [], timestamp } = event
  const changedAt = millisOf(timestamp)
  const first = { version: 1, changedAt }
  return {
    lockId,
    uuid,
    version: 1,
    ...given({ index, serialNumber, vendorName, ownerId, orgId }),
    keys: keys.map((key) => heldKey(key, by, { ownerId, orgId })),
    hardware: unknownOf(keys, event.reconciled),
    residents: [],
    tempKeys: noTempKeys,
    deletedTempKeys: noDeletedTempKeys,
    pendingCommands: [],
    recentOutcomes: [],
    owners: withPeriod([], first, ownerId),
    organizations: withPeriod([], first, orgId),
    ...(event.used ? { mayHoldOthers: true } : {}),
    changedAt
  }
}

const keyOf = ({ keyUuid, keyIndexNumber, userId }: EventOf<"KeyAdded">): Key => ({
  uuid: keyUuid,
  ...given({ indexNumber: keyIndexNumber, userId })
})

const ownedBy = (lock: Lock, ownerId: string): Lock => ({
  ...lock,
  ownerId,
  owners: withPeriod(lock.owners, lock, ownerId)
})

const hadBy = (lock: Lock, orgId: string): Lock => ({
  ...lock,
  orgId,
  organizations: withPeriod(lock.organizations, lock, orgId)
})

const heldKey = (key: Key, by: Principal, hands: Hands): HeldKey => ({ ...key, giver: giverOf(by, hands) })

/** What nobody else is said to have given. */
const latchkey: Principal = { _tag: "System" }

const residentOf = (
  { userId, name, email, phoneNumber }: EventOf<"ResidentAdded">,
  addedVersion: number
): Resident => ({
  userId,
  name,
  ...given({ email, phoneNumber }),
  addedVersion
})

const tempKeyOf = (event: EventOf<"TempKeyCreated">, createdVersion: number): Omit<TempKey, "giver"> => {
  const {
    tempKeyUuid: uuid,
    accessMode,
    allowedUserIds,
    validFrom,
    validUntil,
    maxUses,
    createdBy,
    schedule,
    description,
    tempKeyId = ""
  } = event
  return {
    uuid,
    id: tempKeyId,
    accessMode,
    allowedUserIds,
    validFrom,
    validUntil,
    maxUses,
    usedCount: 0,
    ...given({ schedule, description }),
    createdAt: event.timestamp,
    createdBy,
    createdVersion
  }
}
