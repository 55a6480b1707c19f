/** Streams of one kind, folded in memory: first all that there is, then whatever comes, by whichever process. */
import { Clock, Duration, Effect, Schedule, type Scope, Stream } from "effect"
import { keepGoing } from "./Backoff.ts"
import { EventStore, type StoredEvent, StoreUnavailable } from "./OldEventStore.ts"
import { inBackground } from "./Workers.ts"

export interface StreamFollower {
  /** Learns at once what was appended, also by other processes; without being asked, that takes a moment. */
  readonly catchUp: () => Effect.Effect<void, StoreUnavailable>
  /** Whether the last look at the log is two seconds old at most. If not: `catchUp` before anything rests on it. */
  readonly isCurrent: () => boolean
  /** How far a stream was read; 0 when there is none. */
  readonly versionOf: (streamId: string) => number
}

const PAGE = 1_000
/** How soon, at the latest, a process learns what another one appended. */
const FOLLOW_EVERY = Duration.millis(100)
/** How often whoever follows the feed looks when the store gives no hint. */
const LOOK_EVERY = Duration.seconds(1)
/** How old the last look may be for what security rests on. */
const CURRENT_FOR = Duration.seconds(2)
const CURRENT_MILLIS = Duration.toMillis(CURRENT_FOR)
const CURRENT_NANOS = Duration.toNanosUnsafe(CURRENT_FOR)
/** How long the store may take to answer one look. */
const LOOK_TIMEOUT = Duration.seconds(1)

/**
 * Whenever the feed may have grown: at the store's hint, and once a second whatever becomes of that. A hint promises
 * nothing: it may be silent, and it may fail while reads go on.
 */
export const growth = (store: EventStore["Service"]): Stream.Stream<unknown> =>
  Stream.merge(Stream.orDie(Stream.retry(store.changes, Schedule.spaced(LOOK_EVERY))), Stream.tick(LOOK_EVERY))

/**
 * Reads on in the feed, of streams that start with `prefix`: hands each event after `position` to `take`, a page at a
 * time, so that what was handed over is not read again when the store fails in between.
 */
export const feedReader = (store: EventStore["Service"], prefix: string, position: number) => {
  let reached = position
  const readOn = Effect.fnUntraced(function* (take: (stored: StoredEvent) => void) {
    while (true) {
      const head = yield* store.head
      if (head <= reached) return
      const events = yield* store.readAll(reached, PAGE, prefix)
      events.forEach(take)
      // A full page may have more of them behind it; else there is none up to the head.
      reached = Math.max(reached, events.length < PAGE ? head : (events.at(-1)?.position ?? head))
      if (events.length < PAGE) return
    }
  })
  return (take: (stored: StoredEvent) => void) => inTime(readOn(take))
}

/** A store that hangs is one that does not answer. */
const inTime = (look: Effect.Effect<void, StoreUnavailable>) =>
  Effect.timeoutOrElse(look, {
    duration: LOOK_TIMEOUT,
    orElse: () => Effect.fail(new StoreUnavailable({ message: "The event store does not answer." }))
  })

/** Hands every event of the streams that start with `prefix` to `take`, once, in the order of its stream. */
export const followStreams: (
  prefix: string,
  take: (stored: StoredEvent) => void
) => Effect.Effect<StreamFollower, StoreUnavailable, EventStore | Scope.Scope> = Effect.fnUntraced(
  function* (prefix, take) {
    const store = yield* EventStore
    const clock = yield* Clock.Clock
    const versions = new Map<string, number>()
    const versionOf = (streamId: string): number => versions.get(streamId) ?? 0

    const takeNew = (stored: StoredEvent): void => {
      if (stored.version <= versionOf(stored.streamId)) return
      versions.set(stored.streamId, stored.version)
      take(stored)
    }

    const readStream = Effect.fnUntraced(function* (streamId: string) {
      while (true) {
        const events = yield* store.read(streamId, versionOf(streamId), PAGE)
        events.forEach(takeNew)
        if (events.length < PAGE) return
      }
    })

    /** By two clocks: one that nobody sets, and one that goes on while the machine sleeps. */
    const now = () => ({ steady: clock.monotonicTimeNanosUnsafe(), wall: clock.currentTimeMillisUnsafe() })
    let looked = now()
    const isCurrent = (): boolean => {
      const { steady, wall } = now()
      return steady - looked.steady <= CURRENT_NANOS && Math.abs(wall - looked.wall) <= CURRENT_MILLIS
    }

    // The head first: what is written while the streams are read is then seen by the follower.
    const readOn = feedReader(store, prefix, yield* store.head)
    let after = prefix
    while (true) {
      const streams = yield* store.streams(prefix, after, PAGE)
      yield* Effect.forEach(streams, readStream, { discard: true })
      if (streams.length < PAGE) break
      after = streams.at(-1) ?? after
    }

    const catchUp = () =>
      Effect.suspend(() => {
        const begun = now()
        return Effect.map(readOn(takeNew), () => {
          if (begun.steady >= looked.steady) looked = begun
        })
      })
    yield* Stream.runForEach(growth(store), () => Effect.andThen(catchUp(), Effect.sleep(FOLLOW_EVERY))).pipe(
      keepGoing(`What happens to streams of ${prefix}… is not followed`),
      inBackground
    )
    return { catchUp, isCurrent, versionOf }
  }
)
