/** Why a temp key, a permanent key or a user opens a lock or does not: by the rules of the lock, as it was at an instant. */
import { HashMap, Option, Result } from "effect"
import { permit } from "../lock/AccessPolicy.ts"
import type { Lock } from "../lock/Lock.ts"
import { judgeUse } from "../lock/LockAggregate.ts"
import type { LockRefused } from "../lock/LockError.ts"
import { canonical, ruleAt, statusAt, type TempKey } from "../lock/TempKey.ts"
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
  events: ReadonlyArray<StoredEvent>
): Judged => {
  switch (subject._tag) {
    case "TempKey":
      return judgeTempKey(lock, subject, at)
    case "Key":
      return judgeKey(lock, subject, events)
    case "User":
      return judgeUser(lock, subject.userId)
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
  if (key === undefined) {
    return events.length === 0
      ? { allowed: false, rule: "no-such-key", message: "The lock never held this key. Add it with AddKey." }
      : { allowed: false, rule: "key-removed", message: "The key was removed from the lock. Add it again with AddKey." }
  }
  return userId === undefined || isUser({ _tag: "User", userId }, key.userId)
    ? { allowed: true, rule: "key-on-lock", message: "The lock holds this key." }
    : { allowed: false, rule: "key-of-another", message: "The lock holds this key, but not as a key of this user." }
}

const judgeUser = (lock: Lock | undefined, userId: string): Judged => {
  if (lock === undefined) return noSuchLock
  const user: Principal = { _tag: "User", userId }
  const permitted = permit(user, lock, "OpenLock")
  if (Result.isFailure(permitted)) return { allowed: false, rule: "no-right", message: noRight }
  return isUser(user, lock.ownerId)
    ? { allowed: true, rule: "owner", message: "The user owns the lock." }
    : { allowed: true, rule: "key-holder", message: "The user holds a key on the lock." }
}

const noRight = "The user neither owns the lock nor holds a key on it. Add a key of theirs with AddKey."

export const tempKeyIn = (lock: Lock | undefined, tempKeyUuid: string): TempKey | undefined =>
  lock && Option.getOrUndefined(HashMap.get(lock.tempKeys, canonical(tempKeyUuid)))

export const factsOf = (lock: Lock | undefined, subject: OwnSubject, at: number) => {
  if (lock === undefined) return {}
  switch (subject._tag) {
    case "TempKey": {
      const tempKey = tempKeyIn(lock, subject.tempKeyUuid)
      const wallTime = tempKey?.schedule && wallTimeAt(tempKey.schedule, at)
      return tempKey && { tempKey: { ...tempKey, status: statusAt(tempKey, at), ...(wallTime && { wallTime }) } }
    }
    case "Key": {
      const key = lock.keys.find(({ uuid }) => uuid === subject.keyUuid)
      return key && { key }
    }
    case "User":
      return lock.ownerId === undefined ? {} : { ownerId: lock.ownerId }
  }
}
