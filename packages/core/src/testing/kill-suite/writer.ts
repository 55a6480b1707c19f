/**
 * A process that writes until it is killed: `node writer.ts <module> <place> <run>`. Prints a line for each batch that
 * was answered. What it writes, `written` of `killSuite` knows again.
 */
import { writeSync } from "node:fs"
import { Effect } from "effect"
import { EventStore, type NewEvent } from "../../streams/EventStore.ts"
import { type KilledModule, keyOf, SIZE, streamsOf, WRITERS } from "./batches.ts"

const [module = "", place = "", run = ""] = process.argv.slice(2)
const { open }: KilledModule = await import(module)

const eventOf = (writer: number, batch: number, index: number): NewEvent => ({
  eventId: `${run}-${writer}-${batch}-${index}`,
  type: "Written",
  data: { batch, text: "x".repeat(100) },
  at: batch,
  orgId: run,
  principal: { _tag: "System" },
  commandId: `${run}-${writer}-${batch}`
})

const write = (store: EventStore["Service"], writer: number) =>
  Effect.gen(function* () {
    const [many, one] = streamsOf(run, writer)
    const key = keyOf(run, writer)
    for (let batch = 1; ; batch++) {
      const events = Array.from({ length: SIZE }, (_, index) => eventOf(writer, batch, index))
      const { position } = yield* store.write({
        append: [
          { streamId: many, expectedVersion: SIZE * (batch - 1), events },
          { streamId: one, expectedVersion: batch - 1, events: [eventOf(writer, batch, SIZE)] }
        ],
        expect: [{ key, value: batch === 1 ? undefined : String(batch - 1) }],
        put: [{ key, value: String(batch) }]
      })
      // At once, whatever becomes of this process.
      writeSync(1, `${writer} ${batch} ${position}\n`)
      yield* Effect.yieldNow
    }
  })

await Effect.runPromise(
  Effect.gen(function* () {
    const store = yield* EventStore
    const writers = Array.from({ length: WRITERS }, (_, index) => write(store, index + 1))
    yield* Effect.all(writers, { concurrency: "unbounded" })
  }).pipe(Effect.provide(open(place)))
)
