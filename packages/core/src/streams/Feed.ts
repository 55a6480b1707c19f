/**
 * The one reader of the feed in a process. It hands named consumers what they ask for: in order, each event once, and
 * nobody waits for another.
 */
import { Clock, Context, Duration, Effect, Latch, Layer, Option, Schedule, type Scope, Semaphore, Stream } from "effect"
import { keepGoing } from "./Backoff.ts"
import {
  type Append,
  type Batch,
  categoryOf,
  EventStore,
  type FeedFilter,
  type NewEvent,
  type StoredEvent,
  StoreUnavailable,
  type WriteError
} from "./EventStore.ts"
import { refusePart } from "./Import.ts"
import { byOne, type Lease } from "./Lease.ts"
import { CurrentBackground, inBackground } from "./Workers.ts"

/** Takes events at its own pace, and knows how far it has come. */
export interface Consumer<E extends Failure = never> {
  /** What is done, for the log, and for the lease. */
  readonly name: string
  readonly filter?: FeedFilter
  /** The position up to which it has taken everything. Asked before it is handed anything: others may move it too. */
  readonly cursor: Effect.Effect<number, E>
  /**
   * Takes the events that its filter lets through after its cursor, up to a position, together with the new cursor or
   * not at all; answers the cursor that then stands. When it fails it is handed the same again, later.
   *
   * @param confirm that its lease is still its own: see `Lease`
   */
  readonly take: (
    events: ReadonlyArray<StoredEvent>,
    upTo: number,
    confirm: Lease["confirm"]
  ) => Effect.Effect<number, E | StoreUnavailable>
  /** Most events at once: others who ask something meanwhile wait for no more. */
  readonly page?: number
  /** Of the processes that follow with this consumer one does, and another when that one stops. */
  readonly lease?: boolean
}

interface Failure {
  readonly message: string
}

export interface Following<E> {
  /** Waits until the consumer has taken everything up to the present head; `false` when it has not in that time. */
  readonly catchUp: (timeout: Duration.Input) => Effect.Effect<boolean, E | StoreUnavailable>
}

/** What a process keeps in memory of the feed: it is filled first, and ends with the process. */
export interface Register {
  /** Learns at once what was appended, also by other processes; without being asked, that takes a moment. */
  readonly catchUp: () => Effect.Effect<void, StoreUnavailable>
  /** Whether the last look at the log is two seconds old at most. If not: `catchUp` before anything rests on it. */
  readonly isCurrent: () => boolean
}

const PAGE = 1_000
/** Events that are kept for consumers that are a little behind: they need not be read again. */
const RECENT = 1_000
/** Events written by this process that are kept until the next look, which then need not read them. */
const MOST_WRITTEN = 2_000
/** How long what happens in a busy feed may gather, to be taken together, while nobody asks for it. */
const GATHER = Duration.millis(50)
/** How long the work is left to another process that has done it last. */
const LEFT = Duration.millis(200)
/** How often everybody looks when there is no hint. */
const LOOK_EVERY = Duration.seconds(1)
/** How old the last look may be for what security rests on. */
const CURRENT_FOR = Duration.seconds(2)
const CURRENT_MILLIS = Duration.toMillis(CURRENT_FOR)
const CURRENT_NANOS = Duration.toNanosUnsafe(CURRENT_FOR)
/**
 * How long the store may take to answer one look, or one page of what a register is filled with. A busy disk may take
 * a second, and nobody should be refused for that.
 */
const ANSWER_TIMEOUT = Duration.seconds(5)

/**
 * Reads the feed once in a process, and hands each consumer what it asked for.
 *
 * @example
 * ```ts
 * const feed = yield* Feed
 * yield* Stream.runForEach(feed.events(0, { category: "lock" }), ({ type, at }) => Console.log(type, at))
 * ```
 */
export class Feed extends Context.Service<
  Feed,
  {
    /** Hands the consumer events for as long as the scope lives. While it fails it is asked again, less and less often. */
    readonly follow: <E extends Failure>(consumer: Consumer<E>) => Effect.Effect<Following<E>, never, Scope.Scope>
    /** Those who take events in this process now, each with the position up to which nothing is left for it. */
    readonly consumers: () => ReadonlyArray<{ readonly name: string; readonly position: number }>
    /** Lists somebody who takes events in a way of their own among the consumers, for as long as the scope lives. */
    readonly list: (name: string, position: () => number) => Effect.Effect<void, never, Scope.Scope>
    /** The events after a position, and then whatever comes. A slow reader holds nobody up. */
    readonly events: (after: number, filter?: FeedFilter) => Stream.Stream<StoredEvent, StoreUnavailable>
    /**
     * Tells what this process has just written, with the position of its last event. It is not read back, unless another
     * process has written something before it that was not read yet.
     */
    readonly wrote: (append: Append, position: number) => void
    /**
     * Hands every event that the filter lets through to `take`: those that there are before it answers, others as they
     * come, for as long as the scope lives.
     *
     * @param after the position to begin after; 0 unless given
     */
    readonly register: (
      filter: FeedFilter,
      take: (stored: StoredEvent) => void,
      after?: number
    ) => Effect.Effect<Register, StoreUnavailable, Scope.Scope>
  }
