/** What a lock, or an organization, with many temp keys costs, in turn with one that has few: the same questions, and a use. */
import "effect/schema/SchemaJITCompiler/enable"
import {
  type Append,
  EventStore,
  Explanations,
  instantOf,
  Latchkey,
  type LockCommand,
  LockQueries,
  Locks,
  type NewEvent,
  type Principal,
  Projector,
  SharedCredentials
} from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer, ManagedRuntime, type Schema } from "effect"
import { lockUuid, newTempKey, tempKeyUuid, uuidOf } from "../locks.ts"
import { type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

/** What an organization has: temp keys of its locks' own, and keys to several doors. */
export interface Keys {
  readonly locks: number
  /** Of each lock. */
  readonly own: number
  readonly shared: number
}

/** Each `open` makes a store; answered is how many bytes of memory the process has more. */
export type TempKeysJob =
  | ({ readonly op: "open"; readonly folder: string } & Keys)
  | { readonly op: "ask"; readonly question: KeysQuestion; readonly count: number }

export const QUESTIONS = [
  "a page of GET /temp-keys",
  "a page of GET /temp-keys of a lock",
  "a page of GET /locks/{id}/temp-keys",
  "details",
  "explain a temp key",
  "a use",
  "a use, and a page of GET /locks/{id}/temp-keys",
  "a use, and a page of GET /temp-keys of a lock"
] as const
export type KeysQuestion = (typeof QUESTIONS)[number]

const LIMIT = 50
const START = Date.UTC(2026, 0, 1)
const PAGE = 1_000
const organization: Principal = { _tag: "Organization", orgId: "acme" }
const timestamp = instantOf(START)

/** Events as the commands would have made them. */
function* history({ locks, own, shared }: Keys) {
  const event = (streamId: string, expectedVersion: number, type: string, data: Schema.JsonObject, record?: string) => {
    const commandId = `${streamId}-${expectedVersion + 1}`
    const envelope = { eventId: `${commandId}-1`, at: START, orgId: "acme", principal: organization, commandId }
    const events: ReadonlyArray<NewEvent> = [{ ...envelope, type, data }]
    return { append: { streamId, expectedVersion, events }, record }
  }
  for (let lockId = 1; lockId <= locks; lockId++) {
    const about = { lockId, uuid: lockUuid(lockId), timestamp, index: 1, orgId: "acme" }
    yield event(`lock-${lockId}`, 0, "LockCreated", about)
    for (let n = 0; n < own; n++) {
      const key = { ...newTempKey(lockId, n), allowedUserIds: [], maxUses: null, createdBy: "acme" }
      const data = { lockId, lockUuid: lockUuid(lockId), timestamp, ...key }
      yield event(`lock-${lockId}`, n + 1, "TempKeyCreated", data, `link/${tempKeyUuid(lockId, n)}`)
    }
  }
  for (let n = 0; n < shared; n++) {
    const { validFrom, validUntil } = newTempKey(1, n)
    const giver = { _tag: "Organization", orgId: "acme" }
    const doors = [{ id: 1, lockId: 1 + (n % locks), accessMethod: "key", giver }]
    const streamId = `credential-${uuidOf(4, n)}`
    yield event(streamId, 0, "SharedCredentialCreated", { validFrom, validUntil, doors }, `link/${uuidOf(4, n)}`)
  }
}

const fill = Effect.fnUntraced(function* (keys: Keys) {
  const store = yield* EventStore
  let [append, put] = [[] as Array<Append>, [] as Array<{ readonly key: string; readonly value: string }>]
  const flush = Effect.suspend(() => {
    const batch = { append, put }
    ;[append, put] = [[], []]
    return store.write(batch)
  })
  for (const { append: next, record } of history(keys)) {
    if (record !== undefined) put.push({ key: record, value: next.streamId })
    if (append.push(next) === PAGE / 2) yield* flush
  }
  yield* flush
})

const runtimeOver = (folder: string) =>
  ManagedRuntime.make(
    Layer.provideMerge(
      Layer.provideMerge(Latchkey.workers, Latchkey.layer()),
      Layer.merge(Sqlite.layer({ folder }), MemoryDeviceShadow.layer)
    )
  )
type Runtime = ReturnType<typeof runtimeOver>

const asked = Effect.gen(function* () {
  const { explain } = yield* Explanations
  const { list } = yield* SharedCredentials
  const queries = yield* LockQueries
  const { execute } = yield* Locks
  let uses = 0
  const use = Effect.suspend(() => {
    const context = {
      lockId: 1,
      commandId: `use-${++uses}-${performance.now()}`,
      at: Date.now(),
      principal: organization
    }
    return execute({ ...context, _tag: "UseTempKey", tempKeyUuid: tempKeyUuid(1) } satisfies LockCommand)
  })
  const page = { limit: LIMIT }
  const ofLock = Effect.suspend(() => queries.tempKeys(organization, 1, Date.now(), page))
  const listOfLock = Effect.suspend(() => list(organization, { ...page, lockId: "1" }, Date.now()))
  const subject = { _tag: "TempKey", tempKeyUuid: tempKeyUuid(1) } as const
  const questions: { readonly [Q in KeysQuestion]: Effect.Effect<unknown, unknown> } = {
    "a page of GET /temp-keys": Effect.suspend(() => list(organization, page, Date.now())),
    "a page of GET /temp-keys of a lock": listOfLock,
    "a page of GET /locks/{id}/temp-keys": ofLock,
    details: queries.lock(organization, 1, "details"),
    "explain a temp key": explain(organization, 1, { subject, at: Date.now() }),
    "a use": use,
    "a use, and a page of GET /locks/{id}/temp-keys": Effect.andThen(use, ofLock),
    "a use, and a page of GET /temp-keys of a lock": Effect.andThen(use, listOfLock)
  }
  return questions
})

/** A sample of each store. What disturbs the one disturbs the other: they are asked in turn. */
const time = async (question: KeysQuestion, count: number) => {
  const asks = await Promise.all(
    runtimes.map(async (runtime) => {
      const ask = (await runtime.runPromise(asked))[question]
      return { runtime, ask, latencies: new Float64Array(count) }
    })
  )
  for (let n = 0; n < count; n++) {
    for (const { runtime, ask, latencies } of asks) {
      const begun = performance.now()
      await runtime.runPromise(ask)
      latencies[n] = performance.now() - begun
    }
  }
  return asks.map(({ latencies }) => sampleOf(count, latencies.reduce((sum, ms) => sum + ms, 0) / 1000, latencies))
}

const memory = (): number => {
  for (let n = 0; n < 3; n++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const runtimes: Array<Runtime> = []

answerJobs(async (job: TempKeysJob): Promise<ReadonlyArray<Sample> | number> => {
  if (job.op === "ask") return time(job.question, job.count)
  const filling = runtimeOver(job.folder)
  await filling.runPromise(fill(job))
  await filling.runPromise(Effect.flatMap(Projector, ({ catchUp }) => catchUp("10 minutes")))
  await filling.dispose()
  const before = memory()
  const runtime = runtimeOver(job.folder)
  runtimes.push(runtime)
  // One that is found is in memory, with all others; no lock is.
  await runtime.runPromise(Effect.flatMap(SharedCredentials, ({ find }) => find(uuidOf(4, 0))))
  return memory() - before
})
