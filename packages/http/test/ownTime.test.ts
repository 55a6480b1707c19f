/** After a change of hands each side sees its own time: over HTTP, on every route that tells of it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type Credentials,
  HOLDER,
  holder,
  OWNER,
  organization,
  owner,
  STRANGER,
  stranger,
  superKey
} from "./harness/callers.ts"
import { expectAsPublished } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { type FurnishedLock, furnishedLock, newUuid, shared, tempKey } from "./harness/locks.ts"
import { type Answer, callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const get = (lock: FurnishedLock, question: string, as: Credentials): Promise<Answer> =>
  callsOf(server.url, as)("GET", `${lock.path}/${question}`)

/** The version of the sale. */
const SALE = 8

/** A lock of the organization that its owner has sold to a stranger. */
const soldLock = async (): Promise<FurnishedLock> => {
  const lock = await furnishedLock(server.url)
  await callsOf(server.url, holder)("POST", `${lock.path}/OpenLock`, { body: {} })
  await lock.post("use-temp-key", { tempKeyUuid: lock.tempKeyUuid, userId: HOLDER })
  const sold = await callsOf(server.url, owner)("POST", `${lock.path}/SetOwner`, { body: { userId: STRANGER } })
  expect(sold.status).toBe(200)
  await callsOf(server.url, stranger)("POST", `${lock.path}/OpenLock`, { body: {} })
  return lock
}

const versionsOf = ({ body }: Answer) => body.events?.map(({ version }) => version)

