/** Fills a store with locks whose hardware has still to be told of their keys, since nobody has worked on it yet. */
import "effect/schema/SchemaJITCompiler/enable"
import { Latchkey, Locks } from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { lockIds, newLock, uuidOf } from "../locks.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Needing {
  readonly folder: string
  readonly locks: number
  /** Of each lock but for the last ones. */
  readonly keys: number
  /** How many locks, the last ones, need nothing. */
  readonly others: number
}

const principal = { _tag: "Organization", orgId: "acme" } as const

const fill = Effect.fnUntraced(function* ({ locks, keys, others }: Needing) {
  const { execute } = yield* Locks
  const create = (lockId: number) =>
    execute({
      ...newLock(lockId),
      _tag: "CreateLock",
      lockId,
      keys: Array.from({ length: lockId > locks - others ? 0 : keys }, (_, n) => ({
        uuid: uuidOf(4, lockId, n),
        indexNumber: n
      })),
      commandId: `fill-${lockId}`,
      at: Date.now(),
      principal
    })
  yield* Effect.forEach(lockIds(locks), create, { concurrency: 128, discard: true })
})

answerJobs(
  (job: Needing): Promise<void> =>
    Effect.runPromise(
      fill(job).pipe(
        Effect.provide(
          Layer.provideMerge(
            Latchkey.layer({ claims: "open" }),
            Layer.merge(Sqlite.layer({ folder: job.folder }), MemoryDeviceShadow.layer)
          )
        )
      )
    )
)
