/** The client without Effect against a real server, and a proxy that fails: answers, refusals, retries, pages and events. */
import { OpenApi } from "effect/http-api"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { Api } from "../src/api/Api.ts"
import { createClient, LatchkeyError, NoAnswer, UnexpectedAnswer } from "../src/client.ts"
import { HOLDER, OWNER, STRANGER, token } from "./harness/callers.ts"
import { inPlace } from "./harness/description.ts"
import { type FaultyProxy, startFaultyProxy } from "./harness/faultyProxy.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { newLockId, newUuid, tempKey } from "./harness/locks.ts"
import { startReceiver } from "./partners/receiver.ts"

const PATIENCE = { timeout: 60_000, interval: 20 }

const apiKey = "key-of-org-1-which-has-32-bytes-or-more"
const otherApiKey = "key-of-org-2-which-has-32-bytes-or-more"

let server: InProcess
let proxy: FaultyProxy
beforeAll(async () => {
  server = await startInProcess({ webhooks: { loopback: true } })
  proxy = await startFaultyProxy(server.url)
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await server.stop()
})
afterEach(() => {
  proxy.faults.length = 0
  proxy.seen.length = 0
})

const direct = () => createClient({ baseUrl: server.url, apiKey })
const proxied = (retries?: number) =>
  createClient({ baseUrl: proxy.url, apiKey, ...(retries !== undefined && { retries }) })

const createLock = async (id = newLockId()) => {
  await direct().createLock({ params: { id }, payload: { index: 1, uuid: newUuid(), ownerId: OWNER, keys: [] } })
  return id
}
const publicKey = () => ({ ...tempKey(), accessMode: "public" as const, allowedUserIds: [] })

const notYetValid = () => ({ ...publicKey(), validFrom: "2098-01-01T00:00:00Z", validUntil: "2099-01-01T00:00:00Z" })

const refusalOf = async (call: Promise<unknown>): Promise<LatchkeyError> => {
  const error = await call.then(
    () => expect.fail("it was done"),
    (error: unknown) => error
  )
  return error instanceof LatchkeyError ? error : expect.fail(String(error))
}

it("lives a lock's life, in the types of the declaration", async () => {
  const latchkey = direct()
  const params = { id: newLockId() }
  const created = await latchkey.createLock({
    params,
    payload: { index: 1, uuid: newUuid(), ownerId: OWNER, keys: [] }
  })
  const added = await latchkey.addKey({ params, payload: { keyUuid: "a", keyIndexNumber: 1, userId: HOLDER } })
  const { tempKeyUuid } = await latchkey.createTempKey({ params, payload: publicKey() })
  const used = await latchkey.useTempKey({ params, payload: { tempKeyUuid } })
  const { keys, version } = await latchkey.getLockDetails({ params })
  const { events } = await latchkey.listLockEvents({ params })
  const { locks } = await latchkey.listOwnedLocks({ params: { id: OWNER } })
  const [header] = (await latchkey.getAuditCsv({ params })).split(",")
  const opened = await latchkey.openWithKey({ params: { uuid: tempKeyUuid }, payload: {} })
  expect([created.event?.type, added.event?.data.keyUuid, used.event?.data.usedCount]).toEqual(["LockCreated", "a", 1])
  expect([keys[0]?.uuid, version, events.length, locks.length, header]).toEqual(["a", 4, 4, 1, '"version"'])
  expect([opened.success, opened.offline]).toEqual([true, true])
})

