/** Locks in memory: folded from snapshot and tail when first asked for, kept while they are among the last used. */
import { Context, Effect, HashMap, HashSet, Layer, Option, Schema } from "effect"
import { evolve, evolveDecoded, initial } from "../lock/Evolve.ts"
import { Lock, streamOfLock } from "../lock/Lock.ts"
import { fromStored, type LockEvent } from "../lock/LockEvent.ts"
import { isIgnorable } from "../streams/Category.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import { findSnapshot, saveSnapshot } from "../streams/Snapshots.ts"
import type { Principal } from "../values/Principal.ts"
import { makeTurns, type Turns } from "./LockTurns.ts"

/** A lock and the version of its stream that it was read at: a decision on the one is written at the other. */
export interface LockAt {
  /** `undefined` while the lock does not exist. */
  readonly lock: Lock | undefined
  readonly version: number
  /** The first event that this Latchkey does not understand: nothing is granted by such a lock. */
  readonly unknown?: Pick<StoredEvent, "streamId" | "type">
}

/**
 * A lock as far as this process has read its stream. Another process may be ahead: `refresh` tells. Anyone who decides
 * takes `latest` once: it may be another a moment later.
 */
export interface LoadedLock {
  readonly streamId: string
  latest: LockAt
  /** One command at a time: callers of a busy lock queue here instead of conflicting in the store. */
  readonly turns: Turns
  /** Version up to which a snapshot holds the state. */
  snapshotVersion: number
}

/** How many locks are kept in memory unless the layer says otherwise. */
export const DEFAULT_CACHED_LOCKS = 10_000
/**
 * A snapshot is taken after this many events and one for each thing that it writes down: so a cold load hardly costs
 * more than that of a new lock, and a snapshot, however large, costs an event no more than its share.
 */
export const SNAPSHOT_EVERY = 50
const PAGE = 1_000

export class LockRepository extends Context.Service<
  LockRepository,
  {
    /** The lock as last seen, read from the store if it is not in memory. `fresh` says that it was read just now. */
    readonly load: (
      lockId: number
    ) => Effect.Effect<{ readonly loaded: LoadedLock; readonly fresh: boolean }, StoreUnavailable>
    /**
     * Catches up with the stream. Whether that is news to the caller, the version tells that it went by: somebody else may
     * have caught up meanwhile.
     */
    readonly refresh: (loaded: LoadedLock) => Effect.Effect<void, StoreUnavailable>
    /** Takes over events that this process has just appended. */
    readonly advance: (
      loaded: LoadedLock,
      events: ReadonlyArray<LockEvent>,
      version: number,
      by: Principal
    ) => Effect.Effect<unknown>
    /** Takes over what was committed, as it is stored; what is between it and the lock, and cannot be read now, stays behind. */
    readonly follow: (loaded: LoadedLock, stored: ReadonlyArray<StoredEvent>) => Effect.Effect<unknown>
  }
