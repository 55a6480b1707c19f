/** The published contract, as validators. */
import { Ajv, type ValidateFunction } from "ajv"
import additions from "../../http/contract/additions.json" with { type: "json" }
import commands from "../../http/contract/commands.schema.json" with { type: "json" }
import events from "../../http/contract/events.schema.json" with { type: "json" }
import type { LockRequestType } from "../src/lock/LockCommand.ts"
import type { LockEventType } from "../src/lock/LockEvent.ts"

/** Formats say what the patterns beside them decide. */
const ajv = new Ajv({ strict: true, validateFormats: false, allErrors: true })

/** What is wrong with the data of an event of this type; nothing, if it is as published. */
export const flawsOfEvent = (type: LockEventType, data: unknown): ReadonlyArray<unknown> => {
  const validate = compiledEvents[type]
  return validate(data) ? [] : [...(validate.errors ?? [])]
}

/** Whether the contract lets this body pass. */
export const acceptsBody = (request: PublishedRequest, body: unknown): boolean => compiledCommands[request](body)

/** Requests that the contract has; it says nothing of OpenWithTempKey, which guests' pages ask. */
export type PublishedRequest = Exclude<LockRequestType, "OpenWithTempKey">

const compiledEvents: { readonly [Type in LockEventType]: ValidateFunction } = {
  LockCreated: ajv.compile(events.LockCreated),
  OwnerSet: ajv.compile(events.OwnerSet),
  OrganizationSet: ajv.compile(events.OrganizationSet),
  KeyAdded: ajv.compile(events.KeyAdded),
  KeyRemoved: ajv.compile(events.KeyRemoved),
  KeyWriteRequested: ajv.compile(events.KeyWriteRequested),
  LockOpenRequested: ajv.compile(events.LockOpenRequested),
  LockUuidChanged: ajv.compile(events.LockUuidChanged),
  ResidentAdded: ajv.compile(events.ResidentAdded),
  ResidentRemoved: ajv.compile(events.ResidentRemoved),
  TempKeyCreated: ajv.compile(events.TempKeyCreated),
  TempKeyUpdated: ajv.compile(events.TempKeyUpdated),
  TempKeyDeleted: ajv.compile(events.TempKeyDeleted),
  TempKeyUsed: ajv.compile(events.TempKeyUsed),
  CommandOutcomeReported: ajv.compile(additions.events.CommandOutcomeReported)
}

const compiledCommands: { readonly [Request in PublishedRequest]: ValidateFunction } = {
  CreateLock: ajv.compile(commands.CreateLock),
  AddKey: ajv.compile(commands.AddKey),
  RemoveKey: ajv.compile(commands.RemoveKey),
  WriteKey: ajv.compile(commands.WriteKey),
  BulkAddKeys: ajv.compile(commands.BulkAddKeys),
  OpenLock: ajv.compile(commands.OpenLock),
  SetOwner: ajv.compile(commands.SetOwner),
  SetOrganization: ajv.compile(commands.SetOrganization),
  ChangeLockUuid: ajv.compile(commands.ChangeLockUuid),
  AddResident: ajv.compile(commands.AddResident),
  RemoveResident: ajv.compile(commands.RemoveResident),
  CreateTempKey: ajv.compile(commands["create-temp-key"]),
  UpdateTempKey: ajv.compile(commands["update-temp-key"]),
  DeleteTempKey: ajv.compile(commands["delete-temp-key"]),
  UseTempKey: ajv.compile(commands["use-temp-key"])
}
