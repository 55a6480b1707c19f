/** Rounds: each measures every subject once, in an order drawn anew, so that what drifts favours none of them. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Figure, Run } from "./benchmark.ts"
import { timeFixedWork, timeSync } from "./machine.ts"
import type { Sample } from "./statistics.ts"

export interface Subject {
  readonly name: string
  /** Load before the first round. */
  readonly warmUp?: (seconds: number) => Promise<unknown>
  readonly measure: (seconds: number) => Promise<Sample>
}

/** The figures of subjects that live as long as the run, in their order. */
export const measure = async <const Subjects extends ReadonlyArray<Subject>>(
  { rounds, seconds, warmUp, folder }: Run,
  subjects: Subjects
): Promise<FiguresOf<Subjects>> => {
  const figures = subjects.map(({ name }) => ({
    subject: name,
    samples: [] as Array<Sample>,
    machine: [] as Array<number>,
    syncs: [] as Array<number>
  }))
  for (const subject of subjects) await subject.warmUp?.(warmUp)
  for (let round = 0; round < rounds; round++) {
    for (const index of shuffled(subjects.length)) {
      const machine = timeFixedWork()
      const sync = timeSync(folder)
      const sample = await subjects[index]?.measure(seconds)
      if (sample !== undefined) figures[index]?.samples.push(sample)
      figures[index]?.machine.push(machine)
      figures[index]?.syncs.push(sync)
    }
  }
  return figures as FiguresOf<Subjects>
}

/**
 * Measures subjects in fresh processes and a fresh folder each round: identical servers can differ by a third for as long
 * as they run.
 */
export const measureFresh = async <const Subjects extends ReadonlyArray<Subject>>(
  run: Run,
  open: (round: Run, started: AsyncDisposableStack) => Promise<Subjects>
): Promise<FiguresOf<Subjects>> => {
  const rounds: Array<ReadonlyArray<Figure>> = []
  for (let round = 1; round <= run.rounds; round++) {
    await using started = new AsyncDisposableStack()
    const folder = join(run.folder, `round-${round}`)
    mkdirSync(folder)
    const own = { ...run, folder, rounds: 1 }
    rounds.push(await measure(own, await open(own, started)))
  }
  const together = (rounds[0] ?? []).map(({ subject }, index): Figure => {
    const of = rounds.flatMap((figures) => figures[index] ?? [])
    return {
      subject,
      samples: of.flatMap(({ samples }) => samples),
      machine: of.flatMap(({ machine }) => machine),
      syncs: of.flatMap(({ syncs }) => syncs)
    }
  })
  return together as FiguresOf<Subjects>
}

type FiguresOf<Subjects> = { readonly [I in keyof Subjects]: Figure }

const shuffled = (length: number): ReadonlyArray<number> => {
  const order = Array.from({ length }, (_, index) => index)
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const [a = 0, b = 0] = [order[i], order[j]]
    order[i] = b
    order[j] = a
  }
  return order
}
