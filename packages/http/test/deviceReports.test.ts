/** What devices answer, as the API tells it: pending commands and outcomes in the details, and outcomes in the history. */
import { Effect } from "effect"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { expectAsPublished } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, historyOf } from "./harness/locks.ts"

let server: InProcess
beforeAll(async () => {
  server = await startInProcess()
})
afterAll(() => server.stop())

const answer = (thing: string, commandId: string, outcome: "done" | "failed", detail?: string) =>
  Effect.runPromise(
    server.shadow.report({
      _tag: "CommandOutcome",
      thing,
      commandId,
      outcome,
      at: 1_788_166_800_000,
      ...(detail === undefined ? {} : { detail })
    })
  )

it("a command is requested, accepted and done, and every answer is as published, with what is said to be added", async () => {
  const lock = await createLock(server.url)
  const details = async () => {
    const told = await lock.get("details")
    expectAsPublished("GET /locks/{id}/details", told)
    return JSON.parse(told.text)
  }
  expect(await details()).toMatchObject({ version: 1, pendingCommands: [], recentOutcomes: [] })

  const begun = Date.now()
  expect((await lock.post("OpenLock")).body).toMatchObject({ version: 2 })
  expect((await lock.post("AddKey", { keyUuid: "key-1" })).body).toMatchObject({ version: 3 })
  const { pendingCommands } = await details()
  expect(pendingCommands).toMatchObject([{ type: "OpenLock" }, { type: "AddKey" }])
  const [open, add] = pendingCommands
  for (const { requestedAt, acceptedAt } of pendingCommands) {
    expect(Date.parse(requestedAt)).toBeGreaterThanOrEqual(begun)
    expect(Date.parse(acceptedAt)).toBeGreaterThanOrEqual(Date.parse(requestedAt))
    expect(Date.parse(acceptedAt)).toBeLessThanOrEqual(Date.now())
  }
  expect(Date.parse(open.expiresAt) - Date.parse(open.requestedAt)).toBe(10_000)
  expect(add).not.toHaveProperty("expiresAt")

  await answer(lock.uuid, open.commandId, "failed", "the bolt is blocked")
  await vi.waitUntil(async () => (await details()).recentOutcomes.length === 1, { timeout: 60_000 })
  const outcome = { outcome: "failed", reportedAt: "2026-08-31T09:00:00.000Z", detail: "the bolt is blocked" }
  expect(await details()).toMatchObject({
    version: 4,
    pendingCommands: [add],
    recentOutcomes: [{ ...open, ...outcome }]
  })
  const { type: commandType, ...times } = open
  const history = await historyOf(lock)
  expect(history.map(({ version, type }) => [version, type])).toEqual([
    [1, "LockCreated"],
    [2, "LockOpenRequested"],
    [3, "KeyAdded"],
    [4, "CommandOutcomeReported"]
  ])
  expect(history.at(-1)?.event).toMatchObject({
    type: "CommandOutcomeReported",
    data: { lockId: lock.lockId, uuid: lock.uuid, commandType, ...times, ...outcome }
  })
  expectAsPublished("GET /locks/{id}/events", await lock.get("events"))
  expect((await lock.post("SetOwner", { userId: "ada" })).body).toMatchObject({ version: 5 })
})

it("a device that answers what nobody asked of it changes nothing", async () => {
  const [lock, other] = [await createLock(server.url), await createLock(server.url)]
  expect((await lock.post("OpenLock")).status).toBe(200)
  const [open] = JSON.parse((await lock.get("details")).text).pendingCommands
  await answer(other.uuid, open.commandId, "done")
  await answer(other.uuid, "nobody's", "done")
  // What is said later is heard later.
  expect((await other.post("OpenLock")).status).toBe(200)
  const [theirs] = JSON.parse((await other.get("details")).text).pendingCommands
  await answer(other.uuid, theirs.commandId, "done")
  await vi.waitUntil(async () => (await other.get("details")).text.includes('"done"'), { timeout: 60_000 })
  expect(JSON.parse((await lock.get("details")).text)).toMatchObject({ pendingCommands: [open], recentOutcomes: [] })
  expect((await historyOf(other)).map(({ type }) => type)).toEqual([
    "LockCreated",
    "LockOpenRequested",
    "CommandOutcomeReported"
  ])
})
