/** What pages of lists of locks cost where there are many, in turn with where there are few: the same questions. */
import "effect/schema/SchemaJITCompiler/enable"
import {
  type Append,
  EventStore,
  instantOf,
  Latchkey,
  LockLists,
  type LocksQuery,
  type NewEvent,
  type Principal,
  Projector
} from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer, ManagedRuntime, type Schema } from "effect"
import { lockUuid, ownerUuid } from "../locks.ts"
import { type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

/** Each `open` makes a store of so many locks. */
export type ListsJob =
  | { readonly op: "open"; readonly folder: string; readonly locks: number }
  | { readonly op: "ask"; readonly question: ListsQuestion; readonly count: number }

export const LISTS_QUESTIONS = [
  "the first page",
  "a page in the middle",
  "a page by name in the middle",
  "a page of an owner's",
  "a search for one lock",
  "a search that finds all",
  "a search that finds all, with a low battery",
  "a search that finds all, with a forced door: none",
  "a page of those with a low battery",
  "a page of those that need somebody",
  "attention",
  "overview"
] as const
export type ListsQuestion = (typeof LISTS_QUESTIONS)[number]

const START = Date.UTC(2026, 0, 1)
/** Locks whose events are written together. */
const AT_ONCE = 250
/** Locks of each owner. */
const OWNED = 100
/** One lock in so many has a low battery. */
const LOW_EVERY = 10
const LIMIT = 50
const MOST = 200
const organization: Principal = { _tag: "Organization", orgId: "acme" }
const timestamp = instantOf(START)

/** All names are as long as each other, and none begins another. */
const nameOf = (lockId: number): string => `Room ${String(lockId).padStart(6, "0")}`

/** The lock's history, as the commands would have made it. */
const historyOf = (lockId: number): Append => {
  const about = { lockId, uuid: lockUuid(lockId), timestamp }
  const low = { ...about, battery: 5, batteryLow: true, seenAt: timestamp, ignorable: true }
  const facts: ReadonlyArray<readonly [string, Schema.JsonObject]> = [
    ["LockCreated", { ...about, index: 1, orgId: "acme" }],
    ["OwnerSet", { ...about, userId: ownerUuid(Math.ceil(lockId / OWNED)) }],
    ["LockDescribed", { ...about, name: nameOf(lockId), address: "Harbour Street 1", ignorable: true }],
    ...(lockId % LOW_EVERY === 0 ? [["DeviceStateReported", low] as const] : [])
  ]
  const streamId = `lock-${lockId}`
  const events = facts.map(([type, data], index): NewEvent => {
    const commandId = `${streamId}-${index + 1}`
    return { eventId: `${commandId}-1`, at: START, orgId: "acme", principal: organization, commandId, type, data }
  })
  return { streamId, expectedVersion: 0, events }
}

const fill = Effect.fnUntraced(function* (locks: number) {
  const store = yield* EventStore
  for (let first = 1; first <= locks; first += AT_ONCE) {
    const ids = Array.from({ length: Math.min(AT_ONCE, locks - first + 1) }, (_, index) => first + index)
    yield* store.write({ append: ids.map(historyOf) })
  }
  const { catchUp } = yield* Projector
  yield* catchUp("20 minutes")
})

const runtimeOver = (folder: string) =>
  ManagedRuntime.make(
    Layer.provideMerge(
      Layer.provideMerge(Latchkey.workers, Latchkey.layer()),
      Layer.merge(Sqlite.layer({ folder }), MemoryDeviceShadow.layer)
    )
  )

/** The questions to a store of so many locks; each answers how many it found. */
const askedOf = Effect.fnUntraced(function* (count: number) {
  const lists = yield* LockLists
  const page = (query: LocksQuery) =>
    Effect.suspend(() => lists.locks(organization, { limit: LIMIT, ...query }, Date.now()))
  const found = (query: LocksQuery) => Effect.map(page(query), ({ locks }) => locks.length)
  /** Where half of the locks have been listed. */
  const middle = Effect.fnUntraced(function* (query: LocksQuery) {
    let after: string | undefined
    for (let seen = 0; seen < count / 2; seen += MOST) {
      const { nextCursor } = yield* page({ ...query, limit: MOST, ...(after !== undefined && { after }) })
      after = nextCursor
    }
    return after === undefined ? query : { ...query, after }
  })
  const half = Math.ceil(count / 2)
  const questions: { readonly [Q in ListsQuestion]: Effect.Effect<number, unknown> } = {
    "the first page": found({}),
    "a page in the middle": found(yield* middle({})),
    "a page by name in the middle": found(yield* middle({ sort: "name" })),
    "a page of an owner's": found({ ownerId: ownerUuid(Math.ceil(half / OWNED)) }),
    "a search for one lock": found({ q: nameOf(half) }),
    "a search that finds all": found({ q: "room" }),
    "a search that finds all, with a low battery": found({ q: "room", battery: "low" }),
    "a search that finds all, with a forced door: none": found({ q: "room", attention: "door-forced" }),
    "a page of those with a low battery": found({ battery: "low" }),
    "a page of those that need somebody": found({ attention: true }),
    attention: Effect.suspend(() =>
      Effect.map(lists.attention(organization, { limit: LIMIT }, Date.now()), ({ items }) => items.length)
    ),
    overview: Effect.suspend(() => Effect.map(lists.overview(organization, Date.now()), ({ locks }) => locks))
  }
  return questions
})

/** A sample of each store. What disturbs the one disturbs the other: they are asked in turn. */
const time = async (question: ListsQuestion, count: number): Promise<ReadonlyArray<Sample>> => {
  const asks = stores.map((store) => ({ ...store, latencies: new Float64Array(count) }))
  for (let n = 0; n < count; n++) {
    for (const { runtime, locks, questions, latencies } of asks) {
      const begun = performance.now()
      const found = await runtime.runPromise(questions[question])
      latencies[n] = performance.now() - begun
      const [least, most] = expectedOf(question, locks)
      if (found < least || found > most) throw new Error(`${question}: ${found}, not ${least} to ${most}`)
    }
  }
  return asks.map(({ latencies }) => sampleOf(count, latencies.reduce((sum, ms) => sum + ms, 0) / 1000, latencies))
}

/** How many locks an answer holds, at least and at most: a page of a search that a filter thins out may end early. */
const expectedOf = (question: ListsQuestion, locks: number): readonly [number, number] => {
  switch (question) {
    case "overview":
      return [locks, locks]
    case "a search for one lock":
      return [1, 1]
    case "a search that finds all, with a low battery":
      return [1, LIMIT]
    case "a search that finds all, with a forced door: none":
      return [0, 0]
    default:
      return [LIMIT, LIMIT]
  }
}

const stores: Array<{
  readonly runtime: ReturnType<typeof runtimeOver>
  readonly locks: number
  readonly questions: { readonly [Q in ListsQuestion]: Effect.Effect<number, unknown> }
}> = []

answerJobs(async (job: ListsJob): Promise<ReadonlyArray<Sample>> => {
  if (job.op === "ask") return time(job.question, job.count)
  const runtime = runtimeOver(job.folder)
  await runtime.runPromise(fill(job.locks))
  stores.push({ runtime, locks: job.locks, questions: await runtime.runPromise(askedOf(job.locks)) })
  return []
})
