/** What the description of the API says beside the schemas: which objects are closed, what things are called, and examples. */
import { Context, Schema } from "effect"
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import type { Words } from "./commandRoutes.ts"
import { exampleOf } from "./examples.ts"
import { isObject, type Json, refTo, walk } from "./json.ts"
import { errors, groups, operations, parameters } from "./operations.ts"
import { Open, Tagged } from "./Parts.ts"

/**
 * The description that clients are generated from. `additionalProperties: false` is exactly where what is not known is
 * refused: in bodies of requests, but not at the top level of open ones. Answers may grow.
 */
export const described =
  <Id extends string, Groups extends HttpApiGroup.Constraint>(api: HttpApi.HttpApi<Id, Groups>) =>
  (description: Json): Json => {
    const schemas: Json = {}
    walk(description, simplify)
    HttpApi.reflect(api, {
      onGroup: () => {},
      onEndpoint: ({ endpoint: { method, path, params, query }, group, mergedAnnotations }) => {
        const operation = at(description, "paths", path.replaceAll(/:(\w+)/g, "{$1}"), method.toLowerCase())
        const words = (operations as { readonly [endpoint: string]: Words })[`${operation?.["operationId"]}`]
        if (operation === undefined || words === undefined) return
        const [id, summary, text] = words
        Object.assign(operation, { operationId: id, summary, description: text })
        walk(operation["responses"], opened)
        if (Context.get(mergedAnnotations, Open)) {
          for (const body of Object.values(at(operation, "requestBody", "content") ?? {}))
            delete at(body, "schema")?.["additionalProperties"]
        }
        describeHeaders(operation, Context.get(mergedAnnotations, Tagged))
        describeParameters(operation, { ...decoded(params), ...decoded(query) })
        describeErrors(operation, group.identifier === "guests")
        nameBodies(schemas, operation)
      }
    })
    const components = at(description, "components") ?? {}
    walk(components["schemas"], opened)
    Object.assign(schemas, components["schemas"])
    for (const [name, path] of Object.entries(PARTS)) namePart(description, schemas, name, path)
    components["schemas"] = { Problem, ...schemas }
    const used = JSON.stringify(description["paths"])
    const answers = Object.fromEntries(
      Object.entries(errors).flatMap(([status, [name, text]]) => [
        [name, problemAnswer(Number(status), name, text)],
        [`${name}Page`, problemAnswer(Number(status), name, text, { "text/html": { schema: { type: "string" } } })]
      ])
    )
    components["responses"] = Object.fromEntries(
      Object.entries(answers).filter(([name]) => used.includes(`#/components/responses/${name}"`))
    )
    addExamples(description)
    Object.assign(at(components, "securitySchemes", "apiKey") ?? {}, {
      description: "An organization, or the operator."
    })
    Object.assign(at(components, "securitySchemes", "bearer") ?? {}, {
      scheme: "bearer",
      bearerFormat: "JWT",
      description: "A user: `sub` of a token of the issuer."
    })
    return Object.assign(description, {
      servers: [{ url: "/", description: "The server that this description comes from." }],
      tags: Object.entries(groups).map(([name, text]) => ({ name, description: text }))
    })
  }

/** What answers say beside their body, and that there may be none because the client has it. */
const describeHeaders = (operation: Json, tagged: typeof Tagged.Service): void => {
  const responses = at(operation, "responses") ?? {}
  const given = Array.isArray(operation["parameters"]) ? operation["parameters"].filter(isObject) : []
  const takesKey = given.some(({ name }) => name === "idempotency-key")
  if (tagged === "conditional") {
    const schema = { type: "string" }
    operation["parameters"] = [...given, { name: "if-none-match", in: "header", schema, required: false }]
    responses["304"] = {}
  }
  for (const [status, response] of Object.entries(responses)) {
    if (status >= "400" || !isObject(response)) continue
    const headers = {
      ...(status === "303" && { Location: LOCATION }),
      ...(tagged !== "no" && { ETag: TAG }),
      ...(takesKey && { "Idempotency-Replayed": REPLAYED })
    }
    if (Object.keys(headers).length > 0) response["headers"] = headers
  }
}

/** What any operation may answer, before it is looked at. */
const ANYWHERE = ["405", "408", "429", "431", "501"]

