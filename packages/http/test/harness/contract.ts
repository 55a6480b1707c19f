/** The published contract as validators: success bodies and event data to the letter, errors with at least its fields. */
import { readFileSync } from "node:fs"
import { Ajv, type ValidateFunction } from "ajv"
import { expect } from "vitest"
import type { Answer, AnswerBody } from "./request.ts"

/** The keywords that the contract uses. */
export interface JsonSchema {
  readonly type?: string | ReadonlyArray<string>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly items?: JsonSchema
  readonly enum?: ReadonlyArray<unknown>
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly minimum?: number
  readonly maximum?: number
}
interface PublishedEndpoint {
  readonly responses: Readonly<Record<string, { readonly "application/json"?: JsonSchema }>>
}

const read = (file: string) => JSON.parse(readFileSync(new URL(`../../contract/${file}`, import.meta.url), "utf8"))

const endpoints: Readonly<Record<string, PublishedEndpoint>> = read("endpoints.json")
/** What Latchkey answers beyond the published contract. */
const additions: {
  /** The published bodies that refuse fields which they do not know, where the contract leaves them aside. */
  readonly closedBodies: ReadonlyArray<string>
  readonly events: Readonly<Record<string, JsonSchema>>
  readonly responses: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>
  /** By status. */
  readonly errors: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>
} = read("additions.json")
const events: Readonly<Record<string, JsonSchema>> = { ...read("events.schema.json"), ...additions.events }

export const { closedBodies } = additions

/** What the contract accepts in the body of each command. */
export const commandSchemas: Readonly<Record<string, JsonSchema>> = read("commands.schema.json")

/** The endpoints that there must be. */
export const publishedEndpoints: ReadonlyArray<string> = Object.keys(endpoints)

export const publishedStatuses = (endpoint: string): ReadonlyArray<number> =>
  Object.keys(endpoints[endpoint]?.responses ?? {}).map(Number)

/** Every error says at least this. */
const errorSchema = {
  type: "object",
  properties: {
    success: { const: false },
    error: { type: "string", minLength: 1 },
    message: { type: "string", minLength: 1 },
    code: { type: "integer" },
    details: {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        properties: { field: { type: "string", minLength: 1 }, message: { type: "string", minLength: 1 } },
        required: ["field", "message"],
        additionalProperties: false
      }
    },
    errors: { type: "array", minItems: 1 }
  },
  required: ["success", "error", "message", "code"],
  additionalProperties: false
}

const ajv = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true, validateFormats: false })
const compiled = new Map<string, ValidateFunction>()

const check = (name: string, schema: () => object, value: unknown): void => {
  let validate = compiled.get(name)
  if (validate === undefined) compiled.set(name, (validate = ajv.compile(schema())))
  const valid = validate(value)
  expect(valid ? [] : validate.errors, `${name}: ${JSON.stringify(value)}`).toEqual([])
}

/** Fails unless the answer is as published; also for statuses that the contract does not list. */
export const expectAsPublished = (endpoint: string, { status, headers, body }: Answer): void => {
  expect(headers.get("content-type")).toBe("application/json")
  const published = endpoints[endpoint]?.responses[status]?.["application/json"]
  if (published !== undefined) {
    check(`${endpoint} ${status}`, () => (status < 400 ? exactly(withAdditions(endpoint, published)) : published), body)
  }
  if (status >= 400) expectProblem(status, body)
  expectPublishedEvents(body)
}

/** Fails unless the body is an error of this status, as every error is. */
export const expectProblem = (status: number, body: AnswerBody): void => {
  const added = additions.errors[status] ?? {}
  const schema = () => ({ ...errorSchema, properties: { ...errorSchema.properties, ...added } })
  check(`an error ${status}`, schema, body)
  expect(body.code).toBe(status)
}

const expectPublishedEvents = ({ event, events: history = [] }: AnswerBody): void => {
  for (const wire of [event, ...history.map(({ event }) => event)]) {
    if (wire === undefined || wire === null) continue
    expect(Object.keys(wire).sort()).toEqual(["data", "type"])
    check(`data of ${wire.type}`, () => events[wire.type] ?? { not: {} }, wire.data)
  }
}

/** What is added is there in every answer. */
const withAdditions = (endpoint: string, schema: JsonSchema): JsonSchema => {
  const added = additions.responses[endpoint] ?? {}
  return {
    ...schema,
    properties: { ...schema.properties, ...added },
    required: [...new Set([...(schema.required ?? []), ...Object.keys(added)])]
  }
}

/** The schema without room for fields that it does not name; read models may have other names than the published ones. */
const exactly = (schema: JsonSchema): JsonSchema => {
  const { properties, items, ...rest } = schema
  return {
    ...rest,
    ...(items === undefined ? {} : { items: exactly(items) }),
    ...(properties === undefined
      ? {}
      : { properties: mapValues(properties, exactlyNamed), additionalProperties: false })
  }
}

const exactlyNamed = (name: string, schema: JsonSchema): JsonSchema => {
  const { enum: _, ...named } = schema
  return exactly(name === "source" ? named : schema)
}

const mapValues = <A, B>(record: Readonly<Record<string, A>>, f: (name: string, value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(name, value)]))
