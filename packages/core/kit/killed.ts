/** The store over a file, for processes that are killed; `?flaw=…` in its URL says what is wrong with it. */
import { type Batch, EventStore } from "@latchkey/core"
import { Effect, Layer } from "effect"
import * as FileStore from "../test/write-a-store/FileStore.ts"

type Store = EventStore["Service"]

const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** How each flaw writes. */
const writes: Readonly<Record<string, (store: Store) => Store["write"]>> = {
  "a timer outlives its scope": (store) => {
    setInterval(() => {}, 1_000)
    return store.write
  },
  "a write is answered before it is kept": (store) => {
    let waiting: Promise<unknown> = Promise.resolve()
    return (batch) =>
      Effect.suspend(() => {
        waiting = waiting.then(() => Effect.runPromiseExit(Effect.andThen(Effect.sleep(20), store.write(batch))))
        return Effect.map(store.head, (head) => ({ position: head + 1 }))
      })
  },
  "what was written last is kept with the next write": (store) => {
    let last: Batch | undefined
    return (batch) =>
      Effect.suspend(() => {
        const before = last
        last = batch
        return before === undefined ? Effect.map(store.head, (position) => ({ position })) : store.write(before)
      })
  },
  "a batch is kept stream by stream": (store) => (batch) =>
    Effect.gen(function* () {
      const [first, ...rest] = batch.append ?? []
      yield* store.write({ ...batch, append: first === undefined ? [] : [first] })
      yield* turn
      return yield* store.write({ append: rest })
    }),
  "records are kept after events": (store) => (batch) =>
    Effect.gen(function* () {
      const { put = [], remove = [], ...events } = batch
      const written = yield* store.write(events)
      yield* turn
      yield* store.write({ put, remove })
      return written
    }),
  "records are kept before events": (store) => (batch) =>
    Effect.gen(function* () {
      const { append = [], ...records } = batch
      yield* store.write(records)
      yield* turn
      return yield* store.write({ append })
    })
}

export const flaws: ReadonlyArray<string> = Object.keys(writes)

const flaw = new URL(import.meta.url).searchParams.get("flaw") ?? ""

export const open = (place: string): Layer.Layer<EventStore, unknown> =>
  Layer.effect(
    EventStore,
    EventStore.use((store) => Effect.succeed({ ...store, write: writes[flaw]?.(store) ?? store.write }))
  ).pipe(Layer.provide(FileStore.layer(place)))
