/**
 * `docs/commands.md`: what each operation that changes something takes, made from the schemas. Its examples are written by
 * hand below that, and run by
 * `test/docs.services.test.ts`. Run with `--update` when a schema has changed.
 */
import { readFileSync } from "node:fs"
import { OpenApi } from "effect/http-api"
import { expect, it } from "vitest"
import { Api } from "../src/api/Api.ts"
import { inPlace } from "./harness/description.ts"

interface Schema {
  readonly type?: string
  readonly enum?: ReadonlyArray<string>
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly anyOf?: ReadonlyArray<Schema>
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: boolean
}
interface Operation {
  readonly summary: string
  readonly description: string
  readonly tags: readonly [string]
  readonly parameters: ReadonlyArray<{ readonly name: string; readonly in: string }>
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly tags: ReadonlyArray<{ readonly name: string; readonly description: string }>
}

const file = "../../../docs/commands.md"
const page = readFileSync(new URL(file, import.meta.url), "utf8")
const description = inPlace(JSON.parse(JSON.stringify(OpenApi.fromApi(Api)))) as Description
const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) =>
    method === "get" ? [] : [{ path, method: method.toUpperCase(), ...operation }]
  )
)

/** What a field is for, by its name, or by the end of its path. */
const meanings: Readonly<Record<string, string>> = {
  accessMethod: "whether the door takes the link, the PIN, or both; `key` unless given",
  accessMode: "anyone with the link, or `allowedUserIds` alone; `public` unless given",
  addDoors: "doors that the key gets",
  address: "where it is",
  after: "the cursor after which to begin",
  allowedUserIds: "who may use it",
  color: "of buttons and links",
  claimCode: "proves once that the device is yours",
  contact: "whom guests may ask",
  days: "`monday` to `sunday`: on which the window begins",
  description: "a note of yours",
  deviceSecret: "proves that the device is yours",
  doors: "what it opens",
  email: "",
  events: "types, or `*` for all; `*` unless given",
  expiresAt: "never, unless given",
  from: "",
  index: "its number among your locks, kept as it is",
  indexNumber: "its slot",
  instructions: "what guests are told",
  keyIndexNumber: "the slot of the key",
  keyUuid: "the name of the key",
  keys: "",
  "keys[].uuid": "the name of the key",
  label: "what guests see",
  lockId: "the number of the lock, as text",
  lockIds: "these locks alone; `null`: all",
  locks: "these locks alone",
  logo: "a PNG in base64",
  maxUses: "`null`: as often as you like",
  name: "",
  newTempKeyUuid: "the new link",
  newUuid: "the device that the lock gets",
  orgId: "the organization",
  ownerId: "whose lock it is; a user's own, unless given",
  payload: "`thin`: type, lock, time and ids alone; `full` unless given",
  phoneNumber: "",
  pin: "",
  reason: "kept in the history",
  removeDoors: "by their numbers",
  requestId: "an id of yours",
  schedule: "weekly windows; `null`: at any time",
  scopes: "what it is for",
  serialNumber: "",
  showPin: "whether the guest's page shows the PIN",
  signature: "`hmac` unless given",
  since: "the instant from which on to send",
  tempKeyUuid: "the link of the temp key",
  ticket: "of the page, for browsers",
  timeZone: "IANA, such as `Europe/Athens`",
  to: "not after `from`: on the day after",
  token: "the user's JWT",
  until: "where to end: a cursor or an instant, as the beginning",
  url: "https, or http to this machine in development",
  userId: "whose it is",
  uuid: "the name of the device",
  "POST /temp-keys uuid": "the link; drawn unless given",
  "POST /temp-keys/{uuid}/new-link uuid": "the new link; drawn unless given",
  validFrom: "from when it opens",
  validUntil: "until when",
  vendorName: "",
  windows: ""
}

/** What cannot be said by lengths. */
const patterns: ReadonlyArray<readonly [end: string, words: string]> = [
  ["{12}$", "UUID"],
  ["Z$", "instant in UTC"],
  ["[0-5]\\d)$", "instant, in UTC or with an offset"],
  ["[0-5]\\d$", "time, `09:00`"],
  ["[a-zA-Z0-9_.,@/:#=[\\]-]*$", "text of `a-z A-Z 0-9 _ . , @ / : # = [ ] -`"],
  ["#[0-9a-fA-F]{6}$", "colour, `#0d6b4f`"],
  ["[0-9]{4,8}$", "4 to 8 digits"],
  ["\\u009f]+$", "text without control characters"],
  ["[\\w-]{43})?$", "text"],
  ["[\\w-]+\\.[\\w-]+\\.[\\w-]+$", "JWT"]
]

const bounds = (least = 0, most: number | undefined, what: string): string => {
  if (most === undefined) return least > 0 ? `, ${least} or more ${what}` : ""
  return least > 0 ? `, ${least} to ${most} ${what}` : `, at most ${most} ${what}`
}

