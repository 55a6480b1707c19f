/** Who may ask what: every route by every kind of caller. */
import { commandTable, Feed, type Limits, type Right, SCOPES } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryReadModel } from "@latchkey/core/memory"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sessionCookie } from "../src/guests/GuestSession.ts"
import { makeOperations } from "../src/operations/Operations.ts"
import * as callers from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { type FurnishedLock, furnishedLock, newLockId, newUuid, stateOf, tempKey } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"
import { commandsByRoute, everyRoute, goodRequest } from "./harness/routes.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

/** The lock is the organization's, owned by the owner, and the holder has a key on it. */
const columns = {
  nobody: callers.nobody,
  stranger: callers.stranger,
  holder: callers.holder,
  owner: callers.owner,
  otherOrg: callers.otherOrganization,
  ownOrg: callers.organization,
  super: callers.superKey,
  /** Signed in at the page of the lock's temp key, as the owner even: in a cookie, which counts at such pages alone. */
  guest: {
    cookie: sessionCookie("", callers.owner["authorization"]?.slice("Bearer ".length) ?? "").split(";")[0] ?? ""
  }
}

/** Commands, by the right that they take; in the order of the columns. */
const rights: Readonly<Record<Right, string>> = {
  owner: "401 403 403 200 403 200 200 401",
  keeper: "401 403 403 403 403 200 200 401",
  holder: "401 403 200 200 403 200 200 401",
  organization: "401 403 403 403 403 200 200 401",
  operator: "401 403 403 403 403 403 200 401",
  anyone: "401 200 200 200 200 200 200 401",
  device: "401 403 403 403 403 403 403 401"
}

/**
 * All other routes, one line each: what an API key must be for, and what each caller is answered. `-`: nothing, since
 * anyone may; `*`: a key for all locks; `=404`: what a key for other locks is answered, where that is not 403. The progress
 * of a request, and an API key, that were never made are not there (404) for those who may ask.
 */
