/** A key in its guest's calendar: what calendars can read, and nothing that opens a door. */
import { openingsIn } from "@latchkey/core"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { calendarOf as calendarAt, escaped, folded } from "../../src/guests/Calendar.ts"
import { readerOf } from "../../src/guests/Reader.ts"
import { OTHER_ORG, OWNER } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, makeShared, shared } from "../harness/locks.ts"
import { ask, makeLink } from "./guest.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

/** What a reader of RFC 5545 makes of a calendar: its properties, in order. */
const read = (text: string) =>
  text
    .replaceAll("\r\n ", "")
    .split("\r\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", ...value] = line.split(":")
      return [name, unescaped(value.join(":"))] as const
    })
const unescaped = (value: string) => value.replaceAll(/\\([\\;,nN])/g, (_, c: string) => (/n/i.test(c) ? "\n" : c))
const valuesOf = (text: string, name: string) => read(text).flatMap(([at, value]) => (at === name ? [value] : []))

const calendarOf = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  ask(`${url}/calendar.ics`, { headers })

describe("a line", () => {
  it("is at most 75 octets, cuts no letter in two, and is the same when it is put together", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
        const line = escaped(text)
        const parts = folded(line).split("\r\n")
        expect(parts.every((part) => Buffer.byteLength(part) <= 75)).toBe(true)
        expect(parts.slice(1).every((part) => part.startsWith(" "))).toBe(true)
        expect(parts.map((part, index) => (index === 0 ? part : part.slice(1))).join("")).toBe(line)
        expect(parts.join("").isWellFormed()).toBe(text.isWellFormed())
      })
    )
  })

  it("holds any text as a value, and no line of its own", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.constantFrom(";", ",", "\\", "\n", "\r\n", "\r"),
        (text, special) => {
          const line = escaped(text + special)
          expect(line).not.toMatch(/[\r\n]/)
          const plain = (text + special).replaceAll(/\r\n?/g, "\n").replaceAll(/[^\P{Cc}\n\t]/gu, "")
          expect(unescaped(line)).toBe(plain)
        }
      )
    )
    expect(escaped("a\nEND:VEVENT;b,c\\d\u0007")).toBe("a\\nEND:VEVENT\\;b\\,c\\\\d")
  })
})

