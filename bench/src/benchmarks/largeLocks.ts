/** Whether what a lock has gathered over the years slows it down: one caller, and the server's own clock. */
import { join } from "node:path"
import type { Benchmark, Bound } from "../benchmark.ts"
import type { Opening } from "../children/fleet.ts"
import { startLatchkey } from "../latchkeyServer.ts"
import { get, post, startGenerator, underLoad } from "../load.ts"
import { lockUuid, newLock, newTempKey, tempKeyUuid } from "../locks.ts"
import { Child, freePort } from "../processes.ts"
import { measure, type Subject } from "../rounds.ts"
import { scrape, type Times } from "../serverTime.ts"
import type { Sample } from "../statistics.ts"

/** The lock with many temp keys, and the lock whose one temp key is used again and again. */
const MANY = 1
const WORN = 2

const fleet = new URL("../children/fleet.ts", import.meta.url)

export const largeLocks: Benchmark = {
  name: "large-locks",
  title: "A lock with 5,000 temp keys, and a temp key used 10,000 times: 1 caller",
  run: async (run) => {
    const [keys, uses] = run.smoke ? [50, 100] : [5_000, 10_000]
    await using generator = await startGenerator()
    const mqttPort = await freePort()
    await using server = await startLatchkey(join(run.folder, "latchkey"), { LATCHKEY_MQTT_PORT: String(mqttPort) })
    await using manyKeys = await Child.start<Opening, Sample>(fleet)
    await using oneKey = await Child.start<Opening, Sample>(fleet)
    const once = (requests: ReadonlyArray<string>) => generator.ask({ ports: [server.port], cycles: [requests] })
    const use = (lock: number) => post(`/locks/${lock}/use-temp-key`, { tempKeyUuid: tempKeyUuid(lock) })
    await once([MANY, WORN].map((lock) => post(`/locks/${lock}/CreateLock`, newLock(lock))))
    await once(Array.from({ length: keys }, (_, n) => post(`/locks/${MANY}/create-temp-key`, newTempKey(MANY, n))))
    await once([
      post(`/locks/${WORN}/create-temp-key`, newTempKey(WORN)),
      ...Array.from({ length: uses }, () => use(WORN))
    ])

    const times = new Map<string, Array<Times>>()
    const timed = (name: string, route: string, load: (seconds: number) => Promise<Sample>): Subject => ({
      name,
      warmUp: load,
      measure: async (seconds) => {
        const before = await scrape(server, route)
        const sample = await load(seconds)
        const after = await scrape(server, route)
        times.set(name, [...(times.get(name) ?? []), after.since(before)])
        return sample
      }
    })
    const subject = (name: string, route: string, request: string): Subject =>
      timed(name, route, underLoad(name, generator, server, () => [[request]]).measure)
    /** One after the other, each when the lock has opened: commands that wait for their lock would fill its shadow. */
    const opens = (name: string, lock: number, locks: Child<Opening, Sample>): Subject => {
      const doors = [{ thing: lockUuid(lock), path: `/temp-keys/${tempKeyUuid(lock)}/open` }]
      return timed(name, "/temp-keys/:uuid/open", (seconds) =>
        locks.ask({ port: server.port, mqttPort, doors, callers: 1, seconds })
      )
    }
    const figures = await measure(run, [
      subject("list 5,000 temp keys", "/locks/:id/temp-keys", get(`/locks/${MANY}/temp-keys`)),
      subject("use one of 5,000 temp keys", "/locks/:id/use-temp-key", use(MANY)),
      subject("use one used 10,000 times", "/locks/:id/use-temp-key", use(WORN)),
      opens("open with one of 5,000 temp keys", MANY, manyKeys),
      opens("open with one used 10,000 times", WORN, oneKey)
    ])
    return {
      figures,
      bounds: Array.from(
        times,
        ([what, rounds]): Bound => ({
          what: `${what}: mean time in the server`,
          values: rounds.map(({ mean }) => mean),
          unit: "ms",
          required: { atMost: 5 }
        })
      ),
      notes: [`Answered within 5 ms of server time, in the worst round: ${Array.from(times, worstShare).join("; ")}.`]
    }
  }
}

const worstShare = ([what, rounds]: readonly [string, ReadonlyArray<Times>]): string =>
  `${what} ${(100 * Math.min(...rounds.map(({ within5ms }) => within5ms))).toFixed(1)} %`
