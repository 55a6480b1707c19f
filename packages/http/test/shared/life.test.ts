/** The life of a temp key, of one lock or of several doors: changed, suspended, given another link or PIN, ended. */
import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { bearer, type Credentials, organization, otherOrganization, superKey, token } from "../harness/callers.ts"
import { expectProblem } from "../harness/contract.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, newLockId, newUuid, shared, tempKey } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

type Door = Readonly<Record<string, unknown>>

const ask = async (method: string, path: string, body?: unknown, as: Credentials = organization) => {
  const { status, text } = await callsOf(server.url, as)(method, path, {
    ...(body === undefined ? {} : { body }),
    headers: { accept: "application/json" }
  })
  return { status, json: JSON.parse(text) }
}
const open = async (link: string, door?: number, as: Credentials = {}) => {
  const path = door === undefined ? "open" : `doors/${door}/open`
  const { status, json } = await ask("POST", `/temp-keys/${link}/${path}`, {}, as)
  return status === 200 ? 200 : `${status} ${json.message}`
}
const enter = async (lockId: number, pin: string) =>
  (await ask("POST", `/locks/${lockId}/open-with-pin`, { pin }, superKey)).status

/** A key of either kind: its id, its link, and its lock. */
const make = async (kind: "own" | "shared", given: Readonly<Record<string, unknown>> = {}) => {
  const { lockId } = await createLock(server.url)
  if (kind === "shared") {
    const { json } = await ask("POST", "/temp-keys", shared(lockId, given))
    return { lockId, id: String(json.id), link: String(json.uuid), door: 1 as number | undefined }
  }
  const body = tempKey(given)
  expect((await ask("POST", `/locks/${lockId}/create-temp-key`, body)).status).toBe(200)
  const { json } = await ask("GET", `/locks/${lockId}/temp-keys`)
  return { lockId, id: String(json.tempKeys[0].id), link: String(body.tempKeyUuid), door: undefined }
}

