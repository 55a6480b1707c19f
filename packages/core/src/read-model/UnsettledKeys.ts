/**
 * The keys of a lock that somebody may have to look at: those for which its hardware may still open though they were
 * removed, those that it holds though nobody had asked for them, and those that it has failed to take or to remove. What
 * `lock/Hardware.ts` says of all keys, of these alone, so that a row can hold it. Pure.
 */
import type { EventOf } from "../lock/Decision.ts"
import { sentWith } from "../lock/DeviceEvents.ts"
import { type AttentionReason, isElsewhere, isKeyCommand } from "../lock/Hardware.ts"
import type { LockEvent } from "../lock/LockEvent.ts"
import { canonical } from "../lock/TempKey.ts"
import { given } from "../values/given.ts"
import { millisOf } from "../values/Text.ts"
import type { LockFact } from "./LockFact.ts"

/** Instants are epoch milliseconds. */
export interface UnsettledKey {
  readonly uuid: string
  readonly indexNumber?: number
  /** Since when it is not wanted any more; without it, it is. */
  readonly exposedSince?: number
  /** Nobody had asked for it, nor yet for its removal. There are few of them: all are named. */
  readonly foreign?: true
  readonly attention?: { readonly reason: AttentionReason; readonly since: number }
  /** The newest command about it, while the lock has not answered that. */
  readonly sent?: string
  /** Somebody has asked since to begin again. */
  readonly outlived?: true
}

export interface UnsettledKeys {
  readonly keys: ReadonlyArray<UnsettledKey>
  /** So many more were removed, since then: there is no room for their names until the lock is told of them. */
  readonly more: { readonly count: number; readonly since: number } | null
}

export const nothingUnsettled: UnsettledKeys = { keys: [], more: null }

/** Keys that are named: with longer uuids, some kilobytes. */
const MOST = 100
const LONGEST = 64

/** The keys after an event of their lock; `isLost`: it has no hardware. */
export const unsettledAfter = (before: UnsettledKeys, { stored, event }: LockFact, isLost: boolean): UnsettledKeys => {
  if (event === undefined) return before
  const after = changed(before, event, stored.at, isLost)
  const uuid = "keyUuid" in event ? event.keyUuid : undefined
  const sent = sentWith(stored)
  return uuid === undefined || sent === undefined || !isKeyCommand(sent.type)
    ? after
    : withSent(after, uuid, sent.commandId, sent.type === "RemoveKey")
}

const changed = (before: UnsettledKeys, event: LockEvent, at: number, isLost: boolean): UnsettledKeys => {
  switch (event._tag) {
    case "KeyAdded":
      return without(before, event.keyUuid)
    case "KeyRemoved": {
      if (isLost) return before
      const { indexNumber = event.keyIndexNumber, exposedSince = at } = named(before, event.keyUuid) ?? {}
      return withKey(before, { uuid: event.keyUuid, ...given({ indexNumber }), exposedSince })
    }
    case "KeyNeedsAttention": {
      const { keyUuid: uuid, keyIndexNumber: indexNumber, reason } = event
      const key = { ...named(before, uuid), uuid, ...given({ indexNumber }) }
      return withKey(before, { ...key, attention: { reason, since: at } })
    }
    case "KeyWriteRequested": {
      const { keyUuid, keyIndexNumber: indexNumber } = event
      return settling(before, (key) => (key.uuid === keyUuid ? { ...key, ...given({ indexNumber }) } : key))
    }
    case "KeysReported":
      return withList(before, event)
    case "KeysSyncRequested":
      return settling(before, (before) => {
        if (event.keyUuid === undefined ? before.foreign === true : event.keyUuid !== before.uuid) return before
        const { attention, sent, foreign: _, outlived: __, ...key } = before
        return { ...key, ...(attention?.reason === "silent" || sent === undefined ? {} : { sent, outlived: true }) }
      })
    case "CommandOutcomeReported":
      return settling(before, (before) => {
        const { attention: _, sent, outlived, ...key } = before
        if (sent !== event.commandId) return before
        return event.outcome === "done" && outlived === undefined ? { uuid: key.uuid } : key
      })
    case "LockUuidChanged":
    case "ClaimMoved":
      return !isLost && canonical(event.newUuid) === canonical(event.previousUuid) ? before : nothingUnsettled
    case "ClaimLost":
      return nothingUnsettled
    default:
      return before
  }
}