it("has a method for each operation that is not a page for browsers", () => {
  const { paths } = OpenApi.fromApi(Api) as unknown as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  const ids = Object.values(paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
  const pages = [
    "getGuestCalendar",
    "getKeyPage",
    "returnFromDoor",
    "returnFromOpen",
    "returnFromSignIn",
    "signInToKey"
  ]
  expect([...Object.keys(direct()), ...pages].sort()).toEqual(ids.sort())
})

describe("a refusal", () => {
  it("is an error with the words, the status and the fields of the answer", async () => {
    const missing = await refusalOf(direct().getLockDetails({ params: { id: newLockId() } }))
    expect(missing).toMatchObject({ name: "LatchkeyError", code: 404, error: "Lock not found", details: [] })
    expect(missing.message).toContain("lock")
    const params = { id: await createLock() }
    const unnamed = await refusalOf(direct().removeKey({ params, payload: {} }))
    expect(unnamed).toMatchObject({ code: 400, error: "No key named", details: [{ field: "keyUuid" }] })
    const moved = await refusalOf(
      direct().setOwner({ params, headers: { "if-match": '"7"' }, payload: { userId: "x" } })
    )
    expect(moved).toMatchObject({ code: 412, error: "Version moved", version: 1 })
    const stranger = createClient({ baseUrl: server.url, token: token({ sub: STRANGER }) })
    expect(await refusalOf(stranger.openLock({ params }))).toMatchObject({ code: 403, error: "Access denied" })
    const nobody = createClient({ baseUrl: server.url })
    expect(await refusalOf(nobody.getOverview())).toMatchObject({ code: 401, error: "Unauthorized" })
  })

  it("has kinds that a program tells apart, and no others", async () => {
    const { error } = await refusalOf(direct().getLockDetails({ params: { id: newLockId() } }))
    expect(error === "Lock not found").toBe(true)
    // @ts-expect-error there is no such kind
    expect(error === "No lock found").toBe(false)
  })

  it("is not asked again", async () => {
    await refusalOf(proxied().getLockDetails({ params: { id: newLockId() } }))
    expect(proxy.seen).toHaveLength(1)
  })
})

it("sends nothing that no path or header can hold, and repeats no secret", async () => {
  for (const uuid of ["..", ".", "\ud800"])
    await expect(proxied().deleteSharedKey({ params: { uuid } })).rejects.toThrow(TypeError)
  expect(proxy.seen).toEqual([])
  for (const secret of [{ apiKey: "two\nlines" }, { token: "κλειδί" }])
    expect(() => createClient({ baseUrl: server.url, ...secret })).toThrow(/^The API key or token has letters/)
})

it("sends nothing that is not as it is declared, and says what is wrong", async () => {
  // @ts-expect-error an id is a number
  await expect(proxied().getLockDetails({ params: { id: "front door" } })).rejects.toThrow(TypeError)
  expect(proxy.seen).toEqual([])
  expect(() => createClient({ baseUrl: "keys.example.org" })).toThrow(TypeError)
})

describe("what passes", () => {
  it("is asked again with the same idempotency key, and nothing happens twice", async () => {
    const params = { id: await createLock() }
    proxy.faults.push("drop", "lose", { status: 503 }, { status: 429 })
    const answer = await proxied().addKey({ params, payload: { keyUuid: "a", keyIndexNumber: 1 } })
    expect([answer.version, answer.event?.type]).toEqual([2, "KeyAdded"])
    const keys = proxy.seen.map(({ headers }) => headers["idempotency-key"])
    expect([keys.length, new Set(keys).size]).toEqual([5, 1])
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
    await proxied().addKey({ params, payload: { keyUuid: "b", keyIndexNumber: 2 } })
    expect(new Set(proxy.seen.map(({ headers }) => headers["idempotency-key"])).size).toBe(2)
  })

  it("is asked with the key that the caller gives", async () => {
    const params = { id: await createLock() }
    const headers = { "idempotency-key": "order-66" }
    const payload = publicKey()
    const first = await proxied().createTempKey({ params, headers, payload })
    expect(await proxied().createTempKey({ params, headers, payload })).toEqual(first)
    expect(proxy.seen.map(({ headers }) => headers["idempotency-key"])).toEqual(["order-66", "order-66"])
  })

  it("is asked again no sooner than the server wants", async () => {
    proxy.faults.push({ status: 503, headers: { "retry-after": "1" } })
    await proxied().getOverview()
    const [first, second] = proxy.seen
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990)
  })

  it("is refused at once when the server wants more time than anybody waits", async () => {
    const body = JSON.stringify({ success: false, error: "Too many requests", message: "Wait.", code: 429 })
    proxy.faults.push({ status: 429, headers: { "retry-after": "60" }, body })
    const refusal = await refusalOf(proxied().getOverview())
    expect(refusal).toMatchObject({ code: 429, error: "Too many requests", retryAfter: 60 })
    expect(proxy.seen).toHaveLength(1)
  })

  it("is asked a bounded number of times", async () => {
    proxy.faults.push("drop", "drop", "drop", "drop")
    await expect(proxied(2).getOverview()).rejects.toThrow(NoAnswer)
    expect(proxy.seen).toHaveLength(3)
    await expect(proxied(0).getOverview()).rejects.toThrow(NoAnswer)
    expect(proxy.seen).toHaveLength(4)
  })

  it("is not asked again where a change has no key that says that it is the same", async () => {
    const { id } = await direct().createSharedKey({
      payload: {
        doors: [{ lockId: String(await createLock()), accessMethod: "key" }],
        validFrom: "2026-01-01T00:00:00Z",
        validUntil: "2099-01-01T00:00:00Z",
        accessMode: "public"
      }
    })
    proxy.faults.push("lose")
    const change = proxied().updateSharedKey({ params: { uuid: id }, payload: { description: "spare" } })
    await expect(change).rejects.toThrow(NoAnswer)
    expect(proxy.seen).toHaveLength(1)
    proxy.faults.push({ status: 429 })
    await proxied().updateSharedKey({ params: { uuid: id }, payload: { description: "spare" } })
    expect(proxy.seen).toHaveLength(3)
  })
})

