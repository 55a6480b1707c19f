/**
 * One round of a campaign with many locks that fail, forget, are replaced and go away for hours, while their servers are
 * killed. At the end the hardware of every lock that is reached holds what the log wants, and of every other one Latchkey
 * says what may be otherwise.
 */
import { FAULTS, randomOf } from "@latchkey/simulator"
import { expect, vi } from "vitest"
import { temporaryFolder } from "../harness/process.ts"
import { accountOfLog, streamsOf } from "./account.ts"
import { disagreements, type Shown } from "./agreement.ts"
import { between, type Chance } from "./chance.ts"
import { HARDWARE, makeClients } from "./clients.ts"
import { makeDevices } from "./devices.ts"
import { makeOperator } from "./operator.ts"
import {
  type CampaignStore,
  numberFrom,
  openBulks,
  played,
  SECONDS,
  SERVERS,
  summary,
  TIMEOUT,
  UNBOUNDED
} from "./round.ts"
import { startServers } from "./servers.ts"

export const LOCKS = numberFrom("CAMPAIGN_LOCKS", 40)
const CLIENTS = 16
const DAYS = 3
const HOUR = 3_600_000

/** One command in five fails. */
const faults = {
  ...FAULTS.some,
  latency: [1, 20],
  loss: 0.03,
  delay: [50, 500],
  online: [4_000, 20_000],
  offline: [20, 1_000],
  work: [5, 60],
  jams: 0.1,
  refuses: 0.1,
  cuts: 0.01,
  openings: [5_000, 30_000]
} as const

export const hardwareRound = async (seed: number, storeIn: (folder: string) => CampaignStore): Promise<void> => {
  using folder = temporaryFolder()
  const { environment, feed, inShadow: _, clocks, ...misfortunes } = storeIn(folder.path)
  const alone = { ...misfortunes, clocks: "together" } as const
  const servers = await startServers(folder.path, SERVERS, { ...UNBOUNDED, ...environment }, alone)
  /** A store with a clock of its own takes nothing from servers that are elsewhere in time. */
  const pass = (millis: number) => (clocks === "alike" ? Promise.resolve() : servers.move(millis))
  const devices = makeDevices(seed, servers.brokers, faults, servers.moved)
  /** Of each lock, all that it had, or was to have. */
  const things = new Map<number, ReadonlyArray<string>>()
  const away = new Set<number>()
  const onThing = (thing: string, lockId: number) => {
    devices.add(thing)
    things.set(lockId, [...(things.get(lockId) ?? []), thing])
    if (away.has(lockId)) devices.cutOff(thing)
  }
  const clients = makeClients(servers.urls, onThing, HARDWARE)
  const chance = (...names: ReadonlyArray<string | number>) => randomOf(seed, ...names)
  const each = (locks: Iterable<number>, of: (thing: string) => void) => {
    for (const lockId of locks) for (const thing of things.get(lockId) ?? []) of(thing)
  }
  const some = (chance: Chance, share: number) => [...things.keys()].filter(() => chance() < share)
  const goAway = (locks: ReadonlyArray<number>) => {
    each(away, devices.letIn)
    away.clear()
    for (const lockId of locks) away.add(lockId)
    each(away, devices.cutOff)
  }
  const operator = makeOperator(servers.urls, chance("operator"))

  /** A lock has forgotten everything, and somebody who has seen it asks for it to be filled again. */
  const forget = async (lockId: number) => {
    each([lockId], devices.forget)
    await operator.sync(lockId)
  }

  const day = async (n: number, load: ReadonlyArray<Chance>) => {
    goAway(some(chance("away", n), 0.15))
    const end = performance.now() + (SECONDS * 1000) / DAYS
    const isOver = () => performance.now() > end
    const rushes = chance("rushes", n)
    const rush = (url: string) => clients.rush(url, rushes)
    const forgetting = some(chance("forgets", n), 0.03).map(forget)
    await Promise.all([
      servers.suffer(chance("faults", n), isOver, rush),
      ...load.map((one) => clients.run(one, isOver)),
      ...forgetting
    ])
    await clients.rushed()
    await pass(between(chance("night", n), 1, 30) * HOUR)
  }

  const play = async (at: (stage: string) => void) => {
    at("locks are created")
    const creating = chance("create")
    for (let n = 0; n < LOCKS; n += CLIENTS)
      await Promise.all(Array.from({ length: CLIENTS }, () => clients.ask("CreateLock", creating)))
    const load = Array.from({ length: CLIENTS }, (_, n) => chance("client", n))
    for (let n = 0; n < DAYS; n++) {
      at(`day ${n + 1}`)
      await day(n, load)
    }
    at("locks and log come to agree")
    goAway(some(chance("away at last"), 0.1))
    const created = new Set(
      (await feed()).flatMap(({ type, data }) => (type === "LockCreated" ? [Number(data["lockId"])] : []))
    )
    const reachable = new Set([...created].filter((lockId) => !away.has(lockId)))
    await vi.waitUntil(async () => openBulks(await feed()) === 0, { timeout: TIMEOUT, interval: 500 })
    const now = () => Date.now() + servers.moved()
    // What has failed is tried again after ten minutes at most.
    await operator.agree(reachable, now, () => pass(HOUR / 4))
    const shown = new Map<number, Shown>()
    for (const lockId of created) shown.set(lockId, await operator.look(lockId))
    at("servers stop")
    expect(await servers.stop()).toEqual(Array.from({ length: SERVERS }, () => 0))
    devices.stop()
    const events = await feed()
    const streams = streamsOf({ feed: events })
    const told = new Set(events.map(({ type, data }) => type === "CommandOutcomeReported" && data["commandId"]))
    const late = [...things.values()].flat().flatMap((thing) => [...devices.outcomes(thing).keys()])
    const unused = late.filter((commandId) => !told.has(commandId)).length
    const said = `${away.size} away, ${unused} outcomes that nobody waited for`
    console.log(`seed ${seed}: ${said}, ${summary(servers, clients, events.length)}`)
    expect([
      ...accountOfLog({ feed: events, clients }, streams),
      ...disagreements({ streams, devices, things, shown, reachable })
    ]).toEqual([])
  }

  await played(seed, { servers, clients, devices }, play)
}
