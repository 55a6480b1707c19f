/** What each test of the event store suite works with: a store, and names that nobody else uses. */
import { Effect, Random, type Schema, type Scope, Stream } from "effect"
import {
  EventStore,
  type NewEvent,
  type Receipt,
  type Reservation,
  type StoredEvent
} from "../../streams/OldEventStore.ts"

/** Registers one test. */
export type Check = (
  sentence: string,
  body: (fixture: StoreFixture) => Effect.Effect<unknown, unknown, Scope.Scope>
) => void

export interface StoreFixture {
  readonly store: EventStore["Service"]
  /** A name made unique: for streams, commands and receipts of stores that other tests have written to. */
  readonly name: (name: string) => string
  /** So many new events, each with an id of its own. */
  readonly events: (count: number, data?: Schema.JsonObject) => ReadonlyArray<NewEvent>
  readonly receipt: (name: string) => Receipt
  /** A reservation of the stream; its deadline is 1,000 unless given, and it is the first attempt. */
  readonly reserve: (
    streamId: string,
    command: string,
    deadline?: number,
    attempt?: number
  ) => Omit<Reservation, "released">
  /** The feed after a position, to its end. */
  readonly feed: (after: number) => ReturnType<EventStore["Service"]["readAll"]>
  /** Follows the feed from a position on, page by page, each time that the store says it has grown. */
  readonly follow: (after: number) => Stream.Stream<StoredEvent, unknown>
}

const PAGE = 7

/** Every test has one of its own; a random part keeps its names apart from those of earlier runs over the same database. */
export const storeFixture = Effect.gen(function* () {
  const store = yield* EventStore
  const run = (yield* Random.nextInt).toString(36).replace("-", "")
  let made = 0

  const name = (name: string) => `suite-${run}-${name}`

  const feed = (after: number): ReturnType<StoreFixture["feed"]> =>
    Effect.flatMap(store.readAll(after, PAGE), (page) =>
      page.length === 0 ? Effect.succeed(page) : Effect.map(feed(after + page.length), (rest) => [...page, ...rest])
    )

  const follow = (after: number) => {
    let position = after
    return store.changes.pipe(
      Stream.mapEffect(() => feed(position)),
      Stream.flatMap(Stream.fromIterable),
      Stream.tap((event) => Effect.sync(() => (position = event.position)))
    )
  }

  return {
    store,
    name,
    events: (count, data = {}) =>
      Array.from({ length: count }, () => {
        const id = name(`event-${++made}`)
        return {
          eventId: id,
          type: "Tested",
          data,
          at: 1_700_000_000_000 + made,
          orgId: "org-1",
          principal: { _tag: "User" as const, userId: "user-1" },
          commandId: `${id}-command`
        }
      }),
    receipt: (of) => ({ id: name(of), fingerprint: `fingerprint of ${of}` }),
    reserve: (streamId, command, deadline = 1_000, attempt = 1) => ({
      commandId: name(command),
      attempt,
      streamId,
      thing: THING,
      deadline
    }),
    feed,
    follow
  } satisfies StoreFixture
})

/** The thing that everything is prepared for. */
export const THING = "thing-1"

/** The form in which a store gives events back that were appended as versions `firstVersion…` of a stream. */
export const asStored = (events: ReadonlyArray<NewEvent>, streamId: string, firstVersion = 1) =>
  events.map((event, index) => ({ ...event, streamId, version: firstVersion + index }))

/** Stored events without their positions, which depend on what else is in the store, and the time of their commit. */
export const withoutPosition = (events: ReadonlyArray<StoredEvent>) =>
  events.map(({ position: _, acceptedAt: __, ...event }) => event)

/** The stored events of a stream, up to 1,000. */
export const contentOf = (store: EventStore["Service"], streamId: string) =>
  Effect.map(store.read(streamId, 0, 1_000), withoutPosition)
