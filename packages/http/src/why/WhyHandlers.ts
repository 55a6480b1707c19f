/** What an explanation and a simulation look like on the wire. */
import {
  type ExplainRequest,
  type Explanation,
  Explanations,
  instantOf,
  millisOf,
  type RefusedAttempt,
  type Simulation,
  type Subject
} from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import type { Asked } from "../api/WhyApi.ts"
import { principalInfo } from "../server/PrincipalInfo.ts"
import type { Handlers } from "../server/Routes.ts"

/** Most uses of each kind that a simulation lists. */
const MOST_LISTED = 1_000

export const makeWhyHandlers: Effect.Effect<Handlers<typeof Api>["why"], never, Explanations> = Effect.map(
  Explanations,
  ({ explain, attempts, simulate }) => ({
    explain: ({ params, query, call }) =>
      Effect.map(explain(call.principal, params.id, requestOf(query, call.at)), (explanation) => ({
        status: 200,
        body: { lockId: params.id, ...explanationInfo(explanation) }
      })),
    attempts: ({ params, query, call }) =>
      Effect.map(attempts(call.principal, params.id, query, call.at), ({ attempts, nextCursor = null }) => ({
        status: 200,
        body: { attempts: attempts.map(attemptInfo), nextCursor }
      })),
    "simulate-update-temp-key": ({ params, payload, call }) =>
      Effect.map(simulate(call.principal, params.id, payload), (simulation) => ({
        status: 200,
        body: simulationInfo(simulation)
      }))
  })
)

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

const attemptInfo = ({ at, principal, lockedOutUntil, ...attempt }: RefusedAttempt) => ({
  ...attempt,
  at: instantOf(at),
  principal: principalInfo(principal),
  ...(lockedOutUntil !== undefined && { lockedOutUntil: instantOf(lockedOutUntil) })
})

const simulationInfo = ({ wouldRefuse, wouldAccept, ...simulation }: Simulation) => ({
  ...simulation,
  wouldRefuseCount: wouldRefuse.length,
  wouldAcceptCount: wouldAccept.length,
  wouldRefuse: wouldRefuse.slice(-MOST_LISTED).map(triedUseInfo),
  wouldAccept: wouldAccept.slice(-MOST_LISTED).map(triedUseInfo)
})

const triedUseInfo = ({ at, userId, ...use }: Simulation["wouldRefuse"][number]) => ({
  ...use,
  at: instantOf(at),
  ...(userId !== undefined && { userId })
})
