/** A store in memory of which a test says when it gives hints, when it answers, and who is quicker. */
import { EventStore, StoreUnavailable } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import { Context, Effect, Layer, Stream } from "effect"

type Store = EventStore["Service"]

export interface Control {
  /** What reads do: answer, fail, or never answer. */
  reads: "ok" | "fail" | "hang"
  /** Happens once, before the next append, as if another process had been quicker. */
  meanwhile: Effect.Effect<unknown, unknown> | undefined
}

/** The store as others have it, and as the process under test has it: without hints, and under the test's control. */
export const controlledStore = Effect.map(Layer.build(Layer.fresh(MemoryEventStore.layer)), (services) => {
  const store = Context.get(services, EventStore)
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
    readAll: (...args) => read(store.readAll(...args)),
    streams: (...args) => read(store.streams(...args)),
    append: (...args) =>
      Effect.suspend(() => {
        const first = control.meanwhile ?? Effect.void
        control.meanwhile = undefined
        return Effect.andThen(Effect.orDie(first), store.append(...args))
      })
  }
  return { store, control, controlled }
})

/** A service over a store, as one more process has it. */
export const over = <I, S, E>(service: Context.Key<I, S>, layer: Layer.Layer<I, E, EventStore>, store: Store) =>
  Effect.map(Layer.build(Layer.fresh(layer).pipe(Layer.provide(Layer.succeed(EventStore, store)))), (services) =>
    Context.get(services, service)
  )
