/**
 * One process of many does a piece of work: the one that holds its lease, a stream of its own in the log.
 *
 * A lease spares others the work; it proves nothing. Whoever was paused for longer than it lasts goes on for a moment
 * beside the next holder: whatever is done under it must do no harm when two do it.
 */
import { Clock, Duration, Effect, Exit, Result, Schema } from "effect"
import type { AppendError, EventStore, StoreUnavailable } from "./OldEventStore.ts"

/** What happened to a lease. Stored for ever: add cases and optional fields, never rename or remove one. */
export const LeaseEvent = Schema.TaggedUnion({
  /** Somebody took it, or keeps it. */
  LeaseTaken: {},
  /** Its holder stopped before the work was done. */
  LeaseReleased: {}
})
export type LeaseEvent = typeof LeaseEvent.Type

/** The stream of the lease of some work. */
const streamOfLease = (work: string): string => `lease-${work}`

/** How often a holder is heard of. */
const KEEP_EVERY = Duration.seconds(3)
const LOOK_EVERY = Duration.seconds(1)
/** Looks in a row at which nothing was heard of the holder, until the lease is free. */
const SILENT_LOOKS = 10
/** How long, at most, a lease lasts whose holder is gone. */
export const LEASE = Duration.times(LOOK_EVERY, SILENT_LOOKS)
const RELEASE_TIMEOUT = Duration.seconds(1)
const PAGE = 1_000

type Store = Pick<EventStore["Service"], "read" | "append">

/**
 * Does the work under its lease, and ends when it is done, by whomever. Waits while another process holds the lease; if
 * that one falls silent, takes it over.
 *
 * How long a holder is silent is counted in looks of the one who waits: no clock is compared with another's, and one
 * that is set, or a process that was paused, makes no lease end early.
 *
 * @param isDone whether nothing is left to do
 */
export const underLease = Effect.fnUntraced(function* <E, F>(
  store: Store,
  work: string,
  isDone: Effect.Effect<boolean, E>,
  perform: Effect.Effect<void, F>
): Effect.fn.Return<void, E | F | StoreUnavailable> {
  const streamId = streamOfLease(work)
  while (!(yield* isDone)) {
    const version = yield* whenFree(store, streamId)
    // A holder that has done the work falls silent too.
    if (yield* isDone) return
    const end = yield* Effect.acquireUseRelease(
      take(store, streamId, version),
      (held) =>
        held === undefined
          ? Effect.succeed<End>("lost")
          : Effect.raceFirst(Effect.as(perform, "done" as End), keep(store, streamId, held)),
      (held, exit) => (held === undefined || Exit.isSuccess(exit) ? Effect.void : release(store, streamId, held))
    )
    if (end === "done") return
  }
})

type End = "done" | "lost"

/** A lease that this process has, as far as it knows; `version` is that of its newest event. */
interface Held {
  version: number
}

/** Answers the version at which the lease is free: nobody ever had it, or it was given back, or its holder is silent. */
const whenFree = Effect.fnUntraced(function* (store: Store, streamId: string) {
  let seen = yield* newest(store, streamId, { version: 0, isFree: true })
  for (let silent = 0; !seen.isFree && silent < SILENT_LOOKS; ) {
    yield* Effect.sleep(LOOK_EVERY)
    const now = yield* newest(store, streamId, seen)
    silent = now.version === seen.version ? silent + 1 : 0
    seen = now
  }
  return seen.version
})

interface Seen {
  readonly version: number
  readonly isFree: boolean
}

const newest = Effect.fnUntraced(function* (store: Store, streamId: string, before: Seen) {
  let seen = before
  while (true) {
    const events = yield* store.read(streamId, seen.version, PAGE)
    const last = events.at(-1)
    if (last !== undefined) seen = { version: last.version, isFree: last.type === "LeaseReleased" }
    if (events.length < PAGE) return seen
  }
})

/** The lease, unless somebody was quicker. */
const take = (store: Store, streamId: string, version: number): Effect.Effect<Held | undefined, StoreUnavailable> =>
  Effect.matchEffect(append(store, streamId, version, "LeaseTaken"), {
    onSuccess: (held) => Effect.succeed<Held | undefined>(held),
    onFailure: (error) => (error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.undefined)
  })

/** Keeps a lease; answers when somebody else has it. While the store does not answer, nobody else can take it either. */
const keep = Effect.fnUntraced(function* (store: Store, streamId: string, held: Held) {
  while (true) {
    yield* Effect.sleep(KEEP_EVERY)
    const kept = yield* append(store, streamId, held.version, "LeaseTaken").pipe(
      Effect.tap(({ version }) => Effect.sync(() => (held.version = version))),
      Effect.uninterruptible,
      Effect.result
    )
    if (Result.isFailure(kept) && kept.failure._tag !== "StoreUnavailable") return "lost" satisfies End as End
  }
})

/** So that the next one need not wait. Whom the store does not answer is found silent. */
const release = (store: Store, streamId: string, { version }: Held) =>
  append(store, streamId, version, "LeaseReleased").pipe(Effect.timeout(RELEASE_TIMEOUT), Effect.ignore)

const append = (
  store: Store,
  streamId: string,
  expected: number,
  type: LeaseEvent["_tag"]
): Effect.Effect<Held, AppendError> =>
  Effect.flatMap(Clock.currentTimeMillis, (at) => {
    const id = `${streamId}-${expected + 1}`
    return store.append(streamId, expected, [
      { eventId: id, type, data: {}, at, orgId: "", principal: { _tag: "System" }, commandId: id }
    ])
  })
