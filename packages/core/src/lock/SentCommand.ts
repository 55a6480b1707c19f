/**
 * What became of the commands that the shadow accepted. "Requested", "accepted by the shadow" and "done by the lock" are
 * three facts, each with its time. Pure.
 */
import { Schema } from "effect"
import { type DeviceCommandType, OPEN_EXPIRES_AFTER, WRITE_EXPIRES_AFTER } from "../device/DeviceCommand.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { instantOf, millisOf } from "../values/Text.ts"
import type { LockEvent } from "./LockEvent.ts"

/** A command that the shadow accepted. Instants are epoch milliseconds. */
export const SentCommand = Schema.Struct({
  commandId: Schema.String,
  type: Schema.Literals(["AddKey", "RemoveKey", "WriteKey", "OpenLock"]),
  /** The thing it was sent to: nobody else can say what became of it. */
  thing: Schema.String,
  requestedAt: Schema.Int,
  /** When it was certain that the shadow holds the command. */
  acceptedAt: Schema.Int,
  /** From then on no device runs it; without one it waits for ever. */
  expiresAt: Schema.optionalKey(Schema.Int)
})
export type SentCommand = typeof SentCommand.Type

/** How a command ended: `expired` is one that the device saw too late to run it. */
export const CommandOutcome = Schema.Literals(["done", "failed", "expired"])
export type CommandOutcome = typeof CommandOutcome.Type

/** A command whose device has answered. */
export const AnsweredCommand = Schema.Struct({
  ...SentCommand.fields,
  outcome: CommandOutcome,
  /** When it ended, by the device's own clock. */
  reportedAt: Schema.Int,
  detail: Schema.optionalKey(Schema.String)
})
export type AnsweredCommand = typeof AnsweredCommand.Type

/** Outcomes that the state of a lock remembers; the log has them all. */
export const RECENT_OUTCOMES = 10
/** Unanswered commands that the state of a lock remembers: more than a shadow has room for. */
export const MOST_PENDING = 100
/** As many of them may have expired: a device may still say what it did in time. */
export const MOST_LATE = 10

const carriedOut: { readonly [eventType: string]: { readonly type: DeviceCommandType; readonly lives?: number } } = {
  KeyAdded: { type: "AddKey" },
  KeyRemoved: { type: "RemoveKey" },
  KeyWriteRequested: { type: "WriteKey", lives: WRITE_EXPIRES_AFTER },
  LockOpenRequested: { type: "OpenLock", lives: OPEN_EXPIRES_AFTER }
}

/** The command that an event of a lock tells of, when the shadow accepted one. */
export const sentWith = ({ type, data, commandId, acceptedAt }: StoredEvent): SentCommand | undefined => {
  const command = carriedOut[type]
  const { uuid: thing, timestamp } = data
  if (command === undefined || acceptedAt === undefined) return undefined
  if (typeof thing !== "string" || typeof timestamp !== "string") return undefined
  const requestedAt = millisOf(timestamp)
  const sent = { commandId, type: command.type, thing, requestedAt, acceptedAt }
  return command.lives === undefined ? sent : { ...sent, expiresAt: requestedAt + command.lives }
}

/** The unanswered commands with one more: of those that had expired before it was asked for, only the latest stay. */
export const withPending = (pending: ReadonlyArray<SentCommand>, sent: SentCommand): ReadonlyArray<SentCommand> => {
  const late = pending.filter(({ expiresAt }) => expiresAt !== undefined && expiresAt <= sent.requestedAt)
  const dropped = new Set(late.slice(0, -MOST_LATE))
  return [...pending.filter((command) => !dropped.has(command)), sent].slice(-MOST_PENDING)
}

/** What an event says of an answered command; `uuid` is the device that answered. */
type Outcome = Omit<Extract<LockEvent, { readonly _tag: "CommandOutcomeReported" }>, "_tag" | "lockId" | "timestamp">

export const outcomeOf = (answered: AnsweredCommand): Outcome => {
  const { commandId, type, thing, outcome, requestedAt, acceptedAt, expiresAt, reportedAt, detail } = answered
  return {
    uuid: thing,
    commandId,
    commandType: type,
    outcome,
    requestedAt: instantOf(requestedAt),
    acceptedAt: instantOf(acceptedAt),
    reportedAt: instantOf(reportedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: instantOf(expiresAt) }),
    ...(detail === undefined ? {} : { detail })
  }
}

export const answeredIn = (said: Outcome): AnsweredCommand => {
  const { uuid, commandId, commandType, outcome, requestedAt, acceptedAt, expiresAt, reportedAt, detail } = said
  return {
    commandId,
    type: commandType,
    thing: uuid,
    requestedAt: millisOf(requestedAt),
    acceptedAt: millisOf(acceptedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: millisOf(expiresAt) }),
    outcome,
    reportedAt: millisOf(reportedAt),
    ...(detail === undefined ? {} : { detail })
  }
}
