/** Takes in what callers say. Everything here is untrusted; refusals carry the codes and messages that AWS publishes. */
import { isUtf8 } from "node:buffer"
import { Result, Schema } from "effect"
import type { UpdateRequest } from "./ShadowDocument.ts"

/** The shadow service says no, and nothing was changed. `code` is the HTTP status that AWS answers with. */
export class ShadowRefused extends Schema.TaggedError<ShadowRefused>()("ShadowRefused", {
  code: Schema.Int,
  message: Schema.String
}) {}

const THING_NAME = /^[a-zA-Z0-9:_-]{1,128}$/
const SHADOW_NAME = /^[$a-zA-Z0-9:_-]{1,64}$/

/** Whether a named shadow may be called so. */
export const isShadowName = (name: string): boolean => SHADOW_NAME.test(name)
/** Levels of attributes below `desired` or `reported`. */
const MAX_DEPTH = 6
const MAX_TOKEN_BYTES = 64

export const isThingName = (name: string): boolean => THING_NAME.test(name)

/** Checks the name of a thing and, unless the classic shadow is meant, of a shadow. */
export const checkNames = (thing: string, shadowName: string | undefined): Result.Result<void, ShadowRefused> => {
  if (!isThingName(thing))
    return Result.fail(refused("Invalid thing name: use 1 to 128 of a-z, A-Z, 0-9, ':', '_' and '-'"))
  if (shadowName !== undefined && !isShadowName(shadowName)) {
    return Result.fail(refused("Invalid shadow name: use 1 to 64 of a-z, A-Z, 0-9, ':', '_', '-' and '$'"))
  }
  return Result.void
}

/** What was sent, as JSON. */
export const documentOf = (body: Uint8Array): Result.Result<unknown, ShadowRefused> => {
  if (!isUtf8(body)) {
    const message = "Unsupported documented encoding; supported encoding is UTF-8"
    return Result.fail(new ShadowRefused({ code: 415, message }))
  }
  return Result.try({
    try: () => JSON.parse(Buffer.from(body).toString("utf8")),
    catch: () => new ShadowRefused({ code: 400, message: "Invalid JSON" })
  })
}

/** A clean copy of an update request: nothing in it but JSON, no deeper than allowed. */
export const parseUpdate = (json: unknown): Result.Result<UpdateRequest, ShadowRefused> =>
  Result.try({
    try: () => requestOf(json),
    // Only an object with code of its own (a getter) can throw anything else.
    catch: (cause) => (cause instanceof ShadowRefused ? cause : refused("Invalid JSON"))
  })

const requestOf = (json: unknown): UpdateRequest => {
  if (!isRecord(json)) throw refused("Invalid JSON")
  // Other fields are ignored, as AWS ignores them.
  const { state, version, clientToken } = json
  if (state === undefined) throw refused("Missing required node: state")
  if (version !== undefined && (!Number.isSafeInteger(version) || Number(version) < 0)) throw refused("Invalid version")
  if (
    clientToken !== undefined &&
    (typeof clientToken !== "string" || Buffer.byteLength(clientToken) > MAX_TOKEN_BYTES)
  ) {
    throw refused("Invalid clientToken")
  }
  return {
    state: stateOf(state),
    ...(version !== undefined && { version: Number(version) }),
    ...(clientToken !== undefined && { clientToken })
  }
}

const stateOf = (state: unknown): UpdateRequest["state"] => {
  // The service takes it, though its documentation does not say so.
  if (state === null) return null
  if (!isRecord(state)) throw refused("State node must be an object")
  const { desired, reported, ...others } = state
  const stranger = Object.keys(others)[0]
  if (stranger !== undefined) throw refused(`State contains an invalid node: '${stranger}'`)
  return {
    ...(desired !== undefined && { desired: sectionOf("Desired", desired) }),
    ...(reported !== undefined && { reported: sectionOf("Reported", reported) })
  }
}

const sectionOf = (name: "Desired" | "Reported", section: unknown): Schema.JsonObject | null => {
  if (section === null) return null
  if (!isRecord(section)) throw refused(`${name} node must be an object`)
  return copyObject(section, 0)
}

const copyObject = (object: Record<string, unknown>, depth: number): Schema.JsonObject => {
  const copy: { [key: string]: Schema.Json } = {}
  for (const [key, value] of Object.entries(object)) {
    if (depth === MAX_DEPTH) throw tooDeep()
    // The one name that is not plain data in JavaScript: assigning to it changes what an object inherits.
    if (key === "__proto__") throw invalidNode(key)
    copy[key] = value === null ? null : copyValue(key, value, depth + 1)
  }
  return copy
}

const copyValue = (key: string, value: unknown, depth: number): Schema.Json => {
  if (
    typeof value === "string" ||
    typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value))
  ) {
    return value
  }
  if (Array.isArray(value)) {
    if (depth > MAX_DEPTH) throw tooDeep()
    return value.map((element) => copyValue(key, element, depth + 1))
  }
  // Also null: in an array it cannot mean "delete".
  if (!isRecord(value)) throw invalidNode(key)
  return copyObject(value, depth)
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const refused = (message: string) => new ShadowRefused({ code: 400, message })
const invalidNode = (key: string) => refused(`State contains an invalid node: '${key}'`)
const tooDeep = () => refused(`JSON contains too many levels of nesting; maximum is ${MAX_DEPTH}`)
