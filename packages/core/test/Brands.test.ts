/** The brand of an organization: what it costs does not grow with how often it was set. */
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Brands } from "../src/guest/Brands.ts"
import * as MemoryEventStore from "../src/memory/MemoryEventStore.ts"
import { EventStore } from "../src/streams/EventStore.ts"

it.effect("is read from where it is known, also when it is set again, by whichever server", () =>
  Effect.gen(function* () {
    const store = MemoryEventStore.make()
    let read = 0
    const watched = EventStore.of({
      ...store,
      read: (...args) => Effect.tap(store.read(...args), (events) => Effect.sync(() => (read += events.length)))
    })
    const server = Effect.map(
      Layer.build(Layer.provide(Brands.layer, Layer.succeed(EventStore, watched))),
      (context) => (name: string) =>
        Effect.flatMap(Brands, ({ set }) =>
          set({ commandId: name, at: 1_000, principal: { _tag: "Organization", orgId: "acme" } }, { name })
        ).pipe(Effect.provideContext(context))
    )
    const [one, other] = [yield* server, yield* server]
    for (let time = 1; time <= 20; time++) yield* one(`name-${time}`)
    expect(read).toBe(0)
    yield* other("another")
    expect(read).toBe(20)
    yield* one("name-21")
    expect(read).toBe(21)
    expect(yield* store.head).toBe(22)
  })
)