const typeOf = (schema: Schema): string => {
  const { type, enum: values, pattern, anyOf, items } = schema
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ")
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(" or ")
  switch (type) {
    case "boolean":
      return "`true`, `false`"
    case "null":
      return "`null`"
    case "object":
      return "object"
    case "array":
      return `list of ${items === undefined ? "anything" : typeOf(items)}${bounds(schema.minItems, schema.maxItems, "of them")}`
    case "integer":
      return schema.exclusiveMinimum === 0 ? "whole number from 1" : "whole number"
    case "string": {
      const words = pattern === undefined ? "text" : patterns.find(([end]) => pattern.endsWith(end))?.[1]
      if (words === undefined) throw new Error(`No words for ${pattern}`)
      // An instant or a UUID is as long as it is.
      return words.startsWith("text") ? words + bounds(schema.minLength, schema.maxLength, "characters") : words
    }
    default:
      throw new Error(`No words for ${JSON.stringify(schema)}`)
  }
}

const meaningOf = (operation: string, path: string): string => {
  const name = /\w+$/.exec(path.replace(/\[\]$/, ""))?.[0] ?? path
  const meaning = meanings[`${operation} ${path}`] ?? meanings[path] ?? meanings[name]
  return meaning ?? expect.fail(`${operation}: what is ${path}?`)
}

const rowsOf = (operation: string, schema: Schema, prefix = ""): ReadonlyArray<string> =>
  Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const path = prefix + name
    const required = schema.required?.includes(name) ? "required" : ""
    const inner = member.anyOf?.find(({ properties }) => properties !== undefined) ?? member
    const below =
      inner.items?.properties === undefined
        ? rowsOf(operation, inner, `${path}.`)
        : rowsOf(operation, inner.items, `${path}[].`)
    return [`| \`${path}\` | ${typeOf(member)} | ${required} | ${meaningOf(operation, path)} |`, ...below]
  })

/** What was written by hand below the generated part: heading, description and table. */
const byHand = (heading: string): string => {
  const section = page.split(/^(?=##)/m).find((part) => part.startsWith(`${heading}\n`)) ?? ""
  const lines = section.split("\n").slice(1)
  const from = lines.findIndex((line) => !/^$|^\||^`[A-Z]+ /.test(line))
  const text = lines.slice(from).join("\n").trimEnd()
  if (!text.includes("```console\n$ ")) throw new Error(`docs/commands.md has no example below "${heading}"`)
  return text
}

const sectionOf = ({ method, path, summary, description, parameters, requestBody }: (typeof operations)[number]) => {
  const operation = `${method} ${path}`
  const heading = `### ${summary}`
  const body = requestBody?.content["application/json"]?.schema
  const query = parameters.flatMap((parameter) => (parameter.in === "query" ? [`\`?${parameter.name}=…\``] : []))
  const rows = body === undefined ? [] : rowsOf(operation, body)
  const words = [
    `\`${operation}\``,
    description,
    ...(query.length > 0 ? [`Super keys name the organization: ${query}.`] : []),
    ...(body === undefined ? ["No body."] : []),
    ...(body !== undefined && body.additionalProperties !== false ? ["Unknown fields are left aside."] : [])
  ]
  return [
    heading,
    `${words[0]}: ${words.slice(1).join(" ")}`,
    "",
    ...(rows.length > 0 ? ["| field | | | |", "| --- | --- | --- | --- |", ...rows, ""] : []),
    byHand(heading),
    ""
  ]
}

it("docs/commands.md shows the body of every operation that changes something, and an example of each", async () => {
  const groups = description.tags.flatMap(({ name, description }) => {
    const inGroup = operations.filter(({ tags }) => tags[0] === name)
    return inGroup.length > 0 ? [`## ${description.replace(/\.$/, "")}`, ...inGroup.flatMap(sectionOf)] : []
  })
  const intro = page.slice(0, page.indexOf(groups[0] ?? "")).trimEnd()
  await expect([intro, "", ...groups].join("\n")).toMatchFileSnapshot(file)
})

it("uses all its words", () => {
  const asked = new Set<string>()
  for (const { method, path, requestBody } of operations) {
    const body = requestBody?.content["application/json"]?.schema
    for (const row of body === undefined ? [] : rowsOf(`${method} ${path}`, body)) {
      const field = /`(.+?)`/.exec(row)?.[1] ?? ""
      const name = /\w+$/.exec(field)?.[0] ?? field
      const key = [`${method} ${path} ${field}`, field, name].find((key) => meanings[key] !== undefined)
      if (key !== undefined) asked.add(key)
    }
  }
  expect([...asked].toSorted()).toEqual(Object.keys(meanings).toSorted())
})
