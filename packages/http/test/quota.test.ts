/** What users and organizations may ask for in a time: beyond it 429, and nothing is done. */
import { BUDGETS, UNLIMITED } from "@latchkey/core"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { makeQuota } from "../src/server/Quota.ts"
import {
  type Credentials,
  HOLDER,
  OWNER,
  organization,
  otherOrganization,
  owner,
  superKey,
  user
} from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, furnishedLock, newLockId, newUuid } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

const HOUR = 3_600_000
const few = (burst: number) => ({ burst, every: HOUR })

const createFor = ({ url }: InProcess, who: Credentials) =>
  callsOf(url, who)("POST", `/locks/${newLockId()}/CreateLock`, { body: { index: 1, uuid: newUuid() } })

describe.each([
  ["a user", "userEvents", owner, user(HOLDER)],
  ["an organization", "orgEvents", otherOrganization, organization]
] as const)("%s", (_, budget, who, another) => {
  it("has as many commands as its budget allows: the next is refused, stores nothing, and binds nobody else", async () => {
    await using server = await startInProcess({ budgets: { [budget]: few(3) } })
    for (let n = 0; n < 3; n++) expect((await createFor(server, who)).status).toBe(201)
    const before = await Effect.runPromise(server.store.head)
    const refused = await createFor(server, who)
    expect(refused.status).toBe(429)
    expectProblem(429, refused.body)
    expect(refused.body.error).toBe("Too many requests")
    const wait = Number(refused.headers.get("retry-after"))
    expect(wait).toBeGreaterThan(3_500)
    expect(wait).toBeLessThanOrEqual(3_600)
    expect(refused.body.message).toContain(`${wait} seconds`)
    expect(await Effect.runPromise(server.store.head)).toBe(before)
    expect((await createFor(server, another)).status).toBe(201)
    expect((await createFor(server, superKey)).status).toBe(201)
  })
})

it("five questions are one command", async () => {
  await using server = await startInProcess({ budgets: { userEvents: few(1) } })
  const ask = () => callsOf(server.url, owner)("GET", `/users/${OWNER}/owned-locks`)
  for (let n = 0; n < 5; n++) expect((await ask()).status).toBe(200)
  expect((await ask()).status).toBe(429)
})

it("BulkAddKeys counts once for each key, and starts nothing beyond the budget", async () => {
  await using server = await startInProcess({ budgets: { userEvents: few(10) } })
  const { path } = await furnishedLock(server.url)
  const bulk = (count: number) => {
    const keys = Array.from({ length: count }, () => ({ keyUuid: newUuid() }))
    return callsOf(server.url, owner)("POST", `${path}/BulkAddKeys`, { body: { keys } })
  }
  expect((await bulk(6)).status).toBe(200)
  expect((await bulk(6)).status).toBe(429)
  const events = await Effect.runPromise(server.store.feed(0, 100, { category: "bulk" }))
  expect(new Set(events.map(({ streamId }) => streamId)).size).toBe(1)
})

it("what is answered counts, not only what is sent", async () => {
  await using server = await startInProcess({ budgets: { userKB: few(100) } })
  const lock = await createLock(server.url)
  expect((await lock.post("SetOwner", { userId: OWNER })).status).toBe(200)
  const name = "x".repeat(200)
  for (let n = 0; n < 100; n++) expect((await lock.post("AddResident", { name, userId: `u-${n}` })).status).toBe(200)
  const ask = () => callsOf(server.url, owner)("GET", `${lock.path}/residents`)
  const statuses: Array<number> = []
  const kilobytes = (await ask()).text.length / 1024
  while (!statuses.includes(429)) statuses.push((await ask()).status)
  expect(statuses.length).toBeLessThanOrEqual(Math.ceil(100 / kilobytes))
  expect(statuses.slice(0, -1)).toEqual(Array.from({ length: statuses.length - 1 }, () => 200))
})

it("a user beside an API key is the organization", async () => {
  await using server = await startInProcess({ budgets: { userEvents: few(1), orgEvents: few(3) } })
  for (let n = 0; n < 3; n++) expect((await createFor(server, { ...owner, ...organization })).status).toBe(201)
  expect((await createFor(server, organization)).status).toBe(429)
  expect((await createFor(server, owner)).status).toBe(201)
})

it("residents, keys and bulk requests as large as a body can be leave a lock small", async () => {
  await using server = await startInProcess({ budgets: { userEvents: UNLIMITED } })
  const lock = await createLock(server.url)
  expect((await lock.post("SetOwner", { userId: OWNER })).status).toBe(200)
  const ask = (command: string, body: unknown) =>
    callsOf(server.url, owner)("POST", `${lock.path}/${command}`, { body })
  const refused = await ask("AddResident", { name: "x".repeat(60_000) })
  expect([refused.status, refused.body.details?.[0]]).toEqual([
    400,
    { field: "name", message: expect.stringContaining("at most 200 characters") }
  ])
  const keys = Array.from({ length: 3_000 }, (_, n) => ({ keyUuid: String(n) }))
  const bulk = await ask("BulkAddKeys", { keys })
  expect([bulk.status, bulk.body.details?.[0]]).toEqual([
    400,
    { field: "keys", message: expect.stringContaining("at most 500 keys") }
  ])
  for (let n = 0; n < 200; n++) expect((await ask("AddResident", { name: "x".repeat(200) })).status).toBe(200)
  const full = await ask("AddResident", { name: "one too many" })
  expect([full.status, full.body.error]).toEqual([400, "Lock full"])
  expect(full.body.message).toContain("at most 200 residents")
  expect((await lock.get("details")).text.length).toBeLessThan(70_000)
})

it("a budget that was used up while the clock was ahead comes back as fast as ever once it is right", () => {
  const quota = Effect.runSync(makeQuota)
  const { burst, every } = BUDGETS.userEvents
  const admit = (at: number) => quota.admit({ _tag: "User", userId: OWNER }, { events: 1, bytes: 0 }, at)
  const now = Date.UTC(2026, 8, 1)
  for (let n = 0; n < burst; n++) expect(admit(now + 365 * 24 * HOUR)).toBeUndefined()
  expect(admit(now)).toBeDefined()
  expect(admit(now + every)).toBeUndefined()
})
