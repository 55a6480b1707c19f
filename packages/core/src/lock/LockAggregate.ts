/** The lock as an aggregate: `initial`, `evolve`, `decide`. Pure: time, ids and caller come in with the command. */
import { HashMap, HashSet, Option, Result } from "effect"
import { type DeviceCommand, OPEN_EXPIRES_AFTER, WRITE_EXPIRES_AFTER } from "../device/DeviceCommand.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { isUser, type Principal } from "../values/Principal.ts"
import { instantOf, millisOf } from "../values/Text.ts"
import { answeredIn, outcomeOf, sentWith } from "./DeviceEvents.ts"
import { type Key, type Lock, noDeletedTempKeys, noTempKeys, type Resident } from "./Lock.ts"
import type { CommandOf, LockCommand } from "./LockCommand.ts"
import { type CommandRow, commandTable } from "./LockCommands.ts"
import {
  EmptyWhitelist,
  EmptyWindow,
  KeyExists,
  KeyNotFound,
  KeyNotNamed,
  LockFull,
  LockNotFound,
  type LockRefused,
  NotOnWhitelist,
  ResidentExists,
  ResidentNotFound,
  ResidentNotNamed,
  SlotTaken,
  TempKeyExists,
  TempKeyNotFound,
  TempKeyNotValid,
  UuidUnchanged
} from "./LockError.ts"
import { fromStored, type LockEvent } from "./LockEvent.ts"
import { BOUNDS } from "./RequestFields.ts"
import { RECENT_OUTCOMES, withPending } from "./SentCommand.ts"
import { admits, canonical, changed, changesTo, flawOf, statusAt, type TempKey } from "./TempKey.ts"

/** Before its first event a lock does not exist. */
export const initial: Lock | undefined = undefined

/**
 * Total: every stored fact applies; nothing is refused here. Before LockCreated there is nothing to apply to.
 *
 * @example
 * ```ts
 * const lock = events.reduce(evolve, initial)
 * ```
 */
export const evolve = (lock: Lock | undefined, event: LockEvent): Lock | undefined => {
  if (lock === undefined) return event._tag === "LockCreated" ? create(event) : undefined
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
      return { ...next(), ownerId: event.userId }
    case "OrganizationSet":
      return { ...next(), orgId: event.orgId }
    case "KeyAdded":
      return { ...next(), keys: [...lock.keys, keyOf(event)] }
    case "KeyRemoved":
      return { ...next(), keys: lock.keys.filter((key) => key.uuid !== event.keyUuid) }
    case "KeyWriteRequested":
    case "LockOpenRequested":
      return next()
    case "LockUuidChanged":
      return { ...next(), uuid: event.newUuid }
    case "ResidentAdded":
      return { ...next(), residents: [...lock.residents, residentOf(event)] }
    case "ResidentRemoved":
      return { ...next(), residents: lock.residents.filter((resident) => resident.userId !== event.userId) }
    case "TempKeyCreated": {
      const key = tempKeyOf(event, version)
      return next(HashMap.set(lock.tempKeys, canonical(key.uuid), key))
    }
    case "TempKeyUpdated": {
      const changes = { ...event.changes, ...given({ schedule: event.schedule }) }
      return next(HashMap.modify(lock.tempKeys, canonical(event.tempKeyUuid), (key) => changed(key, changes)))
    }
    case "TempKeyUsed":
      return next(
        HashMap.modify(lock.tempKeys, canonical(event.tempKeyUuid), (key) => ({ ...key, usedCount: event.usedCount }))
      )
    case "TempKeyDeleted": {
      const uuid = canonical(event.tempKeyUuid)
      return {
        ...next(HashMap.remove(lock.tempKeys, uuid)),
        deletedTempKeys: HashSet.add(lock.deletedTempKeys, uuid)
      }
    }
    case "CommandOutcomeReported":
      return {
        ...next(),
        pendingCommands: lock.pendingCommands.filter(({ commandId }) => commandId !== event.commandId),
        recentOutcomes: [...lock.recentOutcomes, answeredIn(event)].slice(-RECENT_OUTCOMES)
      }
  }
}

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
    ? evolve(lock, event.value)
    : lock && { ...lock, changedAt: Math.max(lock.changedAt, stored.at) }
  if (next === undefined) return undefined
  const sent = sentWith(stored)
  if (sent === undefined) return next.version === stored.version ? next : { ...next, version: stored.version }
  return { ...next, version: stored.version, pendingCommands: withPending(next.pendingCommands, sent) }
}

