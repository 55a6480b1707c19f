/** Fills a store with locks as large as a busy house has them: five keys and ten temp keys each. */
import "effect/schema/SchemaJITCompiler/enable"
import { Latchkey, type LockCommand, type LockRequest, Locks, type Principal } from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { lockIds, newLock, newTempKey, ownerUuid, uuidOf } from "../locks.ts"
import { answerJobs } from "./answerJobs.ts"
import type { Caching } from "./cachedLocks.ts"

const KEYS = 5
const TEMP_KEYS = 10

const principal: Principal = { _tag: "Organization", orgId: "acme" }
let commands = 0

const command = (lockId: number, request: Exclude<LockRequest, { readonly _tag: "BulkAddKeys" }>): LockCommand => ({
  ...request,
  lockId,
  commandId: `fill-${++commands}`,
  at: Date.now(),
  principal
})

const keysOf = (lockId: number) =>
  Array.from({ length: KEYS }, (_, n) => ({ uuid: uuidOf(4, lockId, n), indexNumber: n, userId: ownerUuid(n) }))

const fill = Effect.fnUntraced(function* ({ locks }: Caching) {
  const { execute } = yield* Locks
  const fillOne = Effect.fnUntraced(function* (lockId: number) {
    yield* execute(command(lockId, { _tag: "CreateLock", ...newLock(lockId), keys: keysOf(lockId) }))
    for (let n = 0; n < TEMP_KEYS; n++) {
      yield* execute(command(lockId, { _tag: "CreateTempKey", ...newTempKey(lockId, n), allowedUserIds: [] }))
    }
  })
  yield* Effect.forEach(lockIds(locks), fillOne, { concurrency: 128, discard: true })
})

answerJobs(
  (job: Caching): Promise<void> =>
    Effect.runPromise(
      fill(job).pipe(
        Effect.provide(
          Layer.provideMerge(
            Layer.provideMerge(Latchkey.workers, Latchkey.layer()),
            Layer.merge(Sqlite.layer({ folder: job.folder }), MemoryDeviceShadow.layer)
          )
        )
      )
    )
)
