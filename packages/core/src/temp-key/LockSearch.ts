/** Locks as they are searched for: by the words of what they are called, and by the ids of what is on them. */
import { Context, Effect, HashMap, Layer, Option } from "effect"
import { mayKnowLink, seesLinks } from "../lock/AccessPolicy.ts"
import { lockOfStream } from "../lock/Lock.ts"
import type { AccessDenied } from "../lock/LockError.ts"
import { canonical } from "../lock/TempKey.ts"
import { streamOfLink } from "../locks/Links.ts"
import { LockLists, type LocksPage } from "../locks/LockLists.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { cursorAtLock, LOCKS_ON_PAGE, type LocksQuery, placeOfLock } from "../locks/LocksQuery.ts"
import { namedAt, placeOfNamed } from "../read-model/LockList.ts"
import { lookups } from "../read-model/Lookups.ts"
import { ReadModel, type ReadModelUnavailable } from "../read-model/ReadModel.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import type { Principal } from "../values/Principal.ts"
import { isId } from "../values/Text.ts"
import { hasLink, mayKnowLinkOf } from "./SharedCredential.ts"
import { SharedCredentials } from "./SharedCredentials.ts"

/**
 * Finds locks for those whose they are.
 *
 * @example
 * ```ts
 * const { locks } = yield* (yield* LockSearch).locks(principal, { q: "room 12" }, now)
 * ```
 */
export class LockSearch extends Context.Service<
  LockSearch,
  {
    /**
     * A page of locks at `now`, epoch milliseconds. Locks that `q` names by an id come first. A link finds locks for those
     * alone who may see it.
     */
    readonly locks: (
      principal: Principal,
      query: LocksQuery,
      now: number
    ) => Effect.Effect<LocksPage, AccessDenied | ReadModelUnavailable | StoreUnavailable>
  }
>()("@latchkey/core/LockSearch") {
  static readonly layer = Layer.effect(
    LockSearch,
    Effect.gen(function* () {
      const lists = yield* LockLists
      const queries = yield* LockQueries
      const credentials = yield* SharedCredentials
      const store = yield* EventStore
      const { keysHeldBy, locksOfResident, locksOfKey, handsOf } = lookups(yield* ReadModel)

      /** Where a link opens doors, as far as the principal may know it there. */
      const locksOfLink = Effect.fnUntraced(function* (principal: Principal, link: string) {
        if (!seesLinks(principal)) return []
        const credential = Option.getOrUndefined(yield* credentials.find(link))
        if (credential !== undefined) {
          const lockIds = credential.doors.map(({ lockId }) => lockId)
          const hands = yield* handsOf(lockIds)
          const isKnown =
            hasLink(credential, link) && mayKnowLinkOf(principal, credential, (lockId) => hands.get(lockId))
          return isKnown ? lockIds : []
        }
        const lockId = lockOfStream(Option.getOrElse(yield* streamOfLink(store, link), () => ""))
        if (lockId === undefined) return []
        const lock = yield* Effect.catchTag(
          queries.lock(principal, lockId, "temp-keys"),
          ["AccessDenied", "LockNotFound"],
          () => Effect.succeed(undefined)
        )
        const key = lock && Option.getOrUndefined(HashMap.get(lock.tempKeys, canonical(link)))
        return key !== undefined && mayKnowLink(principal, key.giver, lock ?? {}) ? [lockId] : []
      })

      /** Locks that an id names. */
      const named = Effect.fnUntraced(function* (principal: Principal, id: string, now: number) {
        const orgId = principal._tag === "Organization" ? principal.orgId : undefined
        const [owned, held, lived, keyed, linked] = yield* Effect.all([
          lists.locks(principal, { ownerId: id, limit: MOST }, now),
          keysHeldBy(id, { after: undefined, limit: MOST, orgId }),
          locksOfResident(id, { limit: MOST, orgId }),
          locksOfKey(id, MOST),
          locksOfLink(principal, id)
        ])
        return new Set([
          ...owned.locks.map(({ lockId }) => lockId),
          ...held.keys.map(({ lockId }) => lockId),
          ...lived,
          ...keyed,
          ...linked
        ])
      })

      return {
        locks: Effect.fnUntraced(function* (principal, query, now) {
          const { q, after, limit = LOCKS_ON_PAGE } = query
          const id = q === undefined ? "" : idIn(q)
          const reached = after === undefined ? 0 : namedAt(query, placeOfLock(after) ?? "")
          if (q === undefined || reached === undefined || !isId(id)) return yield* lists.locks(principal, query, now)
          const lockIds = yield* named(principal, id, now)
          const first = yield* lists.these(principal, [...lockIds], { ...query, q }, reached, now)
          const last = first.at(-1)
          if (last !== undefined && first.length >= limit)
            return { locks: first, nextCursor: cursorAtLock(placeOfNamed(query, last.lockId)) }
          const { after: _, ...words } = query
          const { locks, nextCursor } = yield* lists.locks(principal, { ...words, limit: limit - first.length }, now)
          return { locks: [...first, ...locks], nextCursor }
        })
      }
    })
  )
}

/** Locks of each kind that an id names, at most: of an owner who has more, `ownerId` lists all. */
const MOST = 200

/** People paste the whole address of a link: the id is behind its path. */
const idIn = (q: string): string => /\/temp-keys\/([^/?#\s]+)/.exec(q)?.[1] ?? q.trim()
