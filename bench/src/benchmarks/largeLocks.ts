/** Whether what a lock has gathered over the years slows it down: one caller, and the server's own clock. */
import { join } from "node:path"
import type { Benchmark, Bound } from "../benchmark.ts"
import { startLatchkey } from "../latchkeyServer.ts"
import { get, post, startGenerator, underLoad } from "../load.ts"
import { newLock, newTempKey, tempKeyUuid } from "../locks.ts"
import { measure, type Subject } from "../rounds.ts"
import { scrape, type Times } from "../serverTime.ts"

/** The lock with many temp keys, and the lock whose one temp key is used again and again. */
const MANY = 1
const WORN = 2

export const largeLocks: Benchmark = {
  name: "large-locks",
  title: "A lock with 5,000 temp keys, and a temp key used 10,000 times: 1 caller",
  run: async (run) => {
    const [keys, uses] = run.smoke ? [50, 100] : [5_000, 10_000]
    await using generator = await startGenerator()
    await using server = await startLatchkey(join(run.folder, "latchkey"))
    const once = (requests: ReadonlyArray<string>) => generator.ask({ port: server.port, cycles: [requests] })
    const use = (lock: number) => post(`/locks/${lock}/use-temp-key`, { tempKeyUuid: tempKeyUuid(lock) })
    await once([MANY, WORN].map((lock) => post(`/locks/${lock}/CreateLock`, newLock(lock))))
    await once(Array.from({ length: keys }, (_, n) => post(`/locks/${MANY}/create-temp-key`, newTempKey(MANY, n))))
    await once([
      post(`/locks/${WORN}/create-temp-key`, newTempKey(WORN)),
      ...Array.from({ length: uses }, () => use(WORN))
    ])

    const times = new Map<string, Array<Times>>()
    const subject = (name: string, route: string, request: string): Subject => {
      const { warmUp, measure } = underLoad(name, generator, server, () => [[request]])
      return {
        name,
        ...(warmUp === undefined ? {} : { warmUp }),
        measure: async (seconds) => {
          const before = await scrape(server, route)
          const sample = await measure(seconds)
          const after = await scrape(server, route)
          times.set(name, [...(times.get(name) ?? []), after.since(before)])
          return sample
        }
      }
    }
    const locks = [
      { lock: MANY, of: "of 5,000 temp keys" },
      { lock: WORN, of: "used 10,000 times" }
    ]
    const figures = await measure(run, [
      subject("list 5,000 temp keys", "/locks/:id/temp-keys", get(`/locks/${MANY}/temp-keys`)),
      ...locks.map(({ lock, of }) => subject(`use one ${of}`, "/locks/:id/use-temp-key", use(lock)))
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
