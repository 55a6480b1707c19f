/** Fills a store with the life of many locks, as it comes: each is created, given a temp key, and used and given away by turns. */
import { EventStore, instantOf, type NewEvent, type Principal } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Effect } from "effect"
import { lockUuid, newTempKey, ownerUuid, tempKeyUuid } from "../locks.ts"
import { answerJobs } from "./answerJobs.ts"

export interface MoveJob {
  readonly folder: string
  readonly events: number
}

const OF_A_LOCK = 40
const PAGE = 1_000
const START = Date.UTC(2026, 0, 1)
const principal: Principal = { _tag: "Organization", orgId: "acme" }

const dataOf = (lockId: number, version: number, timestamp: string) => {
  const [uuid, about] = [lockUuid(lockId), { lockId, timestamp }]
  if (version === 1) return ["LockCreated", { ...about, uuid, index: 1, ownerId: ownerUuid(0), orgId: "acme" }] as const
  if (version === 2) {
    const key = { ...newTempKey(lockId), allowedUserIds: [], maxUses: null, createdBy: "acme" }
    return ["TempKeyCreated", { ...about, lockUuid: uuid, ...key }] as const
  }
  return version % 2 === 0
    ? (["OwnerSet", { ...about, uuid, userId: ownerUuid(version) }] as const)
    : ([
        "TempKeyUsed",
        { ...about, lockUuid: uuid, tempKeyUuid: tempKeyUuid(lockId), usedCount: (version - 1) / 2 }
      ] as const)
}

const eventAt = (position: number, locks: number) => {
  const lockId = ((position - 1) % locks) + 1
  const version = Math.ceil(position / locks)
  const at = START + position * 1_000
  const commandId = `${lockUuid(position)}`
  const [type, data] = dataOf(lockId, version, instantOf(at))
  const event: NewEvent = { eventId: `${commandId}-1`, type, data, at, orgId: "acme", principal, commandId }
  return { streamId: `lock-${lockId}`, expectedVersion: version - 1, events: [event] }
}

const fill = Effect.fnUntraced(function* (events: number) {
  const store = yield* EventStore
  const locks = Math.ceil(events / OF_A_LOCK)
  for (let from = 1; from <= events; from += PAGE) {
    const size = Math.min(PAGE, events - from + 1)
    yield* store.write({ append: Array.from({ length: size }, (_, n) => eventAt(from + n, locks)) })
  }
})

answerJobs(
  ({ folder, events }: MoveJob): Promise<void> =>
    Effect.runPromise(Effect.provide(fill(events), Sqlite.layer({ folder })))
)
