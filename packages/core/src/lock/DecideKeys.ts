/** What the commands about keys lead to. Pure. */
import { Result } from "effect"
import { WRITE_EXPIRES_AFTER } from "../device/DeviceCommand.ts"
import { given } from "../values/given.ts"
import { isUser } from "../values/Principal.ts"
import { stands } from "./AccessPolicy.ts"
import { accept, alreadySo, type Decision, headOf, stamp } from "./Decision.ts"
import { type Due, type Hardware, type HardwareKey, holderOf, isOpen, needingAttention, nextDue } from "./Hardware.ts"
import type { Key, Lock } from "./Lock.ts"
import type { CommandOf } from "./LockCommand.ts"
import { KeyExists, KeyNotFound, KeyNotNamed, LockFull, type LockRefused, NoSuchSlot, SlotTaken } from "./LockError.ts"
import { BOUNDS } from "./RequestFields.ts"

export const addKey = (lock: Lock, command: CommandOf<"AddKey">): Result.Result<Decision, LockRefused> => {
  const { lockId, keyUuid, keyIndexNumber, userId } = command
  if (lock.keys.some((key) => key.uuid === keyUuid)) return Result.fail(new KeyExists({ lockId, keyUuid }))
  const taken = takenSlot(lock, keyUuid, keyIndexNumber) ?? elsewhere(lock, keyUuid, keyIndexNumber)
  if (taken !== undefined) return Result.fail(taken)
  // Those that are not gone yet count: an addition and a removal at a lock that is away leave something to do.
  if (lock.keys.length >= BOUNDS.keys || lock.hardware.length >= BOUNDS.keys)
    return Result.fail(new LockFull({ lockId, what: "keys", bound: BOUNDS.keys }))
  const noRoom = beyondSlots(lock, keyUuid, keyIndexNumber)
  if (noRoom !== undefined) return Result.fail(noRoom)
  return accept(
    { _tag: "KeyAdded", ...headOf(lock, command), keyUuid, ...given({ keyIndexNumber, userId }), reconciled: true },
    { _tag: "AddKey", ...stamp(lock, command), keyUuid, ...given({ keyIndexNumber }) }
  )
}

export const removeKey = (lock: Lock, command: CommandOf<"RemoveKey">): Result.Result<Decision, LockRefused> => {
  const { lockId, keyUuid, keyIndexNumber, userId } = command
  if (keyUuid === undefined && keyIndexNumber === undefined && userId === undefined)
    return Result.fail(new KeyNotNamed({ lockId }))
  const matches = lock.keys.filter(
    (key) =>
      (keyUuid === undefined || key.uuid === keyUuid) &&
      (keyIndexNumber === undefined || key.indexNumber === keyIndexNumber) &&
      (userId === undefined || key.userId === userId)
  )
  if (matches.length > 1) return Result.fail(new KeyNotNamed({ lockId, matches: matches.length }))
  const leaving =
    matches.length > 0 || userId !== undefined
      ? undefined
      : lock.hardware.find(
          ({ uuid, indexNumber, exposedSince }) =>
            exposedSince !== undefined &&
            (keyUuid === undefined || uuid === keyUuid) &&
            (keyIndexNumber === undefined || indexNumber === keyIndexNumber)
        )
  if (leaving === undefined) return decideRemoval(lock, command, matches[0])
  return isOpen(leaving)
    ? Result.succeed(alreadySo)
    : accept({ _tag: "KeysSyncRequested", ...headOf(lock, command), keyUuid: leaving.uuid })
}

export const giveUpKey = (lock: Lock, command: CommandOf<"GiveUpKey">): Result.Result<Decision, LockRefused> => {
  const { keyUuid, principal } = command
  return decideRemoval(
    lock,
    command,
    lock.keys.find((key) => key.uuid === keyUuid && isUser(principal, key.userId))
  )
}

export const writeKey = (lock: Lock, command: CommandOf<"WriteKey">): Result.Result<Decision, LockRefused> => {
  const { lockId } = command
  const key = lock.keys.find((key) => key.uuid === command.keyUuid)
  if (key === undefined) return Result.fail(new KeyNotFound({ lockId }))
  const keyIndexNumber = command.keyIndexNumber ?? key.indexNumber
  if (key.indexNumber !== undefined && key.indexNumber !== keyIndexNumber) {
    return Result.fail(new KeyNotFound({ lockId }))
  }
  const taken = takenSlot(lock, key.uuid, keyIndexNumber) ?? beyondSlots(lock, key.uuid, keyIndexNumber)
  if (taken !== undefined) return Result.fail(taken)
  const written = { keyUuid: key.uuid, ...given({ keyIndexNumber }) }
  return accept(
    { _tag: "KeyWriteRequested", ...headOf(lock, command), ...written },
    { _tag: "WriteKey", ...stamp(lock, command), expiresAt: command.at + WRITE_EXPIRES_AFTER, ...written }
  )
}

const decideRemoval = (
  lock: Lock,
  command: CommandOf<"RemoveKey" | "GiveUpKey">,
  key: Key | undefined
): Result.Result<Decision, KeyNotFound> =>
  key === undefined
    ? Result.fail(new KeyNotFound({ lockId: lock.lockId }))
    : accept({ _tag: "KeyRemoved", ...headOf(lock, command), ...nameOf(key), reconciled: true })

