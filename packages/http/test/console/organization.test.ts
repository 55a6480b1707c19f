/** What an organization has beside its locks: API keys, webhooks, and pictures of what happened. */
import { Effect } from "effect"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { API_KEYS } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock } from "../harness/locks.ts"
import { startReceiver } from "../partners/receiver.ts"
import { type Operator, signIn, wordsOf } from "./operator.ts"

const PATIENCE = { timeout: 60_000, interval: 20 }

let server: InProcess
let operator: Operator
const [{ secret = "" } = {}] = API_KEYS
beforeAll(async () => {
  server = await startInProcess({ webhooks: { loopback: true } })
  operator = await signIn(server.url, secret)
})
afterAll(() => server.stop())

it("an API key is made for less, shown once, and revoked: who is signed in with it is signed out", async () => {
  const made = await operator.act("/console/api-keys/new", { name: "Front desk", scopes: "read" })
  const key = /class="secret">([^<]+)</.exec(made.text)?.[1] ?? expect.fail(made.text)
  const desk = await signIn(server.url, key)
  expect(wordsOf(await operator.get("/console/api-keys"))).toContain("Front desk For what: read Locks: all")
  expect((await operator.get("/console/api-keys")).text).not.toContain(key)
  const revoke = /href="([^"]+\/revoke)" aria-label="Revoke Front desk"/.exec(
    (await operator.get("/console/api-keys")).text
  )?.[1]
  expect(wordsOf(await operator.get(revoke ?? ""))).toContain("This cannot be undone.")
  expect((await operator.act(revoke ?? "")).status).toBe(200)
  expect((await desk.get("/console")).status).toBe(303)
})

it("an API key that may do nothing is refused, and what was filled in stays", async () => {
  const refused = await operator.act("/console/api-keys/new", { name: "Nothing" })
  expect([refused.status, refused.text.includes('value="Nothing"')]).toEqual([400, true])
})

it("a webhook is made, shown with its attempts, disabled, and deleted", async () => {
  const url = "http://127.0.0.1:9/hook"
  const made = await operator.act("/console/webhooks/new", { url, description: "Our books" })
  expect(made.text).toMatch(/class="secret">whsec_/)
  const list = await operator.get("/console/webhooks")
  const page = /href="(\/console\/webhooks\/[^"/]+)">Our books/.exec(list.text)?.[1] ?? expect.fail(list.text)
  expect((await operator.get(page)).text).not.toContain("whsec_")
  expect(wordsOf(await operator.get(page))).toContain(url)
  expect((await operator.act(`${page}/disable`)).status).toBe(200)
  expect(wordsOf(await operator.get(page))).toContain("disabled")
  expect((await operator.act(`${page}/replay`, { since: "2020-01-01T00:00" })).status).toBeLessThan(500)
  expect((await operator.act(`${page}/delete`)).status).toBe(200)
  expect((await operator.get(page)).status).toBe(404)
})

it("a webhook is changed, and what was given up is listed and dismissed", async () => {
  await using receiver = await startReceiver(({ body }) => (body["detail-type"] === "LockOpenRequested" ? 400 : 200))
  await operator.act("/console/webhooks/new", { url: receiver.url, description: "To be changed" })
  const list = await operator.get("/console/webhooks")
  const page = /href="(\/console\/webhooks\/[^"/]+)">To be changed/.exec(list.text)?.[1] ?? expect.fail(list.text)
  await vi.waitUntil(async () => wordsOf(await operator.get(page)).includes("Status active"), PATIENCE)
  const lock = await createLock(server.url)
  await lock.post("OpenLock", {})
  await lock.post("SetOwner", { userId: "ada" })
  const givenUp = async () => (await operator.get(`${page}?outcome=given-up`)).text
  await vi.waitUntil(async () => (await givenUp()).includes("LockOpenRequested"), PATIENCE)
  const dismiss = /href="([^"]+\/dismiss)"/.exec(await givenUp())?.[1] ?? expect.fail("nothing to dismiss")
  expect((await operator.act(dismiss)).status).toBe(200)
  expect(await givenUp()).not.toContain("LockOpenRequested")
  const form = {
    url: receiver.url,
    events: "OwnerSet, KeyAdded",
    locks: String(lock.lockId),
    description: "",
    payload: "thin"
  }
  expect((await operator.act(`${page}/change`, form)).status).toBe(200)
  const words = wordsOf(await operator.get(page))
  expect([words.includes("Events OwnerSet, KeyAdded"), words.includes(`Locks ${lock.lockId}`)]).toEqual([true, true])
  const refused = await operator.act(`${page}/change`, { ...form, events: "Everything" })
  expect([refused.status, refused.text.includes('value="Everything"')]).toEqual([400, true])
  expect((await operator.act(`${page}/delete`)).status).toBe(200)
})

it("a key without the scope admin sees neither", async () => {
  const { secret } = await Effect.runPromise(server.apiKeys.create("org-1", { limits: { scopes: ["read"] } }))
  const reader = await signIn(server.url, secret)
  for (const path of ["/console/api-keys", "/console/webhooks"]) expect((await reader.get(path)).status).toBe(403)
  expect((await reader.act("/console/api-keys/new", { scopes: "admin" })).status).toBe(403)
})

it("pictures have their numbers as tables", async () => {
  const lock = await createLock(server.url)
  for (let n = 0; n < 3; n++) await lock.post("OpenLock", {})
  const pictures = await operator.get(`/console/locks/${lock.lockId}/pictures`)
  expect(wordsOf(pictures)).toContain("Of the newest 3 openings.")
  const counts = Array.from(pictures.text.matchAll(/<th scope="row">\d\d<\/th><td>(\d+)</g), ([, count]) =>
    Number(count)
  )
  expect(counts).toHaveLength(24)
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3)
})
