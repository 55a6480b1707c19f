/** A storm of reports over real MQTT: whatever the order and however often, presence and outcomes come out right. */
import { randomOf } from "@latchkey/simulator"
import { connectAsync } from "mqtt"
import { expect, it, vi } from "vitest"
import { OWNER, superKey } from "./harness/callers.ts"
import { createLock, historyOf, type TestLock } from "./harness/locks.ts"
import { brokerOf, configured, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const LOCKS = 20
const COMMANDS = 4
const CONNECTIONS = 6
const REPEATS = 5

const SEED = Number(process.env["STORM_SEED"] ?? Date.now() % 1_000_000)
const random = randomOf(SEED, "test")

const shuffled = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items
    .map((item) => [random(), item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item)

/** Everything a device may say, sense and nonsense, many times over. */
const storm = (ids: ReadonlyArray<string>): ReadonlyArray<string> => {
  const reported = (state: object) => JSON.stringify({ state: { reported: state } })
  const outcomes = ids.map((id) => reported({ commands: { [id]: { outcome: "done" } } }))
  const nonsense = [
    "{",
    "null",
    reported({ commands: "done" }),
    reported({ commands: { "nobody's": { outcome: "done" } } }),
    reported({ note: "x".repeat(100_000) })
  ]
  return shuffled(Array.from({ length: REPEATS }, () => [...outcomes, ...nonsense, reported({ battery: 50 })]).flat())
}

/** Comes and goes, each time with a part of the storm; in the end it is there, or gone. */
const device = async (url: string, { uuid }: TestLock, messages: ReadonlyArray<string>, isThereAtLast: boolean) => {
  // Drawn before anything waits: what a seed decides does not depend on who is quicker.
  const coins = Array.from({ length: CONNECTIONS }, () => random() < 0.5)
  const connect = () => connectAsync(url, { clientId: uuid, username: uuid, reconnectPeriod: 0 }, false)
  for (let n = 0; n < CONNECTIONS; n++) {
    const client = await connect()
    client.on("error", () => {})
    const part = messages.filter((_, index) => index % CONNECTIONS === n)
    await Promise.all(
      part.map((message) => client.publishAsync(`$aws/things/${uuid}/shadow/update`, message, { qos: 1 }))
    )
    const isLast = n === CONNECTIONS - 1
    if (isLast && isThereAtLast) return client
    const closed = new Promise<void>((resolve) => client.once("close", resolve))
    // A power cut says nothing; who leaves says so.
    if (coins[n]) client.stream.destroy()
    else await client.endAsync()
    await closed
  }
  return undefined
}

it(`presence and outcomes converge after a storm of shuffled, repeated and senseless reports (seed ${SEED})`, async () => {
  using folder = temporaryFolder()
  await using server = await startServer({ ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" })
  const locks = await Promise.all(Array.from({ length: LOCKS }, () => createLock(server.url)))
  const idsOf = async (lock: TestLock): Promise<ReadonlyArray<string>> => {
    expect((await lock.post("SetOwner", { userId: OWNER })).status).toBe(200)
    for (let n = 0; n < COMMANDS; n++) expect((await lock.post("AddKey", { keyUuid: `key-${n}` })).status).toBe(200)
    const { pendingCommands } = JSON.parse((await lock.get("details")).text)
    return pendingCommands.map(({ commandId }: { readonly commandId: string }) => commandId)
  }
  const commands = await Promise.all(locks.map(idsOf))
  expect(commands.flat()).toHaveLength(LOCKS * COMMANDS)

  const isThere = (index: number) => index % 2 === 0
  const clients = await Promise.all(
    locks.map((lock, index) => device(brokerOf(server), lock, storm(commands[index] ?? []), isThere(index)))
  )
  try {
    const online = async () => {
      const { body } = await callsOf(server.url, superKey)("GET", `/users/${OWNER}/owned-locks`)
      return new Map(body.locks?.map(({ lockUuid, online }) => [lockUuid, online]))
    }
    const truth = new Map(locks.map(({ uuid }, index) => [uuid, isThere(index)]))
    await vi.waitFor(async () => expect(await online()).toEqual(truth), { timeout: 60_000, interval: 100 })
    for (const [index, lock] of locks.entries()) {
      await vi.waitFor(async () => expect(JSON.parse((await lock.get("details")).text).pendingCommands).toEqual([]), {
        timeout: 60_000,
        interval: 100
      })
      const outcomes = (await historyOf(lock)).filter(({ type }) => type === "CommandOutcomeReported")
      expect(outcomes).toHaveLength(COMMANDS)
      const told = outcomes.map(({ event }) => event?.data["commandId"])
      expect(new Set(told)).toEqual(new Set(commands[index]))
    }
  } finally {
    await Promise.all(clients.map((client) => client?.endAsync(true)))
  }
})
