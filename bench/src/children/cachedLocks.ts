/** Reads locks into memory, and says how much of it they take. */
import "effect/schema/SchemaJITCompiler/enable"
import { Latchkey, LockQueries } from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { lockIds } from "../locks.ts"
import { type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Caching {
  readonly folder: string
  readonly locks: number
}

export interface Cached {
  /** Reading one lock after the other. */
  readonly sample: Sample
  /** How much more there is than before, in MB (10^6 bytes): live objects, and what the system has given the process. */
  readonly heap: number
  readonly resident: number
}

const memory = () => {
  for (let n = 0; n < 3; n++) globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, resident: rss }
}

const cache = Effect.fnUntraced(function* ({ locks }: Caching) {
  const queries = yield* LockQueries
  const latencies = new Float64Array(locks)
  const read = Effect.fnUntraced(function* (lockId: number) {
    const begun = performance.now()
    yield* queries.lock({ _tag: "System" }, lockId, "details")
    latencies[lockId - 1] = performance.now() - begun
  })
  const before = memory()
  yield* Effect.forEach(lockIds(locks), read, { discard: true })
  const after = memory()
  // Still in memory: none of them had to make room.
  yield* queries.lock({ _tag: "System" }, 1, "details")
  return {
    sample: sampleOf(locks, latencies.reduce((sum, ms) => sum + ms, 0) / 1000, latencies),
    heap: (after.heap - before.heap) / 1e6,
    resident: (after.resident - before.resident) / 1e6
  }
})

answerJobs(
  (job: Caching): Promise<Cached> =>
    Effect.runPromise(
      cache(job).pipe(
        Effect.provide(
          Layer.provideMerge(
            Layer.provideMerge(Latchkey.workers, Latchkey.layer({ cachedLocks: job.locks })),
            Layer.merge(Sqlite.layer({ folder: job.folder }), MemoryDeviceShadow.layer)
          )
        )
      )
    )
)
