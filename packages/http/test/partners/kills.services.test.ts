/**
 * SIGKILL of the server under load, again and again, while a partner's receiver fails at random: every event is delivered,
 * per lock in order, under the same id however often. `PARTNER_SEED` and `PARTNER_KILLS` make it as long as one likes.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { randomOf } from "@latchkey/simulator"
import { expect, it, vi } from "vitest"
import { between, oneOf } from "../campaign/chance.ts"
import { organization } from "../harness/callers.ts"
import { createLock, lockAt } from "../harness/locks.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { eventsOf, startNotingReceiver } from "./notingReceiver.ts"

const SEED = Number(process.env["PARTNER_SEED"] ?? Date.now() % 1_000_000)
const KILLS = Number(process.env["PARTNER_KILLS"] ?? 1)
/** Enough that most are told of while some wait behind an event that has failed twice: for five minutes, as published. */
const LOCKS = 100
const WRITERS = 8
const DAY = 86_400_000
/** Milliseconds that a condition may take to come true: a kill and what follows it has taken over a minute on a machine with much else to do. */
const PATIENCE = 300_000
const CLOCK = new URL("../campaign/shiftedClock.ts", import.meta.url).href

it(
  `every event is delivered, in order per lock, through ${KILLS} kills (seed ${SEED})`,
  async () => {
    const chance = (...names: ReadonlyArray<string | number>) => randomOf(SEED, ...names)
    using folder = temporaryFolder()
    await using receiver = await startNotingReceiver({ chance: chance("receiver"), failing: 0.04 })
    const { state } = receiver
    const clockFile = join(folder.path, "clock")
    writeFileSync(clockFile, "0")
    const environment = {
      ...configured(folder.path),
      HOST: "127.0.0.1",
      LATCHKEY_BUDGET_ORGANIZATION: "off",
      LATCHKEY_BUDGET_ORGANIZATION_KB: "off",
      NODE_OPTIONS: `--import=${CLOCK}`,
      CLOCK_FILE: clockFile
    }
    let server = await startServer(environment)
    await using stack = new AsyncDisposableStack()
    stack.defer(() => server.kill())
    const ask = (method: string, path: string, body?: unknown) =>
      callsOf(server.url, organization)(method, path, body === undefined ? {} : { body })
    const { text } = await ask("POST", "/webhooks", { url: receiver.url })
    const { id }: { readonly id: string } = JSON.parse(text)
    const locks = await Promise.all(Array.from({ length: LOCKS }, () => createLock(server.url)))

    let isOver = false
    let answered = 0
    const load = Array.from({ length: WRITERS }, async (_, writer) => {
      const own = chance("writer", writer)
      for (let turn = 0; !isOver; turn++) {
        const lock = oneOf(own, locks) ?? expect.fail("no lock")
        const asked = lockAt(server.url, lock.lockId, lock.uuid).post("SetOwner", { userId: `user-${writer}-${turn}` })
        if ((await asked.catch(() => undefined))?.status === 200) answered++
        await sleep(between(own, 20, 120))
      }
    })
    const faults = chance("faults")
    const pauses: Array<number> = []
    for (let n = 0; n < KILLS; n++) {
      const [before, more] = [state.taken, between(faults, 20, 400)]
      await vi.waitUntil(() => state.taken > before + more, { timeout: PATIENCE, interval: 5 })
      state.isDown = faults() < 0.3
      await sleep(state.isDown ? between(faults, 50, 1_500) : between(faults, 0, 30))
      await server.kill()
      state.isDown = false
      const [killedAt, requests] = [performance.now(), state.requests]
      server = await startServer(environment)
      await vi.waitUntil(() => state.requests > requests, { timeout: PATIENCE, interval: 5 })
      pauses.push(performance.now() - killedAt)
    }
    isOver = true
    await Promise.all(load)
    state.failing = 0

    const events = await eventsOf(server.url)
    const waiting = () => events.filter(({ lockId, version }) => version > receiver.upTo(lockId))
    // What gathered while a lock waited comes one after the other. Then whatever waits does so behind an event that failed twice or more, for the five minutes or longer that are published.
    const isStuck = () => waiting().some(({ lockId }) => receiver.failuresOf(lockId, receiver.upTo(lockId) + 1) < 2)
    await vi.waitUntil(() => !isStuck(), { timeout: PATIENCE, interval: 50 })
    const waited = waiting().length
    // Four days later all of those are due, without anybody's help.
    server.signal("SIGTERM")
    await server.ended
    writeFileSync(clockFile, String(4 * DAY))
    server = await startServer(environment)
    await vi.waitUntil(() => waiting().length === 0, { timeout: PATIENCE, interval: 50 })
    await vi.waitUntil(async () => JSON.parse((await ask("GET", `/webhooks/${id}`)).text).lag === 0, {
      timeout: PATIENCE
    })

    const { requests, taken, again, failed } = state
    const [least = 0, most = 0] = [Math.min(...pauses), Math.max(...pauses)].map((ms) => (ms / 1000).toFixed(1))
    console.log(
      `seed ${SEED}: ${KILLS} kills, ${answered} commands, ${events.length} events, ${requests} requests: ${taken} taken, ${failed} failed, ${again} taken once more; ${waited} waited behind failures; deliveries paused for ${least} to ${most} s`
    )
    expect(receiver.wrong).toEqual([])
    expect(new Set(events.map(({ id }) => id))).toEqual(new Set(receiver.ids.keys()))
    expect(events.length).toBeGreaterThanOrEqual(answered)
    // No more than what was under way at a kill, or answered and not written down.
    expect(again).toBeLessThanOrEqual(16 * (KILLS + 1))
  },
  (KILLS + 4) * PATIENCE
)
