/**
 * Why a lock opens to a credential at an instant, or does not: the log is replayed as of then and the rules of the lock
 * are asked again. There is no second copy of them here. What really happened is answered as it happened.
 */
import { HashMap, Option, Result, Schema } from "effect"
import { permit } from "./AccessPolicy.ts"
import { type MadeBy, madeBy, useOf } from "./ExplainFacts.ts"
import type { Key, Lock } from "./Lock.ts"
import { evolveStored, initial, judgeUse } from "./LockAggregate.ts"
import type { LockRefused } from "./LockError.ts"
import type { Principal } from "./Principal.ts"
import type { StoredEvent } from "./ports/EventStore.ts"
import type { RefusalReason, RefusedUse } from "./RefusedUses.ts"
import { wallTimeAt } from "./Schedule.ts"
import { canonical, nextChangeAt, ruleAt, statusAt, type TempKey, TempKeyRule, type TempKeyStatus } from "./TempKey.ts"

/** What is asked about: a temp key, a permanent key, or what a user may do without either. `userId` is who comes with it. */
export type Subject =
  | { readonly _tag: "TempKey"; readonly tempKeyUuid: string; readonly userId?: string }
  | { readonly _tag: "Key"; readonly keyUuid: string; readonly userId?: string }
  | { readonly _tag: "User"; readonly userId: string }

/** Does this open the lock at this instant (epoch milliseconds)? */
export interface Question {
  readonly subject: Subject
  readonly at: number
  /** The id of the event that recorded one attempt, if it is about that one. */
  readonly attemptId?: string
}

/** The rule that decided. Of a temp key: the first that stands in its way. */
export const Rule = Schema.Literals([
  "no-such-lock",
  "no-such-key",
  "deleted",
  ...TempKeyRule.literals,
  "whitelist",
  "key-on-lock",
  "key-removed",
  "key-of-another",
  "owner",
  "key-holder",
  "no-right",
  /** It was decided otherwise at the time: by the rules, or the time zone data, of an earlier version. */
  "rules-of-then"
])
export type Rule = typeof Rule.Type

/** An event that an answer rests on: it made a term what it was. `principal` is who caused it. */
export interface Fact {
  readonly eventId: string
  readonly version: number
  readonly type: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly principal: Principal
}

/** What was recorded of an attempt. A refused one has no version: it is no event of the lock. */
export interface Recorded {
  readonly eventId: string
  readonly version?: number
  readonly outcome: "used" | RefusalReason
  readonly principal: Principal
}

export interface Explanation {
  readonly subject: Subject
  /** The instant it is about, epoch milliseconds. */
  readonly at: number
  /** The version of the lock's stream that was judged; 0 when the lock was not there yet. */
  readonly version: number
  readonly allowed: boolean
  readonly rule: Rule
  /** In words, with what to do about a refusal. */
  readonly message: string
  /** The next instant, epoch milliseconds, at which time alone changes the status; none when it never does. */
  readonly nextChangeAt: number | undefined
  /** The attempt that was made at that very instant, if one was. */
  readonly recorded: Recorded | undefined
  readonly facts: {
    readonly tempKey?: TempKey & { readonly status: TempKeyStatus; readonly wallTime?: string }
    readonly key?: Key
    readonly ownerId?: string
    /** In the order of the log. */
    readonly events: ReadonlyArray<Fact>
  }
}

/** Explains from the whole history of a lock and from the refused uses that were kept of it, both oldest first. */
export const explain = (
  history: ReadonlyArray<StoredEvent>,
  refused: ReadonlyArray<RefusedUse>,
  question: Question
): Explanation => conclude(history.reduce(replay, beginReplay(question, refused)))

/** The lock as far as it is replayed, and by term the event that made it what it is. */
interface Moment {
  readonly lock: Lock | undefined
  readonly version: number
  readonly madeBy: MadeBy
}

/** A replay under way. */
export interface Replay {
  readonly question: Question
  readonly refused: ReadonlyArray<RefusedUse>
  readonly present: Moment
  /** After the newest event that is no later than the instant asked about, and all before it. */
  readonly asOf: Moment
  /** What the attempt at that instant was judged by, if there was one: the newest, if there were several. */
  readonly attempt:
    | { readonly moment: Moment; readonly recorded: Recorded; readonly userId: string | undefined }
    | undefined
}

const nothing: Moment = { lock: initial, version: 0, madeBy: {} }

/** Histories are long: they may be replayed page by page, with `replay`, and then concluded. */
export const beginReplay = (question: Question, refused: ReadonlyArray<RefusedUse>): Replay => ({
  question,
  refused: refused.filter((use) => isAttempt(question, use)),
  present: nothing,
  asOf: nothing,
  attempt: undefined
})