const describeErrors = (operation: Json, isPage: boolean): void => {
  const responses = at(operation, "responses") ?? {}
  for (const status of new Set([...Object.keys(responses).filter((status) => status >= "400"), ...ANYWHERE])) {
    const name = errors[status]?.[0]
    responses[status] = { $ref: `#/components/responses/${name}${isPage ? "Page" : ""}` }
  }
  for (const [status, response] of Object.entries(responses)) {
    if (status < "400" && isObject(response)) response["description"] = SUCCESSES[status]
  }
}

const SUCCESSES: { readonly [status: string]: string } = {
  200: "Done, or already so.",
  201: "Created.",
  202: "Begun.",
  303: "Go on at `Location`.",
  304: "Still what `If-None-Match` names."
}

/** Numbers and flags as what they are read as. */
const describeParameters = (operation: Json, types: Json): void => {
  const given = operation["parameters"]
  for (const parameter of Array.isArray(given) ? given.filter(isObject) : []) {
    const name = `${parameter["name"]}`
    parameter["description"] = parameters[name]
    const type = types[name]
    const written = at(parameter, "schema")
    const pattern = `${written?.["pattern"] ?? ""}`
    if (pattern.includes("[0-9]")) {
      const least = pattern.startsWith("^[1-9]") ? 1 : 0
      parameter["schema"] = isObject(type) && type["type"] === "integer" ? type : wholeFrom(least)
    } else if (`${written?.["enum"]}` === "true,false") parameter["schema"] = { type: "boolean" }
  }
}

const wholeFrom = (minimum: number): Json => ({ type: "integer", minimum, maximum: 999_999_999_999_999 })

const decoded = (schema: Schema.Top | undefined): Json => {
  if (schema === undefined) return {}
  const { schema: type } = Schema.toJsonSchemaDocument(Schema.toType(schema))
  walk(type, simplify)
  return at(type, "properties") ?? {}
}

const CONTROLS = String.raw`\u0000-\u001f\u007f-\u009f`

/** Says the same in the words that generators read. */
const simplify = (schema: Json): void => {
  const { allOf, prefixItems } = schema
  if (Array.isArray(allOf) && allOf.every((part) => Object.keys(part).every((key) => schema[key] === undefined))) {
    delete schema["allOf"]
    Object.assign(schema, ...allOf)
  }
  const { pattern } = schema
  if (Array.isArray(prefixItems) && prefixItems.every((item) => same(item, schema["items"])))
    delete schema["prefixItems"]
  // Not every language knows classes by name.
  if (typeof pattern === "string") schema["pattern"] = pattern.replaceAll("\\p{Cc}", CONTROLS)
  const most = typeof pattern === "string" ? /^\^\[\\s\\S\]\{0,(\d+)\}\$$/.exec(pattern)?.[1] : undefined
  if (most === undefined) return
  delete schema["pattern"]
  schema["maxLength"] = Number(most)
}

const opened = (schema: Json): void => {
  if (schema["additionalProperties"] === false) delete schema["additionalProperties"]
}

/** Bodies are called after their operation. */
const nameBodies = (schemas: Json, operation: Json): void => {
  const name = `${operation["operationId"]}`.replace(/^./, (first) => first.toUpperCase())
  const called = (content: unknown, kind: string) => {
    for (const media of Object.values(isObject(content) ? content : {})) {
      const schema = at(media, "schema")
      if (schema?.["type"] !== "object" || !isObject(media)) continue
      schemas[name + kind] = schema
      media["schema"] = refTo(name + kind)
    }
  }
  called(at(operation, "requestBody", "content"), "Request")
  for (const response of Object.values(at(operation, "responses") ?? {})) called(at(response, "content"), "Response")
}

/** What several bodies have in common: where it is found first. */
const PARTS: { readonly [name: string]: ReadonlyArray<string> } = {
  Schedule: ["ListLockTempKeysResponse", "tempKeys", "schedule"],
  NewSchedule: ["CreateTempKeyRequest", "schedule"],
  LockTempKey: ["ListLockTempKeysResponse", "tempKeys"],
  SharedKey: ["ListSharedKeysResponse", "tempKeys"],
  Door: ["SharedKey", "doors"],
  NewDoor: ["CreateSharedKeyRequest", "doors"],
  LockKey: ["GetLockDetailsResponse", "keys"],
  Resident: ["ListResidentsResponse", "residents"],
  Principal: ["ListAttemptsResponse", "attempts", "principal"],
  Attempt: ["ListAttemptsResponse", "attempts"],
  LockEvent: ["ListLockEventsResponse", "events"],
  OwnedLock: ["ListOwnedLocksResponse", "locks"],
  ListedLock: ["ListLocksResponse", "locks"],
  ApiKey: ["ListApiKeysResponse", "apiKeys"],
  Webhook: ["ListWebhooksResponse", "webhooks"],
  Delivery: ["ListDeliveriesResponse", "deliveries"],
  NamedKey: ["RemoveInheritedKeysResponse", "removed"]
}