describe.each(["own", "shared"] as const)("a key of kind %s", (kind) => {
  it("is named by its id, which opens nothing, and by its link", async () => {
    const { id, link, door } = await make(kind)
    expect(id).not.toBe(link)
    expect(await open(id, door)).toMatch(/^404/)
    for (const name of [id, link.toUpperCase()]) {
      const { status, json } = await ask("PATCH", `/temp-keys/${name}`, { description: `by ${name}` })
      expect([status, json.id, json.uuid, json.description]).toEqual([200, id, link, `by ${name}`])
    }
  })

  it("of two edits at once that saw the same version one is made, and the other is told", async () => {
    const { id, link } = await make(kind, { description: "as it was" })
    const call = callsOf(server.url, organization)
    const listed = (await ask("GET", "/temp-keys?limit=1000", undefined, superKey)).json.tempKeys
    const { version } = listed.find((key: { readonly id: string }) => key.id === id)
    const send = (method: string, path: string, body: unknown, tag: string) =>
      call(method, `/temp-keys/${path}`, { ...(body !== undefined && { body }), headers: { "if-match": tag } })
    const seen = `"${version}"`
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => send("PATCH", id, { description: `edit ${n}` }, seen))
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(7).fill(412)])
    const made = answers.find(({ status }) => status === 200)
    const etag = made?.headers.get("etag") ?? ""
    expect(etag).toBe(`"${made?.body.version}"`)
    for (const answer of answers.filter(({ status }) => status === 412)) {
      expectProblem(412, answer.body)
      expect(answer.headers.get("etag")).toBe(`"${answer.body.version}"`)
    }
    for (const [method, path, body] of [
      ["PATCH", link, { description: "of the other" }],
      ["POST", `${id}/suspend`, undefined],
      ["POST", `${id}/resume`, undefined],
      ["POST", `${id}/new-link`, {}],
      ["DELETE", id, undefined]
    ] as const) {
      expect([method, path, (await send(method, path, body, seen)).status]).toEqual([method, path, 412])
      expect([method, path, (await send(method, path, body, "5")).status]).toEqual([method, path, 400])
    }
    const { json } = await ask("PATCH", `/temp-keys/${id}`, {})
    expect([json.description, json.suspended, json.uuid]).toEqual([
      JSON.parse(made?.text ?? "").description,
      false,
      link
    ])
    expect((await send("POST", `${id}/suspend`, undefined, etag)).status).toBe(200)
    expect((await send("DELETE", id, undefined, "*")).status).toBe(200)
  })

  it("a late check-out keeps the link, and changes only what it names", async () => {
    const { id, link, door } = await make(kind, { maxUses: 5, description: "Ida" })
    const before = (await ask("PATCH", `/temp-keys/${id}`, {})).json
    const { status, json } = await ask("PATCH", `/temp-keys/${id}`, { validUntil: "2127-01-01T12:00:00+02:00" })
    expect(status).toBe(200)
    expect(Date.parse(json.validUntil)).toBe(Date.parse("2127-01-01T10:00:00Z"))
    const { validUntil: _, nextChangeAt: __, version: ___, ...rest } = before
    expect(json).toMatchObject(rest)
    expect(await open(link, door)).toBe(200)
  })

  it("opens nothing while it is suspended, and again when it is resumed", async () => {
    const { id, link, door } = await make(kind)
    for (const _ of ["first", "again"]) {
      const { status, json } = await ask("POST", `/temp-keys/${id}/suspend`)
      expect([status, json.status, json.suspended]).toEqual([200, "not-yet-valid", true])
    }
    expect(await open(link, door)).toBe("400 The temp key is suspended (not-yet-valid). Ask the person who gave it.")
    const { json } = await ask("POST", `/temp-keys/${id}/resume`)
    expect([json.status, json.suspended]).toEqual(["valid", false])
    expect(await open(link, door)).toBe(200)
  })

  it("gets another link, and the one before ends", async () => {
    const { id, link, door } = await make(kind)
    const { status, json } = await ask("POST", `/temp-keys/${link}/new-link`)
    expect([status, json.id]).toEqual([200, id])
    expect(await open(link, door)).toBe("400 The temp key has been deleted (deleted).")
    expect(await open(json.uuid, door)).toBe(200)
    const given = randomUUID()
    expect((await ask("POST", `/temp-keys/${id}/new-link`, { uuid: given })).json.uuid).toBe(given)
    for (const taken of [link, json.uuid, given]) {
      expect((await ask("POST", `/temp-keys/${id}/new-link`, { uuid: taken })).status).toBe(400)
      expect((await make("own")).link).not.toBe(taken)
    }
  })

  it("a new link that is asked for again with the same Idempotency-Key is the same", async () => {
    const { link } = await make(kind)
    const again = () =>
      callsOf(server.url, organization)("POST", `/temp-keys/${link}/new-link`, {
        headers: { "idempotency-key": `of ${link}`.replaceAll(" ", "-") }
      })
    const [first, second] = [await again(), await again()]
    expect([first.status, second.status]).toEqual([200, 200])
    expect(JSON.parse(second.text).uuid).toBe(JSON.parse(first.text).uuid)
  })

  it("is for named users by any id that their issuer uses", async () => {
    const { id, link, door } = await make(kind)
    const named = { accessMode: "user-whitelist", allowedUserIds: ["auth0|Ida"] }
    expect((await ask("PATCH", `/temp-keys/${id}`, named)).json.allowedUserIds).toEqual(["auth0|Ida"])
    expect(await open(link, door)).toMatch(/^401/)
    expect(await open(link, door, bearer(token({ sub: "auth0|ida" })))).toMatch(/^403/)
    expect(await open(link, door, bearer(token({ sub: "auth0|Ida" })))).toBe(200)
    expect((await ask("PATCH", `/temp-keys/${id}`, { allowedUserIds: [] })).json.details).toMatchObject([
      { field: "allowedUserIds" }
    ])
  })

  it("ends once, for those who may", async () => {
    const { id, link, door } = await make(kind)
    expect((await ask("DELETE", `/temp-keys/${id}`, undefined, otherOrganization)).status).toBe(403)
    expect((await ask("DELETE", `/temp-keys/${id}`)).status).toBe(200)
    expect((await ask("DELETE", `/temp-keys/${id}`)).status).toBe(200)
    expect(await open(link, door)).toBe("400 The temp key has been deleted (deleted).")
    for (const step of ["suspend", "resume", "new-link"])
      expect((await ask("POST", `/temp-keys/${id}/${step}`)).status).toBe(409)
    expect((await ask("PATCH", `/temp-keys/${id}`, { maxUses: 1 })).status).toBe(409)
  })

  it.each([
    ["no such key", "x", {}, 404, undefined],
    ["nothing that a key could be called", "%00", {}, 404, undefined],
    ["a window that ends when it begins", undefined, { validUntil: "2000-01-01T00:00:00Z" }, 400, "validUntil"],
    ["a limit of none", undefined, { maxUses: 0 }, 400, "maxUses"],
    ["what it does not know", undefined, { maxUse: 1 }, 400, "maxUse"]
  ])("a change of %s is refused", async (_, name, body, status, field) => {
    const { id } = await make(kind)
    const answer = await ask("PATCH", `/temp-keys/${name ?? id}`, body)
    expect([answer.status, answer.json.details?.[0].field]).toEqual([status, field])
  })
})

