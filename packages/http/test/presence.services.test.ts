/** Why a device is gone, as another server tells it than the one that it was connected to: over one folder, and over one PostgreSQL. */
import { connectAsync } from "mqtt"
import { describe, expect, it, vi } from "vitest"
import { superKey } from "./harness/callers.ts"
import { createLock } from "./harness/locks.ts"
import { newSchema } from "./harness/postgres.ts"
import { brokerOf, configured, type Environment, type Server, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const PATIENCE = { timeout: 60_000, interval: 50 }

const tellEachOther = async (environments: readonly [Environment, Environment]) => {
  await using first = await startServer({ ...environments[0], LATCHKEY_MQTT_PORT: "0" })
  await using second = await startServer({ ...environments[1], LATCHKEY_MQTT_PORT: "0" })
  const lock = await createLock(first.url)
  const presence = async () => {
    const { text } = await callsOf(second.url, superKey)("GET", `/locks/${lock.lockId}/details`)
    return JSON.parse(text).presence
  }
  const told = (known: object) =>
    vi.waitUntil(async () => {
      const now = await presence()
      return Object.entries(known).every(([name, value]) => now[name] === value) ? now : undefined
    }, PATIENCE)
  const connect = async (server: Server) => {
    const device = await connectAsync(brokerOf(server), { username: lock.uuid, reconnectPeriod: 0 }, false)
    device.on("error", () => {})
    await told({ online: true, reason: undefined })
    return device
  }
  expect(await presence()).toEqual({ online: false })
  await (await connect(first)).endAsync()
  const goodbye = await told({ online: false, reason: "saidGoodbye" })
  const cut = await connect(first)
  cut.stream.destroy()
  const lost = await told({ online: false, reason: "connectionLost" })
  await connect(first)
  await first.kill()
  const gone = await told({ online: false, reason: "serverGone" })
  const back = await connect(second)
  const { since, online } = await told({ online: true, reason: undefined })
  const times = [goodbye.since, lost.since, gone.since, since]
  expect([times, online]).toEqual([times.toSorted(), true])
  await back.endAsync()
}

describe("two servers", () => {
  it("over one folder", { timeout: 300_000 }, async () => {
    using folder = temporaryFolder()
    await tellEachOther([configured(folder.path), configured(folder.path)])
  })

  it("over one PostgreSQL", { timeout: 300_000 }, async () => {
    using one = temporaryFolder()
    using other = temporaryFolder()
    await using schema = newSchema()
    const of = (folder: string) => ({
      ...configured(folder),
      ...schema.environment,
      LATCHKEY_PIN_KEY: "a-key-for-pins-of-thirty-two-bytes"
    })
    await tellEachOther([of(one.path), of(other.path)])
  })
})
