/** Whether the length of a stream matters: to a command on a lock in memory, and to a lock that must be read first. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { SNAPSHOT_EVERY } from "@latchkey/core"
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
    await using cold = await opened(run, { store: "sqlite", cachedLocks: 1, tail: 0 })
    await using coldest = await opened(run, { store: "sqlite", cachedLocks: 1, tail: SNAPSHOT_EVERY - 1 })
    const [onSqlite, onSqliteLong, inMemory, inMemoryLong, short, long, afterTail] = await measure(run, [
      ...pair("command on SQLite", run, sqlite, "command", 1000),
      ...pair("command in memory", run, memory, "command", 10_000),
      ...pair("cold load from SQLite", run, cold, "coldLoad", 500),
      timed(`cold load, ${SNAPSHOT_EVERY - 1} events after its snapshot`, run, coldest, {
        op: "coldLoad",
        on: "long",
        count: 500
      })
    ])
    return {
      figures: [onSqlite, onSqliteLong, inMemory, inMemoryLong, short, long, afterTail],
      bounds: [
        notSlower("command on SQLite", onSqlite, onSqliteLong),
        notSlower("command in memory", inMemory, inMemoryLong),
        notSlower("cold load at a snapshot", short, long)
      ],
      notes: [
        `A cold load reads the last snapshot and what came after it, ${SNAPSHOT_EVERY - 1} events at most: the last figure is that most.`
      ]
    }
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

const timed = (
  name: string,
  { smoke }: Run,
  child: Child<StreamJob, Sample>,
  job: Exclude<StreamJob, { readonly op: "open" }>
): Subject => {
  const times = () => child.ask({ ...job, count: smoke ? job.count / 10 : job.count })
  return { name, warmUp: times, measure: times }
}

const pair = (
  name: string,
  run: Run,
  child: Child<StreamJob, Sample>,
  op: "command" | "coldLoad",
  count: number
): readonly [short: Subject, long: Subject] => [
  timed(`${name}: short stream`, run, child, { op, on: "short", count }),
  timed(`${name}: long stream`, run, child, { op, on: "long", count })
]

/** The median time of one operation on the long stream, beside that on short ones. */
const notSlower = (what: string, short: Figure, long: Figure): Bound => ({
  what: `${what}, long beside short`,
  values: long.samples.map(({ p50 }, round) => p50 / (short.samples[round]?.p50 ?? Number.NaN)),
  unit: "x",
  required: { atMost: 1.2 }
})
