/** Several servers on one PostgreSQL and one Mosquitto: one of them has the turn, and what becomes of it when that one is gone, or only paused. */
import { setTimeout as sleep } from "node:timers/promises"
import { connectAsync } from "mqtt"
import { expect, it, vi } from "vitest"
import { OWNER, organization, superKey } from "../harness/callers.ts"
import { newLockId, newUuid } from "../harness/locks.ts"
import { startMosquitto } from "../harness/mosquitto.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, type Server, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

/** What another server is promised to have done since the one with the turn fell silent. */
const PROMISED = 15_000
const PATIENCE = { timeout: 60_000, interval: 50 }

/** A lock that stays connected to the broker, and says what it is told to; `heard` are all messages on its topics. */
const connectLock = async (url: string, uuid: string) => {
  const client = await connectAsync(url, { clientId: uuid, reconnectPeriod: 0 })
  const heard: Array<{ readonly below: string; readonly message: { readonly [name: string]: unknown } }> = []
  const root = `$aws/things/${uuid}/shadow/`
  client.on("message", (topic, payload) => {
    heard.push({ below: topic.slice(root.length), message: JSON.parse(payload.toString("utf8") || "{}") })
  })
  for (const below of ["get/+", "update/accepted", "update/rejected", "update/delta"])
    await client.subscribeAsync(root + below, { qos: 1 })
  return {
    client,
    heard,
    on: (below: string) => heard.filter((one) => one.below === below).map(({ message }) => message),
    report: (n: number, clientToken: string) =>
      client.publishAsync(`${root}update`, JSON.stringify({ state: { reported: { n } }, clientToken }), { qos: 1 }),
    get: () => client.publishAsync(`${root}get`, "", { qos: 1 }),
    tell: () => client.publishAsync(`$aws/events/presence/connected/${uuid}`, "{}", { qos: 1 })
  }
}

/** Two servers, the first of which has the turn, and a lock. */
const twoServers = async (use: (first: Server, second: Server, broker: string) => Promise<void>) => {
  await using broker = await startMosquitto()
  using one = temporaryFolder()
  using other = temporaryFolder()
  await using schema = newSchema()
  const environment = (folder: string) => ({
    ...configured(folder),
    ...schema.environment,
    LATCHKEY_PIN_KEY: "a-key-for-pins-of-thirty-two-bytes",
    LATCHKEY_MQTT_URL: broker.url,
    LATCHKEY_MQTT_PORT: ""
  })
  await using first = await startServer(environment(one.path))
  const hasTurn = async () =>
    (await schema.query(`SELECT FROM ${schema.schema}.records WHERE value ~ '^-?[0-9]+ [0-9]+$'`)).length > 0
  await vi.waitUntil(hasTurn, PATIENCE)
  await using second = await startServer(environment(other.path))
  await use(first, second, broker.url)
}

const asks = (server: Server, lockId: number) => {
  const call = callsOf(server.url, organization)
  return {
    create: (uuid: string) => call("POST", `/locks/${lockId}/CreateLock`, { body: { index: 1, uuid, ownerId: OWNER } }),
    open: () => call("POST", `/locks/${lockId}/OpenLock`, { body: {} }),
    isOnline: async () => {
      const { text } = await callsOf(server.url, superKey)("GET", `/users/${OWNER}/owned-locks`)
      return JSON.parse(text).locks[0]?.online
    }
  }
}

const opensHeard = (deltas: ReadonlyArray<object>): ReadonlyArray<string> =>
  deltas.flatMap((delta) => Object.keys((delta as { state?: { commands?: object } }).state?.commands ?? {}))

