/** The questions: about one lock, answered from its stream; and about a user's locks, answered from the read model. */
import { Context, Effect, Layer, Option, Result, Schema, type Stream } from "effect"
import { isShown, type LockQuestion, mayKnowGuests, mayKnowLink, permit, permitUser } from "../lock/AccessPolicy.ts"
import type { Lock } from "../lock/Lock.ts"
import { type AccessDenied, LockNotFound } from "../lock/LockError.ts"
import { shownTo } from "../lock/OwnTime.ts"
import { withoutGuests } from "../lock/TempKey.ts"
import type { HeldKeyRow } from "../read-model/LockTables.ts"
import { lookups } from "../read-model/Lookups.ts"
import { Projector } from "../read-model/Projector.ts"
import { ReadModel, type ReadModelUnavailable } from "../read-model/ReadModel.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import type { Scope } from "../values/Limits.ts"
import type { Principal } from "../values/Principal.ts"
import { type AuditRow, auditOf } from "./Audit.ts"
import { type HistoryPage, readHistory } from "./History.ts"
import type { HistoryQuery } from "./HistoryQuery.ts"
import { type LockAt, LockRepository } from "./LockRepository.ts"
import { type Connection, type OwnedLock, presence } from "./Presence.ts"
import { type PresenceChange, presenceChanges } from "./PresenceChanges.ts"
import type { TempKeyNow } from "./TempKeyNow.ts"
import { type TempKeysQuery, tempKeysOn } from "./TempKeysQuery.ts"
import { cursorAfter, placeOf, type UserKeysQuery } from "./UserKeysQuery.ts"

/** This id was never an owner, a key holder or a resident: for an organization, at no lock of its own. */
export class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", {}) {
  override get message() {
    return "This user is not on any lock."
  }
}

/** Why a question is not answered. */
export type AskError = AccessDenied | LockNotFound | StoreUnavailable

/** `source` is the read model's name, or `unavailable` while it does not answer. */
export interface OwnedLocks {
  readonly locks: ReadonlyArray<OwnedLock>
  readonly source: string
}

/** A page of the keys that a user holds; with `nextCursor`, there are more. */
export interface UserKeysPage {
  readonly keys: ReadonlyArray<HeldKeyRow>
  readonly nextCursor: string | undefined
}

/** Temp keys of a lock, and the lock as it is; with `nextCursor`, there are more. */
export interface LockTempKeys {
  readonly lock: Lock
  readonly tempKeys: ReadonlyArray<TempKeyNow>
  readonly nextCursor: string | undefined
}

/**
 * Answers questions about locks to those who may ask.
 *
 * @example
 * ```ts
 * const queries = yield* LockQueries
 * const { tempKeys } = yield* queries.tempKeys(principal, 7, now)
 * const { events } = yield* queries.history(principal, 7, { order: "desc" })
 * ```
 */
