/** For which keys the hardware may still open, what becomes of their removal, and how it is begun again. */
import { rowOf } from "@latchkey/core"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { OWNER, superKey, user } from "./harness/callers.ts"
import { expectAsPublished } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, newUuid, type TestLock } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => {
  server = await startInProcess()
})
afterAll(() => server.stop())

const bodyOf = ({ text }: { readonly text: string }) => JSON.parse(text)
const sent = async (lock: TestLock, command: string, body: object) => {
  const answered = await lock.post(command, body)
  expect([command, answered.status]).toEqual([command, 200])
  return bodyOf(answered)
}
/** The device answers what it holds of this type, once it holds it. */
const answer = async (thing: string, type: string) =>
  done(
    thing,
    await vi.waitUntil(
      async () => Object.entries(await heldBy(thing)).find(([, command]) => command.type === type)?.[0],
      { timeout: 60_000 }
    )
  )
const answerAll = async (thing: string) => {
  for (const commandId of Object.keys(await heldBy(thing))) await done(thing, commandId)
}
const heldBy = (thing: string) => Effect.runPromise(server.shadow.held(thing))
const done = (thing: string, commandId: string) =>
  Effect.runPromise(server.shadow.report({ _tag: "CommandOutcome", thing, commandId, at: Date.now(), outcome: "done" }))
const exposedOn = async (lock: TestLock) => bodyOf(await lock.get("exposure")).keys
const statusOf = async (lock: TestLock, commandId: string, query = "") =>
  bodyOf(await lock.get(`commands/${commandId}${query}`))
const withKey = async () => {
  const lock = await createLock(server.url)
  const { commandId } = await sent(lock, "AddKey", { keyUuid: "key-1", keyIndexNumber: 3 })
  await answer(lock.uuid, "AddKey")
  expect(await statusOf(lock, commandId, "?wait=30")).toMatchObject({ status: "done" })
  return lock
}

describe("a key that was removed", () => {
  it("is exposed, and its removal pending, until the lock has confirmed it", async () => {
    const lock = await withKey()
    expect(await exposedOn(lock)).toEqual([])
    const { commandId } = await sent(lock, "RemoveKey", { keyUuid: "key-1" })
    expect(await statusOf(lock, commandId)).toMatchObject({ commandId, type: "RemoveKey", status: "pending" })
    const exposed = { keyUuid: "key-1", keyIndexNumber: 3, reason: "removed", confirmed: true }
    expect(await exposedOn(lock)).toMatchObject([{ ...exposed, exposedSince: expect.any(String) }])
    const waiting = statusOf(lock, commandId, "?wait=30")
    await answer(lock.uuid, "RemoveKey")
    expect(await waiting).toMatchObject({ commandId, type: "RemoveKey", status: "done" })
    expect(await exposedOn(lock)).toEqual([])
  })

  it("is superseded when it is added again", async () => {
    const lock = await withKey()
    const { commandId } = await sent(lock, "RemoveKey", { keyUuid: "key-1" })
    const waiting = statusOf(lock, commandId, "?wait=30")
    await sent(lock, "AddKey", { keyUuid: "key-1", keyIndexNumber: 3 })
    // It may have been told of the removal already: then it answers that, too.
    let isOver = false
    const over = waiting.finally(() => (isOver = true))
    await vi.waitUntil(
      async () => {
        await answerAll(lock.uuid)
        return isOver
      },
      { timeout: 60_000 }
    )
    expect(["superseded", "done"]).toContain((await over).status)
  })
})

it("sync begins again with all keys, or one, and is told what there is not", async () => {
  const lock = await withKey()
  const hardware = async () => bodyOf(await lock.get("details")).keys[0].hardware
  expect(await hardware()).toEqual({ status: "confirmed" })
  for (const body of [{}, { keyUuid: "key-1" }]) {
    expect(await sent(lock, "sync", body)).toMatchObject({ event: { type: "KeysSyncRequested", data: body } })
    await answer(lock.uuid, "AddKey")
    await vi.waitUntil(async () => (await hardware()).status === "confirmed", { timeout: 60_000 })
  }
  const missing = await lock.post("sync", { keyUuid: "key-2" })
  expect([missing.status, bodyOf(missing).error]).toEqual([404, "Key not found"])
  expect((await lock.post("sync", { keys: ["key-1"] })).status).toBe(400)
})

