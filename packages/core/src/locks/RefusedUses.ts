/**
 * Refused uses of temp keys, and commands of those who may not give them. They change nothing, so they are no events of the
 * lock: they are kept beside its stream, in one stream for each lock and day, and only so many of them. Anyone who hammers
 * at a door with an old link fills no store.
 */
import { Effect, HashSet, Schema, Semaphore } from "effect"
import { type Lock, tempKeyIdOf } from "../lock/Lock.ts"
import type { LockCommand } from "../lock/LockCommand.ts"
import type { Refusal } from "../lock/LockError.ts"
import { canonical } from "../lock/TempKey.ts"
import { type At, Category } from "../streams/Category.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import { forEachPaged, PAGE } from "../streams/Turns.ts"
import { given } from "../values/given.ts"
import { nameOf, type Principal } from "../values/Principal.ts"
import { instantOf } from "../values/Text.ts"
import { DAY } from "../values/TimeZone.ts"

/** Why a lock opens for nobody: it was retired, the operator gave its device to another lock, or several locks are on it. */
export const opensForNobody = { LockRetired: "retired", DeviceLost: "no-device", DeviceDisputed: "disputed" } as const
const ForNobody = Schema.Literals(Object.values(opensForNobody))

/**
 * Why a use was refused: the status of the key, that its giver may no longer give it, that it is not for this user, that the
 * door takes the PIN only, or that the lock opens for nobody.
 */
export const RefusalReason = Schema.Literals([
  "expired",
  "used-up",
  "not-yet-valid",
  "deleted",
  "withdrawn",
  "not-on-whitelist",
  "pin-needed",
  ...ForNobody.literals
])
export type RefusalReason = typeof RefusalReason.Type

/** A refused use, stored forever: add cases and optional fields, never rename or remove one. When and by whom is in the envelope. */
export const RefusedUseEvent = Schema.TaggedUnion({
  TempKeyRefused: {
    tempKeyUuid: Schema.String,
    /** The id of the key, which is no secret as its uuid is; not of deleted keys, nor of old refusals. */
    tempKeyId: Schema.optionalKey(Schema.String),
    lockId: Schema.Int,
    /** The version of the lock's stream that the refusal rests on. */
    lockVersion: Schema.Int,
    userId: Schema.optionalKey(Schema.String),
    reason: RefusalReason,
    /** Where older versions do not know the reason: they may pass it over. */
    ignorable: Schema.optionalKey(Schema.Literal(true))
  },
  /** Somebody asked for what is not theirs to ask, or to open a lock that opens for nobody. Grants nothing, and takes nothing away: older versions may pass it over. */
  CommandRefused: {
    lockId: Schema.Int,
    lockVersion: Schema.Int,
    command: Schema.String,
    reason: Schema.Literals(["access-denied", ...ForNobody.literals]),
    ignorable: Schema.Literal(true)
  }
})
type RefusedUseEvent = typeof RefusedUseEvent.Type
type Kind = RefusedUseEvent["_tag"]

/** What was refused, as it was kept. `at` is in epoch milliseconds. */
export type Refused<Tag extends Kind = Kind> = Extract<RefusedUseEvent, { readonly _tag: Tag }> &
  Pick<StoredEvent, "eventId" | "at" | "principal">
/** A refused use of a temp key. */
export type RefusedUse = Refused<"TempKeyRefused">

/** Most refused uses of one key that are kept of one day (UTC). */
export const KEPT_OF_KEY = 20
/** Most refused uses at one lock that are kept of one day (UTC). */
export const KEPT_OF_LOCK = 200
/** Most refused commands of one caller, and of all, that are kept of one day beside them. */
export const COMMANDS_OF_CALLER = 10
export const COMMANDS_OF_LOCK = 50
/** Most that a stream of one day holds. */
const MOST_OF_DAY = KEPT_OF_LOCK + COMMANDS_OF_LOCK

/** What a refusal is kept as; `undefined` for what is no use of a key that the lock has, or had, and for other flaws. */
const refusedAs = (lock: Lock, command: LockCommand, refusal: UseRefusal): RefusedUseEvent | undefined => {
  const { lockId, version: lockVersion } = lock
  const asCommand = commandReasonOf(command, refusal)
  if (asCommand !== undefined)
    return { _tag: "CommandRefused", lockId, lockVersion, command: command._tag, reason: asCommand, ignorable: true }
  const use = useAsked(lock, command)
  const reason = use && (refusal._tag === "AccessDenied" ? "withdrawn" : reasonOf(lock, use.tempKeyUuid, refusal))
  return reason === undefined || use === undefined
    ? undefined
    : {
        ...{ _tag: "TempKeyRefused", ...use, lockId, lockVersion, reason },
        ...((reason === "pin-needed" || isForNobody(reason)) && { ignorable: true })
      }
}

