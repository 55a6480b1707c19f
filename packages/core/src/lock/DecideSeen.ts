/** What follows from what the thing of a lock says of itself and its door. Pure. */
import type { Opening, ReportedState } from "../device/ReportedState.ts"
import { given } from "../values/given.ts"
import { instantOf } from "../values/Text.ts"
import { alreadySo, type Decision, type EventOf, headOf, recordedAt } from "./Decision.ts"
import { isLeftAlone, isOpen, withList } from "./Hardware.ts"
import type { HeldKey, Lock } from "./Lock.ts"
import type { CommandOf } from "./LockCommand.ts"
import type { LockEvent } from "./LockEvent.ts"
import {
  ALARMS_AN_HOUR,
  alarmsOf,
  countedIn,
  isNews,
  lastOf,
  nothingSeen,
  OPENINGS_AN_HOUR,
  type Seen,
  STATES_AN_HOUR,
  stateAfter
} from "./Seen.ts"

/** An older Latchkey can do without these events. */
const ignorable = { ignorable: true } as const

/** Whose word does not count: what a lock had before, or has no more. */
const isAnothers = (lock: Lock, thing: string): boolean =>
  lock.uuid !== thing || lock.lost !== undefined || lock.retired !== undefined

/** The state, if it says something new, and what is wrong now that was not before. */
export const recordState = (lock: Lock, command: CommandOf<"RecordState">): Decision => {
  const { thing, seenAt } = command
  const before = lock.seen?.state
  if (isAnothers(lock, thing) || (before !== undefined && seenAt < before.seenAt)) return alreadySo
  const after = stateAfter(before, saidIn(command), seenAt)
  if (!isNews(before, after)) return alreadySo
  const alarms = alarmsOf(before, after)
  const { states } = countedIn(lock.seen ?? nothingSeen, recordedAt(lock, command))
  if (states >= (alarms.length > 0 ? STATES_AN_HOUR : STATES_AN_HOUR - ALARMS_AN_HOUR)) return alreadySo
  const head = headOf(lock, command)
  const { seenAt: _, ...state } = after
  return {
    events: [
      { _tag: "DeviceStateReported", ...head, ...state, seenAt: instantOf(seenAt), ...ignorable },
      ...alarms.map(
        (_tag): LockEvent =>
          _tag === "BatteryLow"
            ? { _tag, ...head, ...given({ battery: after.battery }), ...ignorable }
            : { _tag, ...head, ...ignorable }
      )
    ]
  }
}

const saidIn = ({
  bolt,
  door,
  battery,
  batteryLow,
  firmware,
  keySlots,
  clock
}: CommandOf<"RecordState">): ReportedState => given({ bolt, door, battery, batteryLow, firmware, keySlots, clock })

/**
 * The keys that it holds, if that is not what was known. A list counts that was made after the last command about keys which
 * the lock was sent: an older one is of before, and so is one that another lock's commands have led to. None counts between
 * a request to begin again and the first command after it: what is sent from before may still be carried out.
 */
export const recordKeys = (lock: Lock, command: CommandOf<"RecordKeys">): Decision => {
  const { thing, after, list, more, seenAt } = command
  const isOthers = lock.uuid !== thing || lock.lost !== undefined || lock.retired === "freed"
  const isOld = after !== lock.lastKeyCommand || seenAt < (lock.seen?.keysAt ?? seenAt)
  if (isOthers || isOld) return alreadySo
  const at = recordedAt(lock, command)
  const keys = list.map(({ keyUuid: uuid, keyIndexNumber }) => ({ uuid, ...given({ indexNumber: keyIndexNumber }) }))
  const hardware = withList(lock.hardware, { keys, more: more === true, at })
  const saysMore = hardware !== lock.hardware || (lock.mayHoldOthers === true && more === undefined)
  const { states } = countedIn(lock.seen ?? nothingSeen, at)
  if (!saysMore || states >= STATES_AN_HOUR - ALARMS_AN_HOUR) return alreadySo
  const reconciled = lock.retired !== undefined || hardware.some(isOpen)
  const listed = new Set(keys.map(({ uuid }) => uuid))
  const exposed = hardware.flatMap((key) => {
    const { uuid: keyUuid, exposedSince } = key
    if (exposedSince === undefined || !listed.has(keyUuid)) return []
    return [{ keyUuid, since: instantOf(exposedSince), ...(isLeftAlone(key) && { foreign: true as const }) }]
  })
  return {
    events: [
      {
        _tag: "KeysReported",
        ...headOf(lock, command),
        keys: list,
        ...given({ more }),
        seenAt: instantOf(seenAt),
        ...(exposed.length > 0 && { exposed }),
        ...(reconciled && { reconciled }),
        ...ignorable
      }
    ]
  }
}