describe("doors", () => {
  it("come and go; their numbers are not given out again, and link and PIN stay", async () => {
    const [gate, flat, other] = [
      await createLock(server.url),
      await createLock(server.url),
      await createLock(server.url)
    ]
    const made = (
      await ask(
        "POST",
        "/temp-keys",
        shared(gate.lockId, { doors: [{ lockId: String(gate.lockId), accessMethod: "both" }] })
      )
    ).json
    const name = `/temp-keys/${made.id}`
    const added = await ask("PATCH", name, {
      addDoors: [{ lockId: String(flat.lockId), accessMethod: "code", label: "Flat" }, { lockId: String(other.lockId) }]
    })
    expect(added.json.doors.map((door: Door) => [door["id"], door["lockId"], door["label"]])).toEqual([
      [1, String(gate.lockId), null],
      [2, String(flat.lockId), "Flat"],
      [3, String(other.lockId), null]
    ])
    expect([added.json.uuid, await enter(flat.lockId, made.pin), await open(made.uuid, 3)]).toEqual([
      made.uuid,
      200,
      200
    ])
    const fewer = await ask("PATCH", name, { removeDoors: [2, 3], addDoors: [{ lockId: String(flat.lockId) }] })
    expect(fewer.json.doors.map((door: Door) => door["id"])).toEqual([1, 4])
    expect([await enter(flat.lockId, made.pin), await enter(gate.lockId, made.pin)]).toEqual([401, 200])
    expect(await open(made.uuid, 3)).toMatch(/^404/)
    expect((await ask("PATCH", name, { removeDoors: [1, 4] })).json.details).toMatchObject([{ field: "addDoors" }])
    expect((await ask("PATCH", name, { addDoors: [{ lockId: "4000000" }] })).json.details).toMatchObject([
      { field: "addDoors.0.lockId" }
    ])
  })

  it("of a lock's own key cannot be changed", async () => {
    const { id } = await make("own")
    const { status, json } = await ask("PATCH", `/temp-keys/${id}`, { addDoors: [{ lockId: "1" }] })
    expect([status, json.details[0].field]).toEqual([400, "addDoors"])
  })
})

describe("a PIN", () => {
  it("that is issued anew ends the one before", async () => {
    const { lockId } = await createLock(server.url)
    const doors = [{ lockId: String(lockId), accessMethod: "code" }]
    const made = (await ask("POST", "/temp-keys", shared(lockId, { doors }))).json
    const { status, json } = await ask("POST", `/temp-keys/${made.id}/reissue-pin`)
    expect([status, json.uuid]).toEqual([200, made.uuid])
    expect(json.pin).toMatch(/^\d{8}$/)
    expect([await enter(lockId, made.pin), await enter(lockId, json.pin)]).toEqual([401, 200])
    expect((await ask("POST", `/temp-keys/${made.id}/suspend`)).json.pin).toBeNull()
    expect(await enter(lockId, json.pin)).toBe(401)
  })

  it("comes with the first door that takes one, and with no other key", async () => {
    const { lockId } = await createLock(server.url)
    const { id } = (await ask("POST", "/temp-keys", shared(lockId, { doors: [{ lockId: String(lockId) }] }))).json
    expect((await ask("POST", `/temp-keys/${id}/reissue-pin`)).status).toBe(400)
    const { json } = await ask("PATCH", `/temp-keys/${id}`, {
      addDoors: [{ lockId: String(lockId), accessMethod: "code" }]
    })
    expect(await enter(lockId, json.pin)).toBe(200)
    expect((await ask("POST", `/temp-keys/${(await make("own")).id}/reissue-pin`)).status).toBe(400)
  })
})

