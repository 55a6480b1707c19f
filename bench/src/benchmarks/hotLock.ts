/** One lock that everybody uses at once: nobody's command is lost to a conflict, in one process or between two. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import type { Benchmark, Run } from "../benchmark.ts"
import type { Work, Worked } from "../children/embedded.ts"
import { Child } from "../processes.ts"
import { measure } from "../rounds.ts"
import type { Sample } from "../statistics.ts"

const CALLERS = 32

export const hotLock: Benchmark = {
  name: "hot-lock",
  title: "One hot lock: use-temp-key on SQLite",
  run: async (run) => {
    await using one = await Child.start<Work, Worked>(new URL("../children/embedded.ts", import.meta.url))
    await using other = await Child.start<Work, Worked>(new URL("../children/embedded.ts", import.meta.url))
    const lost: Array<number> = []
    let executed = 0

    const together = async (seconds: number, processes: ReadonlyArray<Child<Work, Worked>>): Promise<Sample> => {
      const callers = CALLERS / processes.length
      const work: Work = {
        store: "sqlite",
        folder: freshFolder(run),
        locks: 1,
        callers,
        warmUp: run.warmUp / 3,
        seconds
      }
      const worked = await Promise.all(processes.map((child) => child.ask(work)))
      lost.push(worked.flatMap(({ failed }) => Object.values(failed)).reduce((sum, n) => sum + n, 0))
      executed += worked.reduce((sum, { executed }) => sum + executed, 0)
      return {
        perSecond: worked.reduce((sum, { sample }) => sum + sample.perSecond, 0),
        p50: Math.max(...worked.map(({ sample }) => sample.p50)),
        p99: Math.max(...worked.map(({ sample }) => sample.p99))
      }
    }

    const figures = await measure(run, [
      { name: `${CALLERS} callers in one process`, measure: (seconds) => together(seconds, [one]) },
      { name: `${CALLERS / 2} callers in each of two processes`, measure: (seconds) => together(seconds, [one, other]) }
    ])
    return {
      figures,
      bounds: [
        {
          what: "commands lost to conflicts",
          values: [lost.reduce((sum, n) => sum + n, 0)],
          unit: "",
          required: { atMost: 0 }
        }
      ],
      notes: [`${executed.toLocaleString("en")} commands were executed in all.`]
    }
  }
}

const freshFolder = ({ folder }: Run): string => mkdtempSync(join(folder, "round-"))
