/** What a benchmark is, and what it hands back to be printed and judged. */
import { median, type Sample } from "./statistics.ts"

export interface Benchmark {
  /** As on the command line. */
  readonly name: string
  readonly title: string
  readonly run: (run: Run) => Promise<Outcome>
}

/** How long and how often everything is measured. */
export interface Run {
  readonly rounds: number
  /** Seconds that one round of one subject takes. */
  readonly seconds: number
  /** Seconds of load before the first round of a subject. */
  readonly warmUp: number
  /** Only to show that everything runs: fewer locks, shorter streams. */
  readonly smoke: boolean
  /** An empty folder on the disk that is measured, deleted afterwards. */
  readonly folder: string
}

export interface Outcome {
  readonly figures: ReadonlyArray<Figure>
  readonly bounds: ReadonlyArray<Bound>
  /** What was checked or left out, in sentences. */
  readonly notes: ReadonlyArray<string>
}

/**
 * One subject: a sample a round, and how long the machine took before each of them for the same fixed work, and for a
 * write of 4 KB to the disk, in milliseconds.
 */
export interface Figure {
  readonly subject: string
  readonly samples: ReadonlyArray<Sample>
  readonly machine: ReadonlyArray<number>
  readonly syncs: ReadonlyArray<number>
}

/** Something that must hold: `values` has one entry a round, and their median is judged. */
export interface Bound {
  readonly what: string
  readonly values: ReadonlyArray<number>
  readonly unit: string
  readonly required: { readonly atLeast: number } | { readonly atMost: number }
}

/** A bound on how many times as fast `subject` is as `floor`, paired by round: what disturbs a round disturbs both. */
export const ratioBound = (what: string, subject: Figure, floor: Figure, atLeast: number): Bound => ({
  what,
  values: ratios(subject, floor),
  unit: "x",
  required: { atLeast }
})

/** The same ratio in a sentence, where it is not judged. */
export const ratioNote = (subject: Figure, other: Figure): string => {
  const values = ratios(subject, other)
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)].map((n) => n.toFixed(2))
  return `${subject.subject} reaches ${middle}x of ${other.subject} (rounds: ${least} to ${most}).`
}

const ratios = (subject: Figure, other: Figure): ReadonlyArray<number> =>
  subject.samples.map(({ perSecond }, round) => perSecond / (other.samples[round]?.perSecond ?? Number.NaN))

export const rateBound = (what: string, { samples }: Figure, atLeast: number): Bound => ({
  what,
  values: samples.map(({ perSecond }) => perSecond),
  unit: "/s",
  required: { atLeast }
})
