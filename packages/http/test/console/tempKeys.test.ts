/** Temp keys at the console: made in three steps, handed over, changed, suspended and ended. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { API_KEYS } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, type TestLock, tempKey } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { hiddenIn, type Operator, signIn, wordsOf } from "./operator.ts"

let server: InProcess
let operator: Operator
const [hotel = "", other = ""] = API_KEYS.map(({ secret }) => secret)
beforeAll(async () => {
  server = await startInProcess()
  operator = await signIn(server.url, hotel)
})
afterAll(() => server.stop())

const NEW = "/console/temp-keys/new"
/** The cleaner's key: Tuesdays until August. */
const cleaner = (lock: TestLock) => ({
  doors: String(lock.lockId),
  method: "both",
  from: "2026-01-01T00:00",
  until: "2099-08-31T23:59",
  zone: "Europe/Athens",
  days0: "tuesday",
  from0: "09:00",
  to0: "11:00"
})
const make = async (lock: TestLock, more: Readonly<Record<string, string>> = {}) => {
  const address = `${NEW}?${new URLSearchParams({ ...cleaner(lock), step: "who" })}`
  const { once = "", ...fields } = hiddenIn(await operator.get(address))
  return operator.post(NEW, { ...fields, once, description: "Cleaner", ...more })
}
const listed = async (lock: TestLock) =>
  JSON.parse((await lock.get(`../../temp-keys?lockId=${lock.lockId}`)).text).tempKeys
const linkIn = ({ text }: { readonly text: string }) =>
  /\/temp-keys\/([0-9a-f-]{36})"/.exec(text)?.[1] ?? expect.fail(text)

it("the first step has locks to tick, by name, and none goes on without a door", async () => {
  const [kitchen, gate] = [await createLock(server.url), await createLock(server.url)]
  await kitchen.post("describe-lock", { name: "00 Kitchen" })
  await gate.post("describe-lock", { name: "01 Gate" })
  const first = (await operator.get(`${NEW}?doors=${gate.lockId}`)).text
  expect(first).toContain(`value="${kitchen.lockId}">00 Kitchen`)
  expect(first).toContain(`value="${gate.lockId}" checked>01 Gate`)
  const { doors: _, ...rest } = cleaner(gate)
  const both = `doors=${kitchen.lockId}&doors=${gate.lockId}`
  const third = await operator.get(`${NEW}?${both}&${new URLSearchParams({ ...rest, step: "who" })}`)
  expect(wordsOf(third)).toContain("Doors 00 Kitchen, 01 Gate")
  const made = new URLSearchParams([...Object.entries(hiddenIn(third)), ["doors", String(kitchen.lockId)]])
  expect((await operator.post(NEW, made)).status).toBe(200)
  const [key] = await listed(gate)
  expect(key.doors.map(({ lockId }: { readonly lockId: string }) => Number(lockId)).sort()).toEqual(
    [kitchen.lockId, gate.lockId].sort()
  )
  for (const step of ["when", "who"])
    expect(wordsOf(await operator.get(`${NEW}?doors=&step=${step}`))).toContain("Choose a door first.")
})

it("a key is made in three steps, each an address of its own, and nothing is made before the last", async () => {
  const lock = await createLock(server.url)
  const first = await operator.get(`${NEW}?doors=${lock.lockId}`)
  expect(first.text).toContain(`value="${lock.lockId}"`)
  const second = await operator.get(`${NEW}?doors=${lock.lockId}&method=both&step=when`)
  expect(second.text).toContain('type="datetime-local"')
  const third = await operator.get(`${NEW}?${new URLSearchParams({ ...cleaner(lock), step: "who" })}`)
  expect(wordsOf(third)).toContain("Tuesdays 09:00–11:00, in Europe/Athens")
  expect(third.text).toContain("<svg")
  expect(third.text).toContain("&quot;timeZone&quot;:&quot;Europe/Athens&quot;")
  expect(await listed(lock)).toEqual([])
  const made = await make(lock, { users: "ann, ben", uses: "5" })
  expect([made.status, wordsOf(made)]).toEqual([200, expect.stringMatching(/The temp key is made PIN \d{4,8} /)])
  expect(made.text).toContain('aria-label="The link as a QR code"')
  const [key] = await listed(lock)
  expect(key).toMatchObject({
    uuid: linkIn(made),
    description: "Cleaner",
    validFrom: "2025-12-31T22:00:00.000Z",
    validUntil: "2099-08-31T20:59:00.000Z",
    allowedUserIds: ["ann", "ben"],
    maxUses: 5,
    schedule: { timeZone: "Europe/Athens", windows: [{ days: ["tuesday"], from: "09:00", to: "11:00" }] }
  })
})

it("doors are named as their locks are: in the list, in the last step, and where something is done", async () => {
  const lock = await createLock(server.url)
  await lock.post("describe-lock", { name: "Room 12" })
  const third = await operator.get(`${NEW}?${new URLSearchParams({ ...cleaner(lock), step: "who" })}`)
  expect(wordsOf(third)).toContain("Doors Room 12")
  await make(lock)
  expect(wordsOf(await operator.get(`/console/temp-keys?lockId=${lock.lockId}`))).toMatch(/Cleaner .* Room 12 /)
  expect(wordsOf(await operator.get(`/console/locks/${lock.lockId}/open`))).toContain("Open the door? Room 12")
  const done = await operator.act(`/console/locks/${lock.lockId}/sync`)
  expect(wordsOf(done)).toContain("Bring the keys in line? Room 12")
})