/** The openings that are not in the log yet, and how many are missing between them. */
export const recordOpenings = (lock: Lock, command: CommandOf<"RecordOpenings">): Decision => {
  const { thing, dropped = 0 } = command
  if (isAnothers(lock, thing)) return alreadySo
  const seen = lock.seen ?? nothingSeen
  const left = OPENINGS_AN_HOUR - countedIn(seen, recordedAt(lock, command)).openings
  const opened: Array<EventOf<"OpenedAtDoor">> = []
  const list = command.list.toSorted((a, b) => a.n - b.n)
  let [last, missed] = [stoodAt(seen, command, list[0]), 0]
  for (const opening of list) {
    if (opening.n <= last || opened.length >= left) continue
    missed += opening.n - last - 1
    last = opening.n
    opened.push(openedAt(lock, command, opening))
  }
  const lost: ReadonlyArray<LockEvent> =
    missed > 0
      ? [{ _tag: "OpeningsMissed", ...headOf(lock, command), missed, ...(dropped > 0 && { dropped }), ...ignorable }]
      : []
  return { events: [...lost, ...opened] }
}

/**
 * How far a counter had come. The first counter that the thing shows at this lock may have begun elsewhere: what it counted
 * there it has told there, except for what it has dropped, which may have been here. Where it does not say how many that
 * are, all of them may have been.
 */
const stoodAt = (
  seen: Seen,
  { series, dropped, partial }: CommandOf<"RecordOpenings">,
  first: Opening | undefined
): number =>
  seen.series.length > 0 || first === undefined || dropped === undefined || partial === true
    ? lastOf(seen, series)
    : Math.max(0, first.n - 1 - dropped)

const openedAt = (lock: Lock, command: CommandOf<"RecordOpenings">, opening: Opening): EventOf<"OpenedAtDoor"> => {
  const { n, by, at } = opening
  const isOwn = !isRight(lock, at) || at >= beginningOf(lock)
  const key = isOwn ? keyOf(lock, opening) : {}
  return {
    _tag: "OpenedAtDoor",
    ...headOf(lock, command),
    by,
    ...key,
    count: n,
    ...given({ openedAt: at === undefined ? undefined : instantOf(at) }),
    series: command.series,
    ...ignorable
  }
}

/** Whether a time is worth something: a clock that was never set begins long ago. */
const isRight = ({ seen }: Lock, at: number | undefined): at is number =>
  at !== undefined && at >= PLAUSIBLE && seen?.state?.clockOffBy === undefined

/** Epoch milliseconds of 2020-01-01. */
const PLAUSIBLE = 1_577_836_800_000

/**
 * When the lock came into the hands that it is in, and got the thing that it has: who opened earlier is no business of theirs,
 * or opened another door.
 */
const beginningOf = ({ owners, organizations, thingSince }: Lock): number =>
  Math.max(
    ...[owners.at(-1)?.since, organizations.at(-1)?.since, thingSince].map((at) => at ?? Number.NEGATIVE_INFINITY)
  )

/** The key that the device names, or that is in the slot that it names, and who has it. */
const keyOf = ({ keys }: Lock, { by, keyUuid, keyIndexNumber }: Opening) => {
  if (by !== "key") return given({ keyUuid, keyIndexNumber })
  const key: HeldKey | undefined = keys.find(({ uuid, indexNumber }) =>
    keyUuid === undefined ? keyIndexNumber !== undefined && indexNumber === keyIndexNumber : uuid === keyUuid
  )
  return given({
    keyUuid: keyUuid ?? key?.uuid,
    keyIndexNumber: keyIndexNumber ?? key?.indexNumber,
    userId: key?.userId
  })
}
