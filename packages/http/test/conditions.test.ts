/** `If-Match`: a command is carried out only at the version of the lock that its caller has seen. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { holder, organization, stranger, superKey } from "./harness/callers.ts"
import { expectAsPublished, expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, furnishedLock, historyOf, newLockId, newUuid, stateOf, tempKey } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"
import { commandsByRoute, everyRoute, goodRequest } from "./harness/routes.ts"

const TIME = 1_788_166_800_000

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

/** The tag of a lock's details, and that of its version alone. */
const tagsOf = async (path: string) => {
  const { status, headers, body } = await callsOf(server.url, superKey)("GET", `${path}/details`)
  const etag = headers.get("etag") ?? ""
  expect(status).toBe(200)
  expect(etag).toMatch(new RegExp(`^"${body.version}\\.[\\w-]{16}"$`))
  return { etag, ofVersion: `"${body.version}"`, version: Number(body.version) }
}
const etagOf = async (path: string) => (await tagsOf(path)).etag

const BULK = "POST /locks/{id}/BulkAddKeys"
const REMOVAL = "POST /locks/{id}/remove-inherited-keys"
const commands = everyRoute.filter(({ name }) => commandsByRoute.has(name) || name === BULK || name === REMOVAL)

describe.each(commands)("$name", (route) => {
  it("is carried out at the version that it names, and at no other", async () => {
    const lock = await furnishedLock(server.url)
    const { path, body } = goodRequest(route, lock)
    const send = (ifMatch: string) =>
      callsOf(server.url, superKey)("POST", path, { body, headers: { "if-match": ifMatch } })
    const { etag, ofVersion, version } = await tagsOf(lock.path)
    const before = await stateOf(lock)
    for (const other of ['"1"', '"99"', `W/${etag}`, '""', '"x"', '"05", "007"', `"${version}.0"`]) {
      const moved = await send(other)
      expect([other, moved.status, moved.body.version]).toEqual([other, 412, version])
      expect(moved.headers.get("etag")).toBe(ofVersion)
      expectProblem(412, moved.body)
    }
    expect(await stateOf(lock)).toBe(before)
    expect((await send(`"1", ,W/"2" ,\t${etag},`)).status).toBe(200)
    const next = await furnishedLock(server.url)
    const again = goodRequest(route, next)
    const headers = { "if-match": (await tagsOf(next.path)).ofVersion }
    expect((await callsOf(server.url, superKey)("POST", again.path, { body: again.body, headers })).status).toBe(200)
  })

  it("takes no other condition than tags and *", async () => {
    const lock = await furnishedLock(server.url)
    const { path, body } = goodRequest(route, lock)
    const before = await stateOf(lock)
    for (const bad of ["", "5", "*, *", '*, "5"', '"5" "6"', '"5', 'w/"5"', 'W/ "5"', "'5'", ", ,", '"a b"', '"5";']) {
      const answer = await callsOf(server.url, superKey)("POST", path, { body, headers: { "if-match": bad } })
      expect([bad, answer.status, answer.body.details?.[0]?.field]).toEqual([bad, 400, "if-match"])
    }
    expect(await stateOf(lock)).toBe(before)
    expect((await callsOf(server.url, superKey)("POST", path, { body, headers: { "if-match": "*" } })).status).toBe(200)
  })
})

it("of two edits at once that saw the same version, one is carried out, and the other is told", async () => {
  const lock = await createLock(server.url)
  const etag = await etagOf(lock.path)
  const tried = Array.from({ length: 20 }, (_, n) =>
    lock.post("SetOwner", { userId: `user-${n}` }, { "if-match": etag })
  )
  const statuses = (await Promise.all(tried)).map(({ status }) => status)
  expect(statuses.toSorted()).toEqual([200, ...Array(19).fill(412)])
  expect(await historyOf(lock)).toHaveLength(2)
})

it("what is so already is refused as well when the lock has moved", async () => {
  const lock = await createLock(server.url)
  const etag = await etagOf(lock.path)
  await lock.post("SetOwner", { userId: "ada" })
  expect((await lock.post("SetOwner", { userId: "ada" }, { "if-match": etag })).status).toBe(412)
  expect((await lock.post("SetOwner", { userId: "ada" }, { "if-match": await etagOf(lock.path) })).status).toBe(200)
})

it("a retry of what was carried out answers what it answered, whatever it names", async () => {
  const lock = await createLock(server.url)
  const headers = { "if-match": await etagOf(lock.path), "idempotency-key": newUuid() }
  const body = tempKey()
  const first = await lock.post("create-temp-key", body, headers)
  const again = await lock.post("create-temp-key", body, headers)
  expect([first.status, again.status, again.text]).toEqual([200, 200, first.text])
  expect(again.headers.get("idempotency-replayed")).toBe("true")
  expect((await lock.post("create-temp-key", body, { ...headers, "if-match": '"99"' })).text).toBe(first.text)
})

