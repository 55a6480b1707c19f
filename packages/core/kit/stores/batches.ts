/** Stores that do not write a batch whole, once and as it is, or not at all. */
import { type Batch, EventExists, StoreUnavailable } from "@latchkey/core"
import { Effect, Option } from "effect"
import { type BrokenStore, eventsOf, passing, view } from "./fixture.ts"

export const brokenBatches: ReadonlyArray<BrokenStore> = [
  view("records of a refused batch stay", (store) => ({
    write: (batch) => Effect.tapError(store.write(batch), () => Effect.ignore(store.write({ put: batch.put ?? [] })))
  })),
  view("removals of a refused batch stay", (store) => ({
    write: (batch) =>
      Effect.tapError(store.write(batch), () => Effect.ignore(store.write({ remove: batch.remove ?? [] })))
  })),
  view("the first append of a refused batch stays", (store) => ({
    write: (batch) =>
      Effect.tapError(store.write(batch), () =>
        Effect.ignore(store.write({ append: (batch.append ?? []).slice(0, -1) }))
      )
  })),
  view("a batch is written in two steps", (store) => ({
    write: ({ put, remove, ...batch }) =>
      Effect.tap(store.write(batch), () =>
        Effect.andThen(Effect.yieldNow, Effect.orDie(store.write({ put: put ?? [], remove: remove ?? [] })))
      )
  })),
  view("a batch is written stream by stream", (store) => ({
    write: (batch) =>
      Effect.gen(function* () {
        yield* store.write({ ...batch, append: (batch.append ?? []).slice(0, 1) })
        for (const one of (batch.append ?? []).slice(1)) {
          yield* Effect.yieldNow
          yield* store.write({ append: [one] })
        }
        return { position: yield* store.head }
      })
  })),
  view("half of a batch that failed is committed with the next one", (store) => {
    let half: Batch | undefined
    return {
      write: (batch) =>
        Effect.suspend(() => {
          const { put = [], remove: _, ...events } = batch
          if (put.some(({ key }) => key.length > 1_024)) {
            half = events
            return Effect.fail(new StoreUnavailable({ message: "A key is too long." }))
          }
          const open = half
          half = undefined
          return Effect.andThen(open === undefined ? Effect.void : store.write(open), store.write(batch))
        })
    }
  }),
  view("of a batch that cannot be kept the events are", (store) => ({
    write: ({ put = [], ...batch }) =>
      put.some(({ key }) => key.length > 1_024)
        ? Effect.andThen(store.write(batch), Effect.fail(new StoreUnavailable({ message: "A key is too long." })))
        : store.write({ ...batch, put })
  })),
  passing("a record whose key is too long is left out", {
    batch: (batch) => ({ ...batch, put: (batch.put ?? []).filter(({ key }) => key.length <= 1_024) })
  }),
  view("a batch is begun before it is run", (store) => ({
    write: (batch) => {
      const exit = Effect.runSyncExit(store.write(batch))
      return exit
    }
  })),
  view("refused ids are remembered", (store) => {
    const used = new Set<string>()
    return {
      write: (batch) =>
        Effect.suspend(() => {
          const double = eventsOf(batch).find(({ eventId }) => used.has(eventId))
          if (double !== undefined) return Effect.fail(new EventExists({ eventId: double.eventId }))
          return Effect.tapError(store.write(batch), () =>
            Effect.sync(() => eventsOf(batch).forEach(({ eventId }) => used.add(eventId)))
          )
        })
    }
  }),
  view("a write that was refused is tried again at the present version", (store) => ({
    write: (batch) =>
      Effect.catchTag(store.write(batch), "VersionConflict", ({ actual, streamId }) =>
        store.write({
          ...batch,
          append: (batch.append ?? []).map((one) =>
            one.streamId === streamId ? { ...one, expectedVersion: actual } : one
          )
        })
      )
  })),
  view("the same write again is answered as written", (store) => ({
    write: (batch) =>
      Effect.catchTag(store.write(batch), "EventExists", (error) =>
        Effect.flatMap(store.event(error.eventId), (found) =>
          Option.isSome(found) &&
          found.value.streamId === batch.append?.[0]?.streamId &&
          found.value.version === batch.append[0].expectedVersion + 1
            ? Effect.succeed({ position: found.value.position + eventsOf(batch).length - 1 })
            : Effect.fail(error)
        )
      )
  })),
  passing("only the first five hundred records of a batch are put", {
    batch: (batch) => ({ ...batch, put: (batch.put ?? []).slice(0, 500) })
  }),
  passing("only the first five hundred events of an append are written", {
    batch: (batch) => ({
      ...batch,
      append: (batch.append ?? []).map((one) => ({ ...one, events: one.events.slice(0, 500) }))
    })
  }),
  passing("removals are forgotten beside puts", {
    batch: (batch) => (batch.put?.length ? { ...batch, remove: [] } : batch)
  }),
  passing("a batch's appends are sorted by stream", {
    batch: (batch) => ({
      ...batch,
      append: (batch.append ?? []).toSorted((one, other) =>
        one.streamId < other.streamId ? -1 : one.streamId > other.streamId ? 1 : 0
      )
    })
  })
]