/** What a command leads to. No events means "already so"; `device` must reach the hardware before the events count. */
export interface Decision {
  readonly events: ReadonlyArray<LockEvent>
  readonly device?: DeviceCommand
}

const alreadySo: Decision = { events: [] }

/**
 * The events that a command leads to, or why not. It does not ask who may: see `permit`.
 *
 * @example
 * ```ts
 * const at = Date.parse("2026-08-31T09:00:00Z")
 * const opened = decide(lock, { _tag: "OpenLock", lockId: 7, commandId, at, principal, reason: "parcel" })
 * if (Result.isSuccess(opened)) console.log(opened.success.events)
 * ```
 */
export const decide = (lock: Lock | undefined, command: LockCommand): Result.Result<Decision, LockRefused> => {
  const { lockId } = command
  if (lock === undefined) {
    return command._tag === "CreateLock"
      ? Result.succeed(decideCreate(command))
      : Result.fail(new LockNotFound({ lockId }))
  }
  const head = { lockId, uuid: lock.uuid, timestamp: instantOf(recordedAt(lock, command)) }
  switch (command._tag) {
    case "CreateLock":
      return Result.succeed(alreadySo)

    case "AddKey": {
      const { keyUuid, keyIndexNumber, userId } = command
      if (lock.keys.some((key) => key.uuid === keyUuid)) return Result.fail(new KeyExists({ lockId, keyUuid }))
      const taken = holderOfSlot(lock, keyIndexNumber)
      if (taken !== undefined) return Result.fail(slotTaken(lock, taken))
      if (lock.keys.length >= BOUNDS.keys)
        return Result.fail(new LockFull({ lockId, what: "keys", bound: BOUNDS.keys }))
      return accept(
        { _tag: "KeyAdded", ...head, keyUuid, ...given({ keyIndexNumber, userId }) },
        { _tag: "AddKey", ...stamp(lock, command), keyUuid, ...given({ keyIndexNumber }) }
      )
    }

    case "RemoveKey": {
      const { keyUuid, keyIndexNumber } = command
      if (keyUuid === undefined && keyIndexNumber === undefined) return Result.fail(new KeyNotNamed({ lockId }))
      const key = lock.keys.find(
        (key) =>
          (keyUuid === undefined || key.uuid === keyUuid) &&
          (keyIndexNumber === undefined || key.indexNumber === keyIndexNumber)
      )
      if (key === undefined) return Result.fail(new KeyNotFound({ lockId }))
      const removed = { keyUuid: key.uuid, ...given({ keyIndexNumber: key.indexNumber }) }
      return accept(
        { _tag: "KeyRemoved", ...head, ...removed },
        { _tag: "RemoveKey", ...stamp(lock, command), ...removed }
      )
    }

    case "WriteKey": {
      const key = lock.keys.find((key) => key.uuid === command.keyUuid)
      if (key === undefined) return Result.fail(new KeyNotFound({ lockId }))
      const keyIndexNumber = command.keyIndexNumber ?? key.indexNumber
      if (key.indexNumber !== undefined && key.indexNumber !== keyIndexNumber) {
        return Result.fail(new KeyNotFound({ lockId }))
      }
      const holder = holderOfSlot(lock, keyIndexNumber)
      if (holder !== undefined && holder.uuid !== key.uuid) return Result.fail(slotTaken(lock, holder))
      const written = { keyUuid: key.uuid, ...given({ keyIndexNumber }) }
      return accept(
        { _tag: "KeyWriteRequested", ...head, ...written },
        { _tag: "WriteKey", ...stamp(lock, command), expiresAt: command.at + WRITE_EXPIRES_AFTER, ...written }
      )
    }

    case "OpenLock": {
      const { reason, requestId, principal } = command
      const isHolder = !isUser(principal, lock.ownerId) && lock.keys.some((key) => isUser(principal, key.userId))
      return accept(
        { _tag: "LockOpenRequested", ...head, ...given({ reason, requestId }), via: isHolder ? "key" : "API" },
        { _tag: "OpenLock", ...stamp(lock, command), expiresAt: command.at + OPEN_EXPIRES_AFTER }
      )
    }

    case "OpenDoor": {
      const { credentialUuid, doorId, via } = command
      return accept(
        { _tag: "LockOpenRequested", ...head, credentialUuid, doorId, via },
        { _tag: "OpenLock", ...stamp(lock, command), expiresAt: command.at + OPEN_EXPIRES_AFTER, byGuest: true }
      )
    }

    case "SetOwner":
      return command.userId === lock.ownerId
        ? Result.succeed(alreadySo)
        : accept({ _tag: "OwnerSet", ...head, userId: command.userId })

    case "SetOrganization":
      return command.orgId === lock.orgId
        ? Result.succeed(alreadySo)
        : accept({ _tag: "OrganizationSet", ...head, orgId: command.orgId })

    case "ChangeLockUuid": {
      const { newUuid } = command
      return canonical(newUuid) === canonical(lock.uuid)
        ? Result.fail(new UuidUnchanged({ lockId, uuid: lock.uuid }))
        : accept({ _tag: "LockUuidChanged", ...head, newUuid, previousUuid: lock.uuid })
    }

    case "AddResident": {
      const { name, email, phoneNumber } = command
      const userId = command.userId ?? command.commandId
      // The same resident is one with the same userId or, when none is given, the same email or phone number.
      const there = lock.residents.find(
        (resident) =>
          resident.userId === userId ||
          (command.userId === undefined &&
            ((email !== undefined && resident.email === email) ||
              (phoneNumber !== undefined && resident.phoneNumber === phoneNumber)))
      )
      if (there !== undefined) return Result.fail(new ResidentExists({ lockId, userId: there.userId }))
      if (lock.residents.length >= BOUNDS.residents) {
        return Result.fail(new LockFull({ lockId, what: "residents", bound: BOUNDS.residents }))
      }
      return accept({ _tag: "ResidentAdded", ...head, userId, name, ...given({ email, phoneNumber }) })
    }

    case "RemoveResident": {
      const { userId, email, phoneNumber } = command
      if (userId === undefined && email === undefined && phoneNumber === undefined) {
        return Result.fail(new ResidentNotNamed({ lockId, matches: 0 }))
      }
      const matches = lock.residents.filter(
        (resident) =>
          (userId === undefined || resident.userId === userId) &&
          (email === undefined || resident.email === email) &&
          (phoneNumber === undefined || resident.phoneNumber === phoneNumber)
      )
      const resident = matches[0]
      if (resident === undefined) return Result.fail(new ResidentNotFound({ lockId }))
      if (matches.length > 1) return Result.fail(new ResidentNotNamed({ lockId, matches: matches.length }))
      return accept({ _tag: "ResidentRemoved", ...head, userId: resident.userId, ...given({ email: resident.email }) })
    }

    case "CreateTempKey": {
      const {
        tempKeyUuid,
        accessMode,
        allowedUserIds = [],
        validFrom,
        validUntil,
        maxUses = null,
        schedule,
        description
      } = command
      const uuid = canonical(tempKeyUuid)
      if (HashMap.has(lock.tempKeys, uuid) || HashSet.has(lock.deletedTempKeys, uuid)) {
        return Result.fail(new TempKeyExists({ lockId, tempKeyUuid }))
      }
      const terms = { accessMode, allowedUserIds, validFrom, validUntil, maxUses }
      const flaw = flawOf(terms)
      if (flaw !== undefined) return Result.fail(refuseTerms(flaw, command))
      const full = noRoomFor(lock, uuid, { allowedUserIds, ...given({ schedule }) })
      if (full !== undefined) return Result.fail(full)
      return accept({
        _tag: "TempKeyCreated",
        ...aboutTempKey(lock, command, tempKeyUuid),
        ...terms,
        ...given({ schedule, description }),
        createdBy: actorOf(command.principal)
      })
    }

    case "UpdateTempKey": {
      const key = findTempKey(lock, command.tempKeyUuid)
      if (key === undefined) return Result.fail(tempKeyNotFound(command))
      const all = changesTo(key, command)
      if (Object.keys(all).length === 0) return Result.succeed(alreadySo)
      const wanted = changed(key, all)
      const flaw = flawOf(wanted)
      if (flaw !== undefined) return Result.fail(refuseTerms(flaw, command))
      const full = noRoomFor(lock, canonical(key.uuid), wanted)
      if (full !== undefined) return Result.fail(full)
      const { schedule, ...changes } = all
      return accept({
        _tag: "TempKeyUpdated",
        ...aboutTempKey(lock, command, key.uuid),
        changes,
        ...given({ schedule }),
        updatedBy: actorOf(command.principal)
      })
    }

    case "DeleteTempKey": {
      const key = findTempKey(lock, command.tempKeyUuid)
      if (key === undefined) return Result.fail(tempKeyNotFound(command))
      const deletedBy = actorOf(command.principal)
      return accept({ _tag: "TempKeyDeleted", ...aboutTempKey(lock, command, key.uuid), deletedBy })
    }

    case "UseTempKey":
      return Result.map(decideUse(lock, command), (used): Decision => ({ events: [used] }))

    case "OpenWithTempKey":
      return Result.map(
        decideUse(lock, command),
        (used): Decision => ({
          events: [used, { _tag: "LockOpenRequested", ...head, via: "link" }],
          device: {
            _tag: "OpenLock",
            ...stamp(lock, command),
            seq: lock.version + 2,
            expiresAt: command.at + OPEN_EXPIRES_AFTER,
            byGuest: true
          }
        })
      )

    case "RecordOutcome": {
      const { answered, thing, outcome, reportedAt, detail } = command
      const sent = lock.pendingCommands.find((pending) => pending.commandId === answered && pending.thing === thing)
      if (sent === undefined) return Result.succeed(alreadySo)
      const reported = outcomeOf({ ...sent, outcome, reportedAt, ...given({ detail }) })
      return accept({ _tag: "CommandOutcomeReported", ...head, ...reported })
    }
  }
}