>()("@latchkey/core/Feed") {
  static readonly layer: Layer.Layer<Feed, StoreUnavailable, EventStore> = Layer.effect(
    Feed,
    Effect.suspend(() => make)
  )
}

interface Registered {
  readonly filter: FeedFilter
  readonly take: (stored: StoredEvent) => void
  position: number
  /** What it threw: nothing rests on it from then on. */
  broken: { readonly defect: unknown } | undefined
}

const make = Effect.gen(function* () {
  const store = yield* EventStore
  yield* refusePart(store)
  const clock = yield* Clock.Clock
  const background = yield* CurrentBackground
  const registers = new Set<Registered>()
  /** Opened when the feed has grown, one for each consumer. */
  const sleepers = new Set<Latch.Latch>()
  const consumers = new Map<string, () => number>()
  /** The position up to which the feed was read; `recent` are the last events before it, without a gap. */
  let reached = yield* store.head
  let recent: ReadonlyArray<StoredEvent> = []
  /** What this process has written after `reached`, by position. */
  const written = new Map<number, StoredEvent>()

  /** By two clocks: one that nobody sets, and one that goes on while the machine sleeps. */
  const now = () => ({ steady: clock.monotonicTimeNanosUnsafe(), wall: clock.currentTimeMillisUnsafe() })
  let looked = now()
  const isCurrent = (): boolean => {
    const { steady, wall } = now()
    return steady - looked.steady <= CURRENT_NANOS && Math.abs(wall - looked.wall) <= CURRENT_MILLIS
  }

  /** What follows `reached` without a gap. Positions have none, so nothing of other processes is left out. */
  const writtenNext = (): ReadonlyArray<StoredEvent> => {
    const events: Array<StoredEvent> = []
    for (let at = reached + 1, next = written.get(at); next !== undefined; next = written.get(++at)) events.push(next)
    return events
  }

  const readOn = Effect.gen(function* () {
    while (true) {
      const known = writtenNext()
      const events = known.length > 0 ? known : yield* store.feed(reached, PAGE)
      const last = events.at(-1)
      if (last !== undefined) {
        for (const register of registers) hand(register, events)
        if (sleepers.size > 0) recent = [...recent, ...events].slice(-RECENT)
        else recent = []
        reached = last.position
        for (const position of written.keys()) if (position <= reached) written.delete(position)
        for (const sleeper of sleepers) sleeper.openUnsafe()
      }
      // Others may have written more.
      if (known.length === 0 && events.length < PAGE) return
    }
  })

  /** One at a time looks; anyone who asks while somebody does shares the look that begins after it asked. */
  const looking = Semaphore.makeUnsafe(1)
  let begun = 0
  let succeeded = 0
  const look = Effect.suspend(() => {
    const needed = begun + 1
    const own = Effect.suspend(() => {
      if (succeeded >= needed) return Effect.void
      const [number, at] = [++begun, now()]
      return Effect.map(readOn, () => {
        succeeded = number
        looked = at
      })
    })
    return inTime(looking.withPermit(own))
  })

  const follower = Effect.andThen(keepGoing("Cannot read the feed")(look), Effect.sleep(GATHER))
  yield* inBackground(Stream.runForEach(growth(store), () => follower))

  /** Opens the latch whenever the feed has grown, for as long as the scope lives. */
  const wakes = (grown: Latch.Latch) =>
    Effect.acquireRelease(
      Effect.sync(() => sleepers.add(grown)),
      () => Effect.sync(() => sleepers.delete(grown))
    )

  /** What a filter lets through after a position: a page of it, and how far that reaches. */
  const pageAfter = Effect.fnUntraced(function* (position: number, limit: number, filter: FeedFilter | undefined) {
    const oldest = recent[0]?.position
    if (position >= reached) return { events: [], upTo: position }
    if (oldest !== undefined && oldest <= position + 1) {
      const events = recent.slice(position + 1 - oldest, position + 1 - oldest + limit)
      const upTo = events.at(-1)?.position ?? position
      return { events: filter === undefined ? events : events.filter((stored) => matches(filter, stored)), upTo }
    }
    const head = reached
    const events = yield* store.feed(position, limit, filter)
    const last = events.at(-1)?.position ?? position
    return { events, upTo: events.length < limit ? Math.max(head, last) : last }
  })

  const list = (name: string, position: () => number) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => consumers.set(name, position)),
        () => Effect.sync(() => consumers.delete(name))
      )
    )

  const follow = Effect.fnUntraced(function* <E extends Failure>({
    name,
    filter,
    cursor,
    take,
    page = PAGE,
    lease = false
  }: Consumer<E>): Effect.fn.Return<Following<E>, never, Scope.Scope> {
    /** Its cursor as it was last heard of, and how far beyond it there is nothing for it. */
    let [known, seen] = [-1, -1]
    const grown = Latch.makeUnsafe(true)
    const wanted = Latch.makeUnsafe(false)
    const waiting = new Set<Latch.Latch>()
    /** Another process has moved the cursor last: it goes first, unless somebody waits here. */
    let isLeft = false

    const round = Effect.fnUntraced(function* (confirm: Lease["confirm"]) {
      yield* grown.close
      const stands = yield* cursor
      if (stands !== known) {
        isLeft = known >= 0
        seen = stands
      } else if (seen < reached) isLeft = false
      known = stands
      let isStuck = false
      while (true) {
        const { events, upTo } = yield* pageAfter(seen, page, filter)
        const from = seen
        if (events.length > 0) known = seen = yield* take(events, upTo, confirm)
        else seen = upTo
        for (const one of waiting) one.openUnsafe()
        if (events.length < page && seen >= reached) return
        // Short of the last event: somebody else has moved the cursor, and it goes on from there, if it goes on at all.
        if (seen === from && isStuck) return
        isStuck = seen === from
        yield* Effect.yieldNow
      }
    })
    /** Where nothing runs in the background, those who wait take turns. */
    const oneRound = Semaphore.makeUnsafe(1)
    const shown = list(name, () => Math.max(0, known, seen))
    const rounds = (confirm: Lease["confirm"]) =>
      Effect.scoped(
        Effect.andThen(
          shown,
          Effect.forever(
            round(confirm).pipe(
              keepGoing(`${name} does not follow the feed`),
              Effect.andThen(Effect.timeoutOption(wanted.await, GATHER)),
              Effect.andThen(wanted.close),
              Effect.andThen(Effect.timeoutOption(grown.await, LOOK_EVERY)),
              Effect.andThen(Effect.suspend(() => (isLeft ? Effect.timeoutOption(wanted.await, LEFT) : Effect.void)))
            )
          )
        )
      )
    yield* wakes(grown)
    yield* inBackground(
      lease
        ? keepGoing(`${name} does not follow the feed`)(byOne(store, name, ({ confirm }) => rounds(confirm)))
        : rounds(Effect.void)
    )

    const hasTaken = (head: number) =>
      Effect.map(cursor, (stands) => stands >= head || (stands === known && seen >= head))
    return {
      catchUp: Effect.fnUntraced(function* (timeout) {
        const head = yield* store.head
        if (yield* hasTaken(head)) return true
        if (!background.isRunning()) {
          const taken = oneRound.withPermit(Effect.andThen(look, round(Effect.void)))
          return Option.isSome(yield* Effect.timeoutOption(taken, timeout))
        }
        const moved = Latch.makeUnsafe(false)
        const taken = Effect.gen(function* () {
          yield* Effect.forkChild(Effect.ignore(look))
          while (!(yield* hasTaken(head))) {
            yield* wanted.open
            yield* grown.open
            // Where another process holds the lease, only the cursor tells.
            yield* Effect.timeoutOption(moved.await, LOOK_EVERY)
            yield* moved.close
          }
        })
        return yield* Effect.acquireUseRelease(
          Effect.sync(() => waiting.add(moved)),
          () => Effect.map(Effect.timeoutOption(taken, timeout), Option.isSome),
          () => Effect.sync(() => waiting.delete(moved))
        )
      })
    }
  })

  const events = (after: number, filter?: FeedFilter): Stream.Stream<StoredEvent, StoreUnavailable> =>
    Stream.unwrap(
      Effect.sync(() => {
        const grown = Latch.makeUnsafe(false)
        let position = after
        const next = Effect.gen(function* () {
          while (true) {
            yield* grown.close
            const { events, upTo } = yield* pageAfter(position, PAGE, filter)
            position = upTo
            if (events.length > 0) return events
            if (upTo < reached) continue
            yield* Effect.timeoutOption(grown.await, LOOK_EVERY)
            if (!background.isRunning()) yield* look
          }
        })
        return Effect.as(wakes(grown), Stream.flattenIterable(Stream.fromEffectRepeat(next)))
      }).pipe(Effect.flatten)
    )

  const fill = Effect.fnUntraced(function* (register: Registered) {
    while (true) {
      const events = yield* inTime(store.feed(register.position, PAGE, register.filter))
      hand(register, events)
      if (events.length < PAGE || register.broken !== undefined) return
    }
  })

  return {
    follow,
    list,
    consumers: () => [...consumers].map(([name, position]) => ({ name, position: position() })),
    events,
    wrote: ({ streamId, expectedVersion, events }, last) => {
      if (written.size >= MOST_WRITTEN) return
      events.forEach((event, index) => {
        const position = last - events.length + index + 1
        if (position <= reached) return
        written.set(position, { ...copyOf(event), streamId, version: expectedVersion + index + 1, position })
      })
    },
    register: Effect.fnUntraced(function* (filter, take, after = 0) {
      const register: Registered = { filter, take, position: after, broken: undefined }
      yield* fill(register)
      // Between this and the first look that it takes part in nothing is left out: what came meanwhile is read here.
      yield* looking.withPermit(
        Effect.andThen(
          fill(register),
          Effect.acquireRelease(
            Effect.sync(() => registers.add(register)),
            () => Effect.sync(() => registers.delete(register))
          )
        )
      )
      return {
        isCurrent: () => register.broken === undefined && isCurrent(),
        catchUp: () =>
          Effect.andThen(
            look,
            Effect.suspend(() => (register.broken === undefined ? Effect.void : Effect.die(register.broken.defect)))
          )
      }
    })
  } satisfies Feed["Service"]
})