const namePart = (description: Json, schemas: Json, name: string, path: ReadonlyArray<string>): void => {
  const [from = "", ...members] = path
  const found = members.reduce<Json | undefined>(
    (schema, member) => itemOf(schemas, at(schema, "properties", member)),
    at(schemas, from)
  )
  if (found === undefined || "$ref" in found) return
  const part = structuredClone(found)
  const replace = (schema: Json) => {
    if (!same(schema, part)) return
    for (const key of Object.keys(schema)) delete schema[key]
    Object.assign(schema, refTo(name))
  }
  walk(description["paths"], replace)
  walk(schemas, replace)
  schemas[name] = part
}

/** The object itself, or what a list holds. */
const itemOf = (schemas: Json, schema: Json | undefined): Json | undefined => {
  const item = at(schema, "items") ?? schema
  const ref = item?.["$ref"]
  return typeof ref === "string" ? at(schemas, ref.replace(/^.*\//, "")) : item
}

const addExamples = (description: Json): void => {
  const add = (content: unknown) => {
    for (const media of Object.values(isObject(content) ? content : {})) {
      if (isObject(media)) media["example"] = exampleOf(description, media["schema"])
    }
  }
  for (const operation of Object.values(at(description, "paths") ?? {}).flatMap((path) =>
    Object.values(path as Json)
  )) {
    add(at(operation, "requestBody", "content"))
    for (const response of Object.values(at(operation, "responses") ?? {})) add(at(response, "content"))
    for (const parameter of (operation as { readonly parameters: ReadonlyArray<Json> }).parameters)
      parameter["example"] = exampleOf(description, parameter["schema"], `${parameter["name"]}`)
  }
}

const Problem: Json = {
  type: "object",
  description: "Every error: what kind, what happened, and what to do next.",
  properties: {
    success: { type: "boolean", enum: [false] },
    error: { type: "string", description: "What kind of error: the same words every time." },
    message: { type: "string", description: "What happened, and what to do next." },
    code: { type: "integer", minimum: 400, maximum: 599, description: "The status." },
    details: {
      type: "array",
      description: "The fields that are wrong, and how.",
      items: {
        type: "object",
        properties: { field: { type: "string" }, message: { type: "string" } },
        required: ["field", "message"]
      }
    },
    version: { type: "integer", description: "With 412: the version of the lock." },
    advice: { type: "string", description: "With 502: whether anything was recorded, and what to do." },
    errors: {
      type: "array",
      description: "Where the published contract has a list of errors.",
      items: {
        type: "object",
        properties: { code: { type: "integer" }, message: { type: "string" } },
        required: ["code", "message"]
      }
    }
  },
  required: ["success", "error", "message", "code"]
}

const problemAnswer = (status: number, name: string, text: string, more: Json = {}): Json => ({
  description: text,
  ...(HEADERS[status] && { headers: HEADERS[status] }),
  content: {
    "application/json": {
      schema: refTo("Problem"),
      example: { success: false, error: name.replaceAll(/\B[A-Z]/g, " $&"), message: text, code: status }
    },
    ...more
  }
})

const header = (text: string, schema: Json, required = true): Json => ({ description: text, required, schema })
const LOCATION = header("Where to go on.", { type: "string" })
const TAG = header("The version, as `If-Match` takes it.", { type: "string" })
const REPLAYED = header("The answer of the first try.", { type: "string", enum: ["true"] }, false)
const HEADERS: { readonly [status: number]: Json } = {
  405: { Allow: header("The methods of the path.", { type: "string" }) },
  412: { ETag: TAG },
  429: { "Retry-After": header("Seconds to wait.", { type: "integer", minimum: 0 }) }
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

const at = (value: unknown, ...path: ReadonlyArray<string>): Json | undefined => {
  const found = path.reduce<unknown>((inside, name) => (isObject(inside) ? inside[name] : undefined), value)
  return isObject(found) ? found : undefined
}