/** As `withList` of the hardware has it. Which keys are exposed, among them those that are not named, the event tells. */
const withList = (before: UnsettledKeys, { keys, more, exposed = [], timestamp }: EventOf<"KeysReported">) => {
  const listed = new Map(keys.map((key) => [key.keyUuid, given({ indexNumber: key.keyIndexNumber })]))
  const isComplete = more === undefined
  const isOver = ({ uuid, exposedSince, sent }: UnsettledKey) =>
    isComplete && exposedSince !== undefined && sent === undefined && !listed.has(uuid)
  const left = settling({ ...before, keys: before.keys.filter((key) => !isOver(key)) }, (key) => {
    const there = listed.get(key.uuid)
    if (there === undefined || key.sent !== undefined) return key
    if (key.exposedSince !== undefined) return { ...key, ...there }
    return isElsewhere(key, there) ? key : { uuid: key.uuid }
  })
  // Of a list that is not complete those are new that are exposed since then; others have been counted.
  return exposed
    .filter(({ keyUuid, since }) => named(left, keyUuid) === undefined && (isComplete || since === timestamp))
    .reduce(
      (all, { keyUuid: uuid, since, foreign }) =>
        withKey(all, { uuid, ...listed.get(uuid), exposedSince: millisOf(since), ...given({ foreign }) }),
      isComplete ? { ...left, more: null } : left
    )
}

/** What an outcome may be about, and what makes an answer to it count. */
const withSent = (keys: UnsettledKeys, uuid: string, sent: string, isRemoval: boolean): UnsettledKeys => {
  const key = named(keys, uuid)
  if (isRemoval && key?.exposedSince === undefined) {
    // It is one of those that were not named.
    if (keys.more === null) return keys
    const { count, since } = keys.more
    const rest = { ...keys, more: count > 1 ? { count: count - 1, since } : null }
    return withKey(rest, { uuid, exposedSince: since, sent })
  }
  if (!isRemoval && key?.exposedSince !== undefined) return keys
  const { outlived: _, ...rest } = key ?? { uuid }
  return withKey(keys, { ...rest, sent })
}

const named = ({ keys }: UnsettledKeys, uuid: string): UnsettledKey | undefined => keys.find((key) => key.uuid === uuid)

const without = (before: UnsettledKeys, uuid: string): UnsettledKeys =>
  named(before, uuid) === undefined ? before : { ...before, keys: before.keys.filter((key) => key.uuid !== uuid) }

/** Nothing is left of a key of which there is nothing to say. */
const settling = (before: UnsettledKeys, change: (key: UnsettledKey) => UnsettledKey): UnsettledKeys =>
  before.keys.length === 0
    ? before
    : {
        ...before,
        keys: before.keys
          .map(change)
          .filter((key) => key.exposedSince !== undefined || key.attention !== undefined || key.sent !== undefined)
      }

const withKey = (before: UnsettledKeys, key: UnsettledKey): UnsettledKeys => {
  const rest = without(before, key.uuid)
  const isRemoved = key.exposedSince !== undefined && key.foreign === undefined
  const isWaiting = isRemoved && key.sent === undefined && key.attention === undefined
  if (!isWaiting || (rest.keys.length < MOST && key.uuid.length <= LONGEST))
    return { ...rest, keys: [...rest.keys, key] }
  const { count = 0, since = key.exposedSince } = rest.more ?? {}
  return { ...rest, more: { count: count + 1, since: Math.min(since, key.exposedSince) } }
}
