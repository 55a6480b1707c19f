/** Whether a page, a question or a use costs more where there are many temp keys, and what keys take of memory. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Benchmark, Bound, Figure } from "../benchmark.ts"
import { type Keys, QUESTIONS, type TempKeysJob } from "../children/tempKeys.ts"
import { timeFixedWork, timeSync } from "../machine.ts"
import { Child } from "../processes.ts"
import type { Sample } from "../statistics.ts"

const STORES = [
  { name: "a hundred", keys: { locks: 1, own: 100, shared: 100 } },
  { name: "5,000 a lock, 100,000 in all", keys: { locks: 10, own: 5_000, shared: 50_000 } }
] as const
const SMALL: ReadonlyArray<Keys> = [
  { locks: 1, own: 20, shared: 20 },
  { locks: 2, own: 100, shared: 200 }
]
/** What reads the whole history of the lock, which has an event for each of its keys at least. */
const BY_HISTORY = "explain a temp key"

export const tempKeys: Benchmark = {
  name: "temp-keys",
  title: "A lock with 5,000 temp keys in an organization with 100,000, beside one with a hundred: 1 caller, no HTTP",
  run: async ({ rounds, smoke, folder }) => {
    await using child = await Child.start<TempKeysJob, ReadonlyArray<Sample> | number>(
      new URL("../children/tempKeys.ts", import.meta.url),
      { flags: ["--expose-gc"] }
    )
    const taken: Array<number> = []
    for (const [index, { name, keys }] of STORES.entries()) {
      const own = join(folder, name.replaceAll(/\W+/g, "-"))
      mkdirSync(own)
      taken.push(Number(await child.ask({ op: "open", folder: own, ...(smoke ? (SMALL[index] ?? keys) : keys) })))
    }
    const count = smoke ? 20 : 200
    const ask = async (question: (typeof QUESTIONS)[number]) =>
      (await child.ask({ op: "ask", question, count })) as ReadonlyArray<Sample>
    const asked = new Map(QUESTIONS.map((question) => [question, figuresOf(question)]))
    for (const question of QUESTIONS) await ask(question)
    for (let round = 0; round < rounds; round++) {
      for (const [question, figures] of asked) {
        const [machine, sync] = [timeFixedWork(), timeSync(folder)]
        const samples = await ask(question)
        for (const [index, figure] of figures.entries()) {
          const sample = samples[index]
          if (sample !== undefined) figure.samples.push(sample)
          figure.machine.push(machine)
          figure.syncs.push(sync)
        }
      }
    }
    const [few = 0, many = 0] = taken
    const more = STORES[1].keys.shared - STORES[0].keys.shared
    return {
      figures: Array.from(asked.values()).flat(),
      bounds: Array.from(asked).flatMap(([question, figures]) =>
        question === BY_HISTORY ? [] : [notDearer(question, figures)]
      ),
      notes: [
        `"${BY_HISTORY}" reads the lock's whole history, which has an event for each key and for each use that was measured, and has no bound.`,
        smoke
          ? "Memory is not judged."
          : `A key to several doors takes ${((many - few) / more / 1000).toFixed(2)} kB of every server's memory: ${(many / 1e6).toFixed(1)} MB for ${STORES[1].keys.shared.toLocaleString("en")} with one door each.`
      ]
    }
  }
}

const figuresOf = (question: string): ReadonlyArray<Mutable> =>
  STORES.map(({ name }) => ({ subject: `${question}: ${name}`, samples: [], machine: [], syncs: [] }))

interface Mutable extends Figure {
  readonly samples: Array<Sample>
  readonly machine: Array<number>
  readonly syncs: Array<number>
}

/** The median time with many keys, beside that with few. */
const notDearer = (what: string, [few, many]: ReadonlyArray<Figure>): Bound => ({
  what: `${what}, beside a hundred`,
  values: (many?.samples ?? []).map(({ p50 }, round) => p50 / (few?.samples[round]?.p50 ?? Number.NaN)),
  unit: "x",
  required: { atMost: 1.5 }
})