it(
  "when it is killed, another has the turn within 15 s, and nothing that devices or servers say is lost",
  {
    timeout: 900_000
  },
  () =>
    twoServers(async (first, second, broker) => {
      const [lockId, uuid] = [newLockId(), newUuid()]
      const lock = await connectLock(broker, uuid)
      try {
        expect((await asks(first, lockId).create(uuid)).status).toBe(201)
        const { open, isOnline } = asks(second, lockId)
        await lock.tell()
        await vi.waitUntil(isOnline, PATIENCE)
        // By a server that has not the turn.
        expect((await open()).status).toBe(200)
        await vi.waitUntil(() => opensHeard(lock.on("update/delta")).length > 0, PATIENCE)

        await first.kill()
        const killed = performance.now()
        await lock.report(1, "in the gap")
        expect((await open()).status).toBe(200)
        const since = () => Math.round(performance.now() - killed)
        const [offlineAfter, heardAfter, acceptedAfter] = await Promise.all([
          vi.waitUntil(async () => !(await isOnline()), PATIENCE).then(since),
          vi.waitUntil(() => new Set(opensHeard(lock.on("update/delta"))).size === 2, PATIENCE).then(since),
          vi
            .waitUntil(
              () => lock.on("update/accepted").some(({ clientToken }) => clientToken === "in the gap"),
              PATIENCE
            )
            .then(since)
        ])
        console.log(`offline after ${offlineAfter} ms, delta after ${heardAfter} ms, report after ${acceptedAfter} ms`)
        for (const after of [offlineAfter, heardAfter, acceptedAfter]) expect(after).toBeLessThan(PROMISED)
        await lock.tell()
        await vi.waitUntil(isOnline, PATIENCE)
        expect(lock.on("update/rejected")).toEqual([])
      } finally {
        await lock.client.endAsync(true)
      }
    })
)

it("when it is told to stop, another goes on at once, and no lock is offline meanwhile", { timeout: 900_000 }, () =>
  twoServers(async (first, second, broker) => {
    const [lockId, uuid] = [newLockId(), newUuid()]
    const lock = await connectLock(broker, uuid)
    try {
      expect((await asks(first, lockId).create(uuid)).status).toBe(201)
      const { open, isOnline } = asks(second, lockId)
      await lock.tell()
      await vi.waitUntil(isOnline, PATIENCE)
      first.signal("SIGTERM")
      await first.ended
      const ended = performance.now()
      expect((await open()).status).toBe(200)
      await vi.waitUntil(() => opensHeard(lock.on("update/delta")).length > 0, PATIENCE)
      console.log(`delta after ${Math.round(performance.now() - ended)} ms`)
      // Longer than what is left of the first one's word.
      const until = performance.now() + 12_000
      while (performance.now() < until) {
        expect(await isOnline()).toBe(true)
        await sleep(250)
      }
    } finally {
      await lock.client.endAsync(true)
    }
  })
)

it("when it was only paused, and goes on, it carries out nothing of what it heard", { timeout: 900_000 }, () =>
  twoServers(async (first, second, broker) => {
    const [lockId, uuid] = [newLockId(), newUuid()]
    const lock = await connectLock(broker, uuid)
    const accepted = () => lock.on("update/accepted").flatMap(({ clientToken }) => clientToken ?? [])
    try {
      expect((await asks(second, lockId).create(uuid)).status).toBe(201)
      await lock.report(0, "before")
      await vi.waitUntil(() => accepted().includes("before"), PATIENCE)

      first.signal("SIGSTOP")
      for (const n of [1, 2, 3]) await lock.report(n, `paused ${n}`)
      await vi.waitUntil(() => accepted().includes("paused 3"), PATIENCE)
      await lock.report(4, "by the second")
      await vi.waitUntil(() => accepted().includes("by the second"), PATIENCE)
      first.signal("SIGCONT")
      for (let n = 5; n < 25; n++) {
        await lock.report(n, `after ${n}`)
        await sleep(100)
      }
      await vi.waitUntil(() => accepted().includes("after 24"), PATIENCE)
      await lock.get()
      await vi.waitUntil(() => lock.on("get/accepted").length > 0, PATIENCE)
      // Each once, in the order in which it was said, and by nobody twice.
      const said = ["before", "paused 1", "paused 2", "paused 3", "by the second"]
      expect(accepted()).toEqual([...said, ...Array.from({ length: 20 }, (_, n) => `after ${n + 5}`)])
      expect(lock.on("update/rejected")).toEqual([])
      expect(lock.on("get/accepted")).toEqual([
        expect.objectContaining({ state: { reported: { n: 24 } }, version: 25 })
      ])
    } finally {
      first.signal("SIGCONT")
      await lock.client.endAsync(true)
    }
  })
)