describe("the calendar of a key", () => {
  it("has when it works and where, in the guest's language, and neither its link nor who it is for", async () => {
    const link = await makeLink(server, { validFrom: "2026-08-01T09:00:00Z", validUntil: "2099-08-31T10:30:00Z" })
    const address = "Harbour Street 1; Chania, Crete"
    await link.lock.post("describe-lock", { name: "Room 12", address, instructions: "Up,\nleft.", contact: "Ada" })
    const { status, headers, text } = await calendarOf(link.url, { "accept-language": "de" })
    expect([status, headers.get("content-type"), headers.get("cache-control")]).toEqual([
      200,
      "text/calendar; charset=utf-8",
      "no-store"
    ])
    expect(read(text).map(([name]) => name)).toEqual([
      ...["BEGIN", "VERSION", "PRODID", "BEGIN", "UID", "DTSTAMP", "DTSTART", "DTEND"],
      ...["SUMMARY", "LOCATION", "DESCRIPTION", "CLASS", "TRANSP", "END", "END"]
    ])
    expect(Object.fromEntries(read(text))).toMatchObject({
      DTSTART: "20260801T090000Z",
      DTEND: "20990831T103000Z",
      SUMMARY: "Schlüssel: Room 12",
      LOCATION: address,
      DESCRIPTION: "Up,\nleft.\n\nFragen? Ada"
    })
    expect(text.toLowerCase()).not.toContain(link.uuid.toLowerCase())
    expect(text).toMatch(/\r\n$/)
    const again = await calendarOf(link.url)
    expect(valuesOf(again.text, "UID")).toEqual(valuesOf(text, "UID"))
    expect((await link.page()).text).toContain(`href="/temp-keys/${link.uuid}/calendar.ics"`)
  })

  it("ends with the last year that calendars know", async () => {
    const { lockId } = await createLock(server.url)
    const { uuid } = await makeShared(server.url, shared(lockId, { validUntil: "9999-12-31T23:59:00-05:00" }))
    expect(valuesOf((await calendarOf(`${server.url}/temp-keys/${uuid}`)).text, "DTEND")).toEqual(["99991231T235959Z"])
  })

  it("of a schedule has its next windows, each as long as it is, and so many at most", async () => {
    const every = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    const schedule = { timeZone: "Europe/Athens", windows: [{ days: every, from: "09:00", to: "11:00" }] }
    const link = await makeLink(server, { validUntil: "2099-08-31T10:30:00Z", schedule })
    const { text } = await calendarOf(link.url)
    const [starts, ends] = [valuesOf(text, "DTSTART"), valuesOf(text, "DTEND")]
    expect([starts.length, ends.length, new Set(valuesOf(text, "UID")).size]).toEqual([26, 26, 26])
    expect(starts.slice(1).every((start) => /T0[67]0000Z$/.test(start))).toBe(true)
    expect(ends.every((end) => /T0[89]0000Z$/.test(end))).toBe(true)
  })

  it("names a window the same before it begins and while it is open: asked for again, it is there once", () => {
    const schedule = { timeZone: "UTC", windows: [{ days: ["monday" as const], from: "09:00", to: "11:00" }] as const }
    const [validFrom, validUntil] = [Date.UTC(2026, 7, 1), Date.UTC(2026, 8, 30)]
    const uids = ["2026-08-30T12:00Z", "2026-08-31T09:30Z"].map((now) =>
      valuesOf(
        calendarAt(readerOf({}, Date.parse(now)), "uuid", {
          status: "valid",
          admission: "admitted",
          ...{ validFrom, validUntil, schedule },
          ...{ nextChangeAt: validUntil, usesLeft: null, doors: [] }
        }),
        "UID"
      )
    )
    expect(uids[0]?.length).toBe(5)
    expect(uids[1]).toEqual(uids[0])
  })

  it("leads back to the page of a key that is not for this guest, or works no more; of none it is 404", async () => {
    const ended = await makeLink(server, { validFrom: "2020-01-01T00:00Z", validUntil: "2020-01-02T00:00Z" })
    const others = await makeLink(server, { accessMode: "user-whitelist", allowedUserIds: [OWNER] })
    for (const link of [ended, others]) {
      const { status, headers } = await calendarOf(link.url)
      expect([status, headers.get("location")]).toEqual([303, `/temp-keys/${link.uuid}`])
      expect((await link.page()).text).not.toContain("calendar.ics")
    }
    expect((await calendarOf(`${server.url}/temp-keys/${crypto.randomUUID()}`)).status).toBe(404)
    const lock = await createLock(server.url)
    const { uuid } = await makeShared(server.url, shared(lock.lockId))
    const url = `${server.url}/temp-keys/${uuid}`
    expect((await calendarOf(url)).status).toBe(200)
    await lock.post("SetOrganization", { orgId: OTHER_ORG })
    expect((await calendarOf(url)).status).toBe(303)
    expect((await ask(url)).text).not.toContain("calendar.ics")
  })

  it("goes by the clocks at the door when they are changed", () => {
    const schedule = {
      timeZone: "Europe/Athens",
      windows: [{ days: ["sunday" as const], from: "09:00", to: "11:00" }] as const
    }
    const openings = openingsIn(schedule, Date.UTC(2026, 9, 18), Date.UTC(2026, 10, 1), 5)
    expect(openings.map(({ from }) => new Date(from).toISOString())).toEqual([
      "2026-10-18T06:00:00.000Z",
      "2026-10-25T07:00:00.000Z"
    ])
  })
})
