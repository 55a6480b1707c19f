/**
 * Refused uses of temp keys. They change nothing, so they are no events of the lock: they are kept beside its stream, in
 * one stream for each lock and day, and only so many of them. Anyone who hammers at a door with an old link fills no store.
 */
import { Effect, HashSet, Schema, Semaphore } from "effect"
import type { Lock } from "../lock/Lock.ts"
import type { LockCommand } from "../lock/LockCommand.ts"
import type { AccessDenied, ClockBehind, LockRefused } from "../lock/LockError.ts"
import { canonical } from "../lock/TempKey.ts"
import { type At, Category } from "../streams/Category.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import { forEachPaged, PAGE } from "../streams/Turns.ts"
import { instantOf } from "../values/Text.ts"

/** Why a use was refused: the status of the key, or that it is not for this user. */
export const RefusalReason = Schema.Literals(["expired", "used-up", "not-yet-valid", "deleted", "not-on-whitelist"])
export type RefusalReason = typeof RefusalReason.Type

/** A refused use, stored forever: add cases and optional fields, never rename or remove one. When and by whom is in the envelope. */
export const RefusedUseEvent = Schema.TaggedUnion({
  TempKeyRefused: {
    tempKeyUuid: Schema.String,
    lockId: Schema.Int,
    /** The version of the lock's stream that the refusal rests on. */
    lockVersion: Schema.Int,
    userId: Schema.optionalKey(Schema.String),
    reason: RefusalReason
  }
})

/** A refused use as it was kept. `at` is in epoch milliseconds. */
export type RefusedUse = Omit<(typeof RefusedUseEvent)["Type"], "_tag"> &
  Pick<StoredEvent, "eventId" | "at" | "principal">

/** Most refused uses of one key that are kept of one day (UTC). */
export const KEPT_OF_KEY = 20
/** Most refused uses at one lock that are kept of one day (UTC). */
export const KEPT_OF_LOCK = 200

/** What a refusal is kept as; `undefined` for what is no use of a key that the lock has, or had. */
const refusedUse = (
  lock: Lock | undefined,
  command: LockCommand,
  refusal: LockRefused | AccessDenied | ClockBehind
): (typeof RefusedUseEvent)["Type"] | undefined => {
  if (lock === undefined || (command._tag !== "UseTempKey" && command._tag !== "OpenWithTempKey")) return undefined
  const reason = reasonOf(lock, command.tempKeyUuid, refusal)
  if (reason === undefined) return undefined
  const { tempKeyUuid, userId } = command
  const { lockId, version: lockVersion } = lock
  return { _tag: "TempKeyRefused", tempKeyUuid, lockId, lockVersion, ...(userId && { userId }), reason }
}

/** What a refusal of a use is kept as; `undefined` when it is about no key that the lock has, or had. */
export const reasonOf = (
  { deletedTempKeys }: Lock,
  tempKeyUuid: string,
  refusal: LockRefused | AccessDenied | ClockBehind
): RefusalReason | undefined => {
  switch (refusal._tag) {
    case "TempKeyNotValid":
      return refusal.status
    case "NotOnWhitelist":
      return "not-on-whitelist"
    case "TempKeyNotFound":
      return HashSet.has(deletedTempKeys, canonical(tempKeyUuid)) ? "deleted" : undefined
    default:
      return undefined
  }
}

/** The day (UTC) of an instant. */
const dayOf = (at: number): string => instantOf(at).slice(0, -14)
const idOf = (lockId: number, day: string): string => `${lockId}-${day}`

/** The stream that holds the refused uses at a lock on the day (UTC) of an instant. */
export const streamOfRefused = (lockId: number, at: number): string => RefusedDays.streamOf(idOf(lockId, dayOf(at)))

/** Records that name the days of which a lock has a stream. */
const daysOf = (lockId: number): string => `refused/${lockId}/`

/** The record that says that a stream of refused uses exists, put with its first event; `undefined` for other streams. */
export const recordOfRefused = ({ streamId }: Pick<StoredEvent, "streamId">) => {
  const [, lockId, day] = /^attempts-([0-9]+)-(.+)$/.exec(streamId) ?? []
  return lockId === undefined ? undefined : { key: `${daysOf(Number(lockId))}${day}`, value: "" }
}

/** How many were kept of one day at a lock, and of each key. */
interface Kept {
  readonly count: number
  readonly ofKey: ReadonlyMap<string, number>
}
const nothing: Kept = { count: 0, ofKey: new Map() }

/** One stream for each lock and day. */
export const RefusedDays = Category({
  prefix: "attempts-",
  events: RefusedUseEvent,
  personal: { TempKeyRefused: ["userId"] },
  initial: nothing,
  evolve: (kept, { tempKeyUuid }) => plus(kept, tempKeyUuid)
})

/** Streams that a process remembers: older ones are read again. */
const REMEMBERED = 1_000

