/** What a list of measurements says: medians, percentiles and how far the rounds lie apart. */

/** One round of one subject. Times are milliseconds. */
export interface Sample {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

/** Everything after that many samples is not kept: enough for percentiles, and it bounds the memory of a run. */
export const MAX_LATENCIES = 1_000_000

/** `count` operations in `seconds`; `latencies` in milliseconds. */
export const sampleOf = (count: number, seconds: number, latencies: Float64Array): Sample => {
  const sorted = latencies.toSorted()
  return { perSecond: count / seconds, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}

export const median = (values: ReadonlyArray<number>): number => quantile(Float64Array.from(values).sort(), 0.5)

/** Half the distance from the least to the greatest, as a part of the median. */
export const spread = (values: ReadonlyArray<number>): number =>
  (Math.max(...values) - Math.min(...values)) / 2 / median(values)

const quantile = (sorted: Float64Array, q: number): number => {
  const at = (sorted.length - 1) * q
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}
