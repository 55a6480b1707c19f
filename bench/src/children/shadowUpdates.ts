/** Updates of shadows inside another program: callers that each make one after the other, every one durable. */
import { LocalShadow } from "@latchkey/local-shadow"
import { Effect } from "effect"
import { MAX_LATENCIES, type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Updating {
  readonly folder: string
  readonly things: number
  readonly callers: number
  readonly warmUp: number
  readonly seconds: number
}

const update = Effect.fnUntraced(function* ({ things, callers, warmUp, seconds }: Updating) {
  const shadows = yield* LocalShadow
  const latencies = new Float64Array(MAX_LATENCIES)
  let timed = 0
  const begin = performance.now() + warmUp * 1000
  const end = begin + seconds * 1000
  const caller = Effect.fnUntraced(function* (first: number) {
    for (let n = first; ; n += callers) {
      const asked = performance.now()
      if (asked >= end) return
      yield* shadows.update(`thing-${n % things}`, { state: { reported: { battery: n % 100, n } } })
      const now = performance.now()
      if (asked < begin || now > end) continue
      latencies[timed % MAX_LATENCIES] = now - asked
      timed++
    }
  })
  yield* Effect.forEach(
    Array.from({ length: callers }, (_, first) => first),
    caller,
    { concurrency: "unbounded", discard: true }
  )
  return sampleOf(timed, seconds, latencies.subarray(0, Math.min(timed, MAX_LATENCIES)))
})

answerJobs(
  (job: Updating): Promise<Sample> =>
    Effect.runPromise(update(job).pipe(Effect.provide(LocalShadow.layer({ folder: job.folder }))))
)
