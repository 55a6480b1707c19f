/**
 * What the hardware is told. A shadow is state, not a queue, and is re-sent whole after any later change; so a command
 * is data with an identity and an end, kept under `desired.commands.<commandId>` until it is acknowledged.
 */
import { Schema } from "effect"

const stamp = {
  commandId: Schema.String,
  /** Which attempt at the command this is, when it is not the first: earlier ones never reached the shadow. */
  attempt: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(1))),
  /** The stream version of the event that the command carries out; devices run commands in this order. */
  seq: Schema.Int,
  /** Epoch milliseconds. */
  issuedAt: Schema.Int
}

/** Key changes never expire; opening, locking and writing do: a lock that reconnects next week opens nothing. */
export const DeviceCommand = Schema.TaggedUnion({
  AddKey: { ...stamp, keyUuid: Schema.String, keyIndexNumber: Schema.optionalKey(Schema.Int) },
  RemoveKey: { ...stamp, keyUuid: Schema.String, keyIndexNumber: Schema.optionalKey(Schema.Int) },
  WriteKey: {
    ...stamp,
    expiresAt: Schema.Int,
    keyUuid: Schema.String,
    keyIndexNumber: Schema.optionalKey(Schema.Int)
  },
  /** `byGuest` is for the room that the command may have; the device is not told. */
  OpenLock: { ...stamp, expiresAt: Schema.Int, byGuest: Schema.optionalKey(Schema.Literal(true)) },
  /** Moves the bolt out: the opposite of `OpenLock`. */
  LockDevice: { ...stamp, expiresAt: Schema.Int }
})
export type DeviceCommand = typeof DeviceCommand.Type

export type DeviceCommandType = DeviceCommand["_tag"]

/** How a command ended: `expired` is one that the device saw too late to run it. */
export const CommandOutcome = Schema.Literals(["done", "failed", "expired"])
export type CommandOutcome = typeof CommandOutcome.Type

/** How long a device may still open, or lock, after it was asked to, in milliseconds. */
export const OPEN_EXPIRES_AFTER = 10_000
/** How long a device may still write a key after it was asked to, in milliseconds. */
export const WRITE_EXPIRES_AFTER = 60_000
/** How long a device may carry a command out after it was asked for, in milliseconds; without a limit, as long as it takes. */
export const LIFETIMES: { readonly [Type in DeviceCommandType]: number | undefined } = {
  AddKey: undefined,
  RemoveKey: undefined,
  WriteKey: WRITE_EXPIRES_AFTER,
  OpenLock: OPEN_EXPIRES_AFTER,
  LockDevice: OPEN_EXPIRES_AFTER
}
/** Most bytes that `desired` and `reported` of a shadow may hold together, as AWS limits it. */
export const SHADOW_LIMIT = 8192

/**
 * Which part of the room that a device leaves in its shadow all commands may fill, once this one is among them: openings
 * by guests leave room for what users and organizations ask, and these leave room for the removal of keys.
 */
const shareOf = (command: DeviceCommand): number => {
  switch (command._tag) {
    case "RemoveKey":
      return 1
    case "OpenLock":
      return command.byGuest === true ? 1 / 2 : 3 / 4
    default:
      return 3 / 4
  }
}

/** Whether a shadow that would hold this has room for the command in it. */
export const hasRoom = (
  command: DeviceCommand,
  { desired, reported }: { readonly desired?: Schema.JsonObject; readonly reported?: Schema.JsonObject | undefined }
): boolean => sizeOf(desired) <= shareOf(command) * (SHADOW_LIMIT - sizeOf(reported))

const sizeOf = (section: Schema.JsonObject | undefined): number =>
  section === undefined ? 0 : utf8Length(JSON.stringify(section))

const utf8Length = (text: string): number => encodeURI(text).replace(/%../g, ".").length

/** A command as the shadow document holds it, under its id. */
export type CommandDocument = Schema.JsonObject & { readonly type: string; readonly seq: number }

/** Takes the identity out: it is the key under which the document is kept. */
export const toDocument = (command: DeviceCommand): CommandDocument => {
  const { _tag, commandId: _, byGuest: __, ...rest } = { byGuest: undefined, ...command }
  return { type: _tag, ...rest }
}

/**
 * The change to `desired.commands` that adds a command, and drops those that have expired by `now` (epoch
 * milliseconds): no device runs them any more.
 */
export const addCommand = (
  pending: { readonly [commandId: string]: unknown },
  command: DeviceCommand,
  now: number
): { readonly [commandId: string]: CommandDocument | null } => {
  const change: { [commandId: string]: CommandDocument | null } = {}
  for (const [id, document] of Object.entries(pending)) {
    const expiresAt = (document as { readonly expiresAt?: unknown } | null)?.expiresAt
    if (typeof expiresAt === "number" && expiresAt <= now) change[id] = null
  }
  change[command.commandId] = toDocument(command)
  return change
}
