/** A question why a lock opens, and its answer, as they are on the wire. */
import { type ExplainRequest, type Explanation, instantOf, millisOf, type Subject } from "@latchkey/core"
import type { Asked } from "../api/WhyApi.ts"
import { principalInfo } from "../server/PrincipalInfo.ts"

/** What is asked, as the core takes it; about now (epoch milliseconds) unless it says when. */
export const requestOf = (
  { at: instant, eventId, attemptId = eventId, pinAttempt, ...asked }: typeof Asked.Type,
  now: number
): ExplainRequest => {
  const at = instant === undefined ? now : millisOf(instant)
  if (attemptId !== undefined) return { attemptId }
  return pinAttempt === undefined ? { subject: subjectOf(asked), at } : { pinAttempt, at }
}

/** The declaration has seen to it that there is one subject. */
const subjectOf = ({ tempKeyUuid, keyUuid, pinOf, userId }: typeof Asked.Type): Subject => {
  const by = userId === undefined ? {} : { userId }
  if (tempKeyUuid !== undefined) return { _tag: "TempKey", tempKeyUuid, ...by }
  if (keyUuid !== undefined) return { _tag: "Key", keyUuid, ...by }
  return pinOf === undefined ? { _tag: "User", userId: userId ?? "" } : { _tag: "Pin", sharedKeyUuid: pinOf }
}

/** An explanation on the wire. */
export const explanationInfo = ({ subject, at, nextChangeAt, recorded, facts, ...explanation }: Explanation) => {
  const { sharedKey, lockedOutUntil, ...others } = facts
  return {
    asked: askedInfo(subject),
    at: instantOf(at),
    ...explanation,
    nextChangeAt: nextChangeAt === undefined ? null : instantOf(nextChangeAt),
    recorded: recorded === undefined ? null : { ...recorded, principal: principalInfo(recorded.principal) },
    facts: {
      ...others,
      ...(sharedKey && { sharedKey: { ...sharedKey, grantedBy: principalInfo(sharedKey.grantedBy) } }),
      ...(lockedOutUntil !== undefined && { lockedOutUntil: instantOf(lockedOutUntil) }),
      events: facts.events.map(({ at, principal, ...event }) => ({
        ...event,
        at: instantOf(at),
        principal: principalInfo(principal)
      }))
    }
  }
}

const askedInfo = (subject: Explanation["subject"]) => {
  if (subject._tag === "Pin") return subject.sharedKeyUuid === undefined ? {} : { pinOf: subject.sharedKeyUuid }
  if (subject._tag === "Command") return { command: subject.command, by: principalInfo(subject.by) }
  const { _tag: _, ...asked } = subject
  return asked
}
