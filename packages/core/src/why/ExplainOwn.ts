/** Why a temp key, a permanent key or a user opens a lock or does not: by the rules of the lock, as it was at an instant. */
import { HashMap, Option, Result } from "effect"
import { permit, stands } from "../lock/AccessPolicy.ts"
import { outOfService } from "../lock/Decide.ts"
import { judgeUse } from "../lock/DecideTempKeys.ts"
import { type HardwareKey, hardwareStatus } from "../lock/Hardware.ts"
import type { Lock } from "../lock/Lock.ts"
import { type commandTable, rowOf } from "../lock/LockCommands.ts"
import { DeviceDisputed, type LockRefused } from "../lock/LockError.ts"
import { canonical, ruleAt, type TempKey } from "../lock/TempKey.ts"
import { opensForNobody } from "../locks/RefusedUses.ts"
import { tempKeyAt } from "../locks/TempKeyNow.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { isUser, type Principal } from "../values/Principal.ts"
import { wallTimeAt } from "../values/Schedule.ts"
import { type Judged, noSuchLock, type Rule, type Subject, type SubjectOf } from "./Explanation.ts"

/** What the lock's own rules decide about; of PINs it knows nothing. */
type OwnSubject = Exclude<Subject, SubjectOf<"Pin">>

/** What the rules of the lock say; the lock is as it was. */
export const judgeOwn = (
  lock: Lock | undefined,
  subject: OwnSubject,
  at: number,
  events: ReadonlyArray<StoredEvent>,
  isDisputed: boolean
): Judged => {
  const nothing = lock && hindranceAt(lock, isDisputed)
  switch (subject._tag) {
    case "TempKey":
      return nothing ?? judgeTempKey(lock, subject, at)
    case "Key":
      return nothing ?? judgeKey(lock, subject, events)
    case "User": {
      const judged = judgeUser(lock, subject.userId)
      return judged.allowed && nothing !== undefined ? nothing : judged
    }
    case "Command": {
      const judged = judgeCommand(lock, subject)
      return (judged.allowed && lock && hindranceAt(lock, isDisputed, subject.command)) || judged
    }
  }
}

/** Why the lock does nothing of the kind for anybody: it was retired, or has no device of its own. */
export const hindranceAt = (
  lock: Lock,
  isDisputed: boolean,
  command: keyof typeof commandTable = "OpenLock"
): Judged | undefined => {
  const { revokes, claims } = rowOf(command)
  const refusal =
    isDisputed && lock.retired === undefined && revokes !== true && claims === undefined
      ? new DeviceDisputed({ lockId: lock.lockId })
      : outOfService(lock, command)
  return refusal && { allowed: false, rule: opensForNobody[refusal._tag], message: refusal.message }
}

const judgeCommand = (lock: Lock | undefined, { command, by }: SubjectOf<"Command">): Judged => {
  switch (by._tag) {
    case "System":
      return rowOf(command).who === "device"
        ? { allowed: true, rule: "device", message: "The lock's device reported it." }
        : { allowed: true, rule: "latchkey", message: "Latchkey did it by itself." }
    case "Super":
      return { allowed: true, rule: "operator", message: "A super key may do everything." }
    default: {
      if (lock === undefined)
        return command === "CreateLock"
          ? { allowed: true, rule: "new-lock", message: "The lock did not exist yet: it was made." }
          : noSuchLock
      const permitted = permit(by, lock, command)
      if (Result.isFailure(permitted)) return { allowed: false, rule: "no-right", message: permitted.failure.message }
      if (by._tag === "Organization")
        return { allowed: true, rule: "organization", message: "The lock is the organization's." }
      return by._tag === "User"
        ? judgeUser(lock, by.userId)
        : { allowed: true, rule: "valid", message: "Anyone may ask for this." }
    }
  }
}

const judgeTempKey = (lock: Lock | undefined, { tempKeyUuid, userId }: SubjectOf<"TempKey">, at: number): Judged => {
  if (lock === undefined) return noSuchLock
  const judged = judgeUse(lock, { tempKeyUuid, userId, at })
  if (Result.isSuccess(judged)) return { allowed: true, rule: "valid", message: "The temp key opens the lock." }
  const { message } = judged.failure
  return { allowed: false, rule: ruleOf(judged.failure, tempKeyIn(lock, tempKeyUuid), at), message }
}

