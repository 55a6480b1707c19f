/** Whether a page of a list of locks costs more where there are many locks. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Benchmark, Bound, Figure } from "../benchmark.ts"
import { LISTS_QUESTIONS, type ListsJob } from "../children/lists.ts"
import { timeFixedWork, timeSync } from "../machine.ts"
import { Child } from "../processes.ts"
import type { Sample } from "../statistics.ts"

const LOCKS = [1_000, 100_000]
/** Enough for a page of each kind. */
const SMALL = [1_000, 2_000]

export const lists: Benchmark = {
  name: "lists",
  title: "Pages of lists of 100,000 locks, beside those of a thousand: 1 caller, no HTTP",
  run: async ({ rounds, smoke, folder }) => {
    await using child = await Child.start<ListsJob, ReadonlyArray<Sample>>(
      new URL("../children/lists.ts", import.meta.url)
    )
    const sizes = smoke ? SMALL : LOCKS
    for (const locks of sizes) {
      const own = join(folder, String(locks))
      mkdirSync(own)
      await child.ask({ op: "open", folder: own, locks })
    }
    const count = smoke ? 20 : 200
    const asked = LISTS_QUESTIONS.map((question) => ({
      question,
      figures: sizes.map(
        (locks): Mutable => ({
          subject: `${question}: ${locks.toLocaleString("en")}`,
          samples: [],
          machine: [],
          syncs: []
        })
      )
    }))
    for (const question of LISTS_QUESTIONS) await child.ask({ op: "ask", question, count })
    for (let round = 0; round < rounds; round++) {
      for (const { question, figures } of asked) {
        const [machine, sync] = [timeFixedWork(), timeSync(folder)]
        const samples = await child.ask({ op: "ask", question, count })
        for (const [index, figure] of figures.entries()) {
          const sample = samples[index]
          if (sample !== undefined) figure.samples.push(sample)
          figure.machine.push(machine)
          figure.syncs.push(sync)
        }
      }
    }
    return {
      figures: asked.flatMap(({ figures }) => figures),
      bounds: asked.map(({ question, figures }) => notDearer(question, figures)),
      notes: ["Every answer holds as many locks as it must; a page of a search that a filter thins out may end early."]
    }
  }
}

interface Mutable extends Figure {
  readonly samples: Array<Sample>
  readonly machine: Array<number>
  readonly syncs: Array<number>
}

/** The median time with many locks, beside that with few. */
const notDearer = (what: string, [few, many]: ReadonlyArray<Figure>): Bound => ({
  what: `${what}, beside a thousand`,
  values: (many?.samples ?? []).map(({ p50 }, round) => p50 / (few?.samples[round]?.p50 ?? Number.NaN)),
  unit: "x",
  required: { atMost: 1.5 }
})