it("a key is exposed as inherited once its lock has changed hands, and is not when it is given back", async () => {
  const lock = await createLock(server.url)
  await sent(lock, "SetOwner", { userId: OWNER })
  const owner = callsOf(server.url, user(OWNER))
  expect((await owner("POST", `${lock.path}/AddKey`, { body: { keyUuid: "key-1" } })).status).toBe(200)
  await answer(lock.uuid, "AddKey")
  await vi.waitUntil(async () => bodyOf(await lock.get("details")).keys[0].hardware.status === "confirmed", {
    timeout: 60_000
  })
  expect(await exposedOn(lock)).toEqual([])
  const asOperator = callsOf(server.url, superKey)
  const give = (userId: string) => asOperator("POST", `${lock.path}/SetOwner`, { body: { userId } })
  expect((await give(newUuid())).status).toBe(200)
  expect(await exposedOn(lock)).toEqual([
    { keyUuid: "key-1", reason: "inherited", exposedSince: expect.any(String), confirmed: true, status: "confirmed" }
  ])
  expect((await give(OWNER)).status).toBe(200)
  expect(await exposedOn(lock)).toEqual([])
})

it("keys that the device holds and nobody added are shown, need somebody, and go when somebody removes them", async () => {
  const lock = await withKey()
  const lists = async (keys: ReadonlyArray<{ readonly keyUuid: string; readonly keyIndexNumber?: number }>) => {
    const after = bodyOf(await lock.get("details")).recentOutcomes.at(-1).commandId
    const reported = { keys: { after, list: keys } }
    await Effect.runPromise(server.shadow.report({ _tag: "State", thing: lock.uuid, reported, at: Date.now() }))
  }
  const hardware = async () => bodyOf(await lock.get("details")).hardware
  const [own, strange] = [
    { keyUuid: "key-1", keyIndexNumber: 3 },
    { keyUuid: "of-the-installer", keyIndexNumber: 8 }
  ]
  await lists([own, strange])
  await vi.waitUntil(async () => (await hardware()).foreign.length === 1, { timeout: 60_000 })
  const shown = { ...strange, status: "unknown" }
  expect(await hardware()).toEqual({ foreign: [{ ...shown, since: expect.any(String) }], mayHoldOthers: false })
  expectAsPublished("GET /locks/{id}/details", await lock.get("details"))
  expectAsPublished("GET /locks/{id}/events", await lock.get("events"))
  expect(await exposedOn(lock)).toMatchObject([{ ...shown, reason: "foreign", confirmed: true }])
  const found = async () => bodyOf(await callsOf(server.url, superKey)("GET", "/locks?attention=key-foreign&limit=200"))
  expect((await found()).locks).toMatchObject([{ lockId: lock.lockId, attention: ["key-foreign"] }])
  const taken = await lock.post("AddKey", { keyUuid: "key-2", keyIndexNumber: 8 })
  expect([taken.status, bodyOf(taken).error]).toEqual([400, "Slot taken"])

  // The contract knows no other event of this command than that a key of the lock was removed.
  expect((await sent(lock, "RemoveKey", { keyIndexNumber: 8 })).event).toBe(null)
  const { events } = bodyOf(await lock.get("events"))
  expect(events.map(({ event }: { readonly event: object }) => event)).toContainEqual({
    type: rowOf("RemoveKey").instead,
    data: expect.objectContaining({ keyUuid: strange.keyUuid })
  })
  expect((await found()).locks).toEqual([])
  await answer(lock.uuid, "RemoveKey")
  await vi.waitUntil(async () => (await exposedOn(lock)).length === 0, { timeout: 60_000 })
  expect((await hardware()).foreign).toEqual([])
})

it("what stays on a former device is told apart from what is on the present one", async () => {
  const lock = await withKey()
  const asOperator = callsOf(server.url, superKey)
  const moved = await asOperator("POST", `${lock.path}/move-claim`, { body: { uuid: newUuid() } })
  expect([moved.text, moved.status]).toEqual([expect.any(String), 200])
  expect(bodyOf(await lock.get("exposure"))).toMatchObject({
    keys: [],
    left: [{ keyUuid: "key-1", keyIndexNumber: 3, thing: lock.uuid, confirmed: true, status: "confirmed" }]
  })
})
