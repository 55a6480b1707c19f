/** The typed client against a real server: answers and refusals as the declaration types them. */
import { Effect } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import { makeClient } from "../src/client.ts"
import { HOLDER, OWNER, STRANGER, token } from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { newLockId, newUuid, tempKey } from "./harness/locks.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const ofOrganization = () => makeClient({ baseUrl: server.url, apiKey: "key-of-org-1-which-has-32-bytes-or-more" })
const headers = {}
const publicKey = () => ({ ...tempKey(), accessMode: "public" as const, allowedUserIds: [] })

it("lives a lock's life, question by question and command by command", async () => {
  const params = { id: newLockId() }
  const key = { ...publicKey(), maxUses: 2 }
  const life = Effect.gen(function* () {
    const { locks, users } = yield* ofOrganization()
    const created = yield* locks.CreateLock({
      params,
      headers,
      payload: { index: 1, uuid: newUuid(), ownerId: OWNER, keys: [] }
    })
    const added = yield* locks.AddKey({ params, headers, payload: { keyUuid: "a", keyIndexNumber: 1, userId: HOLDER } })
    const { tempKeyUuid } = yield* locks["create-temp-key"]({ params, headers, payload: key })
    const used = yield* locks["use-temp-key"]({ params, headers, payload: { tempKeyUuid } })
    const { tempKeys } = yield* locks["temp-keys"]({ params, query: {} })
    const details = yield* locks.details({ params })
    const history = yield* locks.events({ params, query: { page: 1 } })
    const owned = yield* users["owned-locks"]({ params: { id: OWNER } })
    return { created, added, used, tempKeys, details, history, owned }
  })
  const { created, added, used, tempKeys, details, history, owned } = await Effect.runPromise(life)
  expect([created.event?.type, created.version]).toEqual(["LockCreated", 1])
  expect(added.event?.data).toMatchObject({ lockId: params.id, keyUuid: "a", keyIndexNumber: 1, userId: HOLDER })
  expect(used.event?.data.usedCount).toBe(1)
  expect(tempKeys).toMatchObject([{ uuid: key.tempKeyUuid, maxUses: 2, usedCount: 1, status: "valid" }])
  expect(details).toMatchObject({ lockId: params.id, version: 4, ownerId: OWNER, orgId: "org-1" })
  expect(history.events.map(({ type }) => type)).toEqual(["LockCreated", "KeyAdded", "TempKeyCreated", "TempKeyUsed"])
  expect([owned.totalCount, owned.source]).toEqual([1, "memory"])
})

it("answers refusals as values of the error channel, with the fields of the declaration", async () => {
  const params = { id: newLockId() }
  const refusals = Effect.gen(function* () {
    const { locks } = yield* ofOrganization()
    const notFound = yield* Effect.flip(locks.details({ params }))
    yield* locks.CreateLock({ params, headers, payload: { index: 1, uuid: newUuid(), keys: [] } })
    const notNamed = yield* Effect.flip(locks.RemoveKey({ params, headers, payload: {} }))
    const { locks: ofStranger } = yield* makeClient({ baseUrl: server.url, token: token({ sub: STRANGER }) })
    const denied = yield* Effect.flip(ofStranger.OpenLock({ params, headers, payload: {} }))
    const { locks: ofNobody } = yield* makeClient({ baseUrl: server.url })
    const unknown = yield* Effect.flip(ofNobody.OpenLock({ params, headers, payload: {} }))
    return [notFound, notNamed, denied, unknown]
  })
  expect(await Effect.runPromise(refusals)).toMatchObject([
    { success: false, code: 404, error: "Lock not found", errors: [{ code: 404 }] },
    { success: false, code: 400, details: [{ field: "keyUuid" }] },
    { success: false, code: 403 },
    { success: false, code: 401 }
  ])
})

it("sends an idempotency key, and an API key beside a token", async () => {
  const params = { id: newLockId() }
  const twice = Effect.gen(function* () {
    const { locks } = yield* makeClient({
      baseUrl: server.url,
      apiKey: "key-of-org-1-which-has-32-bytes-or-more",
      token: token({ sub: STRANGER })
    })
    yield* locks.CreateLock({ params, headers, payload: { index: 1, uuid: newUuid(), keys: [] } })
    const request = {
      params,
      headers: { "idempotency-key": newUuid() },
      payload: publicKey()
    }
    return [yield* locks["create-temp-key"](request), yield* locks["create-temp-key"](request)] as const
  })
  const [first, second] = await Effect.runPromise(twice)
  expect(second).toEqual(first)
  expect(first.event?.data.createdBy).toBe(STRANGER)
})

it("fails in the error channel when there is no server", async () => {
  const asked = Effect.gen(function* () {
    const { locks } = yield* makeClient({ baseUrl: "http://127.0.0.1:1", apiKey: "any" })
    return yield* Effect.flip(locks.details({ params: { id: 1 } }))
  })
  expect(await Effect.runPromise(asked)).toMatchObject({ _tag: "HttpClientError" })
})
