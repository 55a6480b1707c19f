/** `/temp-keys`: keys to several doors, made, listed and revoked, as the contract publishes it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type Credentials,
  nobody,
  organization,
  otherOrganization,
  owner,
  stranger,
  superKey
} from "../harness/callers.ts"
import { expectAsPublished, publishedStatuses } from "../harness/contract.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, furnishedLock, makeShared, newLockId, newUuid, shared, tempKey } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { everyRoute, pathTo } from "../harness/routes.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const MAKE = "POST /temp-keys"
const LIST = "GET /temp-keys"
const REVOKE = "DELETE /temp-keys/{uuid}"

const seen = new Map([MAKE, LIST, REVOKE].map((endpoint) => [endpoint, new Set<number>()]))

const send = async (
  endpoint: string,
  path: string,
  { body, as = organization, headers = {} }: { body?: unknown; as?: Credentials; headers?: Credentials } = {}
) => {
  const [method = ""] = endpoint.split(" ", 1)
  const answer = await callsOf(server.url, as)(method, path, { ...(body === undefined ? {} : { body }), headers })
  expectAsPublished(endpoint, answer)
  seen.get(endpoint)?.add(answer.status)
  return { ...answer, json: JSON.parse(answer.text) }
}
const make = (body: unknown, as: Credentials = organization, headers: Credentials = {}) =>
  send(MAKE, "/temp-keys", { body, as, headers })

describe("POST /temp-keys", () => {
  it("answers the link, the doors in their order, and the PIN once", async () => {
    const [gate, flat] = [await createLock(server.url), await createLock(server.url)]
    const body = {
      validFrom: "2026-01-01T00:00:00Z",
      validUntil: "2126-01-01T12:00:00+03:00",
      description: "Summer guests",
      doors: [{ lockId: String(gate.lockId), label: "Gate", accessMethod: "code" }, { lockId: String(flat.lockId) }]
    }
    const { status, json } = await make(body)
    expect(status).toBe(201)
    expect(json.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(json).toEqual({
      success: true,
      uuid: json.uuid,
      url: `${server.url}/temp-keys/${json.uuid}`,
      validFrom: body.validFrom,
      validUntil: body.validUntil,
      doors: [
        { id: 1, lockId: String(gate.lockId), lockUuid: gate.uuid, label: "Gate", accessMethod: "code" },
        { id: 2, lockId: String(flat.lockId), lockUuid: flat.uuid, label: null, accessMethod: "key" }
      ],
      pin: expect.stringMatching(/^\d{8}$/),
      showPin: false,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      accessMode: "public",
      allowedUserIds: [],
      maxUses: null,
      usedCount: 0,
      schedule: null,
      status: "valid",
      suspended: false,
      nextChangeAt: "2126-01-01T09:00:00.000Z",
      version: 2
    })
    expect(json.id).not.toBe(json.uuid)
    const listed = await send(LIST, `/temp-keys?lockId=${flat.lockId}`)
    const { pin, success: _, ...link } = json
    expect(listed.json.tempKeys).toEqual([
      {
        ...link,
        description: "Summer guests",
        createdBy: "org-1",
        createdAt: expect.stringMatching(/Z$/),
        revokedAt: null
      }
    ])
    expect(listed.text).not.toContain(pin)
    expect(server.log.join("\n")).not.toContain(pin)
    expect(server.log.join("\n")).not.toContain(json.uuid)
  })

  it("has no PIN when no door takes one", async () => {
    const { lockId } = await createLock(server.url)
    expect((await make(shared(lockId, { doors: [{ lockId: String(lockId) }] }))).json.pin).toBeNull()
  })

  it("answers a repeated request as the first one, PIN included, and makes one key", async () => {
    const { lockId } = await createLock(server.url)
    const key = { "idempotency-key": `share-${lockId}` }
    const body = shared(lockId)
    const [first, second] = await Promise.all([make(body, organization, key), make(body, organization, key)])
    expect(second.json).toEqual(first.json)
    expect((await make(body, organization, key)).json).toEqual(first.json)
    expect((await send(LIST, `/temp-keys?lockId=${lockId}`)).json.tempKeys).toHaveLength(1)
    const other = await make({ ...body, description: "another" }, organization, key)
    expect(other.status).toBe(422)
  })

  it("answers 409 about a lock that is retired", async () => {
    const lock = await createLock(server.url)
    expect((await lock.post("retire-lock", {}, superKey)).status).toBe(200)
    const { status, json } = await make(shared(lock.lockId))
    expect([status, json.error]).toEqual([409, "Lock retired"])
  })

  const withDoors = (...doors: ReadonlyArray<object>) => shared(1, { doors })
  it.each<[string, object, string]>([
    ["no doors", withDoors(), "doors"],
    ["51 doors", withDoors(...Array.from({ length: 51 }, () => ({ lockId: "1" }))), "doors"],
    ["a number for a lock", withDoors({ lockId: 1 }), "doors.0.lockId"],
    ["an empty lock", withDoors({ lockId: "" }), "doors.0.lockId"],
    ["a long label", withDoors({ lockId: "1", label: "x".repeat(121) }), "doors.0.label"],
    ["another access method", withDoors({ lockId: "1", accessMethod: "fob" }), "doors.0.accessMethod"],
    ["a long description", shared(1, { description: "x".repeat(2001) }), "description"],
    ["no end", shared(1, { validUntil: undefined }), "validUntil"],
    ["a day that there is not", shared(1, { validFrom: "2026-02-30T00:00:00Z" }), "validFrom"],
    ["a local time", shared(1, { validFrom: "2026-02-03T00:00:00" }), "validFrom"],
    ["an end before its beginning", shared(1, { validFrom: "2126-01-01T00:00:00Z" }), "validUntil"]
  ])("refuses %s", async (_, body, field) => {
    const { status, json } = await make(body)
    expect(status).toBe(400)
    expect(json.details.map((detail: { field: string }) => detail.field)).toEqual([field])
  })

  it.each<[string, unknown]>([
    ["null", null],
    ["none", undefined],
    ["a word", "gate"],
    ["a number too large", "99999999999999999999"],
    ["a number of no lock", "4000000"]
  ])("answers 404 when %s is to name a lock", async (_, lockId) => {
    const { status, json } = await make(shared(1, { doors: [{ lockId }] }))
    expect([status, json.details[0].field]).toEqual([404, "doors.0.lockId"])
  })

  it("is for those who may command every lock", async () => {
    const lock = await furnishedLock(server.url)
    const theirs = newLockId()
    const body = { index: 1, uuid: newUuid() }
    expect((await callsOf(server.url, otherOrganization)("POST", `/locks/${theirs}/CreateLock`, { body })).status).toBe(
      201
    )
    const both = shared(lock.lockId, { doors: [{ lockId: String(lock.lockId) }, { lockId: String(theirs) }] })
    expect((await make(both)).status).toBe(403)
    expect((await make(both, otherOrganization)).status).toBe(403)
    expect((await make(both, superKey)).status).toBe(201)
    expect((await make(shared(lock.lockId), owner)).status).toBe(201)
    expect((await make(shared(lock.lockId), stranger)).status).toBe(403)
    expect((await make(shared(lock.lockId), nobody)).status).toBe(401)
    // Whoever may not command every lock does not learn the link, which opens them all.
    const seen = async (as: Credentials) =>
      (await send(LIST, `/temp-keys?lockId=${lock.lockId}`, { as })).json.tempKeys.length
    expect([await seen(superKey), await seen(organization), await seen(owner)]).toEqual([4, 3, 3])
  })
})

describe("GET /temp-keys", () => {
  it("lists those that are named by their ids, of a lock or of all, and never others than it would list anyway", async () => {
    const [flat, gate] = [await furnishedLock(server.url), await createLock(server.url)]
    const made = await makeShared(server.url, shared(flat.lockId, {}))
    const other = await makeShared(server.url, shared(gate.lockId, {}))
    const idsOf = ({ json }: { readonly json: { readonly tempKeys: ReadonlyArray<{ readonly id: string }> } }) =>
      json.tempKeys.map(({ id }) => id)
    const [own = ""] = idsOf(await send(LIST, `/temp-keys?lockId=${flat.lockId}&limit=1`))
    const named = `ids=${other.id},${made.id},${own},nobody`
    expect(idsOf(await send(LIST, `/temp-keys?lockId=${flat.lockId}&${named}`))).toEqual([own, made.id])
    expect(idsOf(await send(LIST, `/temp-keys?lockId=${flat.lockId}&${named}&status=used-up`))).toEqual([])
    expect(idsOf(await send(LIST, `/temp-keys?${named}`))).toEqual([made.id, other.id, own])
    expect((await send(LIST, `/temp-keys?ids=${Array(101).fill("a").join()}`)).status).toBe(400)
  })

  it("lists what the caller made or may make, oldest first, and tells what was revoked", async () => {
    const { lockId } = await createLock(server.url)
    const uuids: Array<string> = []
    for (const _ of [1, 2, 3]) uuids.push((await make(shared(lockId))).json.uuid)
    expect((await send(REVOKE, `/temp-keys/${uuids[1]}`)).status).toBe(200)
    const { json } = await send(LIST, `/temp-keys?lockId=${lockId}`)
    const listed: ReadonlyArray<{ uuid: string; revokedAt: string | null }> = json.tempKeys
    expect(listed.map(({ uuid }) => uuid)).toEqual(uuids)
    expect(listed.map(({ revokedAt }) => revokedAt === null)).toEqual([true, false, true])
    const all: ReadonlyArray<{ uuid: string }> = (await send(LIST, "/temp-keys")).json.tempKeys
    expect(all.map(({ uuid }) => uuid)).toEqual(expect.arrayContaining(uuids))
    const others: ReadonlyArray<{ uuid: string }> = (await send(LIST, "/temp-keys", { as: otherOrganization })).json
      .tempKeys
    expect(others.filter(({ uuid }) => uuids.includes(uuid))).toEqual([])
  })

  it.each([
    ["/temp-keys?lockId=gate", organization, 404],
    ["/temp-keys?lockId=", organization, 404],
    ["/temp-keys?lockId=4000000", organization, 404],
    ["/temp-keys?lockid=1", organization, 400],
    ["/temp-keys", nobody, 401]
  ])("%s", async (path, as, status) => {
    expect((await send(LIST, path, { as })).status).toBe(status)
  })

  it("of a lock is for those who may command it", async () => {
    const { lockId } = await createLock(server.url)
    expect((await send(LIST, `/temp-keys?lockId=${lockId}`, { as: stranger })).status).toBe(403)
  })
})

describe("GET /temp-keys, a page at a time", () => {
  /** All pages, each of so many keys. */
  const paged = async (query: string, limit: number, as: Credentials = organization) => {
    const ids: Array<string> = []
    let cursor = ""
    for (let n = 0; n < 50; n++) {
      const { status, json } = await send(LIST, `/temp-keys?${query}&limit=${limit}${cursor}`, { as })
      expect([status, json.tempKeys.length <= limit, json.more]).toEqual([200, true, json.nextCursor !== null])
      ids.push(...json.tempKeys.map(({ id }: { id: string }) => id))
      if (!json.more) return ids
      cursor = `&cursor=${json.nextCursor}`
    }
    throw new Error("The pages do not end")
  }

  it("shows keys of both kinds, each once, whatever the size of a page", async () => {
    const lock = await createLock(server.url)
    const { lockId } = lock
    for (let n = 0; n < 3; n++) await make(shared(lockId))
    for (let n = 0; n < 4; n++) expect((await lock.post("create-temp-key", tempKey())).status).toBe(200)
    const all = await paged(`lockId=${lockId}`, 100)
    expect(new Set(all).size).toBe(7)
    for (const limit of [1, 2, 3]) expect(await paged(`lockId=${lockId}`, limit)).toEqual(all)
    for (const as of [organization, superKey]) {
      const everywhere = await paged("", 40, as)
      expect(new Set(everywhere).size).toBe(everywhere.length)
      expect(everywhere).toEqual(expect.arrayContaining(all))
    }
  })

  it("by status", async () => {
    const { lockId } = await createLock(server.url)
    const uuids = [(await make(shared(lockId))).json.uuid, (await make(shared(lockId))).json.uuid]
    await send(REVOKE, `/temp-keys/${uuids[0]}`)
    const seen = async (status: string) =>
      (await send(LIST, `/temp-keys?lockId=${lockId}&status=${status}`)).json.tempKeys.map(
        ({ uuid }: { uuid: string }) => uuid
      )
    expect([await seen("deleted"), await seen("valid"), await seen("valid,deleted")]).toEqual([
      [uuids[0]],
      [uuids[1]],
      uuids
    ])
  })

  it.each([
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["status=gone", "status.0"],
    ["cursor=x", "cursor"],
    ["stauts=valid", "stauts"]
  ])("refuses %s", async (query, field) => {
    const { status, json } = await send(LIST, `/temp-keys?${query}`)
    expect([status, json.details[0].field]).toEqual([400, field])
  })

  it("shows former owners no new hardware", async () => {
    const lock = await createLock(server.url)
    const { uuid } = (await make(shared(lock.lockId))).json
    const asSuper = (command: string, body: object) =>
      callsOf(server.url, superKey)("POST", `/locks/${lock.lockId}/${command}`, { body })
    expect((await asSuper("SetOrganization", { orgId: "org-2" })).status).toBe(200)
    expect((await asSuper(pathTo("LockUuidChanged"), { newUuid: newUuid() })).status).toBe(200)
    const { tempKeys } = (await send(LIST, "/temp-keys")).json
    const door = tempKeys.find((key: { uuid: string }) => key.uuid === uuid).doors[0]
    expect(door.lockUuid).toBe(lock.uuid)
  })
})

