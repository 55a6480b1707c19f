/** The locks behind the doors of shared credentials, as they are now, and who may manage a credential for their sake. */
import { Effect, Result } from "effect"
import { stands } from "../lock/AccessPolicy.ts"
import { evolveStored } from "../lock/Evolve.ts"
import { giverOf } from "../lock/Giver.ts"
import { type Lock, streamOfLock } from "../lock/Lock.ts"
import { isOwnInstant } from "../lock/OwnTime.ts"
import type { LockQueries } from "../locks/LockQueries.ts"
import type { EventStore, StoreUnavailable } from "../streams/EventStore.ts"
import { forEachPaged } from "../streams/Turns.ts"
import { nameOf, type Principal } from "../values/Principal.ts"
import {
  type Door,
  giverOfDoor,
  isMaker,
  lockNamed,
  mayKnowLinkOf,
  mayShare,
  type NewDoor,
  type SharedCredential
} from "./SharedCredential.ts"

/** A shared credential, and what its doors' locks are called now. */
export interface Shared {
  readonly credential: SharedCredential
  readonly doors: ReadonlyArray<Door & { readonly lockUuid: string }>
  /** Whether the one who asks may be told the link. */
  readonly isLinkKnown: boolean
  /** Whether they may be told whom it is for, who made it, and what was written on it. */
  readonly areGuestsKnown: boolean
}

/** Answers about locks of credentials as they are now; asks for each of them once. */
export type LockReader = ReturnType<ReturnType<typeof lockReaders>>

export const lockReaders = (queries: LockQueries["Service"], store: EventStore["Service"]) => {
  const lastKnown = thingsLastKnown(store)

  const lockAt = (lockId: number): Effect.Effect<Lock | undefined, StoreUnavailable> =>
    queries.lock({ _tag: "System" }, lockId, "temp-keys").pipe(
      Effect.catchTag("LockNotFound", () => Effect.undefined),
      Effect.catchTag("AccessDenied", Effect.die)
    )

  return () => {
    const read = new Map<number, Lock>()
    const find = Effect.fnUntraced(function* (lockId: number) {
      const known = read.get(lockId) ?? (yield* lockAt(lockId))
      if (known !== undefined) read.set(lockId, known)
      return known
    })
    const lockOf = (lockId: number) =>
      Effect.flatMap(find(lockId), (known) =>
        known === undefined ? Effect.die(new Error(`Lock ${lockId} is gone: locks never go`)) : Effect.succeed(known)
      )
    return {
      /** The locks that the doors of a request name. */
      lookUp: (doors: ReadonlyArray<NewDoor>) =>
        Effect.forEach(doors, (door) => {
          const lockId = lockNamed(door.lockId)
          return lockId === undefined ? Effect.undefined : find(lockId)
        }),
      find,
      /** In whose name something about these locks is written: in that of the credential's organization, if it has them all. */
      toldTo: Effect.fnUntraced(function* ({ orgId }: SharedCredential, lockIds: ReadonlyArray<number>) {
        for (const lockId of lockIds) if ((yield* lockOf(lockId)).orgId !== orgId) return ""
        return orgId
      }),
      /** Of a lock that the one who asks has no longer, they are told the thing that they knew, never new hardware. */
      withLocks: Effect.fnUntraced(function* (
        credential: SharedCredential,
        asker?: Principal
      ): Effect.fn.Return<Shared, StoreUnavailable> {
        const isOwn = asker === undefined || isMaker(asker, credential)
        let areGuestsKnown = true
        const locks = new Map<number, Lock>()
        const doors: Array<Shared["doors"][number]> = []
        for (const door of credential.doors) {
          const lock = yield* lockOf(door.lockId)
          locks.set(door.lockId, lock)
          areGuestsKnown &&=
            isOwn || stands(giverOfDoor(credential, door), lock) || isOwnInstant(asker, lock, credential.createdAt)
          const lockUuid = asker === undefined || hasLock(asker, lock) ? lock.uuid : yield* lastKnown(asker, lock)
          doors.push({ ...door, lockUuid })
        }
        const isLinkKnown = isOwn || mayKnowLinkOf(asker, credential, (lockId) => locks.get(lockId))
        return { credential, doors, isLinkKnown, areGuestsKnown }
      }),
      /** Whether the principal made the credential, or may give keys to all of its doors. */
      mayManage: Effect.fnUntraced(function* (principal: Principal, credential: SharedCredential) {
        if (isMaker(principal, credential)) return true
        for (const { lockId } of credential.doors) {
          if (Result.isFailure(mayShare(principal, yield* lockOf(lockId)))) return false
        }
        return true
      })
    }
  }
}

const hasLock = (principal: Principal, lock: Lock): boolean =>
  principal._tag === "Super" || principal._tag === "System" || stands(giverOf(principal, lock), lock)

/** Locks whose history was read for somebody who has them no longer. */
const REMEMBERED = 200

/** What the thing of a lock was called when somebody last had the lock, as its history says; read on from where it was read to. */
const thingsLastKnown = (store: EventStore["Service"]) => {
  const read = new Map<string, { readonly lock: Lock | undefined; readonly known: string }>()
  return Effect.fnUntraced(function* (principal: Principal, { lockId }: Lock) {
    const key = `${lockId} ${nameOf(principal)}`
    let { lock, known } = read.get(key) ?? { lock: undefined, known: "" }
    yield* forEachPaged(
      (version, limit) => store.read(streamOfLock(lockId), version, limit),
      ({ version }) => version,
      (stored) => {
        lock = evolveStored(lock, stored)
        if (lock !== undefined && hasLock(principal, lock)) known = lock.uuid
      },
      lock?.version ?? 0
    )
    read.delete(key)
    read.set(key, { lock, known })
    for (const oldest of read.keys()) {
      if (read.size <= REMEMBERED) break
      read.delete(oldest)
    }
    return known
  })
}
