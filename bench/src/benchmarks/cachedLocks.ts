/** How much memory the locks in the cache take. */
import type { Benchmark, Bound } from "../benchmark.ts"
import type { Cached, Caching } from "../children/cachedLocks.ts"
import { Child } from "../processes.ts"
import { measure } from "../rounds.ts"

export const cachedLocks: Benchmark = {
  name: "cached-locks",
  title: "10,000 locks in memory, each with five keys and ten temp keys",
  run: async (run) => {
    const job: Caching = { folder: run.folder, locks: run.smoke ? 500 : 10_000 }
    await fill(job)
    const taken: Array<Cached> = []
    const figures = await measure(run, [
      {
        name: "reading them from SQLite, one after the other",
        measure: async () => {
          // What a process was given once it may keep: each round has a new one.
          await using child = await Child.start<Caching, Cached>(
            new URL("../children/cachedLocks.ts", import.meta.url),
            { flags: ["--expose-gc"] }
          )
          const cached = await child.ask(job)
          taken.push(cached)
          return cached.sample
        }
      }
    ])
    return {
      figures,
      bounds: [
        below200(
          "live objects",
          taken.map(({ heap }) => heap)
        ),
        below200(
          "resident memory",
          taken.map(({ resident }) => resident)
        )
      ],
      notes: ["Memory is what a process has more, after garbage collection, than before it read them."]
    }
  }
}

const fill = async (job: Caching): Promise<void> => {
  await using filler = await Child.start<Caching, void>(new URL("../children/filler.ts", import.meta.url))
  await filler.ask(job)
}

const below200 = (what: string, values: ReadonlyArray<number>): Bound => ({
  what,
  values,
  unit: "MB",
  required: { atMost: 200 }
})
