/**
 * One process of many does a piece of work: the one that holds its lease, a record that it changes every few seconds.
 *
 * A lease spares others the work; it proves nothing. A holder that was paused for longer than it lasts goes on for a moment
 * beside the next holder: whatever is done under it must do no harm when two do it. The record may be lost for the same
 * reason.
 */
import { Duration, Effect, Option, Random } from "effect"
import type { EventStore, StoreUnavailable } from "./EventStore.ts"

/** How often a holder is heard of. */
const KEEP_EVERY = Duration.seconds(3)
const LOOK_EVERY = Duration.seconds(1)
/** Looks in a row at which nothing was heard of the holder, until the lease is free. */
const SILENT_LOOKS = 10
/** How long, at most, a lease lasts whose holder is gone. */
export const LEASE = Duration.times(LOOK_EVERY, SILENT_LOOKS)
const RELEASE_TIMEOUT = Duration.seconds(1)

type Store = Pick<EventStore["Service"], "record" | "write">

/**
 * Does the work under its lease, and ends when it is done, by any process. Waits while another process holds the lease; if
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
  const key = `lease/${work}`
  const holder = String(yield* Random.nextInt)
  while (!(yield* isDone)) {
    const seen = yield* whenFree(store, key)
    // A holder that has done the work falls silent too.
    if (yield* isDone) return
    const end = yield* Effect.acquireUseRelease(
      take(store, key, seen, holder),
      (held) =>
        held === undefined
          ? Effect.succeed<End>("lost")
          : Effect.raceFirst(Effect.as(perform, "done" as End), keep(store, key, held)),
      (held) => (held === undefined ? Effect.void : release(store, key, held))
    )
    if (end === "done") return
  }
})

type End = "done" | "lost"

/** A lease that this process has, as far as it knows. */
interface Held {
  readonly holder: string
  /** How often it was taken or kept: no two values of the record are equal. */
  count: number
}

const valueOf = ({ holder, count }: Held): string => `${holder} ${count}`

/** Answers the record's value once the lease is free: there is none, or its holder is silent. */
const whenFree = Effect.fnUntraced(function* (store: Store, key: string) {
  let seen = Option.getOrUndefined(yield* store.record(key))
  for (let silent = 0; seen !== undefined && silent < SILENT_LOOKS; ) {
    yield* Effect.sleep(LOOK_EVERY)
    const now = Option.getOrUndefined(yield* store.record(key))
    silent = now === seen ? silent + 1 : 0
    seen = now
  }
  return seen
})

/** The lease, unless somebody was quicker. */
const take = (store: Store, key: string, seen: string | undefined, holder: string) => {
  const held: Held = { holder, count: 1 }
  return Effect.map(replace(store, key, seen, valueOf(held)), (now) => (now === valueOf(held) ? held : undefined))
}

/** Keeps a lease; answers when somebody else has it. While the store does not answer, nobody else can take it either. */
const keep = Effect.fnUntraced(function* (store: Store, key: string, held: Held) {
  while (true) {
    yield* Effect.sleep(KEEP_EVERY)
    const next = { ...held, count: held.count + 1 }
    // Also when it was written, and the answer was lost.
    const isKept = yield* replace(store, key, valueOf(held), valueOf(next)).pipe(
      Effect.map((now) => now === valueOf(next)),
      Effect.tap((isKept) => Effect.sync(() => isKept && (held.count = next.count))),
      Effect.uninterruptible,
      Effect.orElseSucceed(() => true)
    )
    if (!isKept) return "lost" satisfies End as End
  }
})

/** So that the next one need not wait, and nothing is left of work that is done. Whom the store does not answer is found silent. */
const release = (store: Store, key: string, held: Held) =>
  store
    .write({ expect: [{ key, value: valueOf(held) }], remove: [key] })
    .pipe(Effect.timeout(RELEASE_TIMEOUT), Effect.ignore)

/** What the record is then: the value, if it was as it was seen. */
const replace = (
  store: Store,
  key: string,
  seen: string | undefined,
  value: string
): Effect.Effect<string | undefined, StoreUnavailable> =>
  Effect.catchTags(Effect.as(store.write({ expect: [{ key, value: seen }], put: [{ key, value }] }), value), {
    RecordConflict: ({ actual }) => Effect.succeed(actual),
    EventExists: Effect.die,
    VersionConflict: Effect.die
  })
