/**
 * What became of the commands that the shadow accepted. "Requested", "accepted by the shadow" and "done by the lock" are
 * three facts, each with its time. Pure.
 */
import { Schema, Struct } from "effect"
import { CommandOutcome, DeviceCommand } from "../device/DeviceCommand.ts"

/** A command that the shadow accepted. Instants are epoch milliseconds. */
export const SentCommand = Schema.Struct({
  commandId: Schema.String,
  type: Schema.Literals(Struct.keys(DeviceCommand.cases)),
  /** The thing it was sent to: nobody else can say what became of it. */
  thing: Schema.String,
  requestedAt: Schema.Int,
  /** When it was certain that the shadow holds the command. */
  acceptedAt: Schema.Int,
  /** From then on no device runs it; without one it waits forever. */
  expiresAt: Schema.optionalKey(Schema.Int),
  /** The id of the temp key that was used for it. */
  tempKeyId: Schema.optionalKey(Schema.String)
})
export type SentCommand = typeof SentCommand.Type

/** A command whose device has answered. */
export const AnsweredCommand = Schema.Struct({
  ...SentCommand.fields,
  outcome: CommandOutcome,
  /** When it ended, by the device's own clock. */
  reportedAt: Schema.Int,
  detail: Schema.optionalKey(Schema.String),
  /** `false`: the device has said that it never began. */
  began: Schema.optionalKey(Schema.Boolean)
})
export type AnsweredCommand = typeof AnsweredCommand.Type

/** Outcomes that the state of a lock remembers; the log has them all. */
export const RECENT_OUTCOMES = 10
/** Unanswered commands that the state of a lock remembers: more than a shadow has room for. */
export const MOST_PENDING = 100
/** As many of them may have expired: a device may still say what it did in time. */
export const MOST_LATE = 10

/** The unanswered commands with one more: of those that had expired before it was asked for, only the latest stay. */
export const withPending = (pending: ReadonlyArray<SentCommand>, sent: SentCommand): ReadonlyArray<SentCommand> => {
  const late = pending.filter(({ expiresAt }) => expiresAt !== undefined && expiresAt <= sent.requestedAt)
  const dropped = new Set(late.slice(0, -MOST_LATE))
  return [...pending.filter((command) => !dropped.has(command)), sent].slice(-MOST_PENDING)
}

/** What an event says of an answered command. Stored: add optional fields, never rename or remove one. */
export const ReportedOutcome = Schema.Struct({
  commandId: Schema.String,
  commandType: SentCommand.fields.type,
  outcome: CommandOutcome,
  requestedAt: Schema.String,
  acceptedAt: Schema.String,
  /** By the device's own clock. */
  reportedAt: Schema.String,
  expiresAt: Schema.optionalKey(Schema.String),
  detail: Schema.optionalKey(Schema.String),
  /** `false`: the device has said that it never began. */
  began: Schema.optionalKey(Schema.Boolean)
})