/**
 * When the events of a command happened, epoch milliseconds: no earlier than what the lock knows already, though a
 * clock may have been set back. What is allowed is judged by the command's own time.
 */
export const recordedAt = (lock: Lock | undefined, { at }: Pick<LockCommand, "at">): number =>
  lock === undefined ? at : Math.max(at, lock.changedAt)

/** Events of commands that may pass a device command of which it is not known what became. */
const passing: ReadonlySet<string> = new Set(
  Object.values<CommandRow>(commandTable).flatMap(({ event, passes }) => (passes === true ? event : []))
)

/** Whether events can change neither the permission nor the outcome of a device command that was decided before them. */
export const mayPass = (events: ReadonlyArray<LockEvent>): boolean => events.every(({ _tag }) => passing.has(_tag))

/**
 * Whether events keep their meaning whatever is appended before them that may pass. Those that may pass do not: what
 * passes them may be of their own kind, and uses count.
 */
export const mayBePassed = (events: ReadonlyArray<LockEvent>): boolean => events.every(({ _tag }) => !passing.has(_tag))

/**
 * Who a command is put down to on the wire: the user if there is one, else the organization; `*` is the operator. It is a
 * name to show and proves nothing, since a user may be called `*` or as an organization is: rights rest on principals.
 */
export const actorOf = (principal: Principal): string => {
  switch (principal._tag) {
    case "User":
      return principal.userId
    case "Organization":
      return principal.userId ?? principal.orgId
    case "Super":
      return principal.userId ?? "*"
    case "Guest":
      return "guest"
    case "System":
      return "system"
  }
}

