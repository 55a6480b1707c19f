/** What the feed tells of locks, as the tables of locks take it in; and how their rows are called. */
import { Option, Schema } from "effect"
import { isKeyCommand } from "../lock/Hardware.ts"
import { LockId, lockOfStream } from "../lock/Lock.ts"
import { fromStored, type LockEvent, type LockEventType } from "../lock/LockEvent.ts"
import type { StoredEvent } from "../streams/EventStore.ts"

/** Something that happened to a lock. */
export interface LockFact {
  readonly lockId: number
  /** The lock's `lockKey`. */
  readonly key: string
  readonly stored: StoredEvent
  /** Nothing where it tells no more than that it happened. */
  readonly event: LockEvent | undefined
  /** What the log tells of the lock beside its own stream. */
  readonly beside?: Beside
}

/** Instants are epoch milliseconds. */
type Beside =
  /** Its device is gone, or back, since then; `stream` names the device. */
  | { readonly _tag: "Outage"; readonly online: boolean; readonly since: number; readonly stream: string }
  /** So many wrong PINs were entered that somebody was locked out. */
  | { readonly _tag: "PinsGuessed" }

/** The events that tell the read model more than that they happened; no other needs to be decoded. */
const telling: ReadonlySet<string> = new Set<LockEventType>([
  "LockCreated",
  "OwnerSet",
  "OrganizationSet",
  "LockUuidChanged",
  "LockRetired",
  "ClaimMoved",
  "ClaimLost",
  "LockDescribed",
  "KeyAdded",
  "KeyRemoved",
  "KeyWriteRequested",
  "KeyAdditionSent",
  "KeyRemovalSent",
  "KeyNeedsAttention",
  "KeysSyncRequested",
  "KeysReported",
  "ResidentAdded",
  "ResidentRemoved",
  "DeviceStateReported",
  "TempKeyCreated"
])

/** What became of an opening changes no row. */
const tells = ({ type, data }: StoredEvent): boolean =>
  telling.has(type) ||
  (type === ("CommandOutcomeReported" satisfies LockEventType) && isKeyCommand(data["commandType"]))

/** The lock that an event is about, and what it tells of it. */
export const factOf = (stored: StoredEvent): LockFact | undefined => {
  const lockId = lockOfStream(stored.streamId)
  if (lockId === undefined) return besideOf(stored)
  return {
    lockId,
    key: lockKey(lockId),
    stored,
    event: tells(stored) ? Option.getOrUndefined(fromStored(stored)) : undefined
  }
}

/** What is read here of events that others write. */
const decodeOutage = Schema.decodeUnknownOption(Schema.Struct({ lockId: LockId, since: Schema.Int }))
const decodeGuess = Schema.decodeUnknownOption(Schema.Struct({ lockId: LockId, lockedOutUntil: Schema.Finite }))

const besideOf = (stored: StoredEvent): LockFact | undefined => {
  const { streamId, type, data } = stored
  if (type === "DeviceOffline" || type === "DeviceOnline") {
    const outage = Option.getOrUndefined(decodeOutage(data))
    if (outage === undefined) return undefined
    const { lockId, since } = outage
    const beside = { _tag: "Outage", online: type === "DeviceOnline", since, stream: streamId } as const
    return { lockId, key: lockKey(lockId), stored, event: undefined, beside }
  }
  // A wrong PIN is told twice: at the lock, and where its guesser is counted.
  if (type !== "PinRefused" || !streamId.startsWith("pin-attempts")) return undefined
  const guess = Option.getOrUndefined(decodeGuess(data))
  const beside = { _tag: "PinsGuessed" } as const
  return guess && { lockId: guess.lockId, key: lockKey(guess.lockId), stored, event: undefined, beside }
}

/** Keys sort as the locks do by number. */
export const lockKey = (lockId: number): string => String(lockId).padStart(16, "0")

/** The lists in which locks are found by marks: of all locks, and of an organization's. Those of an owner are looked through. */
export const LISTS = { all: ["of"], organization: ["orgId"] } as const

/** The fields by which they are. */
export interface Listed {
  readonly of: "all"
  readonly orgId: string | null
}

export const noKeys: ReadonlyArray<string> = []
