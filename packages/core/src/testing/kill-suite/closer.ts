/** A process that opens a store, uses and closes it, and then has nothing left to do: `node closer.ts <module> <place>`. */
import { Effect, Stream } from "effect"
import { EventStore } from "../../streams/EventStore.ts"
import type { KilledModule } from "./batches.ts"

const [module = "", place = ""] = process.argv.slice(2)
const { open }: KilledModule = await import(module)

await Effect.runPromise(
  Effect.gen(function* () {
    const { write, record, changes } = yield* EventStore
    yield* write({ put: [{ key: "closed", value: "soon" }] })
    yield* record("closed")
    yield* Stream.runDrain(Stream.take(changes, 1))
  }).pipe(Effect.provide(open(place)))
)
