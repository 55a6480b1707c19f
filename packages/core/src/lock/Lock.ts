/** One physical lock: the values it is made of, and its state as the events of its stream leave it. */
import { HashMap, HashSet, Schema } from "effect"
import { Text } from "../values/Text.ts"
import { AnsweredCommand, SentCommand } from "./SentCommand.ts"
import { TempKey } from "./TempKey.ts"

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

/** A user whom the doorbell of the lock notifies. */
export const Resident = Schema.Struct({
  userId: Text,
  name: Text,
  email: Schema.optionalKey(Text),
  phoneNumber: Schema.optionalKey(Text)
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
  keys: Schema.Array(Key),
  residents: Schema.Array(Resident),
  tempKeys: Schema.HashMap(Schema.String, TempKey),
  /** Uuids that were temp keys once; they are not given out again. */
  deletedTempKeys: Schema.HashSet(Schema.String),
  /** What the shadow accepted and no device has answered yet, oldest first; see `withPending` for how many. */
  pendingCommands: Schema.Array(SentCommand),
  /** The last few that a device has answered, in the order of the answers. */
  recentOutcomes: Schema.Array(AnsweredCommand),
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

/** The lock's temp keys, oldest first; deleted ones are gone. Sorted once for each state of the lock. */
export const tempKeysOf = ({ tempKeys }: Lock): ReadonlyArray<TempKey> => {
  let keys = sortedKeys.get(tempKeys)
  if (keys === undefined) {
    keys = Array.from(HashMap.values(tempKeys)).sort((a, b) => a.createdVersion - b.createdVersion)
    sortedKeys.set(tempKeys, keys)
  }
  return keys
}

const sortedKeys = new WeakMap<Lock["tempKeys"], ReadonlyArray<TempKey>>()

export const noTempKeys: Lock["tempKeys"] = HashMap.empty()
export const noDeletedTempKeys: Lock["deletedTempKeys"] = HashSet.empty()
