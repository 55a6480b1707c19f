/** `Idempotency-Key`: a retried POST is answered as the first try was, and happens once. */
import { createHash } from "node:crypto"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { receiptOf } from "../src/server/Idempotency.ts"
import * as callers from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import {
  createLock,
  type FurnishedLock,
  furnishedLock,
  historyOf,
  lockAt,
  makeShared,
  newLockId,
  newUuid,
  shared,
  type TestLock,
  tempKey
} from "./harness/locks.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"
import { type Answer, callsOf } from "./harness/request.ts"
import { declaredRoutes, goodRequest } from "./harness/routes.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const key = () => ({ "idempotency-key": newUuid() })
const ofTheAnswer = ({ status, text }: Answer) => ({ status, text })
/** Without what is sent by itself, some time later. */
const countOf = async (lock: TestLock) =>
  (await historyOf(lock)).filter(({ type }) => !["KeyRemovalSent", "KeyAdditionSent"].includes(type)).length

describe.each(declaredRoutes.filter(({ method }) => method === "POST"))("$name", (route) => {
  const sendWith = (lock: FurnishedLock) => {
    const { path, body } = goodRequest(route, lock)
    const once = key()
    return (headers: callers.Credentials = callers.superKey) =>
      callsOf(server.url, headers)("POST", path, { body, headers: once })
  }
  const isBulk = route.name.endsWith("BulkAddKeys")

  it("answers a retry with the same bytes, and does nothing more", async () => {
    const lock = await furnishedLock(server.url)
    const send = sendWith(lock)
    const first = await send()
    expect(first.status).toBe(200)
    if (isBulk) await bulkDone(lock, first)
    const events = await countOf(lock)
    expect(ofTheAnswer(await send())).toEqual(ofTheAnswer(first))
    expect(await countOf(lock)).toBe(events)
  })

  it("answers duplicates that come at once with the same bytes, and happens once", async () => {
    const lock = await furnishedLock(server.url)
    const send = sendWith(lock)
    const answers = await Promise.all(Array.from({ length: 8 }, () => send()))
    const first = answers[0] ?? expect.fail("no answer")
    expect(first.status).toBe(200)
    for (const answer of answers) expect(ofTheAnswer(answer)).toEqual(ofTheAnswer(first))
    if (isBulk) await bulkDone(lock, first)
    // The lock is there already, it has inherited no keys and suspended none, and a simulation changes nothing.
    expect(await countOf(lock)).toBe(/CreateLock|simulate|inherited|resume/.test(route.name) ? 5 : 6)
  })
})

const bulkDone = async (lock: TestLock, { body }: Answer) => {
  const progress = () => lock.get(`BulkAddKeys/${body.instanceId}`)
  await vi.waitUntil(async () => (await progress()).body.status === "done", { timeout: 60_000, interval: 20 })
  return (await progress()).body
}

it("answers 201 again for the lock that the first try created", async () => {
  const lock = lockAt(server.url, newLockId())
  const create = () => lock.post("CreateLock", { index: 1, uuid: lock.uuid }, once)
  const once = key()
  const first = await create()
  expect(first.status).toBe(201)
  await lock.post("SetOwner", { userId: "u" })
  expect(ofTheAnswer(await create())).toEqual(ofTheAnswer(first))
  expect((await lock.post("CreateLock", { index: 1, uuid: lock.uuid }, key())).status).toBe(200)
})

it("names the same resident again, who was given an id", async () => {
  const lock = await createLock(server.url)
  const once = key()
  const add = () => lock.post("AddResident", { name: "Ada" }, once)
  expect((await add()).body.event?.data["userId"]).toBe((await add()).body.event?.data["userId"])
})

it("answers what was so already at the time, not what is so now", async () => {
  const lock = await createLock(server.url)
  await lock.post("SetOwner", { userId: "first" })
  const once = key()
  const setFirst = () => lock.post("SetOwner", { userId: "first" }, once)
  const already = await setFirst()
  expect(already.body).toMatchObject({ version: 2, event: null })
  await lock.post("SetOwner", { userId: "second" })
  expect(ofTheAnswer(await setFirst())).toEqual(ofTheAnswer(already))
  expect(await countOf(lock)).toBe(3)
})

it("counts a retried use once, and answers it also when the key is used up by then", async () => {
  const lock = await createLock(server.url)
  const { tempKeyUuid } = (await lock.post("create-temp-key", tempKey({ maxUses: 1 }))).body
  const once = key()
  const first = await lock.post("use-temp-key", { tempKeyUuid }, once)
  expect(first.body.event?.data["usedCount"]).toBe(1)
  expect(ofTheAnswer(await lock.post("use-temp-key", { tempKeyUuid }, once))).toEqual(ofTheAnswer(first))
  expect((await lock.post("use-temp-key", { tempKeyUuid }, key())).status).toBe(400)
})