it("says when what has answered is no Latchkey", async () => {
  proxy.faults.push({ status: 404, body: "<h1>Not here</h1>" }, { status: 200, body: "{}", headers: JSON_TYPE })
  const strange = await proxied()
    .getOverview()
    .catch((error: unknown) => error)
  expect(strange).toBeInstanceOf(UnexpectedAnswer)
  expect(strange).toMatchObject({ status: 404, cause: "<h1>Not here</h1>" })
  await expect(proxied().getOverview()).rejects.toThrow(UnexpectedAnswer)
})
const JSON_TYPE = { "content-type": "application/json" }

describe("a signal", () => {
  it("ends a call that waits for its answer, with its reason", async () => {
    const ending = new AbortController()
    const waiting = direct().listEvents({ query: { after: "now", wait: 25 } }, { signal: ending.signal })
    await Promise.all([
      expect(waiting).rejects.toThrow("enough"),
      new Promise((resolve) => setImmediate(resolve)).then(() => ending.abort(new Error("enough")))
    ])
  })

  it("ends a call that waits to ask again, and one that has not begun", async () => {
    const ending = new AbortController()
    proxy.faults.push({ status: 503, headers: { "retry-after": "9" } })
    const waiting = proxied().getOverview({}, { signal: ending.signal })
    await Promise.all([
      expect(waiting).rejects.toThrow("enough"),
      vi.waitUntil(() => proxy.seen.length === 1, PATIENCE).then(() => ending.abort(new Error("enough")))
    ])
    await expect(proxied().getOverview({}, { signal: ending.signal })).rejects.toThrow("enough")
    expect(proxy.seen).toHaveLength(1)
  })
})

describe("pages", () => {
  it("are there for every list that has them", () => {
    const { paths } = inPlace(JSON.parse(JSON.stringify(OpenApi.fromApi(Api)))) as {
      paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>
    }
    const paged = Object.values(paths).flatMap((path) =>
      Object.values(path).flatMap(({ operationId, responses }) =>
        /"next(Cursor|Before)"/.test(JSON.stringify(responses)) ? [operationId] : []
      )
    )
    expect(paged.length).toBeGreaterThan(8)
    const methods = direct() as unknown as Record<string, { readonly pages?: unknown }>
    for (const id of paged) expect(methods[id]?.pages, id).toBeTypeOf("function")
  })

  it("follow one another to the end, and hold everything once", async () => {
    const latchkey = createClient({ baseUrl: server.url, apiKey: otherApiKey })
    const ids = Array.from({ length: 5 }, newLockId)
    for (const [index, id] of ids.entries()) {
      const params = { id }
      await latchkey.createLock({ params, payload: { index: index + 1, uuid: newUuid(), keys: [] } })
      await latchkey.addKey({ params, payload: { keyUuid: `key-${id}`, keyIndexNumber: 1, userId: HOLDER } })
    }
    const params = { id: ids[0] ?? 0 }
    const tempKeys = await Promise.all(
      Array.from(
        { length: 3 },
        async () => (await latchkey.createTempKey({ params, payload: notYetValid() })).tempKeyUuid
      )
    )
    for (const tempKeyUuid of tempKeys) await refusalOf(latchkey.useTempKey({ params, payload: { tempKeyUuid } }))
    const all = async <P, T>(pages: AsyncIterable<P>, of: (page: P) => ReadonlyArray<T>) => {
      const found: Array<T> = []
      let most = 0
      for await (const page of pages) {
        most = Math.max(most, of(page).length)
        found.push(...of(page))
      }
      expect(most).toBeLessThanOrEqual(2)
      return found
    }
    await vi.waitUntil(async () => (await latchkey.getOverview()).lag === 0, PATIENCE)
    const sorted = ids.toSorted((one, other) => one - other)
    const query = { limit: 2 }
    expect(await all(latchkey.listLocks.pages({ query }), ({ locks }) => locks.map(({ lockId }) => lockId))).toEqual(
      sorted
    )
    const keys = latchkey.listUserKeys.pages({ params: { id: HOLDER }, query })
    expect(await all(keys, ({ keys }) => keys.map(({ lockId }) => lockId))).toEqual(sorted)
    const here = latchkey.listLockTempKeys.pages({ params, query })
    expect((await all(here, ({ tempKeys }) => tempKeys.map(({ uuid }) => uuid))).sort()).toEqual(tempKeys.toSorted())
    const everywhere = latchkey.listSharedKeys.pages({ query })
    expect((await all(everywhere, ({ tempKeys }) => tempKeys.map(({ uuid }) => uuid))).sort()).toEqual(
      tempKeys.toSorted()
    )
    const history = latchkey.listLockEvents.pages({ params, query })
    expect(await all(history, ({ events }) => events.map(({ version }) => version))).toEqual([1, 2, 3, 4, 5])
    const attempts = await all(latchkey.listAttempts.pages({ params, query }), ({ attempts }) => attempts)
    expect(attempts).toHaveLength(3)
    const attention = await all(latchkey.listAttention.pages({ query }), ({ items }) => items.map(({ kind }) => kind))
    expect(attention).toEqual([])
    const told = await all(
      latchkey.listEvents.pages({ query: { ...query, types: ["LockCreated"] } }),
      ({ events }) => events
    )
    expect(told.map(({ detail }) => detail.data["lockId"])).toEqual(ids)
  })

  it("go backwards where the newest come first", async () => {
    await using receiver = await startReceiver()
    const { id } = await direct().createWebhook({ payload: { url: receiver.url } })
    const params = { id }
    await vi.waitUntil(async () => (await direct().getWebhook({ params })).status === "active", PATIENCE)
    const pages = direct().listDeliveries.pages({ params })
    const first = await pages.next()
    expect(first.value?.deliveries).toBeInstanceOf(Array)
    for await (const { nextBefore } of pages) expect(nextBefore).toBeNull()
    await direct().deleteWebhook({ params })
  })
})

