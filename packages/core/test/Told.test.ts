/** What partners are told of stored events: exactly the published fields, in the published envelope. */
import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Result, Schema } from "effect"
import envelope from "../../http/contract/partner-envelope.schema.json" with { type: "json" }
import { LockEvent } from "../src/lock/LockEvent.ts"
import { cursorOf, positionOf } from "../src/partners/Cursor.ts"
import { envelopeOf } from "../src/partners/Envelope.ts"
import { isOfShared, thinned, toldOf, toldOfShared, toldTypes } from "../src/partners/Told.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { flawsOfEvent } from "./contract.ts"

const golden = readdirSync(new URL("golden/", import.meta.url)).map(
  (file): StoredEvent => JSON.parse(readFileSync(new URL(`golden/${file}`, import.meta.url), "utf8"))
)
const validate = new Ajv2020({ allErrors: true, validateFormats: false, allowUnionTypes: true }).compile(envelope)
const origin = { region: "local", account: "000000000000" }
const told = golden.flatMap((stored) =>
  isOfShared(stored) ? (toldOfShared(stored, "the id of the key") ?? []) : (toldOf(stored) ?? [])
)

describe.each(told.map((one) => ({ type: one.data.type, one })))("$type", ({ type, one }) => {
  it("is sent in the published envelope", () => {
    expect(validate(envelopeOf(one, "org-1", origin)) ? [] : validate.errors).toEqual([])
    expect(validate(envelopeOf(thinned(one), "org-1", origin)) ? [] : validate.errors).toEqual([])
  })

  it("tells what the contract publishes of it", () => {
    const { type: _, ...data } = one.data
    expect(flawsOfEvent(type, data)).toEqual([])
    expect(toldTypes).toContain(type)
  })

  it("is thin without a field that names a person, or opens a door", () => {
    expect(Object.keys(thinned(one).data)).toEqual(expect.arrayContaining(["type", "timestamp"]))
    for (const field of Object.keys(thinned(one).data)) {
      expect(field).not.toMatch(
        /user|owner|name|email|phone|reason|tempKeyUuid|link|createdBy|updatedBy|deletedBy|changes|detail/i
      )
    }
  })
})

it("of temp keys with several doors no link is told, and no PIN", () => {
  const shared = golden.filter(isOfShared)
  const text = JSON.stringify(shared.map((stored) => toldOfShared(stored, "the id of the key")?.data))
  for (const { streamId, data } of shared) {
    expect(text).not.toContain(streamId.slice("credential-".length))
    if (typeof data["link"] === "string") expect(text).not.toContain(data["link"])
  }
  expect(text).not.toMatch(/hash|draw|keyId|giver/)
})

it("every type that is told has an example", () => {
  expect([...new Set(told.map(({ data }) => data.type))].sort()).toEqual([...toldTypes].sort())
})

it("every event of locks is told", () => {
  expect(Object.keys(LockEvent.cases).filter((type) => !told.some(({ data }) => data.type === type))).toEqual([])
})

it("the hash of an API key, and what is for the server alone, is not", () => {
  expect(JSON.stringify(told)).not.toContain("hash")
  const untold = golden.filter((stored) => toldOf(stored) === undefined).map(({ type }) => type)
  expect(untold).toEqual(expect.arrayContaining(["PinRefused", "TempKeyRefused", "DeviceSecretCreated", "LockLeft"]))
})

it("an event of a type that this server does not know is told without what it does not understand", () => {
  const [stored] = golden.filter(({ type }) => type === "OwnerSet")
  if (stored === undefined) return expect.fail("no golden event")
  const told = toldOf({ ...stored, type: "LockPainted", data: { ...stored.data, colour: "red" } })
  expect(told?.data).toEqual({ type: "LockPainted", lockId: 7, timestamp: "2026-08-31T09:00:00.000Z" })
})

describe("a cursor", () => {
  const positions = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

  it.prop("leads back to its position, in the feed that it is of", [positions, Schema.String], ([position, orgId]) => {
    expect(positionOf(orgId, cursorOf(orgId, position))).toEqual(Result.succeed(position))
  })

  it("of another organization, or made up, is refused", () => {
    for (const cursor of [
      cursorOf("org-2", 7),
      cursorOf("*", 7),
      "7",
      "",
      "now",
      "7.zzz",
      `${cursorOf("org-1", 7)} `
    ]) {
      expect(Result.isFailure(positionOf("org-1", cursor)), cursor).toBe(true)
    }
  })
})
