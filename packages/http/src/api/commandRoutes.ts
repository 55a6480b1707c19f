/**
 * How the commands of a lock are asked over HTTP, one row each, beside the core's table: path, refusals, and what a
 * success says. What a body may say, and which event the answer tells of, the core's row knows. Imports nothing of a
 * server.
 */
import { commandTable, type LockCommandType, requests, rowOf, wireEvent } from "@latchkey/core"
import { Schema, Struct } from "effect"
import { HttpApiEndpoint, HttpApiSchema } from "effect/http-api"
import { commandHeaders as headers, lock, Open } from "./Parts.ts"
import { problem } from "./Problem.ts"

type Errors = ReadonlyArray<ReturnType<typeof problem>>
/** Of what takes no body. */
const bareErrors = [
  problem(400),
  problem(403),
  problem(412),
  problem(413),
  problem(422),
  problem(500),
  problem(503)
] as const
const anyErrors = [...bareErrors, problem(415)]
const errors = [...anyErrors, problem(404)]
/** Retired, in dispute, or without a device: nothing is done. */
const commandErrors = [...errors, problem(409)]
const deviceErrors = [...commandErrors, problem(502)]

type RequestOf<Tag extends LockCommandType> = (typeof commandTable)[Tag]["request"]
type EventOf<Tag extends LockCommandType> = (typeof commandTable)[Tag]["event"]

/** What a success says of the event that a command leads to. */
const executed = <Tag extends LockCommandType>(tag: Tag) => ({
  success: Schema.Literal(true),
  aggregateId: Schema.String,
  version: Schema.Int,
  /** `null`: it was so already, or what followed is the row's `instead`, which the published contract does not know. */
  event: Schema.NullOr(wireEvent<EventOf<Tag>>(commandTable[tag].event))
})

/**
 * A command on one lock. `adds` are fields of its event that the answer repeats beside it; `more` is what its handler
 * knows beyond the event.
 */
const command = <
  const Path extends string,
  const Tag extends LockCommandType,
  Adds extends Schema.Struct.Fields,
  More extends Schema.Struct.Fields = Record<never, never>
>(
  path: Path,
  tag: Tag,
  error: Errors,
  adds: Adds,
  more?: More
) => ({
  tag,
  adds: Struct.keys(adds),
  status: 200,
  endpoint: HttpApiEndpoint.post(path, `/locks/:id/${path}`, {
    params: lock,
    headers,
    payload: Schema.Struct<RequestOf<Tag>>(commandTable[tag].request),
    success: Schema.Struct({ ...executed(tag), ...adds, ...(more as More) }),
    error
  }).annotate(Open, rowOf(tag).open === true)
})

/** Under which id `/locks/{id}/commands/{commandId}` tells what became of it, if the lock was sent anything. */
const sent = { commandId: Schema.optionalKey(Schema.String) }

/** A key of a lock, by its names there. */
export const namedKey = { keyUuid: Schema.String, keyIndexNumber: Schema.optionalKey(Schema.Int) }

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
      error: [...anyErrors, problem(409)]
    }).annotate(Open, commandTable.CreateLock.open)
  },
  AddKey: command("AddKey", "AddKey", deviceErrors, {}, sent),
  RemoveKey: command("RemoveKey", "RemoveKey", commandErrors, {}, sent),
  WriteKey: command("WriteKey", "WriteKey", deviceErrors, {}, sent),
  OpenLock: command(
    "OpenLock",
    "OpenLock",
    deviceErrors,
    {},
    {
      ...sent,
      /** Whether the lock is disconnected: then it opens only if it comes back within seconds. */
      offline: Schema.Boolean
    }
  ),
  LockDevice: command(
    "LockDevice",
    "LockDevice",
    deviceErrors,
    {},
    {
      ...sent,
      /** Whether the lock is disconnected: then it locks only if it comes back within seconds. */
      offline: Schema.Boolean
    }
  ),
  SetOwner: command("SetOwner", "SetOwner", commandErrors, {}),
  SetOrganization: command("SetOrganization", "SetOrganization", commandErrors, {}),
  ChangeLockUuid: command("ChangeLockUuid", "ChangeLockUuid", commandErrors, {}),
  /** What is on the hardware is brought to what is wanted, from the beginning. */
  sync: command("sync", "SyncKeys", commandErrors, {}),
  "describe-lock": command("describe-lock", "DescribeLock", commandErrors, {}),
  "retire-lock": command("retire-lock", "RetireLock", errors, {}),
  "move-claim": command("move-claim", "MoveClaim", commandErrors, {}),
  AddResident: command("AddResident", "AddResident", commandErrors, email),
  RemoveResident: command("RemoveResident", "RemoveResident", commandErrors, email, {
    /** Residents have no rights: which keys of the lock this one still holds. */
    keysHeld: Schema.optionalKey(Schema.Array(Schema.Struct(namedKey)))
  }),
  "create-temp-key": command("create-temp-key", "CreateTempKey", commandErrors, { tempKeyUuid: Schema.String }),
  "update-temp-key": command("update-temp-key", "UpdateTempKey", commandErrors, {}),
  "suspend-temp-key": command("suspend-temp-key", "SuspendTempKey", commandErrors, {}),
  "resume-temp-key": command("resume-temp-key", "ResumeTempKey", commandErrors, {}),
  "change-temp-key-link": command("change-temp-key-link", "ChangeTempKeyLink", commandErrors, {}),
  "delete-temp-key": command("delete-temp-key", "DeleteTempKey", commandErrors, {}),
  "use-temp-key": command("use-temp-key", "UseTempKey", commandErrors, {})
} as const