it("tells the device once", async () => {
  const lock = await createLock(server.url)
  const once = key()
  for (let n = 0; n < 3; n++) await lock.post("OpenLock", {}, once)
  expect(Object.keys(await Effect.runPromise(server.shadow.held(lock.uuid)))).toHaveLength(1)
})

it("is refused with 422 for another body, another command or another lock", async () => {
  const [lock, other] = [await createLock(server.url), await createLock(server.url)]
  const once = key()
  expect((await lock.post("SetOwner", { userId: "u" }, once)).status).toBe(200)
  expect((await lock.post("SetOwner", { userId: "v" }, once)).status).toBe(422)
  expect((await lock.post("OpenLock", { userId: "u" }, once)).status).toBe(422)
  expect((await lock.post("BulkAddKeys", { keys: [{ keyUuid: "a" }] }, once)).status).toBe(422)
  expect((await other.post("SetOwner", { userId: "u" }, once)).status).toBe(422)
  expect([await countOf(lock), await countOf(other)]).toEqual([2, 1])
})

it("a bulk request's is refused with 422 for another one", async () => {
  const lock = await createLock(server.url)
  const once = key()
  await bulkDone(lock, await lock.post("BulkAddKeys", { keys: [{ keyUuid: "a" }] }, once))
  expect((await lock.post("BulkAddKeys", { keys: [{ keyUuid: "b" }] }, once)).status).toBe(422)
  expect((await lock.post("SetOwner", { userId: "u" }, once)).status).toBe(422)
  expect(await countOf(lock)).toBe(2)
})

it("is each caller's own", async () => {
  const lock = await furnishedLock(server.url)
  const once = key()
  const setOwner = async (headers: callers.Credentials, userId: string) =>
    (await callsOf(server.url, headers)("POST", `${lock.path}/SetOwner`, { body: { userId }, headers: once })).status
  expect(await setOwner(callers.superKey, "u")).toBe(200)
  expect(await setOwner(callers.organization, callers.STRANGER)).toBe(200)
  expect(await setOwner(callers.stranger, callers.OWNER)).toBe(200)
  expect(await setOwner(callers.owner, "v")).toBe(200)
  // Who may not ask learns nothing of those who did.
  expect(await setOwner(callers.otherOrganization, callers.STRANGER)).toBe(403)
  expect(await setOwner(callers.nobody, "u")).toBe(401)
  expect(await countOf(lock)).toBe(9)
})

it("says that an answer is one that was given before", async () => {
  const lock = await createLock(server.url)
  const once = key()
  const set = () => lock.post("SetOwner", { userId: "u" }, once)
  const [first, again] = [await set(), await set()]
  expect([first, again].map(({ headers }) => headers.get("idempotency-replayed"))).toEqual([null, "true"])
})

it("is the same for the same JSON in another order and spacing", async () => {
  const lock = await createLock(server.url)
  const once = key()
  const first = await lock.post("AddResident", { name: "Ada", email: "ada@example.org" }, once)
  const again = await lock.post("AddResident", '{ "email": "ada@example.org",\n "name": "\\u0041da" }', once)
  expect(ofTheAnswer(again)).toEqual(ofTheAnswer(first))
})

it("is another one's for a user beside an API key", async () => {
  const lock = await createLock(server.url)
  const once = key()
  const remove = async (user: callers.Credentials, userId: string) =>
    (
      await callsOf(server.url, { ...callers.superKey, ...user })("POST", `${lock.path}/SetOwner`, {
        body: { userId },
        headers: once
      })
    ).status
  expect([await remove(callers.owner, "a"), await remove(callers.stranger, "b"), await remove({}, "c")]).toEqual([
    200, 200, 200
  ])
  expect(await countOf(lock)).toBe(4)
})

it("is remembered for 30 days", async () => {
  await using running = await startInProcess()
  const lock = await createLock(running.url)
  const [once, begun] = [key(), Date.now()]
  const addAt = async (days: number) => {
    vi.useFakeTimers({ toFake: ["Date"], now: begun + days * 24 * 60 * 60 * 1000 })
    const { status, headers } = await lock.post("AddResident", { name: "Ada" }, once)
    return [status, headers.get("idempotency-replayed")]
  }
  try {
    expect([await addAt(0), await addAt(29.99), await addAt(30.01)]).toEqual([
      [200, null],
      [200, "true"],
      [200, null]
    ])
  } finally {
    vi.useRealTimers()
  }
})

it("is not used up by a refusal: the request is looked at again", async () => {
  const lock = await createLock(server.url)
  const once = key()
  const remove = () => lock.post("RemoveKey", { keyUuid: "a" }, once)
  expect((await remove()).status).toBe(404)
  await lock.post("AddKey", { keyUuid: "a" })
  expect((await remove()).status).toBe(200)
  expect((await remove()).status).toBe(200)
  expect(await countOf(lock)).toBe(3)
})

