/** The rules of a lock: what each command leads to, or why not. Pure: time, ids and caller come in with the command. */
import { Result } from "effect"
import { OPEN_EXPIRES_AFTER } from "../device/DeviceCommand.ts"
import { given } from "../values/given.ts"
import { isUser } from "../values/Principal.ts"
import { instantOf } from "../values/Text.ts"
import { isHolder } from "./AccessPolicy.ts"
import { addKey, giveUpKey, noteAttention, removeKey, sendDue, syncKeys, writeKey } from "./DecideKeys.ts"
import { recordKeys, recordOpenings, recordState } from "./DecideSeen.ts"
import {
  changeTempKeyLink,
  createTempKey,
  decideUse,
  deleteTempKey,
  openedNothing,
  openWithTempKey,
  resumeTempKey,
  suspendTempKey,
  updateTempKey,
  useReturned
} from "./DecideTempKeys.ts"
import { accept, alreadySo, type Decision, headOf, stamp } from "./Decision.ts"
import { outcomeOf } from "./DeviceEvents.ts"
import type { Lock } from "./Lock.ts"
import type { CommandOf, LockCommand } from "./LockCommand.ts"
import { type CommandRow, commandTable } from "./LockCommands.ts"
import { changedIn } from "./LockDescription.ts"
import {
  DeviceLost,
  LockFull,
  LockNotFound,
  type LockRefused,
  LockRetired,
  ResidentExists,
  ResidentNotFound,
  ResidentNotNamed,
  UuidUnchanged
} from "./LockError.ts"
import { BOUNDS } from "./RequestFields.ts"
import type { SentCommand } from "./SentCommand.ts"
import { descriptionOf } from "./ShownDescription.ts"
import { canonical } from "./TempKey.ts"

/** What was so of the thing that a command claims. */
export interface ThingBefore {
  /** Some lock has it, or had it. */
  readonly isUsed: boolean
  /** A lock has it that is not the one of the command. */
  readonly isOthers: boolean
}
const noLockHadIt: ThingBefore = { isUsed: false, isOthers: false }