const ruleOf = (refusal: LockRefused, key: TempKey | undefined, at: number): Rule => {
  switch (refusal._tag) {
    case "TempKeyWithdrawn":
      return "withdrawn"
    case "NotOnWhitelist":
      return "whitelist"
    case "TempKeyNotValid":
      return key === undefined ? "deleted" : ruleAt(key, at)
    default:
      return "no-such-key"
  }
}

const judgeKey = (
  lock: Lock | undefined,
  { keyUuid, userId }: SubjectOf<"Key">,
  events: ReadonlyArray<StoredEvent>
): Judged => {
  if (lock === undefined) return noSuchLock
  const key = lock.keys.find(({ uuid }) => uuid === keyUuid)
  const there = lock.hardware.find(({ uuid }) => uuid === keyUuid)
  if (key === undefined && there?.foreign === true) return { allowed: false, rule: "no-such-key", message: foreign }
  if (key === undefined && there !== undefined) return { allowed: false, rule: "key-removed", message: leaving }
  if (key === undefined) {
    return events.length === 0
      ? { allowed: false, rule: "no-such-key", message: "The lock never held this key. Add it with AddKey." }
      : { allowed: false, rule: "key-removed", message: "The key was removed from the lock. Add it again with AddKey." }
  }
  if (userId !== undefined && !isUser({ _tag: "User", userId }, key.userId))
    return {
      allowed: false,
      rule: "key-of-another",
      message: "The lock holds this key, but not as a key of this user."
    }
  return stands(key.giver, lock)
    ? { allowed: true, rule: "key-on-lock", message: isHeld(there) }
    : { allowed: false, rule: "withdrawn", message: inherited }
}

const judgeUser = (lock: Lock | undefined, userId: string): Judged => {
  if (lock === undefined) return noSuchLock
  const user: Principal = { _tag: "User", userId }
  const permitted = permit(user, lock, "OpenLock")
  if (Result.isFailure(permitted)) {
    return lock.keys.some((key) => isUser(user, key.userId))
      ? { allowed: false, rule: "withdrawn", message: inherited }
      : { allowed: false, rule: "no-right", message: noRight }
  }
  return isUser(user, lock.ownerId)
    ? { allowed: true, rule: "owner", message: "The user owns the lock." }
    : { allowed: true, rule: "key-holder", message: "The user holds a key on the lock." }
}

/** What the rules allow, and whether the hardware is so far. */
const isHeld = (key: HardwareKey | undefined): string => {
  switch (key && hardwareStatus(key)) {
    case "confirmed":
      return "The lock holds this key."
    case "failed":
    case "attention":
      return "The key is on the lock's list, but the lock has failed to take it, or has not answered. Ask again with sync."
    default:
      return "The key is on the lock's list; the lock has not confirmed yet that it holds it."
  }
}

const leaving =
  "The key was removed, but the lock has not confirmed that it is gone: until then its hardware may still open for it."

const foreign =
  "Nobody added this key here, but the lock reports that it holds it: its hardware may open for it. Remove it with RemoveKey."

const inherited =
  "The lock holds this key from those who had it before, who may no longer give it. Remove it, or add another one."

const noRight = "The user neither owns the lock nor holds a key on it. Add a key of theirs with AddKey."

export const tempKeyIn = (lock: Lock | undefined, tempKeyUuid: string): TempKey | undefined =>
  lock && Option.getOrUndefined(HashMap.get(lock.tempKeys, canonical(tempKeyUuid)))

export const factsOf = (lock: Lock | undefined, subject: OwnSubject, at: number) => {
  if (lock === undefined) return {}
  switch (subject._tag) {
    case "TempKey": {
      const tempKey = tempKeyIn(lock, subject.tempKeyUuid)
      const wallTime = tempKey?.schedule && wallTimeAt(tempKey.schedule, at)
      return (
        tempKey && {
          tempKey: { ...tempKey, status: tempKeyAt(tempKey, lock, at).status, ...(wallTime && { wallTime }) }
        }
      )
    }
    case "Key": {
      const key = lock.keys.find(({ uuid }) => uuid === subject.keyUuid)
      return key && { key }
    }
    case "Command":
      return {}
    case "User":
      return lock.ownerId === undefined ? {} : { ownerId: lock.ownerId }
  }
}
