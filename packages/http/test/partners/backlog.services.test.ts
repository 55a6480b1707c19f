/**
 * A webhook that was disabled for a long time gets everything when it is enabled. `PARTNER_BACKLOG` says how many events
 * that is.
 */
import { readFileSync } from "node:fs"
import { randomOf } from "@latchkey/simulator"
import { expect, it, vi } from "vitest"
import { organization } from "../harness/callers.ts"
import { createLock } from "../harness/locks.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { eventsOf, startNotingReceiver } from "./notingReceiver.ts"

const BACKLOG = Number(process.env["PARTNER_BACKLOG"] ?? 1_000)
const LOCKS = 100
const WRITERS = 32

/** Megabytes that a process holds, and held at most. */
const memoryOf = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  const of = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024)
  return { now: of("VmRSS"), most: of("VmHWM") }
}

it(
  `a webhook that was disabled for ${BACKLOG} events gets all of them, in order per lock`,
  async () => {
    using folder = temporaryFolder()
    await using receiver = await startNotingReceiver({ chance: randomOf(1, "receiver") })
    await using server = await startServer({
      ...configured(folder.path),
      HOST: "127.0.0.1",
      LATCHKEY_BUDGET_ORGANIZATION: "off",
      LATCHKEY_BUDGET_ORGANIZATION_KB: "off"
    })
    const ask = async (method: string, path: string, body: unknown = {}) =>
      JSON.parse((await callsOf(server.url, organization)(method, path, method === "GET" ? {} : { body })).text)
    const { id } = await ask("POST", "/webhooks", { url: receiver.url })
    await vi.waitUntil(async () => (await ask("GET", `/webhooks/${id}`)).status === "active", { timeout: 60_000 })
    await ask("POST", `/webhooks/${id}/disable`)
    const locks = await Promise.all(Array.from({ length: LOCKS }, () => createLock(server.url)))
    let asked = LOCKS
    const write = async () => {
      while (asked < BACKLOG) {
        const n = asked++
        expect((await locks[n % LOCKS]?.post("SetOwner", { userId: `user-${n}` }))?.status).toBe(200)
      }
    }
    await Promise.all(Array.from({ length: WRITERS }, write))
    expect(receiver.state.requests).toBe(0)
    const before = memoryOf(server.pid)
    const enabledAt = performance.now()
    expect(await ask("POST", `/webhooks/${id}/enable`)).toMatchObject({ status: "active" })
    await vi.waitUntil(() => receiver.state.taken >= BACKLOG, { timeout: 60_000 + BACKLOG * 20, interval: 20 })
    const seconds = (receiver.state.lastAt - enabledAt) / 1000
    const after = memoryOf(server.pid)
    console.log(
      `${BACKLOG} events in ${seconds.toFixed(1)} s; memory ${before.now} MB before, ${after.now} MB after, at most ${before.most} MB and ${after.most} MB`
    )
    const events = await eventsOf(server.url)
    expect(receiver.wrong).toEqual([])
    expect(new Set(receiver.ids.keys())).toEqual(new Set(events.map(({ id }) => id)))
    await vi.waitUntil(async () => (await ask("GET", `/webhooks/${id}`)).lag === 0, { timeout: 60_000 })
  },
  120_000 + BACKLOG * 60
)
