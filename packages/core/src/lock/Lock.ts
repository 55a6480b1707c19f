/** One physical lock: the values it is made of, and its state as the events of its stream leave it. */
import { HashMap, HashSet, Option, Schema } from "effect"
import { Text } from "../values/Text.ts"
import { Giver } from "./Giver.ts"
import { HardwareKey } from "./Hardware.ts"
import { SaidOfLock } from "./LockDescription.ts"
import { Period } from "./Period.ts"
import { Seen } from "./Seen.ts"
import { AnsweredCommand, SentCommand } from "./SentCommand.ts"
import { canonical, TempKey } from "./TempKey.ts"

/** A positive integer, chosen by the caller; names the lock in URLs. */
export const LockId = Schema.Int.check(Schema.isGreaterThan(0))
export type LockId = typeof LockId.Type

/** A permanent credential stored on the lock, in a slot if the hardware numbers them. */
export const Key = Schema.Struct({
  uuid: Text,
  indexNumber: Schema.optionalKey(Schema.Int),
  userId: Schema.optionalKey(Text)
})
export type Key = typeof Key.Type

/** A key as the lock holds it: with whose right it rests on. It may be inherited, from those who had the lock before. */
export const HeldKey = Schema.Struct({ ...Key.fields, giver: Giver })
export type HeldKey = typeof HeldKey.Type

/** The keys that stayed on a thing that the lock has no more. */
const Left = Schema.Struct({
  thing: Schema.String,
  /** Epoch milliseconds. */
  since: Schema.Int,
  keys: Schema.Array(HardwareKey)
})

/** A user whom the doorbell of the lock notifies. */
export const Resident = Schema.Struct({
  userId: Text,
  name: Text,
  email: Schema.optionalKey(Text),
  phoneNumber: Schema.optionalKey(Text),
  /** Version of the event that added them: in whose time that was. */
  addedVersion: Schema.Int
})
export type Resident = typeof Resident.Type

/** What a lock is after its events so far. */
export const Lock = Schema.Struct({
  lockId: LockId,
  /** Hardware id; also the name of the lock's thing, and so of its shadow. */
  uuid: Schema.String,
  /** The number of events behind this state. */
  version: Schema.Int,
  index: Schema.optionalKey(Schema.Int),
  serialNumber: Schema.optionalKey(Schema.String),
  vendorName: Schema.optionalKey(Schema.String),
  ownerId: Schema.optionalKey(Schema.String),
  orgId: Schema.optionalKey(Schema.String),
  keys: Schema.Array(HeldKey),
  /** Each of these keys, and each that was removed, as it is on the hardware as far as is known. */
  hardware: Schema.Array(HardwareKey),
  residents: Schema.Array(Resident),
  tempKeys: Schema.HashMap(Schema.String, TempKey),
  /** Uuids that were temp keys once; they are not given out again. */
  deletedTempKeys: Schema.HashSet(Schema.String),
  /** What the shadow accepted and no device has answered yet, oldest first; see `withPending` for how many. */
  pendingCommands: Schema.Array(SentCommand),
  /** The last few that a device has answered, in the order of the answers. */
  recentOutcomes: Schema.Array(AnsweredCommand),
  /** Whose it was when, on both sides, oldest first. */
  owners: Schema.Array(Period),
  organizations: Schema.Array(Period),
  /** It was taken out of service. While its thing is `held`, no other lock may have it. */
  retired: Schema.optionalKey(Schema.Literals(["held", "freed"])),
  /** The operator has given its thing to another lock: it has none. */
  lost: Schema.optionalKey(Schema.Literal(true)),
  /** Its thing was another's before, or may have been: it may hold keys that this lock knows nothing of. */
  mayHoldOthers: Schema.optionalKey(Schema.Literal(true)),
  /** The command about keys that its present thing was sent last. `null`: none since somebody asked to begin again. */
  lastKeyCommand: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** Since when it has its present thing, epoch milliseconds; left out of the one that it began with. */
  thingSince: Schema.optionalKey(Schema.Int),
  /** What was, or may have been, on the thing that it had before: that hardware may still open for it, wherever it is. */
  left: Schema.optionalKey(Left),
  /** What its present thing has said of itself and its door. */
  seen: Schema.optionalKey(Seen),
  /** What people say of it and of where it is. */
  said: Schema.optionalKey(SaidOfLock),
  /** Epoch milliseconds of the last event. */
  changedAt: Schema.Int
})
export type Lock = typeof Lock.Type

/** The stream that holds a lock's events. */
export const streamOfLock = (lockId: LockId): string => `lock-${lockId}`

/** The lock whose events a stream holds; `undefined` for streams of something else. */
export const lockOfStream = (streamId: string): LockId | undefined => {
  if (!streamId.startsWith("lock-")) return undefined
  const lockId = Number(streamId.slice("lock-".length))
  return Number.isSafeInteger(lockId) && lockId > 0 ? lockId : undefined
}

/** The lock's temp keys, oldest first; deleted ones are gone. Put together once for each state of the lock. */
export const tempKeysOf = (lock: Pick<Lock, "tempKeys">): ReadonlyArray<TempKey> => {
  let keys = sortedKeys.get(lock.tempKeys)
  if (keys === undefined) {
    keys = tempKeysAfter(lock, 0, Number.POSITIVE_INFINITY)
    sortedKeys.set(lock.tempKeys, keys)
  }
  return keys
}

/** So many of them at most, of those that were made after a version. Costs what it returns. */
export const tempKeysAfter = (
  { tempKeys }: Pick<Lock, "tempKeys">,
  version: number,
  limit: number
): ReadonlyArray<TempKey> => {
  const places = placesIn(tempKeys)
  const from = firstAfter(places, version)
  return places.slice(from, from + limit).flatMap(({ uuid }) => Option.toArray(HashMap.get(tempKeys, uuid)))
}

/** The temp keys after one of them was changed: as long as none comes, goes or is called otherwise, they stay in their places. */
export const inPlaces = (before: Lock["tempKeys"], after: Lock["tempKeys"]): Lock["tempKeys"] => {
  const places = orders.get(before)
  if (places !== undefined) orders.set(after, places)
  return after
}

/** A temp key by the version that made it, and what it is called since. */
interface Place {
  readonly version: number
  readonly uuid: string
}

const placesIn = (tempKeys: Lock["tempKeys"]): ReadonlyArray<Place> => {
  let places = orders.get(tempKeys)
  if (places === undefined) {
    places = Array.from(tempKeys, ([uuid, { createdVersion: version }]) => ({ version, uuid })).sort(
      (a, b) => a.version - b.version
    )
    orders.set(tempKeys, places)
  }
  return places
}

const firstAfter = (places: ReadonlyArray<Place>, version: number): number => {
  let [low, high] = [0, places.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((places[middle] as Place).version > version) high = middle
    else low = middle + 1
  }
  return low
}

/** What a temp key of the lock is called, which is no secret as its uuid is; `undefined` when the lock does not have it. */
export const tempKeyIdOf = ({ tempKeys }: Pick<Lock, "tempKeys">, tempKeyUuid: string): string | undefined =>
  Option.getOrUndefined(HashMap.get(tempKeys, canonical(tempKeyUuid)))?.id || undefined

const orders = new WeakMap<Lock["tempKeys"], ReadonlyArray<Place>>()
const sortedKeys = new WeakMap<Lock["tempKeys"], ReadonlyArray<TempKey>>()

export const noTempKeys: Lock["tempKeys"] = HashMap.empty()
export const noDeletedTempKeys: Lock["deletedTempKeys"] = HashSet.empty()
