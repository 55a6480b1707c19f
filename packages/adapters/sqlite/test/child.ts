/**
 * A process that uses the store, for tests that need more than one process or that kill one:
 * `node child.ts <what> <folder>`. It prints one line of JSON a fact.
 */
import { writeSync } from "node:fs"
import { join } from "node:path"
import { EventStore } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Effect } from "effect"
import { openDatabase } from "../src/Database.ts"
import { migrations } from "../src/migrations.ts"
import { batch, event } from "./fixture.ts"

const [what = "", folder = ""] = process.argv.slice(2)
const print = (fact: object) => Effect.sync(() => process.stdout.write(`${JSON.stringify(fact)}\n`))

const programs: { readonly [what: string]: Effect.Effect<unknown, unknown, EventStore> } = {
  /** Four writers append 25 events each to one stream, deciding again after every conflict. */
  share: EventStore.use((store) => {
    let version = 0
    const append = Effect.gen(function* () {
      version = (yield* store.read("shared", version, 1_000)).at(-1)?.version ?? version
      const mine = event()
      yield* store.write(batch("shared", version, [mine]))
      yield* print({ eventId: mine.eventId })
    }).pipe(Effect.retry({ while: (error) => error._tag === "VersionConflict" }))
    const writer = Effect.repeat(append, { times: 24 })
    return Effect.all([writer, writer, writer, writer], { concurrency: "unbounded" })
  }),

  /** Appends large events, eight at a time, until the store refuses; then asks what it holds. */
  fill: EventStore.use((store) =>
    Effect.gen(function* () {
      const failures: Array<string> = []
      let answered = 0
      while (failures.length === 0) {
        const round = Array.from({ length: 8 }, (_, index) =>
          store.write(batch(`s-${index}`, answered / 8, [event({ text: "x".repeat(20_000) })]))
        )
        const outcomes = yield* Effect.forEach(round, Effect.result, { concurrency: "unbounded" })
        for (const outcome of outcomes) {
          if (outcome._tag === "Success") answered++
          else failures.push(outcome.failure.message)
        }
      }
      yield* print({ answered, head: yield* store.head, failures })
    })
  )
}

/** Brings the log up to date, and never gets to the end of the transaction. */
const upgrade = Effect.sync(() => {
  const stop = () => {
    writeSync(1, `${JSON.stringify({ upgraded: true })}\n`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
  openDatabase(join(folder, "latchkey.db"), { synchronous: "FULL", migrations: [...migrations, stop], busyTimeout: 0 })
})

const asked = Effect.provide(programs[what] ?? Effect.die(`unknown: ${what}`), Sqlite.layer({ folder }))
await (what === "upgrade" ? upgrade : asked).pipe(
  Effect.catch((error) => print({ error: error instanceof Error ? error.message : String(error) })),
  Effect.runPromise
)
