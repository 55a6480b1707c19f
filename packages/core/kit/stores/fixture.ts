/** How a store is broken: in its source, or by what some of its calls do instead. */
import { type Batch, EventStore, type NewEvent, type Put, type StoredEvent } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import type { StorePlace } from "@latchkey/core/testing"
import { Effect, Layer, Option } from "effect"
import { copyIn } from "../memory.ts"

type Store = EventStore["Service"]

export interface BrokenStore {
  readonly name: string
  readonly place: Effect.Effect<StorePlace>
}

/** The store in memory with a piece of its source replaced. */
export const source = (name: string, find: string, replace: string, file?: string): BrokenStore => {
  const copy = copyIn("MemoryEventStore", find, replace, file)
  const place = Effect.map(copy, ({ make, layerOf }) => {
    const open = layerOf(make())
    return { open, reopen: open }
  })
  return { name, place }
}

/** The store in memory, of which each opener has its own view: some calls do something else. */
export const view = (name: string, change: (store: Store) => Partial<Store>): BrokenStore => ({
  name,
  place: Effect.sync(() => {
    const store = MemoryEventStore.make()
    const open = Layer.sync(EventStore, () => ({ ...store, ...change(store) }))
    return { open, reopen: open }
  })
})

/** As `view`, for what storage does to what passes through it. */
export const passing = (
  name: string,
  {
    event,
    put,
    stored,
    batch
  }: {
    readonly event?: (event: NewEvent) => NewEvent
    readonly put?: (put: Put) => Put
    readonly stored?: (event: StoredEvent) => StoredEvent
    readonly batch?: (batch: Batch) => Batch
  }
): BrokenStore =>
  view(name, (store) => {
    const changed = (given: Batch): Batch => {
      const one = batch === undefined ? given : batch(given)
      return {
        ...one,
        ...(event &&
          one.append && { append: one.append.map((append) => ({ ...append, events: append.events.map(event) })) }),
        ...(put && one.put && { put: one.put.map(put) })
      }
    }
    const all = <E>(events: Effect.Effect<ReadonlyArray<StoredEvent>, E>) =>
      stored === undefined ? events : Effect.map(events, (found) => found.map(stored))
    return {
      write: (given) => store.write(changed(given)),
      read: (...asked) => all(store.read(...asked)),
      feed: (...asked) => all(store.feed(...asked)),
      event: (id) => (stored === undefined ? store.event(id) : Effect.map(store.event(id), Option.map(stored)))
    }
  })

export const eventsOf = ({ append = [] }: Batch) => append.flatMap(({ events }) => events)

/** What SQL's LIKE finds: text that begins as the pattern does. */
export const like = (key: string, pattern: string) =>
  new RegExp(
    `^${Array.from(pattern, (one) => (one === "%" ? ".*" : one === "_" ? "." : one.replace(/[\\^$.*+?()[\]{}|/]/u, "\\$&"))).join("")}`,
    "su"
  ).test(key)