/** What the description of the API says of an operation: its id for clients, one line, and what to know before. */
export type Words = readonly [id: string, summary: string, description: string]

export const onLock = "The owner of the lock and its organization may do this."
const byDevice = `${onLock} The device is told first: when it cannot be reached, nothing is recorded.`

/** By the last part of the path. */
export const commandWords = {
  CreateLock: [
    "createLock",
    "Create a lock",
    "An existing lock answers 200 with `event: null` to those who may command it."
  ],
  AddKey: ["addKey", "Add a key", byDevice],
  RemoveKey: ["removeKey", "Remove a key", `${onLock} Recorded at once; the lock is told afterwards.`],
  WriteKey: ["writeKey", "Write a key to the hardware again", byDevice],
  OpenLock: [
    "openLock",
    "Open the lock",
    "The owner, holders of keys and the organization may do this. When the device cannot be reached, nothing is recorded."
  ],
  LockDevice: [
    "lockDevice",
    "Lock the lock",
    "The owner, holders of keys and the organization may do this. When the device cannot be reached, nothing is recorded."
  ],
  SetOwner: ["setOwner", "Set the owner", `${onLock} An empty \`userId\` means nobody.`],
  SetOrganization: [
    "setOrganization",
    "Set the organization",
    "The organization of the lock may do this. An empty `orgId` means none."
  ],
  ChangeLockUuid: ["changeLockUuid", "Change the hardware of a lock", "Super keys only."],
  sync: ["syncKeys", "Bring the hardware's keys to what is wanted", `${onLock} Names one key, or means all of them.`],
  "describe-lock": [
    "describeLock",
    "Name a lock and say where it is",
    `${onLock} What is left out stays; \`null\` removes.`
  ],
  "retire-lock": ["retireLock", "Retire a lock", "Ends the lock and keeps its history: every later command is 409."],
  "move-claim": ["moveClaim", "Give a lock a device that other locks have", "Super keys only."],
  AddResident: ["addResident", "Add a resident", `${onLock} Residents have no rights.`],
  RemoveResident: ["removeResident", "Remove a resident", `${onLock} Keys that the resident holds stay.`],
  "create-temp-key": [
    "createTempKey",
    "Create a temp key",
    `${onLock} The uuid is the link: random, and nobody's to guess.`
  ],
  "update-temp-key": ["updateTempKey", "Change a temp key", `${onLock} What is left out stays.`],
  "suspend-temp-key": ["suspendTempKey", "Suspend a temp key", `${onLock} It opens nothing until it is resumed.`],
  "resume-temp-key": ["resumeTempKey", "Resume a temp key", onLock],
  "change-temp-key-link": [
    "changeTempKeyLink",
    "Give a temp key a new link",
    `${onLock} The old link opens nothing any more.`
  ],
  "delete-temp-key": ["deleteTempKey", "Delete a temp key", onLock],
  "use-temp-key": [
    "useTempKey",
    "Use a temp key",
    "Organizations record that they have let a guest in: the use is judged and counted. Nothing is sent to the lock."
  ]
} as const satisfies { readonly [Path in keyof typeof commandRoutes]: Words }

/** A row of the table, whichever it is. */
export interface CommandRoute {
  readonly tag: LockCommandType
  readonly adds: ReadonlyArray<string>
  /** Of an answer that tells of an event; one that tells of none is 200. */
  readonly status: number
  readonly endpoint: HttpApiEndpoint.Constraint & { readonly path: string }
}

/** What became of the keys of one lock, of which several were to be removed. */
export const removedKeys = {
  removed: Schema.Array(Schema.Struct(namedKey)),
  /** These are still there. */
  failed: Schema.Array(Schema.Struct({ ...namedKey, reason: Schema.String }))
}

/** Removes the keys that the lock has from those who had it before. */
export const removeInheritedKeys = HttpApiEndpoint.post("remove-inherited-keys", "/locks/:id/remove-inherited-keys", {
  params: lock,
  headers,
  success: Schema.Struct({ success: Schema.Literal(true), lockId: Schema.Int, ...removedKeys }),
  error: [...bareErrors, problem(404)]
})

/** Many keys at once: answers before they are added. */
export const bulkAddKeys = HttpApiEndpoint.post("BulkAddKeys", "/locks/:id/BulkAddKeys", {
  params: lock,
  headers,
  payload: Schema.Struct(requests.BulkAddKeys.request),
  success: Schema.Struct({ success: Schema.Literal(true), lockId: Schema.Int, instanceId: Schema.String }),
  error: commandErrors
})
