/** The ports of a store without anything above them: callers that append, or ask for the locks of an owner. */
import { randomUUID } from "node:crypto"
import { EventStore, lookups, type NewEvent, ReadModel, rebuild, streamOfLock, toStored } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { type Calling, callAtOnce } from "../callers.ts"
import { lockIds, lockUuid } from "../locks.ts"
import type { Sample } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export type PortWork = Calling & {
  readonly what: "append" | "owned-locks"
  readonly locks: number
} & (
    | { readonly folder: string }
    | { readonly spacetimedb: { readonly uri: string; readonly database: string; readonly token: string } }
  )

/** So many locks has every owner. */
const LOCKS_OF_OWNER = 10
const ownerOf = (lockId: number): string => `owner-${Math.floor(lockId / LOCKS_OF_OWNER)}`

const created = (lockId: number): NewEvent => {
  const about = { lockId, uuid: lockUuid(lockId), timestamp: new Date().toISOString() }
  return {
    ...toStored({ _tag: "LockCreated", ...about, ownerId: ownerOf(lockId) }),
    eventId: randomUUID(),
    at: Date.now(),
    orgId: "acme",
    principal: { _tag: "Organization", orgId: "acme" },
    commandId: randomUUID()
  }
}

const work = Effect.fnUntraced(function* ({ what, locks, ...calling }: PortWork) {
  const store = yield* EventStore
  const { devicesOwnedBy } = lookups(yield* ReadModel)
  const versions = new Map<number, number>()
  const append = (lockId: number) => {
    const version = versions.get(lockId) ?? 0
    versions.set(lockId, version + 1)
    return store.write({
      append: [{ streamId: streamOfLock(lockId), expectedVersion: version, events: [created(lockId)] }]
    })
  }
  yield* Effect.forEach(lockIds(locks), append, { concurrency: 32, discard: true })
  yield* rebuild
  return yield* callAtOnce(calling, (n): Effect.Effect<unknown, unknown> => {
    const lockId = 1 + (n % locks)
    return what === "append" ? append(lockId) : devicesOwnedBy(ownerOf(lockId))
  })
})

answerJobs(
  (job: PortWork): Promise<Sample> =>
    Effect.runPromise(
      work(job).pipe(
        Effect.provide(
          "folder" in job
            ? Layer.orDie(Sqlite.layer({ folder: job.folder }))
            : Layer.orDie(Spacetime.layer(job.spacetimedb))
        )
      )
    )
)
