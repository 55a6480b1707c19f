/** Explains and simulates from the log itself. Nothing here writes, and nothing rests on what is cached. */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { beginReplay, conclude, type Explanation, type Question, replay, type Subject } from "./Explain.ts"
import { useOf } from "./ExplainFacts.ts"
import { streamOfLock } from "./Lock.ts"
import { decide } from "./LockAggregate.ts"
import type { LockRequest } from "./LockCommand.ts"
import { LockNotFound, type LockRefused } from "./LockError.ts"
import { type AskError, LockQueries } from "./LockQueries.ts"
import type { Principal } from "./Principal.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "./ports/EventStore.ts"
import { type RefusedUse, refusedUsesAt } from "./RefusedUses.ts"
import { beginSimulation, type Simulation } from "./Simulate.ts"

/** What somebody asks to be explained: `at` in epoch milliseconds; an attempt says by itself when it was and about what. */
export type ExplainRequest = { readonly subject: Subject; readonly at: number } | { readonly attemptId: string }

/** No attempt to use a temp key of this lock was recorded under this id. */
export class AttemptNotFound extends Schema.TaggedError<AttemptNotFound>()("AttemptNotFound", {
  attemptId: Schema.String
}) {
  override get message() {
    return "No attempt at this lock has this id. Use the eventId of a TempKeyUsed event, or one that an explanation or a simulation named."
  }
}

/** The update that a simulation thinks of: as `update-temp-key` takes it. */
export type UpdateTempKey = Omit<Extract<LockRequest, { readonly _tag: "UpdateTempKey" }>, "_tag">

export class Explanations extends Context.Service<
  Explanations,
  {
    readonly explain: (
      principal: Principal,
      lockId: number,
      request: ExplainRequest
    ) => Effect.Effect<Explanation, AskError | AttemptNotFound>
    /** What the update would have changed; it is refused as the update itself would be. */
    readonly simulate: (
      principal: Principal,
      lockId: number,
      update: UpdateTempKey
    ) => Effect.Effect<Simulation, AskError | LockRefused>
  }
>()("@latchkey/core/Explanations") {
  static readonly layer = Layer.effect(
    Explanations,
    Effect.gen(function* () {
      const store = yield* EventStore
      const queries = yield* LockQueries
      const fromLog = Effect.provideService(EventStore, store)

      return {
        explain: Effect.fnUntraced(function* (principal, lockId, request) {
          yield* queries.lock(principal, lockId, "explain")
          return yield* fromLog(explainFromLog(lockId, request))
        }),
        simulate: Effect.fnUntraced(function* (principal, lockId, update) {
          const lock = yield* queries.lock(principal, lockId, "simulate-update-temp-key")
          const proposed = {
            _tag: "UpdateTempKey",
            ...update,
            lockId,
            at: lock.changedAt,
            principal,
            commandId: ""
          } as const
          const decided = decide(lock, proposed)
          if (Result.isFailure(decided)) return yield* Effect.fail(decided.failure)
          const { tempKeyUuid, ...changes } = update
          const simulation = beginSimulation(yield* fromLog(refusedUsesAt(lockId)), { tempKeyUuid, changes })
          yield* fromLog(forEachEvent(lockId, simulation.take))
          return simulation.conclude()
        })
      }
    })
  )
}

/** The explanation, for whoever may read the log itself. A lock without a stream is not there. */
export const explainFromLog = Effect.fnUntraced(function* (lockId: number, request: ExplainRequest) {
  const refused = yield* refusedUsesAt(lockId)
  const question = "attemptId" in request ? yield* questionAbout(lockId, request.attemptId, refused) : request
  let so = beginReplay(question, refused)
  yield* forEachEvent(lockId, (stored) => (so = replay(so, stored)))
  return so.present.version === 0 ? yield* Effect.fail(new LockNotFound({ lockId })) : conclude(so)
})

const questionAbout = Effect.fnUntraced(function* (
  lockId: number,
  attemptId: string,
  refused: ReadonlyArray<RefusedUse>
) {
  let question = refused.flatMap((use) => (use.eventId === attemptId ? [questionOf(attemptId, use, use.at)] : []))[0]
  if (question === undefined) {
    yield* forEachEvent(lockId, (stored) => {
      const use = stored.eventId === attemptId ? useOf(stored) : undefined
      if (use !== undefined) question = questionOf(attemptId, use, stored.at)
    })
  }
  return question ?? (yield* Effect.fail(new AttemptNotFound({ attemptId })))
})

const questionOf = (
  attemptId: string,
  { tempKeyUuid, userId }: { readonly tempKeyUuid: string; readonly userId?: string | undefined },
  at: number
): Question => ({
  subject: userId === undefined ? { _tag: "TempKey", tempKeyUuid } : { _tag: "TempKey", tempKeyUuid, userId },
  at,
  attemptId
})

const PAGE = 1_000

/** Page by page: a long history is never in memory as a whole. */
const forEachEvent: (
  lockId: number,
  take: (stored: StoredEvent) => void
) => Effect.Effect<void, StoreUnavailable, EventStore> = Effect.fnUntraced(function* (lockId, take) {
  const store = yield* EventStore
  let version = 0
  while (true) {
    const page = yield* store.read(streamOfLock(lockId), version, PAGE)
    page.forEach(take)
    version = page.at(-1)?.version ?? version
    if (page.length < PAGE) return
  }
})