const matrix = `
                                            key        nobody stranger holder owner otherOrg ownOrg super guest
POST /locks/{id}/BulkAddKeys                keys       401    403      403    200   403      200    200   401
POST /locks/{id}/remove-inherited-keys      keys       401    403      403    200   403      200    200   401
GET /locks/{id}/temp-keys                   temp-keys  401    403      403    200   403      200    200   401
GET /locks/{id}/details                     read       401    403      403    200   403      200    200   401
GET /locks/{id}/exposure                    read       401    403      403    200   403      200    200   401
GET /locks/{id}/presence                    read       401    403      403    200   403      200    200   401
GET /locks/{id}/basic-info                  read       401    403      200    200   403      200    200   401
GET /locks/{id}/residents                   read       401    403      403    200   403      200    200   401
GET /locks/{id}/events                      read       401    403      403    200   403      200    200   401
GET /locks/{id}/commands/{commandId}        read       401    403      404    404   403      404    404   401
GET /locks/{id}/explain                     read       401    403      403    200   403      200    200   401
POST /locks/{id}/simulate-update-temp-key   temp-keys  401    403      403    200   403      200    200   401
GET /locks/{id}/BulkAddKeys/{instanceId}    keys       401    403      403    404   403      404    404   401
GET /attention                              read=200   401    200      200    200   200      200    200   401
GET /overview                               read=200   401    200      200    200   200      200    200   401
GET /locks                                  read=200   401    200      200    200   200      200    200   401
GET /users/{id}/owned-locks                 read=200   401    403      403    200   404      200    200   401
GET /users/{id}/keys                        read=200   401    403      403    200   200      200    200   401
DELETE /users/{id}/keys                     keys=200   401    403      403    200   200      200    200   401
POST /locks/{id}/open-with-pin              -          200    200      200    200   200      200    200   200
POST /temp-keys                             temp-keys  401    403      403    201   403      201    201   401
GET /temp-keys                              temp-keys  401    403      403    200   403      200    200   401
DELETE /temp-keys/{uuid}                    temp-keys  401    403      403    200   403      200    200   401
POST /temp-keys/{uuid}/doors/{doorId}/open  -          303    303      303    303   303      303    303   303
GET /temp-keys/{uuid}                       -          200    200      200    200   200      200    200   200
POST /temp-keys/{uuid}/open                 -          303    303      303    303   303      303    303   303
GET /temp-keys/{uuid}/open                  -          303    303      303    303   303      303    303   303
GET /temp-keys/{uuid}/doors/{doorId}/open   -          303    303      303    303   303      303    303   303
GET /temp-keys/{uuid}/sign-in               -          303    303      303    303   303      303    303   303
GET /temp-keys/{uuid}/calendar.ics          -          200    200      200    200   200      200    200   200
GET /temp-keys/{uuid}/confirmation          -          200    200      200    200   200      200    200   200
POST /temp-keys/{uuid}/sign-in              -          303    303      303    303   303      303    303   303
GET /api-keys                               admin=200  401    403      403    403   403      200    200   401
POST /api-keys                              admin*     401    403      403    403   403      201    201   401
DELETE /api-keys/{keyId}                    admin=404  401    403      403    403   404      404    404   401
GET /brand                                  admin*     401    403      403    403   403      200    200   401
PUT /brand                                  admin*     401    403      403    403   403      200    200   401
DELETE /brand                               admin*     401    403      403    403   403      200    200   401
GET /events                                 read=200   401    403      403    403   200      200    200   401
GET /events/stream                          read=200   401    403      403    403   200      200    200   401
GET /locks/{id}/attempts                    read       401    403    403    200    403    200    200   401
GET /webhooks/{id}                          admin*     401    403    403    403    404    404    404   401
PATCH /webhooks/{id}                        admin*     401    403    403    403    404    404    404   401
DELETE /webhooks/{id}                       admin*     401    403    403    403    404    404    404   401
POST /webhooks/{id}/rotate-secret           admin*     401    403    403    403    404    404    404   401
POST /webhooks/{id}/enable                  admin*     401    403    403    403    404    404    404   401
POST /webhooks/{id}/disable                 admin*     401    403    403    403    404    404    404   401
POST /webhooks/{id}/test                    admin*     401    403    403    403    404    404    404   401
POST /webhooks/{id}/replay                  admin*     401    403    403    403    404    404    404   401
GET /webhooks/{id}/deliveries               admin*     401    403    403    403    404    404    404   401
POST /webhooks/{id}/deliveries/{eventId}/retry admin*    401    403    403    403    404    404    404   401
DELETE /webhooks/{id}/deliveries/{eventId}  admin*     401    403    403    403    404    404    404   401
GET /webhooks                               admin*     401    403    403    403    200    200    200   401
POST /webhooks                              admin*     401    403    403    403    201    201    201   401
POST /tenants/{orgId}/webhooks              admin*     401    403    403    403    403    201    201   401
PATCH /temp-keys/{uuid}                     temp-keys  401    403      403    200   403      200    200   401
POST /temp-keys/{uuid}/suspend              temp-keys  401    403      403    200   403      200    200   401
POST /temp-keys/{uuid}/resume               temp-keys  401    403      403    200   403      200    200   401
POST /temp-keys/{uuid}/new-link             temp-keys  401    403      403    200   403      200    200   401
POST /temp-keys/{uuid}/reissue-pin          temp-keys  401    403      403    200   403      200    200   401
GET /locks/{id}/audit.csv                   read       401    403      403    200   403      200    200   401
GET /locks/{id}/audit.ndjson                read       401    403      403    200   403      200    200   401
GET /assets/tokens.css                      -          200    200      200    200   200      200    200   200
GET /assets/guest.css                       -          200    200      200    200   200      200    200   200
GET /assets/guest.js                        -          200    200      200    200   200      200    200   200
GET /assets/icon.svg                        -          200    200      200    200   200      200    200   200
GET /health                                 -          200    200      200    200   200      200    200   200
GET /ready                                  -          200    200      200    200   200      200    200   200
GET /metrics                                -          200    200      200    200   200      200    200   200
GET /openapi.json                           -          200    200      200    200   200      200    200   200
GET /docs                                   -          200    200      200    200   200      200    200   200
GET /favicon.ico                            -          302    302      302    302   302      302    302   302
GET /                                       -          404    404      404    404   404      404    404   404
`

const [header = "", ...lines] = matrix.trim().split("\n")
const [, ...names] = header.trim().split(/\s+/)
const byCaller = (statuses: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name, index) => [name, Number(statuses[index])]))
const rows = [
  ...Array.from(commandsByRoute, ([name, { tag }]) => ({
    name,
    key: commandTable[tag].scope as string,
    statuses: byCaller(rights[commandTable[tag].who].split(/ +/))
  })),
  ...lines.map((line) => {
    const [method = "", path = "", key = "", ...statuses] = line.split(/\s+/)
    return { name: `${method} ${path}`, key, statuses: byCaller(statuses) }
  })
]
const memory = Feed.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(MemoryEventStore.layer, MemoryDeviceShadow.layer, MemoryReadModel.layer))
)
const operations = Object.keys(Effect.runSync(Effect.provide(makeOperations(true), memory))).map((path) => ({
  name: `GET ${path}`,
  method: "GET",
  path,
  statuses: [200]
}))

