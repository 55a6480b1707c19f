/** `/api-keys`: an organization manages its API keys with one of them. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  apiKey,
  type Credentials,
  ORG,
  OTHER_ORG,
  organization,
  otherOrganization,
  superKey
} from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, furnishedLock, newUuid } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

interface Key {
  readonly id: string
  readonly key: string | null
  readonly scopes: ReadonlyArray<string> | null
  readonly locks: ReadonlyArray<number> | null
  readonly revokedAt: string | null
}

const send = async (
  method: string,
  path: string,
  as: Credentials,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {}
) => {
  const answer = await callsOf(server.url, as)(method, path, { ...(body !== undefined && { body }), headers })
  if (answer.status >= 400) expectProblem(answer.status, answer.body)
  return { ...answer, json: JSON.parse(answer.text) }
}
const create = async (as: Credentials, body: unknown): Promise<Key> => {
  const { status, json } = await send("POST", "/api-keys", as, body)
  expect([status, json]).toEqual([201, expect.objectContaining({ success: true })])
  return json
}
const secretOf = ({ key }: Key) => apiKey(key ?? "none")
const list = async (as: Credentials, query = ""): Promise<ReadonlyArray<Key>> => {
  const { status, text, json } = await send("GET", `/api-keys${query}`, as)
  expect(status).toBe(200)
  expect(text).not.toContain("lk_")
  return json.apiKeys
}
const inTheLog = async (orgId: string, limits?: Parameters<typeof server.apiKeys.create>[1]["limits"]) =>
  apiKey((await Effect.runPromise(server.apiKeys.create(orgId, limits === undefined ? {} : { limits }))).secret)

it("makes a key that is shown once, lists it without its secret, and revokes it at once", async () => {
  const lock = await createLock(server.url)
  const made = await create(organization, { name: "keypad", scopes: ["open", "open"], locks: [lock.lockId] })
  expect(made).toMatchObject({ name: "keypad", scopes: ["open"], locks: [lock.lockId], revokedAt: null })
  const listed = (await list(organization)).find(({ id }) => id === made.id)
  const { key: _, success: __, ...shown } = { success: true, ...made }
  expect(listed).toEqual(shown)

  const keypad = secretOf(made)
  const other = await createLock(server.url)
  const open = async ({ path }: { readonly path: string }) =>
    (await send("POST", `${path}/OpenLock`, keypad, {})).status
  expect([await open(lock), await open(other)]).toEqual([200, 403])
  expect((await send("GET", `${lock.path}/details`, keypad)).json.message).toContain('an API key with the scope "read"')

  for (const _ of ["first", "again"]) {
    const { status, json } = await send("DELETE", `/api-keys/${made.id}`, organization)
    expect([status, json]).toEqual([200, { ...shown, success: true, revokedAt: expect.stringMatching(/Z$/) }])
  }
  expect(await open(lock)).toBe(401)
})

it("an organization sees only its own, and revokes no other's", async () => {
  const made = await create(organization, { scopes: ["read"] })
  expect((await list(otherOrganization)).map(({ id }) => id)).not.toContain(made.id)
  expect((await send("DELETE", `/api-keys/${made.id}`, otherOrganization)).status).toBe(404)
  expect((await send("GET", `/api-keys?orgId=${ORG}`, otherOrganization)).status).toBe(403)
  expect((await send("POST", "/api-keys", otherOrganization, { orgId: ORG, scopes: ["open"] })).status).toBe(403)
  expect((await list(organization)).find(({ id }) => id === made.id)?.revokedAt).toBeNull()
})

it("a super key manages those of any organization, and makes no super key", async () => {
  const made = await create(superKey, { orgId: OTHER_ORG, scopes: ["admin"] })
  expect((await list(secretOf(made))).map(({ id }) => id)).toEqual(
    (await list(superKey, `?orgId=${OTHER_ORG}`)).map(({ id }) => id)
  )
  for (const orgId of ["*", ""]) {
    expect((await send("POST", "/api-keys", superKey, { orgId, scopes: ["admin"] })).status).toBe(403)
  }
  expect((await send("GET", "/api-keys", superKey)).status).toBe(403)
  const { keyId } = await Effect.runPromise(server.apiKeys.create("*", {}))
  expect((await send("DELETE", `/api-keys/${keyId}`, superKey)).status).toBe(404)
  expect((await send("DELETE", `/api-keys/${made.id}`, superKey)).status).toBe(200)
})

describe("a key makes, sees and revokes none that can do more than itself", () => {
  it("without the scope admin none at all, as keys of before there were scopes", async () => {
    for (const as of [await inTheLog(ORG), await inTheLog(ORG, { scopes: ["open", "read", "keys", "temp-keys"] })]) {
      expect((await send("GET", "/api-keys", as)).status).toBe(403)
      expect((await send("POST", "/api-keys", as, { scopes: ["open"] })).status).toBe(403)
      expect((await send("DELETE", "/api-keys/any", as)).status).toBe(403)
    }
  })

  it("with it, and for some locks, only keys for some of those", async () => {
    const [one, two] = [await createLock(server.url), await createLock(server.url)]
    const all = await create(organization, { scopes: ["open"] })
    const caretaker = secretOf(await create(organization, { scopes: ["admin"], locks: [one.lockId, two.lockId] }))
    for (const locks of [undefined, [one.lockId, 999_999]])
      expect((await send("POST", "/api-keys", caretaker, { scopes: ["open"], locks })).status).toBe(403)
    const made = await create(caretaker, { scopes: ["keys"], locks: [two.lockId] })
    const seen = (await list(caretaker)).map(({ id }) => id)
    expect([seen.includes(made.id), seen.includes(all.id)]).toEqual([true, false])
    expect((await send("DELETE", `/api-keys/${all.id}`, caretaker)).status).toBe(404)
    expect((await send("DELETE", `/api-keys/${made.id}`, caretaker)).status).toBe(200)
  })
})

it("a retry makes no second key, and does not show the first one again", async () => {
  const headers = { "idempotency-key": newUuid() }
  const body = { scopes: ["open"], name: "retried" }
  const tries = await Promise.all([1, 2, 3, 4].map(() => send("POST", "/api-keys", organization, body, headers)))
  const shown = tries.map(({ json }): Key => json)
  expect(tries.map(({ status }) => status)).toEqual([201, 201, 201, 201])
  expect(new Set(shown.map(({ id }) => id)).size).toBe(1)
  expect(shown.filter(({ key }) => key !== null)).toHaveLength(1)
  const again = await send("POST", "/api-keys", organization, body, headers)
  expect([again.json.key, again.headers.get("idempotency-replayed")]).toEqual([null, "true"])
  expect((await list(organization)).filter(({ id }) => id === shown[0]?.id)).toHaveLength(1)
  expect((await send("POST", "/api-keys", organization, { scopes: ["read"] }, headers)).status).toBe(422)
})

it("an organization has so many keys at a time", async () => {
  const as = await inTheLog("org-of-many", { scopes: ["admin"] })
  let last = await create(as, { scopes: ["open"] })
  for (let n = 0; n < 98; n++) last = await create(as, { scopes: ["open"] })
  const { status, json } = await send("POST", "/api-keys", as, { scopes: ["open"] })
  expect([status, json.error]).toEqual([400, "Too many API keys"])
  expect((await send("DELETE", `/api-keys/${last.id}`, as)).status).toBe(200)
  expect((await send("POST", "/api-keys", as, { scopes: ["open"] })).status).toBe(201)
})

it.each([
  ["no scopes", {}],
  ["none of them", { scopes: [] }],
  ["an unknown scope", { scopes: ["opn"] }],
  ["an unknown field", { scopes: ["open"], lock: [1] }],
  ["no locks", { scopes: ["open"], locks: [] }],
  ["a lock that is none", { scopes: ["open"], locks: ["7"] }],
  ["a lock that can be none", { scopes: ["open"], locks: [0] }],
  ["an end that is none", { scopes: ["open"], expiresAt: "tomorrow" }],
  ["a name in two lines", { scopes: ["open"], name: "a\nb" }]
])("takes no key with %s", async (_, body) => {
  expect((await send("POST", "/api-keys", organization, body)).status).toBe(400)
})

it("a key ends when it says so", async () => {
  const lock = await createLock(server.url)
  const ended = await create(organization, { scopes: ["open"], expiresAt: "2020-01-01T00:00:00Z" })
  expect((await send("POST", `${lock.path}/OpenLock`, secretOf(ended), {})).status).toBe(401)
})

describe("what a key for some locks sees", () => {
  it("of temp keys, those with no door elsewhere", async () => {
    const [here, there] = [await furnishedLock(server.url), await furnishedLock(server.url)]
    const as = await inTheLog(ORG, { scopes: ["temp-keys"], locks: [here.lockId] })
    const { json } = await send("GET", "/temp-keys", as)
    expect(json.tempKeys.map(({ uuid }: { uuid: string }) => uuid)).toEqual([here.sharedUuid, here.tempKeyUuid])
    expect((await send("DELETE", `/temp-keys/${there.sharedUuid}`, as)).status).toBe(403)
    expect((await send("GET", "/temp-keys", await inTheLog(ORG, { scopes: ["read"] }))).status).toBe(403)
  })

  it("of a user's locks, its own", async () => {
    const here = await createLock(server.url)
    for (const lock of [here, await createLock(server.url)]) await lock.post("SetOwner", { userId: "of-two" })
    const as = await inTheLog(ORG, { scopes: ["read"], locks: [here.lockId] })
    expect((await send("GET", "/users/of-two/owned-locks", as)).json.totalCount).toBe(1)
    const none = await inTheLog(ORG, { scopes: ["read"], locks: [999_999] })
    expect((await send("GET", "/users/of-two/owned-locks", none)).status).toBe(404)
  })

  it("of events, those of its locks, and nothing that is not of one lock", async () => {
    const [here, also, there] = [
      await createLock(server.url),
      await createLock(server.url),
      await createLock(server.url)
    ]
    const as = await inTheLog(ORG, { scopes: ["read"], locks: [here.lockId, also.lockId] })
    const { json } = await send("GET", "/events?limit=1000", as)
    expect(json.more).toBe(false)
    const locks = json.events.map(({ detail }: { detail: { data: { lockId?: number } } }) => detail.data.lockId)
    expect(locks).toEqual([here.lockId, also.lockId])
    expect((await send("GET", `/events?lockId=${here.lockId}`, as)).json.events).toHaveLength(1)
    expect((await send("GET", `/events?lockId=${there.lockId}`, as)).status).toBe(403)
    expect((await send("GET", `/events/stream?lockId=${there.lockId}`, as)).status).toBe(403)
    expect((await send("GET", "/events", await inTheLog(ORG, { scopes: ["open"], locks: [here.lockId] }))).status).toBe(
      403
    )
  })

  it("of history, reasons and events, no link, unless it is for temp keys", async () => {
    const lock = await furnishedLock(server.url)
    const link = lock.tempKeyUuid
    await send("POST", `${lock.path}/use-temp-key`, organization, { tempKeyUuid: link })
    const limited = { tempKeyUuid: link, accessMode: "user-whitelist", allowedUserIds: [newUuid()] }
    await send("POST", `${lock.path}/update-temp-key`, organization, limited)
    await send("POST", `${lock.path}/use-temp-key`, organization, { tempKeyUuid: link })
    const { json: history } = await send("GET", `${lock.path}/events`, organization)
    const used = history.events.find(({ type }: { type: string }) => type === "TempKeyUsed")
    const questions = ["/events", "/audit.ndjson", "/audit.csv", `/explain?attemptId=${used.eventId}`].map(
      (question) => lock.path + question
    )
    const textOf = async (path: string, as: Credentials) => {
      const { status, text } = await callsOf(server.url, as)("GET", path)
      expect([path, status]).toEqual([path, 200])
      return text
    }
    const reader = await inTheLog(ORG, { scopes: ["read"], locks: [lock.lockId] })
    const both = await inTheLog(ORG, { scopes: ["read", "temp-keys"], locks: [lock.lockId] })
    for (const path of [...questions, `/events?lockId=${lock.lockId}`]) {
      expect([path, (await textOf(path, reader)).includes(link)]).toEqual([path, false])
      expect([path, (await textOf(path, both)).includes(link)]).toEqual([path, true])
    }
  })

  it("it creates no other lock", async () => {
    const as = await inTheLog(ORG, { scopes: ["admin"], locks: [800_001] })
    const body = { index: 1, uuid: newUuid() }
    expect((await send("POST", "/locks/800002/CreateLock", as, body)).status).toBe(403)
    expect((await send("POST", "/locks/800001/CreateLock", as, body)).status).toBe(201)
  })
})

it("a key with limits is not answered what another key was answered", async () => {
  const lock = await furnishedLock(server.url)
  const headers = { "idempotency-key": newUuid() }
  const body = { userId: "ada" }
  expect((await send("POST", `${lock.path}/SetOwner`, organization, body, headers)).status).toBe(200)
  const as = await inTheLog(ORG, { scopes: ["open"] })
  expect((await send("POST", `${lock.path}/SetOwner`, as, body, headers)).status).toBe(403)
})
