/** What the commands about temp keys lead to, and whether one opens the lock to somebody now. Pure. */
import { HashMap, HashSet, Option, Result } from "effect"
import { OPEN_EXPIRES_AFTER } from "../device/DeviceCommand.ts"
import { given } from "../values/given.ts"
import { instantOf } from "../values/Text.ts"
import { stands } from "./AccessPolicy.ts"
import { accept, actorOf, alreadySo, type Decision, type EventOf, headOf, recordedAt, stamp } from "./Decision.ts"
import { linkRecord } from "./Link.ts"
import type { Lock } from "./Lock.ts"
import type { CommandOf, LockCommand } from "./LockCommand.ts"
import {
  EmptyWhitelist,
  EmptyWindow,
  LockFull,
  type LockRefused,
  NotOnWhitelist,
  TempKeyExists,
  TempKeyNotFound,
  TempKeyNotValid,
  TempKeyWithdrawn
} from "./LockError.ts"
import type { LockEvent } from "./LockEvent.ts"
import { BOUNDS } from "./RequestFields.ts"
import type { SentCommand } from "./SentCommand.ts"
import { admits, canonical, changed, changesTo, flawOf, mayReturn, statusAt, type TempKey } from "./TempKey.ts"

export const createTempKey = (
  lock: Lock,
  command: CommandOf<"CreateTempKey">
): Result.Result<Decision, LockRefused> => {
  const {
    lockId,
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
  const created: LockEvent = {
    _tag: "TempKeyCreated",
    ...aboutTempKey(lock, command, tempKeyUuid),
    ...terms,
    ...given({ schedule, description }),
    createdBy: actorOf(command.principal),
    tempKeyId: command.commandId
  }
  return Result.succeed({ events: [created], names: [nameOfLink(lockId, tempKeyUuid)] })
}

export const updateTempKey = (
  lock: Lock,
  command: CommandOf<"UpdateTempKey">
): Result.Result<Decision, LockRefused> => {
  const key = findTempKey(lock, command.tempKeyUuid)
  if (key === undefined) return Result.fail(tempKeyNotFound(command))
  const all = changesTo(key, command)
  if (Object.keys(all).length === 0) return Result.succeed(alreadySo)
  const wanted = changed(key, all)
  const flaw = flawOf(wanted)
  if (flaw !== undefined) return Result.fail(refuseTerms(flaw, command))
  const full = noRoomFor(lock, canonical(key.uuid), wanted)
  if (full !== undefined) return Result.fail(full)
  const { schedule, description, ...changes } = all
  return accept({
    _tag: "TempKeyUpdated",
    ...aboutTempKey(lock, command, key.uuid),
    changes,
    ...given({ schedule, description }),
    updatedBy: actorOf(command.principal)
  })
}

export const deleteTempKey = (
  lock: Lock,
  command: CommandOf<"DeleteTempKey">
): Result.Result<Decision, LockRefused> => {
  const key = findTempKey(lock, command.tempKeyUuid)
  if (key === undefined) return Result.fail(tempKeyNotFound(command))
  const deletedBy = actorOf(command.principal)
  return accept({ _tag: "TempKeyDeleted", ...aboutTempKey(lock, command, key.uuid), deletedBy })
}

export const suspendTempKey = (
  lock: Lock,
  command: CommandOf<"SuspendTempKey">
): Result.Result<Decision, LockRefused> => {
  const key = findTempKey(lock, command.tempKeyUuid)
  if (key === undefined) return Result.fail(tempKeyNotFound(command))
  if (key.suspended === true) return Result.succeed(alreadySo)
  return accept({
    _tag: "TempKeySuspended",
    ...aboutTempKey(lock, command, key.uuid),
    suspendedBy: actorOf(command.principal)
  })
}

export const resumeTempKey = (
  lock: Lock,
  command: CommandOf<"ResumeTempKey">
): Result.Result<Decision, LockRefused> => {
  const key = findTempKey(lock, command.tempKeyUuid)
  if (key === undefined) return Result.fail(tempKeyNotFound(command))
  if (key.suspended !== true) return Result.succeed(alreadySo)
  return accept({
    _tag: "TempKeyResumed",
    ...aboutTempKey(lock, command, key.uuid),
    resumedBy: actorOf(command.principal)
  })
}

export const changeTempKeyLink = (
  lock: Lock,
  command: CommandOf<"ChangeTempKeyLink">
): Result.Result<Decision, LockRefused> => {
  const { lockId, newTempKeyUuid } = command
  const key = findTempKey(lock, command.tempKeyUuid)
  if (key === undefined) return Result.fail(tempKeyNotFound(command))
  const uuid = canonical(newTempKeyUuid)
  const name = nameOfLink(lockId, newTempKeyUuid)
  if (HashMap.has(lock.tempKeys, uuid) || HashSet.has(lock.deletedTempKeys, uuid)) return Result.fail(name.taken)
  const ever = HashMap.size(lock.tempKeys) + HashSet.size(lock.deletedTempKeys)
  if (ever >= BOUNDS.tempKeysEver) return Result.fail(fullOf(lockId, "temp keys, deleted ones included"))
  const event: LockEvent = {
    _tag: "TempKeyLinkChanged",
    ...aboutTempKey(lock, command, key.uuid),
    newTempKeyUuid,
    changedBy: actorOf(command.principal)
  }
  return Result.succeed({ events: [event], names: [name] })
}

export const openWithTempKey = (
  lock: Lock,
  command: CommandOf<"OpenWithTempKey">
): Result.Result<Decision, LockRefused> => {
  return Result.map(
    decideUse(lock, command),
    (used): Decision => ({
      events: [
        used,
        { _tag: "LockOpenRequested", ...headOf(lock, command), via: "link", ...given({ tempKeyId: used.tempKeyId }) }
      ],
      device: {
        _tag: "OpenLock",
        ...stamp(lock, command),
        seq: lock.version + 2,
        expiresAt: command.at + OPEN_EXPIRES_AFTER,
        byGuest: true
      }
    })
  )
}

/** Somebody who stands at the door with a temp key. `at` is in epoch milliseconds. */
export interface TempKeyUse {
  readonly tempKeyUuid: string
  readonly userId?: string | undefined
  readonly at: number
}

/** The key, if it opens the lock to this user now; else why not. */
export const judgeUse = (
  lock: Lock,
  { tempKeyUuid, userId, at }: TempKeyUse
): Result.Result<TempKey, TempKeyNotFound | TempKeyNotValid | TempKeyWithdrawn | NotOnWhitelist> => {
  const { lockId, tempKeys, deletedTempKeys } = lock
  const uuid = canonical(tempKeyUuid)
  const key = Option.getOrUndefined(HashMap.get(tempKeys, uuid))
  if (key === undefined) {
    return HashSet.has(deletedTempKeys, uuid)
      ? Result.fail(new TempKeyNotValid({ lockId, tempKeyUuid, status: "deleted" }))
      : Result.fail(new TempKeyNotFound({ lockId, tempKeyUuid }))
  }
  const status = statusAt(key, at)
  if (status !== "valid") {
    const { suspended } = key
    return Result.fail(new TempKeyNotValid({ lockId, tempKeyUuid, status, ...given({ suspended }) }))
  }
  if (!admits(key, userId)) return Result.fail(new NotOnWhitelist({ lockId, tempKeyUuid }))
  return stands(key.giver, lock) ? Result.succeed(key) : Result.fail(new TempKeyWithdrawn({ lockId, tempKeyUuid }))
}

export const decideUse = (
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
    usedCount: key.usedCount + 1,
    ...idOf(key)
  })
}

