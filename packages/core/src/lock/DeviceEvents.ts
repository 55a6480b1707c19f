/** What the events of a lock tell of the commands that its device was sent, and has answered. Pure. */
import { type DeviceCommandType, LIFETIMES } from "../device/DeviceCommand.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { instantOf, millisOf } from "../values/Text.ts"
import { type CommandRow, commandTable } from "./LockCommands.ts"
import type { LockEvent } from "./LockEvent.ts"
import type { AnsweredCommand, SentCommand } from "./SentCommand.ts"

/** The device command that comes with an event, by the event's type; with removals of keys it came in the first edition. */
const carriedOut: ReadonlyMap<string, DeviceCommandType> = new Map(
  Object.values<CommandRow>(commandTable).flatMap(({ event, device, later }) => {
    const type = device ?? later
    return event === undefined || type === undefined ? [] : [[event, type]]
  })
)

/** The command that an event of a lock tells of, when the shadow accepted one. */
export const sentWith = ({ type, data, commandId, acceptedAt }: StoredEvent): SentCommand | undefined => {
  const device = carriedOut.get(type)
  const { uuid: thing, timestamp, tempKeyId } = data
  if (device === undefined || acceptedAt === undefined) return undefined
  if (typeof thing !== "string" || typeof timestamp !== "string") return undefined
  const requestedAt = millisOf(timestamp)
  const used = typeof tempKeyId === "string" ? { tempKeyId } : {}
  const sent = { commandId, type: device, thing, requestedAt, acceptedAt, ...used }
  const lifetime = LIFETIMES[device]
  return lifetime === undefined ? sent : { ...sent, expiresAt: requestedAt + lifetime }
}

/** What an event says of an answered command; `uuid` is the device that answered. */
type Outcome = Omit<Extract<LockEvent, { readonly _tag: "CommandOutcomeReported" }>, "_tag" | "lockId" | "timestamp">

export const outcomeOf = (answered: AnsweredCommand): Outcome => {
  const { commandId, type, thing, outcome, requestedAt, acceptedAt, expiresAt, reportedAt, detail, began } = answered
  return {
    uuid: thing,
    commandId,
    commandType: type,
    outcome,
    requestedAt: instantOf(requestedAt),
    acceptedAt: instantOf(acceptedAt),
    reportedAt: instantOf(reportedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: instantOf(expiresAt) }),
    ...(detail === undefined ? {} : { detail }),
    ...(began === undefined ? {} : { began })
  }
}

/** The command that a device has answered, from the event that says so. */
export const answeredIn = (said: Outcome): AnsweredCommand => {
  const { uuid, commandId, commandType, outcome, requestedAt, acceptedAt, expiresAt, reportedAt, detail, began } = said
  return {
    commandId,
    type: commandType,
    thing: uuid,
    requestedAt: millisOf(requestedAt),
    acceptedAt: millisOf(acceptedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: millisOf(expiresAt) }),
    outcome,
    reportedAt: millisOf(reportedAt),
    ...(detail === undefined ? {} : { detail }),
    ...(began === undefined ? {} : { began })
  }
}
