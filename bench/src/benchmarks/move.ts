/** A log moves by `events import` into an empty store, on SQLite and on PostgreSQL, beside bare loops of the same inserts. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Benchmark, ratioBound } from "../benchmark.ts"
import type { MoveJob } from "../children/moveStore.ts"
import { latchkey, node } from "../latchkeyCommand.ts"
import { dropSchema, inSchema, newSchema, POSTGRES, postgresAnswers } from "../postgres.ts"
import { Child } from "../processes.ts"
import { measureFresh, type Subject } from "../rounds.ts"

/** The export of a log without events. */
const NOTHING = '{"events":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}\n'
const FLOOR = fileURLToPath(new URL("../children/importFloor.ts", import.meta.url))

export const move: Benchmark = {
  name: "move",
  title: "A log into an empty store by `events import`, start and check included",
  run: async (run) => {
    const events = run.smoke ? 2_000 : 100_000
    const file = join(run.folder, "export.ndjson")
    const empty = join(run.folder, "empty.ndjson")
    writeFileSync(empty, NOTHING)
    const first = { LATCHKEY_DATA: join(run.folder, "first") }
    {
      await using filler = await Child.start<MoveJob, void>(new URL("../children/moveStore.ts", import.meta.url))
      await filler.ask({ folder: first.LATCHKEY_DATA, events })
    }
    latchkey(["events", "export", "--out", file], first)
    const missing = await postgresAnswers()

    const subject = (name: string, act: () => void): Subject => ({
      name,
      measure: async () => {
        const begun = performance.now()
        act()
        return { perSecond: (1000 * events) / (performance.now() - begun), p50: Number.NaN, p99: Number.NaN }
      }
    })
    const figures = await measureFresh(run, async ({ folder }, started) => {
      const [own, bare] = [{ LATCHKEY_DATA: join(folder, "own") }, { LATCHKEY_DATA: join(folder, "bare") }]
      latchkey(["events", "import", empty], bare)
      const onSqlite = [
        subject("latchkey: into SQLite", () => latchkey(["events", "import", file], own)),
        subject("floor: into SQLite", () => node([FLOOR, "sqlite", file, join(bare.LATCHKEY_DATA, "latchkey.db")]))
      ]
      if (missing !== undefined) return onSqlite
      const [ownSchema, bareSchema] = [newSchema(), newSchema()]
      started.defer(() => dropSchema(ownSchema))
      started.defer(() => dropSchema(bareSchema))
      latchkey(["events", "import", empty], inSchema(bareSchema))
      return [
        ...onSqlite,
        subject("latchkey: into PostgreSQL", () => latchkey(["events", "import", file], inSchema(ownSchema))),
        subject("floor: into PostgreSQL", () => node([FLOOR, "postgres", file, POSTGRES, bareSchema]))
      ]
    })
    return {
      figures,
      bounds: ["SQLite", "PostgreSQL"].flatMap((store) => {
        const [own, floor] = ["latchkey", "floor"].map((name) =>
          figures.find(({ subject }) => subject === `${name}: into ${store}`)
        )
        return own && floor ? [ratioBound(`into ${store}, beside a bare loop`, own, floor, 0.5)] : []
      }),
      notes: [
        `The log holds ${events.toLocaleString("en")} events. The bare loops insert 250 rows a transaction.`,
        ...(missing === undefined ? [] : [`Not measured on PostgreSQL: ${missing}`])
      ]
    }
  }
}
