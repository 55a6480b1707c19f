/** Latchkey inside another program: callers that each execute one command after the other, without HTTP. */
import "effect/schema/SchemaJITCompiler/enable"
import { Latchkey, type LockCommand, Locks } from "@latchkey/core"
import { MemoryEventStore, MemoryReadModel } from "@latchkey/core/memory"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { lockIds, newLock, newTempKey, tempKeyUuid } from "../locks.ts"
import { MAX_LATENCIES, type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Work {
  readonly store: "sqlite" | "memory"
  readonly folder: string
  readonly locks: number
  readonly callers: number
  readonly warmUp: number
  readonly seconds: number
}

export interface Worked {
  readonly sample: Sample
  /** Commands executed, warm-up included. */
  readonly executed: number
  /** How many commands failed, by the tag of their error. */
  readonly failed: { readonly [tag: string]: number }
}

let commands = 0
const command = <Request extends object>(lockId: number, request: Request) => ({
  ...request,
  lockId,
  commandId: `${process.pid}-${++commands}`,
  at: Date.now(),
  principal: { _tag: "Organization" as const, orgId: "acme" }
})

const use = (lockId: number): LockCommand => command(lockId, { _tag: "UseTempKey", tempKeyUuid: tempKeyUuid(lockId) })

/** Every lock with one temp key. Where another process was first, there is nothing to do. */
const fill = Effect.fnUntraced(function* (execute: Locks["Service"]["execute"], locks: number) {
  yield* Effect.forEach(
    lockIds(locks),
    (id) =>
      Effect.ignore(
        Effect.andThen(
          execute(command(id, { _tag: "CreateLock", ...newLock(id), keys: [] })),
          execute(command(id, { _tag: "CreateTempKey", ...newTempKey(id), allowedUserIds: [] }))
        )
      ),
    { concurrency: 32, discard: true }
  )
})

const work = Effect.fnUntraced(function* ({ locks, callers, warmUp, seconds }: Work) {
  const { execute } = yield* Locks
  yield* fill(execute, locks)
  const latencies = new Float64Array(MAX_LATENCIES)
  const failed: { [tag: string]: number } = {}
  let executed = 0
  let timed = 0
  const begin = performance.now() + warmUp * 1000
  const end = begin + seconds * 1000
  const caller = Effect.fnUntraced(function* (first: number) {
    for (let n = first; ; n += callers) {
      const asked = performance.now()
      if (asked >= end) return
      const result = yield* Effect.result(execute(use(1 + (n % locks))))
      if (result._tag === "Failure") failed[result.failure._tag] = (failed[result.failure._tag] ?? 0) + 1
      else executed++
      const now = performance.now()
      if (asked < begin || now > end) continue
      latencies[timed % MAX_LATENCIES] = now - asked
      timed++
    }
  })
  yield* Effect.forEach(
    Array.from({ length: callers }, (_, first) => first),
    caller,
    { concurrency: "unbounded", discard: true }
  )
  return { sample: sampleOf(timed, seconds, latencies.subarray(0, Math.min(timed, MAX_LATENCIES))), executed, failed }
})

const adapters = ({ store, folder }: Work) =>
  Layer.merge(
    store === "memory" ? Layer.merge(MemoryEventStore.layer, MemoryReadModel.layer) : Sqlite.layer({ folder }),
    LocalShadow.layer({ folder: store === "memory" ? ":memory:" : folder })
  )

answerJobs(
  (job: Work): Promise<Worked> =>
    Effect.runPromise(work(job).pipe(Effect.provide(Layer.provideMerge(Latchkey.layer(), adapters(job)))))
)