it("one that was refused leaves its key free: with the version of now, it is carried out", async () => {
  const lock = await createLock(server.url)
  const key = { "idempotency-key": newUuid() }
  expect((await lock.post("SetOwner", { userId: "ada" }, { ...key, "if-match": '"7"' })).status).toBe(412)
  const etag = await etagOf(lock.path)
  expect((await lock.post("SetOwner", { userId: "ada" }, { ...key, "if-match": etag })).status).toBe(200)
})

it("many keys: the condition is of the request as a whole, and its retry answers the same", async () => {
  const lock = await createLock(server.url)
  const headers = { "if-match": await etagOf(lock.path), "idempotency-key": newUuid() }
  const body = { keys: [{ keyUuid: "a" }, { keyUuid: "b" }] }
  const first = await lock.post("BulkAddKeys", body, headers)
  const progress = async () => (await lock.get(`BulkAddKeys/${first.body.instanceId}`)).body
  await expect.poll(async () => (await progress()).status).toBe("done")
  expect((await progress()).added).toBe(2)
  expect((await lock.post("BulkAddKeys", body, headers)).body.instanceId).toBe(first.body.instanceId)
})

it("a lock that is not there has no version: it is not created under a condition", async () => {
  const path = `/locks/${newLockId()}`
  const create = (headers: Readonly<Record<string, string>>) =>
    callsOf(server.url, organization)("POST", `${path}/CreateLock`, { body: { index: 1, uuid: newUuid() }, headers })
  for (const ifMatch of ["*", '"1"', '"0"']) {
    const { status, body } = await create({ "if-match": ifMatch })
    expect([ifMatch, status, body.version]).toEqual([ifMatch, 412, 0])
  }
  const open = await callsOf(server.url, organization)("POST", `${path}/OpenLock`, { headers: { "if-match": '"1"' } })
  expect(open.status).toBe(404)
  expect((await create({})).status).toBe(201)
})

it("those who may not ask learn no version", async () => {
  const lock = await furnishedLock(server.url)
  const ask = (headers: Readonly<Record<string, string>>, command: string, body: unknown) =>
    callsOf(server.url, headers)("POST", `${lock.path}/${command}`, { body, headers: { "if-match": '"1"' } })
  const refused = await ask(stranger, "OpenLock", {})
  expect([refused.status, refused.headers.get("etag"), refused.body.version]).toEqual([403, null, undefined])
  expect((await ask(holder, "SetOwner", { userId: "me" })).status).toBe(403)
  expect((await ask(holder, "OpenLock", {})).status).toBe(412)
})

describe("what is told of a lock at a version", () => {
  it.each(["details", "basic-info", "residents"])("of %s is not told again to those who have it", async (question) => {
    const lock = await furnishedLock(server.url)
    const ask = (headers: Readonly<Record<string, string>>, as = superKey) =>
      callsOf(server.url, as)("GET", `${lock.path}/${question}`, { headers })
    const tags = await tagsOf(lock.path)
    const etag = question === "details" ? tags.etag : tags.ofVersion
    const first = await ask({})
    expect([first.status, first.headers.get("etag")]).toEqual([200, etag])
    for (const known of [etag, `W/${etag}`, `"1", ${etag}`, "*"]) {
      const again = await ask({ "if-none-match": known })
      expect([known, again.status, again.text, again.headers.get("etag")]).toEqual([known, 304, "", etag])
    }
    for (const other of ['"1"', "x", etag.slice(1, -1)])
      expect((await ask({ "if-none-match": other })).status).toBe(200)
    // Those who may not ask learn nothing by it.
    expect((await ask({ "if-none-match": etag }, stranger)).status).toBe(403)
    await lock.post("SetOwner", { userId: newUuid() })
    expect((await ask({ "if-none-match": etag })).status).toBe(200)
  })

  it("is told again when its device came or went, though the version is the same, and a command goes by that", async () => {
    const lock = await createLock(server.url)
    const ask = (etag: string) =>
      callsOf(server.url, superKey)("GET", `${lock.path}/details`, { headers: { "if-none-match": etag } })
    const first = await tagsOf(lock.path)
    expect((await ask(first.etag)).status).toBe(304)
    let known = first.etag
    const reports = [
      { online: true },
      { online: false, reason: "silent" },
      { online: false, reason: "serverGone" }
    ] as const
    for (const [n, said] of reports.entries()) {
      await Effect.runPromise(server.shadow.report({ _tag: "Presence", thing: lock.uuid, ...said, at: TIME + n }))
      await vi.waitUntil(async () => (await ask(known)).status === 200, { timeout: 60_000 })
      const { etag, version } = await tagsOf(lock.path)
      const answer = await ask(known)
      expectAsPublished("GET /locks/{id}/details", answer)
      const at = new Date(TIME + n).toISOString()
      expect(JSON.parse(answer.text).presence).toEqual({ ...said, since: at, lastSeen: at })
      expect([version, (await ask(etag)).status]).toEqual([first.version, 304])
      known = etag
    }
    const { status } = await lock.post("SetOwner", { userId: "ada" }, { "if-match": first.etag })
    expect(status).toBe(200)
  })
})
