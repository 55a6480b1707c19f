/**
 * One process of many does a piece of work: the one that holds its lease, a record that it changes every few seconds.
 *
 * A holder that was paused for longer than its lease lasts goes on for a moment beside the next one. What it writes then is
 * refused by the store itself: each write under a lease expects the record that names its holder, which the next holder has
 * changed. What no store can refuse, as a request to somebody else, is confirmed first. No clock is compared with another's.
 */
import { Clock, Deferred, Duration, Effect, Fiber, Option, Random, Semaphore } from "effect"
import { type EventStore, StoreUnavailable } from "./EventStore.ts"

/** How often a holder is heard of. */
const KEEP_EVERY = Duration.seconds(3)
const LOOK_EVERY = Duration.seconds(1)
/** Looks in a row at which nothing was heard of the holder, until the lease is free. */
const SILENT_LOOKS = 10
/** How long, at most, a lease lasts whose holder is gone. */
export const LEASE = Duration.times(LOOK_EVERY, SILENT_LOOKS)
/** How long a lease that was kept is not asked for again, and how long one is held that cannot be kept. */
const FRESH = Duration.toNanosUnsafe(Duration.times(KEEP_EVERY, 2))
const GIVEN_UP = Duration.toNanosUnsafe(Duration.sum(LEASE, KEEP_EVERY))
/** Looks in a row at which nothing was heard of a holder that is probably gone. */
const DOUBTFUL_LOOKS = 5
const RELEASE_TIMEOUT = Duration.seconds(1)

type Store = EventStore["Service"]

/** What the holder works with. */
export interface Lease {
  /** The store of all, whose writes are refused once another process has taken the work over. */
  readonly store: Store
  /** Fails when another process has taken the work over: asked before what the store cannot refuse. It mostly knows without asking. */
  readonly confirm: Effect.Effect<void, StoreUnavailable>
  /** Whether it is known that another process has taken the work over. */
  readonly isLost: () => boolean
}

/** Who does a piece of work, as far as this process knows. */
export type LeaseHolder = "this server" | "another server" | "nobody"

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
  perform: (lease: Lease) => Effect.Effect<void, F>,
  told: (holder: LeaseHolder) => void = () => {}
): Effect.fn.Return<void, E | F | StoreUnavailable> {
  while (!(yield* isDone)) {
    const seen = yield* whenFree(store, keyOf(work), told)
    // A holder that has done the work falls silent too.
    if (yield* isDone) return
    const end = yield* Effect.acquireUseRelease(
      take(store, work, seen),
      (held) => {
        told(held === undefined ? "another server" : "this server")
        return held === undefined
          ? Effect.succeed<End>("lost")
          : Effect.raceFirst(Effect.as(perform(held.lease), "done" as End), held.keep)
      },
      (held) => {
        told("nobody")
        return held === undefined ? Effect.void : held.release
      }
    )
    if (end === "done") return
  }
})

/** Who does what goes on for as long as there is a server, for each store of this process. */
const holders = new WeakMap<Store, Map<string, LeaseHolder>>()

/**
 * Goes on with the work in one process of many, for as long as it is let, and in another when that one stops. Fails with
 * what the work, or the store, fails with.
 *
 * @param work names the lease: it is storage
 *
 * @example
 * ```ts
 * yield* Effect.forkScoped(keepGoing("Reports are not sent")(byOne(store, "Reports", ({ confirm }) => sendReports(confirm))))
 * ```
 */
export const byOne = <F>(
  store: Store,
  work: string,
  perform: (lease: Lease) => Effect.Effect<void, F>
): Effect.Effect<void, F | StoreUnavailable> =>
  Effect.suspend(() => {
    const known = holders.get(store) ?? new Map<string, LeaseHolder>()
    holders.set(store, known)
    return underLease(store, work, Effect.succeed(false), perform, (holder) => known.set(work, holder)).pipe(
      Effect.onInterrupt(() => Effect.sync(() => known.delete(work)))
    )
  })

/** The work that this process does, or would do, under leases, and who does it. */
export const heldLeases = (store: Store): ReadonlyArray<{ readonly work: string; readonly holder: LeaseHolder }> =>
  [...(holders.get(store) ?? [])].map(([work, holder]) => ({ work, holder }))

type End = "done" | "lost"

/** The record that its holder changes, and the one that names the holder. Older servers know the first alone. */
const keyOf = (work: string) => `lease/${work}`
const fenceOf = (work: string) => `fence/${work}`