export const replay = (so: Replay, stored: StoredEvent): Replay => {
  const { question, refused, present } = so
  const { version, eventId, at, principal } = stored
  const next = {
    lock: evolveStored(present.lock, stored),
    version,
    madeBy: madeBy(present.madeBy, question.subject, stored)
  }
  const attempts: Array<Replay["attempt"]> = [so.attempt]
  const use = useOf(stored)
  if (use !== undefined && isAttempt(question, { ...use, eventId, at })) {
    attempts.push({ moment: present, recorded: { eventId, version, outcome: "used", principal }, userId: use.userId })
  }
  for (const { lockVersion, eventId, reason, principal, userId } of refused) {
    if (lockVersion === version)
      attempts.push({ moment: next, recorded: { eventId, outcome: reason, principal }, userId })
  }
  return { ...so, present: next, asOf: at <= question.at ? next : so.asOf, attempt: attempts.at(-1) }
}

export const conclude = ({ question: { subject, at }, asOf, attempt }: Replay): Explanation => {
  const { lock, version, madeBy } = attempt?.moment ?? asOf
  const events = Array.from(new Set(Object.values(madeBy))).sort((a, b) => a.version - b.version)
  const asked = attempt === undefined || subject._tag !== "TempKey" ? subject : attemptedBy(subject, attempt.userId)
  const judged = judge(lock, asked, at, events)
  const key = subject._tag === "TempKey" ? tempKeyIn(lock, subject.tempKeyUuid) : undefined
  return {
    subject: asked,
    at,
    version,
    ...asRecorded(judged, attempt?.recorded),
    nextChangeAt: key && nextChangeAt(key, at),
    recorded: attempt?.recorded,
    facts: { ...factsOf(lock, asked, at), events: events.map(factOf) }
  }
}

/** Whether it is the attempt that is asked about: the one named or, if none is, one at that very instant. */
const isAttempt = (
  { subject, at, attemptId }: Question,
  attempt: {
    readonly eventId: string
    readonly at: number
    readonly tempKeyUuid: string
    readonly userId?: string | undefined
  }
): boolean =>
  attemptId === undefined
    ? subject._tag === "TempKey" &&
      attempt.at === at &&
      canonical(attempt.tempKeyUuid) === canonical(subject.tempKeyUuid) &&
      (subject.userId === undefined || canonical(subject.userId) === canonical(attempt.userId ?? ""))
    : attempt.eventId === attemptId

const attemptedBy = ({ _tag, tempKeyUuid }: SubjectOf<"TempKey">, userId: string | undefined): Subject =>
  userId === undefined ? { _tag, tempKeyUuid } : { _tag, tempKeyUuid, userId }

type Judged = Pick<Explanation, "allowed" | "rule" | "message">

/** What the rules of the lock say; the lock is as it was. */
const judge = (lock: Lock | undefined, subject: Subject, at: number, events: ReadonlyArray<StoredEvent>): Judged => {
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
  return userId === undefined || key.userId === userId
    ? { allowed: true, rule: "key-on-lock", message: "The lock holds this key." }
    : { allowed: false, rule: "key-of-another", message: "The lock holds this key, but not as a key of this user." }
}

const judgeUser = (lock: Lock | undefined, userId: string): Judged => {
  if (lock === undefined) return noSuchLock
  const permitted = permit({ _tag: "User", userId }, lock, "OpenLock")
  if (Result.isFailure(permitted)) return { allowed: false, rule: "no-right", message: permitted.failure.message }
  return lock.ownerId === userId
    ? { allowed: true, rule: "owner", message: "The user owns the lock." }
    : { allowed: true, rule: "key-holder", message: "The user holds a key on the lock." }
}

const noSuchLock: Judged = { allowed: false, rule: "no-such-lock", message: "There was no such lock yet." }

/** What happened stands, also where today's rules, or today's time zone data, would have it otherwise. */
const asRecorded = (judged: Judged, recorded: Recorded | undefined): Judged => {
  const allowed = recorded === undefined ? judged.allowed : recorded.outcome === "used"
  if (allowed === judged.allowed) return judged
  const message = `At the time it was ${allowed ? "allowed" : `refused (${recorded?.outcome})`}; by the rules and time zone data of today it would be otherwise: ${judged.message}`
  return { allowed, rule: "rules-of-then", message }
}

type SubjectOf<Tag extends Subject["_tag"]> = Extract<Subject, { readonly _tag: Tag }>

const tempKeyIn = (lock: Lock | undefined, tempKeyUuid: string): TempKey | undefined =>
  lock && Option.getOrUndefined(HashMap.get(lock.tempKeys, canonical(tempKeyUuid)))

const factsOf = (lock: Lock | undefined, subject: Subject, at: number) => {
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

const factOf = ({ eventId, version, type, at, principal }: StoredEvent): Fact => ({
  eventId,
  version,
  type,
  at,
  principal
})
