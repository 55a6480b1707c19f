/**
 * Why a lock opens to a credential at an instant, or does not: the log is replayed as of then and the rules of the lock
 * are asked again. There is no second copy of them here. What really happened is answered as it happened.
 */

import type { Lock } from "../lock/Lock.ts"
import { evolveStored, initial } from "../lock/LockAggregate.ts"
import { canonical, nextChangeAt } from "../lock/TempKey.ts"
import type { RefusedUse } from "../locks/RefusedUses.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { type MadeBy, madeBy, type Use, useOf } from "./ExplainFacts.ts"
import { factsOf, judgeOwn, tempKeyIn } from "./ExplainOwn.ts"
import { explainShared } from "./ExplainShared.ts"
import {
  type Explanation,
  factOf,
  type Judged,
  type Question,
  type Recorded,
  type RefusedPin,
  type SubjectOf
} from "./Explanation.ts"

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
  refused: refused.filter((use) => isAttempt(question, { userId: undefined, ...use, by: "link" })),
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
    madeBy: madeBy(present.madeBy, question, stored)
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

export const conclude = (so: Replay): Explanation => {
  const { question, asOf, attempt } = so
  const { subject, at, sharedKey, refusedPin } = question
  const { lock, version, madeBy } = attempt?.moment ?? asOf
  const recorded: Recorded | undefined =
    refusedPin === undefined ? attempt?.recorded : { ...refusedPin, outcome: "pin-refused" }
  const events = Array.from(new Set(Object.values(madeBy))).sort((a, b) => a.version - b.version)
  if (sharedKey !== undefined || subject._tag === "Pin") {
    const shared = explainShared(lock, events, sharedKey ?? [], subject._tag === "Pin" ? "PIN" : "link", at)
    return {
      subject,
      at,
      version,
      ...shared,
      ...asRecorded(shared, recorded),
      recorded,
      facts: { ...shared.facts, ...lockOut(refusedPin) }
    }
  }
  const asked = attempt !== undefined && subject._tag === "TempKey" ? attemptedBy(subject, attempt.userId) : subject
  const key = subject._tag === "TempKey" ? tempKeyIn(lock, subject.tempKeyUuid) : undefined
  return {
    subject: asked,
    at,
    version,
    ...asRecorded(judgeOwn(lock, asked, at, events), recorded),
    nextChangeAt: key && nextChangeAt(key, at),
    recorded,
    facts: { ...factsOf(lock, asked, at), events: events.map(factOf) }
  }
}

const lockOut = ({ lockedOutUntil }: Partial<RefusedPin> = {}) =>
  lockedOutUntil === undefined ? {} : { lockedOutUntil }

/** Whether it is the attempt that is asked about: the one named or, if none is, one at that very instant. */
const isAttempt = (
  { subject, at, attemptId }: Question,
  attempt: Pick<StoredEvent, "eventId" | "at"> & Use
): boolean => {
  if (attemptId !== undefined) return attempt.eventId === attemptId
  if (attempt.at !== at) return false
  const isOf = (uuid: string | undefined) => uuid !== undefined && canonical(attempt.tempKeyUuid) === canonical(uuid)
  switch (subject._tag) {
    case "TempKey":
      return (
        attempt.by === "link" &&
        isOf(subject.tempKeyUuid) &&
        (subject.userId === undefined || canonical(subject.userId) === canonical(attempt.userId ?? ""))
      )
    case "Pin":
      return attempt.by === "PIN" && isOf(subject.sharedKeyUuid)
    default:
      return false
  }
}

const attemptedBy = ({ _tag, tempKeyUuid }: SubjectOf<"TempKey">, userId: string | undefined): SubjectOf<"TempKey"> =>
  userId === undefined ? { _tag, tempKeyUuid } : { _tag, tempKeyUuid, userId }

/** What happened stands, also where today's rules, or today's time zone data, would have it otherwise. */
const asRecorded = (judged: Judged, recorded: Recorded | undefined): Judged => {
  const allowed = recorded === undefined ? judged.allowed : recorded.outcome === "used"
  if (allowed === judged.allowed) return judged
  const message = `At the time it was ${allowed ? "allowed" : `refused (${recorded?.outcome})`}; by the rules and time zone data of today it would be otherwise: ${judged.message}`
  return { allowed, rule: "rules-of-then", message }
}