it("is not used up by a device that could not be told", async () => {
  const lock = await createLock(server.url)
  const once = key()
  await Effect.runPromise(server.shadow.setMode("reject"))
  const down = await lock.post("OpenLock", {}, once)
  await Effect.runPromise(server.shadow.setMode("ok"))
  expect(down.status).toBe(502)
  expect((await lock.post("OpenLock", {}, once)).status).toBe(200)
  expect((await lock.post("OpenLock", {}, once)).body.version).toBe(2)
  expect(await countOf(lock)).toBe(2)
})

it("means nothing on a question", async () => {
  const lock = await createLock(server.url)
  const call = callsOf(server.url, { ...callers.organization, ...key() })
  expect((await call("GET", `${lock.path}/details`)).body.version).toBe(1)
  await lock.post("SetOwner", { userId: "u" })
  expect((await call("GET", `${lock.path}/details`)).body.version).toBe(2)
})

it("survives a restart, and a kill", async () => {
  using folder = temporaryFolder()
  const once = key()
  const bulkOnce = key()
  const lockId = newLockId()
  const first = await (async () => {
    await using running = await startServer(configured(folder.path))
    const lock = lockAt(running.url, lockId)
    const created = await lock.post("CreateLock", { index: 1, uuid: lock.uuid }, once)
    const bulk = await lock.post("BulkAddKeys", { keys: [{ keyUuid: "a" }] }, bulkOnce)
    await bulkDone(lock, bulk)
    await running.kill()
    return { lock, created, bulk }
  })()
  await using running = await startServer(configured(folder.path))
  const lock = lockAt(running.url, lockId, first.lock.uuid)
  expect(ofTheAnswer(await lock.post("CreateLock", { index: 1, uuid: lock.uuid }, once))).toEqual(
    ofTheAnswer(first.created)
  )
  expect(ofTheAnswer(await lock.post("BulkAddKeys", { keys: [{ keyUuid: "a" }] }, bulkOnce))).toEqual(
    ofTheAnswer(first.bulk)
  )
  expect((await lock.post("SetOwner", { userId: "u" }, once)).status).toBe(422)
  expect((await historyOf(lock)).map(({ type }) => type)).toEqual(["LockCreated", "KeyAdded"])
})

it("of the first edition is found by the same bytes, and is refused for others", async () => {
  const lock = await createLock(server.url)
  await lock.post("SetOwner", { userId: "u" })
  const [once, text] = [key(), '{ "userId": "u" }']
  const digest = (...parts: ReadonlyArray<string>) => createHash("sha256").update(parts.join("")).digest("base64url")
  const first = {
    id: digest(JSON.stringify([{ _tag: "Organization", orgId: "org-1" }, once["idempotency-key"]])),
    fingerprint: digest(`${lock.path}/SetOwner\n`, text)
  }
  const given = { fingerprint: first.fingerprint, streamId: `lock-${lock.lockId}`, firstVersion: 3, version: 2 }
  await Effect.runPromise(server.store.write({ put: [{ key: `receipt/${first.id}`, value: JSON.stringify(given) }] }))
  await lock.post("SetOwner", { userId: "another" })
  const again = await lock.post("SetOwner", text, once)
  expect([again.status, again.body.version, again.headers.get("idempotency-replayed")]).toEqual([200, 2, "true"])
  // In its day the spacing told requests apart.
  expect((await lock.post("SetOwner", { userId: "u" }, once)).status).toBe(422)
})

it("of two guests with PINs at one lock is each one's own", async () => {
  const lock = await furnishedLock(server.url)
  const [a, b] = [await makeShared(server.url, shared(lock.lockId)), await makeShared(server.url, shared(lock.lockId))]
  const once = key()
  const open = (pin: unknown) =>
    callsOf(server.url)("POST", `/locks/${lock.lockId}/open-with-pin`, { body: { pin }, headers: once })
  const answers = [await open(a.pin), await open(b.pin), await open(a.pin)]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect((await historyOf(lock)).filter(({ type }) => type === "LockOpenRequested")).toHaveLength(2)
})

it("what is nested deeper than any request is told apart by its bytes: to write it down anew would take long", () => {
  let reads = 0
  const nested = (levels: number): unknown =>
    Array.from({ length: levels }).reduce<object>(
      (inner) => ({
        get a() {
          reads++
          return inner
        }
      }),
      {}
    )
  const receipt = (payload: unknown, body: string) =>
    receiptOf({
      request: { method: "POST", url: "/x", headers: { "idempotency-key": "once" } },
      route: { path: "/x" },
      params: {},
      principal: { _tag: "Guest" },
      body: Buffer.from(body),
      payload,
      at: 0
    })?.fingerprint
  expect(receipt(nested(100), "one")).toBe(receipt(nested(100), "another"))
  reads = 0
  expect(receipt(nested(5_000), "one")).not.toBe(receipt(nested(5_000), "another"))
  expect(receipt(nested(5_000), "one")).toBe(receipt(nested(5_000), "one"))
  expect(reads).toBeLessThan(1_000)
})
