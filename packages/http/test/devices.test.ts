/** Devices of the standalone server: where they connect, and with what they sign in. */
import { connectAsync, type MqttClient } from "mqtt"
import { describe, expect, it, vi } from "vitest"
import { OWNER, superKey } from "./harness/callers.ts"
import { latchkey, succeed } from "./harness/command.ts"
import { createLock, newUuid } from "./harness/locks.ts"
import { brokerOf, configured, runToEnd, type Server, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const connectAs = (url: string, thing: string, password?: string): Promise<MqttClient> =>
  connectAsync(url, { username: thing, reconnectPeriod: 0, ...(password !== undefined && { password }) }, false)

const refusalOf = (connecting: Promise<MqttClient>) =>
  connecting.then(
    () => "connected",
    ({ code }) => code
  )

const NOT_AUTHORIZED = 5

describe("the port of devices", () => {
  it("that is taken stops the start in one line", async () => {
    using folder = temporaryFolder()
    await using server = await startServer({ ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" })
    const { port } = new URL(brokerOf(server))
    const { code, output } = await runToEnd({ ...configured(folder.path), LATCHKEY_MQTT_PORT: port })
    expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringMatching(`LATCHKEY_MQTT_PORT.*${port}`)]])
  })

  it("is the system's to choose when that of the API is", async () => {
    using folder = temporaryFolder()
    const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "" }
    await using one = await startServer(environment)
    await using other = await startServer(environment)
    expect(brokerOf(one)).not.toBe(brokerOf(other))
  })

  it("is open on a loopback address alone", async () => {
    using folder = temporaryFolder()
    const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" }
    await using open = await startServer(environment)
    expect(open.output()).toMatch(/sign-in: open/)
    await using closed = await startServer({ ...environment, HOST: "0.0.0.0" })
    expect(closed.output()).toMatch(/sign-in: secret/)
    const { port } = new URL(brokerOf(closed))
    expect(await refusalOf(connectAs(`mqtt://127.0.0.1:${port}`, "lock"))).toBe(NOT_AUTHORIZED)
  })
})

it("a device that connects is online, and offline when it or its server is gone", async () => {
  using folder = temporaryFolder()
  const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" }
  const isOnline = async ({ url }: Server) =>
    (await callsOf(url, superKey)("GET", `/users/${OWNER}/owned-locks`)).body.locks?.[0]?.["online"]
  const lock = await (async () => {
    await using server = await startServer(environment)
    const lock = await createLock(server.url)
    await lock.post("SetOwner", { userId: OWNER })
    await vi.waitUntil(async () => (await isOnline(server)) === false, { timeout: 10_000 })
    const device = await connectAs(brokerOf(server), lock.uuid)
    await vi.waitUntil(() => isOnline(server), { timeout: 5000 })
    await device.endAsync()
    await vi.waitUntil(async () => (await isOnline(server)) === false, { timeout: 5000 })
    const again = await connectAs(brokerOf(server), lock.uuid)
    again.on("error", () => {})
    await vi.waitUntil(() => isOnline(server), { timeout: 5000 })
    await server.kill()
    return lock
  })()
  await using server = await startServer(environment)
  await vi.waitUntil(async () => (await isOnline(server)) === false, { timeout: 5000 })
  expect(lock.uuid).toBeTruthy()
})

describe("latchkey devices", () => {
  it("makes secrets, shows them once, and revokes them: the device is disconnected and stays out", async () => {
    using folder = temporaryFolder()
    const data = { LATCHKEY_DATA: folder.path }
    const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0", LATCHKEY_DEVICE_AUTH: "secret" }
    await using server = await startServer(environment)
    const url = brokerOf(server)
    const thing = newUuid()
    const made = await latchkey(data, ["devices", "create", thing])
    const secret = made.stdout.trim()
    expect(made).toMatchObject({ code: 0, stderr: expect.stringMatching(`of ${thing}. It is shown this once`) })
    const [, secretId = ""] = /secret (\S+) of/.exec(made.stderr) ?? []
    const second = (await latchkey(data, ["devices", "create", thing])).stdout.trim()

    const [device, spare] = [await connectAs(url, thing, secret), await connectAs(url, thing, second)]
    const gone = new Promise<void>((resolve) => device.once("close", () => resolve()))
    for (const wrong of [undefined, "", `${secret}x`]) {
      expect(await refusalOf(connectAs(url, thing, wrong))).toBe(NOT_AUTHORIZED)
    }
    expect(await refusalOf(connectAs(url, "another", secret))).toBe(NOT_AUTHORIZED)

    const list = await succeed(data, ["devices", "list"])
    expect(list).toContain(secretId)
    expect(list).not.toContain(secret)
    expect(await succeed(data, ["devices", "revoke", secretId])).toBe(`Revoked secret ${secretId} of ${thing}.\n`)
    await gone
    expect(await refusalOf(connectAs(url, thing, secret))).toBe(NOT_AUTHORIZED)
    const back = await connectAs(url, thing, second)
    spare.end(true)
    await back.endAsync()
    expect(server.output()).not.toContain(secret)
    expect(await succeed(data, ["devices", "revoke", secretId])).toBe(`Revoked secret ${secretId} of ${thing}.\n`)
  })

  it("says what is wrong", async () => {
    using folder = temporaryFolder()
    const data = { LATCHKEY_DATA: folder.path }
    expect(await latchkey(data, ["devices", "create", "thing"])).toMatchObject({ code: 0 })
    const unknown = await latchkey(data, ["devices", "revoke", "nothing"])
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringMatching(/no device secret nothing.*devices list/) })
    expect(await latchkey(data, ["devices", "create", "no thing"])).toMatchObject({ code: 1 })
  })
})
