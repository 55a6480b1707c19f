/** Devices of the standalone server: where they connect, and with what they sign in. */
import { cpSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { connectAsync, type MqttClient } from "mqtt"
import { describe, expect, it, vi } from "vitest"
import { type Credentials, ORG, OWNER, organization, otherOrganization, owner, superKey } from "./harness/callers.ts"
import { latchkey, succeed } from "./harness/command.ts"
import { createLock, newLockId, newUuid } from "./harness/locks.ts"
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
    await vi.waitUntil(async () => (await isOnline(server)) === false, { timeout: 60_000 })
    const device = await connectAs(brokerOf(server), lock.uuid)
    await vi.waitUntil(() => isOnline(server), { timeout: 60_000 })
    await device.endAsync()
    await vi.waitUntil(async () => (await isOnline(server)) === false, { timeout: 60_000 })
    const again = await connectAs(brokerOf(server), lock.uuid)
    again.on("error", () => {})
    await vi.waitUntil(() => isOnline(server), { timeout: 60_000 })
    await server.kill()
    return lock
  })()
  await using server = await startServer(environment)
  await vi.waitUntil(async () => (await isOnline(server)) === false, { timeout: 60_000 })
  expect(lock.uuid).toBeTruthy()
})

it("a device that is online is offline in every copy of the folder, whoever has the id of its server's process by now", async () => {
  using folder = temporaryFolder()
  await using server = await startServer({ ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" })
  const lock = await createLock(server.url)
  await lock.post("SetOwner", { userId: OWNER })
  const isOnline = async ({ url }: Server) =>
    (await callsOf(url, superKey)("GET", `/users/${OWNER}/owned-locks`)).body.locks?.[0]?.["online"]
  const device = await connectAs(brokerOf(server), lock.uuid)
  try {
    await vi.waitUntil(() => isOnline(server), { timeout: 60_000 })

    using backup = temporaryFolder()
    await succeed({ LATCHKEY_DATA: folder.path }, ["backup", join(backup.path, "copy")])
    using copy = temporaryFolder()
    cpSync(folder.path, copy.path, { recursive: true })
    using reused = temporaryFolder()
    cpSync(folder.path, reused.path, { recursive: true })
    // The id of its process is that of another program now, and it counted a moment ago.
    const db = new DatabaseSync(join(reused.path, "shadow.db"))
    for (const table of ["presence", "holder"]) {
      db.prepare(`UPDATE ${table} SET writer = ? || substr(writer, instr(writer, ':'))`).run(String(process.pid))
    }
    db.prepare("UPDATE holder SET at = ?").run(Date.now())
    expect(db.prepare("SELECT online, writer FROM presence").get()).toMatchObject({
      online: 1,
      writer: expect.stringMatching(`^${process.pid}:`)
    })
    db.close()

    const copies = [join(backup.path, "copy"), copy.path, reused.path]
    const servers = await Promise.all(
      copies.map((path) => startServer({ ...configured(path), LATCHKEY_MQTT_PORT: "0" }))
    )
    try {
      for (const [index, copied] of servers.entries()) {
        await vi.waitUntil(async () => (await isOnline(copied)) === false, { timeout: 60_000 })
        expect([copies[index], await isOnline(server)]).toEqual([copies[index], true])
      }
    } finally {
      await Promise.all(servers.map((copied) => copied.kill()))
    }
  } finally {
    await device.endAsync()
  }
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
    expect(made).toMatchObject({ code: 0, stderr: expect.stringMatching(`of ${thing}. It is shown only once`) })
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

  it("makes claim codes: a user creates one lock with one, and an organization those of its own devices", async () => {
    using folder = temporaryFolder()
    const data = { LATCHKEY_DATA: folder.path }
    const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0", LATCHKEY_DEVICE_AUTH: "secret" }
    await using server = await startServer(environment)
    const [mine, ours] = [newUuid(), newUuid()]
    const { stderr } = await latchkey(data, ["devices", "create", mine])
    await latchkey(data, ["devices", "create", ours, "--org", ORG])
    const [, claimCode = ""] = /Claim code.*: (\S+)/.exec(stderr) ?? []
    const create = async (headers: Credentials, body: object) =>
      (await callsOf(server.url, headers)("POST", `/locks/${newLockId()}/CreateLock`, { body: { index: 1, ...body } }))
        .status

    expect(await create(owner, { uuid: newUuid() })).toBe(403)
    for (const headers of [owner, organization]) expect(await create(headers, { uuid: mine })).toBe(403)
    expect(await create(owner, { uuid: mine, claimCode: `${claimCode}X` })).toBe(403)
    expect(await create(owner, { uuid: mine.toUpperCase(), claimCode: claimCode.toLowerCase() })).toBe(201)
    expect(await create(owner, { uuid: mine, claimCode })).toBe(409)
    expect(await create(otherOrganization, { uuid: ours })).toBe(403)
    expect(await create(organization, { uuid: ours })).toBe(201)
    expect(await succeed(data, ["devices", "list"])).not.toContain(claimCode)
    expect(await succeed(data, ["events", "export"])).not.toContain(claimCode)
    expect(server.output()).not.toContain(claimCode)
    expect(await succeed(data, ["devices", "conflicts"])).toBe("THING  LOCKS\n")
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
