/** Events as they are stored forever, and as the outside sees them. */
import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { OrganizationEvent } from "../src/access/ApiKeys.ts"
import { DeviceEvent } from "../src/access/DeviceSecrets.ts"
import { BrandEvent } from "../src/guest/Brands.ts"
import { fromStored, LockEvent, type LockEventType, toStored, toWire, wireEvent } from "../src/lock/LockEvent.ts"
import { BulkEvent } from "../src/locks/BulkAddKeys.ts"
import { DepartureEvent } from "../src/locks/Departures.ts"
import { OutageEvent } from "../src/locks/Outages.ts"
import { RefusedUseEvent } from "../src/locks/RefusedUses.ts"
import { WebhookEvent } from "../src/partners/Webhook.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { PinEvent } from "../src/temp-key/PinAttempts.ts"
import { SharedCredentialEvent } from "../src/temp-key/SharedCredential.ts"
import { Principal } from "../src/values/Principal.ts"
import { flawsOfEvent } from "./contract.ts"
import { clock, happened, lockId, lockUuid } from "./scenario.ts"

/**
 * Events as former versions of Latchkey stored them: add files for new types and fields, never change one.
 * Between them, the files of a type have every field that it may have.
 */
const golden = readdirSync(new URL("golden/", import.meta.url)).map(
  (file): StoredEvent => JSON.parse(readFileSync(new URL(`golden/${file}`, import.meta.url), "utf8"))
)

const isLockEvent = ({ type }: StoredEvent): boolean => type in LockEvent.cases

/** Events of other streams than those of locks. */
const OtherEvent = Schema.Union([
  BulkEvent,
  SharedCredentialEvent,
  PinEvent,
  RefusedUseEvent,
  OrganizationEvent,
  DeviceEvent,
  DepartureEvent,
  OutageEvent,
  WebhookEvent,
  BrandEvent
])
const decodeOtherEvent = Schema.decodeUnknownSync(OtherEvent)
const decodePrincipal = Schema.decodeUnknownSync(Principal)

describe("a stored event", () => {
  it.each(golden.filter(isLockEvent))("$type: is read, and would be stored as it is", (stored) => {
    const { type, data } = stored
    expect(Option.map(fromStored(stored), toStored)).toEqual(Option.some({ type, data }))
  })

  it.each(golden.filter((stored) => !isLockEvent(stored)))(
    "$type: is read, and would be stored as it is",
    ({ type, data }) => {
      const { _tag, ...read } = decodeOtherEvent({ ...data, _tag: type })
      expect([_tag, read]).toEqual([type, data])
    }
  )

  it.each(golden)("$type: says who asked", ({ principal }) => {
    expect(decodePrincipal(principal)).toEqual(principal)
  })

  it.each(golden.filter(isLockEvent))("$type: is published as the contract says", (stored) => {
    const { type, data } = toWire(Option.getOrThrow(fromStored(stored)))
    expect(type).toBe(stored.type)
    expect(flawsOfEvent(type, data)).toEqual([])
    expect(Schema.decodeUnknownSync(wireEvent(type), { onExcessProperty: "error" })({ type, data })).toEqual({
      type,
      data
    })
  })

  it.each(
    Object.entries({
      ...LockEvent.cases,
      ...BulkEvent.cases,
      ...SharedCredentialEvent.cases,
      ...PinEvent.cases,
      ...RefusedUseEvent.cases,
      ...OrganizationEvent.cases,
      ...DeviceEvent.cases,
      ...DepartureEvent.cases,
      ...OutageEvent.cases,
      ...WebhookEvent.cases
    })
  )("%s: has a golden file with every field", (type, schema) => {
    const seen = golden.filter((event) => event.type === type).flatMap(({ data }) => Object.keys(data))
    expect(new Set(["_tag", ...seen])).toEqual(new Set(Object.keys(schema.fields)))
  })

  it("of a later version of Latchkey is none that this one knows", () => {
    expect(fromStored({ type: "LockPainted", data: { lockId, uuid: lockUuid, timestamp: clock("09:00") } })).toEqual(
      Option.none()
    )
  })

  it("may have fields that this version does not know", () => {
    const event = happened({ _tag: "OwnerSet", userId: "ada" })
    const { type, data } = toStored(event)
    expect(fromStored({ type, data: { ...data, colour: "red" } })).toEqual(Option.some(event))
  })
})

describe("the published form", () => {
  it.each<[LockEventType, string, string]>([
    ["LockCreated", "index", "vendorName"],
    ["LockOpenRequested", "credentialUuid", "doorId"],
    ["ResidentAdded", "phoneNumber", "phoneNumber"],
    ["TempKeyCreated", "description", "description"],
    ["TempKeyCreated", "schedule", "schedule"],
    ["TempKeyUpdated", "schedule", "schedule"]
  ])("of %s leaves out what has no published field: %s, %s", (type, ...fields) => {
    const stored = golden.find((event) => event.type === type && fields.every((field) => field in event.data))
    expect(Object.keys(stored?.data ?? {})).toEqual(expect.arrayContaining(fields))
    const published = Option.map(Option.flatMap(Option.fromUndefinedOr(stored), fromStored), toWire)
    for (const field of fields) expect(Option.getOrThrow(published).data).not.toHaveProperty(field)
  })

  it("has no field for what was not given", () => {
    expect(toWire(happened({ _tag: "LockOpenRequested" }))).toStrictEqual({
      type: "LockOpenRequested",
      data: { lockId, uuid: lockUuid, timestamp: clock("08:00") }
    })
  })
})