it("the list of a lock's own keys says where keys to several doors are, if there are any", async () => {
  const lock = await createLock(server.url)
  const own = await lock.get("temp-keys")
  expect([own.headers.get("etag"), JSON.parse(own.text)]).toEqual([
    '"1"',
    { tempKeys: [], severalDoors: null, more: false, nextCursor: null }
  ])
  const { uuid } = await makeShared(server.url, shared(lock.lockId))
  const { severalDoors } = JSON.parse((await lock.get("temp-keys")).text)
  const { body } = await callsOf(server.url, organization)("GET", severalDoors)
  expect(body.tempKeys?.map((key) => key.uuid)).toEqual([uuid])
})

describe("DELETE /temp-keys/{uuid}", () => {
  it("ends a key once and for all, by its link in any case", async () => {
    const lock = await furnishedLock(server.url)
    const open = (uuid: string) =>
      callsOf(server.url)("POST", `/temp-keys/${uuid}/doors/1/open`, { headers: { accept: "application/json" } })
    expect((await open(lock.sharedUuid)).status).toBe(200)
    for (const _ of ["first", "again"]) {
      const { status, json } = await send(REVOKE, `/temp-keys/${lock.sharedUuid.toUpperCase()}`)
      expect([status, json]).toEqual([200, { success: true }])
    }
    const refused = await open(lock.sharedUuid)
    expect([refused.status, refused.body.message]).toEqual([400, "The temp key has been deleted (deleted)."])
  })

  it.each([
    ["unknown", organization, 404],
    ["a stranger's", stranger, 403],
    ["nobody's", nobody, 401]
  ])("%s", async (what, as, status) => {
    const { sharedUuid } = await furnishedLock(server.url)
    expect((await send(REVOKE, `/temp-keys/${what === "unknown" ? "x" : sharedUuid}`, { as })).status).toBe(status)
  })
})