/**
 * Keeps refused uses. Never fails: a refusal is answered whether it could be kept or not. Once a limit is reached,
 * it costs nothing more than looking that up.
 */
export const makeRefusedUses = Effect.gen(function* () {
  const store = yield* EventStore
  /** What is known of a stream; one at a time writes to it. */
  const remembered = new Map<string, { readonly writing: Semaphore.Semaphore; latest: At<Kept> | undefined }>()

  const rememberedAt = (id: string) => {
    const there = remembered.get(id)
    if (there !== undefined) return there
    if (remembered.size >= REMEMBERED) remembered.clear()
    const made = { writing: Semaphore.makeUnsafe(1), latest: undefined }
    remembered.set(id, made)
    return made
  }

  const keep = (command: LockCommand, lock: Lock, use: (typeof RefusedUseEvent)["Type"]) => {
    const id = idOf(lock.lockId, dayOf(command.at))
    const stream = rememberedAt(id)
    const record = recordOfRefused({ streamId: RefusedDays.streamOf(id) })
    const context = { ...command, orgId: lock.orgId ?? "" }
    const write = Effect.suspend(() =>
      RefusedDays.transact(
        id,
        context,
        ({ state, version }) =>
          isFull(state, use.tempKeyUuid)
            ? []
            : { events: [use], suffixes: ["refused"], put: version === 0 && record !== undefined ? [record] : [] },
        stream.latest
      )
    )
    return stream.writing.withPermit(Effect.tap(write, ({ after }) => Effect.sync(() => (stream.latest = after)))).pipe(
      // The same command once more.
      Effect.catchTag("EventExists", () => Effect.void),
      Effect.asVoid,
      Effect.provideService(EventStore, store)
    )
  }

  return (
    command: LockCommand,
    lock: Lock | undefined,
    refusal: LockRefused | AccessDenied | ClockBehind
  ): Effect.Effect<void> => {
    const use = refusedUse(lock, command, refusal)
    return use === undefined || lock === undefined
      ? Effect.void
      : Effect.catch(keep(command, lock, use), (error) =>
          logSeldom(Effect.logWarning, "A refused use of a temp key was not kept", error.message)
        )
  }
})

/** Hands all that was kept of a lock to `take`, in the order in which it happened. */
export const forEachRefusedUse = Effect.fnUntraced(function* (
  lockId: number,
  take: (use: RefusedUse) => void
): Effect.fn.Return<void, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  let after = ""
  while (true) {
    const records = yield* store.records(daysOf(lockId), after, PAGE)
    for (const { key } of records) {
      yield* forEachPaged(
        (version, limit) =>
          store.read(RefusedDays.streamOf(idOf(lockId, key.slice(daysOf(lockId).length))), version, limit),
        ({ version }) => version,
        (stored) => refusedUseOf(stored).forEach(take)
      )
    }
    if (records.length < PAGE) return
    after = records.at(-1)?.key ?? after
  }
})

/** What was kept of a lock on the day (UTC) of an instant, in the order in which it happened. */
export const refusedUsesOn = Effect.fnUntraced(function* (
  lockId: number,
  at: number
): Effect.fn.Return<ReadonlyArray<RefusedUse>, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  return (yield* store.read(streamOfRefused(lockId, at), 0, KEPT_OF_LOCK)).flatMap(refusedUseOf)
})

/** The refused use at the lock that an event tells of; `undefined` for any other event. */
export const refusedUseIn = (lockId: number, stored: StoredEvent): RefusedUse | undefined =>
  stored.streamId.startsWith(`attempts-${lockId}-`) ? refusedUseOf(stored)[0] : undefined

/** Tells of refused uses, taken day after day, whether so many were kept of one day that some of this key may be missing. */
export const makeLackOf = (tempKeyUuid: string) => {
  const days = new Map<string, Kept>()
  let lacks = false
  return {
    take: ({ lockId, at, tempKeyUuid: used }: RefusedUse): void => {
      const day = streamOfRefused(lockId, at)
      const kept = plus(days.get(day) ?? nothing, used)
      days.set(day, kept)
      lacks ||= isFull(kept, tempKeyUuid)
    },
    mayLackSome: (): boolean => lacks
  }
}

const isFull = ({ count, ofKey }: Kept, tempKeyUuid: string): boolean =>
  count >= KEPT_OF_LOCK || (ofKey.get(canonical(tempKeyUuid)) ?? 0) >= KEPT_OF_KEY

const plus = ({ count, ofKey }: Kept, tempKeyUuid: string): Kept => {
  const uuid = canonical(tempKeyUuid)
  return { count: count + 1, ofKey: new Map(ofKey).set(uuid, (ofKey.get(uuid) ?? 0) + 1) }
}

const refusedUseOf = (stored: StoredEvent): ReadonlyArray<RefusedUse> => {
  const event = RefusedDays.decode(stored)
  if (event === undefined) return []
  const { _tag: _, ...use } = event
  const { eventId, at, principal } = stored
  return [{ ...use, eventId, at, principal }]
}
