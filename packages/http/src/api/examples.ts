/** Examples of the description: of each schema the shortest value, with members as they are called. */
import { isObject, type Json } from "./json.ts"

/** Valid for the schema. `name` is what the value is called where it stands. */
export const exampleOf = (description: Json, schema: unknown, name = ""): unknown => {
  const example = (of: unknown, name: string): unknown => {
    if (!isObject(of)) return "text"
    if (typeof of["$ref"] === "string") return example(resolve(description, of["$ref"]), name)
    if (Array.isArray(of["enum"])) return of["enum"][0]
    if (Array.isArray(of["anyOf"])) return example(of["anyOf"][0], name)
    switch (of["type"]) {
      case "object": {
        const required = Array.isArray(of["required"]) ? of["required"] : []
        const members = Object.entries(isObject(of["properties"]) ? of["properties"] : {})
        return Object.fromEntries(
          members
            .filter(([member]) => required.includes(member) || ALWAYS.has(member))
            .map(([member, of]) => [member, example(of, member)])
        )
      }
      case "array":
        return [example(of["items"], ITEMS[name] ?? name)]
      case "integer":
      case "number":
        return NUMBERS[name] ?? Math.max(Number(of["minimum"] ?? 1), 1)
      case "boolean":
        return false
      case "null":
        return null
      case "string":
        return textOf(of, name)
      default:
        return {}
    }
  }
  return example(schema, name)
}

const resolve = (description: Json, ref: string): unknown =>
  ref
    .split("/")
    .slice(1)
    .reduce<unknown>((inside, name) => (isObject(inside) ? inside[name] : undefined), description)

const UUID = "7d0c2f2e-5d0b-4f6a-9a86-0b9c5f0e4a31"
const INSTANT = "2026-08-31T09:00:00Z"

const textOf = ({ format, pattern }: Json, name: string): string => {
  const text = TEXTS[name]
  if (format === "uuid") return UUID
  if (format === "date-time" || /(At|[sS]ince|Until|Seen|timestamp|from|to|Updated)$/.test(name)) {
    if (pattern === TIME) return name === "to" ? "17:00" : "09:00"
    return name.endsWith("Until") || name === "to" ? "2026-08-31T17:00:00Z" : INSTANT
  }
  if (text !== undefined) return text
  return /uuid$/i.test(name) ? UUID : "text"
}

const TIME = String.raw`^(?:[01]\d|2[0-3]):[0-5]\d$`

/** Optional members without which a request would say nothing. */
const ALWAYS: ReadonlySet<string> = new Set(["keyIndexNumber", "since", "ticket"])

const ITEMS: { readonly [list: string]: string } = { allowedUserIds: "userId" }

const NUMBERS: { readonly [name: string]: number } = { lockId: 42, id: 42, limit: 50, usedCount: 0 }

const TEXTS: { readonly [name: string]: string } = {
  id: "0198f6a2-7c1e-7b1a-8d53-2f1f6f3f9b01",
  eventId: "0198f6a2-7c1e-7b1a-8d53-2f1f6f3f9b01",
  commandId: "0198f6a2-7c1e-7b1a-8d53-2f1f6f3f9b01",
  "idempotency-key": "0198f6a2-7c1e-7b1a-8d53-2f1f6f3f9b01",
  "if-match": '"7"',
  "if-none-match": '"7"',
  keyUuid: "card-1",
  lockId: "42",
  userId: "ann",
  ownerId: "ann",
  createdBy: "ann",
  orgId: "acme",
  name: "Front door",
  email: "ann@example.org",
  phoneNumber: "+44 20 7946 0000",
  timeZone: "Europe/London",
  pin: "4711",
  ticket: "AAAAAAAAAAAAAAAAAAAAAA",
  token: "header.payload.signature",
  types: "KeyAdded",
  url: "https://partner.example.org/hook",
  aggregateId: "lock-42",
  r2Prefix: "lock-42"
}
