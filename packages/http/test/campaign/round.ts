/** One round of a campaign: random load, faults, and what must then be accounted for. */
import { writeFileSync } from "node:fs"
import { lockOfStream, type StoredEvent } from "@latchkey/core"
import { randomOf } from "@latchkey/simulator"
import { expect, vi } from "vitest"
import { superKey } from "../harness/callers.ts"
import { type Environment, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { startNotingReceiver } from "../partners/notingReceiver.ts"
import { account, overtakenIn } from "./account.ts"
import { type Clients, makeClients } from "./clients.ts"
import { type Devices, makeDevices, makeDevicesAt } from "./devices.ts"
import { type Faults, type Servers, startServers } from "./servers.ts"

export const numberFrom = (variable: string, otherwise: number): number => Number(process.env[variable] ?? otherwise)
const SEED = numberFrom("CAMPAIGN_SEED", Date.now() % 1_000_000)
const ROUNDS = numberFrom("CAMPAIGN_ROUNDS", 1)
export const SERVERS = numberFrom("CAMPAIGN_SERVERS", 2)
export const SECONDS = numberFrom("CAMPAIGN_SECONDS", 20)
export const SEEDS = Array.from({ length: ROUNDS }, (_, round) => SEED + round)
/** How long a round may take, however slow the machine: after the faults, all comes to its end. */
export const TIMEOUT = SECONDS * 1000 + 1_800_000
const LOCKS = 3
/** Locks that are looked at together. */
const TOGETHER = 16
const CLIENTS = 12
/** Commands without which a round on a slow machine would say little. */
const ENOUGH = 200

/** A campaign with more than servers: many locks at one broker, and a partner who is told of everything. */
export interface Scene {
  readonly locks: number
  /** Where the devices of all locks connect. */
  readonly broker: string
}

/** Where the servers of a round keep their log. */
export interface CampaignStore extends Faults {
  readonly environment: Environment
  readonly feed: () => Promise<ReadonlyArray<StoredEvent>>
  /** Ids of the commands that the shadow of a thing holds. */
  readonly inShadow: (thing: string) => Promise<ReadonlyArray<string>>
}

/** None but those of PINs, which cannot be off: nobody is stopped here for asking too often. */
export const UNBOUNDED = {
  ...Object.fromEntries(["LINK", "GUESTS", "USER", "ORGANIZATION"].map((whose) => [`LATCHKEY_BUDGET_${whose}`, "off"])),
  ...Object.fromEntries(
    ["CALLER", "LINE", "SITE", "LOCK", "KEYPAD"].map((whose) => [`LATCHKEY_BUDGET_PIN_${whose}`, "100000+100000"])
  )
}

/**
 * Plays a round, and ends all that takes part in it. One that takes too long ends before its limit would; one that fails
 * says how far it came, and keeps what its servers wrote.
 */
export const played = async (
  seed: number,
  { servers, clients, devices }: { readonly servers: Servers; readonly clients: Clients; readonly devices: Devices },
  play: (at: (stage: string) => void) => Promise<void>
): Promise<void> => {
  let stage = ""
  const overdue = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`This takes too long: ${stage}.`)), TIMEOUT - 60_000).unref()
  })
  const at = (next: string) => {
    stage = next
  }
  try {
    await Promise.race([play(at), overdue])
  } catch (error) {
    console.log(`seed ${seed}: ${summary(servers, clients, 0)}`)
    const kept = process.env["CAMPAIGN_OUTPUT"]
    if (kept !== undefined) writeFileSync(kept, servers.output())
    throw error
  } finally {
    devices.stop()
    await servers.kill()
  }
}

