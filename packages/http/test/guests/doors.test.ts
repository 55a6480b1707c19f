/** `POST /temp-keys/{uuid}/doors/{doorId}/open`: a door of several, opened by the link. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { organization, superKey } from "../harness/callers.ts"
import { expectAsPublished } from "../harness/contract.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, historyOf, makeShared, newUuid, shared, type TestLock } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { ask, connect, HTML, JSON_TYPE, ticketIn, titleOf } from "./guest.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const OPEN = "POST /temp-keys/{uuid}/doors/{doorId}/open"

/** A key to two doors: the first opens by link, the second by PIN alone. */
const makeKey = async (given: Readonly<Record<string, unknown>> = {}) => {
  const [gate, flat] = [await createLock(server.url), await createLock(server.url)]
  const doors = [
    { lockId: String(gate.lockId), label: "Gate" },
    { lockId: String(flat.lockId), label: "Flat", accessMethod: "code" }
  ]
  const { uuid } = await makeShared(server.url, shared(0, { doors, ...given }))
  return { uuid, gate, flat, page: `${server.url}/temp-keys/${uuid}` }
}
const opens = async (lock: TestLock) =>
  (await historyOf(lock)).filter(({ type }) => type === "LockOpenRequested").length

const byApp = async (uuid: string, doorId: unknown, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await callsOf(server.url)("POST", `/temp-keys/${uuid}/doors/${doorId}/open`, {
    headers: { accept: JSON_TYPE, ...headers }
  })
  expectAsPublished(OPEN, answer)
  return answer
}
const byBrowser = (uuid: string, doorId: number, fields: Readonly<Record<string, string>> = {}) =>
  ask(`${server.url}/temp-keys/${uuid}/doors/${doorId}/open`, {
    method: "POST",
    headers: { accept: HTML },
    body: new URLSearchParams(fields)
  })

