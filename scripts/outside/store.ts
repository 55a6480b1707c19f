/** A store as a stranger writes it: here the one in memory, counted. */
import { EventStore, type Presence, type ReadModel } from "@latchkey/core"
import { MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { Effect, Layer } from "effect"

export const counted = { reads: 0 }

const events = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store): EventStore["Service"] => ({
    ...store,
    read: (...args) => {
      counted.reads++
      return store.read(...args)
    }
  }))
).pipe(Layer.provide(MemoryEventStore.layer))

export const latchkeyStore = (
  environment: Readonly<Record<string, string | undefined>>
): Layer.Layer<EventStore | ReadModel | Presence> => {
  if (environment["ACME_STORE"] !== "ready") throw new Error("set ACME_STORE to ready")
  return Layer.mergeAll(events, MemoryReadModel.layer, MemoryPresence.layer)
}