type EventOf<Tag extends LockEvent["_tag"]> = Extract<LockEvent, { readonly _tag: Tag }>

const accept = (event: LockEvent, device?: DeviceCommand): Result.Result<Decision, never> =>
  Result.succeed(device === undefined ? { events: [event] } : { events: [event], device })

/** Only a user who creates a lock becomes its owner unasked; only an organization that does has it as its own. */
const decideCreate = (command: CommandOf<"CreateLock">): Decision => {
  const { lockId, uuid, index, serialNumber, vendorName, keys = [], principal } = command
  const ownerId = command.ownerId ?? (principal._tag === "User" ? principal.userId : undefined)
  const orgId = principal._tag === "Organization" ? principal.orgId : undefined
  const timestamp = instantOf(command.at)
  const about = given({ serialNumber, vendorName, ownerId, orgId })
  return { events: [{ _tag: "LockCreated", lockId, uuid, timestamp, keys, index, ...about }] }
}

/** Somebody who stands at the door with a temp key. `at` is in epoch milliseconds. */
export interface TempKeyUse {
  readonly tempKeyUuid: string
  readonly userId?: string | undefined
  readonly at: number
}

/** The key, if it opens the lock to this user now; else why not. */
export const judgeUse = (
  { lockId, tempKeys, deletedTempKeys }: Lock,
  { tempKeyUuid, userId, at }: TempKeyUse
): Result.Result<TempKey, TempKeyNotFound | TempKeyNotValid | NotOnWhitelist> => {
  const uuid = canonical(tempKeyUuid)
  const key = Option.getOrUndefined(HashMap.get(tempKeys, uuid))
  if (key === undefined) {
    return HashSet.has(deletedTempKeys, uuid)
      ? Result.fail(new TempKeyNotValid({ lockId, tempKeyUuid, status: "deleted" }))
      : Result.fail(new TempKeyNotFound({ lockId, tempKeyUuid }))
  }
  const status = statusAt(key, at)
  if (status !== "valid") return Result.fail(new TempKeyNotValid({ lockId, tempKeyUuid, status }))
  return admits(key, userId) ? Result.succeed(key) : Result.fail(new NotOnWhitelist({ lockId, tempKeyUuid }))
}