>()("@latchkey/core/LockRepository") {
  static readonly layer = (options: { readonly cachedLocks: number }) =>
    Layer.effect(
      LockRepository,
      Effect.gen(function* () {
        const store = yield* EventStore
        const scope = yield* Effect.scope
        /** In order of last use: a Map iterates in order of insertion, and every use inserts anew. */
        const cache = new Map<number, LoadedLock>()

        const entryOf = (lockId: number): LoadedLock | undefined => {
          const entry = cache.get(lockId)
          if (entry === undefined) return undefined
          cache.delete(lockId)
          cache.set(lockId, entry)
          return entry
        }

        const remember = (lockId: number, entry: LoadedLock): void => {
          cache.set(lockId, entry)
          if (cache.size <= options.cachedLocks) return
          for (const oldest of cache.keys()) {
            cache.delete(oldest)
            return
          }
        }

        const saveSnapshotWhenDue = (loaded: LoadedLock): Effect.Effect<unknown> => {
          const { lock, version, unknown } = loaded.latest
          // Anyone who understands the event folds it.
          if (unknown !== undefined) return Effect.void
          const since = version - loaded.snapshotVersion
          if (lock === undefined || since < SNAPSHOT_EVERY || since < SNAPSHOT_EVERY + sizeOf(lock)) return Effect.void
          loaded.snapshotVersion = version
          return saveSnapshot(store, loaded.streamId, { version, state: encodeSnapshot(lock) }).pipe(
            Effect.catchTag("StoreUnavailable", (error) =>
              logSeldom(Effect.logWarning, "A snapshot was not saved; the next cold load takes longer", error.message)
            ),
            Effect.forkIn(scope)
          )
        }

        const tailOf = ({ streamId, latest }: LoadedLock) => store.read(streamId, latest.version, PAGE)

        const takeIn = Effect.fnUntraced(function* (loaded: LoadedLock, first: ReadonlyArray<StoredEvent>) {
          let tail = first
          while (true) {
            // Others may have read some of it meanwhile.
            loaded.latest = tail.reduce(following, loaded.latest)
            if (tail.length < PAGE) break
            // A long history is not folded in one turn: others go on in between.
            yield* Effect.yieldNow
            tail = yield* tailOf(loaded)
          }
          yield* saveSnapshotWhenDue(loaded)
        })

        /** Mostly there is nothing new, and to learn just that costs no generator. */
        const refresh = (loaded: LoadedLock): Effect.Effect<void, StoreUnavailable> =>
          Effect.flatMap(tailOf(loaded), (tail) => (tail.length === 0 ? Effect.void : takeIn(loaded, tail)))

        const readFromStore = Effect.fnUntraced(function* (lockId: number) {
          const streamId = streamOfLock(lockId)
          const snapshot = Option.flatMap(yield* findSnapshot(store, streamId), ({ version, state }) =>
            Option.map(decodeSnapshot(state), (lock): LockAt => ({ version, lock }))
          )
          const latest = Option.getOrElse(snapshot, (): LockAt => ({ version: 0, lock: initial }))
          const loaded: LoadedLock = {
            streamId,
            latest,
            turns: makeTurns(),
            snapshotVersion: latest.version
          }
          yield* refresh(loaded)
          // Somebody else may have read it meanwhile: all callers must queue at the same place.
          const other = entryOf(lockId)
          if (other !== undefined) return { loaded: other, fresh: false }
          // Anyone who asks for locks that do not exist must not push others out of memory.
          if (loaded.latest.lock !== undefined) remember(lockId, loaded)
          return { loaded, fresh: true }
        })

        return {
          load: (lockId) => {
            const loaded = entryOf(lockId)
            return loaded === undefined ? readFromStore(lockId) : Effect.succeed({ loaded, fresh: false })
          },
          refresh,
          advance: (loaded, events, version, by) => {
            // A query may have refreshed the lock between the append and here.
            if (loaded.latest.version !== version - events.length) return Effect.void
            loaded.latest = {
              ...loaded.latest,
              lock: events.reduce((lock, event) => evolve(lock, event, by), loaded.latest.lock),
              version
            }
            return saveSnapshotWhenDue(loaded)
          },
          follow: (loaded, stored) => {
            loaded.latest = stored.reduce(following, loaded.latest)
            const isBehind = loaded.latest.version < (stored.at(-1)?.version ?? Number.POSITIVE_INFINITY)
            return isBehind ? Effect.ignore(refresh(loaded)) : saveSnapshotWhenDue(loaded)
          }
        }
      })
    )
}

/** The lock after the next event of its stream; as it is, when the event is another. */
const following = (before: LockAt, stored: StoredEvent): LockAt => {
  const { version, streamId, type } = stored
  if (version !== before.version + 1) return before
  const event = fromStored(stored)
  const after = { ...before, lock: evolveDecoded(before.lock, stored, event), version }
  const isUnknown = before.unknown === undefined && Option.isNone(event) && !isIgnorable(stored)
  return isUnknown ? { ...after, unknown: { streamId, type } } : after
}

/** `format` grows when the state of a lock changes shape: older snapshots are then left aside, and the stream is folded. */
const LockSnapshot = Schema.fromJsonString(
  Schema.toCodecJson(Schema.Struct({ format: Schema.Literal(10), lock: Lock }))
)
/** Not checked for what a command may say today: whatever stored events made of a lock comes back as it was. */
const asItWas = { disableChecks: true }
const encode = Schema.encodeSync(LockSnapshot, asItWas)
/** What has a field more is of a newer Latchkey: this one folds the stream, and grants nothing past what it does not understand. */
const decode = Schema.decodeOption(LockSnapshot, { ...asItWas, onExcessProperty: "error" })

const encodeSnapshot = (lock: Lock): string => encode({ format: 10, lock })
const decodeSnapshot = (state: string): Option.Option<Lock> => Option.map(decode(state), ({ lock }) => lock)

/** How many things a snapshot of the lock has to write down: whatever there may be many of. */
const sizeOf = (lock: Lock): number => {
  const { keys, hardware, left, residents, pendingCommands, owners, organizations, tempKeys, deletedTempKeys } = lock
  const lists = [keys, hardware, left?.keys ?? [], residents, pendingCommands, owners, organizations]
  return lists.reduce((size, { length }) => size + length, HashMap.size(tempKeys) + HashSet.size(deletedTempKeys))
}
