/** Lists of locks, to those whose they are: answered from the read model alone, a page at a time. */
import { Context, Effect, Layer, Option, Result } from "effect"
import { isShown, permitLists } from "../lock/AccessPolicy.ts"
import type { AttentionReason } from "../lock/Hardware.ts"
import type { AccessDenied } from "../lock/LockError.ts"
import { type AttentionKind, attentionOf, type Battery } from "../read-model/LockConditions.ts"
import { isFoundBy, type ListedRow, type LockCounts, lockList, type Whose } from "../read-model/LockList.ts"
import { descriptionIn } from "../read-model/LockPlaces.ts"
import { lookups } from "../read-model/Lookups.ts"
import { Projector } from "../read-model/Projector.ts"
import { ReadModel, type ReadModelUnavailable } from "../read-model/ReadModel.ts"
import type { UnsettledKey } from "../read-model/UnsettledKeys.ts"
import { EventStore } from "../streams/EventStore.ts"
import { given } from "../values/given.ts"
import { limitsOf, type Principal } from "../values/Principal.ts"
import { ADVICE } from "./Advice.ts"
import { cursorAtLock, LOCKS_ON_PAGE, type LocksQuery, placeOfLock } from "./LocksQuery.ts"
import { presence } from "./Presence.ts"

/** A lock as lists of locks show it. Instants are epoch milliseconds. */
export interface ListedLock {
  readonly lockId: number
  /** Of its hardware. */
  readonly uuid: string
  readonly name?: string
  readonly address?: string
  readonly timeZone?: string
  readonly ownerId?: string
  readonly orgId?: string
  readonly serialNumber?: string
  /** Whether the device is there; in doubt it is not. */
  readonly online: boolean
  readonly battery: Battery
  /** In percent. */
  readonly batteryLevel?: number
  /** What it needs somebody for. */
  readonly attention: ReadonlyArray<AttentionKind>
  /** When it was last opened, in the time of the one who asks. */
  readonly lastOpenedAt?: number
  /** Type and time of the last event. */
  readonly lastEvent: string
  readonly lastUpdated: number
}

/** A page of locks; with `nextCursor`, there may be more. */
export interface LocksPage {
  readonly locks: ReadonlyArray<ListedLock>
  readonly nextCursor: string | undefined
}

/** What somebody is needed for; all kinds, unless it says which. */
export interface AskedAttention {
  readonly kind?: AttentionKind
  readonly limit?: number
  readonly after?: string
}

/** What a lock needs somebody for. `since`: epoch milliseconds. */
export interface LockAttention {
  readonly kind: AttentionKind
  readonly since: number
  readonly lockId: number
  /** What it is called. */
  readonly name?: string
  /** The keys that it is about, so many of them as are named. */
  readonly keys?: ReadonlyArray<{
    readonly keyUuid: string
    readonly keyIndexNumber?: number
    readonly since: number
    /** Why it failed. */
    readonly reason?: AttentionReason
  }>
  /** How many keys it is about. */
  readonly keysCount?: number
  /** What to do. */
  readonly advice: string
}

/** With `nextCursor`, there may be more. */
export interface AttentionPage {
  readonly items: ReadonlyArray<LockAttention>
  readonly nextCursor: string | undefined
}

/** How the locks are. */
export interface LocksOverview extends LockCounts {
  /** Events in the log that these numbers do not know yet; `undefined` while the log does not answer. */
  readonly lag: number | undefined
}

/**
 * Lists locks to those whose they are: to a user their own, to an organization those that it has, to the operator all.
 *
 * @example
 * ```ts
 * const lists = yield* LockLists
 * const { locks } = yield* lists.locks(principal, { attention: true }, now)
 * ```
 */