/** Fails unless every use, device command, outcome and delivery is accounted for. */
export const round = async (seed: number, storeIn: (folder: string) => CampaignStore, scene?: Scene): Promise<void> => {
  using folder = temporaryFolder()
  const { environment, feed, inShadow: commandsIn, ...faults } = storeIn(folder.path)
  const servers = await startServers(folder.path, SERVERS, { ...UNBOUNDED, ...environment }, faults)
  const devices = scene === undefined ? makeDevices(seed, servers.brokers) : makeDevicesAt(seed, scene.broker)
  const clients = makeClients(servers.urls, devices.add)
  const chance = (...names: ReadonlyArray<string | number>) => randomOf(seed, ...names)
  await using partner = scene && (await startNotingReceiver({ chance: chance("partner") }))
  const play = async (at: (stage: string) => void) => {
    if (partner !== undefined) {
      at("a partner asks to be told")
      const asked = callsOf(servers.urls()[0] ?? "", superKey)("POST", "/webhooks", { body: { url: partner.url } })
      expect((await asked).status).toBe(201)
    }
    at("locks are created")
    const creating = Array.from({ length: scene?.locks ?? LOCKS }, (_, n) => chance("create", n))
    await together(creating, (own) => clients.ask("CreateLock", own))
    at("faults happen")
    const end = performance.now() + SECONDS * 1000
    const isOver = () => performance.now() > end
    // On a slow machine faults end before it is enough.
    const created = clients.answered()
    const isEnough = () => isOver() && clients.answered() - created > ENOUGH
    const rushes = chance("rushes")
    const rush = (url: string) => clients.rush(url, rushes)
    const load = Array.from({ length: CLIENTS }, (_, n) => clients.run(chance("client", n), isEnough))
    await Promise.all([servers.suffer(chance("faults"), isOver, rush), ...load])
    await clients.rushed()
    at("all comes to its end")
    await servers.recover()
    await settled({ feed, inShadow: commandsIn }, servers, devices, clients, at)
    if (partner !== undefined) {
      at("the partner is told of the rest")
      const isTold = async () => undelivered(await feed(), partner) === 0
      await vi.waitUntil(isTold, { timeout: TIMEOUT, interval: 500 })
    }
    at("servers stop")
    expect(await servers.stop()).toEqual(Array.from({ length: SERVERS }, () => 0))
    devices.stop()
    at("the books are read")
    const events = await feed()
    const inShadow = new Map<string, ReadonlyArray<string>>()
    for (const { uuid } of clients.locks) inShadow.set(uuid, await commandsIn(uuid))
    const told = partner === undefined ? "" : `, ${partner.state.taken} deliveries and ${partner.state.again} repeated`
    console.log(`seed ${seed}: ${summary(servers, clients, events.length)}${told}`)
    expect([...account({ feed: events, clients, devices, inShadow }), ...(partner?.wrong ?? [])]).toEqual([])
  }
  await played(seed, { servers, clients, devices }, play)
}

interface Details {
  readonly keys: ReadonlyArray<{ readonly inherited?: true; readonly hardware: { readonly status: string } }>
  readonly pendingCommands: ReadonlyArray<{ readonly commandId: string; readonly expiresAt?: string }>
}

interface Exposure {
  readonly keys: ReadonlyArray<{ readonly keyUuid: string; readonly reason: string }>
}

/** A few at a time. */
const together = async <A>(all: ReadonlyArray<A>, each: (one: A) => Promise<void>) => {
  for (let n = 0; n < all.length; n += TOGETHER) await Promise.all(all.slice(n, n + TOGETHER).map(each))
}

/**
 * Whatever is under way comes to its end: all servers serve all locks, and no device has anything left to do or to say. How
 * long that takes is the machine's business: only the round has a limit.
 */
