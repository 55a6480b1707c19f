/** A store in memory of which a test says when it gives hints, when it answers, and who is quicker. */
import { createHash, randomBytes } from "node:crypto"
import { Context, Effect, Layer, Stream } from "effect"
import { Secrets } from "../src/access/Secrets.ts"
import * as MemoryEventStore from "../src/memory/MemoryEventStore.ts"
import { EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"

type Store = EventStore["Service"]

export interface Control {
  /** What reads do: answer, fail, or never answer. */
  reads: "ok" | "fail" | "hang"
  /** Happens once, before the next write, as if another process had been quicker. */
  meanwhile: Effect.Effect<unknown, unknown> | undefined
}

/** The store as others have it, and as the process under test has it: without hints, and under the test's control. */
export const controlledStore = Effect.sync(() => {
  const store = MemoryEventStore.make()
  const control: Control = { reads: "ok", meanwhile: undefined }
  const read = <A>(effect: Effect.Effect<A, StoreUnavailable>): Effect.Effect<A, StoreUnavailable> =>
    Effect.suspend(() => {
      if (control.reads === "hang") return Effect.never
      return control.reads === "ok" ? effect : Effect.fail(new StoreUnavailable({ message: "down" }))
    })
  const controlled: Store = {
    ...store,
    changes: Stream.never,
    head: read(store.head),
    read: (...args) => read(store.read(...args)),
    feed: (...args) => read(store.feed(...args)),
    write: (batch) =>
      Effect.suspend(() => {
        const first = control.meanwhile ?? Effect.void
        control.meanwhile = undefined
        return Effect.andThen(Effect.orDie(first), store.write(batch))
      })
  }
  return { store, control, controlled }
})

let ids = 0
const secrets = Layer.succeed(Secrets, {
  draw: () => randomBytes(32).toString("base64url"),
  hash: (text) => createHash("sha256").update(text).digest("base64url"),
  // In order, as those of version 7 are.
  newId: () => `id-${String(++ids).padStart(6, "0")}`
})

/** A service over a store, as one more process has it. */
export const over = <I, S, E>(
  service: Context.Key<I, S>,
  layer: Layer.Layer<I, E, EventStore | Secrets>,
  store: Store
) =>
  Effect.map(
    Layer.build(Layer.fresh(layer).pipe(Layer.provide(Layer.merge(Layer.succeed(EventStore, store), secrets)))),
    Context.get(service)
  )