describe("a lock that was sold", () => {
  it("tells the buyer its hardware and their own time, and names nobody of before", async () => {
    const lock = await soldLock()
    const history = await get(lock, "events", stranger)
    expectAsPublished("GET /locks/{id}/events", history)
    expect(versionsOf(history)).toEqual([1, 5, 8, 9])
    for (const answer of [history, await get(lock, "details", stranger), await get(lock, "residents", stranger)]) {
      expect(answer.status).toBe(200)
      expect(answer.text).not.toContain("ada@example.org")
      expect(answer.text).not.toContain('"Ada"')
    }
    const { events = [] } = history.body
    expect(JSON.stringify(events[0])).not.toContain(HOLDER)
    expect(JSON.stringify(events[0])).not.toContain("org-1")
    const residents = await get(lock, "residents", stranger)
    expectAsPublished("GET /locks/{id}/residents", residents)
    expect(residents.body.residents).toEqual([{ userId: "resident-1", name: "", hasPhone: false }])
  })

  it("tells the buyer nothing of who opened or locked the door before", async () => {
    const lock = await furnishedLock(server.url)
    const ids = []
    for (const command of ["OpenLock", "LockDevice"]) {
      const moved = await callsOf(server.url, holder)("POST", `${lock.path}/${command}`, { body: {} })
      expect(moved.status).toBe(200)
      ids.push(JSON.parse(moved.text).commandId)
    }
    await callsOf(server.url, owner)("POST", `${lock.path}/SetOwner`, { body: { userId: STRANGER } })
    const { text } = await get(lock, "details", stranger)
    for (const id of ids) {
      expect(text).not.toContain(id)
      expect((await get(lock, `commands/${id}`, stranger)).status).toBe(404)
    }
  })

  it("tells the seller their own time by the same routes, and nothing else", async () => {
    const lock = await soldLock()
    const history = await get(lock, "events", owner)
    expectAsPublished("GET /locks/{id}/events", history)
    expect(versionsOf(history)).toEqual([2, 3, 4, 5, 6, 7, 8])
    expect(history.body).toMatchObject({ totalEvents: 7, totalPages: 1 })
    expect(versionsOf(await get(lock, "events?order=desc&limit=2", owner))).toEqual([8, 7])
    for (const question of ["details", "residents", "temp-keys"])
      expect((await get(lock, question, owner)).status).toBe(403)
  })

  it("tells the organization that stays all of it", async () => {
    const lock = await soldLock()
    expect(versionsOf(await get(lock, "events", organization))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect((await get(lock, "residents", organization)).text).toContain("Ada")
  })

  it("explains to each side what happened in its own time alone", async () => {
    const lock = await soldLock()
    const { body } = await get(lock, "events?types=TempKeyUsed", owner)
    const [used] = body.events ?? []
    const { eventId, timestamp } = used as unknown as Readonly<Record<string, string>>
    const byId = `explain?attemptId=${eventId}`
    const byTime = `explain?tempKeyUuid=${lock.tempKeyUuid}&at=${timestamp}`
    const now = `explain?tempKeyUuid=${lock.tempKeyUuid}`
    expect([(await get(lock, byId, owner)).status, (await get(lock, byTime, owner)).status]).toEqual([200, 200])
    expect([(await get(lock, byId, stranger)).status, (await get(lock, byTime, stranger)).status]).toEqual([404, 403])
    expect([(await get(lock, now, owner)).status, (await get(lock, now, stranger)).status]).toEqual([403, 200])
    // Who made the key before is not the buyer's to know.
    const explained = await get(lock, now, stranger)
    expect(JSON.parse(explained.text).facts.events).toMatchObject([{ principal: { type: "Organization" } }, {}])
    expect(explained.text).not.toContain("org-1")
  })

  it("explains to each side every event that its history shows, and names nobody of before", async () => {
    const lock = await soldLock()
    for (const [caller, withNames] of [
      [owner, true],
      [stranger, false],
      [organization, true],
      [superKey, true]
    ] as const) {
      const { events = [] } = (await get(lock, "events", caller)).body
      expect(events.length).toBeGreaterThan(3)
      for (const { eventId, version } of events as unknown as ReadonlyArray<{ eventId: string; version: number }>) {
        const explained = await get(lock, `explain?eventId=${eventId}`, caller)
        expect([version, explained.status, explained.text]).toEqual([version, 200, explained.text])
        const { recorded, asked } = JSON.parse(explained.text)
        expect(recorded).toMatchObject({ eventId, version })
        if (withNames || version >= SALE) continue
        expect(explained.text).not.toContain("org-1")
        expect(explained.text).not.toContain(HOLDER)
        expect([recorded.principal, asked.by]).toEqual([{ type: "Organization" }, { type: "Organization" }])
      }
      const seen = new Set(events.map(({ version }) => version))
      const all = (await get(lock, "events", superKey)).body.events ?? []
      for (const { eventId, version } of all as unknown as ReadonlyArray<{ eventId: string; version: number }>)
        if (!seen.has(version)) expect((await get(lock, `explain?eventId=${eventId}`, caller)).status).toBe(404)
    }
  })

  it("tells of temp keys of before only what it takes to end them", async () => {
    const lock = await furnishedLock(server.url)
    const byOwner = callsOf(server.url, owner)
    const tempKeyUuid = newUuid()
    const terms = { accessMode: "user-whitelist", allowedUserIds: [HOLDER], description: "For Zoe" }
    const own = { ...tempKey({ tempKeyUuid }), ...terms }
    expect((await byOwner("POST", `${lock.path}/create-temp-key`, { body: own })).status).toBe(200)
    const doors = [{ lockId: String(lock.lockId), label: "Zoe's room" }]
    const several = shared(lock.lockId, { ...terms, doors })
    expect((await byOwner("POST", "/temp-keys", { body: several })).status).toBe(201)
    const answers = (as: Credentials) =>
      Promise.all([
        get(lock, "temp-keys", as),
        callsOf(server.url, as)("GET", "/temp-keys"),
        callsOf(server.url, as)("GET", `/temp-keys?lockId=${lock.lockId}`),
        get(lock, `explain?tempKeyUuid=${tempKeyUuid}`, as)
      ])
    /** How many of the answers hold the text. */
    const telling = async (as: Credentials, text: string) =>
      (await answers(as)).filter((answer) => answer.text.includes(text)).length
    const byOperator = callsOf(server.url, superKey)
    const sellTo = (userId: string) => byOperator("POST", `${lock.path}/SetOwner`, { body: { userId } })
    expect((await sellTo(STRANGER)).status).toBe(200)
    for (const answer of await answers(stranger)) {
      expect(answer.status).toBe(200)
      for (const text of ["Zoe", HOLDER, OWNER]) expect(answer.text).not.toContain(text)
    }
    // The organization stayed: it saw all of it.
    expect(await telling(organization, "For Zoe")).toBe(3)
    expect((await sellTo(OWNER)).status).toBe(200)
    expect([await telling(owner, "For Zoe"), await telling(owner, "Zoe's room")]).toEqual([3, 2])
  })

  it("says nothing of its history to anyone else", async () => {
    const lock = await furnishedLock(server.url)
    for (const caller of [holder, stranger]) expect((await get(lock, "events", caller)).status).toBe(403)
  })
})
