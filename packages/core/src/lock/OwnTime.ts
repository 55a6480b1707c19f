/**
 * Each side sees its own time. When a lock changes hands, what happened until then is no business of the new side, but for
 * what concerns the hardware; and what happens from then on none of the former side. Pure.
 */
import type { StoredEvent } from "../streams/EventStore.ts"
import { nameOf, type Principal } from "../values/Principal.ts"
import { millisOf } from "../values/Text.ts"
import { concernsHardware, movesBolt } from "./EventRows.ts"
import type { Lock } from "./Lock.ts"
import type { Period, Times } from "./Period.ts"
import type { SentCommand } from "./SentCommand.ts"

/** What somebody sees of an event: all of it, what concerns the hardware and no person, or that there is none. */
export type View = "all" | "hardware" | "nothing"

/** An event as far as it decides who sees it. */
export type Seen = Pick<StoredEvent, "version" | "type" | "data" | "principal">

/**
 * What a principal sees of an event of a lock.
 *
 * @example
 * ```ts
 * const view = viewOf({ _tag: "User", userId: "ben" }, lock, stored)
 * ```
 */
export const viewOf = (principal: Principal, times: Times, event: Seen): View => {
  const { version } = event
  if (isOwnTime(principal, times, version)) return isOwnOutcome(principal, times, event) ? "all" : "nothing"
  const { periods, isOwn } = sideOf(principal, times)
  const index = lastWhere(periods, ({ from }) => from <= version)
  // What ends somebody's time: they see that it did and, unless it was their own deed, neither who did it nor for whom.
  if (periods[index]?.from === version && isOwn(periods[index - 1]))
    return nameOf(event.principal) === nameOf(principal) ? "all" : "hardware"
  return isOwn(periods.at(-1)) && concernsHardware(event) ? "hardware" : "nothing"
}

/** Whether the lock was the principal's at this version. To the operator, and to Latchkey itself, it always is. */
export const isOwnTime = (principal: Principal, times: Times, version: number): boolean =>
  isOwnWhere(principal, times, ({ from }) => from <= version)

/** The same of an instant, epoch milliseconds. */
export const isOwnInstant = (principal: Principal, times: Times, at: number): boolean =>
  isOwnWhere(principal, times, ({ since }) => since <= at)

/** Whether somebody may know of a command and of its outcome: of an opening, if they had the lock when it was requested. */
export const isOwnCommand = (
  principal: Principal,
  times: Times,
  { type, requestedAt }: Pick<SentCommand, "type" | "requestedAt">
): boolean => !movesBolt(type) || isOwnInstant(principal, times, requestedAt)

/** Whether the lock is the principal's, or once was. */
export const wasEver = (principal: Principal, times: Times): boolean => {
  const { periods, isOwn } = sideOf(principal, times)
  return isOperator(principal) || periods.some(isOwn)
}

/**
 * Outside of which versions the principal sees nothing: whose the lock is, may see something from its beginning on; others
 * from their first period on, up to the event that ended their last.
 */
export const edgesFor = (
  principal: Principal,
  { version, ...times }: Times & { readonly version: number }
): { readonly low: number; readonly high: number } => {
  const { periods, isOwn } = sideOf(principal, times)
  if (isOperator(principal) || isOwn(periods.at(-1))) return { low: 0, high: version }
  const first = periods.find(isOwn)
  const last = periods.findLastIndex(isOwn)
  return first === undefined ? { low: 0, high: 0 } : { low: first.from - 1, high: periods[last + 1]?.from ?? version }
}

/**
 * The lock as it is shown to whose it is now: who lived there in the time of others has no name and no address, and when
 * the door was opened then is not told.
 */
export const shownTo = (principal: Principal, lock: Lock): Lock => {
  const { residents, pendingCommands, recentOutcomes } = lock
  const isTold = (command: SentCommand) => isOwnCommand(principal, lock, command)
  return {
    ...lock,
    residents: residents.map((resident) =>
      isOwnTime(principal, lock, resident.addedVersion)
        ? resident
        : { userId: resident.userId, name: "", addedVersion: resident.addedVersion }
    ),
    pendingCommands: pendingCommands.filter(isTold),
    recentOutcomes: recentOutcomes.filter(isTold)
  }
}

/** However late the lock reports it. */
const isOwnOutcome = (principal: Principal, times: Times, { type, data }: Seen): boolean =>
  type !== "CommandOutcomeReported" ||
  isOwnCommand(principal, times, {
    type: data["commandType"] as SentCommand["type"],
    requestedAt: millisOf(String(data["requestedAt"]))
  })

const isOperator = ({ _tag }: Principal): boolean => _tag === "Super" || _tag === "System"

const isOwnWhere = (principal: Principal, times: Times, isBegun: (period: Period) => boolean): boolean => {
  const { periods, isOwn } = sideOf(principal, times)
  return isOperator(principal) || isOwn(periods[lastWhere(periods, isBegun)])
}

/** The side that the principal is on, and which of its periods are their own. The empty id is nobody's. */
const sideOf = (principal: Principal, { owners, organizations }: Times) => {
  const [periods, id] =
    principal._tag === "User"
      ? [owners, principal.userId]
      : principal._tag === "Organization"
        ? [organizations, principal.orgId]
        : [[], ""]
  return { periods, isOwn: (period: Period | undefined) => id !== "" && period?.id === id }
}

/** The place of the last period that is so, when all before it are; -1 when none is. */
const lastWhere = (periods: ReadonlyArray<Period>, isSo: (period: Period) => boolean): number => {
  let [below, above] = [-1, periods.length]
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2)
    const period = periods[middle]
    if (period !== undefined && isSo(period)) below = middle
    else above = middle
  }
  return below
}
