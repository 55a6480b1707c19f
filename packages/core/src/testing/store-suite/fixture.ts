/** What each case of the store suite works with: a place where a store is kept, openers of it, and names of its own. */
import { expect } from "@effect/vitest"
import { Effect, Random, type Scope } from "effect"
import { type Batch, EventStore, type FeedFilter, type NewEvent, type StoredEvent } from "../../streams/EventStore.ts"
import { opened as openedPort, type PortCase, type PortPlace } from "../portCase.ts"

export type Store = EventStore["Service"]

/**
 * Where one store is kept, how it is opened, and what a test can do to it.
 *
 * @example
 * ```ts
 * const place = Effect.map(temporaryFile, (path): StorePlace => ({ open: MyStore.layer({ path }), reopen: MyStore.layer({ path }) }))
 * ```
 */
export interface StorePlace extends PortPlace<EventStore> {
  readonly faults?: StoreFaults
}

/** What a test can do to a store, where its adapter offers it. */
export interface StoreFaults {
  /**
   * Ends the connections of all openers to what keeps the data, and answers how many it has ended; they go on by
   * themselves, with new ones.
   */
  readonly dropConnections?: Effect.Effect<number, unknown>
  /**
   * The next write of any opener finds its connection lost: `before` the store has carried it out, or `after`, so that
   * only its answer is lost. Writes that travel together share that fate.
   */
  readonly failNextWrite?: (when: "before" | "after") => Effect.Effect<void, unknown>
}

export type StoreCase = PortCase<EventStore, StorePlace>

export interface StoreFixture {
  readonly place: StorePlace
  readonly seed: number
  /** One opener. */
  readonly store: Store
  /** One more opener, until the case ends. */
  readonly another: Effect.Effect<Store, unknown, Scope.Scope>
  /** Head of the feed before the case began. */
  readonly start: number
  /** A name made unique, for a store that others have written to. What was before its first hyphen still is. */
  readonly name: (name: string) => string
  /** So many new events, each with an id of its own. */
  readonly events: (count: number, change?: Partial<NewEvent>) => ReadonlyArray<NewEvent>
  /** As `events`, but one. */
  readonly event: (change?: Partial<NewEvent>) => NewEvent
}

/** What a case does: a generator of effects. */
export type CaseBody = (
  fixture: StoreFixture
) => Generator<Effect.Effect<unknown, unknown, Scope.Scope>, unknown, never>

/** Makes the cases of one part of the port, which may need a hook. */
export const casesOf =
  (part: string, hook?: keyof StoreFaults) =>
  (sentence: string, body: CaseBody): StoreCase => ({
    name: `${part} ${sentence}`,
    missing: ({ faults }) =>
      hook === undefined || faults?.[hook] !== undefined ? undefined : `The place has no hook ${hook}.`,
    run: (place, seed) =>
      Effect.asVoid(Effect.flatMap(fixtureOf(place, seed), (fixture) => Effect.gen(() => body(fixture))))
  })

/** A store opened until the scope ends. */
export const opened = (layer: StorePlace["open"]): Effect.Effect<Store, unknown, Scope.Scope> =>
  openedPort(EventStore, layer)

const fixtureOf = Effect.fnUntraced(function* (place: StorePlace, seed: number) {
  const store = yield* opened(place.open)
  // No hyphen: the category of `name("a-1")` is `name("a")`.
  const run = `t${Math.abs(yield* Random.nextInt).toString(36)}`
  const name = (name: string) => `${run}${name}`
  let made = 0
  const event = (change: Partial<NewEvent> = {}): NewEvent => {
    const id = name(`event-${++made}`)
    return {
      eventId: id,
      type: "Tested",
      data: {},
      at: 1_700_000_000_000 + made,
      orgId: "org-1",
      principal: { _tag: "User", userId: "user-1" },
      commandId: `${id}-command`,
      ...change
    }
  }
  const events = (count: number, change: Partial<NewEvent> = {}) => Array.from({ length: count }, () => event(change))
  const start = yield* store.head
  return { place, seed, store, another: opened(place.open), start, name, event, events } satisfies StoreFixture
})

/** The form in which a store gives events back that were appended as versions `firstVersion…` of a stream. */
export const asStored = (
  events: ReadonlyArray<NewEvent>,
  streamId: string,
  firstPosition: number,
  firstVersion = 1
): ReadonlyArray<StoredEvent> =>
  events.map((event, index) => ({ ...event, streamId, version: firstVersion + index, position: firstPosition + index }))

/** All of the feed after a position, read in pages. */
export const feedOf = (store: Store, after: number, filter?: FeedFilter, page = 7): ReturnType<Store["feed"]> =>
  Effect.flatMap(store.feed(after, page, filter), (events) => {
    const last = events.at(-1)
    if (last === undefined || events.length < page) return Effect.succeed(events)
    return Effect.map(feedOf(store, last.position, filter, page), (rest) => [...events, ...rest])
  })

export const idsOf = (events: ReadonlyArray<{ readonly eventId: string }>): ReadonlyArray<string> =>
  events.map(({ eventId }) => eventId)

/** 1, 2, 3, … */
export const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index + 1)

/** A new stream with these events. */
export const append = (streamId: string, events: ReadonlyArray<NewEvent>, expectedVersion = 0): Batch => ({
  append: [{ streamId, expectedVersion, events }]
})

interface Refusal {
  readonly _tag: string
  readonly [field: string]: unknown
}

/** Sees that a batch is refused so, and with these fields. */
export const refuses = Effect.fnUntraced(function* (store: Store, batch: Batch, refusal: Refusal) {
  expect(yield* Effect.flip(store.write(batch))).toMatchObject(refusal)
})

/** A record's value, or `undefined`. */
export const valueOf = (store: Store, key: string) =>
  Effect.map(store.record(key), (found) => (found._tag === "Some" ? found.value : undefined))

/** All keys that start with the prefix. */
export const keysOf = (store: Store, prefix: string, after = "", limit = 1_000) =>
  Effect.map(store.records(prefix, after, limit), (records) => records.map(({ key }) => key))
