/** Every decision in the log of a lock, judged again: it must follow from the state before it. */
import { isDeepStrictEqual } from "node:util"
import {
  type AnsweredCommand,
  answeredIn,
  decide,
  evolveStored,
  fromStored,
  type Giver,
  initial,
  type Lock,
  type LockCommand,
  type LockEvent,
  openedVia,
  permit,
  permitCreate,
  type StoredEvent,
  stands
} from "@latchkey/core"
import { Option, Result } from "effect"

/** What a violation of the rules is called, for people. */
export type Violation = string

/** What follows from nothing that was before: what a device says of itself and its door, and that the lock has another one. */
const UNJUDGED: ReadonlySet<string> = new Set<LockEvent["_tag"]>([
  "LockUuidChanged",
  "DeviceStateReported",
  "BatteryLow",
  "BoltJammed",
  "DoorForced",
  "DoorLeftOpen",
  "OpenedAtDoor",
  "OpeningsMissed",
  "KeysReported"
])

/** The lock at the end of its stream. */
export const rejudge = (
  lockId: number,
  stream: ReadonlyArray<StoredEvent>,
  giverOf: (credentialUuid: string, doorId: number) => Giver | undefined
): { readonly lock: Lock | undefined; readonly violations: ReadonlyArray<Violation> } => {
  const violations: Array<Violation> = []
  let lock: Lock | undefined = initial
  for (let next = 0; next < stream.length; ) {
    const first = stream[next]
    if (first === undefined) break
    const length = stream.slice(next).findIndex(({ commandId }) => commandId !== first.commandId)
    const stored = stream.slice(next, length < 0 ? stream.length : next + length)
    const about = `lock ${lockId} version ${first.version} (${stored.map(({ type }) => type).join(", ")})`
    const events = stored.flatMap((event) => Option.toArray(fromStored(event)))
    const command = commandOf(lockId, first, events, giverOf, stream.slice(0, next))
    if (UNJUDGED.has(first.type)) {
      // Whoever may, may always.
    } else if (command === undefined) violations.push(`${about}: nobody asks for these events`)
    else {
      const permitted = mayDo(lock, command)
      if (Result.isFailure(permitted)) violations.push(`${about}: ${permitted.failure.message}`)
      const decided = decide(lock, command)
      if (Result.isFailure(decided)) violations.push(`${about}: ${decided.failure.message}`)
      else if (!isDeepStrictEqual(decided.success.events.map(untimed), events.map(untimed)))
        violations.push(`${about}: ${JSON.stringify(decided.success.events)} instead of ${JSON.stringify(events)}`)
    }
    for (const event of stored) lock = evolveStored(lock, event)
    next += stored.length
  }
  return { lock, violations }
}

const mayDo = (lock: Lock | undefined, command: LockCommand) => {
  if (lock === undefined)
    return permitCreate(command.principal, command._tag === "CreateLock" ? command.ownerId : undefined, command.lockId)
  if (command._tag !== "OpenDoor") return permit(command.principal, lock, command._tag)
  return stands(command.giver, lock)
    ? Result.void
    : Result.fail({ message: "the giver of the door may no longer give it" })
}

const untimed = ({ timestamp: _, ...event }: LockEvent) => event

