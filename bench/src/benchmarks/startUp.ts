/** How long a server takes until it listens, on logs of ten thousand and of a million events, on SQLite and on PostgreSQL. */
import { join } from "node:path"
import type { Benchmark, Bound, Figure } from "../benchmark.ts"
import type { MoveJob } from "../children/moveStore.ts"
import { latchkey } from "../latchkeyCommand.ts"
import { startLatchkey } from "../latchkeyServer.ts"
import { dropSchema, inSchema, newSchema, postgresAnswers } from "../postgres.ts"
import { Child } from "../processes.ts"
import { measure, type Subject } from "../rounds.ts"

export const startUp: Benchmark = {
  name: "start-up",
  title: "From the start of a server until it listens, by the length of the log",
  run: async (run) => {
    const sizes = run.smoke ? [1_000, 2_000] : [10_000, 1_000_000]
    const missing = await postgresAnswers()
    await using made = new AsyncDisposableStack()
    const subjects: Array<Subject> = []
    for (const events of sizes) {
      const folder = join(run.folder, `${events}`)
      await using filler = await Child.start<MoveJob, void>(new URL("../children/moveStore.ts", import.meta.url))
      await filler.ask({ folder, events })
      subjects.push(await started(`SQLite: ${nameOf(events)}`, folder))
      if (missing !== undefined) continue
      const file = `${folder}.ndjson`
      latchkey(["events", "export", "--out", file], { LATCHKEY_DATA: folder })
      const schema = newSchema()
      made.defer(() => dropSchema(schema))
      const env = inSchema(schema)
      latchkey(["events", "import", file], env)
      subjects.push(await started(`PostgreSQL: ${nameOf(events)}`, `${folder}-beside`, env))
    }
    const figures = await measure(run, subjects)
    return {
      figures,
      bounds: ["SQLite", "PostgreSQL"].flatMap((store) => {
        const [short, long] = sizes.map((events) =>
          figures.find(({ subject }) => subject === `${store}: ${nameOf(events)}`)
        )
        return short && long ? [notLonger(store, long, short)] : []
      }),
      notes: [
        "The read models are filled before anything is measured.",
        ...(missing === undefined ? [] : [`Not measured on PostgreSQL: ${missing}`])
      ]
    }
  }
}

const nameOf = (events: number): string => `${events.toLocaleString("en")} events`

/** Once it has been started before, and filled its read model. */
const started = async (
  name: string,
  folder: string,
  env: { readonly [name: string]: string } = {}
): Promise<Subject> => {
  {
    await using server = await startLatchkey(folder, env)
    while (!(await isFilled(server.port))) await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return {
    name,
    measure: async () => {
      const begun = performance.now()
      await using _ = await startLatchkey(folder, env)
      const took = performance.now() - begun
      return { perSecond: 1000 / took, p50: took, p99: Number.NaN }
    }
  }
}

const isFilled = async (port: number): Promise<boolean> => {
  const response = await fetch(`http://127.0.0.1:${port}/ready`)
  const { consumers } = (await response.json()) as { readonly consumers: ReadonlyArray<{ readonly behind: number }> }
  return response.ok && consumers.length > 0 && consumers.every(({ behind }) => behind === 0)
}

const notLonger = (store: string, long: Figure, short: Figure): Bound => ({
  what: `on ${store}, a long log beside a short one`,
  values: long.samples.map(({ p50 }, round) => p50 / (short.samples[round]?.p50 ?? Number.NaN)),
  unit: "x",
  required: { atMost: 1.5 }
})
