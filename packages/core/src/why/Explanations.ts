/** Explains and simulates from the log itself. Nothing here writes, and nothing rests on what is cached. */
import { Context, Effect, Layer, Option, Result, Schema } from "effect"
import { streamOfLock } from "../lock/Lock.ts"
import { decide } from "../lock/LockAggregate.ts"
import { type LockRequest, Millis } from "../lock/LockCommand.ts"
import { LockNotFound, type LockRefused } from "../lock/LockError.ts"
import { canonical } from "../lock/TempKey.ts"
import { type AskError, LockQueries } from "../locks/LockQueries.ts"
import { forEachRefusedUse, refusedUseIn, refusedUsesOn } from "../locks/RefusedUses.ts"
import { EventStore, type StoredEvent } from "../streams/EventStore.ts"
import { forEachPaged } from "../streams/Turns.ts"
import { Credentials } from "../temp-key/SharedCredential.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import type { Principal } from "../values/Principal.ts"
import { beginReplay, conclude, replay } from "./Explain.ts"
import { type Use, useOf } from "./ExplainFacts.ts"
import { type Explanation, type Question, Subject } from "./Explanation.ts"
import { lastRefusedPin, questionAboutPin } from "./RefusedPins.ts"
import { beginSimulation, type Simulation } from "./Simulate.ts"

/**
 * What to explain: `at` in epoch milliseconds. An attempt says by itself when it was and about what;
 * the last PIN is the newest that was entered at the lock and is no later than `at`. A PIN itself is never asked for.
 */
export const ExplainRequest = Schema.Union([
  Schema.Struct({ subject: Subject, at: Millis }),
  Schema.Struct({ attemptId: Schema.String }),
  Schema.Struct({ pinAttempt: Schema.Literal("last"), at: Millis })
])
export type ExplainRequest = typeof ExplainRequest.Type

/** No attempt to use a temp key of this lock was recorded under this id. */
export class AttemptNotFound extends Schema.TaggedError<AttemptNotFound>()("AttemptNotFound", {
  attemptId: Schema.String
}) {
  override get message() {
    return this.attemptId === "last"
      ? "No PIN was entered at this lock until then."
      : "No attempt at this lock has this id. Use the eventId that an explanation, a simulation or an export of the log names."
  }
}

/** The update to simulate, in the form of `update-temp-key`. */
export type UpdateTempKey = Omit<Extract<LockRequest, { readonly _tag: "UpdateTempKey" }>, "_tag">

/** Explains and simulates, for those who may ask. */
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
      const credentials = yield* SharedCredentials
      const fromLog = Effect.provideService(EventStore, store)

      return {
        explain: Effect.fnUntraced(function* (principal, lockId, request) {
          yield* queries.lock(principal, lockId, "explain")
          const explanation = yield* fromLog(explainFromLog(lockId, request))
          const uuid = linkIn(explanation)
          // Who names a shared key has its link; who names an attempt with it may have one of its doors only.
          const isToldIt = "subject" in request || uuid === undefined || (yield* credentials.mayManage(principal, uuid))
          return isToldIt ? explanation : withoutLink(explanation)
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
          const simulation = beginSimulation({ tempKeyUuid, changes })
          yield* fromLog(forEachRefusedUse(lockId, simulation.takeRefused))
          yield* fromLog(forEachEvent(lockId, simulation.take))
          return simulation.conclude()
        })
      }
    })
  )
}

/** The link of the shared key that an explanation is about. */
const linkIn = ({ subject, facts }: Explanation): string | undefined =>
  subject._tag === "Pin" ? subject.sharedKeyUuid : facts.sharedKey?.uuid

const withoutLink = ({ facts: { sharedKey, ...facts }, ...explanation }: Explanation): Explanation => {
  const hidden = { ...explanation, subject: { _tag: "Withheld" } } as const
  if (sharedKey === undefined) return { ...hidden, facts }
  const { uuid: _, ...shown } = sharedKey
  return { ...hidden, facts: { ...facts, sharedKey: shown } }
}

