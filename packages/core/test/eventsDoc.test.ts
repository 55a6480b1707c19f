/** `docs/events.md`, made from the schemas and the golden events: run with `--update` when one of them has changed. */
import { readdirSync, readFileSync } from "node:fs"
import { expect, it } from "vitest"
import additions from "../../http/contract/additions.json" with { type: "json" }
import published from "../../http/contract/events.schema.json" with { type: "json" }
import { envelopeOf } from "../src/partners/Envelope.ts"
import { isOfShared, type Told, toldOf, toldOfShared, toldTypes } from "../src/partners/Told.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"

interface Schema {
  readonly type?: string | ReadonlyArray<string>
  readonly enum?: ReadonlyArray<string>
  readonly items?: Schema
  readonly anyOf?: ReadonlyArray<Schema>
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
}

const schemas: Readonly<Record<string, Schema>> = { ...(published as object), ...(additions.events as object) }
const TEMP_KEY = "0198f2c0-0000-7000-8000-00000000000a"
const examples = new Map<string, Told>()
for (const file of readdirSync(new URL("golden/", import.meta.url)).sort()) {
  const stored: StoredEvent = JSON.parse(readFileSync(new URL(`golden/${file}`, import.meta.url), "utf8"))
  const told = isOfShared(stored) ? toldOfShared(stored, TEMP_KEY) : toldOf(stored)
  if (told === undefined) continue
  const known = examples.get(told.data.type)
  if (known === undefined || JSON.stringify(told).length > JSON.stringify(known).length)
    examples.set(told.data.type, told)
}

const typeOf = ({ type, enum: values, items, anyOf }: Schema): string => {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ")
  if (anyOf !== undefined) return anyOf.map(typeOf).join(" or ")
  if (items !== undefined) return `list of ${typeOf(items)}`
  return Array.isArray(type) ? type.join(" or ") : String(type ?? "any")
}

const sectionOf = (type: string): string => {
  const { properties = {}, required = [] } = schemas[type] ?? {}
  const example = examples.get(type)
  if (example === undefined) throw new Error(`${type} has no golden event`)
  const rows = Object.entries(properties).map(
    ([name, schema]) => `| \`${name}\` | ${typeOf(schema)} | ${required.includes(name) ? "" : "may be missing"} |`
  )
  return [
    `## ${type}`,
    "| field of `detail.data` | | |",
    "| --- | --- | --- |",
    ...rows,
    "",
    "```json",
    JSON.stringify(envelopeOf(example, "org-1", { region: "local", account: "000000000000" }), null, 2),
    "```"
  ].join("\n")
}

it("docs/events.md shows every event that partners are told of", async () => {
  const text = [
    "# Events that partners are told of",
    "Made from the contract and from examples that are tested. How they are received is in [Partners](partners.md); `detail.data` also has the event's `type`. Of a `thin` payload only type, lock, time and ids are left.",
    "An event that a newer server wrote, and this one does not understand, has its `type`, `lockId` and `timestamp` alone.",
    "",
    ...toldTypes.map(sectionOf)
  ].join("\n")
  await expect(`${text}\n`).toMatchFileSnapshot("../../../docs/events.md")
})
