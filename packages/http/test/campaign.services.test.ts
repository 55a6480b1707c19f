/**
 * Several servers on one folder under random load, with kills, pauses and clocks that jump, and simulated locks that come
 * to one or another: afterwards every answer, use and device command is accounted for. `CAMPAIGN_SEED`, `CAMPAIGN_ROUNDS`
 * (each with a seed of its own), `CAMPAIGN_SECONDS` of a round and `CAMPAIGN_SERVERS` make it as long as one likes.
 */
import { writeFileSync } from "node:fs"
import type { StoredEvent } from "@latchkey/core"
import { randomOf } from "@latchkey/simulator"
import { expect, it, vi } from "vitest"
import { account } from "./campaign/account.ts"
import { type Clients, makeClients } from "./campaign/clients.ts"
import { type Devices, makeDevices } from "./campaign/devices.ts"
import { type Servers, startServers } from "./campaign/servers.ts"
import { superKey } from "./harness/callers.ts"
import { commandsInShadow, feedIn } from "./harness/dataFolder.ts"
import { temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const numberFrom = (variable: string, otherwise: number): number => Number(process.env[variable] ?? otherwise)
const SEED = numberFrom("CAMPAIGN_SEED", Date.now() % 1_000_000)
const ROUNDS = numberFrom("CAMPAIGN_ROUNDS", 1)
const SECONDS = numberFrom("CAMPAIGN_SECONDS", 20)
const SERVERS = numberFrom("CAMPAIGN_SERVERS", 2)
const SEEDS = Array.from({ length: ROUNDS }, (_, round) => SEED + round)
const LOCKS = 3
const CLIENTS = 12
/** Commands without which a round on a slow machine would say little. */
const ENOUGH = 200

/** None but those of PINs, which cannot be off: nobody is stopped here for asking too often. */
const UNBOUNDED = {
  ...Object.fromEntries(["LINK", "GUESTS", "USER", "ORGANIZATION"].map((whose) => [`LATCHKEY_BUDGET_${whose}`, "off"])),
  ...Object.fromEntries(
    ["CALLER", "LINE", "SITE", "LOCK", "KEYPAD"].map((whose) => [`LATCHKEY_BUDGET_PIN_${whose}`, "100000+100000"])
  )
}

it.each(SEEDS)(
  `every use and device command is accounted for after ${SECONDS} s of faults (seed %i)`,
  async (seed) => {
    using folder = temporaryFolder()
    const servers = await startServers(folder.path, SERVERS, UNBOUNDED)
    const devices = makeDevices(seed, servers.brokers)
    const clients = makeClients(servers.urls, devices.add)
    const chance = (...names: ReadonlyArray<string | number>) => randomOf(seed, ...names)
    try {
      for (let n = 0; n < LOCKS; n++) await clients.ask("CreateLock", chance("create", n))
      const end = performance.now() + SECONDS * 1000
      const isOver = () => performance.now() > end && clients.answered() > ENOUGH
      const rushes = chance("rushes")
      const rush = (url: string) => clients.rush(url, rushes)
      const load = Array.from({ length: CLIENTS }, (_, n) => clients.run(chance("client", n), isOver))
      await Promise.all([servers.suffer(chance("faults"), isOver, rush), ...load])
      await clients.rushed()
      await servers.recover()
      await settled(folder.path, servers, devices, clients)
      expect(await servers.stop()).toEqual(Array.from({ length: SERVERS }, () => 0))
      devices.stop()
      const feed = await feedIn(folder.path)
      const inShadow = new Map<string, ReadonlyArray<string>>()
      for (const { uuid } of clients.locks) inShadow.set(uuid, await commandsInShadow(folder.path, uuid))
      console.log(`seed ${seed}: ${summary(servers, clients, feed.length)}`)
      expect(account({ feed, clients, devices, inShadow })).toEqual([])
    } catch (error) {
      const kept = process.env["CAMPAIGN_OUTPUT"]
      if (kept !== undefined) writeFileSync(kept, servers.output())
      throw error
    } finally {
      devices.stop()
      await servers.kill()
    }
  },
  SECONDS * 1000 + 300_000
)

interface Details {
  readonly pendingCommands: ReadonlyArray<{ readonly expiresAt?: string }>
}

/** Whatever is under way comes to its end: all servers serve all locks, and no device has anything left to do or to say. */
const settled = async (folder: string, servers: Servers, devices: Devices, clients: Clients) => {
  // Also those requests for many keys whose answer nobody heard.
  const isDone = async () => openBulks(await feedIn(folder)) === 0
  await vi.waitUntil(isDone, { timeout: 90_000, interval: 500 })
  for (const [index, url] of servers.urls().entries()) {
    const call = callsOf(url, superKey)
    for (const { lockId } of clients.locks) {
      const isServed = async () => {
        const body = { userId: `owner-${index}` }
        const { status } = await call("POST", `/locks/${lockId}/SetOwner`, { body })
        return status === 200 || status === 404
      }
      await vi.waitUntil(isServed, { timeout: 60_000, interval: 100 })
      const isQuiet = async () => {
        const { status, text } = await call("GET", `/locks/${lockId}/details`)
        if (status === 404) return true
        const { pendingCommands }: Details = JSON.parse(text)
        return pendingCommands.every(
          ({ expiresAt }) => expiresAt !== undefined && Date.parse(expiresAt) < Date.now() - 5_000
        )
      }
      await vi.waitUntil(isQuiet, { timeout: 90_000, interval: 200 })
    }
  }
  // Who ran a command by a clock that was behind may not have been heard yet.
  const isTold = async () => untold(await feedIn(folder), devices, clients) === 0
  await vi.waitUntil(isTold, { timeout: 90_000, interval: 500 })
}

/** Outcomes of devices that are not in the log yet. */
const untold = (feed: ReadonlyArray<StoredEvent>, devices: Devices, clients: Clients): number => {
  const told = new Set(
    feed.filter(({ type }) => type === "CommandOutcomeReported").map(({ data }) => data["commandId"])
  )
  const known = clients.locks.flatMap(({ uuid }) => [...devices.ran(uuid), ...devices.outcomes(uuid).keys()])
  return known.filter((id) => !told.has(id)).length
}

const openBulks = (feed: ReadonlyArray<StoredEvent>): number =>
  [...Map.groupBy(feed, ({ streamId }) => streamId)].filter(([streamId, [request, ...outcomes]]) => {
    const keys = request?.data["keys"]
    return streamId.startsWith("bulk-") && Array.isArray(keys) && outcomes.length < keys.length
  }).length

const summary = ({ told }: Servers, { asks, locks }: Clients, events: number): string => {
  const answers = Map.groupBy(
    asks.flatMap(({ tries }) => tries.map(({ answer }) => answer?.status ?? "none")),
    (status) => status
  )
  const counts = [...answers].map(([status, { length }]) => `${status}: ${length}`).sort()
  const faults = [...told].map(([what, times]) => `${times} × ${what}`).sort()
  return `${locks.length} locks, ${asks.length} asks (${counts.join(", ")}), ${events} events; ${faults.join(", ")}`
}
