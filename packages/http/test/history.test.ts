/** The history over HTTP: who did what, found by type, time and person, and what is refused. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { apiKey, HOLDER, holder, OWNER, organization, owner } from "./harness/callers.ts"
import { expectAsPublished, expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, type FurnishedLock, furnishedLock } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

interface Shown {
  readonly version: number
  readonly eventId: string
  readonly type: string
  readonly timestamp: string
  readonly principal: Readonly<Record<string, string>>
  readonly via?: string
  readonly door?: number
  readonly tempKeyId?: string
}
interface Page {
  readonly totalEvents: number
  readonly page: number
  readonly events: ReadonlyArray<Shown>
  readonly nextCursor: string | null
}

const ask = async (lock: Pick<FurnishedLock, "path">, query = "", as = owner): Promise<Page> => {
  const answer = await callsOf(server.url, as)("GET", `${lock.path}/events${query}`)
  expect([answer.status, answer.text]).toEqual([200, answer.text])
  expectAsPublished("GET /locks/{id}/events", answer)
  return JSON.parse(answer.text)
}

describe("the history of a lock", () => {
  it("says who opened it, with what, and at which door, and tells no link", async () => {
    const lock = await furnishedLock(server.url)
    const { keyId, secret } = await Effect.runPromise(server.apiKeys.create("org-1", {}))
    const call = callsOf(server.url)
    const open = (path: string, headers: Readonly<Record<string, string>>, body = {}) =>
      call("POST", path, { body, headers: { accept: "application/json", ...headers } })
    expect((await open(`${lock.path}/OpenLock`, apiKey(secret))).status).toBe(200)
    expect((await open(`${lock.path}/OpenLock`, { ...organization, ...owner })).status).toBe(200)
    expect((await open(`${lock.path}/OpenLock`, holder)).status).toBe(200)
    expect((await open(`/temp-keys/${lock.sharedUuid}/doors/1/open`, {})).status).toBeLessThan(400)
    expect((await open(`${lock.path}/open-with-pin`, {}, { pin: lock.pin })).status).toBe(200)
    expect((await open(`/temp-keys/${lock.tempKeyUuid}/open`, {})).status).toBeLessThan(400)
    const answer = await call("GET", `${lock.path}/events?types=LockOpenRequested`, { headers: owner })
    const { events }: Page = JSON.parse(answer.text)
    expect(events.map(({ principal, via, door }) => [principal, via, door])).toEqual([
      [{ type: "Organization", orgId: "org-1", keyId }, "API", undefined],
      [{ type: "Organization", orgId: "org-1", userId: OWNER }, "API", undefined],
      [{ type: "User", userId: HOLDER }, "key", undefined],
      [{ type: "Guest" }, "link", 1],
      [{ type: "Guest" }, "PIN", 1],
      [{ type: "Guest" }, "link", undefined]
    ])
    const [, , , byLink, byPin, byOwnKey] = events.map(({ tempKeyId }) => tempKeyId)
    expect([byLink, byOwnKey]).toEqual([expect.any(String), expect.any(String)])
    expect(byPin).toBe(byLink)
    const all: Page = JSON.parse((await call("GET", `${lock.path}/events`, { headers: owner })).text)
    const ofKeys = all.events.filter(({ type }) => type.startsWith("TempKey"))
    expect(ofKeys.map(({ type, tempKeyId }) => [type, tempKeyId])).toEqual([
      ["TempKeyCreated", byOwnKey],
      ["TempKeyUsed", byOwnKey]
    ])
    expect(answer.text).not.toContain(lock.sharedUuid)
    expect(answer.text).not.toContain(secret)
  })

  it("is found by type, time and person, in either order, page by page", async () => {
    const lock = await furnishedLock(server.url)
    for (let n = 0; n < 7; n++) await callsOf(server.url, holder)("POST", `${lock.path}/OpenLock`, { body: {} })
    const everything = await ask(lock)
    expect(everything).toMatchObject({ totalEvents: 12, page: 1, nextCursor: null })
    const versions = (page: Page) => page.events.map(({ version }) => version)
    expect(versions(await ask(lock, `?actor=${HOLDER}&order=desc&limit=3`))).toEqual([12, 11, 10])
    expect(versions(await ask(lock, "?types=OwnerSet,ResidentAdded"))).toEqual([2, 3])
    expect(versions(await ask(lock, "?types=OwnerSet&types=ResidentAdded"))).toEqual([2, 3])
    const { timestamp = "" } = everything.events[4] ?? {}
    for (const { version } of (await ask(lock, `?to=${timestamp}`)).events) expect(version).toBeLessThanOrEqual(4)
    expect((await ask(lock, `?from=${timestamp}`)).events.at(-1)?.version).toBe(12)

    const found: Array<number> = []
    let query = "?order=desc&limit=4"
    for (;;) {
      const page = await ask(lock, query)
      found.push(...versions(page))
      if (page.nextCursor === null) break
      query = `?limit=4&cursor=${page.nextCursor}`
    }
    expect(found).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
  })

  it.each([
    ["a misspelt filter", "type=OwnerSet", "type", /types/],
    ["a filter that there is not", "door=1", "door", /known/],
    ["a type that there is not", "types=OwnerSat", "types", /OwnerSet/],
    ["no type", "types=", "types", /types/],
    ["no instant", "from=yesterday", "from", /date-time/],
    ["time that runs backwards", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to", /after/],
    ["a third order", "order=newest", "order", /asc/],
    ["two orders", "order=asc&order=desc", "order", /./],
    ["a made-up cursor", "cursor=MTIz", "cursor", /nextCursor/],
    ["a page and a cursor", "page=2&cursor=YXNjLjEuMQ", "page", /not both/],
    ["a page of what is filtered", "page=2&actor=ada", "page", /nextCursor/],
    ["nobody", "actor=", "actor", /./],
    ["too many at once", "limit=1001", "limit", /1000/],
    ["page nought", "page=0", "page", /page/]
  ])("refuses %s, and says what is meant", async (_, query, field, message) => {
    const lock = await createLock(server.url)
    const answer = await lock.get(`events?${query}`)
    expectProblem(400, answer.body)
    expect(answer.body.details).toEqual([{ field, message: expect.stringMatching(message) }])
  })
})
