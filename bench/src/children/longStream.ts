/** Commands and cold loads on one long stream, and on many short ones beside it in the same store. */
import "effect/schema/SchemaJITCompiler/enable"
import { EventStore, instantOf, Latchkey, LockQueries, Locks, type NewEvent, type Principal } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer, ManagedRuntime } from "effect"
import { lockIds, lockUuid, newLock, newTempKey, tempKeyUuid } from "../locks.ts"
import { type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

/** What to time, on which streams, and how often. The first job makes the streams. */
export type StreamJob =
  | {
      readonly op: "open"
      readonly store: "sqlite" | "memory"
      readonly folder: string
      readonly cachedLocks: number
      /** Events on each of the short streams. */
      readonly short: number
      /** Events on the long one. */
      readonly long: number
      /** How many of these came after the last snapshot. */
      readonly tail: number
    }
  | { readonly op: "command" | "coldLoad"; readonly on: "short" | "long"; readonly count: number }

const LONG = 1_000_000
const SHORT_LOCKS = 100
const principal: Principal = { _tag: "Organization", orgId: "acme" }
const at = Date.now()
let commands = 0

const context = (lockId: number) => ({ lockId, commandId: `${process.pid}-${++commands}`, at, principal })

const used = (lockId: number, usedCount: number): NewEvent => {
  const { commandId } = context(lockId)
  const data = {
    tempKeyUuid: tempKeyUuid(lockId),
    lockId,
    lockUuid: lockUuid(lockId),
    timestamp: instantOf(at),
    usedCount
  }
  return { eventId: `${commandId}-1`, type: "TempKeyUsed", data, at, orgId: "acme", principal, commandId }
}

const adapters = (store: "sqlite" | "memory", folder: string) =>
  Layer.merge(
    store === "memory"
      ? Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)
      : Sqlite.layer({ folder }),
    MemoryDeviceShadow.layer
  )

type Job<Op extends StreamJob["op"]> = Extract<StreamJob, { readonly op: Op }>

const open = ({ store, folder, cachedLocks }: Job<"open">) =>
  ManagedRuntime.make(Layer.provideMerge(Latchkey.layer({ cachedLocks }), adapters(store, folder)))

/** Streams of so many events each: a lock, its temp key, and the uses of it. */
const fill = Effect.fnUntraced(function* ({ short, long, tail }: Job<"open">) {
  const { execute } = yield* Locks
  const queries = yield* LockQueries
  const store = yield* EventStore

  const useUpTo = Effect.fnUntraced(function* (lockId: number, from: number, to: number) {
    for (let version = from; version < to; ) {
      const events = Array.from({ length: Math.min(1000, to - version) }, (_, n) => used(lockId, version + n - 1))
      yield* store.write({ append: [{ streamId: `lock-${lockId}`, expectedVersion: version, events }] })
      version += events.length
    }
  })

  for (const lockId of [...lockIds(SHORT_LOCKS), LONG]) {
    const length = lockId === LONG ? long - tail : short
    yield* execute({ ...context(lockId), _tag: "CreateLock", ...newLock(lockId), keys: [] })
    yield* execute({ ...context(lockId), _tag: "CreateTempKey", ...newTempKey(lockId), allowedUserIds: [] })
    yield* useUpTo(lockId, 2, length)
    // Folded now, the stream has a snapshot here if it is long enough for one.
    yield* queries.lock(principal, lockId, "details")
  }
  yield* useUpTo(LONG, long - tail, long)
  yield* queries.lock(principal, LONG, "details")
})

type Step = (lockId: number) => Effect.Effect<unknown, { readonly message: string }>

/** Times `step`, not what is done before it. */
const time = Effect.fnUntraced(function* ({ on, count }: Job<"command" | "coldLoad">, before: Step, step: Step) {
  const latencies = new Float64Array(count)
  for (let n = 0; n < count; n++) {
    const lockId = on === "long" ? LONG : 1 + (n % SHORT_LOCKS)
    yield* before(lockId)
    const begun = performance.now()
    yield* step(lockId)
    latencies[n] = performance.now() - begun
  }
  const seconds = latencies.reduce((sum, ms) => sum + ms, 0) / 1000
  return sampleOf(count, seconds, latencies)
})

const measure = Effect.fnUntraced(function* (job: Job<"command" | "coldLoad">) {
  const { execute } = yield* Locks
  const queries = yield* LockQueries
  const details: Step = (lockId) => queries.lock(principal, lockId, "details")
  const use: Step = (lockId) => execute({ ...context(lockId), _tag: "UseTempKey", tempKeyUuid: tempKeyUuid(lockId) })
  return job.op === "command"
    ? yield* time(job, () => Effect.void, use)
    : // Only one lock is kept in memory: reading another makes the next load a cold one.
      yield* time(job, (lockId) => details(lockId === 1 ? 2 : 1), details)
})

let runtime: ReturnType<typeof open> | undefined

answerJobs(async (job: StreamJob): Promise<Sample | undefined> => {
  if (job.op !== "open") return runtime?.runPromise(measure(job))
  runtime = open(job)
  await runtime.runPromise(fill(job))
  return undefined
})