describe("a door of several", () => {
  it("opens for an app: JSON, and only this door", async () => {
    const { uuid, gate, flat } = await makeKey()
    const confirmation = `/temp-keys/${uuid}/confirmation?door=1&opened=2`
    const first = { success: true, offline: true, confirmation: `${confirmation}&offline=true` }
    expect((await byApp(uuid, 1)).body).toEqual(first)
    await connect(server, gate)
    expect((await byApp(uuid.toUpperCase(), 1)).body).toMatchObject({ success: true, offline: false })
    expect([await opens(gate), await opens(flat)]).toEqual([2, 0])
    expect((await historyOf(gate)).at(-1)?.event?.data["reason"]).toBe("temp key, door 1")
    // The link opens other locks too: whoever may read the history of one must not learn it there.
    expect((await gate.get("events")).text).not.toContain(uuid)
  })

  it("is shown as withdrawn while its giver may not give it, and has its button back with the lock", async () => {
    const { uuid, gate, page } = await makeKey()
    const text = async () => (await ask(page, { headers: { accept: HTML } })).text
    expect(await text()).toContain("/doors/1/open")
    const hand = async (orgId: string) => {
      const set = callsOf(server.url, superKey)("POST", `${gate.path}/SetOrganization`, { body: { orgId } })
      expect((await set).status).toBe(200)
    }
    await hand("org-2")
    expect(await text()).not.toContain("/doors/1/open")
    expect(await text()).toContain("may no longer give keys to this door")
    expect((await byApp(uuid, 1)).status).toBe(403)
    await hand("org-1")
    expect(await text()).toContain("/doors/1/open")
    expect((await byApp(uuid, 1)).status).toBe(200)
  })

  it("opens for a browser: 303 to its confirmation, once for each page", async () => {
    const { uuid, gate, page } = await makeKey()
    await connect(server, gate)
    const ticket = ticketIn(await ask(page, { headers: { accept: HTML } }))
    const [first, second] = [await byBrowser(uuid, 1, { ticket }), await byBrowser(uuid, 1, { ticket })]
    expect([first.status, second.status]).toEqual([303, 303])
    const location = first.headers.get("location")
    expect(location).toBe(`/temp-keys/${uuid}/confirmation?door=1&opened=2`)
    expect(second.headers.get("location")).toBe(location)
    expect(await opens(gate)).toBe(1)
    expect(titleOf(await ask(server.url + location))).toBe("The door is opening")
    const nothing = titleOf(await ask(`${page}/confirmation`))
    for (const query of ["door=2&opened=2", "door=9&opened=2", "door=1&opened=1", "door=1&opened=99", "opened=2"]) {
      const confirmation = await ask(`${page}/confirmation?${query}`)
      expect([query, confirmation.status, titleOf(confirmation)]).toEqual([query, 200, nothing])
    }
  })

  it("must be named: the link is known, but opens none of them by itself", async () => {
    const { uuid, gate, page } = await makeKey()
    const answer = await callsOf(server.url)("POST", `/temp-keys/${uuid}/open`, { headers: { accept: JSON_TYPE } })
    expect([answer.status, answer.body.error]).toEqual([404, "Door not named"])
    expect(answer.body.message).toContain("/doors/{doorId}/open")
    const shown = await ask(`${page}/open`, { method: "POST", headers: { accept: HTML } })
    expect([shown.status, titleOf(shown)]).toEqual([404, titleOf(await ask(page))])
    expect(await opens(gate)).toBe(0)
  })

  it("is told with an Idempotency-Key once", async () => {
    const { uuid, gate } = await makeKey()
    const key = { "idempotency-key": newUuid() }
    const answers = await Promise.all([byApp(uuid, 1, key), byApp(uuid, 1, key), byApp(uuid, 1, key)])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(await opens(gate)).toBe(1)
    // Also when the key has ended since: it was opened, and that is what the caller asks about.
    await callsOf(server.url, organization)("DELETE", `/temp-keys/${uuid}`)
    expect((await byApp(uuid, 1, key)).status).toBe(200)
    expect((await byApp(uuid, 1)).status).toBe(400)
    expect(await opens(gate)).toBe(1)
  })

  it.each([
    ["a key that has ended", { validUntil: "2021-01-01T00:00:00Z", validFrom: "2020-01-01T00:00:00Z" }, "expired"],
    [
      "a key of next century",
      { validFrom: "2126-01-01T00:00:00Z", validUntil: "2127-01-01T00:00:00Z" },
      "not-yet-valid"
    ]
  ])("does not open with %s", async (_, window, status) => {
    const { uuid, gate } = await makeKey(window)
    const refused = await byApp(uuid, 1)
    expect([refused.status, refused.body.message]).toEqual([400, expect.stringContaining(`(${status})`)])
    expect((await byBrowser(uuid, 1)).status).toBe(400)
    expect(await opens(gate)).toBe(0)
  })

  it("does not open by the link when it takes the PIN alone", async () => {
    const { uuid, flat } = await makeKey()
    const refused = await byApp(uuid, 2)
    expect([refused.status, refused.body.error]).toEqual([403, "PIN needed"])
    expect((await byBrowser(uuid, 2)).status).toBe(403)
    expect(await opens(flat)).toBe(0)
  })

  it("does not open any more when its lock went to somebody whom the key's maker is not", async () => {
    const { uuid, gate } = await makeKey()
    const orgId = "org-9"
    await callsOf(server.url, superKey)("POST", `${gate.path}/SetOrganization`, { body: { orgId } })
    expect((await byApp(uuid, 1)).status).toBe(403)
    expect(await opens(gate)).toBe(0)
  })

  it("is not spent while the device cannot be told: 502", async () => {
    const { uuid, gate } = await makeKey()
    await Effect.runPromise(server.shadow.setMode("reject"))
    try {
      expect((await byApp(uuid, 1)).status).toBe(502)
      expect((await byBrowser(uuid, 1)).status).toBe(502)
    } finally {
      await Effect.runPromise(server.shadow.setMode("ok"))
    }
    expect(await opens(gate)).toBe(0)
  })

  it.each<[string, unknown, number]>([
    ["3", 3, 404],
    ["0", 0, 400],
    ["one", "one", 400]
  ])("is found by its number: %s", async (_, doorId, status) => {
    const { uuid } = await makeKey()
    expect((await byApp(uuid, doorId)).status).toBe(status)
  })

  it("is behind its link alone, and opens for nobody who fetches it", async () => {
    expect((await byApp(newUuid(), 1)).status).toBe(404)
    expect((await byApp("x", 1)).status).toBe(404)
    const { uuid, gate } = await makeKey()
    for (const method of ["GET", "HEAD"]) {
      expect((await ask(`${server.url}/temp-keys/${uuid}/doors/1/open`, { method })).status).toBe(303)
    }
    expect(await opens(gate)).toBe(0)
  })
})
