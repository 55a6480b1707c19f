/** When a server is ready: its store answers, and takes what it is given. */
import { expect, it } from "@effect/vitest"
import { EventStore, StoreUnavailable } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeOperations } from "../src/Operations.ts"

it.effect("is asked of the store by writing to it, four times a second at most, however many ask", () =>
  Effect.gen(function* () {
    const memory = yield* EventStore
    let isFull = false
    const states: Array<string> = []
    const store = EventStore.of({
      ...memory,
      saveSnapshot: (stream, snapshot) => {
        states.push(snapshot.state)
        return isFull
          ? Effect.fail(new StoreUnavailable({ message: "the disk is full" }))
          : memory.saveSnapshot(stream, snapshot)
      }
    })
    const { "/ready": ready = () => Effect.die("there is no /ready") } = yield* Effect.provideService(
      makeOperations,
      EventStore,
      store
    )
    const status = Effect.map(ready({}), (answer) => answer.status)
    expect(
      yield* Effect.all(
        Array.from({ length: 50 }, () => status),
        { concurrency: "unbounded" }
      )
    ).toEqual(Array(50).fill(200))
    expect(states).toHaveLength(1)

    isFull = true
    yield* TestClock.adjust(250)
    for (const _ of [1, 2]) expect(yield* status).toBe(503)
    isFull = false
    expect(yield* status).toBe(200)
    // What is written takes room, and is never what is there already.
    expect(states.map(({ length }) => length)).toEqual([16_384, 16_384, 16_384, 16_384])
    expect(new Set(states).size).toBe(4)
    expect(yield* memory.head).toBe(0)
  }).pipe(Effect.provide(MemoryEventStore.layer))
)