describe("a limit on uses", () => {
  it("holds over all doors, and a schedule too", async () => {
    const [one, two] = [await createLock(server.url), await createLock(server.url)]
    const doors = [{ lockId: String(one.lockId) }, { lockId: String(two.lockId) }]
    const made = (await ask("POST", "/temp-keys", shared(one.lockId, { doors, maxUses: 2 }))).json
    expect(await open(made.uuid, 1)).toBe(200)
    expect(await open(made.uuid, 2)).toBe(200)
    expect(await open(made.uuid, 1)).toBe("400 The temp key has no uses left (used-up).")
    const more = await ask("PATCH", `/temp-keys/${made.id}`, { maxUses: 3 })
    expect([more.json.usedCount, more.json.status]).toEqual([2, "valid"])
    const never = { timeZone: "UTC", windows: [{ days: ["monday"], from: "00:00", to: "00:01" }] }
    const { json } = await ask("PATCH", `/temp-keys/${made.id}`, { schedule: never })
    expect(json.schedule).toEqual(never)
    expect((await ask("PATCH", `/temp-keys/${made.id}`, { schedule: null })).json.schedule).toBeNull()
    expect(await open(made.uuid, 2)).toBe(200)
  })
})

describe("links", () => {
  it.each([
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "11111111-1111-4111-8111-111111111111",
    "c232ab00-9414-11ec-b3c8-9f6bdeced846",
    "000003e8-0000-21ec-b300-325096b39f47",
    "1ec9414c-232a-6b00-b3c8-9f6bdeced846"
  ])("that anyone finds are refused when new: %s", async (uuid) => {
    const { lockId } = await createLock(server.url)
    const own = await ask("POST", `/locks/${lockId}/create-temp-key`, tempKey({ tempKeyUuid: uuid }))
    expect([own.status, own.json.details[0].field]).toEqual([400, "tempKeyUuid"])
    const other = await ask("POST", "/temp-keys", shared(lockId, { uuid }))
    expect([other.status, other.json.details[0].field]).toEqual([400, "uuid"])
  })

  it("are one key's alone, over both kinds and all organizations, in upper case too", async () => {
    const uuid = newUuid()
    const { lockId } = await createLock(server.url)
    const theirs = { lockId: newLockId() }
    const created = await ask(
      "POST",
      `/locks/${theirs.lockId}/CreateLock`,
      { index: 1, uuid: newUuid() },
      otherOrganization
    )
    expect(created.status).toBe(201)
    expect((await ask("POST", `/locks/${lockId}/create-temp-key`, tempKey({ tempKeyUuid: uuid }))).status).toBe(200)
    const upper = uuid.toUpperCase()
    const own = await ask(
      "POST",
      `/locks/${theirs.lockId}/create-temp-key`,
      tempKey({ tempKeyUuid: upper }),
      otherOrganization
    )
    expect([own.status, own.json.error]).toEqual([400, "Temp key uuid already used"])
    const other = await ask("POST", "/temp-keys", shared(theirs.lockId, { uuid: upper }), otherOrganization)
    expect([other.status, other.json.error]).toEqual([400, "Temp key uuid already used"])
    const free = newUuid()
    expect((await ask("POST", "/temp-keys", shared(lockId, { uuid: free }))).json.uuid).toBe(free)
    expect((await ask("POST", `/locks/${lockId}/create-temp-key`, tempKey({ tempKeyUuid: free }))).status).toBe(400)
  })
})
