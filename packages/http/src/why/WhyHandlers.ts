/** What the endpoints of explanations do. */
import { Explanations, instantOf, type RefusedAttempt, type Simulation } from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import { principalInfo } from "../server/PrincipalInfo.ts"
import type { Handlers } from "../server/Routes.ts"
import { explanationInfo, requestOf } from "./explanationInfo.ts"

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
