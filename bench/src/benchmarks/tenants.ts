/** Whether one tenant's questions cost by what others have: the same ones, in a store of its own and in one of fifty. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Benchmark, Bound, Figure, Run } from "../benchmark.ts"
import { QUESTIONS, type TenantsJob } from "../children/tenants.ts"
import { timeFixedWork, timeSync } from "../machine.ts"
import { Child } from "../processes.ts"
import type { Sample } from "../statistics.ts"

const TENANTS = 50
/** How often each question is asked in a round. */
const ASKED = 100

export const tenants: Benchmark = {
  name: "tenants",
  title: "One tenant's questions, alone and beside 49 others with a million events, 1 caller",
  run: async (run) => {
    const { rounds, smoke } = run
    const child = await Child.start<TenantsJob, ReadonlyArray<Sample> | number>(
      new URL("../children/tenants.ts", import.meta.url)
    )
    await using _ = child
    const alone = await open(child, run, 1)
    const all = await open(child, run, smoke ? 3 : TENANTS)
    const count = smoke ? 20 : ASKED
    const ask = async (job: Exclude<TenantsJob, { readonly op: "open" }>) =>
      (await child.ask(job)) as ReadonlyArray<Sample>

    const pairs = new Map(
      QUESTIONS.map((question) => [question, [figure(question, "alone"), figure(question, "among others")]])
    )
    const turns = figure("a turn of the loop while a history of 100,000 events is explained")
    for (const question of QUESTIONS) await ask({ op: "ask", question, count })
    for (let round = 0; round < rounds; round++) {
      for (const [question, figures] of pairs) add(run.folder, figures, await ask({ op: "ask", question, count }))
      add(run.folder, [turns], await ask({ op: "stall" }))
    }
    return {
      figures: [...Array.from(pairs.values()).flat(), turns],
      bounds: [
        ...Array.from(pairs, ([question, figures]) => notSlower(question, figures)),
        {
          what: "99 of 100 turns meanwhile",
          values: turns.samples.map(({ p99 }) => p99),
          unit: "ms",
          required: { atMost: 5 }
        }
      ],
      notes: [`${alone.toLocaleString("en")} events of one tenant alone, ${all.toLocaleString("en")} of all together.`]
    }
  }
}

const open = async (child: Child<TenantsJob, unknown>, { folder, smoke }: Run, tenants: number) => {
  const own = join(folder, `of-${tenants}`)
  mkdirSync(own)
  const sizes = smoke ? { locks: 5, uses: 20, long: 1_000 } : { locks: 20, uses: 900, long: 100_000 }
  return Number(await child.ask({ op: "open", folder: own, tenants, ...sizes }))
}

/** One to be added to, round by round. */
const figure = (what: string, where?: string) => ({
  subject: where === undefined ? what : `${what}: ${where}`,
  samples: [] as Array<Sample>,
  machine: [] as Array<number>,
  syncs: [] as Array<number>
})

const add = (
  folder: string,
  figures: ReadonlyArray<ReturnType<typeof figure>>,
  samples: ReadonlyArray<Sample>
): void => {
  const machine = timeFixedWork()
  const sync = timeSync(folder)
  figures.forEach((figure, index) => {
    const sample = samples[index]
    if (sample === undefined) return
    figure.samples.push(sample)
    figure.machine.push(machine)
    figure.syncs.push(sync)
  })
}

/** The median time of a question among others, beside that of the same one alone. */
const notSlower = (what: string, [alone, among]: ReadonlyArray<Figure>): Bound => ({
  what: `${what}, among others beside alone`,
  values: (among?.samples ?? []).map(({ p50 }, round) => p50 / (alone?.samples[round]?.p50 ?? Number.NaN)),
  unit: "x",
  required: { atMost: 1.2 }
})