const settled = async (
  { feed, inShadow }: Pick<CampaignStore, "feed" | "inShadow">,
  servers: Servers,
  devices: Devices,
  clients: Clients,
  at: (stage: string) => void
) => {
  const patiently = { timeout: TIMEOUT, interval: 500 }
  const letIn = ({ uuid }: Clients["locks"][number]) => devices.letIn(uuid)
  // Many come a few at a time: what a slow machine cannot answer is only asked again.
  if (clients.locks.length > TOGETHER) for (const { uuid } of clients.locks) devices.cutOff(uuid)
  at("requests for many keys end")
  // Also those whose answer nobody heard.
  const isDone = async () => openBulks(await feed()) === 0
  await vi.waitUntil(isDone, patiently)
  for (const [index, url] of servers.urls().entries()) {
    const call = callsOf(url, superKey)
    const waits = (what: string): never => {
      at(`server ${index} still waits ${what}`)
      throw new Error(what)
    }
    await together(clients.locks, async (lock) => {
      const { lockId, uuid } = lock
      letIn(lock)
      const isServed = async () => {
        const body = { userId: `owner-${index}` }
        const { status } = await call("POST", `/locks/${lockId}/SetOwner`, { body })
        return status === 200 || status === 404
      }
      at(`server ${index} serves lock ${lockId}`)
      await vi.waitUntil(isServed, { ...patiently, interval: 100 })
      const isQuiet = async () => {
        const { status, text } = await call("GET", `/locks/${lockId}/details`)
        if (status === 404) return true
        const { keys, pendingCommands }: Details = JSON.parse(text)
        const waiting = pendingCommands.filter(
          ({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) >= Date.now() - 5_000
        )
        if (waiting.length === 0) {
          // A key is sent again when nobody has answered its command for a while.
          const open = keys.filter(({ inherited, hardware }) => inherited === undefined && hardware.status === "sent")
          if (open.length > 0) waits(`until lock ${lockId} is told of keys again`)
          const exposure = await call("GET", `/locks/${lockId}/exposure`)
          const exposed: Exposure = JSON.parse(exposure.text)
          const leaving = exposed.keys.filter(({ reason }) => reason === "removed")
          return leaving.length === 0 || waits(`until lock ${lockId} has removed keys`)
        }
        const held = await inShadow(uuid)
        const known = waiting.map(({ commandId }) => ({
          commandId,
          inShadow: held.includes(commandId),
          heard: devices.heard(uuid).has(commandId),
          ran: devices.ran(uuid).includes(commandId),
          outcome: devices.outcomes(uuid).get(commandId)
        }))
        return waits(`for the device of lock ${lockId}: ${JSON.stringify(known)}`)
      }
      await vi.waitFor(isQuiet, patiently)
      if (clients.locks.length > TOGETHER) devices.cutOff(uuid)
    })
  }
  at("outcomes are told")
  // Who ran a command by a clock that was behind may not have been heard yet. Nobody else is there: they would say more.
  while (true) {
    for (const { uuid } of clients.locks) devices.cutOff(uuid)
    const silent = untold(await feed(), devices, clients.locks)
    if (silent.length === 0) break
    at(`what these locks did is told: ${silent.map(({ lockId }) => lockId).join(" ")}`)
    for (const lock of silent) letIn(lock)
    await vi.waitUntil(async () => untold(await feed(), devices, silent).length === 0, patiently)
  }
  at("what is told leaves the shadows")
  // A server that is stopped between the two leaves that to its next start.
  const isCleared = async ({ uuid }: Clients["locks"][number]) => {
    const ran = devices.ran(uuid)
    return !(await inShadow(uuid)).some((id) => ran.includes(id))
  }
  for (const lock of clients.locks) await vi.waitUntil(() => isCleared(lock), patiently)
}

/** Events of locks that the partner has not taken yet. */
const undelivered = (
  feed: ReadonlyArray<StoredEvent>,
  partner: Pick<Awaited<ReturnType<typeof startNotingReceiver>>, "upTo">
): number =>
  feed.filter(({ streamId, version }) => {
    const lockId = lockOfStream(streamId)
    return lockId !== undefined && version > partner.upTo(lockId)
  }).length

/** Locks of which something that they did is not in the log yet. */
const untold = (feed: ReadonlyArray<StoredEvent>, devices: Devices, locks: Clients["locks"]): Clients["locks"] => {
  const told = new Set(
    feed.filter(({ type }) => type === "CommandOutcomeReported").map(({ data }) => data["commandId"])
  )
  const overtaken = [...Map.groupBy(feed, ({ streamId }) => streamId).values()].flatMap((stream) => [
    ...overtakenIn(stream)
  ])
  for (const id of overtaken) told.add(id)
  return locks.filter(({ uuid }) =>
    [...devices.ran(uuid), ...devices.outcomes(uuid).keys()].some((id) => !told.has(id))
  )
}

export const openBulks = (feed: ReadonlyArray<StoredEvent>): number =>
  [...Map.groupBy(feed, ({ streamId }) => streamId)].filter(([streamId, [request, ...outcomes]]) => {
    const keys = request?.data["keys"]
    return streamId.startsWith("bulk-") && Array.isArray(keys) && outcomes.length < keys.length
  }).length

export const summary = ({ told }: Servers, { asks, locks }: Clients, events: number): string => {
  const answers = Map.groupBy(
    asks.flatMap(({ tries }) => tries.map(({ answer }) => answer?.status ?? "none")),
    (status) => status
  )
  const counts = [...answers].map(([status, { length }]) => `${status}: ${length}`).sort()
  const faults = [...told].map(([what, times]) => `${times} × ${what}`).sort()
  return `${locks.length} locks, ${asks.length} asks (${counts.join(", ")}), ${events} events; ${faults.join(", ")}`
}
