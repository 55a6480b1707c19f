/**
 * A process that uses the store, for tests that need more than one process or that kill one:
 * `node child.ts <what> <folder>`. It prints one line of JSON a fact.
 */
import { EventStore } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Effect } from "effect"
import { event } from "./fixture.ts"

const [what = "", folder = ""] = process.argv.slice(2)
const print = (fact: object) => Effect.sync(() => process.stdout.write(`${JSON.stringify(fact)}\n`))

const programs: { readonly [what: string]: Effect.Effect<unknown, unknown, EventStore> } = {
  /** Four writers append 25 events each to one stream, deciding again after every conflict. */
  share: EventStore.use((store) => {
    let version = 0
    const append = Effect.gen(function* () {
      version = (yield* store.read("shared", version, 1_000)).at(-1)?.version ?? version
      const mine = event()
      yield* store.append("shared", version, [mine])
      yield* print({ eventId: mine.eventId })
    }).pipe(Effect.retry({ while: (error) => error._tag === "VersionConflict" }))
    const writer = Effect.repeat(append, { times: 24 })
    return Effect.all([writer, writer, writer, writer], { concurrency: "unbounded" })
  }),

  /** Appends to many streams for ever, batches of one to three events. */
  load: EventStore.use((store) =>
    Effect.forEach(
      Array.from({ length: 32 }, (_, index) => index),
      Effect.fnUntraced(function* (index) {
        const stream = `${process.pid}-${index}`
        for (let version = 0; ; ) {
          const batch = Array.from({ length: 1 + (version % 3) }, () => event())
          version = (yield* store.append(stream, version, batch)).version
          yield* print({ stream, version, eventId: batch.at(-1)?.eventId })
        }
      }),
      { concurrency: "unbounded" }
    )
  ),

  /** Prepares an append and is never heard of again. */
  prepare: EventStore.use((store) =>
    store
      .prepare(
        0,
        [event(), event()],
        { commandId: "left", attempt: 1, streamId: "prepared", thing: "thing", deadline: 1 },
        { id: "r", fingerprint: "f" }
      )
      .pipe(Effect.andThen(print({ prepared: true })), Effect.andThen(Effect.never))
  ),

  /** Appends large events, eight at a time, until the store refuses; then asks what it holds. */
  fill: EventStore.use((store) =>
    Effect.gen(function* () {
      const failures: Array<string> = []
      let answered = 0
      while (failures.length === 0) {
        const round = Array.from({ length: 8 }, (_, index) =>
          store.append(`s-${index}`, answered / 8, [event({ text: "x".repeat(20_000) })])
        )
        const outcomes = yield* Effect.forEach(round, Effect.result, { concurrency: "unbounded" })
        for (const outcome of outcomes) {
          if (outcome._tag === "Success") answered++
          else failures.push(outcome.failure.message)
        }
      }
      yield* print({ answered, head: yield* store.head, failures })
    })
  ),

  open: EventStore.use((store) => Effect.flatMap(store.head, (head) => print({ head })))
}

await (programs[what] ?? Effect.die(`unknown: ${what}`)).pipe(
  Effect.provide(Sqlite.layer({ folder })),
  Effect.catch((error) => print({ error: error instanceof Error ? error.message : String(error) })),
  Effect.runPromise
)