describe("events", () => {
  const typesOf = async (events: AsyncIterable<{ readonly "detail-type": string }>, most: number) => {
    const types: Array<string> = []
    for await (const event of events) {
      types.push(event["detail-type"])
      if (types.length === most) return types
    }
    return types
  }

  it("are followed where they are left off, each once, however often the connection breaks", async () => {
    const id = await createLock()
    const add = (n: number) => direct().addKey({ params: { id }, payload: { keyUuid: `key-${n}`, keyIndexNumber: n } })
    const told: Array<unknown> = []
    for await (const { detail } of proxied().streamEvents({ query: { lockId: id } })) {
      told.push(detail.data["keyUuid"] ?? detail.data.type)
      if (told.length === 5) break
      if (told.length === 2) proxy.faults.push("drop", { status: 503 })
      if (told.length === 2 || told.length === 3) proxy.cut()
      await add(told.length)
    }
    expect(told).toEqual(["LockCreated", "key-1", "key-2", "key-3", "key-4"])
    expect(proxy.seen.length).toBeGreaterThanOrEqual(5)
    await vi.waitUntil(() => proxy.open() === 0, PATIENCE)
  })

  it("from now on are missed in no gap, also while there was none yet", async () => {
    const id = await createLock()
    const events = proxied().streamEvents({ query: { after: "now", lockId: id } })
    const next = events.next()
    await vi.waitUntil(() => proxy.seen.some(({ path }) => path.startsWith("/events/stream")), PATIENCE)
    proxy.faults.push("drop")
    proxy.cut()
    await direct().setOwner({ params: { id }, payload: { userId: HOLDER } })
    expect((await next).value?.["detail-type"]).toBe("OwnerSet")
    await events.return?.()
  })

  it("end with a signal, and with a caller who may not ask", async () => {
    const id = await createLock()
    const ending = new AbortController()
    const events = direct().streamEvents({ query: { lockId: id } }, { signal: ending.signal })
    expect((await events.next()).value?.["detail-type"]).toBe("LockCreated")
    const next = events.next()
    setImmediate(() => ending.abort(new Error("enough")))
    await expect(next).rejects.toThrow("enough")
    const begun = direct().streamEvents({}, { signal: ending.signal })
    await expect(begun.next()).rejects.toThrow("enough")
    const nobody = createClient({ baseUrl: server.url })
    expect(await refusalOf(typesOf(nobody.streamEvents(), 1))).toMatchObject({ code: 401 })
    const nowhere = createClient({ baseUrl: "http://127.0.0.1:1", retries: 0 })
    await expect(typesOf(nowhere.streamEvents(), 1)).rejects.toThrow(NoAnswer)
  })
})
