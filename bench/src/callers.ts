/** Callers within one process, each of whom asks for one thing after the other. */
import { Effect } from "effect"
import { MAX_LATENCIES, type Sample, sampleOf } from "./statistics.ts"

export interface Calling {
  readonly callers: number
  /** Seconds of calls before those that count. */
  readonly warmUp: number
  readonly seconds: number
}

/** Notes the calls that fall into the measured time. */
export const stopwatch = ({ warmUp, seconds }: Calling) => {
  const latencies = new Float64Array(MAX_LATENCIES)
  let timed = 0
  const begin = performance.now() + warmUp * 1000
  const end = begin + seconds * 1000
  return {
    end,
    /** A call that was begun at `asked`, in milliseconds of `performance`, has been answered; returns the time. */
    note: (asked: number): number => {
      const now = performance.now()
      if (asked >= begin && now <= end) latencies[timed++ % MAX_LATENCIES] = now - asked
      return now
    },
    sample: (): Sample => sampleOf(timed, seconds, latencies.subarray(0, Math.min(timed, MAX_LATENCIES)))
  }
}

/** Has every call of all callers made with a number of its own, from 0 on, until the time is over. */
export const callAtOnce = Effect.fnUntraced(function* <E, R>(
  calling: Calling,
  ask: (n: number) => Effect.Effect<unknown, E, R>
) {
  const { end, note, sample } = stopwatch(calling)
  const caller = Effect.fnUntraced(function* (first: number) {
    let asked = performance.now()
    for (let n = first; asked < end; n += calling.callers) {
      yield* ask(n)
      asked = note(asked)
    }
  })
  yield* Effect.forEach(
    Array.from({ length: calling.callers }, (_, first) => first),
    caller,
    { concurrency: "unbounded", discard: true }
  )
  return sample()
})