const decideUse = (
  lock: Lock,
  command: CommandOf<"UseTempKey" | "OpenWithTempKey">
): Result.Result<EventOf<"TempKeyUsed">, LockRefused> => {
  const judged = judgeUse(lock, command)
  if (Result.isFailure(judged)) {
    const refusal = judged.failure
    // Anyone who stands at the door with a link learns what became of it; to an API key a deleted key is one that is not there.
    const isGone = refusal._tag === "TempKeyNotValid" && refusal.status === "deleted" && command._tag === "UseTempKey"
    return Result.fail(isGone ? tempKeyNotFound(command) : refusal)
  }
  const key = judged.success
  return Result.succeed({
    _tag: "TempKeyUsed",
    ...aboutTempKey(lock, command, key.uuid),
    ...given({ userId: command.userId }),
    usedCount: key.usedCount + 1
  })
}

const create = (event: EventOf<"LockCreated">): Lock => {
  const { lockId, uuid, index, serialNumber, vendorName, ownerId, orgId, keys = [], timestamp } = event
  return {
    lockId,
    uuid,
    version: 1,
    ...given({ index, serialNumber, vendorName, ownerId, orgId }),
    keys,
    residents: [],
    tempKeys: noTempKeys,
    deletedTempKeys: noDeletedTempKeys,
    pendingCommands: [],
    recentOutcomes: [],
    changedAt: millisOf(timestamp)
  }
}

const keyOf = ({ keyUuid, keyIndexNumber, userId }: EventOf<"KeyAdded">): Key => ({
  uuid: keyUuid,
  ...given({ indexNumber: keyIndexNumber, userId })
})

