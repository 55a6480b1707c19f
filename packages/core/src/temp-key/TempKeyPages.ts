/**
 * Temp keys of both kinds, a page at a time: first those with doors of their own stream that the principal made, then,
 * lock by lock, the others. Each part is in the order in which keys were made, so that a page begins where the one before
 * has ended, and costs what it holds.
 */
import { Effect, HashMap, Result, Schema } from "effect"
import { permit } from "../lock/AccessPolicy.ts"
import { type Lock, tempKeysAfter } from "../lock/Lock.ts"
import { type AskError, LockQueries } from "../locks/LockQueries.ts"
import { EventStore, StoreUnavailable } from "../streams/EventStore.ts"
import { nameOf, type Principal } from "../values/Principal.ts"
import { lockNamed, type SharedCredential } from "./SharedCredential.ts"
import { NoSuchLock } from "./SharedCredentialError.ts"
import { lockReaders } from "./SharedLocks.ts"
import type { makeRegister } from "./SharedRegister.ts"
import { type TempKeyView, viewOfOwn, viewOfShared } from "./TempKeyView.ts"

/** Most keys of one page. */
export const MOST_LISTED = 1_000
/** Most keys that one page looks at: of a page that is filtered, few may be left. */
const MOST_LOOKED_AT = 2_000
const LOCKS = 50

/** Which keys are asked for. */
export interface TempKeyQuery {
  /** Those of this lock, or with a door at it. */
  readonly lockId?: string | undefined
  /** Those with one of these statuses. */
  readonly status?: ReadonlyArray<TempKeyView["status"]> | undefined
  /** Of these alone, by their ids. */
  readonly ids?: ReadonlyArray<string> | undefined
  /** As many as this, 1,000 at most, and unless given. */
  readonly limit?: number | undefined
  /** Where the page before has ended. */
  readonly cursor?: string | undefined
}

/** A page may hold fewer keys than asked for, and still have one after it. */
export interface TempKeyPage {
  readonly tempKeys: ReadonlyArray<TempKeyView>
  /** Where to go on; none when this was all. */
  readonly nextCursor: string | undefined
}

/** The cursor is of no page of this list. */
export class CursorUnknown extends Schema.TaggedError<CursorUnknown>()("CursorUnknown", {}) {
  readonly field = "cursor"
  override get message() {
    return "This cursor is not one of this list. Take nextCursor of the page before, or leave it out."
  }
}

/** Where a page begins: after so many keys that the principal made; or at a lock, after an own key and so many others. */
const Place = Schema.Union([
  Schema.Struct({ made: Schema.Int }),
  Schema.Struct({ lock: Schema.Int, own: Schema.Int, others: Schema.Int })
])
type Place = typeof Place.Type
const decodePlace = Schema.decodeUnknownEffect(Schema.fromJsonString(Place))

