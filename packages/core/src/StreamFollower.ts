/** Streams of one kind, folded in memory: first all that there is, then whatever comes, by whichever process. */
import { Duration, Effect, type Scope, Stream } from "effect"
import { keepGoing } from "./Backoff.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "./ports/EventStore.ts"

export interface StreamFollower {
  /** Learns at once what was appended, also by other processes; without being asked, that takes a moment. */
  readonly catchUp: () => Effect.Effect<void, StoreUnavailable>
  /** How far a stream was read; 0 when there is none. */
  readonly versionOf: (streamId: string) => number
}

const PAGE = 1_000
/** How soon, at the latest, a process learns what another one appended. */
const FOLLOW_EVERY = Duration.millis(100)

/** Hands every event of the streams that start with `prefix` to `take`, once, in the order of its stream. */
export const followStreams: (
  prefix: string,
  take: (stored: StoredEvent) => void
) => Effect.Effect<StreamFollower, StoreUnavailable, EventStore | Scope.Scope> = Effect.fnUntraced(
  function* (prefix, take) {
    const store = yield* EventStore
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

    // The head first: what is written while the streams are read is then seen by the follower.
    let position = yield* store.head
    let after = prefix
    while (true) {
      const streams = yield* store.streams(prefix, after, PAGE)
      yield* Effect.forEach(streams, readStream, { discard: true })
      if (streams.length < PAGE) break
      after = streams.at(-1) ?? after
    }

    const catchUp = Effect.fnUntraced(function* () {
      while (true) {
        const head = yield* store.head
        if (head <= position) return
        const events = yield* store.readAll(position, PAGE, prefix)
        events.forEach(takeNew)
        // A full page may have more of them behind it; else there is none up to the head.
        position = Math.max(position, events.length < PAGE ? head : (events.at(-1)?.position ?? head))
        if (events.length < PAGE) return
      }
    })
    const follow = () => Effect.andThen(catchUp(), Effect.sleep(FOLLOW_EVERY))
    yield* Stream.runForEach(store.changes, follow).pipe(
      keepGoing(`What happens to streams of ${prefix}… is not followed`),
      Effect.forkScoped
    )
    return { catchUp, versionOf }
  }
)
