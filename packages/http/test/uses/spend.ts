/** A key to several doors that everybody uses at once, by two servers that are killed: it opens as often as its limit says. */
import { setTimeout as sleep } from "node:timers/promises"
import type { StoredEvent } from "@latchkey/core"
import { randomOf } from "@latchkey/simulator"
import { expect, vi } from "vitest"
import { between, oneOf } from "../campaign/chance.ts"
import { makeDevices } from "../campaign/devices.ts"
import { nobody, organization } from "../harness/callers.ts"
import { createLock, shared } from "../harness/locks.ts"
import { brokerOf, configured, type Environment, startServer } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

export const SEED = Number(process.env["USES_SEED"] ?? Date.now() % 1_000_000)

const GUESTS = 6
const PATIENCE = { timeout: 300_000 }
/** Nobody is stopped for asking too often. */
const UNBOUNDED = { LATCHKEY_BUDGET_LINK: "off", LATCHKEY_BUDGET_GUESTS: "off" }

interface Spent {
  readonly folder: string
  readonly environment: Environment
  readonly feed: () => Promise<ReadonlyArray<StoredEvent>>
  readonly kills: number
  readonly maxUses: number
}

export const spend = async ({ folder, environment, feed, kills, maxUses }: Spent): Promise<void> => {
  const start = () => startServer({ ...configured(folder), ...UNBOUNDED, LATCHKEY_MQTT_PORT: "0", ...environment })
  const servers = [await start(), await start()]
  const devices = makeDevices(SEED, () => servers.map(brokerOf))
  try {
    const url = servers[0]?.url ?? ""
    const locks = [await createLock(url), await createLock(url), await createLock(url)]
    for (const { uuid } of locks) devices.add(uuid)
    const doors = locks.map(({ lockId }) => ({ lockId: String(lockId), accessMethod: "key" }))
    const made = await callsOf(url, organization)("POST", "/temp-keys", { body: { ...shared(0), doors, maxUses } })
    expect(made.status).toBe(201)
    const link = String(made.body.uuid)

    let [opened, refused, isOver, isDown] = [0, 0, false, false]
    const guest = async (n: number) => {
      const chance = randomOf(SEED, "guest", n)
      while (!isOver) {
        // While one of them starts, uses are kept for its next end.
        if (isDown) await sleep(5)
        if (isDown) continue
        const path = `/temp-keys/${link}/doors/${1 + Math.floor(3 * chance())}/open`
        const call = callsOf(oneOf(chance, servers)?.url ?? "", { ...nobody, accept: "application/json" })
        const status = await call("POST", path, { body: {} }).then(
          (answer) => answer.status,
          () => 0
        )
        if (status === 200) opened++
        else if (status >= 400 && status < 500) refused++
        await sleep(between(chance, 0, 40))
      }
    }
    const guests = Promise.all(Array.from({ length: GUESTS }, (_, n) => guest(n)))
    const chance = randomOf(SEED, "kills")
    for (let n = 0; n < kills; n++) {
      const before = opened + refused
      // While guests are answered: some are under way just then. The last uses may have been told to nobody.
      await vi.waitUntil(() => opened + refused > before, { ...PATIENCE, interval: 1 })
      await sleep(between(chance, 0, 30))
      const index = n % servers.length
      isDown = true
      await servers[index]?.kill()
      servers[index] = await start()
      isDown = false
    }
    /** By the count of either: what was in doubt has counted, or never came to pass and was used again. */
    const isUsedUp = async ({ url }: { readonly url: string }) => {
      const { text } = await callsOf(url, organization)("GET", `/temp-keys?lockId=${locks[0]?.lockId}`)
      const { tempKeys } = JSON.parse(text)
      return tempKeys[0].usedCount === maxUses && tempKeys[0].status === "used-up"
    }
    for (const server of servers) await vi.waitUntil(() => isUsedUp(server), { ...PATIENCE, interval: 50 })
    isOver = true
    await guests
    await Promise.all(servers.map((server) => server.kill()))
    devices.stop()
    const events = await feed()
    const commandsOf = (type: string) =>
      new Set(events.flatMap((event) => (event.type === type ? [event.commandId] : [])))
    const [inLog, used] = [commandsOf("LockOpenRequested"), commandsOf("SharedCredentialUsed")]
    // An opening that came too late for its lock gives its use back, and another takes it.
    const returned = commandsOf("SharedCredentialUseReturned")
    const ran = locks.flatMap(({ uuid }) => devices.ran(uuid))
    const told = `${opened} answered, ${inLog.size} in the log, ${returned.size} given back, ${ran.length} carried out`
    console.log(`seed ${SEED}: ${kills} kills, ${told}`)
    expect(inLog).toEqual(used)
    expect(used.size - returned.size).toBeLessThanOrEqual(maxUses)
    // Whoever was killed has answered nobody, and may have opened.
    expect(opened).toBeLessThanOrEqual(used.size)
    expect(ran.length).toBeLessThanOrEqual(maxUses)
    expect(new Set(ran).size).toBe(ran.length)
    for (const commandId of ran) {
      expect(inLog).toContain(commandId)
      expect(returned).not.toContain(commandId)
    }
  } finally {
    devices.stop()
    await Promise.all(servers.map((server) => server.kill()))
  }
}