it("the form of a new key makes one, however often it is sent", async () => {
  const lock = await createLock(server.url)
  const fields = hiddenIn(await operator.get(`${NEW}?${new URLSearchParams({ ...cleaner(lock), step: "who" })}`))
  for (let n = 0; n < 2; n++) expect((await operator.post(NEW, fields)).status).toBe(200)
  expect(await listed(lock)).toHaveLength(1)
})

it("what the API refuses is said beside the form, which keeps what was filled in", async () => {
  const lock = await createLock(server.url)
  const refused = await make(lock, { description: "Night porter", days0: "", from0: "09:00", to0: "" })
  expect([refused.status, wordsOf(refused)]).toEqual([400, expect.stringContaining("Invalid request")])
  expect(refused.text).toContain('value="Night porter"')
  expect(await listed(lock)).toEqual([])
})

describe("a key's page", () => {
  it("shows its terms, doors, link and QR code; its address holds no link", async () => {
    const lock = await createLock(server.url)
    const made = await make(lock)
    const [{ id, uuid }] = await listed(lock)
    expect(made.text).toContain(`/console/temp-keys/${id}"`)
    const page = await operator.get(`/console/temp-keys/${id}`)
    expect(wordsOf(page)).toContain("Tuesdays 09:00–11:00, in Europe/Athens")
    expect(page.text).toContain(`value="${server.url}/temp-keys/${uuid}"`)
    for (const { text } of [
      await operator.get("/console/temp-keys"),
      await operator.get(`/console/locks/${lock.lockId}`)
    ]) {
      expect(text).toContain(`/console/temp-keys/${id}"`)
      expect(text).not.toContain(uuid)
    }
  })

  it("lets it be suspended, resumed, given another link and PIN, and ended", async () => {
    const lock = await createLock(server.url)
    const link = linkIn(await make(lock))
    const [{ id }] = await listed(lock)
    const page = `/console/temp-keys/${id}`
    expect((await operator.act(`${page}/suspend`)).status).toBe(200)
    expect(wordsOf(await operator.get(page))).toContain("suspended")
    expect((await operator.act(`${page}/resume`)).status).toBe(200)
    expect(linkIn(await operator.act(`${page}/new-link`))).not.toBe(link)
    expect(wordsOf(await operator.act(`${page}/reissue-pin`))).toMatch(/PIN \d{4,8} Note it now/)
    const asked = await operator.get(`${page}/end`)
    expect(wordsOf(asked)).toContain("This cannot be undone.")
    expect((await operator.act(`${page}/end`)).status).toBe(200)
    expect(await listed(lock)).toMatchObject([{ status: "deleted" }])
  })

  it("changes what the form says, unless somebody else has changed the key meanwhile", async () => {
    const lock = await createLock(server.url)
    await make(lock)
    const [{ id }] = await listed(lock)
    const page = `/console/temp-keys/${id}/change`
    const form = await operator.get(page)
    const fields = { ...hiddenIn(form), ...cleaner(lock), until: "2099-01-01T12:00", description: "Cleaner, new" }
    expect((await operator.post(page, fields)).status).toBe(200)
    expect(await listed(lock)).toMatchObject([{ description: "Cleaner, new", validUntil: "2099-01-01T10:00:00.000Z" }])
    const late = await operator.post(page, { ...fields, description: "Cleaner, too late" })
    expect([late.status, wordsOf(late)]).toEqual([412, expect.stringContaining("Version moved")])
  })

  it("tells what a change would have changed, before it is made", async () => {
    const lock = await createLock(server.url)
    const { tempKeyUuid } = (await lock.post("create-temp-key", tempKey({ description: "Guest" }))).body
    for (let n = 0; n < 2; n++) await lock.post("use-temp-key", { tempKeyUuid })
    const [{ id }] = await listed(lock)
    const page = `/console/temp-keys/${id}/change`
    const form = await operator.get(page)
    const value = (name: string) => new RegExp(`name="${name}"[^>]*value="([^"]*)"`).exec(form.text)?.[1] ?? ""
    const same = Object.fromEntries(["from", "until", "zone", "description"].map((name) => [name, value(name)]))
    const tried = await operator.post(page, { ...hiddenIn(form), ...same, uses: "1", try: "yes" })
    expect(wordsOf(tried)).toContain("1 of those uses would have been refused.")
    expect(await listed(lock)).toMatchObject([{ maxUses: null }])
  })
})

it("another organization's keys are not there, and a key without the scope shows none", async () => {
  const lock = await createLock(server.url)
  const link = linkIn(await make(lock))
  const [{ id }] = await listed(lock)
  const stranger = await signIn(server.url, other)
  const { secret } = await Effect.runPromise(server.apiKeys.create("org-1", { limits: { scopes: ["read"] } }))
  for (const browser of [stranger, await signIn(server.url, secret)]) {
    for (const path of [`/console/temp-keys/${id}`, `/console/temp-keys/${id}/change`, "/console/temp-keys"]) {
      const { text } = await browser.get(path)
      expect([path, text.includes(link), text.includes("Cleaner")]).toEqual([path, false, false])
    }
    expect([403, 404]).toContain((await browser.act(`/console/temp-keys/${id}/end`)).status)
  }
  expect((await callsOf(server.url)("GET", `/temp-keys/${link}`)).status).toBe(200)
})
