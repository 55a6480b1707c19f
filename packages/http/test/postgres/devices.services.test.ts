/** Devices of two servers on one PostgreSQL, which have no folder in common: connected to one of them, or to a broker that they serve in turns. */
import { expect, it, vi } from "vitest"
import { makeDevices } from "../campaign/devices.ts"
import { organization, superKey } from "../harness/callers.ts"
import { newLockId, newUuid } from "../harness/locks.ts"
import { startMosquitto } from "../harness/mosquitto.ts"
import { newSchema } from "../harness/postgres.ts"
import {
  brokerOf,
  configured,
  type Environment,
  type Server,
  startServer,
  temporaryFolder
} from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

const SEED = Number(process.env["CAMPAIGN_SEED"] ?? Date.now() % 1_000_000)
const PATIENCE = { timeout: 60_000, interval: 100 }

/** Opens a lock by one server after the other; each command is carried out once, and its outcome is known to both. */
const opensByBoth = async (brokers: readonly [Environment, Environment], brokerOfFirst: (first: Server) => string) => {
  using one = temporaryFolder()
  using other = temporaryFolder()
  await using schema = newSchema()
  const environment = (folder: string, server: 0 | 1) => ({
    ...configured(folder),
    ...schema.environment,
    LATCHKEY_PIN_KEY: "a-key-for-pins-of-thirty-two-bytes",
    ...brokers[server]
  })
  await using first = await startServer(environment(one.path, 0))
  await using second = await startServer(environment(other.path, 1))
  const urls = [first.url, second.url]
  const devices = makeDevices(SEED, () => [brokerOfFirst(first)])
  try {
    const [lockId, uuid] = [newLockId(), newUuid()]
    const ask = (n: number, command: string, body: unknown) =>
      callsOf(urls[n % 2] ?? "", organization)("POST", `/locks/${lockId}/${command}`, { body })
    expect((await ask(0, "CreateLock", { index: 1, uuid })).status).toBe(201)
    devices.add(uuid)
    const opened: Array<number> = []
    for (let n = 0; n < 8; n++) opened.push((await ask(n, "OpenLock", {})).status)
    const answered = opened.filter((status) => status === 200).length
    console.log(`seed ${SEED}: ${opened}`)
    expect(answered).toBeGreaterThan(0)
    await vi.waitUntil(() => devices.outcomes(uuid).size >= answered, PATIENCE)
    expect(devices.ran(uuid)).toEqual([...new Set(devices.ran(uuid))])
    for (const url of urls) {
      const isQuiet = async () => {
        const { text } = await callsOf(url, superKey)("GET", `/locks/${lockId}/details`)
        return JSON.parse(text).pendingCommands.length === 0
      }
      await vi.waitUntil(isQuiet, PATIENCE)
    }
  } finally {
    devices.stop()
  }
}

it("hear of what another server was asked for", { timeout: 180_000 }, () =>
  opensByBoth([{ LATCHKEY_MQTT_PORT: "0" }, { LATCHKEY_MQTT_PORT: "0" }], brokerOf)
)

it("hear of it at a broker that they serve in turns", { timeout: 180_000 }, async () => {
  await using broker = await startMosquitto()
  const served = { LATCHKEY_MQTT_URL: broker.url, LATCHKEY_MQTT_PORT: "" }
  await opensByBoth([served, served], () => broker.url)
})
