/** Latchkey inside another program: callers that each execute one command after the other, without HTTP. */
import "effect/schema/SchemaJITCompiler/enable"
import { Latchkey, type LockCommand, Locks } from "@latchkey/core"
import { MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { type Calling, callAtOnce } from "../callers.ts"
import { lockIds, newLock, newTempKey, tempKeyUuid } from "../locks.ts"
import type { Sample } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Work extends Calling {
  readonly store: "sqlite" | "memory"
  readonly folder: string
  readonly locks: number
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

const work = Effect.fnUntraced(function* ({ locks, ...calling }: Work) {
  const { execute } = yield* Locks
  yield* fill(execute, locks)
  // Made before anything is measured: the ids are the caller's work.
  const tempKeys = lockIds(locks).map((id) => tempKeyUuid(id))
  const use = (n: number): LockCommand =>
    command(1 + (n % locks), { _tag: "UseTempKey", tempKeyUuid: tempKeys[n % locks] ?? "" })
  const failed: { [tag: string]: number } = {}
  let executed = 0
  const sample = yield* callAtOnce(calling, (n) =>
    Effect.match(execute(use(n)), {
      onFailure: ({ _tag }) => {
        failed[_tag] = (failed[_tag] ?? 0) + 1
      },
      onSuccess: () => {
        executed++
      }
    })
  )
  return { sample, executed, failed }
})

const adapters = ({ store, folder }: Work) =>
  Layer.merge(
    store === "memory"
      ? Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)
      : Sqlite.layer({ folder }),
    LocalShadow.layer({ folder: store === "memory" ? ":memory:" : folder })
  )

answerJobs(
  (job: Work): Promise<Worked> =>
    Effect.runPromise(
      work(job).pipe(
        Effect.provide(Layer.provideMerge(Layer.provideMerge(Latchkey.workers, Latchkey.layer()), adapters(job)))
      )
    )
)