export class LockLists extends Context.Service<
  LockLists,
  {
    /** A page of locks at `now`, epoch milliseconds. It costs the same however many locks there are. */
    readonly locks: (
      principal: Principal,
      query: LocksQuery,
      now: number
    ) => Effect.Effect<LocksPage, AccessDenied | ReadModelUnavailable>
    /**
     * These of the locks, by number, which the query does not find by the words of its `q`, but lets through otherwise: so
     * many as its page may hold, behind a lock.
     */
    readonly these: (
      principal: Principal,
      lockIds: ReadonlyArray<number>,
      query: LocksQuery & { readonly q: string },
      after: number,
      now: number
    ) => Effect.Effect<ReadonlyArray<ListedLock>, AccessDenied | ReadModelUnavailable>
    /** What locks need somebody for at `now`: a page of so many locks, each with all that it needs. */
    readonly attention: (
      principal: Principal,
      asked: AskedAttention,
      now: number
    ) => Effect.Effect<AttentionPage, AccessDenied | ReadModelUnavailable>
    /** How many locks there are at `now`, and of what kind. It costs the same however many there are. */
    readonly overview: (
      principal: Principal,
      now: number
    ) => Effect.Effect<LocksOverview, AccessDenied | ReadModelUnavailable>
  }
>()("@latchkey/core/LockLists") {
  static readonly layer = Layer.effect(
    LockLists,
    Effect.gen(function* () {
      const readModel = yield* ReadModel
      const { caughtUp } = yield* Projector
      const list = lockList(readModel)
      const { statesOf, lastOpeningsOf } = lookups(readModel)
      const { shown } = yield* presence
      const store = yield* EventStore

      const listed = Effect.fnUntraced(function* (principal: Principal, rows: ReadonlyArray<ListedRow>, now: number) {
        const [found, opened] = yield* Effect.all([
          statesOf(rows.map(({ lock }) => lock)),
          lastOpeningsOf(rows.map(({ lock }) => lock.lockId))
        ])
        const states = new Map((yield* shown(found)).map((state) => [state.lockId, state]))
        return rows.flatMap(({ lock, condition }): ReadonlyArray<ListedLock> => {
          const { lockId } = lock
          const state = states.get(lockId)
          if (state === undefined) return []
          const lastOpenedAt = opened.get(lockId)
          const isOwn = lastOpenedAt !== undefined && lastOpenedAt >= beginOf(principal, lock)
          const { name, address, timeZone } = state
          return [
            {
              lockId,
              uuid: state.lockUuid,
              ...given({ name, address, timeZone }),
              ...given({ ownerId: state.ownerId || undefined, orgId: state.orgId || undefined }),
              ...given({ serialNumber: state.serialNumber ?? undefined }),
              online: state.online,
              battery: condition.battery,
              ...given({ batteryLevel: state.deviceState?.battery }),
              attention: attentionOf(condition, now).map(({ kind }) => kind),
              ...(isOwn && { lastOpenedAt }),
              lastEvent: state.lastEvent,
              lastUpdated: state.lastUpdated
            }
          ]
        })
      })

      /** Who has come or gone since it was told is not among those that were asked for. */
      const isSo =
        ({ online }: LocksQuery) =>
        (lock: ListedLock): boolean =>
          online === undefined || lock.online === online

      /** Whose locks these are, once all that is in the log is known of them. */
      const whoseNow = Effect.fnUntraced(function* (principal: Principal, ownerId?: string) {
        const permitted = permitLists(principal)
        if (Result.isFailure(permitted)) return yield* Effect.fail(permitted.failure)
        const whose = whoseOf(principal, ownerId)
        if (whose !== undefined) yield* caughtUp
        return whose
      })

      return {
        these: Effect.fnUntraced(function* (principal, lockIds, query, after, now) {
          const { q, ids, ownerId, limit = LOCKS_ON_PAGE, online, attention, battery } = query
          const whose = yield* whoseNow(principal, ownerId)
          const only = lockIds.filter(
            (lockId) => lockId > after && isShown(principal, lockId) && ids?.includes(lockId) !== false
          )
          if (whose === undefined || only.length === 0) return []
          const page = { after: "", limit: only.length, now, only }
          const { rows } = yield* list.page(whose, { online, attention, battery }, page)
          const others = rows.filter((row) => !isFoundBy(row, q)).sort((a, b) => a.lock.lockId - b.lock.lockId)
          return (yield* listed(principal, others.slice(0, limit), now)).filter(isSo(query))
        }),

        attention: Effect.fnUntraced(function* (principal, { kind, limit = LOCKS_ON_PAGE, after }, now) {
          const whose = yield* whoseNow(principal)
          if (whose === undefined) return { items: [], nextCursor: undefined }
          const place = after === undefined ? "" : (placeOfLock(after) ?? "")
          const only = limitsOf(principal)?.locks
          const { rows, next } = yield* list.page(
            whose,
            { attention: kind ?? true },
            { after: place, limit, now, only }
          )
          return {
            items: rows.flatMap((row) => attentionIn(row, now)).filter((item) => (kind ?? item.kind) === item.kind),
            nextCursor: next === undefined ? undefined : cursorAtLock(next)
          }
        }),
        overview: Effect.fnUntraced(function* (principal, now) {
          // What comes while it is looked at is no lag.
          const head = yield* Effect.option(store.head)
          const whose = yield* whoseNow(principal)
          const counts = yield* list.count(whose ?? "all", now, whose === undefined ? [] : limitsOf(principal)?.locks)
          const { position } = yield* readModel.cursor
          return { ...counts, lag: Option.getOrUndefined(Option.map(head, (head) => Math.max(0, head - position))) }
        }),
        locks: Effect.fnUntraced(function* (principal, query, now) {
          const { ids, ownerId, limit = LOCKS_ON_PAGE, after, ...filter } = query
          const whose = yield* whoseNow(principal, ownerId)
          if (whose === undefined) return { locks: [], nextCursor: undefined }
          const place = after === undefined ? "" : (placeOfLock(after) ?? "")
          const only =
            ids === undefined ? limitsOf(principal)?.locks : [...new Set(ids)].filter((id) => isShown(principal, id))
          const { rows, next } = yield* list.page(whose, filter, { after: place, limit, now, only })
          const locks = yield* listed(principal, rows, now)
          return {
            locks: locks.filter(isSo(query)),
            nextCursor: next === undefined ? undefined : cursorAtLock(next)
          }
        })
      }
    })
  )
}