/** Why a lock carries out a command no more: it is retired, or has no thing, and the command takes no right away. */
export const outOfService = (
  { lockId, retired, lost }: Lock,
  tag: keyof typeof commandTable
): LockRetired | DeviceLost | undefined => {
  const { event, who, revokes, claims }: CommandRow = commandTable[tag]
  const isLeft = event === "LockRetired" || who === "device"
  if (retired !== undefined && !isLeft) return new LockRetired({ lockId })
  return lost && revokes !== true && claims === undefined ? new DeviceLost({ lockId }) : undefined
}

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
export const decide = (
  lock: Lock | undefined,
  command: LockCommand,
  thing: ThingBefore = noLockHadIt
): Result.Result<Decision, LockRefused> => {
  const { lockId } = command
  if (lock === undefined) {
    return command._tag === "CreateLock"
      ? Result.succeed(decideCreate(command, thing))
      : Result.fail(new LockNotFound({ lockId }))
  }
  const hindrance = outOfService(lock, command._tag)
  if (hindrance !== undefined) return Result.fail(hindrance)
  const head = headOf(lock, command)
  switch (command._tag) {
    case "CreateLock":
      return Result.succeed(alreadySo)

    case "AddKey":
      return addKey(lock, command)

    case "RemoveKey":
      return removeKey(lock, command)

    case "GiveUpKey":
      return giveUpKey(lock, command)

    case "WriteKey":
      return writeKey(lock, command)

    case "SendKey":
      return sendDue(lock, command, "AddKey")

    case "SendRemoval":
      return sendDue(lock, command, "RemoveKey")

    case "SyncKeys":
      return syncKeys(lock, command)

    case "NoteAttention":
      return noteAttention(lock, command)

    case "OpenLock": {
      const { reason, requestId, principal } = command
      const byKey = !isUser(principal, lock.ownerId) && lock.keys.some((key) => isHolder(principal, key, lock))
      return accept(
        { _tag: "LockOpenRequested", ...head, ...given({ reason, requestId }), via: byKey ? "key" : "API" },
        { _tag: "OpenLock", ...stamp(lock, command), expiresAt: command.at + OPEN_EXPIRES_AFTER }
      )
    }

    case "LockDevice":
      return accept(
        { _tag: "LockDeviceRequested", ...head, ...given({ reason: command.reason }) },
        { _tag: "LockDevice", ...stamp(lock, command), expiresAt: command.at + OPEN_EXPIRES_AFTER }
      )

    case "OpenDoor": {
      const { credentialUuid, doorId, via, tempKeyId } = command
      return accept(
        { _tag: "LockOpenRequested", ...head, credentialUuid, doorId, via, ...given({ tempKeyId }) },
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
        : accept({
            _tag: "LockUuidChanged",
            ...head,
            newUuid,
            previousUuid: lock.uuid,
            ended: true,
            ...isReconciled(lock.keys)
          })
    }

    case "MoveClaim": {
      const { uuid: newUuid } = command
      const isItsOwn = canonical(newUuid) === canonical(lock.uuid) && lock.lost === undefined && !thing.isOthers
      return isItsOwn
        ? Result.succeed(alreadySo)
        : accept({ _tag: "ClaimMoved", ...head, newUuid, previousUuid: lock.uuid, ...isReconciled(lock.keys) })
    }

    case "RetireLock": {
      const isEmpty = lock.mayHoldOthers === undefined && lock.hardware.length === 0
      const freed = command.principal._tag === "Super" || isEmpty
      const isSo = lock.retired === "freed" || (lock.retired === "held" && !freed)
      return isSo
        ? Result.succeed(alreadySo)
        : accept({
            _tag: "LockRetired",
            ...head,
            freed,
            ...given({ reason: command.reason }),
            ...(!freed && isReconciled(lock.hardware))
          })
    }

    case "DescribeLock": {
      const changes = changedIn(descriptionOf(lock), command)
      return Object.keys(changes).length === 0
        ? Result.succeed(alreadySo)
        : accept({ _tag: "LockDescribed", ...head, ...changes, ignorable: true })
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

    case "CreateTempKey":
      return createTempKey(lock, command)

    case "UpdateTempKey":
      return updateTempKey(lock, command)

    case "DeleteTempKey":
      return deleteTempKey(lock, command)

    case "SuspendTempKey":
      return suspendTempKey(lock, command)

    case "ResumeTempKey":
      return resumeTempKey(lock, command)

    case "ChangeTempKeyLink":
      return changeTempKeyLink(lock, command)

    case "UseTempKey":
      return Result.map(decideUse(lock, command), (used): Decision => ({ events: [used] }))

    case "OpenWithTempKey":
      return openWithTempKey(lock, command)

    case "RecordOutcome": {
      const { outcome, reportedAt, detail, began, back } = command
      const sent = answeredBy(lock, command)
      if (sent === undefined) return Result.succeed(alreadySo)
      const reported = outcomeOf({ ...sent, outcome, reportedAt, ...given({ detail, began }) })
      return Result.succeed({
        events: [{ _tag: "CommandOutcomeReported", ...head, ...reported }, ...useReturned(lock, command, sent)],
        ...(openedNothing(command) && given({ beside: back }))
      })
    }

    case "RecordState":
      return Result.succeed(recordState(lock, command))

    case "RecordKeys":
      return Result.succeed(recordKeys(lock, command))

    case "RecordOpenings":
      return Result.succeed(recordOpenings(lock, command))
  }
}

/**
 * The command that the device has answered: one that the lock waits for, or one that only the log still knows. The latter does
 * not count from a device that the lock had before, nor once the lock is retired.
 */
const answeredBy = (
  { pendingCommands, recentOutcomes, uuid, retired, lost }: Lock,
  { answered, thing, forgotten }: CommandOf<"RecordOutcome">
): SentCommand | undefined => {
  const isIt = (sent: SentCommand) => sent.commandId === answered && sent.thing === thing
  const pending = pendingCommands.find(isIt)
  if (pending !== undefined || forgotten === undefined) return pending
  if (recentOutcomes.some(({ commandId }) => commandId === answered)) return undefined
  const isStill = canonical(thing) === canonical(uuid) && retired === undefined && lost !== true
  return isStill && isIt(forgotten) ? forgotten : undefined
}

/** Only a user who creates a lock becomes its owner unasked; only an organization that does has it as its own. */
const decideCreate = (command: CommandOf<"CreateLock">, { isUsed }: ThingBefore): Decision => {
  const { lockId, uuid, index, serialNumber, vendorName, keys = [], principal } = command
  const ownerId = command.ownerId ?? (principal._tag === "User" ? principal.userId : undefined)
  const orgId = principal._tag === "Organization" ? principal.orgId : undefined
  const timestamp = instantOf(command.at)
  const used = isUsed ? (true as const) : undefined
  const about = given({ serialNumber, vendorName, ownerId, orgId, used })
  return { events: [{ _tag: "LockCreated", lockId, uuid, timestamp, keys, index, ...about, ...isReconciled(keys) }] }
}

/** The hardware is brought to it, where there is something to bring. */
const isReconciled = (keys: ReadonlyArray<unknown>) => (keys.length === 0 ? {} : { reconciled: true as const })