export class LockQueries extends Context.Service<
  LockQueries,
  {
    /** The lock as it is now, if the principal may ask this question of it. */
    readonly lock: (principal: Principal, lockId: number, question: LockQuestion) => Effect.Effect<Lock, AskError>
    /**
     * The lock's temp keys at `now` (epoch milliseconds) with their status and when it next changes, oldest first: all of
     * them, or a page.
     */
    readonly tempKeys: (
      principal: Principal,
      lockId: number,
      now: number,
      query?: TempKeysQuery
    ) => Effect.Effect<LockTempKeys, AskError>
    readonly history: (
      principal: Principal,
      lockId: number,
      query: HistoryQuery
    ) => Effect.Effect<HistoryPage, AskError>
    /** Whether a thing is connected; `undefined` while that cannot be told. */
    readonly isOnline: (thing: string) => Effect.Effect<boolean | undefined>
    /** The same with since when and why. */
    readonly presence: (thing: string) => Effect.Effect<Connection | undefined>
    /** When the lock's device was there and when it was gone, as it was told, newest first: the newest hundred changes. */
    readonly presenceChanges: (
      principal: Principal,
      lockId: number
    ) => Effect.Effect<ReadonlyArray<PresenceChange>, AskError>
    /** Every version of the lock after one, as far as it is the principal's time. */
    readonly audit: (
      principal: Principal,
      lockId: number,
      after: number
    ) => Effect.Effect<Stream.Stream<AuditRow, StoreUnavailable>, AskError>
    /** The locks that a user owns, or an organization has; none while the read model cannot tell. */
    readonly locksOf: (principal: Principal) => Effect.Effect<Option.Option<ReadonlyArray<number>>>
    /**
     * Locks after a lock, by lockId: those that a user owns, or an organization has; all, for super keys. Costs what it
     * returns.
     */
    readonly locksAfter: (
      principal: Principal,
      lockId: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<number>, ReadModelUnavailable>
    /** The locks that a user owns; an organization sees its own among them. */
    readonly ownedLocks: (
      principal: Principal,
      userId: string
    ) => Effect.Effect<OwnedLocks, AccessDenied | UserNotFound>
    /**
     * A page of the keys that a user holds, by lock; an organization sees those on its own locks, and its API keys those
     * that they are for. `scope` is what an API key must be for.
     */
    readonly userKeys: (
      principal: Principal,
      userId: string,
      query: UserKeysQuery,
      scope?: Scope
    ) => Effect.Effect<UserKeysPage, AccessDenied | ReadModelUnavailable | StoreUnavailable>
  }
>()("@latchkey/core/LockQueries") {
  static readonly layer = Layer.effect(
    LockQueries,
    Effect.gen(function* () {
      const store = yield* EventStore
      const repository = yield* LockRepository
      const readModel = yield* ReadModel
      const { devicesOwnedBy, locksOfOrganization, locksAfter, isKnownUser, keysHeldBy } = lookups(readModel)
      const { caughtUp, isUpToDate } = yield* Projector
      const { of: isOnline, told, shown } = yield* presence

      const lock = (principal: Principal, lockId: number, question: LockQuestion): Effect.Effect<Lock, AskError> =>
        Effect.flatMap(repository.load(lockId), ({ loaded, fresh }) =>
          fresh
            ? shownOf(loaded.latest, principal, lockId, question)
            : // Another process may have written since: an answer is never older than its question.
              Effect.flatMap(repository.refresh(loaded), () => shownOf(loaded.latest, principal, lockId, question))
        )

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
        const its = locks.filter(({ lockId }) => isShown(principal, lockId))
        if (its.length < locks.length && its.length === 0) return yield* Effect.fail(new UserNotFound())
        if (principal._tag !== "User" && locks.length === 0 && !(yield* isKnownUser(userId, orgId)))
          return yield* Effect.fail(new UserNotFound())
        return { locks: yield* shown(its), source: readModel.source }
      })

      return {
        lock,
        tempKeys: (principal, lockId, now, query = {}) =>
          Effect.map(lock(principal, lockId, "temp-keys"), (lock) => {
            const { keys, nextCursor } = tempKeysOn(lock, query, now)
            const isTold = keys.every(({ withdrawn }) => withdrawn !== true)
            return { lock, tempKeys: isTold ? keys : keys.map((key) => toldTo(principal, lock, key)), nextCursor }
          }),
        history: Effect.fnUntraced(function* (principal, lockId, query) {
          return yield* readHistory(store, principal, yield* lock(principal, lockId, "events"), query)
        }),
        isOnline,
        presence: told,
        presenceChanges: Effect.fnUntraced(function* (principal, lockId) {
          return yield* presenceChanges(store, principal, yield* lock(principal, lockId, "presence"))
        }),
        audit: (principal, lockId, after) =>
          Effect.map(lock(principal, lockId, "audit"), (lock) => auditOf(store, principal, lock, after)),
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
        locksAfter: (principal, lockId, limit) => {
          switch (principal._tag) {
            case "User":
              return Effect.andThen(caughtUp, locksAfter({ ownerId: principal.userId }, lockId, limit))
            case "Organization":
              return Effect.andThen(caughtUp, locksAfter({ orgId: principal.orgId }, lockId, limit))
            case "Guest":
              return Effect.succeed([])
            default:
              return Effect.andThen(caughtUp, locksAfter("all", lockId, limit))
          }
        },
        userKeys: Effect.fnUntraced(function* (principal, userId, query, scope) {
          const permitted = permitUser(principal, userId, scope)
          if (Result.isFailure(permitted)) return yield* Effect.fail(permitted.failure)
          yield* isUpToDate
          const orgId = principal._tag === "Organization" ? principal.orgId : undefined
          const { keys, hasMore } = yield* keysHeldBy(userId, {
            ...placeOf(query),
            orgId,
            isShown: (lockId) => isShown(principal, lockId)
          })
          const last = keys.at(-1)
          return { keys, nextCursor: hasMore && last !== undefined ? cursorAfter(last) : undefined }
        }),
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

const shownOf = (
  { lock }: LockAt,
  principal: Principal,
  lockId: number,
  question: LockQuestion
): Effect.Effect<Lock, AccessDenied | LockNotFound> => {
  if (lock === undefined) return Effect.fail(new LockNotFound({ lockId }))
  const permitted = permit(principal, lock, question)
  if (Result.isFailure(permitted)) return Effect.fail(permitted.failure)
  return Effect.succeed(question === "details" || question === "residents" ? shownTo(principal, lock) : lock)
}

/** With its id for its link, and nobody named, where the principal may not know that. */
const toldTo = (principal: Principal, lock: Lock, key: TempKeyNow): TempKeyNow => {
  if (key.withdrawn !== true) return key
  const told = mayKnowGuests(principal, key, lock) ? key : withoutGuests(key)
  return mayKnowLink(principal, key.giver, lock) ? told : { ...told, uuid: key.id }
}
