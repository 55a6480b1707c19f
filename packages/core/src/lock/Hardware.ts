/**
 * What is on the hardware of a lock, as far as it is known: beside each key that is wanted, whether the lock has said that
 * it holds it; and each key that is not wanted any more, for as long as the lock may still open for it. Pure.
 *
 * Of a key only the newest command is waited for: what was sent before it has ended before it. `docs/proofs/intents.pml`
 * shows what this is good for.
 */
import { Schema } from "effect"
import { WRITE_EXPIRES_AFTER } from "../device/DeviceCommand.ts"
import { given } from "../values/given.ts"

/** What a lock is told about a key. */
const KeyCommand = Schema.Literals(["AddKey", "RemoveKey", "WriteKey"])
export const isKeyCommand = Schema.is(KeyCommand)

/** Why a person has to look at a key: the lock has failed too often, or has not answered for a day. */
export const AttentionReason = Schema.Literals(["failed", "silent"])
export type AttentionReason = typeof AttentionReason.Type

/** A key that is, or may be, on the hardware. Instants are epoch milliseconds. */
export const HardwareKey = Schema.Struct({
  uuid: Schema.String,
  /** The slot in which it is or may be. */
  indexNumber: Schema.optionalKey(Schema.Int),
  /** The lock has said that it holds it. Without it, nobody knows. */
  confirmed: Schema.optionalKey(Schema.Literal(true)),
  /** Since when it is not wanted any more; without it, it is. */
  exposedSince: Schema.optionalKey(Schema.Int),
  /** The lock holds it, and nobody has asked for it here: it is removed only when somebody asks for that. */
  foreign: Schema.optionalKey(Schema.Literal(true)),
  /** It is brought to what is wanted. Without it nothing is sent, until somebody asks for it. */
  reconciled: Schema.optionalKey(Schema.Literal(true)),
  /** The newest command about it, while the lock has not answered that. `outlived`: somebody has asked since to begin again. */
  sent: Schema.optionalKey(
    Schema.Struct({
      commandId: Schema.String,
      type: KeyCommand,
      at: Schema.Int,
      outlived: Schema.optionalKey(Schema.Literal(true))
    })
  ),
  /** Answers in a row that it failed, and when the last of them came. */
  failures: Schema.optionalKey(Schema.Struct({ count: Schema.Int, at: Schema.Int })),
  /** The lock had confirmed it and then did not list it where it should be, and has not done so since. */
  lost: Schema.optionalKey(Schema.Literal(true)),
  /** Nothing is sent until a person has looked at it. */
  attention: Schema.optionalKey(AttentionReason)
})
export type HardwareKey = typeof HardwareKey.Type
export type Hardware = ReadonlyArray<HardwareKey>

/** Failures after which a person has to look. */
const MOST_FAILURES = 5
/** How long after each failure it is tried again, at the earliest, in milliseconds. */
const RETRY_AFTER = [2_000, 15_000, 60_000, 600_000]
/** How long a lock may leave a command about a key unanswered until a person has to look: a day. */
const SILENT_AFTER = 86_400_000
/**
 * How long the answer to a WriteKey is waited for, in milliseconds. It is of no use after a minute: then the shadow drops it, and
 * a lock that has not seen it says nothing of it, ever.
 */
const WRITE_AWAITED_FOR = 2 * WRITE_EXPIRES_AFTER
/** Commands about keys that a lock may have unanswered until it is sent more, so that its shadow has room for others. */
const MOST_ADDITIONS = 4
const MOST_REMOVALS = 12

interface Named {
  readonly uuid: string
  readonly indexNumber?: number | undefined
}

const entryOf = ({ uuid, indexNumber }: Named, reconciled: true | undefined): HardwareKey => ({
  uuid,
  ...given({ indexNumber, reconciled })
})

/** On hardware that is new to the lock nobody knows what is there. */
export const unknownOf = (keys: ReadonlyArray<Named>, reconciled: true | undefined): Hardware =>
  keys.map((key) => entryOf(key, reconciled))

/** A key is wanted. It may have been there before, and may still be. */
export const wanting = (hardware: Hardware, key: Named, reconciled: true | undefined): Hardware => {
  const before = hardware.find(({ uuid }) => uuid === key.uuid)
  const isStill = before?.confirmed === true && before.sent === undefined && before.indexNumber === key.indexNumber
  const entry = isStill ? { ...entryOf(key, reconciled), confirmed: true as const } : entryOf(key, reconciled)
  return [...hardware.filter((other) => other !== before), entry]
}

