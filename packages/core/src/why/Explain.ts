/**
 * Why a lock opens to a credential at an instant, or does not: the log is replayed as of then and the rules of the lock
 * are asked again. There is no second copy of them here. What really happened is answered as it happened.
 */

import { evolveStored, initial } from "../lock/Evolve.ts"
import type { Lock } from "../lock/Lock.ts"
import { canonical } from "../lock/TempKey.ts"
import type { Refused } from "../locks/RefusedUses.ts"
import { tempKeyAt } from "../locks/TempKeyNow.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { eventsOf, type MadeBy, madeBy, type Use, useOf } from "./ExplainFacts.ts"
import { factsOf, hindranceAt, judgeOwn, tempKeyIn } from "./ExplainOwn.ts"
import { explainShared, pinNeeded } from "./ExplainShared.ts"
import {
  type Explanation,
  factOf,
  type Judged,
  type Now,
  nothingElse,
  type Question,
  type Recorded,
  type RefusedPin,
  type SubjectOf
} from "./Explanation.ts"

/** Explains from the whole history of a lock and from the refused uses that were kept of it, both oldest first. */
export const explain = (
  history: ReadonlyArray<StoredEvent>,
  refused: ReadonlyArray<Refused>,
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
  readonly refused: ReadonlyArray<Refused>
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
export const beginReplay = (question: Question, refused: ReadonlyArray<Refused>): Replay => ({
  question,
  refused: refused.filter((one) =>
    one._tag === "TempKeyRefused"
      ? isAttempt(question, { userId: undefined, ...one, by: "link" })
      : question.attemptId === one.eventId
  ),
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
  } else if (question.subject._tag === "Command" && question.attemptId === eventId) {
    attempts.push({ moment: present, recorded: { eventId, version, outcome: "done", principal }, userId: undefined })
  }
  for (const one of refused) {
    const { lockVersion, eventId, reason, principal } = one
    const userId = one._tag === "TempKeyRefused" ? one.userId : undefined
    if (lockVersion === version)
      attempts.push({ moment: next, recorded: { eventId, outcome: reason, principal }, userId })
  }
  return { ...so, present: next, asOf: at <= question.at ? next : so.asOf, attempt: attempts.at(-1) }
}

/** @param now what else is so: it counts where the question is about the lock as it is, and not about what happened */
export const conclude = (so: Replay, now: Now = nothingElse): Explanation => {
  const { question, asOf, attempt, present } = so
  const { subject, at, sharedKey, refusedPin } = question
  const { lock, version, madeBy } = attempt?.moment ?? asOf
  const recorded: Recorded | undefined =
    refusedPin === undefined ? attempt?.recorded : { ...refusedPin, outcome: "pin-refused" }
  const isNow = recorded === undefined && asOf === present
  // Disputes are not in the log: that there was one, only what it stopped can tell.
  const also = recorded?.outcome === "disputed" ? { ...nothingElse, isDisputed: true } : isNow ? now : nothingElse
  if (sharedKey !== undefined || subject._tag === "Pin") {
    const shared = explainShared(
      lock,
      eventsOf(madeBy, lock && hindranceAt(lock, false)?.rule),
      sharedKey ?? [],
      subject._tag === "Pin" ? "PIN" : "link",
      at,
      {
        userId: subject._tag === "TempKey" ? (attempt?.userId ?? subject.userId) : undefined,
        attemptId: question.attemptId
      },
      also
    )
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
  const judged = judgeOwn(lock, asked, at, eventsOf(madeBy), also.isDisputed)
  const events = eventsOf(madeBy, judged.rule)
  const key = subject._tag === "TempKey" ? tempKeyIn(lock, subject.tempKeyUuid) : undefined
  return {
    subject: asked,
    at,
    version,
    ...asRecorded(judged, recorded),
    nextChangeAt: lock && key && tempKeyAt(key, lock, at).nextChangeAt,
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
  const allowed = recorded === undefined ? judged.allowed : recorded.outcome === "used" || recorded.outcome === "done"
  if (allowed === judged.allowed) return judged
  // Another door of the key at this lock takes the link.
  if (recorded?.outcome === "pin-needed") return { allowed, rule: "pin-needed", message: pinNeeded }
  const message = `At the time it was ${allowed ? "allowed" : `refused (${recorded?.outcome})`}; by the rules and time zone data of today it would be otherwise: ${judged.message}`
  return { allowed, rule: "rules-of-then", message }
}