/** Answers the record's value once the lease is free: there is none, or its holder is silent. */
const whenFree = Effect.fnUntraced(function* (store: Store, key: string, told: (holder: LeaseHolder) => void) {
  let seen = Option.getOrUndefined(yield* store.record(key))
  for (let silent = 0; seen !== undefined && silent < SILENT_LOOKS; ) {
    told(silent < DOUBTFUL_LOOKS ? "another server" : "nobody")
    yield* Effect.sleep(LOOK_EVERY)
    const now = Option.getOrUndefined(yield* store.record(key))
    silent = now === seen ? silent + 1 : 0
    seen = now
  }
  return seen
})

/** The lease, unless somebody was quicker. */
const take = Effect.fnUntraced(function* (store: Store, work: string, seen: string | undefined) {
  const clock = yield* Clock.Clock
  const key = keyOf(work)
  const holder = String(yield* Random.nextInt)
  const fence = { key: fenceOf(work), value: holder }
  /** No two values of the record are equal. */
  let count = 1
  const valueOf = (count: number) => `${holder} ${count}`
  let keptAt = clock.monotonicTimeNanosUnsafe()
  const taken = yield* replace(store, { expect: [{ key, value: seen }], put: [{ key, value: valueOf(count) }, fence] })
  if (!taken) return undefined

  const lost = yield* Deferred.make<void>()
  let isLost = false
  const lose = Effect.suspend(() => {
    isLost = true
    return Deferred.succeed(lost, undefined)
  })
  const fail = Effect.suspend(() => Effect.fail(new StoreUnavailable({ message: TAKEN_OVER })))

  const silence = () => clock.monotonicTimeNanosUnsafe() - keptAt
  const keeping = Semaphore.makeUnsafe(1)
  /** One at a time, as each rests on the one before; nobody who waits for it can break it off. */
  const keepOnce = keeping
    .withPermit(
      Effect.suspend(() => {
        if (isLost) return fail
        const now = clock.monotonicTimeNanosUnsafe()
        const next = { key, value: valueOf(count + 1) }
        return Effect.flatMap(replace(store, { expect: [{ key, value: valueOf(count) }], put: [next] }), (isKept) => {
          if (!isKept) return Effect.andThen(lose, fail)
          count++
          keptAt = now
          return Effect.void
        })
      })
    )
    .pipe(Effect.forkDetach, Effect.flatMap(Fiber.join))

  const keep = Effect.gen(function* () {
    while (!isLost) {
      yield* Effect.sleep(KEEP_EVERY)
      yield* Effect.ignore(Effect.timeoutOption(keepOnce, KEEP_EVERY))
      // While the store does not answer here, it may answer elsewhere.
      if (silence() > GIVEN_UP) yield* lose
    }
    return "lost" satisfies End as End
  })

  const fenced: Store = {
    ...store,
    write: (batch) =>
      isLost
        ? fail
        : Effect.catchIf(
            store.write({ ...batch, expect: [fence, ...(batch.expect ?? [])] }),
            (error) => error._tag === "RecordConflict" && error.key === fence.key,
            () => Effect.andThen(lose, fail)
          )
  }
  return {
    lease: {
      store: fenced,
      confirm: Effect.suspend(() => (!isLost && silence() < FRESH ? Effect.void : keepOnce)),
      isLost: () => isLost
    } satisfies Lease,
    keep: Effect.raceFirst(keep, Effect.as(Deferred.await(lost), "lost" as End)),
    /** So that the next one need not wait, and nothing is left of work that is done. Whom the store does not answer is found silent. */
    release: Effect.suspend(() =>
      store.write({ expect: [{ key, value: valueOf(count) }], remove: [key, fence.key] })
    ).pipe(Effect.timeout(RELEASE_TIMEOUT), Effect.ignore)
  }
})

const TAKEN_OVER = "Another server does this now: this one was paused, or did not reach the store, for too long."

/** Whether the first record is then as it was to be: it was as it was seen, or this was written before, and the answer was lost. */
const replace = (
  store: Store,
  batch: Required<Pick<Parameters<Store["write"]>[0], "expect" | "put">>
): Effect.Effect<boolean, StoreUnavailable> =>
  Effect.catchTags(Effect.as(store.write(batch), true), {
    RecordConflict: ({ actual }) => Effect.succeed(actual === batch.put[0]?.value),
    EventExists: Effect.die,
    VersionConflict: Effect.die
  })
