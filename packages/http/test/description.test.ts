/** The description of the API is one that clients are generated from. */
import { Ajv2020 } from "ajv/dist/2020.js"
import { OpenApi } from "effect/http-api"
import { describe, expect, it } from "vitest"
import { Api } from "../src/api/Api.ts"
import { METHODS } from "../src/server/Dispatcher.ts"
import { inPlace } from "./harness/description.ts"

interface Media {
  readonly schema: { readonly [word: string]: unknown }
  readonly example?: unknown
}
interface Answers {
  readonly description?: string
  readonly headers?: Readonly<Record<string, Media & { readonly required?: boolean }>>
  readonly content?: Readonly<Record<string, Media>>
}
interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly description?: string
  readonly tags: ReadonlyArray<string>
  readonly security: ReadonlyArray<object>
  readonly parameters: ReadonlyArray<Media & { readonly name: string; readonly description?: string }>
  readonly requestBody?: Answers
  readonly responses: Readonly<Record<string, Answers>>
}
interface Document {
  readonly servers: ReadonlyArray<{ readonly url: string }>
  readonly tags: ReadonlyArray<{ readonly name: string; readonly description?: string }>
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const written = JSON.parse(JSON.stringify(OpenApi.fromApi(Api)))
const document = inPlace(written) as Document
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation }))
)

const ajv = new Ajv2020({
  strict: false,
  formats: { uuid: /^[0-9a-f-]{36}$/i, "date-time": /^\d{4}-\d\d-\d\dT/ }
})

/** What is wrong with the example of a body or a parameter. */
const flaws = ({ schema, example }: Media): unknown =>
  example === undefined ? "none" : ajv.validate(schema, example) ? undefined : [example, ajv.errorsText()]

describe.each(operations)("$name", ({ operation }) => {
  it("has a summary and a description, a known tag, and says how to sign in", () => {
    expect(operation.summary).toMatch(/^[A-Z].*[^.]$/)
    expect(operation.description).toMatch(/\.$/)
    expect(document.tags.map(({ name }) => name)).toContain(operation.tags[0])
    expect(operation.security).toBeInstanceOf(Array)
    expect(operation.operationId).toMatch(/^[a-z][a-zA-Z]+$/)
  })

  it("describes its parameters, with an example that they accept", () => {
    for (const { name, description, ...parameter } of operation.parameters) {
      expect(description, name).toMatch(/\.$/)
      expect(flaws(parameter), name).toBeUndefined()
    }
  })

  it("has examples that its schemas accept", () => {
    for (const [status, answer] of Object.entries({ request: operation.requestBody ?? {}, ...operation.responses })) {
      if (status !== "request") expect(answer.description, status).toMatch(/\.$/)
      for (const [type, media] of Object.entries(answer.content ?? {}))
        if (type === "application/json") expect(flaws(media), status).toBeUndefined()
    }
  })

  it("names the schemas of its bodies, and holds no number that is none", () => {
    const { requestBody, responses } = written.paths[pathOf(operation)][methodOf(operation)]
    for (const { content = {} } of [requestBody ?? {}, ...Object.values<Answers>(responses)]) {
      const { schema } = content["application/json"] ?? {}
      if (schema !== undefined && schema.type !== "string") expect(schema).toEqual({ $ref: expect.any(String) })
    }
  })
})

const whereOf = (operation: Operation) => operations.find((one) => one.operation === operation)?.name.split(" ") ?? []
const pathOf = (operation: Operation) => whereOf(operation)[1] ?? ""
const methodOf = (operation: Operation) => (whereOf(operation)[0] ?? "").toLowerCase()

it("no id is given twice, no group is without words, and clients know where to ask", () => {
  const ids = operations.map(({ operation }) => operation.operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { name, description } of document.tags) expect(description, name).toMatch(/\.$/)
  expect(document.servers.map(({ url }) => url)).toEqual(["/"])
})

it("is no longer than its names make it, and holds no number that is none", () => {
  expect(JSON.stringify(written)).not.toMatch(/"NaN"|"-?Infinity"/)
  expect(JSON.stringify(written).length).toBeLessThan(JSON.stringify(document).length / 2)
})

it("has the formats and bounds of the contract", () => {
  const bodyOf = (name: string) => document.paths[`/locks/{id}/${name}`]?.["post"]?.requestBody?.content
  const members = (name: string) => bodyOf(name)?.["application/json"]?.schema["properties"]
  expect(members("move-claim")).toMatchObject({ uuid: { type: "string", format: "uuid" } })
  expect(members("AddKey")).toMatchObject({ keyUuid: { type: "string", minLength: 1, maxLength: 255 } })
  expect(members("create-temp-key")).toMatchObject({ validFrom: { type: "string", format: "date-time" } })
  expect(members("CreateLock")).toMatchObject({
    index: { type: "integer", exclusiveMinimum: 0 },
    serialNumber: { maxLength: 800, pattern: expect.any(String) }
  })
  const [id] = document.paths["/locks/{id}/AddKey"]?.["post"]?.parameters ?? []
  expect(id?.schema).toMatchObject({ type: "integer", exclusiveMinimum: 0 })
})

it("has patterns that other languages than this one can read", () => {
  expect(JSON.stringify(written)).not.toContain(String.raw`\\p{`)
  const name = document.paths["/api-keys"]?.["post"]?.requestBody?.content?.["application/json"]?.schema["properties"]
  const { pattern } = (name as { readonly name: { readonly pattern: string } }).name
  expect([["keypad", "a\u0000b", "a\u009fb"].map((text) => new RegExp(pattern, "u").test(text))]).toEqual([
    [true, false, false]
  ])
})

const headersOf = (id: string, status: string) => {
  const found = operations.find(({ operation }) => operation.operationId === id)
  return Object.keys(found?.operation.responses[status]?.headers ?? {})
}

it("says which answers have a tag, a place to go on, or were given before", () => {
  expect(headersOf("getLockDetails", "200")).toEqual(["ETag"])
  expect(headersOf("listLockTempKeys", "200")).toEqual(["ETag"])
  expect(headersOf("createSharedKey", "201")).toEqual(["ETag", "Idempotency-Replayed"])
  expect(headersOf("addKey", "200")).toEqual(["Idempotency-Replayed"])
  expect(headersOf("addKey", "412")).toEqual(["ETag"])
  expect(headersOf("openWithKey", "303")).toEqual(["Location", "Idempotency-Replayed"])
})

it("says 304 where a client may have the answer already, and with which header it says so", () => {
  const conditional = operations.filter(({ operation }) => operation.responses["304"] !== undefined)
  expect(conditional.map(({ operation: { operationId } }) => operationId)).toEqual([
    "getLockDetails",
    "getLockBasicInfo",
    "listResidents"
  ])
  for (const { operation } of operations) {
    const isNamed = operation.parameters.some(({ name }) => name === "if-none-match")
    expect(isNamed, operation.operationId).toBe(operation.responses["304"] !== undefined)
  }
})

it("has no method that 405 and preflights do not know", () => {
  const methods = new Set(operations.map(({ operation }) => methodOf(operation).toUpperCase()))
  expect([...methods].sort()).toEqual([...METHODS].sort())
})
