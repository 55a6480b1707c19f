/**
 * SIGKILL of the server at random instants, with simulated locks on a bad connection: what each lock did is what its log
 * says, once and in order. `CRASH_LOCKS` and `CRASH_KILLS` make it as many and as often as one likes; `CRASH_SEED`
 * brings the same chances again.
 */
import { FAULTS, type Incident, mqttWire, randomOf, realTime, simulateFleet } from "@latchkey/simulator"
import { expect, it, vi } from "vitest"
import { DEVICE_EVENTS, ENDING, overtakenIn } from "./campaign/account.ts"
import { commandsInShadow, feedIn } from "./harness/dataFolder.ts"
import { loadDevices } from "./harness/deviceLoad.ts"
import { freePort } from "./harness/freePort.ts"
import { createLock, lockAt, type TestLock } from "./harness/locks.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"

const LOCKS = Number(process.env["CRASH_LOCKS"] ?? 30)
const KILLS = Number(process.env["CRASH_KILLS"] ?? 3)
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000)
/** Milliseconds that a condition may take to come true, on a machine with much else to do. */
const PATIENCE = 300_000

/** Bad, but such that everything comes to an end soon. */
const faults = {
  ...FAULTS.some,
  loss: 0.05,
  online: [500, 8_000],
  offline: [50, 1_500],
  work: [10, 200],
  jams: 0.02
} as const

it(`what ${LOCKS} locks did is what the log says, once and in order, after ${KILLS} kills (seed ${SEED})`, {
  timeout: (KILLS + 3) * PATIENCE
}, async () => {
  using folder = temporaryFolder()
  const mqttPort = String(await freePort())
  const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: mqttPort }
  let locks: ReadonlyArray<TestLock> = []
  let commandsRun = 0
  const began = new Map<string, Array<string>>()
  const ended = new Map<string, Map<string, string>>()
  const onIncident = (incident: Incident) => {
    const { thing } = incident
    if (incident._tag === "Began") commandsRun++
    if (incident._tag === "Began") began.set(thing, [...(began.get(thing) ?? []), incident.command.commandId])
    if (incident._tag !== "Ended") return
    const outcomes = ended.get(thing) ?? new Map<string, string>()
    ended.set(thing, outcomes.set(incident.commandId, incident.outcome.outcome))
  }

  const first = await startServer(environment)
  locks = await Promise.all(Array.from({ length: LOCKS }, () => createLock(first.url)))
  const fleet = simulateFleet({
    things: locks.map(({ uuid }) => uuid),
    seed: SEED,
    faults,
    time: realTime,
    wireOf: (thing) => mqttWire({ url: `mqtt://127.0.0.1:${mqttPort}`, thing }),
    onIncident
  })
  const load = loadDevices(() => locks, 8)
  const at = ({ url }: { readonly url: string }) => locks.map(({ lockId, uuid }) => lockAt(url, lockId, uuid))

  const random = randomOf(SEED, "test")
  let server = first
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const enough = commandsRun + LOCKS * (0.5 + random())
      await vi.waitUntil(() => commandsRun >= enough, { timeout: PATIENCE, interval: 1 })
      await server.kill()
      server = await startServer(environment)
      locks = at(server)
    }
    await vi.waitUntil(() => load.accepted() > LOCKS, { timeout: PATIENCE, interval: 1 })
    await load.stop()
    // Whatever is under way comes to its end: what was done is settled, and nothing is left in any shadow.
    const things = locks.map(({ uuid }) => uuid)
    await vi.waitUntil(async () => (await commandsInShadow(folder.path, ...things)).length === 0, {
      timeout: PATIENCE,
      interval: 200
    })
  } finally {
    fleet.stop()
    await server.kill()
  }

  const feed = await feedIn(folder.path)
  for (const { lockId, uuid } of locks) {
    const stream = feed.filter(({ streamId }) => streamId === `lock-${lockId}`)
    const logged = stream.filter(({ type }) => DEVICE_EVENTS.includes(type))
    const ids = logged.map(({ commandId }) => commandId)
    expect(new Set(ids).size, "the log has each once").toBe(ids.length)
    const done = began.get(uuid) ?? []
    // Of what the log has, in its order, only what may expire, was overtaken, or was sent at the very end and waits still, may be missing.
    expect(done).toEqual(ids.filter((id) => done.includes(id)))
    const overtaken = overtakenIn(stream)
    const waiting = await commandsInShadow(folder.path, uuid)
    const missing = logged.filter(({ commandId }) => ![...done, ...overtaken, ...waiting].includes(commandId))
    expect(missing.filter(({ type }) => !ENDING.includes(type))).toEqual([])
    for (const { commandId } of missing) expect(ended.get(uuid)?.get(commandId) ?? "expired").toBe("expired")
  }
  console.log(`${KILLS} kills, ${commandsRun} commands run by ${LOCKS} locks`)
})
