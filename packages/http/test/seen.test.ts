/** What a lock saw, from its own mouth to the API: battery, bolt and door, and openings at the door. */
import { Effect } from "effect"
import { connectAsync } from "mqtt"
import { describe, expect, it, vi } from "vitest"
import { HOLDER, OWNER, superKey } from "./harness/callers.ts"
import { expectAsPublished } from "./harness/contract.ts"
import { startInProcess } from "./harness/inProcess.ts"
import { createLock, historyOf, lockAt, type TestLock } from "./harness/locks.ts"
import { brokerOf, configured, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const detailsOf = async (lock: TestLock) => JSON.parse((await lock.get("details")).text)
const ownedBy = (url: string) => callsOf(url, superKey)("GET", `/users/${OWNER}/owned-locks`)
const typesOf = async (lock: TestLock) => (await historyOf(lock)).map(({ type }) => type)

describe("what a lock says of itself", () => {
  it("is in its details and in its owner's list, as published, with what is said to be added", async () => {
    await using server = await startInProcess()
    const lock = await createLock(server.url)
    await lock.post("SetOwner", { userId: OWNER })
    expect((await detailsOf(lock)).deviceState).toBeNull()
    const at = Date.now()
    const state = { bolt: "locked", door: "closed", battery: 12, firmware: "2.4.1", clock: at - 3_600_000 }
    await Effect.runPromise(server.shadow.report({ _tag: "State", thing: lock.uuid, reported: { state }, at }))
    await vi.waitUntil(async () => (await typesOf(lock)).includes("BatteryLow"), { timeout: 60_000 })
    const shown = {
      bolt: "locked",
      door: "closed",
      battery: 12,
      batteryLow: true,
      firmware: "2.4.1",
      clockOffBy: -3_600_000,
      seenAt: new Date(at).toISOString()
    }
    const details = await lock.get("details")
    expectAsPublished("GET /locks/{id}/details", details)
    expect(JSON.parse(details.text).deviceState).toEqual(shown)
    const owned = await ownedBy(server.url)
    expectAsPublished("GET /users/{id}/owned-locks", owned)
    expect(JSON.parse(owned.text).locks[0]).toMatchObject({
      deviceState: shown,
      online: false,
      presence: { online: false, lastSeen: shown.seenAt }
    })
    expectAsPublished("GET /locks/{id}/events", await lock.get("events"))
    expect(await typesOf(lock)).toEqual(["LockCreated", "OwnerSet", "DeviceStateReported", "BatteryLow"])
  })
})

it("openings at the door are in the history with the key and its user, once, though the server is killed meanwhile", async () => {
  using folder = temporaryFolder()
  const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" }
  const update = (thing: string) => `$aws/things/${thing}/shadow/update`
  const openings = (...ns: ReadonlyArray<number>) => ({
    series: "a",
    dropped: 0,
    list: ns.map((n) => ({ n, by: "key", keyIndexNumber: 3, at: Date.now() }))
  })
  const say = async (url: string, thing: string, reported: object) => {
    const device = await connectAsync(url, { username: thing, reconnectPeriod: 0 }, false)
    const accepted = vi.fn()
    device.on("message", accepted)
    await device.subscribeAsync(`${update(thing)}/accepted`)
    await device.publishAsync(update(thing), JSON.stringify({ state: { reported } }), { qos: 1 })
    await vi.waitUntil(() => accepted.mock.calls.length > 0, { timeout: 60_000 })
    device.end(true)
  }
  const lock = await (async () => {
    await using first = await startServer(environment)
    const lock = await createLock(first.url)
    await lock.post("AddKey", { keyUuid: "key-1", keyIndexNumber: 3, userId: HOLDER })
    await say(brokerOf(first), lock.uuid, { openings: openings(1, 2), state: { bolt: "unlocked", battery: 80 } })
    // The shadow holds the report, and the log perhaps not yet what it says.
    await first.kill()
    return lock
  })()
  await using second = await startServer(environment)
  const again = lockAt(second.url, lock.lockId, lock.uuid)
  const opened = async () => (await historyOf(again)).filter(({ type }) => type === "OpenedAtDoor")
  await vi.waitUntil(async () => (await opened()).length === 2, { timeout: 60_000 })
  await say(brokerOf(second), lock.uuid, { openings: openings(1, 2, 3) })
  await vi.waitUntil(async () => (await opened()).length >= 3, { timeout: 60_000 })
  const told = (await opened()).map(({ event }) => (event as { readonly data: object }).data)
  expect(told).toMatchObject(
    [1, 2, 3].map((count) => ({ by: "key", keyUuid: "key-1", keyIndexNumber: 3, userId: HOLDER, count }))
  )
  const device = await connectAsync(brokerOf(second), { username: lock.uuid, reconnectPeriod: 0 }, false)
  const held = vi.fn()
  device.on("message", (_, payload) => held(JSON.parse(payload.toString()).state.reported.openings))
  await device.subscribeAsync(`$aws/things/${lock.uuid}/shadow/get/accepted`)
  await vi.waitUntil(
    async () => {
      await device.publishAsync(`$aws/things/${lock.uuid}/shadow/get`, "")
      return held.mock.calls.some(([openings]) => openings === undefined)
    },
    { timeout: 60_000, interval: 100 }
  )
  device.end(true)
})
