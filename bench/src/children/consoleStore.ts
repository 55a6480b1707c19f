/** Fills a store for the console: 100,000 locks with a history each, and one lock at which something goes on all day. */
import "effect/schema/SchemaJITCompiler/enable"
import {
  type Append,
  EventStore,
  instantOf,
  Latchkey,
  Locks,
  type NewEvent,
  type Principal,
  Projector
} from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer, type Schema } from "effect"
import { lockUuid, newTempKey, ownerUuid } from "../locks.ts"
import { answerJobs } from "./answerJobs.ts"

export interface ConsoleStoreJob {
  readonly folder: string
  readonly locks: number
  /** Openings of each lock, and of the first one. */
  readonly openings: number
  readonly busy: number
}

const MINUTE = 60_000
/** Locks whose events are written together, and openings of one lock. */
const AT_ONCE = 100
/** Every other of them at the first lock, the rest at a lock each: the first page of their list names many doors. */
const TEMP_KEYS = 60
/** One lock in so many has a low battery. */
const LOW_EVERY = 10
const organization: Principal = { _tag: "Organization", orgId: "acme" }

/** The lock's history, as the commands would have made it: an opening a minute until now. */
const historyOf = (lockId: number, openings: number, now: number): ReadonlyArray<NewEvent> => {
  const begun = now - (openings + 4) * MINUTE
  const low = { battery: 5, batteryLow: true, seenAt: instantOf(begun + 3 * MINUTE), ignorable: true }
  const facts: ReadonlyArray<readonly [string, Schema.JsonObject]> = [
    ["LockCreated", { index: 1, orgId: "acme" }],
    ["OwnerSet", { userId: ownerUuid(Math.ceil(lockId / 100)) }],
    [
      "LockDescribed",
      { name: `Room ${String(lockId).padStart(6, "0")}`, address: "Harbour Street 1", ignorable: true }
    ],
    ...(lockId % LOW_EVERY === 0 ? [["DeviceStateReported", low] as const] : []),
    ...Array.from({ length: openings }, () => ["LockOpenRequested", { reason: "reception" }] as const)
  ]
  return facts.map(([type, data], index): NewEvent => {
    const at = begun + index * MINUTE
    const commandId = `lock-${lockId}-${index + 1}`
    const told = { lockId, uuid: lockUuid(lockId), timestamp: instantOf(at), ...data }
    return { eventId: `${commandId}-1`, at, orgId: "acme", principal: organization, commandId, type, data: told }
  })
}

/** Answers how many events there are. */
const fill = Effect.fnUntraced(function* ({ locks, openings, busy }: ConsoleStoreJob) {
  const store = yield* EventStore
  const now = Date.now()
  const busyEvents = historyOf(1, busy, now)
  for (let version = 0; version < busyEvents.length; version += AT_ONCE) {
    const events = busyEvents.slice(version, version + AT_ONCE)
    yield* store.write({ append: [{ streamId: "lock-1", expectedVersion: version, events }] })
  }
  for (let first = 2; first <= locks; first += AT_ONCE) {
    const append = Array.from({ length: Math.min(AT_ONCE, locks - first + 1) }, (_, index): Append => {
      const lockId = first + index
      return { streamId: `lock-${lockId}`, expectedVersion: 0, events: historyOf(lockId, openings, now) }
    })
    yield* store.write({ append })
  }
  const { execute } = yield* Locks
  for (let n = 0; n < TEMP_KEYS; n++) {
    const context = { lockId: 1 + (n % 2) * n, commandId: `temp-key-${n}`, at: Date.now(), principal: organization }
    yield* execute({ ...context, _tag: "CreateTempKey", ...newTempKey(1, n), allowedUserIds: [] })
  }
  const { catchUp } = yield* Projector
  yield* catchUp("20 minutes")
  return yield* store.head
})

answerJobs(
  (job: ConsoleStoreJob): Promise<number> =>
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