it("has a row for every route, and for no other", () => {
  expect(rows.map(({ name }) => name).sort()).toEqual([...everyRoute, ...operations].map(({ name }) => name).sort())
  expect(names).toEqual(Object.keys(columns))
  for (const { name, key, statuses } of rows) {
    expect([name, key]).toEqual([name, expect.stringMatching(KEY)])
    expect([name, Object.values(statuses)]).toEqual([name, names.map(() => expect.any(Number))])
  }
})

/** What a route says of API keys: a scope, and of keys that are for some locks. */
const KEY = /^(-|open|read|keys|temp-keys|admin)(\*|=\d{3})?$/

const ask = async (name: string, lock: FurnishedLock, headers: callers.Credentials) => {
  const route = everyRoute.find((route) => route.name === name)
  const [method = "", itself = ""] = name.split(" ")
  const { path, body } = route === undefined ? { path: itself, body: undefined } : goodRequest(route, lock)
  const before = await stateOf(lock)
  const { status } = await callsOf(server.url, headers)(method, path, body === undefined ? {} : { body })
  if (status >= 400) expect(await stateOf(lock)).toBe(before)
  return status
}

/** The same with a key of the organization that has the lock; gone afterwards, since an organization has only so many. */
const askWith = async (name: string, limits: Limits | undefined, lock: FurnishedLock) => {
  const { keyId, secret } = await Effect.runPromise(
    server.apiKeys.create(callers.ORG, limits === undefined ? {} : { limits })
  )
  const status = await ask(name, lock, callers.apiKey(secret))
  await Effect.runPromise(server.apiKeys.revoke(keyId))
  return status
}

describe.each(rows)("$name", ({ name, key, statuses }) => {
  const [, scope = "-", locks = ""] = KEY.exec(key) ?? []
  const { ownOrg = 0 } = statuses

  it.each(Object.entries(columns))("for %s", async (caller, headers) => {
    expect(await ask(name, await furnishedLock(server.url), headers)).toBe(statuses[caller])
  })

  it.each(SCOPES)("for a key of the organization with the scope %s", async (given) => {
    const mayAsk = scope === "-" || given === "admin" || given === scope
    const status = await askWith(name, { scopes: [given] }, await furnishedLock(server.url))
    expect(status).toBe(mayAsk ? ownOrg : 403)
  })

  it("for a key of the organization without scopes, which does all but manage API keys", async () => {
    const status = await askWith(name, undefined, await furnishedLock(server.url))
    expect(status).toBe(name.includes("/api-keys") ? 403 : ownOrg)
  })

  it("for a key that is for nothing", async () => {
    const status = await askWith(name, { scopes: [] }, await furnishedLock(server.url))
    expect(status).toBe(scope === "-" ? ownOrg : 403)
  })

  it("for a key that is for the lock, with every scope", async () => {
    const lock = await furnishedLock(server.url)
    const status = await askWith(name, { scopes: ["admin"], locks: [lock.lockId] }, lock)
    expect(status).toBe(locks === "*" ? 403 : ownOrg)
  })

  it("for a key that is for another lock, with every scope", async () => {
    const [lock, another] = [await furnishedLock(server.url), await furnishedLock(server.url)]
    const status = await askWith(name, { scopes: ["admin"], locks: [another.lockId] }, lock)
    const other = locks.startsWith("=") ? Number(locks.slice(1)) : 403
    expect(status).toBe(scope === "-" ? ownOrg : other)
  })
})

it("the links of temp keys are nobody's tokens, and no API keys", async () => {
  const lock = await furnishedLock(server.url)
  for (const { name, statuses } of rows.filter(({ statuses }) => statuses["nobody"] === 401)) {
    for (const link of [lock.tempKeyUuid, lock.sharedUuid]) {
      const answers = [await ask(name, lock, callers.bearer(link)), await ask(name, lock, callers.apiKey(link))]
      expect([name, ...answers]).toEqual([name, statuses["nobody"], statuses["nobody"]])
    }
  }
})

it("no event says what the API key was limited to, with which it came about", async () => {
  const limits = expect.objectContaining({ limits: expect.anything() })
  const feed = await Effect.runPromise(server.store.feed(0, 100_000))
  expect(feed.length).toBeGreaterThan(100)
  for (const { principal } of feed) expect(principal).not.toEqual(limits)
})