const isForNobody = Schema.is(ForNobody)

const commandReasonOf = (
  { _tag }: LockCommand,
  refusal: UseRefusal
): Refused<"CommandRefused">["reason"] | undefined => {
  if (refusal._tag === "AccessDenied") return _tag === "OpenDoor" ? undefined : "access-denied"
  return _tag === "OpenLock" ? forNobodyIn(refusal) : undefined
}

const forNobodyIn = (refusal: UseRefusal) => {
  switch (refusal._tag) {
    case "LockRetired":
    case "DeviceLost":
    case "DeviceDisputed":
      return opensForNobody[refusal._tag]
    default:
      return undefined
  }
}

/** Why a lock, or one of its doors, refuses a use. */
type UseRefusal = Refusal | { readonly _tag: "DoorNeedsPin" }

/** The use of a temp key that a command asks for: of one of the lock, or of the link of one with several doors. */
const useAsked = (lock: Lock, command: LockCommand) => {
  switch (command._tag) {
    case "UseTempKey":
    case "OpenWithTempKey": {
      const { tempKeyUuid, userId } = command
      const tempKeyId = tempKeyIdOf(lock, tempKeyUuid)
      const isKnown = tempKeyId !== undefined || HashSet.has(lock.deletedTempKeys, canonical(tempKeyUuid))
      return isKnown ? { tempKeyUuid, ...given({ userId, tempKeyId }) } : undefined
    }
    case "OpenDoor": {
      const { credentialUuid: tempKeyUuid, tempKeyId, via } = command
      // A PIN that was refused is kept as such.
      return via === "link" ? { tempKeyUuid, ...given({ tempKeyId }) } : undefined
    }
    default:
      return undefined
  }
}

/** What a refusal of a use is kept as; `undefined` when it is about no key that the lock has, or had. */
export const reasonOf = (
  { deletedTempKeys }: Lock,
  tempKeyUuid: string,
  refusal: UseRefusal
): RefusalReason | undefined => {
  switch (refusal._tag) {
    case "TempKeyNotValid":
      return refusal.status
    case "TempKeyWithdrawn":
      return "withdrawn"
    case "NotOnWhitelist":
      return "not-on-whitelist"
    case "DoorNeedsPin":
      return "pin-needed"
    case "TempKeyNotFound":
      return HashSet.has(deletedTempKeys, canonical(tempKeyUuid)) ? "deleted" : undefined
    default:
      return forNobodyIn(refusal)
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

/** How many were kept of one day at a lock: of each kind, and of each key or caller. */
interface Kept {
  readonly count: Readonly<Record<Kind, number>>
  readonly ofOne: ReadonlyMap<string, number>
}
const nothing: Kept = { count: { TempKeyRefused: 0, CommandRefused: 0 }, ofOne: new Map() }

/** One stream for each lock and day. */
export const RefusedDays = Category({
  prefix: "attempts-",
  events: RefusedUseEvent,
  personal: { TempKeyRefused: ["userId"] },
  initial: nothing,
  evolve: (kept, event, { principal }) => plus(kept, event, principal)
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

  const keep = (command: LockCommand, lock: Lock, refused: RefusedUseEvent) => {
    const id = idOf(lock.lockId, dayOf(command.at))
    const stream = rememberedAt(id)
    const record = recordOfRefused({ streamId: RefusedDays.streamOf(id) })
    const context = { ...command, orgId: lock.orgId ?? "" }
    const write = Effect.suspend(() =>
      RefusedDays.transact(
        id,
        context,
        ({ state, version }) =>
          isFull(state, refused, command.principal)
            ? []
            : { events: [refused], suffixes: ["refused"], put: version === 0 && record !== undefined ? [record] : [] },
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

  return (command: LockCommand, lock: Lock | undefined, refusal: UseRefusal): Effect.Effect<void> => {
    const refused = lock && refusedAs(lock, command, refusal)
    return refused === undefined || lock === undefined
      ? Effect.void
      : Effect.catch(keep(command, lock, refused), (error) =>
          logSeldom(Effect.logWarning, "What was refused was not kept", error.message)
        )
  }
})

/** Hands all refused uses that were kept of a lock to `take`, in the order in which they happened. */
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
        (version, limit) => store.read(streamOfDay(lockId, dayIn(key)), version, limit),
        ({ version }) => version,
        (stored) => usesAmong([stored]).forEach(take)
      )
    }
    if (records.length < PAGE) return
    after = records.at(-1)?.key ?? after
  }
})