/**
 * A use of a temp key that opened nothing for certain: the device saw the opening too late, or says that it never began.
 * Silence counts as used, and so does what the device tried.
 */
export const useReturned = (
  lock: Lock,
  command: CommandOf<"RecordOutcome">,
  { commandId, tempKeyId }: SentCommand
): ReadonlyArray<EventOf<"TempKeyUseReturned">> => {
  if (tempKeyId === undefined || !openedNothing(command)) return []
  const key = Array.from(HashMap.values(lock.tempKeys)).find(({ id }) => id === tempKeyId)
  if (key === undefined || !mayReturn(key, recordedAt(lock, command))) return []
  return [
    {
      _tag: "TempKeyUseReturned",
      ...aboutTempKey(lock, command, key.uuid),
      commandId,
      usedCount: key.usedCount - 1
    }
  ]
}

/** Whether the device says that an opening has not begun. */
export const openedNothing = ({ outcome, began }: CommandOf<"RecordOutcome">): boolean =>
  outcome === "expired" || (outcome === "failed" && began === false)

/** Of a key without an id nothing is said. */
const idOf = ({ id }: TempKey) => given({ tempKeyId: id === "" ? undefined : id })

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
    if (ever >= BOUNDS.tempKeysEver) return fullOf(lockId, "temp keys, deleted ones included")
  }
  // Most keys name nobody and open all the time: they need no counting.
  let weight = weightOf(terms)
  if (weight <= weightOf(Option.getOrUndefined(HashMap.get(tempKeys, uuid)))) return undefined
  for (const [other, key] of tempKeys) if (other !== uuid) weight += weightOf(key)
  return weight > BOUNDS.usersAndWindows ? full("users and windows of temp keys", BOUNDS.usersAndWindows) : undefined
}

const fullOf = (lockId: number, what: "temp keys, deleted ones included") =>
  new LockFull({ lockId, what, bound: BOUNDS.tempKeysEver })

const weightOf = (key: Pick<TempKey, "allowedUserIds" | "schedule"> | undefined): number =>
  (key?.allowedUserIds.length ?? 0) + (key?.schedule?.windows.length ?? 0)

const findTempKey = (lock: Lock, tempKeyUuid: string): TempKey | undefined =>
  Option.getOrUndefined(HashMap.get(lock.tempKeys, canonical(tempKeyUuid)))

const tempKeyNotFound = ({ lockId, tempKeyUuid }: { readonly lockId: number; readonly tempKeyUuid: string }) =>
  new TempKeyNotFound({ lockId, tempKeyUuid })

const nameOfLink = (lockId: number, tempKeyUuid: string) => ({
  key: linkRecord(tempKeyUuid),
  taken: new TempKeyExists({ lockId, tempKeyUuid })
})

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