/** The explanation, for callers who may read the log itself. A lock without a stream does not exist. */
export const explainFromLog = Effect.fnUntraced(function* (lockId: number, request: ExplainRequest) {
  const store = yield* EventStore
  const asked = "subject" in request ? request : yield* recorded(lockId, request)
  const uuid = asked.subject._tag === "TempKey" ? asked.subject.tempKeyUuid : sharedKeyIn(asked.subject)
  const sharedKey =
    uuid === undefined ? [] : yield* store.read(Credentials.streamOf(canonical(uuid)), 0, MOST_OF_SHARED)
  // A key of other doors is none here: anyone who asks does not even learn that it is one.
  const question = hasDoorAt(sharedKey, lockId) ? { ...asked, sharedKey } : asked
  let so = beginReplay(question, yield* refusedUsesOn(lockId, asked.at))
  yield* forEachEvent(lockId, (stored) => (so = replay(so, stored)))
  return so.present.version === 0 ? yield* Effect.fail(new LockNotFound({ lockId })) : conclude(so)
})

/** More events than a shared key comes to: it is made, ended, and given a PIN anew a few times. */
const MOST_OF_SHARED = 1_000

const hasDoorAt = (stream: ReadonlyArray<StoredEvent>, lockId: number): boolean =>
  stream.reduce(Credentials.next, Credentials.initial).state?.doors.some((door) => door.lockId === lockId) === true

const sharedKeyIn = (subject: Subject): string | undefined =>
  subject._tag === "Pin" ? subject.sharedKeyUuid : undefined

/** The question about an attempt that was recorded, wherever it was: with the lock, or beside it. */
const recorded = Effect.fnUntraced(function* (
  lockId: number,
  request: Exclude<ExplainRequest, { readonly subject: Subject }>
) {
  const found = yield* "attemptId" in request ? recordedAs(lockId, request.attemptId) : lastPin(lockId, request.at)
  const attemptId = "attemptId" in request ? request.attemptId : request.pinAttempt
  return found ?? (yield* Effect.fail(new AttemptNotFound({ attemptId })))
})

const recordedAs = Effect.fnUntraced(function* (lockId: number, eventId: string) {
  const store = yield* EventStore
  const stored = Option.getOrUndefined(yield* store.event(eventId))
  if (stored === undefined) return undefined
  const use = stored.streamId === streamOfLock(lockId) ? useOf(stored) : undefined
  if (use !== undefined) return questionAbout(stored, use)
  const refused = refusedUseIn(lockId, stored)
  return refused === undefined
    ? yield* questionAboutPin(lockId, stored)
    : questionAbout(refused, { ...refused, by: "link" })
})

/** The newest PIN that was entered at the lock by then, whether it opened or was refused. */
const lastPin = Effect.fnUntraced(function* (lockId: number, at: number) {
  let opened: Question | undefined
  yield* forEachEvent(lockId, (stored) => {
    const use = useOf(stored)
    if (use?.by === "PIN" && stored.at <= at) opened = questionAbout(stored, use)
  })
  const refused = yield* lastRefusedPin(lockId, at)
  return refused === undefined || (opened !== undefined && opened.at > refused.at)
    ? opened
    : yield* questionAboutPin(lockId, refused)
})

const questionAbout = (
  { eventId, at }: { readonly eventId: string; readonly at: number },
  { tempKeyUuid, userId, by }: Omit<Use, "userId"> & { readonly userId?: string | undefined }
): Question => ({
  subject:
    by === "PIN"
      ? { _tag: "Pin", sharedKeyUuid: tempKeyUuid }
      : { _tag: "TempKey", tempKeyUuid, ...(userId !== undefined && { userId }) },
  at,
  attemptId: eventId
})

/** Page by page: a long history is never in memory as a whole, and holds nobody up. */
const forEachEvent = Effect.fnUntraced(function* (lockId: number, take: (stored: StoredEvent) => void) {
  const store = yield* EventStore
  yield* forEachPaged(
    (version, limit) => store.read(streamOfLock(lockId), version, limit),
    ({ version }) => version,
    take
  )
})
