/** Whether the length of a stream matters: to a command on a lock in memory, and to a lock that must be read first. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Benchmark, Bound, Figure, Run } from "../benchmark.ts"
import type { StreamJob } from "../children/longStream.ts"
import { Child } from "../processes.ts"
import { measure, type Subject } from "../rounds.ts"
import type { Sample } from "../statistics.ts"

const SHORT = 10
const LONG = 100_000

export const longStream: Benchmark = {
  name: "long-stream",
  title: "A stream of 100,000 events beside streams of ten, 1 caller",
  run: async (run) => {
    await using sqlite = await opened(run, { store: "sqlite", cachedLocks: 10_000, tail: 0 })
    await using memory = await opened(run, { store: "memory", cachedLocks: 10_000, tail: 0 })
    await using coldFull = await opened(run, { store: "sqlite", cachedLocks: 1, tail: 499 })
    await using coldHalf = await opened(run, { store: "sqlite", cachedLocks: 1, tail: 250 })
    await using coldNone = await opened(run, { store: "sqlite", cachedLocks: 1, tail: 0 })
    const figures = await measure(run, [
      ...pair("command, SQLite", run, sqlite, "command", 1000),
      ...pair("command, in memory", run, memory, "command", 10_000),
      ...pair("cold load, tail 499", run, coldFull, "coldLoad", 500),
      ...pair("cold load, tail 250", run, coldHalf, "coldLoad", 500),
      ...pair("cold load, tail 0", run, coldNone, "coldLoad", 500)
    ])
    return { figures, bounds: pairs(figures).map(([short, long]) => notSlower(short, long)), notes: [] }
  }
}

const opened = async (
  { folder, smoke }: Run,
  options: Pick<Extract<StreamJob, { readonly op: "open" }>, "store" | "cachedLocks" | "tail">
) => {
  const own = join(folder, `${options.store}-${options.cachedLocks}-${options.tail}`)
  mkdirSync(own)
  const child = await Child.start<StreamJob, Sample>(new URL("../children/longStream.ts", import.meta.url))
  await child.ask({ op: "open", folder: own, short: SHORT, long: smoke ? LONG / 20 : LONG, ...options })
  return child
}

const pair = (
  name: string,
  { smoke }: Run,
  child: Child<StreamJob, Sample>,
  op: "command" | "coldLoad",
  count: number
) =>
  (["short", "long"] as const).map((on): Subject => {
    const times = () => child.ask({ op, on, count: smoke ? count / 10 : count })
    return { name: `${name}: ${on} stream`, warmUp: times, measure: times }
  })

const pairs = (figures: ReadonlyArray<Figure>): ReadonlyArray<readonly [Figure, Figure]> =>
  figures.flatMap((short, index) => {
    const long = figures[index + 1]
    return index % 2 === 0 && long !== undefined ? [[short, long] as const] : []
  })

/** The median time of one operation on the long stream, beside that on short ones. */
const notSlower = (short: Figure, long: Figure): Bound => ({
  what: `${long.subject}, beside short ones`,
  values: long.samples.map(({ p50 }, round) => p50 / (short.samples[round]?.p50 ?? Number.NaN)),
  unit: "x",
  required: { atMost: 1.2 }
})