/**
 * The keys that rest on the right of a side that has the lock no more, by their uuids.
 *
 * @example
 * ```ts
 * const opening = lock.keys.filter(({ uuid }) => !inheritedIn(lock).has(uuid))
 * ```
 */
export const inheritedIn = (lock: Lock): ReadonlySet<string> =>
  new Set(lock.keys.flatMap(({ uuid, giver }) => (stands(giver, lock) ? [] : [uuid])))

/**
 * What is known of the hardware, and brought to what is wanted. Keys of a side that has the lock no more are not written,
 * neither again nor to other hardware, until it has the lock back.
 *
 * @param inherited those keys, where they are known already
 *
 * @example
 * ```ts
 * for (const key of hardwareOf(lock)) console.log(key.uuid, hardwareStatus(key))
 * ```
 */
export const hardwareOf = (lock: Lock, inherited = inheritedIn(lock)): Hardware => {
  if (inherited.size === 0) return lock.hardware
  return lock.hardware.map((key) => {
    if (!inherited.has(key.uuid)) return key
    const { reconciled: _, ...left } = key
    return left
  })
}

/** The next addition or removal that the hardware is to be told of by itself. */
export const sendDue = (
  lock: Lock,
  command: CommandOf<"SendKey" | "SendRemoval">,
  type: "AddKey" | "RemoveKey"
): Result.Result<Decision, never> => {
  const due = nextDue(hardwareOf(lock), command.at)
  if (due?.type !== type) return Result.succeed(alreadySo)
  const name = nameOf(due)
  return accept(
    { _tag: type === "AddKey" ? "KeyAdditionSent" : "KeyRemovalSent", ...headOf(lock, command), ...name },
    { _tag: type, ...stamp(lock, command), ...name }
  )
}

/** That it begins again with all keys or one, if there are any. */
export const syncKeys = (lock: Lock, command: CommandOf<"SyncKeys">): Result.Result<Decision, KeyNotFound> => {
  const { lockId, keyUuid } = command
  if (keyUuid !== undefined && !lock.hardware.some(({ uuid }) => uuid === keyUuid))
    return Result.fail(new KeyNotFound({ lockId }))
  return lock.hardware.length === 0
    ? Result.succeed(alreadySo)
    : accept({ _tag: "KeysSyncRequested", ...headOf(lock, command), ...given({ keyUuid }) })
}

/** The keys that a person has to look at from now on. */
export const noteAttention = (lock: Lock, command: CommandOf<"NoteAttention">): Result.Result<Decision, never> =>
  Result.succeed({
    events: needingAttention(hardwareOf(lock), command.at).map(({ key, reason }) => ({
      _tag: "KeyNeedsAttention",
      ...headOf(lock, command),
      ...nameOf(key),
      wanted: key.exposedSince === undefined,
      reason,
      failures: key.failures?.count ?? 0
    }))
  })

const nameOf = ({ uuid, indexNumber }: Omit<Due, "type">) => ({
  keyUuid: uuid,
  ...given({ keyIndexNumber: indexNumber })
})

/** Why the key cannot come into a slot: another one is there, or may still be. */
const takenSlot = (lock: Lock, keyUuid: string, slot: number | undefined): SlotTaken | undefined => {
  if (slot === undefined) return undefined
  const { lockId } = lock
  const holder = lock.keys.find((key) => key.indexNumber === slot && key.uuid !== keyUuid)
  if (holder !== undefined) return new SlotTaken({ lockId, keyIndexNumber: slot, keyUuid: holder.uuid })
  const there = holderOf(lock.hardware, slot, keyUuid)
  return there && new SlotTaken({ lockId, keyIndexNumber: slot, keyUuid: there.uuid, ...leaving(there) })
}

/** Why the hardware has no room for the key, where it has said how much it has. */
const beyondSlots = (lock: Lock, keyUuid: string, slot: number | undefined): NoSuchSlot | LockFull | undefined => {
  const { lockId, hardware, seen } = lock
  const keySlots = seen?.state?.keySlots
  if (keySlots === undefined) return undefined
  if (slot !== undefined && (slot < 0 || slot > keySlots))
    return new NoSuchSlot({ lockId, keyIndexNumber: slot, keySlots })
  return hardware.filter(({ uuid }) => uuid !== keyUuid).length >= keySlots
    ? new LockFull({ lockId, what: "keys on its hardware", bound: keySlots })
    : undefined
}

/** The same key may still be in another slot: it would then be in both. */
const elsewhere = (lock: Lock, keyUuid: string, slot: number | undefined): SlotTaken | undefined => {
  const there = lock.hardware.find(({ uuid }) => uuid === keyUuid)
  const { lockId } = lock
  if (there?.indexNumber === undefined || there.indexNumber === slot) return undefined
  return new SlotTaken({ lockId, keyIndexNumber: there.indexNumber, keyUuid, ...leaving(there) })
}

const leaving = ({ exposedSince, foreign }: HardwareKey) => {
  if (foreign) return { foreign }
  return exposedSince === undefined ? {} : { leaving: true as const }
}
