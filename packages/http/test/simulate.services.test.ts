/** Doors that open: the server, its devices over MQTT, and locks that answer. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { FAULTS, type Incident, mqttWire, realTime, simulateLock } from "@latchkey/simulator"
import { describe, expect, it, vi } from "vitest"
import { clockAt } from "./first-edition/clock.ts"
import { API_KEYS, otherOrganization } from "./harness/callers.ts"
import { latchkey } from "./harness/command.ts"
import { createLock, lockAt, newUuid } from "./harness/locks.ts"
import { brokerOf, configured, inherited, MAIN, type Server, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

/** Milliseconds after which nobody waits for a door to open any more. */
const EXPIRES_AFTER = 10_000

/** A lock on a good connection to the server that there is when it connects, and what it does. */
const goodLock = (server: () => Server, thing: string) => {
  const incidents: Array<Incident> = []
  let skipped = 0
  const lock = simulateLock({
    thing,
    seed: 1,
    faults: FAULTS.none,
    time: { ...realTime, now: () => realTime.now() + skipped },
    wire: { connect: (listener) => mqttWire({ url: brokerOf(server()), thing }).connect(listener) },
    onIncident: (incident) => incidents.push(incident)
  })
  const outcomes = () =>
    incidents.flatMap((one) => (one._tag === "Ended" ? [`${one.type} ${one.outcome.outcome}`] : []))
  return {
    lock,
    /** So much time is over for the lock. */
    skip: (millis: number) => void (skipped += millis),
    outcomes,
    began: () => incidents.filter(({ _tag }) => _tag === "Began").length,
    online: (times = 1) =>
      vi.waitUntil(() => incidents.filter(({ _tag }) => _tag === "Online").length === times, { timeout: 60_000 }),
    [Symbol.dispose]: () => lock.stop()
  }
}

it("a lock that was away until the open had expired opens nothing, whatever else changes", async () => {
  using folder = temporaryFolder()
  const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0", LATCHKEY_SHADOW_PORT: "0" }
  await using first = await startServer(environment)
  let server = first
  const { lockId, uuid, post } = await createLock(server.url)
  using device = goodLock(() => server, uuid)
  await device.online()
  device.lock.cutOff()
  expect((await post("OpenLock")).status).toBe(200)
  await first.kill()
  device.skip(EXPIRES_AFTER)
  await using later = await startServer({ ...environment, ...clockAt(Date.now() + EXPIRES_AFTER) })
  server = later
  const lock = lockAt(server.url, lockId, uuid)
  const shadows = /shadows are served on (\S+)/.exec(server.output())?.[1]
  device.lock.letIn()
  await device.online(2)
  for (let n = 0; n < 10; n++) {
    const body = JSON.stringify({ state: { desired: { brightness: n } } })
    expect((await fetch(`${shadows}/things/${lock.uuid}/shadow`, { method: "POST", body })).status).toBe(200)
  }
  await vi.waitUntil(() => device.outcomes().length > 0, { timeout: 60_000 })
  expect([device.began(), device.outcomes()]).toEqual([0, ["OpenLock expired"]])
  await vi.waitUntil(async () => (await lock.get("details")).text.includes('"outcome":"expired"'), { timeout: 60_000 })
})

