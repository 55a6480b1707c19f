/** The ports on SpacetimeDB, through its SDK and the host of tests, beside SQLite. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { bundleModule } from "@latchkey/spacetimedb/bundle"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import type { Benchmark, Run } from "../benchmark.ts"
import type { PortWork } from "../children/ports.ts"
import { Child } from "../processes.ts"
import { measure, type Subject } from "../rounds.ts"
import type { Sample } from "../statistics.ts"

const CALLERS = 32

export const spacetimedb: Benchmark = {
  name: "spacetimedb",
  title: `The ports on SpacetimeDB beside SQLite: ${CALLERS} callers, 1,000 locks`,
  run: async (run) => {
    const bundle = await bundleModule()
    await using host = await TestHost.start()
    const token = await host.token({ subject: "bench" })
    let databases = 0
    const publish = async () => {
      const database = `bench-${++databases}`
      await host.publish(database, bundle, { owner: token })
      return { uri: host.uri, database, token }
    }
    await using onSpacetimedb = await Child.start<PortWork, Sample>(new URL("../children/ports.ts", import.meta.url))
    await using onSqlite = await Child.start<PortWork, Sample>(new URL("../children/ports.ts", import.meta.url))
    const work = { locks: run.smoke ? 100 : 1000, callers: CALLERS, warmUp: run.warmUp / 3 }
    const subjects = (["append", "owned-locks"] as const).flatMap(
      (what): ReadonlyArray<Subject> => [
        {
          name: `${what}: SpacetimeDB (test host)`,
          measure: async (seconds) => onSpacetimedb.ask({ ...work, what, seconds, spacetimedb: await publish() })
        },
        {
          name: `${what}: SQLite`,
          measure: (seconds) => onSqlite.ask({ ...work, what, seconds, folder: freshFolder(run) })
        }
      ]
    )
    return {
      figures: await measure(run, subjects),
      bounds: [],
      notes: [
        "The host of tests keeps everything in the memory of this process, and waits for no disk: these figures tell what the module, the protocol and the client cost, and nothing of a SpacetimeDB server."
      ]
    }
  }
}

const freshFolder = ({ folder }: Run): string => mkdtempSync(join(folder, "round-"))