/** A key is not wanted any more. An addition that is still unanswered is overtaken. */
export const unwanting = (hardware: Hardware, uuid: string, at: number, reconciled: true | undefined): Hardware =>
  change(hardware, uuid, ({ sent: _, failures: __, attention: ___, lost: ____, ...entry }) => ({
    ...entry,
    ...given({ reconciled: reconciled ?? entry.reconciled }),
    exposedSince: entry.exposedSince ?? at
  }))

/** The command that was to put the key there, and is overtaken by its removal. */
export const overtakenBy = (hardware: Hardware, uuid: string): string | undefined => {
  const sent = hardware.find((entry) => entry.uuid === uuid)?.sent
  return sent === undefined || sent.type === "RemoveKey" ? undefined : sent.commandId
}

/** No key is wanted any more, nor any that nobody had asked for. */
export const unwantingAll = (hardware: Hardware, at: number, reconciled: true | undefined): Hardware =>
  hardware.reduce(
    (all, { uuid, exposedSince, foreign }) =>
      exposedSince === undefined || foreign ? unwanting(all, uuid, at, reconciled) : all,
    hardware
  )

/** It is written to a slot, or anew to its own. */
export const inSlot = (hardware: Hardware, { uuid, indexNumber }: Named): Hardware =>
  indexNumber === undefined ? hardware : change(hardware, uuid, (entry) => ({ ...entry, indexNumber }))

/** The shadow has accepted a command about a key. One that the key's removal has overtaken is not waited for. */
export const withSent = (hardware: Hardware, uuid: string, sent: NonNullable<HardwareKey["sent"]>): Hardware =>
  change(hardware, uuid, (entry) => {
    const isRemoval = sent.type === "RemoveKey"
    if (isRemoval !== (entry.exposedSince !== undefined)) return entry
    // Something that is under way may take it away, or has failed to.
    const { confirmed: _, ...unconfirmed } = entry
    return { ...(isRemoval || entry.sent === undefined ? entry : unconfirmed), sent }
  })

/** What a lock says became of a command. Nothing, if it is not the one that is waited for. */
export interface KeyAnswer {
  readonly commandId: string
  readonly outcome: "done" | "failed" | "expired"
  readonly at: number
}

export const withAnswer = (hardware: Hardware, { commandId, outcome, at }: KeyAnswer): Hardware => {
  const answered = hardware.find(({ sent }) => sent?.commandId === commandId)
  if (answered === undefined) return hardware
  const { sent, failures, attention: _, ...entry } = answered
  const isDone = outcome === "done"
  // What it did before somebody asked to begin again, it may have lost since: it is told anew.
  if (isDone && sent?.outlived) return change(hardware, entry.uuid, () => entry)
  if (isDone && sent?.type === "RemoveKey") return hardware.filter((other) => other !== answered)
  return change(hardware, entry.uuid, () => {
    // What it says again of what it had lost, its list must show.
    if (isDone) return { ...entry, ...(entry.lost && given({ failures })), confirmed: true as const }
    // Nobody had promised that it is written: only who asked for it can ask again.
    if (outcome === "expired" && sent?.type === "WriteKey") return { ...entry, ...given({ failures }) }
    // It may have failed after it had done something; what has expired has not begun.
    const { confirmed, ...unconfirmed } = entry
    const counted = { ...unconfirmed, failures: { count: (failures?.count ?? 0) + 1, at } }
    return outcome === "expired" ? { ...counted, ...given({ confirmed }) } : counted
  })
}

/**
 * Somebody asks to begin again: nothing counts as known, and everything, or this one key, is brought to what is wanted. What
 * nobody had asked for stays unless it is named.
 */
export const beginningAgain = (hardware: Hardware, only?: string): Hardware =>
  hardware.map((key) => {
    if (only === undefined ? isLeftAlone(key) : key.uuid !== only) return key
    const { confirmed: _, failures: __, lost: ___, attention, sent, ...entry } = key
    // What has stayed unanswered is sent again.
    const awaited = attention === "silent" || sent === undefined ? {} : { sent: { ...sent, outlived: true as const } }
    return { ...entry, ...awaited, reconciled: true as const }
  })

/** Whether nobody had asked for the key, nor yet for its removal. */
export const isLeftAlone = ({ foreign, reconciled }: HardwareKey): boolean =>
  foreign === true && reconciled === undefined

