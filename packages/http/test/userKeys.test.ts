/** Where somebody holds keys, and all of them removed with one request, on two servers over one folder. */
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import * as callers from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, lockAt, newLockId } from "./harness/locks.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const WAITS = { timeout: 60_000, interval: 100 }

let users = 0
/** Nobody else has keys of theirs. */
const newUser = () => `user-${++users}`

const keysOf = async (userId: string, who: callers.Credentials, query = "", url = server.url) => {
  const answer = await callsOf(url, who)("GET", `/users/${encodeURIComponent(userId)}/keys${query}`)
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)])
  return JSON.parse(answer.text)
}

/** Two locks of the organization and one of another, each with a key of the user's. */
const employed = async (userId: string, url = server.url) => {
  const [first, second] = [await createLock(url), await createLock(url)]
  const foreign = lockAt(url, newLockId())
  const other = callsOf(url, callers.otherOrganization)
  const body = { index: 1, uuid: foreign.uuid, keys: [{ uuid: "key", userId }] }
  expect((await other("POST", `${foreign.path}/CreateLock`, { body })).status).toBe(201)
  for (const lock of [first, second])
    expect((await lock.post("AddKey", { keyUuid: "key", keyIndexNumber: 3, userId })).status).toBe(200)
  return [first.lockId, second.lockId, foreign.lockId] as const
}

it("they are listed to the user, to the organization of the lock, and to the operator", async () => {
  const userId = newUser()
  const [first, second, foreign] = await employed(userId)
  const keyAt = (lockId: number) => ({ lockId, keyUuid: "key", keyIndexNumber: 3 })
  const own = [keyAt(first), keyAt(second)]
  const all = { keys: [...own, { lockId: foreign, keyUuid: "key" }], nextCursor: null }
  expect(await keysOf(userId, callers.superKey)).toEqual(all)
  expect(await keysOf(userId, callers.user(userId))).toEqual(all)
  expect(await keysOf(userId, callers.organization)).toEqual({ keys: own, nextCursor: null })
  expect(await keysOf(newUser(), callers.organization)).toEqual({ keys: [], nextCursor: null })
  for (const [who, status] of [
    [callers.stranger, 403],
    [callers.nobody, 401]
  ] as const)
    for (const method of ["GET", "DELETE"])
      expect((await callsOf(server.url, who)(method, `/users/${userId}/keys`)).status).toBe(status)
  expect(await keysOf(userId, callers.superKey)).toEqual(all)
})

it("a page goes on where the one before ended, and takes no other question", async () => {
  const userId = newUser()
  const lockIds = await employed(userId)
  const seen: Array<number> = []
  let query = "?limit=1"
  while (query !== "") {
    const { keys, nextCursor } = await keysOf(userId, callers.superKey, query)
    expect(keys).toHaveLength(1)
    seen.push(keys[0].lockId)
    query = nextCursor === null ? "" : `?limit=1&cursor=${encodeURIComponent(nextCursor)}`
  }
  expect(seen).toEqual([...lockIds])
  for (const bad of ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=", "after=1", "limit=1&limit=2"]) {
    const answer = await callsOf(server.url, callers.superKey)("GET", `/users/${userId}/keys?${bad}`)
    expect([bad, answer.status]).toEqual([bad, 400])
    expectProblem(400, answer.body)
  }
})

it("a removal takes no filter: what it does not know is refused, and nothing is removed", async () => {
  const userId = newUser()
  await employed(userId)
  const answer = await callsOf(server.url, callers.superKey)("DELETE", `/users/${userId}/keys?lockId=1`)
  expect([answer.status, answer.body.details?.map(({ field }) => field)]).toEqual([400, ["lockId"]])
  expect((await keysOf(userId, callers.superKey)).keys).toHaveLength(3)
})

it("what the read model cannot tell is 503, and not nothing", async () => {
  const userId = newUser()
  await employed(userId)
  server.faults.readModel = "down"
  try {
    for (const method of ["GET", "DELETE"]) {
      const answer = await callsOf(server.url, callers.organization)(method, `/users/${userId}/keys`)
      expect([answer.status, answer.body.error]).toEqual([503, "Read model unavailable"])
      expectProblem(503, answer.body)
    }
  } finally {
    server.faults.readModel = "ok"
  }
  // It is filled on once it has rested.
  await vi.waitFor(async () => expect((await keysOf(userId, callers.organization)).keys).toHaveLength(2), WAITS)
})

it("they are removed at once, also when the request is repeated at another server after a kill", async () => {
  using folder = temporaryFolder()
  await using first = await startServer(configured(folder.path))
  await using second = await startServer(configured(folder.path))
  const userId = "Ann"
  const [one, two, foreign] = await employed(userId, first.url)
  const other = await employed("ann", first.url)
  const remove = (url: string, id = userId) =>
    callsOf(url, callers.organization)("DELETE", `/users/${id}/keys`, { headers: { "idempotency-key": "leaving" } })
  const removal = await remove(first.url)
  const removed = { removed: [{ keyUuid: "key", keyIndexNumber: 3 }], failed: [] }
  expect([removal.status, JSON.parse(removal.text)]).toEqual([
    200,
    {
      success: true,
      locks: [
        { lockId: one, ...removed },
        { lockId: two, ...removed }
      ],
      more: false
    }
  ])
  await first.kill()
  const again = await remove(second.url)
  expect([again.status, again.text, again.headers.get("idempotency-replayed")]).toEqual([200, removal.text, "true"])
  expect(await keysOf(userId, callers.superKey, "", second.url)).toEqual({
    keys: [{ lockId: foreign, keyUuid: "key" }],
    nextCursor: null
  })
  // Another user is another request, however alike they are called.
  expect((await remove(second.url, "ann")).status).toBe(422)
  expect((await keysOf("ann", callers.superKey, "", second.url)).keys).toHaveLength(other.length)
  const details = await callsOf(second.url, callers.superKey)("GET", `/locks/${one}/details`)
  expect(details.body.keys).toEqual([])
  const open = await callsOf(second.url, callers.user(userId))("POST", `/locks/${one}/OpenLock`, { body: {} })
  expect(open.status).toBe(403)
})
