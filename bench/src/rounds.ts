/** Rounds: each measures every subject once, in an order drawn anew, so that what drifts favours none of them. */
import type { Figure, Run } from "./benchmark.ts"
import { timeFixedWork } from "./machine.ts"
import type { Sample } from "./statistics.ts"

export interface Subject {
  readonly name: string
  /** Load before the first round. */
  readonly warmUp?: (seconds: number) => Promise<unknown>
  readonly measure: (seconds: number) => Promise<Sample>
}

/** The figures of the subjects, in their order. */
export const measure = async <const Subjects extends ReadonlyArray<Subject>>(
  { rounds, seconds, warmUp }: Run,
  subjects: Subjects
): Promise<{ readonly [I in keyof Subjects]: Figure }> => {
  const figures = subjects.map(({ name }) => ({
    subject: name,
    samples: [] as Array<Sample>,
    machine: [] as Array<number>
  }))
  for (const subject of subjects) await subject.warmUp?.(warmUp)
  for (let round = 0; round < rounds; round++) {
    for (const index of shuffled(subjects.length)) {
      const machine = timeFixedWork()
      const sample = await subjects[index]?.measure(seconds)
      if (sample !== undefined) figures[index]?.samples.push(sample)
      figures[index]?.machine.push(machine)
    }
  }
  return figures as { readonly [I in keyof Subjects]: Figure }
}

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