/** A deep copy: the caller still has the event, and may change it. Most events are flat, and cheaper to copy without `structuredClone`. */
const copyOf = ({ data, principal, ...event }: NewEvent): NewEvent => ({
  ...event,
  data: Object.values(data).some((value) => typeof value === "object") ? structuredClone(data) : { ...data },
  principal: { ...principal }
})

/** What a register is for it takes once, in order. One that breaks holds up nobody else. */
const hand = (register: Registered, events: ReadonlyArray<StoredEvent>): void => {
  for (const stored of events) {
    if (stored.position <= register.position || register.broken !== undefined) continue
    register.position = stored.position
    if (!matches(register.filter, stored)) continue
    try {
      register.take(stored)
    } catch (defect) {
      register.broken = { defect }
    }
  }
}

const matches = ({ category, orgId }: FeedFilter, stored: StoredEvent): boolean =>
  (category === undefined || categoryOf(stored.streamId) === category) &&
  (orgId === undefined || stored.orgId === orgId)

/**
 * A consumer whose cursor is a record of the store. What `take` answers is written together with it, so it takes effect
 * once for each event, whatever stops in between and however many processes follow. What else `take` does may happen
 * again.
 *
 * @param options.name names the record: it is storage
 */
export const recorded = <E extends Failure>(
  store: EventStore["Service"],
  {
    take,
    ...options
  }: Pick<Consumer, "name" | "filter" | "page" | "lease"> & {
    readonly take: (events: ReadonlyArray<StoredEvent>) => Effect.Effect<Batch, E>
  }
): Consumer<E | WriteError> => {
  const key = `cursor/${options.name}`
  let value: string | undefined
  return {
    ...options,
    cursor: Effect.map(store.record(key), (record) => {
      value = Option.getOrUndefined(record)
      return Number(value ?? 0)
    }),
    take: Effect.fnUntraced(function* (events, upTo) {
      const { expect = [], put = [], ...batch } = yield* take(events)
      const moved = { key, value: String(upTo) }
      return yield* store.write({ ...batch, expect: [{ key, value }, ...expect], put: [...put, moved] }).pipe(
        Effect.map(() => {
          value = moved.value
          return upTo
        }),
        // Another process has taken them.
        Effect.catchIf(
          (error) => error._tag === "RecordConflict" && error.key === key,
          (error) => {
            value = error._tag === "RecordConflict" ? error.actual : undefined
            return Effect.succeed(Number(value ?? 0))
          }
        )
      )
    })
  }
}

/**
 * Whenever the feed may have grown: at the store's hint, and once a second whatever becomes of that. A hint promises
 * nothing: it may be silent, and it may fail, break or end while reads go on.
 */
const growth = (store: EventStore["Service"]): Stream.Stream<unknown> => {
  // One that ends is asked for again like one that fails: else all later hints would be lost.
  const hints = Stream.concat(
    Stream.catchCause(store.changes, (cause) => Stream.fail(cause)),
    Stream.fail("ended")
  )
  return Stream.merge(Stream.orDie(Stream.retry(hints, Schedule.spaced(LOOK_EVERY))), Stream.tick(LOOK_EVERY))
}

/** A store that hangs is one that does not answer. */
const inTime = <A>(look: Effect.Effect<A, StoreUnavailable>) =>
  Effect.timeoutOrElse(look, {
    duration: ANSWER_TIMEOUT,
    orElse: () => Effect.fail(new StoreUnavailable({ message: "The event store does not answer." }))
  })