const residentOf = ({ userId, name, email, phoneNumber }: EventOf<"ResidentAdded">): Resident => ({
  userId,
  name,
  ...given({ email, phoneNumber })
})

const tempKeyOf = (event: EventOf<"TempKeyCreated">, createdVersion: number): TempKey => {
  const {
    tempKeyUuid: uuid,
    accessMode,
    allowedUserIds,
    validFrom,
    validUntil,
    maxUses,
    createdBy,
    schedule,
    description
  } = event
  return {
    uuid,
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

/** Why the lock cannot have a temp key with these terms; `undefined` when it can. */
const noRoomFor = (
  { lockId, tempKeys, deletedTempKeys }: Lock,
  uuid: string,
  terms: Pick<TempKey, "allowedUserIds" | "schedule">
): LockFull | undefined => {
  const full = (what: LockFull["what"], bound: number) => new LockFull({ lockId, what, bound })
  const count = HashMap.size(tempKeys)
  if (!HashMap.has(tempKeys, uuid)) {
    if (count >= BOUNDS.tempKeys) return full("temp keys", BOUNDS.tempKeys)
    const ever = count + HashSet.size(deletedTempKeys)
    if (ever >= BOUNDS.tempKeysEver) return full("temp keys, deleted ones included", BOUNDS.tempKeysEver)
  }
  // Most keys name nobody and open all the time: they need no counting.
  let weight = weightOf(terms)
  if (weight <= weightOf(Option.getOrUndefined(HashMap.get(tempKeys, uuid)))) return undefined
  for (const [other, key] of tempKeys) if (other !== uuid) weight += weightOf(key)
  return weight > BOUNDS.usersAndWindows ? full("users and windows of temp keys", BOUNDS.usersAndWindows) : undefined
}

const weightOf = (key: Pick<TempKey, "allowedUserIds" | "schedule"> | undefined): number =>
  (key?.allowedUserIds.length ?? 0) + (key?.schedule?.windows.length ?? 0)

const findTempKey = (lock: Lock, tempKeyUuid: string): TempKey | undefined =>
  Option.getOrUndefined(HashMap.get(lock.tempKeys, canonical(tempKeyUuid)))

const tempKeyNotFound = ({ lockId, tempKeyUuid }: { readonly lockId: number; readonly tempKeyUuid: string }) =>
  new TempKeyNotFound({ lockId, tempKeyUuid })

const refuseTerms = (
  flaw: "empty-window" | "empty-whitelist",
  { lockId, tempKeyUuid }: CommandOf<"CreateTempKey" | "UpdateTempKey">
) => (flaw === "empty-window" ? new EmptyWindow({ lockId, tempKeyUuid }) : new EmptyWhitelist({ lockId, tempKeyUuid }))

const aboutTempKey = (lock: Lock, command: LockCommand, tempKeyUuid: string) => ({
  tempKeyUuid,
  lockId: lock.lockId,
  lockUuid: lock.uuid,
  timestamp: instantOf(recordedAt(lock, command))
})

const stamp = (lock: Lock, command: LockCommand) => ({
  commandId: command.commandId,
  seq: lock.version + 1,
  issuedAt: command.at
})

const holderOfSlot = (lock: Lock, slot: number | undefined): Key | undefined =>
  slot === undefined ? undefined : lock.keys.find((key) => key.indexNumber === slot)

const slotTaken = ({ lockId }: Lock, { uuid, indexNumber = 0 }: Key) =>
  new SlotTaken({ lockId, keyIndexNumber: indexNumber, keyUuid: uuid })

/** The fields that are there: an absent one is left out, not stored as `undefined`. */
const given = <A extends { readonly [field: string]: unknown }>(
  fields: A
): { [K in keyof A]?: Exclude<A[K], undefined> } => {
  const present: { [K in keyof A]?: Exclude<A[K], undefined> } = {}
  for (const field in fields) {
    if (fields[field] !== undefined) present[field] = fields[field] as Exclude<A[typeof field], undefined>
  }
  return present
}
