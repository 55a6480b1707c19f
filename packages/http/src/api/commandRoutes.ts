/**
 * How the commands of a lock are asked over HTTP, one row each, beside the core's table: path, refusals, and what a
 * success says. What a body may say, and which event the answer tells of, the core's row knows. Imports nothing of a
 * server.
 */
import { commandTable, type LockCommandType, requests, wireEvent } from "@latchkey/core"
import { Schema, Struct } from "effect"
import { HttpApiEndpoint, HttpApiSchema } from "effect/http-api"
import { headers, lock } from "./Parts.ts"
import { problem } from "./Problem.ts"

type Errors = ReadonlyArray<ReturnType<typeof problem>>
const anyErrors = [problem(400), problem(403), problem(413), problem(415), problem(422), problem(500), problem(503)]
const errors = [...anyErrors, problem(404)]
const deviceErrors = [...errors, problem(502)]

type RequestOf<Tag extends LockCommandType> = (typeof commandTable)[Tag]["request"]
type EventOf<Tag extends LockCommandType> = (typeof commandTable)[Tag]["event"]

/** What a success says of the event that a command leads to. */
const executed = <Tag extends LockCommandType>(tag: Tag) => ({
  success: Schema.Literal(true),
  aggregateId: Schema.String,
  version: Schema.Int,
  /** `null`: it was so already. */
  event: Schema.NullOr(wireEvent<EventOf<Tag>>(commandTable[tag].event))
})

/** A command on one lock. `adds` are fields of its event that the answer repeats beside it. */
const command = <const Path extends string, const Tag extends LockCommandType, Adds extends Schema.Struct.Fields>(
  path: Path,
  tag: Tag,
  error: Errors,
  adds: Adds
) => ({
  tag,
  adds: Struct.keys(adds),
  status: 200,
  endpoint: HttpApiEndpoint.post(path, `/locks/:id/${path}`, {
    params: lock,
    headers,
    payload: Schema.Struct<RequestOf<Tag>>(commandTable[tag].request),
    success: Schema.Struct({ ...executed(tag), ...adds }),
    error
  })
})

const email = { email: Schema.optionalKey(Schema.String) }

/** By the last part of the path. */
export const commandRoutes = {
  CreateLock: {
    tag: "CreateLock",
    adds: [],
    status: 201,
    endpoint: HttpApiEndpoint.post("CreateLock", "/locks/:id/CreateLock", {
      params: lock,
      headers,
      payload: Schema.Struct(commandTable.CreateLock.request),
      success: [
        Schema.Struct(executed("CreateLock")).pipe(HttpApiSchema.status(201)),
        Schema.Struct(executed("CreateLock"))
      ],
      error: anyErrors
    })
  },
  AddKey: command("AddKey", "AddKey", deviceErrors, {}),
  RemoveKey: command("RemoveKey", "RemoveKey", deviceErrors, {}),
  WriteKey: command("WriteKey", "WriteKey", deviceErrors, {}),
  OpenLock: command("OpenLock", "OpenLock", deviceErrors, {}),
  SetOwner: command("SetOwner", "SetOwner", errors, {}),
  SetOrganization: command("SetOrganization", "SetOrganization", errors, {}),
  ChangeLockUuid: command("ChangeLockUuid", "ChangeLockUuid", [...errors, problem(409)], {}),
  AddResident: command("AddResident", "AddResident", errors, email),
  RemoveResident: command("RemoveResident", "RemoveResident", errors, email),
  "create-temp-key": command("create-temp-key", "CreateTempKey", errors, { tempKeyUuid: Schema.String }),
  "update-temp-key": command("update-temp-key", "UpdateTempKey", errors, {}),
  "delete-temp-key": command("delete-temp-key", "DeleteTempKey", errors, {}),
  "use-temp-key": command("use-temp-key", "UseTempKey", errors, {})
} as const

/** A row of the table, whichever it is. */
export interface CommandRoute {
  readonly tag: LockCommandType
  readonly adds: ReadonlyArray<string>
  /** Of an answer that tells of an event; one that tells of none is 200. */
  readonly status: number
  readonly endpoint: HttpApiEndpoint.Constraint & { readonly path: string }
}

/** Many keys at once: answers before they are added. */
export const bulkAddKeys = HttpApiEndpoint.post("BulkAddKeys", "/locks/:id/BulkAddKeys", {
  params: lock,
  headers,
  payload: Schema.Struct(requests.BulkAddKeys.request),
  success: Schema.Struct({ success: Schema.Literal(true), lockId: Schema.Int, instanceId: Schema.String }),
  error: errors
})