it("DELETE /temp-keys/{uuid} takes no body, and is under a condition if it says so", async () => {
  const { sharedUuid } = await furnishedLock(server.url)
  const path = `/temp-keys/${sharedUuid}`
  expect((await send(REVOKE, path, { body: { doors: [1] } })).status).toBe(400)
  expect((await send(REVOKE, path, { body: { filler: "x".repeat(70_000) } })).status).toBe(413)
  expect((await send(REVOKE, path, { headers: { "if-match": '"99"' } })).status).toBe(412)
})

describe("while something is down", () => {
  it.each([MAKE, LIST, REVOKE])("%s answers 503, or 500 when it breaks", async (endpoint) => {
    const lock = await furnishedLock(server.url)
    const [path, body] =
      endpoint === MAKE
        ? ["/temp-keys", shared(lock.lockId)]
        : endpoint === LIST
          ? [`/temp-keys?lockId=${lock.lockId}`, undefined]
          : [`/temp-keys/${lock.sharedUuid}`, undefined]
    try {
      server.faults.store = "down"
      expect((await send(endpoint, path, { body })).status).toBe(503)
      server.faults.store = "defect"
      expect((await send(endpoint, path, { body })).status).toBe(500)
    } finally {
      server.faults.store = "ok"
    }
    expect((await send(endpoint, path, { body })).status).toBeLessThan(300)
  })
})

