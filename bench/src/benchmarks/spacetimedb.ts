/** The ports on SpacetimeDB, through its SDK, beside SQLite: on the host of tests, and on the vendor's engine where it is built. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { bundleModule } from "@latchkey/spacetimedb/bundle"
import { builtEngine, create, Engine, type Place } from "@latchkey/spacetimedb-engine"
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
    const onTestHost = async (): Promise<Place> => {
      const database = `bench-${++databases}`
      await host.publish(database, bundle, { owner: token })
      return { uri: host.uri, database, token }
    }
    // Only to show that it runs, the engine that tests build will do.
    const binary = builtEngine("release") ?? (run.smoke ? builtEngine() : undefined)
    await using engine = binary === undefined ? undefined : await Engine.start(binary, freshFolder(run))
    const places = {
      "SpacetimeDB (test host)": onTestHost,
      ...(engine && { "SpacetimeDB (engine, on disk)": () => create(engine.uri, bundle) })
    }

    await using onSpacetimedb = await Child.start<PortWork, Sample>(new URL("../children/ports.ts", import.meta.url))
    await using onSqlite = await Child.start<PortWork, Sample>(new URL("../children/ports.ts", import.meta.url))
    const work = { locks: run.smoke ? 100 : 1000, callers: CALLERS, warmUp: run.warmUp / 3 }
    const subjects = (["append", "owned-locks"] as const).flatMap(
      (what): ReadonlyArray<Subject> => [
        ...Object.entries(places).map(([name, publish]) => ({
          name: `${what}: ${name}`,
          measure: async (seconds: number) =>
            onSpacetimedb.ask({ ...work, what, seconds, spacetimedb: await publish() })
        })),
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
        "The host of tests keeps everything in the memory of this process, and waits for no disk: its figures tell what the module, the protocol and the client cost, and nothing of a SpacetimeDB server.",
        engine === undefined
          ? "Not measured: the vendor's engine, which `tools/spacetimedb-engine/build.sh --release` builds."
          : "The engine keeps everything on disk, and answers when it is there (confirmed reads). QuickJS runs the module in V8's place, so nothing here is the speed of the vendor's server."
      ]
    }
  }
}

const freshFolder = ({ folder }: Run): string => mkdtempSync(join(folder, "round-"))
