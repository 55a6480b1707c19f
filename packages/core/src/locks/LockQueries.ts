/** The questions: about one lock, answered from its stream; and about a user's locks, answered from the read model. */
import { Context, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { type LockQuestion, permit, permitUser } from "../lock/AccessPolicy.ts"
import { type Lock, tempKeysOf } from "../lock/Lock.ts"
import { type AccessDenied, LockNotFound } from "../lock/LockError.ts"
import { fromStored, toWire, type WireEvent } from "../lock/LockEvent.ts"
import { lookups } from "../read-model/Lookups.ts"
import { Projector } from "../read-model/Projector.ts"
import { ReadModel, ReadModelUnavailable } from "../read-model/ReadModel.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import type { Principal } from "../values/Principal.ts"
import { LockRepository } from "./LockRepository.ts"
import { type OwnedLock, presence } from "./Presence.ts"
import { type TempKeyNow, tempKeyAt } from "./TempKeyNow.ts"

/** This id was never an owner, a key holder or a resident: for an organization, at no lock of its own. */
export class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", {}) {
  override get message() {
    return "This user is not on any lock."
  }
}

/** Why a question is not answered. */
export type AskError = AccessDenied | LockNotFound | StoreUnavailable

/** One page of a lock's history, oldest event first. Pages count from 1; a page past the end is empty. */
export interface HistoryPage {
  readonly totalEvents: number
  readonly events: ReadonlyArray<{ readonly stored: StoredEvent; readonly wire: WireEvent | undefined }>
}

/** `source` is the read model's name, or `unavailable` while it does not answer. */
export interface OwnedLocks {
  readonly locks: ReadonlyArray<OwnedLock>
  readonly source: string
}

/** How long an answer waits for the read model to see what is in the log already. */
const CATCH_UP = Duration.seconds(1)

/**
 * Answers questions about locks to those who may ask.
 *
 * @example
 * ```ts
 * const queries = yield* LockQueries
 * const { tempKeys } = yield* queries.tempKeys(principal, 7, now)
 * const { events } = yield* queries.history(principal, 7, 1, 50)
 * ```
 */
export class LockQueries extends Context.Service<
  LockQueries,
  {
    /** The lock as it is now, if the principal may ask this question of it. */
    readonly lock: (principal: Principal, lockId: number, question: LockQuestion) => Effect.Effect<Lock, AskError>
    /** The lock's temp keys at `now` (epoch milliseconds) with their status and when it next changes, oldest first. */
    readonly tempKeys: (
      principal: Principal,
      lockId: number,
      now: number
    ) => Effect.Effect<{ readonly lock: Lock; readonly tempKeys: ReadonlyArray<TempKeyNow> }, AskError>
    readonly history: (
      principal: Principal,
      lockId: number,
      page: number,
      pageSize: number
    ) => Effect.Effect<HistoryPage, AskError>
    /** The locks that a user owns, or an organization has; none while the read model cannot tell. */
    readonly locksOf: (principal: Principal) => Effect.Effect<Option.Option<ReadonlyArray<number>>>
    /** The locks that a user owns; an organization sees its own among them. */
    readonly ownedLocks: (
      principal: Principal,
      userId: string
    ) => Effect.Effect<OwnedLocks, AccessDenied | UserNotFound>
  }
>()("@latchkey/core/LockQueries") {
  static readonly layer = Layer.effect(
    LockQueries,
    Effect.gen(function* () {
      const store = yield* EventStore
      const repository = yield* LockRepository
      const readModel = yield* ReadModel
      const { devicesOwnedBy, locksOfOrganization, isKnownUser } = lookups(readModel)
      const projector = yield* Projector
      const { shown } = yield* presence

      const lock = Effect.fnUntraced(function* (principal: Principal, lockId: number, question: LockQuestion) {
        const { loaded, fresh } = yield* repository.load(lockId)
        // Another process may have written since: an answer is never older than its question.
        if (!fresh) yield* repository.refresh(loaded)
        const { lock } = loaded.latest
        if (lock === undefined) return yield* Effect.fail(new LockNotFound({ lockId }))
        const permitted = permit(principal, lock, question)
        return Result.isFailure(permitted) ? yield* Effect.fail(permitted.failure) : lock
      })

      const caughtUp = Effect.gen(function* () {
        // While the log does not answer, the read model is as new as it can be.
        const isCurrent = yield* Effect.catchTag(projector.catchUp(CATCH_UP), "StoreUnavailable", () =>
          Effect.succeed(true)
        )
        if (!isCurrent) return yield* Effect.fail(new ReadModelUnavailable({ message: "It is still being filled." }))
      })

      const idsOf = (principal: Principal): Effect.Effect<ReadonlyArray<number>, ReadModelUnavailable> => {
        switch (principal._tag) {
          case "User":
            return Effect.map(devicesOwnedBy(principal.userId), (locks) => locks.map(({ lockId }) => lockId))
          case "Organization":
            return locksOfOrganization(principal.orgId)
          default:
            return Effect.succeed([])
        }
      }

      const fromReadModel = Effect.fnUntraced(function* (principal: Principal, userId: string) {
        yield* caughtUp
        const orgId = principal._tag === "Organization" ? principal.orgId : undefined
        const locks = yield* devicesOwnedBy(userId, orgId)
        // An organization knows whom its own events name, and owners of locks that it got with them. Others are nobody to it.
        if (principal._tag !== "User" && locks.length === 0 && !(yield* isKnownUser(userId, orgId)))
          return yield* Effect.fail(new UserNotFound())
        return { locks: yield* shown(locks), source: readModel.source }
      })

      return {
        lock,
        tempKeys: Effect.fnUntraced(function* (principal, lockId, now) {
          const found = yield* lock(principal, lockId, "temp-keys")
          return { lock: found, tempKeys: tempKeysOf(found).map((key) => tempKeyAt(key, now)) }
        }),
        history: Effect.fnUntraced(function* (principal, lockId, page, pageSize) {
          const { version } = yield* lock(principal, lockId, "events")
          const after = (page - 1) * pageSize
          const stored =
            after >= version ? [] : yield* store.read(`lock-${lockId}`, after, Math.min(pageSize, version - after))
          const events = stored.map((stored) => ({
            stored,
            wire: Option.getOrUndefined(Option.map(fromStored(stored), toWire))
          }))
          return { totalEvents: version, events }
        }),
        locksOf: (principal) =>
          Effect.andThen(caughtUp, Effect.asSome(idsOf(principal))).pipe(
            Effect.catchTag("ReadModelUnavailable", (error) =>
              Effect.as(
                logSeldom(
                  Effect.logWarning,
                  "Cannot tell who owns which locks: the read model is unavailable",
                  error.message
                ),
                Option.none()
              )
            )
          ),
        ownedLocks: Effect.fnUntraced(function* (principal, userId) {
          const permitted = permitUser(principal, userId)
          if (Result.isFailure(permitted)) return yield* Effect.fail(permitted.failure)
          return yield* Effect.catchTag(fromReadModel(principal, userId), "ReadModelUnavailable", (error) =>
            Effect.as(
              logSeldom(
                Effect.logWarning,
                "Owned locks are unavailable: the read model does not answer",
                error.message
              ),
              {
                locks: [],
                source: "unavailable"
              }
            )
          )
        })
      }
    })
  )
}
