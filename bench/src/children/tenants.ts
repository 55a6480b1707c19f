/** What one tenant asks, in turn of a store that it has alone and of one that it shares with others. */
import "effect/schema/SchemaJITCompiler/enable"
import {
  type Append,
  EventStore,
  Explanations,
  instantOf,
  Latchkey,
  LockQueries,
  type NewEvent,
  type Principal,
  Projector,
  SharedCredentials,
  TempKeyLinks
} from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer, ManagedRuntime, type Schema } from "effect"
import { lockUuid, ownerUuid, tempKeyUuid, uuidOf } from "../locks.ts"
import { type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

/** What tenants have: locks, and uses of the temp key of each. */
export interface Holding {
  readonly locks: number
  readonly uses: number
}

/** The first jobs make the stores: answered are their events. */
export type TenantsJob =
  | {
      readonly op: "open"
      readonly folder: string
      readonly own: Holding
      /** Uses at one more lock of the tenant's own, which has a long history. */
      readonly long: number
      /** What each of the other tenants has, and how many these are. */
      readonly others: Holding & { readonly tenants: number }
    }
  | { readonly op: "ask"; readonly question: Question; readonly count: number }
  /** Each store is opened once more, until the first question is answered. */
  | { readonly op: "start"; readonly count: number }
  /** How long everybody else waits while the long history is explained: a sample of the turns of the event loop. */
  | { readonly op: "stall" }

export const QUESTIONS = [
  "explain a temp key",
  "explain a refused use",
  "explain a refused PIN",
  "explain the last PIN",
  "simulate",
  "temp keys of an organization",
  "temp keys of an owner",
  "owned locks",
  "history",
  "page of a temp key",
  "page of a shared key"
] as const
export type Question = (typeof QUESTIONS)[number]

const HOUR = 3_600_000
const START = Date.UTC(2026, 0, 1)
const WINDOW = { validFrom: "2026-01-01T00:00:00.000Z", validUntil: "2099-01-01T00:00:00.000Z" }
/** Of each tenant. */
const SHARED_KEYS = 100
const REFUSED_PINS = 100
/** Of each lock. */
const REFUSED_USES = 20
/** Events that are written together. */
const PAGE = 1_000

const LONG = 9_999
const orgOf = (tenant: number) => `tenant-${tenant}`
const lockOf = (tenant: number, n: number) => tenant * 10_000 + n
const sharedUuid = (tenant: number, n: number) => uuidOf(4, n, tenant)

/** Events as they came, one append each, with the record of whatever else is known of it. */
function* history({ own, long, others }: Omit<Extract<TenantsJob, { op: "open" }>, "op" | "folder">) {
  const versions = new Map<string, number>()
  const add = (tenant: number, streamId: string, type: string, data: Schema.JsonObject, at: number, id?: string) => {
    const expectedVersion = versions.get(streamId) ?? 0
    versions.set(streamId, expectedVersion + 1)
    const eventId = id ?? `${streamId}-${expectedVersion + 1}`
    const principal: Principal = { _tag: "Organization", orgId: orgOf(tenant) }
    const event: NewEvent = { eventId, type, data, at, orgId: orgOf(tenant), principal, commandId: eventId }
    return { streamId, expectedVersion, events: [event] }
  }
  const create = function* (tenant: number, lockId: number) {
    const about = { lockId, timestamp: instantOf(START) }
    const owner = { ownerId: ownerUuid(lockId), orgId: orgOf(tenant) }
    yield add(tenant, `lock-${lockId}`, "LockCreated", { ...about, uuid: lockUuid(lockId), index: 1, ...owner }, START)
    const key = { tempKeyUuid: tempKeyUuid(lockId), accessMode: "public", allowedUserIds: [], ...WINDOW }
    const made = { ...about, lockUuid: lockUuid(lockId), ...key, maxUses: null, createdBy: orgOf(tenant) }
    yield add(tenant, `lock-${lockId}`, "TempKeyCreated", made, START)
  }
  const use = (tenant: number, lockId: number, n: number) => {
    const at = START + n * HOUR
    const about = { tempKeyUuid: tempKeyUuid(lockId), lockId, lockUuid: lockUuid(lockId), timestamp: instantOf(at) }
    return add(tenant, `lock-${lockId}`, "TempKeyUsed", { ...about, usedCount: n + 1 }, at)
  }
  const everybody = Array.from({ length: 1 + others.tenants }, (_, index) => index + 1)
  const holdingOf = (tenant: number) => (tenant === 1 ? own : others)
  const everyLock = everybody.flatMap((tenant) =>
    Array.from({ length: holdingOf(tenant).locks }, (_, n) => [tenant, lockOf(tenant, n)] as const)
  )

  for (const [tenant, lockId] of everyLock) yield* create(tenant, lockId)
  for (let n = 0; n < Math.max(own.uses, others.uses); n++) {
    for (const [tenant, lockId] of everyLock) if (n < holdingOf(tenant).uses) yield use(tenant, lockId, n)
  }
  for (let n = 0; n < REFUSED_USES; n++) {
    const at = START + n * 24 * HOUR
    const day = instantOf(at).slice(0, 10)
    for (const [tenant, lockId] of everyLock) {
      const data = { tempKeyUuid: tempKeyUuid(lockId), lockId, lockVersion: 2 + n, reason: "not-yet-valid" }
      const refused = add(tenant, `attempts-${lockId}-${day}`, "TempKeyRefused", data, at, `refused-${lockId}-${n}`)
      yield { ...refused, record: `refused/${lockId}/${day}` }
    }
  }
  for (let n = 0; n < SHARED_KEYS; n++) {
    for (const tenant of everybody) {
      const doors = [{ id: 1, lockId: lockOf(tenant, n % holdingOf(tenant).locks), accessMethod: "key" }]
      yield add(
        tenant,
        `credential-${sharedUuid(tenant, n)}`,
        "SharedCredentialCreated",
        { ...WINDOW, doors },
        START + n
      )
    }
  }
  for (let n = 0; n < REFUSED_PINS; n++) {
    for (const tenant of everybody) {
      const lockId = lockOf(tenant, n % holdingOf(tenant).locks)
      const at = START + n * HOUR + tenant * Math.floor(HOUR / (everybody.length + 1))
      yield add(
        tenant,
        "pin-attempts",
        "PinRefused",
        { lockId, accounts: [`lock:${lockId}`] },
        at,
        `pin-${tenant}-${n}`
      )
    }
  }
  yield* create(1, lockOf(1, LONG))
  for (let n = 0; n < long; n++) yield use(1, lockOf(1, LONG), n)
}

/** Answers how many events there are. */
const fill = Effect.fnUntraced(function* (job: Extract<TenantsJob, { op: "open" }>) {
  const store = yield* EventStore
  let position = 0
  let append: Array<Append & { readonly record?: string }> = []
  const flush = Effect.gen(function* () {
    const put = append.flatMap(({ record }) => (record === undefined ? [] : [{ key: record, value: "" }]))
    position = (yield* store.write({ append, put })).position
    append = []
  })
  for (const next of history(job)) if (append.push(next) === PAGE) yield* flush
  yield* flush
  return position
})

const runtimeOver = (folder: string) =>
  ManagedRuntime.make(
    Layer.provideMerge(
      Layer.provideMerge(Latchkey.workers, Latchkey.layer()),
      Layer.merge(Sqlite.layer({ folder }), MemoryDeviceShadow.layer)
    )
  )

const organization: Principal = { _tag: "Organization", orgId: orgOf(1) }

const asked = Effect.gen(function* () {
  const { explain, simulate } = yield* Explanations
  const credentials = yield* SharedCredentials
  const queries = yield* LockQueries
  const links = yield* TempKeyLinks
  const lockId = lockOf(1, 0)
  const owner: Principal = { _tag: "User", userId: ownerUuid(lockId) }
  const key = tempKeyUuid(lockId)
  const at = START + 10_000 * HOUR
  const questions: { readonly [Q in Question]: Effect.Effect<unknown, unknown> } = {
    "explain a temp key": explain(owner, lockId, { subject: { _tag: "TempKey", tempKeyUuid: key }, at }),
    "explain a refused use": explain(owner, lockId, { attemptId: `refused-${lockId}-3` }),
    "explain a refused PIN": explain(owner, lockId, { attemptId: "pin-1-0" }),
    "explain the last PIN": explain(owner, lockId, { pinAttempt: "last", at }),
    simulate: simulate(owner, lockId, { tempKeyUuid: key, validFrom: "2026-01-02T00:00:00.000Z" }),
    "temp keys of an organization": credentials.list(organization, {}, Date.now()),
    "temp keys of an owner": credentials.list(owner, {}, Date.now()),
    "owned locks": queries.ownedLocks(organization, ownerUuid(lockId)),
    history: queries.history(owner, lockId, { page: 2 }),
    "page of a temp key": links.view(key, undefined, at),
    "page of a shared key": links.view(sharedUuid(1, 0), undefined, at)
  }
  return questions
})

type Runtime = ReturnType<typeof runtimeOver>

/** A sample of each store. What disturbs the one disturbs the other: they are asked in turn. */
const time = async (runtimes: ReadonlyArray<Runtime>, question: Question, count: number) => {
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

const stall = Effect.gen(function* () {
  const { explain } = yield* Explanations
  const turns: Array<number> = []
  let last = performance.now()
  const turn = () => {
    const now = performance.now()
    turns.push(now - last)
    last = now
    ticking = setImmediate(turn)
  }
  let ticking = setImmediate(turn)
  const begun = performance.now()
  yield* explain(organization, lockOf(1, LONG), { subject: { _tag: "User", userId: "nobody" }, at: START })
  clearImmediate(ticking)
  return sampleOf(1, (performance.now() - begun) / 1000, Float64Array.from(turns))
})

/** Folder by folder in turn, as above. The file is in the system's memory: what is timed is the work. */
const timeStarts = async (folders: ReadonlyArray<string>, count: number) => {
  const latencies = folders.map(() => new Float64Array(count))
  for (let n = 0; n < count; n++) {
    for (const [index, folder] of folders.entries()) {
      const begun = performance.now()
      const runtime = runtimeOver(folder)
      await runtime.runPromise(Effect.flatMap(asked, (questions) => questions["owned locks"]))
      latencies[index]?.fill(performance.now() - begun, n, n + 1)
      await runtime.dispose()
    }
  }
  return latencies.map((of) => sampleOf(count, of.reduce((sum, ms) => sum + ms, 0) / 1000, of))
}

const folders: Array<string> = []
const runtimes: Array<Runtime> = []

answerJobs(async (job: TenantsJob): Promise<ReadonlyArray<Sample> | number> => {
  switch (job.op) {
    case "open": {
      const runtime = runtimeOver(job.folder)
      const events = await runtime.runPromise(fill(job))
      await runtime.runPromise(Effect.flatMap(Projector, ({ catchUp }) => catchUp("10 minutes")))
      folders.push(job.folder)
      runtimes.push(runtime)
      return events
    }
    case "ask":
      return time(runtimes, job.question, job.count)
    case "start":
      return timeStarts(folders, job.count)
    case "stall":
      return Promise.all(runtimes.slice(-1).map((runtime) => runtime.runPromise(stall)))
  }
})