/** Lists what the register and the locks hold. */
export const tempKeyPages = Effect.fnUntraced(function* (register: ReturnType<typeof makeRegister>) {
  const queries = yield* LockQueries
  const readers = lockReaders(queries, yield* EventStore)

  return Effect.fnUntraced(function* (
    principal: Principal,
    { lockId, status, ids, limit = MOST_LISTED, cursor }: TempKeyQuery,
    now: number
  ): Effect.fn.Return<TempKeyPage, AskError | NoSuchLock | CursorUnknown> {
    const reader = readers()
    const found: Array<TempKeyView> = []
    let left = MOST_LOOKED_AT
    const isFull = () => found.length >= limit || left <= 0
    const take = (view: TempKeyView): void => {
      if ((status === undefined || status.includes(view.status)) && (ids === undefined || ids.includes(view.id)))
        found.push(view)
    }

    /** Of the keys at these places, from one on, those that may be shown; answers the place to go on at. */
    const takeShared = Effect.fnUntraced(function* (
      uuids: ReadonlyArray<string>,
      from: number,
      isMeant: (credential: SharedCredential) => boolean
    ) {
      let place = from
      for (; place < uuids.length && !isFull(); place++) {
        left--
        const credential = register.get(uuids[place] ?? "")
        if (credential === undefined || !isMeant(credential)) continue
        if (!(yield* reader.mayManage(principal, credential))) continue
        take(viewOfShared(yield* reader.withLocks(credential, principal), now))
      }
      return place
    })

    const takeOwn = (lock: Lock, after: number): number => {
      let last = after
      while (!isFull()) {
        const keys = tempKeysAfter(lock, last, Math.min(limit - found.length, left))
        for (const key of keys) {
          left--
          last = key.createdVersion
          take(viewOfOwn(lock, key, now, principal))
        }
        if (keys.length === 0) break
      }
      return last
    }

    /** Keys of a lock that are asked for by name are not looked for among thousands of others. */
    const takeNamed = Effect.fnUntraced(function* (lock: Lock, ids: ReadonlyArray<string>) {
      const own = Array.from(HashMap.values(lock.tempKeys)).filter(({ id }) => ids.includes(id))
      for (const key of own.sort((a, b) => a.createdVersion - b.createdVersion))
        take(viewOfOwn(lock, key, now, principal))
      const others = register.placesAt(lock.lockId).filter((uuid) => ids.includes(register.get(uuid)?.id ?? ""))
      yield* takeShared(others, 0, ({ doors }) => doors.some((door) => door.lockId === lock.lockId))
    })

    /** The keys of a lock from a place on; answers where to go on, if not all of them were looked at. */
    const takeLock = Effect.fnUntraced(function* (
      lock: Lock,
      { own: after, others: from }: { readonly own: number; readonly others: number },
      isMeant: (credential: SharedCredential) => boolean
    ) {
      const own = takeOwn(lock, after)
      const uuids = register.placesAt(lock.lockId)
      const others = yield* takeShared(uuids, from, isMeant)
      const isDone = tempKeysAfter(lock, own, 1).length === 0 && others >= uuids.length
      return isDone ? undefined : ({ lock: lock.lockId, own, others } satisfies Place)
    })

    const begun: Place = cursor === undefined ? { made: 0 } : yield* placeOf(cursor)
    const page = (place: Place | undefined): TempKeyPage => ({
      tempKeys: found,
      nextCursor: place === undefined ? undefined : cursorOf(place)
    })

    if (lockId !== undefined) {
      const named = lockNamed(lockId)
      if (named === undefined) return yield* Effect.fail(new NoSuchLock({ field: "lockId" }))
      const lock = yield* queries.lock(principal, named, "temp-keys")
      if (ids !== undefined) {
        yield* takeNamed(lock, ids)
        return page(undefined)
      }
      const from = "lock" in begun ? begun : { own: 0, others: 0 }
      return page(yield* takeLock(lock, from, ({ doors }) => doors.some((door) => door.lockId === named)))
    }

    const isOfAll = principal._tag === "Super" || principal._tag === "System"
    const name = nameOf(principal)
    if ("made" in begun) {
      const made = register.placesOf(isOfAll ? "all" : principal)
      const place = yield* takeShared(made, begun.made, () => true)
      if (place < made.length) return page({ made: place })
    }
    let at = "lock" in begun ? begun : { lock: 0, own: 0, others: 0 }
    // What the principal made was before; any other is at the first of its locks.
    const isHome = (lockId: number) => (credential: SharedCredential) =>
      !isOfAll &&
      nameOf(credential.grantedBy) !== name &&
      Math.min(...credential.doors.map((door) => door.lockId)) === lockId
    while (true) {
      // The lock that a page has ended in comes again.
      const after = at.own > 0 || at.others > 0 ? at.lock - 1 : at.lock
      const lockIds = yield* Effect.catchTag(queries.locksAfter(principal, after, LOCKS), "ReadModelUnavailable", () =>
        Effect.fail(
          new StoreUnavailable({ message: "Cannot tell whose locks are whose: the read model is unavailable." })
        )
      )
      for (const lockId of lockIds) {
        if (isFull()) return page(at)
        const from = lockId === at.lock ? at : { own: 0, others: 0 }
        const lock = yield* reader.find(lockId)
        // The read model may be behind: who may see a lock's keys, its stream says.
        const isShown = lock !== undefined && Result.isSuccess(permit(principal, lock, "temp-keys"))
        const place = isShown ? yield* takeLock(lock, from, isHome(lockId)) : undefined
        if (place !== undefined) return page(place)
        left--
        at = { lock: lockId, own: 0, others: 0 }
      }
      if (lockIds.length < LOCKS) return page(undefined)
    }
  })
})

const cursorOf = (place: Place): string =>
  btoa(JSON.stringify(place)).replaceAll("=", "").replaceAll("+", "-").replaceAll("/", "_")

const placeOf = (cursor: string): Effect.Effect<Place, CursorUnknown> =>
  Effect.try({
    try: () => atob(cursor.replaceAll("-", "+").replaceAll("_", "/")),
    catch: () => new CursorUnknown()
  }).pipe(
    Effect.flatMap(decodePlace),
    Effect.mapError(() => new CursorUnknown())
  )
