/** What guests are told of a door: what it is called, how to get there, whom to ask, and its time. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { OTHER_ORG, OWNER, otherOrganization } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, makeShared, shared } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { ask, type GuestLink, HTML, makeLink } from "./guest.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const place = {
  name: "Room 12",
  timeZone: "Pacific/Auckland",
  address: "Harbour Street 1",
  contact: "Reception, +64 9 000 000",
  instructions: "Second floor,\nto the left."
}
const linkAt = async (given: Readonly<Record<string, unknown>> = {}): Promise<GuestLink> => {
  const link = await makeLink(server, given)
  expect((await link.lock.post("describe-lock", place)).status).toBe(200)
  return link
}
const pageOf = async (url: string) => (await ask(url, { headers: { accept: HTML } })).text
/** Which of the parts a page tells. */
const told = (text: string) =>
  Object.entries(place).flatMap(([part, words]) => (part !== "timeZone" && text.includes(words) ? [part] : []))

describe("a guest", () => {
  it("sees the name of the door and the place, how to get there and whom to ask, in the door's time", async () => {
    const link = await linkAt({ validFrom: "2020-01-01T00:00Z", validUntil: "2099-08-31T12:30Z" })
    const { text } = await link.page()
    expect(told(text)).toEqual(["name", "address", "contact", "instructions"])
    expect(text).toContain("<button><span>Open Room 12</span></button>")
    expect(text).toMatch(/>Tuesday,? 1 September 2099 at 00:30<\/time> \(in 7\d years\)/)
    expect(text).toContain("Time at the door: New Zealand Time")
    const confirmed = await link.open()
    const confirmation = await pageOf(server.url + confirmed.headers.get("location"))
    expect(confirmation).toContain("Time at the door: New Zealand Time")
    expect(confirmation).toContain('<strong dir="auto">Room 12</strong>')
  })

  it("of a key to several doors sees the same of each", async () => {
    const [first, second] = [await createLock(server.url), await createLock(server.url)]
    await first.post("describe-lock", place)
    await second.post("describe-lock", { name: "Pool", contact: place.contact, timeZone: "Europe/Athens" })
    const doors = [
      { lockId: String(first.lockId) },
      { lockId: String(second.lockId), label: "Swimming pool" },
      { lockId: String((await createLock(server.url)).lockId) }
    ]
    const { uuid } = await makeShared(server.url, shared(0, { doors }))
    const text = await pageOf(`${server.url}/temp-keys/${uuid}`)
    expect(Array.from(text.matchAll(/<h2[^>]*>(.*?)<\/h2>/g), ([, name]) => name)).toEqual([
      "Room 12",
      "Swimming pool",
      "Door 3"
    ])
    expect(told(text)).toEqual(["name", "address", "contact", "instructions"])
    expect(text.split(place.contact)).toHaveLength(2)
    expect(text).toContain("Time at the door: New Zealand Time")
  })

  it.each([
    ["whose key has ended", { validFrom: "2020-01-01T00:00Z", validUntil: "2020-01-02T00:00Z" }],
    ["who must sign in first", { accessMode: "user-whitelist", allowedUserIds: [OWNER] }]
  ])("%s sees whom to ask, and not how to get there", async (_, given) => {
    expect(told((await (await linkAt(given)).page()).text)).toEqual(["name", "contact"])
  })

  it("whose giver has not got the lock any more is told nothing of those who have it", async () => {
    const link = await makeLink(server)
    const { uuid } = await makeShared(server.url, shared(link.lock.lockId))
    await link.lock.post("SetOrganization", { orgId: OTHER_ORG })
    const path = `${link.lock.path}/describe-lock`
    expect((await callsOf(server.url, otherOrganization)("POST", path, { body: place })).status).toBe(200)
    for (const url of [link.url, `${server.url}/temp-keys/${uuid}`]) expect(told(await pageOf(url))).toEqual([])
  })

  it("who is only shown a preview of the link learns nothing of it, in any language", async () => {
    const previewOf = (text: string) =>
      [...text.matchAll(/<meta (?:name|property)="(description|og:[^"]*)" content="([^"]*)">/g)].map(
        ([, name, content]) => [name, content]
      )
    const unknown = `${server.url}/temp-keys/00000000-0000-4000-8000-000000000000`
    const ended = { validFrom: "2020-01-01T00:00Z", validUntil: "2020-01-02T00:00Z" }
    for (const language of ["en", "de"]) {
      const headers = { accept: HTML, "accept-language": language }
      const [first = [], ...others] = await Promise.all(
        [unknown, (await linkAt()).url, (await linkAt(ended)).url].map(async (url) =>
          previewOf((await ask(url, { headers })).text)
        )
      )
      expect(first.map(([name]) => name)).toEqual(["description", "og:type", "og:title", "og:description"])
      for (const preview of others) expect(preview).toEqual(first)
    }
  })

  it("finds the address on a map by a link, which says nothing of the page it is on", async () => {
    const { text } = await (await linkAt()).page()
    const links = [...text.matchAll(/<a href="(https?:[^"]*)"([^>]*)>/g)].map(([, to, more]) => [to, more])
    const map = "https://www.openstreetmap.org/search?query=Harbour%20Street%201"
    expect(links).toEqual([[map, ' rel="noreferrer"']])
  })

  it("reads what is said as words", async () => {
    const link = await makeLink(server)
    const script = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
    await link.lock.post("describe-lock", { name: script, address: script, contact: script, instructions: script })
    const { uuid } = await makeShared(server.url, shared(link.lock.lockId))
    for (const url of [link.url, `${server.url}/temp-keys/${uuid}`]) {
      const text = await pageOf(url)
      expect([text.includes("<script>alert"), text.includes("<img"), text.includes("&lt;script&gt;")]).toEqual([
        false,
        false,
        true
      ])
    }
  })
})