/** The command that leads to these events, and to no others. */
const commandOf = (
  lockId: number,
  { commandId, at, principal }: StoredEvent,
  [event, second]: ReadonlyArray<LockEvent>,
  giverOf: (credentialUuid: string, doorId: number) => Giver | undefined,
  before: ReadonlyArray<StoredEvent>
): LockCommand | undefined => {
  const context = { lockId, commandId, at, principal }
  switch (event?._tag) {
    case "LockCreated": {
      const { uuid, index = 1, serialNumber, vendorName, ownerId, keys } = event
      return {
        ...context,
        _tag: "CreateLock",
        uuid,
        index,
        ...(serialNumber !== undefined && { serialNumber }),
        ...(vendorName !== undefined && { vendorName }),
        ...(ownerId !== undefined && { ownerId }),
        ...(keys !== undefined && { keys })
      }
    }
    case "KeyAdded": {
      const { keyUuid, keyIndexNumber, userId } = event
      const more = { ...(keyIndexNumber !== undefined && { keyIndexNumber }), ...(userId !== undefined && { userId }) }
      return { ...context, _tag: "AddKey", keyUuid, ...more }
    }
    case "KeyRemoved":
      return { ...context, _tag: "RemoveKey", keyUuid: event.keyUuid }
    case "KeyAdditionSent":
      return { ...context, _tag: "SendKey" }
    case "KeyRemovalSent":
      return { ...context, _tag: "SendRemoval" }
    case "KeysSyncRequested":
      return { ...context, _tag: "SyncKeys", ...(event.keyUuid !== undefined && { keyUuid: event.keyUuid }) }
    case "KeyNeedsAttention":
      return { ...context, _tag: "NoteAttention" }
    case "KeyWriteRequested":
      return { ...context, _tag: "WriteKey", keyUuid: event.keyUuid }
    case "LockDeviceRequested":
      return { ...context, _tag: "LockDevice" }
    case "OwnerSet":
      return { ...context, _tag: "SetOwner", userId: event.userId }
    case "OrganizationSet":
      return { ...context, _tag: "SetOrganization", orgId: event.orgId }
    case "ResidentAdded":
      return { ...context, _tag: "AddResident", name: event.name, userId: event.userId }
    case "ResidentRemoved":
      return { ...context, _tag: "RemoveResident", userId: event.userId }
    case "TempKeyCreated": {
      const { tempKeyUuid, accessMode, allowedUserIds, validFrom, validUntil, maxUses } = event
      const terms = { tempKeyUuid, accessMode, allowedUserIds, validFrom, validUntil, maxUses }
      return { ...context, _tag: "CreateTempKey", ...terms }
    }
    case "TempKeyUpdated":
      return { ...context, _tag: "UpdateTempKey", tempKeyUuid: event.tempKeyUuid, ...event.changes }
    case "TempKeyDeleted":
      return { ...context, _tag: "DeleteTempKey", tempKeyUuid: event.tempKeyUuid }
    case "TempKeyUsed": {
      const { tempKeyUuid, userId } = event
      const use = { tempKeyUuid, ...(userId !== undefined && { userId }) }
      return { ...context, _tag: second === undefined ? "UseTempKey" : "OpenWithTempKey", ...use }
    }
    case "LockOpenRequested": {
      const { requestId, reason, credentialUuid, doorId = 0, tempKeyId } = event
      if (credentialUuid === undefined) {
        const said = { ...(requestId !== undefined && { requestId }), ...(reason !== undefined && { reason }) }
        return { ...context, _tag: "OpenLock", ...said }
      }
      const giver = giverOf(credentialUuid, doorId)
      const via = openedVia(event) === "PIN" ? "PIN" : "link"
      const id = tempKeyId !== undefined && { tempKeyId }
      return giver && { ...context, _tag: "OpenDoor", credentialUuid, doorId, via, giver, ...id }
    }
    case "CommandOutcomeReported": {
      const answered = answeredIn(event)
      const asked = before.find((stored) => stored.commandId === answered.commandId && stored.acceptedAt !== undefined)
      return {
        ...context,
        _tag: "RecordOutcome",
        answered: answered.commandId,
        ...saidOf(answered),
        // The lock's state may have forgotten it; the log has not.
        ...(asked && { forgotten: { ...answered, ...sentIn(asked) } })
      }
    }
    default:
      return undefined
  }
}

/** What the event of a command says of it, apart from its type. */
const sentIn = ({ data: { uuid, timestamp, tempKeyId }, acceptedAt = Number.NaN }: StoredEvent) => ({
  thing: String(uuid),
  requestedAt: Date.parse(String(timestamp)),
  acceptedAt,
  ...(typeof tempKeyId === "string" && { tempKeyId })
})

/** What the device said. */
const saidOf = ({ thing, outcome, reportedAt, detail, began }: AnsweredCommand) => ({
  thing,
  outcome,
  reportedAt,
  ...(detail !== undefined && { detail }),
  ...(began !== undefined && { began })
})
