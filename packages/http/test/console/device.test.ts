/** The page of a lock's device: whether it is there, what is on it, and how the operator gives the lock another. */
import { Effect } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import { API_KEYS, superKey } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, newUuid, type TestLock } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { type Operator, signIn, wordsOf } from "./operator.ts"

let server: InProcess
let hotel: Operator
let all: Operator
const [ofHotel = "", ofOther = "", ofAll = ""] = API_KEYS.map(({ secret }) => secret)
beforeAll(async () => {
  server = await startInProcess()
  hotel = await signIn(server.url, ofHotel)
  all = await signIn(server.url, ofAll)
})
afterAll(() => server.stop())

const PATIENCE = { timeout: 60_000 }
const report = (what: Parameters<InProcess["shadow"]["report"]>[0]) => Effect.runPromise(server.shadow.report(what))
const deviceOf = ({ lockId }: TestLock) => `/console/locks/${lockId}/device`
const detailsOf = async (lock: TestLock) => JSON.parse((await lock.get("details")).text)

it("tells whether the lock is connected, and why it is gone", async () => {
  const lock = await createLock(server.url)
  const page = async () => wordsOf(await hotel.get(deviceOf(lock)))
  expect(await page()).toContain("Connection never connected")
  const at = Date.now() - 60_000
  await report({ _tag: "Presence", thing: lock.uuid, online: true, at })
  await expect.poll(page, PATIENCE).toContain("Connection connected since")
  await report({ _tag: "Presence", thing: lock.uuid, online: false, reason: "connectionLost", at: at + 1_000 })
  await expect.poll(page, PATIENCE).toMatch(/Connection not connected since .* The connection broke\./)
  expect(wordsOf(await hotel.get(`/console/locks/${lock.lockId}`))).toContain("The connection broke.")
})

it("was there and gone: a strip of the last days on the lock's page, with its numbers", async () => {
  await using still = await startInProcess({ timeStandsStill: true })
  const lock = await createLock(still.url)
  const page = `/console/locks/${lock.lockId}`
  const reader = await signIn(still.url, ofHotel)
  expect(wordsOf(await reader.get(page))).not.toContain("When it was connected")
  const told = async (online: boolean, count: number) => {
    const why = online ? {} : ({ reason: "connectionLost" } as const)
    await Effect.runPromise(
      still.shadow.report({ _tag: "Presence", thing: lock.uuid, online, ...why, at: Date.now() + count })
    )
    await expect
      .poll(async () => {
        await still.pass(5_000)
        return JSON.parse((await lock.get("presence")).text).changes.length
      }, PATIENCE)
      .toBe(count)
  }
  await told(true, 1)
  await told(false, 2)
  const { text } = await reader.get(page)
  expect(wordsOf({ text })).toContain("Gone once in the last 7 days.")
  expect(wordsOf({ text })).toMatch(/not connected The connection broke\. .* connected/)
  expect(text).toContain('class="chart strip"')
})

it("shows keys that nobody added, and removes the one that is chosen", async () => {
  const lock = await createLock(server.url)
  const own = { keyUuid: "key-of-ours", keyIndexNumber: 3 }
  await lock.post("AddKey", own)
  const [{ commandId }] = (await detailsOf(lock)).pendingCommands
  const at = Date.now()
  await report({ _tag: "CommandOutcome", thing: lock.uuid, commandId, at, outcome: "done" })
  await expect.poll(async () => (await detailsOf(lock)).recentOutcomes, PATIENCE).toHaveLength(1)
  expect(wordsOf(await hotel.get(deviceOf(lock)))).toContain("None that the lock has told of.")
  const list = [own, { keyUuid: "of-the-installer", keyIndexNumber: 8 }]
  await report({ _tag: "State", thing: lock.uuid, reported: { keys: { after: commandId, list } }, at })
  await expect.poll(async () => wordsOf(await hotel.get(deviceOf(lock))), PATIENCE).toContain("Slot 8")
  const { text } = await hotel.get(deviceOf(lock))
  const remove = /href="([^"]+\/remove-key[^"]+)"/.exec(text)?.[1] ?? expect.fail("nothing to remove")
  const asked = await hotel.get(remove)
  expect(asked.text).toContain("{&quot;keyUuid&quot;:&quot;of-the-installer&quot;}")
  expect((await hotel.act(remove)).status).toBe(200)
  await expect
    .poll(async () => (await detailsOf(lock)).pendingCommands, PATIENCE)
    .toMatchObject([{ type: "RemoveKey" }])
})

it("lets the operator give a lock another device, or one that another lock has; others are told who can", async () => {
  const [lock, other] = [await createLock(server.url), await createLock(server.url)]
  expect(wordsOf(await hotel.get(deviceOf(lock)))).toContain("Only the operator can give this lock another device.")
  expect((await hotel.get(deviceOf(lock))).text).not.toContain("/change-device")
  expect((await hotel.act(`/console/locks/${lock.lockId}/change-device`, { uuid: newUuid() })).status).toBe(403)
  expect((await all.get(deviceOf(lock))).text).toContain("/change-device")
  const uuid = newUuid()
  expect((await all.act(`/console/locks/${lock.lockId}/change-device`, { uuid })).status).toBe(200)
  expect((await detailsOf(lock)).uuid).toBe(uuid)
  const taken = await all.act(`/console/locks/${other.lockId}/change-device`, { uuid })
  expect([taken.status, taken.text.includes(`value="${uuid}"`)]).toEqual([409, true])
  expect((await all.act(`/console/locks/${other.lockId}/move-claim`, { uuid })).status).toBe(200)
  expect((await detailsOf(other)).uuid).toBe(uuid)
})

it("tells what may still open the device that the lock had before", async () => {
  const lock = await createLock(server.url)
  await lock.post("AddKey", { keyUuid: "key-that-stays", keyIndexNumber: 3 })
  await callsOf(server.url, superKey)("POST", `${lock.path}/move-claim`, { body: { uuid: newUuid() } })
  const words = wordsOf(await hotel.get(deviceOf(lock)))
  expect(words).toContain("On the device before")
  expect(words).toContain(lock.uuid)
})

it("is of those who have the lock", async () => {
  const lock = await createLock(server.url)
  expect((await (await signIn(server.url, ofOther)).get(deviceOf(lock))).status).toBe(403)
})
