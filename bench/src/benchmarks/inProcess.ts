/** `Locks.execute` inside another program: on SQLite beside the bare group commit, and in memory. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { type Benchmark, type Run, rateBound, ratioBound } from "../benchmark.ts"
import type { Work, Worked } from "../children/embedded.ts"
import type { Appending } from "../children/groupCommitCallers.ts"
import { Child } from "../processes.ts"
import { measureFresh, type Subject } from "../rounds.ts"
import type { Sample } from "../statistics.ts"

const CALLERS = 32

export const inProcess: Benchmark = {
  name: "in-process",
  title: "Locks.execute in-process: use-temp-key, 1,000 locks",
  run: async (run) => {
    const locks = run.smoke ? 100 : 1000
    const figures = await measureFresh(run, async (run, started) => {
      const child = async () =>
        started.use(await Child.start<Work, Worked>(new URL("../children/embedded.ts", import.meta.url)))
      const [sqlite, memory, alone] = [await child(), await child(), await child()]
      const floor = started.use(
        await Child.start<Appending, Sample>(new URL("../children/groupCommitCallers.ts", import.meta.url))
      )
      return [
        embedded(`latchkey on SQLite, ${CALLERS} callers`, sqlite, run, { store: "sqlite", locks, callers: CALLERS }),
        {
          name: `floor: bare group commit, ${CALLERS} callers`,
          measure: (seconds) =>
            floor.ask({ folder: freshFolder(run), locks, callers: CALLERS, warmUp: run.warmUp / 3, seconds })
        },
        embedded(`latchkey in memory, ${CALLERS} callers`, memory, run, { store: "memory", locks, callers: CALLERS }),
        embedded("latchkey in memory, 1 caller", alone, run, { store: "memory", locks, callers: 1 })
      ] as const
    })
    const [onSqlite, bare, inMemory, inMemoryAlone] = figures
    return {
      figures,
      bounds: [
        ratioBound(`on SQLite, ${CALLERS} callers, beside the floor`, onSqlite, bare, 0.7),
        rateBound(`in memory, ${CALLERS} callers`, inMemory, 100_000),
        rateBound("in memory, 1 caller", inMemoryAlone, 100_000)
      ],
      notes: ["Each round begins with an empty store."]
    }
  }
}

/** A store of its own for every round, filled and warmed up before it is measured. */
const embedded = (
  name: string,
  child: Child<Work, Worked>,
  run: Run,
  work: Pick<Work, "store" | "locks" | "callers">
): Subject => ({
  name,
  measure: async (seconds) => {
    const { sample, failed } = await child.ask({ ...work, folder: freshFolder(run), warmUp: run.warmUp / 3, seconds })
    if (Object.keys(failed).length > 0) throw new Error(`${name}: commands failed: ${JSON.stringify(failed)}`)
    return sample
  }
})

const freshFolder = ({ folder }: Run): string => mkdtempSync(join(folder, "round-"))
