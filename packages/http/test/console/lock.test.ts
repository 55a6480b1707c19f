/** The page of a lock: what happened there, in words, for whoever may know. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { API_KEYS, HOLDER, OWNER, superKey, token } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import {
  createLock,
  furnishedLock,
  historyOf,
  lockAt,
  makeShared,
  newLockId,
  newUuid,
  shared,
  tempKey
} from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { hiddenIn, type Operator, signIn, wordsOf } from "./operator.ts"

let server: InProcess
let operator: Operator
const [hotel = "", other = "", all = ""] = API_KEYS.map(({ secret }) => secret)
beforeAll(async () => {
  server = await startInProcess()
  operator = await signIn(server.url, hotel)
})
afterAll(() => server.stop())

const open = (link: string, door: number) =>
  callsOf(server.url)("POST", `/temp-keys/${link}/doors/${door}/open`, { headers: { accept: "application/json" } })
const withScopes = async (...scopes: ReadonlyArray<"read" | "open" | "keys" | "temp-keys" | "admin">) => {
  const { secret } = await Effect.runPromise(server.apiKeys.create("org-1", { limits: { scopes } }))
  return signIn(server.url, secret)
}

describe("the timeline", () => {
  it("says why the door did not open: the key had ended, the PIN was wrong, the lock never answered", async () => {
    const lock = await createLock(server.url)
    const past = { validFrom: "2020-01-01T00:00:00Z", validUntil: "2020-01-02T00:00:00Z", description: "Mr Miller" }
    const { uuid } = await makeShared(server.url, shared(lock.lockId, past))
    await open(uuid, 1)
    await callsOf(server.url)("POST", `${lock.path}/open-with-pin`, { body: { pin: "0000" } })
    await lock.post("OpenLock", { reason: "concierge" })
    const words = wordsOf(await operator.get(`/console/locks/${lock.lockId}`))
    expect(words).toContain("Refused: temp key Mr Miller a guest The key had expired.")
    expect(words).toContain("Refused: wrong PIN a guest No key had this PIN at that time.")
    expect(words).toContain("Told to open (concierge) org-1 by the API Sent. The lock has not answered yet.")
  })

  it("calls temp keys by their names however many the lock has had, and lists such as open the door", async () => {
    const lock = await createLock(server.url)
    const past = { validFrom: "2020-01-01T00:00:00Z", validUntil: "2020-01-02T00:00:00Z" }
    for (let n = 0; n < 101; n++)
      await lock.post("create-temp-key", { ...tempKey(), ...past, description: `Guest ${n}` })
    const last = await makeShared(server.url, shared(lock.lockId, { ...past, description: "Mr Miller" }))
    await makeShared(server.url, shared(lock.lockId, { description: "Cleaner" }))
    await open(last.uuid, 1)
    const page = `/console/locks/${lock.lockId}`
    const words = wordsOf(await operator.get(page))
    expect(words).toContain("Refused: temp key Mr Miller a guest The key had expired.")
    expect(words).toContain("Temp key Guest 100 made")
    const card = words.slice(words.indexOf("Temp key Status Works until"))
    expect(card).toContain("Cleaner works")
    expect(card).not.toContain("Guest")
    const why = `${page}/why`
    const asked = (await operator.get(why)).text
    expect(asked).toContain("A temp key: Cleaner")
    const what = new URLSearchParams({ what: `temp-key:${last.id}`, at: "2020-01-01T12:00" })
    const explained = await operator.get(`${why}?${what}`)
    expect(explained.text).toContain("selected>A temp key: Mr Miller<")
    const keys = `/console/temp-keys?lockId=${lock.lockId}`
    expect(wordsOf(await operator.get(keys))).not.toMatch(/Guest|Mr Miller/)
    expect(wordsOf(await operator.get(`${keys}&status=`))).toContain("Guest 7 ended")
  })

  it("tells an opening and the lock's answer to it in one line", async () => {
    const lock = await createLock(server.url)
    await lock.post("OpenLock", {})
    const { commandId } = JSON.parse((await lock.get("details")).text).pendingCommands[0]
    const report = { _tag: "CommandOutcome", thing: lock.uuid, commandId, at: Date.now(), outcome: "failed" } as const
    await Effect.runPromise(server.shadow.report({ ...report, detail: "bolt jammed" }))
    await expect
      .poll(async () => wordsOf(await operator.get(`/console/locks/${lock.lockId}`)))
      .toContain("The lock could not do it. The lock says: bolt jammed")
    expect(wordsOf(await operator.get(`/console/locks/${lock.lockId}`))).not.toContain("The lock answered")
  })

  it("shows what the filter asks for, and has an address for it", async () => {
    const lock = await furnishedLock(server.url)
    const page = `/console/locks/${lock.lockId}`
    expect(wordsOf(await operator.get(page))).toContain("Resident Ada added")
    const keys = wordsOf(await operator.get(`${page}?kind=tempKeys`))
    expect(keys).toContain("made")
    expect(keys).not.toContain("Lock set up")
    expect(wordsOf(await operator.get(`${page}?who=nobody-there`))).toContain("Nothing matches.")
    expect(wordsOf(await operator.get(`${page}?to=2001-01-01T00:00`))).toContain("Nothing matches.")
  })

  it("goes on page by page, and no refusal is told twice or lost", async () => {
    const lock = await createLock(server.url)
    const { uuid } = await makeShared(
      server.url,
      shared(lock.lockId, { doors: [{ lockId: String(lock.lockId), accessMethod: "code" }] })
    )
    for (let n = 0; n < 30; n++) {
      await lock.post("SetOwner", { userId: `owner-${n}` })
      await lock.post("SetOwner", { userId: "" })
      if (n % 10 === 5) await open(uuid, 1)
    }
    const seen: Array<string> = []
    for (let path: string | undefined = `/console/locks/${lock.lockId}`; path !== undefined; ) {
      const { text }: { readonly text: string } = await operator.get(path)
      seen.push(...Array.from(text.matchAll(/why\?event=([^"]+)"/g), ([, id = ""]) => id))
      path = /href="([^"]+)">Older</.exec(text)?.[1]?.replaceAll("&amp;", "&")
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.filter((id) => id.endsWith("refused"))).toHaveLength(3)
    expect(seen).toHaveLength((await historyOf(lock)).length + 3)
  })

  it("explains each line, by the rules of that instant", async () => {
    const lock = await createLock(server.url)
    const past = { validFrom: "2020-01-01T00:00:00Z", validUntil: "2020-01-02T00:00:00Z" }
    const { uuid } = await makeShared(server.url, shared(lock.lockId, past))
    await open(uuid, 1)
    const { text } = await operator.get(`/console/locks/${lock.lockId}?kind=openings`)
    const why = /href="([^"]+why\?event=[^"]+)"/.exec(text)?.[1] ?? expect.fail("no line to explain")
    const words = wordsOf(await operator.get(why))
    expect(words).toContain("It was refused.")
    expect(words).toContain("Rule The temp key had ended")
    expect(words).toContain("SharedCredentialCreated")
  })

  it("answers about anybody at any time, and names a temp key by its id alone", async () => {
    const lock = await furnishedLock(server.url)
    const page = `/console/locks/${lock.lockId}/why`
    expect(wordsOf(await operator.get(`${page}?what=user&who=${OWNER}`))).toContain("It opens.")
    expect(wordsOf(await operator.get(`${page}?what=user&who=nobody`))).toContain("It does not open.")
    const { text } = await operator.get(page)
    const value = /value="(temp-key:[^"]+)"/.exec(text)?.[1] ?? ""
    expect(value).not.toContain(lock.tempKeyUuid)
    expect(wordsOf(await operator.get(`${page}?${new URLSearchParams({ what: value })}`))).toContain(
      "The temp key was valid"
    )
  })
})

describe("what is done", () => {
  it("is asked once, says what will happen, and shows the API's answer", async () => {
    const lock = await createLock(server.url)
    const page = `/console/locks/${lock.lockId}/open`
    const asked = await operator.get(page)
    expect(wordsOf(asked)).toContain("The lock is told to open now")
    expect(asked.text).toContain(
      `curl -X POST -H &quot;X-API-Key: $KEY&quot; -H &#39;Content-Type: application/json&#39; -d &#39;{}&#39; &#39;${server.url}/locks/${lock.lockId}/OpenLock&#39;`
    )
    expect(await historyOf(lock)).toHaveLength(1)
    const done = await operator.act(page, { reason: "concierge" })
    expect(wordsOf(done)).toContain("The lock is not connected")
    expect(done.text).toContain("&quot;type&quot;: &quot;LockOpenRequested&quot;")
  })

  it("is done once, however often its form is sent", async () => {
    const lock = await createLock(server.url)
    const page = `/console/locks/${lock.lockId}/open`
    const fields = hiddenIn(await operator.get(page))
    for (let n = 0; n < 3; n++) expect((await operator.post(page, fields)).status).toBe(200)
    expect(await historyOf(lock)).toHaveLength(2)
  })

  it("that the API refuses is shown in its words, with the form", async () => {
    const lock = await createLock(server.url)
    await Effect.runPromise(server.shadow.setMode("reject"))
    const refused = await operator.act(`/console/locks/${lock.lockId}/open`, { reason: "concierge" })
    await Effect.runPromise(server.shadow.setMode("ok"))
    expect(refused.status).toBe(502)
    expect(wordsOf(refused)).toContain("Failed to update device shadow")
    expect(refused.text).toContain('value="concierge"')
  })
})

describe("who may see what", () => {
  it("is decided by the API: another organization sees nothing, the operator all", async () => {
    const lock = await furnishedLock(server.url)
    const [stranger, operatorOfAll] = [await signIn(server.url, other), await signIn(server.url, all)]
    for (const path of ["", "/why?what=user&who=x", "/open"]) {
      const theirs = await stranger.get(`/console/locks/${lock.lockId}${path}`)
      expect(theirs.text).not.toContain(lock.tempKeyUuid)
      expect(theirs.text).not.toContain("Ada")
    }
    expect((await stranger.get(`/console/locks/${lock.lockId}`)).status).toBe(403)
    expect((await stranger.act(`/console/locks/${lock.lockId}/open`)).status).toBe(403)
    expect((await operatorOfAll.get(`/console/locks/${lock.lockId}`)).status).toBe(200)
  })

  it("a key with the scope read sees, and is offered nothing that it may not do", async () => {
    const lock = await furnishedLock(server.url)
    const reader = await withScopes("read")
    const { text } = await reader.get(`/console/locks/${lock.lockId}`)
    expect(text).toContain("Resident Ada added")
    expect(text).not.toMatch(/href="[^"]*\/(open|sync|temp-keys\/new)/)
    expect(text).not.toContain(">API keys<")
    expect(text).not.toContain(lock.tempKeyUuid)
    expect((await reader.act(`/console/locks/${lock.lockId}/open`)).status).toBe(403)
    const asked = await reader.get(`/console/locks/${lock.lockId}/open`)
    expect(wordsOf(asked)).toContain("takes one with the scope “open”")
    expect(hiddenIn(asked)).toEqual({})
  })

  it("an owner sees their lock, and the holder of a key does not", async () => {
    const lock = await furnishedLock(server.url)
    expect((await (await signIn(server.url, token({ sub: OWNER }))).get(`/console/locks/${lock.lockId}`)).status).toBe(
      200
    )
    expect((await (await signIn(server.url, token({ sub: HOLDER }))).get(`/console/locks/${lock.lockId}`)).status).toBe(
      403
    )
  })

  it("a former organization sees what happened in its own time, and nothing of what is now", async () => {
    const lock = await createLock(server.url)
    await lock.post("SetOwner", { userId: "owner-of-then" })
    await callsOf(server.url, superKey)("POST", `${lock.path}/SetOrganization`, { body: { orgId: "org-2" } })
    await callsOf(server.url, superKey)("POST", `${lock.path}/SetOwner`, { body: { userId: "owner-of-now" } })
    const { status, text } = await operator.get(`/console/locks/${lock.lockId}`)
    expect(status).toBe(200)
    expect(text).toContain("owner-of-then")
    expect(text).not.toContain("owner-of-now")
  })
})

const SCRIPT = `"><script>alert(1)</script><img src=x onerror=alert(1)>`

it("whatever people call things is text", async () => {
  const lock = await createLock(server.url)
  await lock.post("AddResident", { name: SCRIPT, email: SCRIPT, phoneNumber: SCRIPT, userId: SCRIPT })
  await lock.post("SetOwner", { userId: SCRIPT })
  await lock.post("AddKey", { keyUuid: SCRIPT, userId: SCRIPT, keyIndexNumber: 1 })
  await lock.post("OpenLock", { reason: SCRIPT })
  await makeShared(
    server.url,
    shared(lock.lockId, { description: SCRIPT, doors: [{ lockId: String(lock.lockId), label: SCRIPT }] })
  )
  await lock.post("create-temp-key", tempKey({ description: SCRIPT, tempKeyUuid: newUuid() }))
  const page = `/console/locks/${lock.lockId}`
  const given = encodeURIComponent(SCRIPT)
  for (const path of [
    page,
    `${page}?who=${given}&from=${given}&to=${given}&kind=${given}`,
    `${page}?cursor=${given}`,
    `${page}/why?event=${given}`,
    `${page}/why?what=${given}&who=${given}&at=${given}`,
    `/console/locks/${given}`,
    `/console/${given}`,
    `/console/sign-in?to=${given}`
  ]) {
    const { text } = await operator.get(path)
    expect([path, text.includes("<script>alert"), text.includes("<img")]).toEqual([path, false, false])
  }
})

it("a page is small, however many keys a lock has and however long its story is", async () => {
  const keys = Array.from({ length: 400 }, (_, n) => ({ uuid: `key-${n}-of-a-lock-with-many`, indexNumber: n + 1 }))
  const lock = lockAt(server.url, newLockId())
  expect((await lock.post("CreateLock", { index: 1, uuid: lock.uuid, keys })).status).toBe(201)
  const described = () => tempKey({ tempKeyUuid: newUuid(), description: "x".repeat(200) })
  await Promise.all(Array.from({ length: 60 }, () => lock.post("create-temp-key", described())))
  const { text } = await operator.get(`/console/locks/${lock.lockId}`)
  expect(Buffer.byteLength(text)).toBeLessThan(100_000)
})