/** The lock is retired: what nobody had asked for is to go as well. */
export const withoutForeign = (hardware: Hardware): Hardware =>
  hardware.map((key) => (isLeftAlone(key) ? { ...key, reconciled: true } : key))

/** The keys that a lock says it holds. It was sent nothing about keys that it had not answered when it said so. */
export interface ListedKeys {
  readonly keys: ReadonlyArray<Named>
  /** They are not all that it holds. */
  readonly more: boolean
  readonly at: number
}

/** Keys that nobody had asked for and that are remembered, at most. */
const MOST_FOREIGN = 64

/**
 * What is known after a list: a key that is wanted and listed is confirmed; one that was confirmed, and is not there, is lost
 * and written again; one that is not wanted any more, and is not there, is gone; and what nobody wanted is foreign. Of a key
 * whose command is still waited for the answer tells. The same hardware, if it says nothing new.
 */
export const withList = (hardware: Hardware, { keys, more, at }: ListedKeys): Hardware => {
  const listed = new Map(keys.map((key) => [key.uuid, key]))
  const known = hardware.flatMap((key) => {
    const there = listed.get(key.uuid)
    if (key.sent !== undefined) return [key]
    if (there !== undefined) return [key.exposedSince === undefined ? found(key, there, at) : stillThere(key, there)]
    if (more) return [key]
    return key.exposedSince === undefined ? [lostNow(key, at)] : []
  })
  const room = Math.max(0, MOST_FOREIGN - known.filter(({ foreign }) => foreign).length)
  const foreign = keys
    .filter(({ uuid }) => !hardware.some((key) => key.uuid === uuid))
    .slice(0, room)
    .map((key): HardwareKey => ({ ...entryOf(key, undefined), confirmed: true, foreign: true, exposedSince: at }))
  const isSame = foreign.length === 0 && known.length === hardware.length
  return isSame && known.every((key, index) => key === hardware[index]) ? hardware : [...known, ...foreign]
}

const found = (key: HardwareKey, there: Named, at: number): HardwareKey => {
  if (isElsewhere(key, there)) return lostNow(key, at)
  if (key.confirmed === true && key.lost === undefined) return key
  const { failures: _, attention: __, lost: ___, ...entry } = key
  return { ...entry, confirmed: true }
}

const stillThere = (key: HardwareKey, there: Named): HardwareKey =>
  key.confirmed === true && !isElsewhere(key, there)
    ? key
    : { ...key, ...given({ indexNumber: there.indexNumber ?? key.indexNumber }), confirmed: true }

/** Whether the lock says that a key is in another slot than it should be. */
export const isElsewhere = ({ indexNumber }: Omit<Named, "uuid">, there: Omit<Named, "uuid">): boolean =>
  indexNumber !== undefined && there.indexNumber !== undefined && indexNumber !== there.indexNumber

/**
 * What was never known to be there is not lost, and is left alone until somebody asks for it. What is lost again, and was in no
 * list meanwhile, counts as failed, whatever the lock answered.
 */
const lostNow = (key: HardwareKey, at: number): HardwareKey => {
  const { confirmed, ...entry } = key
  if (confirmed !== true) return key
  const failures = key.lost && { count: (key.failures?.count ?? 0) + 1, at }
  return { ...entry, reconciled: true, lost: true, ...given({ failures }) }
}

export const withAttention = (hardware: Hardware, uuid: string, attention: AttentionReason): Hardware =>
  change(hardware, uuid, (entry) => ({ ...entry, attention }))

const change = (hardware: Hardware, uuid: string, to: (entry: HardwareKey) => HardwareKey): Hardware =>
  hardware.map((entry) => (entry.uuid === uuid ? to(entry) : entry))

/**
 * Whether the lock has said what is wanted of the key, and nothing since that it has not answered: until then its lists are of
 * before. Of one that is not wanted, there is nothing left then.
 */
const agrees = ({ confirmed, exposedSince, sent }: HardwareKey): boolean =>
  confirmed === true && exposedSince === undefined && sent === undefined

/** Whether there is something to do about the key, now or when the lock has answered. */
export const isOpen = (key: HardwareKey): boolean =>
  key.reconciled === true && key.attention === undefined && !agrees(key)

/** Whether the lock will be told of something once what it was told is answered and there is room, unless that changes. */
export const isGoingOn = (hardware: Hardware): boolean =>
  hardware.some((key) => isOpen(key) && !isHeldUp(hardware, key))

