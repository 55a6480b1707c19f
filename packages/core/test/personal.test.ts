/** What events tell of people is named once, with their category: whoever shows or seals events goes by it. */
import { describe, expect, it } from "vitest"
import { OrganizationEvent, Organizations } from "../src/access/ApiKeys.ts"
import { DeviceEvent, Devices } from "../src/access/DeviceSecrets.ts"
import { RefusedDays, RefusedUseEvent } from "../src/locks/RefusedUses.ts"
import { PinEvent } from "../src/temp-key/PinAttempts.ts"
import { KnownCallers } from "../src/temp-key/PinGuard.ts"
import { Credentials, SharedCredentialEvent } from "../src/temp-key/SharedCredential.ts"

/** What fields are called that tell who somebody is, or where they were, or hold what somebody wrote of them. */
const PERSONAL = /user|owner|name|email|phone|address|caller|account|description|label|holder|guest/i

const categories = [
  { category: Organizations, events: OrganizationEvent },
  { category: Devices, events: DeviceEvent },
  { category: RefusedDays, events: RefusedUseEvent },
  { category: KnownCallers, events: PinEvent },
  { category: Credentials, events: SharedCredentialEvent }
]

const rows = categories.flatMap(({ category, events }) =>
  Object.entries(events.cases).map(([type, { fields }]) => ({
    type,
    fields: Object.keys(fields).filter((field) => field !== "_tag"),
    personal: (category.personal as Readonly<Record<string, ReadonlyArray<string>>>)[type] ?? []
  }))
)

describe.each(rows)("$type", ({ fields, personal }) => {
  it("names every field that tells of a person", () => {
    expect(fields.filter((field) => PERSONAL.test(field) && !personal.includes(field))).toEqual([])
  })

  it("names only fields that it has", () => {
    expect(personal.filter((field) => !fields.includes(field))).toEqual([])
  })
})
