/** Whether one tenant's questions cost by what others have: the same ones, in a store of its own and in one of fifty. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Benchmark, Bound, Figure, Run } from "../benchmark.ts"
import { QUESTIONS, type TenantsJob } from "../children/tenants.ts"
import { timeFixedWork, timeSync } from "../machine.ts"
import { Child } from "../processes.ts"
import type { Sample } from "../statistics.ts"

/** What the others have together, about, and how that is spread over them. */
const OTHERS = [
  { events: "nothing", tenants: 0, locks: 0, uses: 0 },
  { events: "1k events", tenants: 4, locks: 1, uses: 28 },
  { events: "100k events", tenants: 49, locks: 20, uses: 70 },
  { events: "1M events", tenants: 49, locks: 20, uses: 1000 }
] as const
/** How often each question is asked in a round, and each store opened. */
const ASKED = 100
const STARTED = 3

export const tenants: Benchmark = {
  name: "tenants",
  title: "One tenant's questions, alone and beside others with a thousand to a million events, 1 caller",
  run: async (run) => {
    const { rounds, smoke } = run
    const child = await Child.start<TenantsJob, ReadonlyArray<Sample> | number>(
      new URL("../children/tenants.ts", import.meta.url)
    )
    await using _ = child
    const stores: Array<string> = []
    for (const others of OTHERS) stores.push(`${(await open(child, run, others)).toLocaleString("en")}`)
    const count = smoke ? 20 : ASKED
    const ask = async (job: Exclude<TenantsJob, { readonly op: "open" }>) =>
      (await child.ask(job)) as ReadonlyArray<Sample>

    const asked = new Map(QUESTIONS.map((question) => [question, figuresOf(question)]))
    const starts = figuresOf("start-up")
    const turns = figure("a turn of the loop while a long history is explained")
    for (const question of QUESTIONS) await ask({ op: "ask", question, count })
    for (let round = 0; round < rounds; round++) {
      for (const [question, figures] of asked) add(run.folder, figures, await ask({ op: "ask", question, count }))
      add(run.folder, starts, await ask({ op: "start", count: smoke ? 1 : STARTED }))
      add(run.folder, [turns], await ask({ op: "stall" }))
    }
    return {
      figures: [...Array.from(asked.values()).flat(), ...starts, turns],
      bounds: [
        ...Array.from(asked, ([question, figures]) => notSlower(question, figures)),
        {
          what: "99 of 100 turns meanwhile",
          values: turns.samples.map(({ p99 }) => p99),
          unit: "ms",
          required: { atMost: 5 }
        }
      ],
      notes: [
        `The stores hold ${stores.join(", ")} events in all. A start takes in the shared keys and the refused PINs of all tenants, a hundred of each, so it costs by their number.`
      ]
    }
  }
}

const open = async (
  child: Child<TenantsJob, unknown>,
  { folder, smoke }: Run,
  { events, tenants, locks, uses }: (typeof OTHERS)[number]
) => {
  const own = join(folder, events.replace(" ", "-"))
  mkdirSync(own)
  const sizes = smoke
    ? { own: { locks: 5, uses: 20 }, long: 1_000, others: { tenants: Math.min(tenants, 2), locks: 1, uses: 20 } }
    : { own: { locks: 20, uses: 900 }, long: 100_000, others: { tenants, locks, uses } }
  return Number(await child.ask({ op: "open", folder: own, ...sizes }))
}

const figuresOf = (what: string) => OTHERS.map(({ events }) => figure(`${what}: beside ${events}`))

/** One to be added to, round by round. */
const figure = (subject: string) => ({
  subject,
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

/** The median time of a question beside the most of others' events, beside that of the same one alone. */
const notSlower = (what: string, figures: ReadonlyArray<Figure>): Bound => ({
  what: `${what}, beside a million events of others`,
  values: (figures.at(-1)?.samples ?? []).map(
    ({ p50 }, round) => p50 / (figures[0]?.samples[round]?.p50 ?? Number.NaN)
  ),
  unit: "x",
  required: { atMost: 1.2 }
})