/** Whose locks the principal is shown, of an owner where one is named; nobody's, if they are not shown that owner's. */
const whoseOf = (principal: Principal, ownerId: string | undefined): Whose | undefined => {
  switch (principal._tag) {
    case "User":
      return ownerId === undefined || ownerId === principal.userId ? { ownerId: principal.userId } : undefined
    case "Organization":
      return { orgId: principal.orgId, ...given({ ownerId }) }
    default:
      return ownerId === undefined ? "all" : { ownerId }
  }
}

const attentionIn = ({ lock, condition }: ListedRow, now: number): ReadonlyArray<LockAttention> =>
  attentionOf(condition, now).map(({ kind, since, keys, keysCount }) => ({
    kind,
    since,
    lockId: lock.lockId,
    ...given({ name: descriptionIn(lock).name }),
    ...(keys !== undefined && { keys: keys.map((key) => keyIn(key, kind)) }),
    ...given({ keysCount }),
    advice: ADVICE[kind]
  }))

const keyIn = ({ uuid, indexNumber, attention, exposedSince = 0 }: UnsettledKey, kind: AttentionKind) => ({
  keyUuid: uuid,
  ...given({ keyIndexNumber: indexNumber }),
  ...(kind === "key-failed" && attention !== undefined ? attention : { since: exposedSince })
})

/** Since when a lock is the principal's. */
const beginOf = (principal: Principal, { ownerSince, orgSince }: ListedRow["lock"]): number => {
  if (principal._tag === "User") return ownerSince
  return principal._tag === "Organization" ? orgSince : 0
}
