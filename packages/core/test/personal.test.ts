/** What events tell of people is named once, with their category: whoever shows or seals events goes by it. */
import { describe, expect, it } from "vitest"
import { OrganizationEvent, Organizations } from "../src/access/ApiKeys.ts"
import { DeviceEvent, Devices } from "../src/access/DeviceSecrets.ts"
import { BrandEvent, BrandStreams } from "../src/guest/Brands.ts"
import { personalFields } from "../src/lock/EventRows.ts"
import { LockEvent } from "../src/lock/LockEvent.ts"
import { DepartureEvent, Departures } from "../src/locks/Departures.ts"
import { OutageEvent, Outages } from "../src/locks/Outages.ts"
import { RefusedDays, RefusedUseEvent } from "../src/locks/RefusedUses.ts"
import { WebhookEvent, WebhookStreams } from "../src/partners/Webhook.ts"
import { PinEvent } from "../src/temp-key/PinAttempts.ts"
import { KnownCallers } from "../src/temp-key/PinGuard.ts"
import { Credentials, SharedCredentialEvent } from "../src/temp-key/SharedCredential.ts"

/** What fields are called that tell who somebody is, or where they were, or hold what somebody wrote of them. */
const PERSONAL = /user|owner|name|email|phone|address|caller|account|description|label|holder|guest/i

const categories = [
  { category: Organizations, events: OrganizationEvent },
  { category: Devices, events: DeviceEvent },
  { category: WebhookStreams, events: WebhookEvent },
  { category: Departures, events: DepartureEvent },
  { category: Outages, events: OutageEvent },
  { category: RefusedDays, events: RefusedUseEvent },
  { category: KnownCallers, events: PinEvent },
  { category: BrandStreams, events: BrandEvent },
  { category: Credentials, events: SharedCredentialEvent },
  { category: { personal: personalFields }, events: LockEvent }
]

/** Names of things, not of people. */
const OF_THINGS: ReadonlySet<string> = new Set(["vendorName", "BrandSet.name"])

const rows = categories.flatMap(({ category, events }) =>
  Object.entries(events.cases).map(([type, { fields }]) => ({
    type,
    fields: Object.keys(fields).filter((field) => field !== "_tag"),
    personal: (category.personal as Readonly<Record<string, ReadonlyArray<string>>>)[type] ?? []
  }))
)

describe.each(rows)("$type", ({ type, fields, personal }) => {
  it("names every field that tells of a person", () => {
    expect(
      fields.filter(
        (field) =>
          PERSONAL.test(field) &&
          ![field, `${type}.${field}`].some((name) => OF_THINGS.has(name)) &&
          !personal.includes(field)
      )
    ).toEqual([])
  })

  it("names only fields that it has", () => {
    expect(personal.filter((field) => !fields.includes(field))).toEqual([])
  })
})