describe("a lock that is not there yet", () => {
  const create = (headers: callers.Credentials, given: object = {}) =>
    callsOf(server.url, headers)("POST", `/locks/${newLockId()}/CreateLock`, {
      body: { index: 1, uuid: newUuid(), ...given }
    })

  it("is created by users for themselves only, by organizations and super keys for anybody", async () => {
    expect((await create(callers.nobody)).status).toBe(401)
    expect((await create(callers.owner)).status).toBe(201)
    expect((await create(callers.owner, { ownerId: callers.OWNER })).status).toBe(201)
    expect((await create(callers.stranger, { ownerId: callers.OWNER })).status).toBe(403)
    expect((await create(callers.organization, { ownerId: callers.OWNER })).status).toBe(201)
    expect((await create(callers.superKey, { ownerId: callers.OWNER })).status).toBe(201)
  })

  it("belongs to the user or to the organization who created it", async () => {
    const ofUser = (await create(callers.stranger)).body
    const ofOrganization = (await create(callers.otherOrganization)).body
    const details = (id: string | undefined, headers: callers.Credentials) =>
      callsOf(server.url, headers)("GET", `/locks/${id}/details`)
    expect((await details(ofUser.aggregateId, callers.stranger)).status).toBe(200)
    expect((await details(ofUser.aggregateId, callers.organization)).status).toBe(403)
    expect((await details(ofOrganization.aggregateId, callers.otherOrganization)).status).toBe(200)
    expect((await details(ofOrganization.aggregateId, callers.organization)).status).toBe(403)
  })
})

it("an organization sees only its own among the locks of a user", async () => {
  const userId = "owner-of-two-locks"
  for (const headers of [callers.organization, callers.otherOrganization]) {
    const body = { index: 1, uuid: newUuid(), ownerId: userId }
    await callsOf(server.url, headers)("POST", `/locks/${newLockId()}/CreateLock`, { body })
  }
  const count = async (headers: callers.Credentials) =>
    (await callsOf(server.url, headers)("GET", `/users/${userId}/owned-locks`)).body.totalCount
  expect(await count(callers.organization)).toBe(1)
  expect(await count(callers.user(userId))).toBe(2)
  expect(await count(callers.superKey)).toBe(2)
})

it("a user who is signed in is known, and reads their own list alone", async () => {
  const ask = (headers: callers.Credentials, userId: string) =>
    callsOf(server.url, headers)("GET", `/users/${userId}/owned-locks`)
  const nobodyYet = "nobody-has-heard-of-me"
  expect((await ask(callers.user(nobodyYet), nobodyYet)).body).toMatchObject({ locks: [], totalCount: 0 })
  expect((await ask(callers.organization, nobodyYet)).status).toBe(404)
  expect((await ask(callers.user(nobodyYet), callers.OWNER)).status).toBe(403)
})

it("a former owner, key holder or organization has no say any more", async () => {
  const lock = await furnishedLock(server.url)
  const open = async (headers: callers.Credentials) =>
    (await callsOf(server.url, headers)("POST", `${lock.path}/OpenLock`, { body: {} })).status
  await lock.post("RemoveKey", { keyUuid: "key-of-holder" })
  expect(await open(callers.holder)).toBe(403)
  await lock.post("SetOwner", { userId: callers.STRANGER })
  expect([await open(callers.owner), await open(callers.stranger)]).toEqual([403, 200])
  await lock.post("SetOrganization", { orgId: callers.OTHER_ORG })
  expect([await open(callers.organization), await open(callers.otherOrganization)]).toEqual([403, 200])
})

describe("an API key and a user's token together", () => {
  it("the key decides, and the user is recorded", async () => {
    const lock = await furnishedLock(server.url)
    const create = (headers: callers.Credentials) =>
      callsOf(server.url, headers)("POST", `${lock.path}/create-temp-key`, { body: tempKey() })
    const created = await create({ ...callers.organization, ...callers.stranger })
    expect(created.status).toBe(200)
    expect(created.body.event?.data["createdBy"]).toBe(callers.STRANGER)
    expect((await create({ ...callers.otherOrganization, ...callers.owner })).status).toBe(403)
    expect((await create(callers.organization)).body.event?.data["createdBy"]).toBe(callers.ORG)
    expect((await create(callers.owner)).body.event?.data["createdBy"]).toBe(callers.OWNER)
  })
})
