/** Who may ask what: every route by every kind of caller. */
import { commandTable, type Right } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore } from "@latchkey/core/memory"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeOperations } from "../src/operations/Operations.ts"
import * as callers from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { furnishedLock, newLockId, stateOf, tempKey } from "./harness/locks.ts"
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
  super: callers.superKey
}

/** Commands, by the right that they take; in the order of the columns. */
const rights: Readonly<Record<Right, string>> = {
  owner: "401 403 403 200 403 200 200",
  holder: "401 403 200 200 403 200 200",
  organization: "401 403 403 403 403 200 200",
  operator: "401 403 403 403 403 403 200",
  anyone: "401 200 200 200 200 200 200",
  device: "401 403 403 403 403 403 403"
}

/** All other routes. The progress of a request that was never made is not there (404) for those who may ask. */
const matrix = `
                                            nobody stranger holder owner otherOrg ownOrg super
POST /locks/{id}/BulkAddKeys                401    403      403    200   403      200    200
GET /locks/{id}/temp-keys                   401    403      403    200   403      200    200
GET /locks/{id}/details                     401    403      403    200   403      200    200
GET /locks/{id}/basic-info                  401    403      200    200   403      200    200
GET /locks/{id}/residents                   401    403      403    200   403      200    200
GET /locks/{id}/events                      401    403      403    200   403      200    200
GET /locks/{id}/explain                     401    403      403    200   403      200    200
POST /locks/{id}/simulate-update-temp-key   401    403      403    200   403      200    200
GET /locks/{id}/BulkAddKeys/{instanceId}    401    403      403    404   403      404    404
GET /users/{id}/owned-locks                 401    403      403    200   404      200    200
POST /locks/{id}/open-with-pin              200    200      200    200   200      200    200
POST /temp-keys                             401    403      403    201   403      201    201
GET /temp-keys                              401    403      403    200   403      200    200
DELETE /temp-keys/{uuid}                    401    403      403    200   403      200    200
POST /temp-keys/{uuid}/doors/{doorId}/open  303    303      303    303   303      303    303
GET /temp-keys/{uuid}                       200    200      200    200   200      200    200
POST /temp-keys/{uuid}/open                 303    303      303    303   303      303    303
GET /temp-keys/{uuid}/open                  303    303      303    303   303      303    303
GET /temp-keys/{uuid}/doors/{doorId}/open   303    303      303    303   303      303    303
GET /temp-keys/{uuid}/sign-in               303    303      303    303   303      303    303
GET /temp-keys/{uuid}/confirmation          200    200      200    200   200      200    200
POST /temp-keys/{uuid}/sign-in              303    303      303    303   303      303    303
GET /assets/guest.css                       200    200      200    200   200      200    200
GET /assets/guest.js                        200    200      200    200   200      200    200
GET /assets/icon.svg                        200    200      200    200   200      200    200
GET /health                                 200    200      200    200   200      200    200
GET /ready                                  200    200      200    200   200      200    200
GET /metrics                                200    200      200    200   200      200    200
GET /openapi.json                           200    200      200    200   200      200    200
GET /docs                                   200    200      200    200   200      200    200
`

const [header = "", ...lines] = matrix.trim().split("\n")
const names = header.trim().split(/\s+/)
const byCaller = (statuses: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name, index) => [name, Number(statuses[index])]))
const rows = [
  ...Array.from(commandsByRoute, ([name, { tag }]) => ({
    name,
    statuses: byCaller(rights[commandTable[tag].who].split(/ +/))
  })),
  ...lines.map((line) => {
    const [method = "", path = "", ...statuses] = line.split(/\s+/)
    return { name: `${method} ${path}`, statuses: byCaller(statuses) }
  })
]
const memory = Layer.merge(MemoryEventStore.layer, MemoryDeviceShadow.layer)
const operations = Object.keys(Effect.runSync(Effect.provide(makeOperations, memory))).map((path) => ({
  name: `GET ${path}`,
  method: "GET",
  path,
  statuses: [200]
}))

it("has a row for every route, and for no other", () => {
  expect(rows.map(({ name }) => name).sort()).toEqual([...everyRoute, ...operations].map(({ name }) => name).sort())
  expect(names).toEqual(Object.keys(columns))
})

describe.each(rows)("$name", ({ name, statuses }) => {
  it.each(Object.entries(columns))("for %s", async (caller, headers) => {
    const lock = await furnishedLock(server.url)
    const route = everyRoute.find((route) => route.name === name)
    const { path, body } =
      route === undefined ? { path: name.slice("GET ".length), body: undefined } : goodRequest(route, lock)
    const before = await stateOf(lock)
    const { status } = await callsOf(server.url, headers)(
      name.split(" ", 1)[0] ?? "",
      path,
      body === undefined ? {} : { body }
    )
    expect(status).toBe(statuses[caller])
    if (status >= 400) expect(await stateOf(lock)).toBe(before)
  })
})

describe("a lock that is not there yet", () => {
  const create = (headers: callers.Credentials, given: object = {}) =>
    callsOf(server.url, headers)("POST", `/locks/${newLockId()}/CreateLock`, {
      body: { index: 1, uuid: callers.OWNER, ...given }
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
    const body = { index: 1, uuid: callers.OWNER, ownerId: userId }
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
