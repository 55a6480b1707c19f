/** What a command leads to, and what the decisions of all commands share. Pure. */
import { Result } from "effect"
import type { DeviceCommand } from "../device/DeviceCommand.ts"
import type { Counted } from "../streams/Reservations.ts"
import type { Principal } from "../values/Principal.ts"
import { instantOf } from "../values/Text.ts"
import type { Lock } from "./Lock.ts"
import type { LockCommand } from "./LockCommand.ts"
import { type CommandRow, commandTable } from "./LockCommands.ts"
import type { LockRefused } from "./LockError.ts"
import type { LockEvent } from "./LockEvent.ts"

/** What a command leads to. No events means "already so"; `device` must reach the hardware before the events count. */
export interface Decision {
  readonly events: ReadonlyArray<LockEvent>
  readonly device?: DeviceCommand
  /** What is written with the events to another stream. */
  readonly beside?: Counted
  /** Records of names that only one stream may ever have, and the refusal when another has it. */
  readonly names?: ReadonlyArray<{ readonly key: string; readonly taken: LockRefused }>
}

/** Nothing had to change. */
export const alreadySo: Decision = { events: [] }

/** One event, and what the device is told with it. */
export const accept = (event: LockEvent, device?: DeviceCommand): Result.Result<Decision, never> =>
  Result.succeed(device === undefined ? { events: [event] } : { events: [event], device })

/** The events of this type. */
export type EventOf<Tag extends LockEvent["_tag"]> = Extract<LockEvent, { readonly _tag: Tag }>

/** What every event says of its lock. */
export const headOf = (lock: Lock, command: LockCommand) => ({
  lockId: lock.lockId,
  uuid: lock.uuid,
  timestamp: instantOf(recordedAt(lock, command))
})

/** What every device command says of its own. */
export const stamp = (lock: Lock, command: LockCommand) => ({
  commandId: command.commandId,
  seq: lock.version + 1,
  issuedAt: command.at
})

/**
 * When the events of a command happened, epoch milliseconds: no earlier than what the lock knows already, though a
 * clock may have been set back. What is allowed is judged by the command's own time.
 */
export const recordedAt = (lock: Lock | undefined, { at }: Pick<LockCommand, "at">): number =>
  lock === undefined ? at : Math.max(at, lock.changedAt)

/** Events of commands that may pass a device command of which it is not known what became. */
const passing: ReadonlySet<string> = new Set(
  Object.values<CommandRow>(commandTable).flatMap(({ event, also = [], passes }) =>
    passes === true ? [event, ...also] : []
  )
)

/**
 * Whether events may be appended before a device command that was decided before them, and of which it is not known what
 * became: they change neither its permission nor its outcome. The removal of a key never waits: what the key may have opened
 * before is told as it was asked for, and asked for it was before.
 */
export const mayPass = (events: ReadonlyArray<LockEvent>): boolean =>
  events.every(({ _tag }) => passing.has(_tag) || _tag === "KeyRemoved")

/**
 * Whether events keep their meaning whatever is appended before them that may pass. Those that may pass do not: what
 * passes them may be of their own kind, and uses count.
 */
export const mayBePassed = (events: ReadonlyArray<LockEvent>): boolean => events.every(({ _tag }) => !passing.has(_tag))

/**
 * Who a command is put down to on the wire: the user if there is one, else the organization; `*` is the operator. It is a
 * name to show and proves nothing, since a user may be called `*` or as an organization is: rights rest on principals.
 */
export const actorOf = (principal: Principal): string => {
  switch (principal._tag) {
    case "User":
      return principal.userId
    case "Organization":
      return principal.userId ?? principal.orgId
    case "Super":
      return principal.userId ?? "*"
    case "Guest":
      return "guest"
    case "System":
      return "system"
  }
}