it("POST /temp-keys answers 409 where a lock of a door is retired", async () => {
  const lock = await createLock(server.url)
  expect((await lock.post("retire-lock")).status).toBe(200)
  expect(await make(shared(lock.lockId))).toMatchObject({ status: 409, json: { error: "Lock retired", code: 409 } })
})

it("POST /temp-keys answers 413 to a body over 64 KB, and 415 to one that is not JSON", async () => {
  expect((await make({ filler: "x".repeat(70_000) })).status).toBe(413)
  expect((await make("{}", organization, { "content-type": "text/plain" })).status).toBe(415)
})

it.each([MAKE, LIST, REVOKE])("%s answers 429 to who has asked for too much", async (endpoint) => {
  const { url } = server
  await using other = await startInProcess({ budgets: { orgKB: { burst: 4, every: 3_600_000 } } })
  try {
    server = { ...server, url: other.url }
    const asked = []
    for (let n = 0; n < 8; n++)
      asked.push(await send(endpoint, endpoint === REVOKE ? `/temp-keys/${n}` : "/temp-keys", {}))
    expect(asked.at(-1)).toMatchObject({ status: 429, json: { error: "Too many requests", code: 429 } })
    expect(Number(asked.at(-1)?.headers.get("retry-after"))).toBeGreaterThan(0)
  } finally {
    server = { ...server, url }
  }
})

// Last: what the declaration and the contract promise has all been seen, and nothing else.
it.each([MAKE, LIST, REVOKE])("%s answers no other status than these", (endpoint) => {
  const statuses = [...(seen.get(endpoint) ?? [])]
  expect(statuses.sort()).toEqual(everyRoute.find(({ name }) => name === endpoint)?.statuses)
  expect(statuses).toEqual(expect.arrayContaining([...publishedStatuses(endpoint)]))
})
