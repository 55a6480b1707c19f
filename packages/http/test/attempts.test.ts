/** What was refused at a lock, over HTTP; and that every id that a list shows can be explained. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { holder, OWNER, organization, otherOrganization, owner, STRANGER, stranger } from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { furnishedLock } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

interface Listed {
  readonly attempts: ReadonlyArray<Readonly<Record<string, unknown>> & { readonly attemptId: string }>
  readonly nextCursor: string | null
}

const hammeredLock = async () => {
  const lock = await furnishedLock(server.url)
  const { tempKeyUuid } = lock
  const call = callsOf(server.url)
  await lock.post("update-temp-key", { tempKeyUuid, maxUses: 1 })
  await lock.post("use-temp-key", { tempKeyUuid })
  await lock.post("use-temp-key", { tempKeyUuid, userId: STRANGER })
  await call("POST", `${lock.path}/open-with-pin`, { body: { pin: "0000" } })
  await call("POST", `${lock.path}/OpenLock`, { body: {}, headers: stranger })
  await call("POST", `${lock.path}/SetOwner`, { body: { userId: STRANGER }, headers: otherOrganization })
  return lock
}

const list = async (path: string, query = "", as = owner): Promise<Listed> => {
  const answer = await callsOf(server.url, as)("GET", `${path}/attempts${query}`)
  expect([answer.status, answer.text]).toEqual([200, answer.text])
  return JSON.parse(answer.text)
}

describe("the attempts at a lock", () => {
  it("are listed newest first, with what was tried, why it was refused, and by whom", async () => {
    const lock = await hammeredLock()
    const { attempts, nextCursor } = await list(lock.path)
    expect(nextCursor).toBeNull()
    const about = { attemptId: expect.any(String), at: expect.stringMatching(/Z$/) }
    expect(attempts).toEqual([
      {
        ...about,
        what: "command",
        command: "SetOwner",
        reason: "access-denied",
        principal: { type: "Organization", orgId: "org-2" }
      },
      {
        ...about,
        what: "command",
        command: "OpenLock",
        reason: "access-denied",
        principal: { type: "User", userId: STRANGER }
      },
      { ...about, what: "PIN", reason: "pin-refused", principal: { type: "Guest" } },
      {
        ...about,
        what: "temp-key",
        tempKeyId: expect.any(String),
        reason: "used-up",
        principal: { type: "Organization", orgId: "org-1" },
        userId: STRANGER
      }
    ])
    const { text } = await callsOf(server.url, owner)("GET", `${lock.path}/attempts`)
    for (const link of [lock.tempKeyUuid, lock.sharedUuid]) expect(text).not.toContain(link)
    const found: Array<string> = []
    let query = "?limit=1"
    for (;;) {
      const page = await list(lock.path, query)
      found.push(...page.attempts.map(({ attemptId }) => attemptId))
      if (page.nextCursor === null) break
      query = `?limit=1&cursor=${page.nextCursor}`
    }
    expect(found).toEqual(attempts.map(({ attemptId }) => attemptId))
  })

  it("are of doors, too: a key that was revoked is named, and its link is not", async () => {
    const lock = await furnishedLock(server.url)
    const call = callsOf(server.url)
    expect((await call("DELETE", `/temp-keys/${lock.sharedUuid}`, { headers: owner })).status).toBeLessThan(500)
    await call("DELETE", `/temp-keys/${lock.sharedUuid}`, { headers: organization })
    const refused = await call("POST", `/temp-keys/${lock.sharedUuid}/doors/1/open`, {
      body: {},
      headers: { accept: "application/json" }
    })
    expect(refused.status).toBeGreaterThanOrEqual(400)
    const { attempts } = await list(lock.path)
    expect(attempts).toMatchObject([{ what: "temp-key", reason: "deleted", tempKeyId: expect.any(String) }])
    expect(JSON.stringify(attempts)).not.toContain(lock.sharedUuid)
    const id = attempts[0]?.attemptId ?? ""
    const explained = await callsOf(server.url, owner)("GET", `${lock.path}/explain?attemptId=${id}`)
    expect(JSON.parse(explained.text)).toMatchObject({ allowed: false, rule: "deleted", recorded: { eventId: id } })
  })

  it("and every event are explained by their ids", async () => {
    const lock = await hammeredLock()
    const call = callsOf(server.url, owner)
    const explained = async (query: string) => {
      const answer = await call("GET", `${lock.path}/explain?${query}`)
      expect([answer.status, answer.text]).toEqual([200, answer.text])
      return JSON.parse(answer.text)
    }
    for (const { attemptId, reason } of (await list(lock.path)).attempts) {
      const explanation = await explained(`attemptId=${attemptId}`)
      expect(explanation).toMatchObject({ allowed: false, recorded: { eventId: attemptId, outcome: reason } })
    }
    const history: { readonly events: ReadonlyArray<{ readonly version: number; readonly eventId: string }> } =
      JSON.parse((await call("GET", `${lock.path}/events`)).text)
    for (const { version, eventId } of history.events) {
      const explanation = await explained(`eventId=${eventId}`)
      expect(explanation).toMatchObject({ allowed: true, recorded: { eventId, version } })
      if (version !== 2) continue
      expect(explanation).toMatchObject({
        rule: "organization",
        asked: { command: "SetOwner", by: { type: "Organization", orgId: "org-1" } }
      })
    }
  })

  it("are the former owner's until they sold, and the buyer's from then on", async () => {
    const lock = await hammeredLock()
    const before = (await list(lock.path)).attempts
    await callsOf(server.url, owner)("POST", `${lock.path}/SetOwner`, { body: { userId: STRANGER } })
    await callsOf(server.url, holder)("POST", `${lock.path}/SetOwner`, { body: { userId: OWNER } })
    expect((await list(lock.path)).attempts).toEqual(before)
    expect((await list(lock.path, "", stranger)).attempts).toMatchObject([{ what: "command", command: "SetOwner" }])
    const [old] = before
    const explained = await callsOf(server.url, stranger)("GET", `${lock.path}/explain?attemptId=${old?.attemptId}`)
    expect(explained.status).toBe(404)
  })

  it.each([
    ["order=asc", "order"],
    ["limit=0", "limit"],
    ["limit=201", "limit"],
    ["cursor=abc", "cursor"]
  ])("are not to be asked for with %s", async (query, field) => {
    const lock = await furnishedLock(server.url)
    const answer = await lock.get(`attempts?${query}`)
    expectProblem(400, answer.body)
    expect(answer.body.details?.map((detail) => detail.field)).toEqual([field])
  })
})