/** The day that a record names. */
const dayIn = (key: string): string => key.slice(key.lastIndexOf("/") + 1)
const streamOfDay = (lockId: number, day: string): string => RefusedDays.streamOf(idOf(lockId, day))

/** Days that are looked for at a time, going back. */
const DAYS = [30, 1_000] as const

/** The latest days no later than an instant of which something was kept, the newest first: some of them, or none when there are none. */
export const refusedDaysBefore = Effect.fnUntraced(function* (
  lockId: number,
  at: number
): Effect.fn.Return<ReadonlyArray<string>, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  const [first] = yield* store.records(daysOf(lockId), "", 1)
  if (first === undefined) return []
  for (let to = at, [days] = DAYS as readonly [number, number]; dayOf(to) >= dayIn(first.key); days = DAYS[1]) {
    const from = to - days * DAY
    const records = yield* store.records(daysOf(lockId), daysOf(lockId) + dayOf(from), days)
    const found = records.map(({ key }) => dayIn(key)).filter((day) => day <= dayOf(to))
    if (found.length > 0) return found.toReversed()
    to = from
  }
  return []
})

/** All that was kept of a day, in the order in which it happened. */
export const refusedOnDay = Effect.fnUntraced(function* (
  lockId: number,
  day: string
): Effect.fn.Return<ReadonlyArray<StoredEvent>, StoreUnavailable, EventStore> {
  const store = yield* EventStore
  return yield* store.read(streamOfDay(lockId, day), 0, MOST_OF_DAY)
})

/** What was refused on the day (UTC) of an instant, in the order in which it happened. */
export const refusedOn = (
  lockId: number,
  at: number
): Effect.Effect<ReadonlyArray<Refused>, StoreUnavailable, EventStore> =>
  Effect.map(refusedOnDay(lockId, dayOf(at)), (events) => events.flatMap((stored) => refusedOf(stored) ?? []))

const usesAmong = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<RefusedUse> =>
  events.flatMap((stored) => {
    const refused = refusedOf(stored)
    return refused?._tag === "TempKeyRefused" ? [refused] : []
  })

/** What was refused at the lock, as an event tells it; `undefined` for any other event. */
export const refusedIn = (lockId: number, stored: StoredEvent): Refused | undefined =>
  stored.streamId.startsWith(`attempts-${lockId}-`) ? refusedOf(stored) : undefined

/** Tells of refused uses, taken day after day, whether so many were kept of one day that some of this key may be missing. */
export const makeLackOf = (tempKeyUuid: string) => {
  const days = new Map<string, Kept>()
  let lacks = false
  return {
    take: (use: RefusedUse): void => {
      const day = streamOfRefused(use.lockId, use.at)
      const kept = plus(days.get(day) ?? nothing, use, use.principal)
      days.set(day, kept)
      lacks ||= isFull(kept, { ...use, tempKeyUuid }, use.principal)
    },
    mayLackSome: (): boolean => lacks
  }
}

/** What is counted together: a key, or a caller. */
const nameIn = (refused: RefusedUseEvent, by: Principal): string =>
  refused._tag === "TempKeyRefused" ? canonical(refused.tempKeyUuid) : `by ${nameOf(by)}`

const isFull = ({ count, ofOne }: Kept, refused: RefusedUseEvent, by: Principal): boolean => {
  const [ofAll, ofName] =
    refused._tag === "TempKeyRefused" ? [KEPT_OF_LOCK, KEPT_OF_KEY] : [COMMANDS_OF_LOCK, COMMANDS_OF_CALLER]
  return count[refused._tag] >= ofAll || (ofOne.get(nameIn(refused, by)) ?? 0) >= ofName
}

const plus = ({ count, ofOne }: Kept, refused: RefusedUseEvent, by: Principal): Kept => {
  const name = nameIn(refused, by)
  return {
    count: { ...count, [refused._tag]: count[refused._tag] + 1 },
    ofOne: new Map(ofOne).set(name, (ofOne.get(name) ?? 0) + 1)
  }
}

const refusedOf = (stored: StoredEvent): Refused | undefined => {
  const event = RefusedDays.decode(stored)
  const { eventId, at, principal } = stored
  return event && { ...event, eventId, at, principal }
}