it("a server without devices reaches those of another one on the same data", async () => {
  using folder = temporaryFolder()
  await using broker = await startServer({ ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" })
  await using other = await startServer(configured(folder.path))
  const lock = await createLock(other.url)
  using device = goodLock(() => broker, lock.uuid)
  await device.online()
  expect((await lock.post("OpenLock")).status).toBe(200)
  await vi.waitUntil(() => device.outcomes().length > 0, { timeout: 60_000 })
  expect(device.outcomes()).toEqual(["OpenLock done"])
  await vi.waitUntil(async () => (await lock.get("details")).text.includes('"outcome":"done"'), { timeout: 60_000 })
})

describe("latchkey simulate", () => {
  const outputOf = (child: ChildProcess) => {
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk))
    return () => output
  }

  it("is a lock that opens, and says so, until it is told to stop", async () => {
    using folder = temporaryFolder()
    const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0", LATCHKEY_DEVICE_AUTH: "secret" }
    await using server = await startServer(environment)
    const lock = lockAt(server.url, 900_001, newUuid())
    expect((await lock.post("CreateLock", { index: 1, uuid: lock.uuid })).status).toBe(201)
    const secret = (await latchkey({ LATCHKEY_DATA: folder.path }, ["devices", "create", lock.uuid])).stdout.trim()
    const args = ["simulate", "--thing", lock.uuid, "--url", brokerOf(server), "--faults", "none", "--secret", secret]
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...inherited(), NODE_NO_WARNINGS: "1" }
    })
    const output = outputOf(child)
    await vi.waitUntil(() => output().includes("online"), { timeout: 60_000 })
    expect((await lock.post("OpenLock")).status).toBe(200)
    await vi.waitUntil(() => output().includes("OpenLock"), { timeout: 60_000 })
    expect(output().split("\n")[1]).toMatch(new RegExp(`^${lock.uuid} OpenLock \\S+ done$`))
    await vi.waitUntil(async () => (await lock.get("details")).text.includes('"outcome":"done"'), { timeout: 60_000 })
    child.kill("SIGINT")
    expect(await once(child, "close")).toEqual([0, null])
  })

  it("makes the locks that it connects, under free numbers and once", async () => {
    using folder = temporaryFolder()
    await using server = await startServer({ ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" })
    // Number 1 is taken, and so is 2, by somebody else.
    const first = lockAt(server.url, 1, newUuid())
    expect((await first.post("CreateLock", { index: 1, uuid: first.uuid })).status).toBe(201)
    const second = { index: 2, uuid: newUuid() }
    const { status } = await callsOf(server.url, otherOrganization)("POST", "/locks/2/CreateLock", { body: second })
    expect(status).toBe(201)
    const made = async () => {
      const args = ["--locks", "2", "--url", brokerOf(server), "--faults", "none", "--api", server.url]
      const child = spawn(
        process.execPath,
        [MAIN, "simulate", ...args, "--create", "--key", API_KEYS[0]?.secret ?? ""],
        {
          env: { ...inherited(), NODE_NO_WARNINGS: "1" }
        }
      )
      const output = outputOf(child)
      await vi.waitUntil(() => output().match(/ online/g)?.length === 2, { timeout: 60_000 })
      child.kill("SIGINT")
      expect(await once(child, "close")).toEqual([0, null])
      return output().match(/^\S+ (?:is|has) .*$/gm)
    }
    const said = await made()
    const [thing] = said?.[0]?.split(" ") ?? []
    expect(said).toEqual([expect.stringMatching(/ is lock 3$/), expect.stringMatching(/ is lock 4$/)])
    expect((await lockAt(server.url, 3).get("details")).text).toContain(`"uuid":"${thing}"`)
    expect(await made()).toEqual(said)
  })

  it("says once why it cannot connect, keeps trying until it can, and ends well when it is told to", async () => {
    using folder = temporaryFolder()
    const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" }
    const broker = await (async () => {
      await using server = await startServer(environment)
      return brokerOf(server)
    })()
    const args = ["simulate", "--locks", "3", "--url", broker, "--faults", "none"]
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...inherited(), NODE_NO_WARNINGS: "1" } })
    const output = outputOf(child)
    await vi.waitUntil(() => output().includes("\n"), { timeout: 60_000 })
    // Others try as well, and have nothing to add.
    await using server = await startServer({ ...environment, LATCHKEY_MQTT_PORT: new URL(broker).port })
    await vi.waitUntil(() => output().match(/ online/g)?.length === 3, { timeout: 60_000 })
    const told = output()
      .split("\n")
      .filter((line) => !line.includes(" online"))
    expect(told).toEqual([
      expect.stringMatching(/^Cannot connect to mqtt:\/\/127\.0\.0\.1:\d+: nothing listens there\. .* Trying again\.$/),
      `Connected to ${broker}.`,
      ""
    ])
    child.kill("SIGINT")
    expect(await once(child, "close")).toEqual([0, null])
    expect(server.output()).not.toContain("ERROR")
  })

  it("refuses what it cannot do", async () => {
    for (const args of [
      ["--locks", "0"],
      ["--thing", "no thing"],
      ["--url", "http://127.0.0.1"],
      ["--faults", "all"],
      ["--create", "--locks", "2"],
      ["--key", "x"],
      ["--create", "--key", "x", "--api", "http://127.0.0.1:1"],
      ["--locks", "2", "--secret", "x"]
    ]) {
      const { code, stdout, stderr } = await latchkey({}, ["simulate", ...args])
      expect(code).toBe(1)
      expect(stdout + stderr).toContain(args.includes("--secret") ? "--secret" : args[0])
    }
  })
})
