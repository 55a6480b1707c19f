/**
 * Which fields of each lock event are personal, and which events concern the hardware: said once, for all who show or seal
 * events. A new event has a row here.
 */
import { SchemaAST } from "effect"
import type { Personal } from "../streams/Category.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { type LockEvent, type LockEventType, type WireEvent, wireEvent } from "./LockEvent.ts"

/** The fields of each event that tell of a person. */
export const personalFields = {
  LockCreated: ["keys", "ownerId"],
  OwnerSet: ["userId"],
  OrganizationSet: ["orgId"],
  KeyAdded: ["userId"],
  LockOpenRequested: ["reason", "requestId"],
  LockDeviceRequested: ["reason"],
  LockRetired: ["reason"],
  OpenedAtDoor: ["userId"],
  LockDescribed: ["name", "address", "contact", "instructions"],
  ResidentAdded: ["userId", "name", "email", "phoneNumber"],
  ResidentRemoved: ["userId", "email"],
  TempKeyCreated: ["allowedUserIds", "createdBy", "description"],
  TempKeyUpdated: ["changes", "updatedBy", "description"],
  TempKeySuspended: ["suspendedBy"],
  TempKeyResumed: ["resumedBy"],
  TempKeyLinkChanged: ["changedBy"],
  TempKeyDeleted: ["deletedBy"],
  TempKeyUsed: ["userId"]
} as const satisfies Personal<LockEvent>

/** Which events tell what hardware it is, what is stored on it, and what became of that: not when people came and went. */
const aboutHardware: { readonly [Type in LockEventType]: boolean } = {
  LockCreated: true,
  OwnerSet: false,
  OrganizationSet: false,
  KeyAdded: true,
  KeyRemoved: true,
  KeyWriteRequested: true,
  KeyAdditionSent: true,
  KeyRemovalSent: true,
  KeysSyncRequested: true,
  KeyNeedsAttention: true,
  LockOpenRequested: false,
  LockDeviceRequested: false,
  LockUuidChanged: true,
  LockRetired: true,
  ClaimMoved: true,
  ClaimLost: true,
  LockDescribed: false,
  ResidentAdded: false,
  ResidentRemoved: false,
  TempKeyCreated: false,
  TempKeyUpdated: false,
  TempKeySuspended: false,
  TempKeyResumed: false,
  TempKeyLinkChanged: false,
  TempKeyDeleted: false,
  TempKeyUsed: false,
  TempKeyUseReturned: false,
  CommandOutcomeReported: true,
  KeysReported: true,
  // It says when somebody came and went.
  DeviceStateReported: false,
  BatteryLow: true,
  BoltJammed: true,
  DoorForced: false,
  DoorLeftOpen: false,
  OpenedAtDoor: false,
  OpeningsMissed: true
}

/** Whether an event concerns the hardware; not what became of openings, nor what a later Latchkey wrote. */
export const concernsHardware = ({ type, data }: Pick<StoredEvent, "type" | "data">): boolean =>
  Object.hasOwn(aboutHardware, type) && aboutHardware[type as LockEventType] && !movesBolt(data["commandType"])

/** Whether a device command is of somebody who comes or goes. */
export const movesBolt = (type: unknown): boolean => type === "OpenLock" || type === "LockDevice"

/** An event's fields for somebody whom the links of temp keys are not shown: they are empty. */
export const withoutLinks = <Data extends { readonly [field: string]: unknown }>(data: Data): Data => {
  const links = LINKS.filter((field) => data[field] !== undefined)
  return links.length === 0 ? data : { ...data, ...Object.fromEntries(links.map((field) => [field, ""])) }
}

/** The fields of events in which links of temp keys are. */
const LINKS = ["tempKeyUuid", "newTempKeyUuid"]

/** The event without what it tells of people: a field that must be there is left empty. */
export const withoutPeople = ({ type, data }: WireEvent): WireEvent => {
  const personal: ReadonlyArray<string> = (personalFields as Personal<LockEvent>)[type] ?? []
  const fields: { readonly [field: string]: SchemaAST.AST } = Object.fromEntries(
    Object.entries(wireEvent(type).fields.data.fields).map(([field, { ast }]) => [field, ast])
  )
  const shown = Object.entries(data).flatMap(([field, value]) => {
    if (!personal.includes(field)) return [[field, value]]
    const ast = fields[field]
    return ast === undefined || SchemaAST.isOptional(ast) ? [] : [[field, Array.isArray(value) ? [] : ""]]
  })
  return { type, data: Object.fromEntries(shown) } as WireEvent
}