/** Whether it is to come into a slot in which the hardware may hold another key. */
const isHeldUp = (hardware: Hardware, { exposedSince, indexNumber, uuid }: HardwareKey): boolean =>
  exposedSince === undefined && holderOf(hardware, indexNumber, uuid) !== undefined

/** When a command about a key may be sent; `undefined` while one is under way, or where nothing is to be done. */
const dueAt = (key: HardwareKey): number | undefined => {
  if (!isOpen(key)) return undefined
  if (key.sent !== undefined) return key.sent.type === "WriteKey" ? key.sent.at + WRITE_AWAITED_FOR : undefined
  if (key.failures === undefined) return 0
  const { count, at } = key.failures
  return count >= MOST_FAILURES ? undefined : at + (RETRY_AFTER[count - 1] ?? 0)
}

/** The key that the hardware may hold in a slot, beside the one that is to come there. */
export const holderOf = (hardware: Hardware, slot: number | undefined, uuid: string): HardwareKey | undefined =>
  slot === undefined ? undefined : hardware.find((key) => key.indexNumber === slot && key.uuid !== uuid)

/** What is to be sent about a key. */
export interface Due extends Named {
  readonly type: "AddKey" | "RemoveKey"
}

/** The next command that is wanted at an instant (epoch milliseconds): removals come first. */
export const nextDue = (hardware: Hardware, at: number): Due | undefined => {
  const due = hardware.filter((key) => (dueAt(key) ?? Number.POSITIVE_INFINITY) <= at)
  if (due.length === 0) return undefined
  const underWay = (isRemoval: boolean) =>
    hardware.filter(({ sent }) => sent !== undefined && (sent.type === "RemoveKey") === isRemoval).length
  const removal = due.find(({ exposedSince }) => exposedSince !== undefined)
  if (removal !== undefined && underWay(true) < MOST_REMOVALS) return dueOf(removal, "RemoveKey")
  const addition = due.find((key) => key.exposedSince === undefined && !isHeldUp(hardware, key))
  return addition !== undefined && underWay(false) < MOST_ADDITIONS ? dueOf(addition, "AddKey") : undefined
}

const dueOf = ({ uuid, indexNumber }: HardwareKey, type: Due["type"]): Due => ({
  type,
  uuid,
  ...given({ indexNumber })
})

/** The keys of which it is time, at an instant, that a person looks at them. */
export const needingAttention = (
  hardware: Hardware,
  at: number
): ReadonlyArray<{ readonly key: HardwareKey; readonly reason: AttentionReason }> =>
  hardware.flatMap((key) => {
    const reason = isOpen(key) ? reasonAt(key, at) : undefined
    return reason === undefined ? [] : [{ key, reason }]
  })

const reasonAt = ({ failures, sent }: HardwareKey, at: number): AttentionReason | undefined => {
  if ((failures?.count ?? 0) >= MOST_FAILURES) return "failed"
  return sent !== undefined && sent.at + SILENT_AFTER <= at ? "silent" : undefined
}

/**
 * When there is something to do next, epoch milliseconds, if the lock says nothing until then; `undefined`: nothing is to
 * be done.
 */
export const nextLook = (hardware: Hardware): number | undefined => {
  const times = hardware.flatMap((key) => {
    if (!isOpen(key)) return []
    if ((key.failures?.count ?? 0) >= MOST_FAILURES) return [0]
    if (key.sent === undefined && isHeldUp(hardware, key)) return []
    return [dueAt(key) ?? (key.sent?.at ?? 0) + SILENT_AFTER]
  })
  return times.length === 0 ? undefined : Math.min(...times)
}

/**
 * How far the hardware is, of a key, in a word: it holds the key (`confirmed`), was told and has not answered (`sent`),
 * will be told (`waiting`), will be told again after a failure (`failed`), is told nothing until a person has looked
 * (`attention`), or nobody knows and nobody has asked (`unknown`).
 */
export const HardwareStatus = Schema.Literals(["confirmed", "sent", "waiting", "failed", "attention", "unknown"])
export type HardwareStatus = typeof HardwareStatus.Type

/**
 * @example
 * ```ts
 * hardwareStatus({ uuid: "key-1", confirmed: true }) // "confirmed"
 * ```
 */
export const hardwareStatus = (key: HardwareKey): HardwareStatus => {
  if (key.attention !== undefined) return "attention"
  if (agrees(key)) return "confirmed"
  if (key.sent !== undefined) return "sent"
  if (key.reconciled !== true) return "unknown"
  return key.failures === undefined ? "waiting" : "failed"
}
