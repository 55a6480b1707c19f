/**
 * Many keys for one lock, in the background: the request is stored in a stream of its own before it is answered, then
 * its keys are added one by one. One process works on it, under a lease; if that one is gone, another goes on where the
 * last outcome stands. One bad key does not stop the rest.
 *
 * What became of a key is what the lock's log says of the command that adds it. Two that work at once do no harm.
 */
import { Clock, Context, Duration, Effect, Equal, HashMap, Layer, Option, Result, Schedule, Schema } from "effect"
import { Giver, giverOf } from "../lock/Giver.ts"
import { streamOfLock } from "../lock/Lock.ts"
import { type CommandContext, isAsExpected, type LockRequest } from "../lock/LockCommand.ts"
import { LockRetired, VersionMoved } from "../lock/LockError.ts"
import { backoff, keepGoing } from "../streams/Backoff.ts"
import { type At, Category } from "../streams/Category.ts"
import { EventStore, type NewEvent, type Put, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { LEASE, underLease } from "../streams/Lease.ts"
import {
  earlierTry,
  givenFor,
  notGiven,
  type Receipt,
  type ReceiptReused,
  type RequestReceipt
} from "../streams/Receipts.ts"
import { putRecord } from "../streams/Records.ts"
import { append, CommandExists, find } from "../streams/Reservations.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import { forEachPaged } from "../streams/Turns.ts"
import { CurrentBackground, inBackground } from "../streams/Workers.ts"
import { type Principal, recorded } from "../values/Principal.ts"
import { type AskError, LockQueries } from "./LockQueries.ts"
import { type ExecuteError, Locks } from "./Locks.ts"

const BulkKey = Schema.Struct({
  keyUuid: Schema.String,
  keyIndexNumber: Schema.optionalKey(Schema.Int),
  userId: Schema.optionalKey(Schema.String)
})

/** What happened to a request for many keys. Stored forever: add cases and optional fields, never rename or remove one. */
export const BulkEvent = Schema.TaggedUnion({
  BulkAddKeysRequested: {
    lockId: Schema.Int,
    keys: Schema.Array(BulkKey),
    /** On whose right they are added; requests of the first edition have none. */
    giver: Schema.optionalKey(Giver)
  },
  BulkKeyAdded: { index: Schema.Int, lockVersion: Schema.Int },
  BulkKeyFailed: { index: Schema.Int, reason: Schema.String }
})
export type BulkEvent = typeof BulkEvent.Type

/** The progress of a request. */
export interface BulkProgress {
  readonly lockId: number
  readonly instanceId: string
  readonly status: "running" | "done"
  readonly total: number
  readonly added: number
  readonly failed: ReadonlyArray<{ readonly keyUuid: string; readonly reason: string }>
}

/** There is no such request for this lock. */
export class BulkNotFound extends Schema.TaggedError<BulkNotFound>()("BulkNotFound", { instanceId: Schema.String }) {
  override get message() {
    return "There is no such BulkAddKeys request for this lock. Use the instanceId that BulkAddKeys answered."
  }
}

/** Whether an id can name a request: UUIDs of version 7 sort by time, which is how a restart finds the recent ones. */
export const isInstanceId = (id: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id)

/** A request for at most `BOUNDS.bulkKeys` keys; the command id, a UUID of version 7, names it. */
export type BulkCommand = CommandContext & Pick<Extract<LockRequest, { readonly _tag: "BulkAddKeys" }>, "keys">

/** Why the request was not begun. */
export type StartError = AskError | LockRetired | VersionMoved | ReceiptReused | CommandExists

/** How long after its request a key is still tried when the process was down in between. */
const RESUME_WITHIN = Duration.hours(24)
/** How long requests are found by a start: those that are tried, also by the clock of another server. */
const FOUND_WITHIN = Duration.times(RESUME_WITHIN, 2)
/** How long a key is tried while its device cannot be told, before it has failed: about eight seconds. */
const PATIENCE = Schedule.max([Schedule.exponential(Duration.millis(250)), Schedule.recurs(5)])
/** How soon it is looked again whether a command that may still be carried out is settled. */
const SETTLED_EVERY = Duration.millis(100)
/** Where the feed is read from after a start: storage. */
const CURSOR = "cursor/bulk-add-keys"

/** Adds many keys to a lock, one after the other, in the background. */
export class BulkAddKeys extends Context.Service<
  BulkAddKeys,
  {
    /**
     * Stores the request and begins; answers its instance id. The same request again, by its receipt or its command id,
     * answers the first one's.
     */
    readonly start: (command: BulkCommand) => Effect.Effect<string, StartError>
    readonly progress: (
      principal: Principal,
      lockId: number,
      instanceId: string
    ) => Effect.Effect<BulkProgress, AskError | BulkNotFound>
  }
>()("@latchkey/core/BulkAddKeys") {
  /** In the background it also goes on with what other processes leave unfinished: those that were there before, and those beside it. */
  static readonly layer = Layer.effect(
    BulkAddKeys,
    Effect.gen(function* () {
      const store = yield* EventStore
      const locks = yield* Locks
      const queries = yield* LockQueries
      const scope = yield* Effect.scope
      const background = yield* CurrentBackground

      const load = (id: string, from?: At<Job | undefined>) =>
        Effect.provideService(Requests.fold(id, from), EventStore, store)

      /** Where the requests begin whose keys are still tried. */
      const earliestTried = earliestWithin(RESUME_WITHIN)

      /** `isTried`: whether keys without an outcome are still added, or have failed unless they were added before. */
      const run = Effect.fnUntraced(function* (id: string, isTried: boolean) {
        let reached = yield* load(id)
        let patient = true
        while (reached.state !== undefined && !isDone(reached.state)) {
          const job = reached.state
          const index = HashMap.size(job.outcomes)
          const outcome: Outcome = yield* isTried ? addKey(job, index, patient) : byTheLog(job, index, GIVEN_UP)
          // What one key has waited for in vain, the next one need not wait for as long.
          patient = outcome._tag === "BulkKeyAdded"
          reached = yield* withOutcome(id, reached, job.request, outcome)
        }
      })

      /** The job with one more outcome; if another process was quicker, as that one left it. */
      const withOutcome = Effect.fnUntraced(function* (
        id: string,
        reached: At<Job | undefined>,
        { commandId, principal, orgId }: StoredEvent,
        outcome: Outcome
      ) {
        const context = { commandId, principal, orgId, at: yield* Clock.currentTimeMillis }
        const isNext = (job: Job | undefined) => job !== undefined && HashMap.size(job.outcomes) === outcome.index
        return yield* Requests.transact(
          id,
          context,
          ({ state }) => (isNext(state) ? { events: [outcome], suffixes: [`${outcome.index}-outcome`] } : []),
          reached
        ).pipe(
          Effect.provideService(EventStore, store),
          Effect.map(({ after }) => after),
          Effect.catchTags({ EventExists: () => load(id, reached), Contended: () => load(id, reached) })
        )
      })

      const addKey = Effect.fnUntraced(function* (job: Job, index: number, patient: boolean) {
        const { lockId, keys, giver, request } = job
        const id = commandIdOf(request, index)
        const key = keys[index] ?? { keyUuid: "" }
        const once = Effect.flatMap(Clock.currentTimeMillis, (at) =>
          locks.execute({
            _tag: "AddKey",
            ...key,
            lockId,
            commandId: id,
            at,
            principal: request.principal,
            ...(giver === undefined ? {} : { giver }),
            receipt: receiptOf(id)
          })
        )
        const added = yield* Effect.result(
          Effect.retry(patient ? Effect.retry(once, { schedule: PATIENCE, while: mayPass }) : once, {
            schedule: backoff,
            // A key has not failed while it may yet turn out that its device was told.
            while: isInDoubt
          })
        )
        if (Result.isSuccess(added) && added.success.events.length > 0) return keyAdded(index, added.success.version)
        if (Result.isFailure(added) && added.failure._tag === "StoreUnavailable")
          return yield* Effect.fail(added.failure)
        return yield* byTheLog(job, index, Result.isSuccess(added) ? GIVEN_UP : added.failure.message)
      })

      /**
       * Whether the key was added after all: this attempt may have failed because another one, here or in another
       * process, did not.
       */
      const byTheLog = Effect.fnUntraced(function* ({ request, lockId }: Job, index: number, reason: string) {
        const id = commandIdOf(request, index)
        const receipt = receiptOf(id)
        // Anyone who has the receipt has the last word: from here on no attempt at the command can begin.
        yield* store
          .write({ expect: [notGiven(receipt)], put: [givenFor(receipt, request.streamId, 0, 0)] })
          .pipe(Effect.catch((error) => (error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.void)))
        // One that began before may still be carried out.
        while ((yield* find(store, id))._tag === "Prepared") yield* Effect.sleep(SETTLED_EVERY)
        const lockVersion = yield* addedAt(lockId, id)
        return lockVersion === undefined ? keyFailed(index, reason) : keyAdded(index, lockVersion)
      })

      /** The version of the lock at which the command added its key; none if it did not. */
      const addedAt = (lockId: number, commandId: string) =>
        Effect.map(store.event(`${commandId}-1`), (event) =>
          Option.isSome(event) && event.value.streamId === streamOfLock(lockId) ? event.value.version : undefined
        )

      /** What this process works on, or waits to take over. */
      const underWay = new Set<string>()

      /** What was just asked for is tried, whatever time its id has: only `progress` finds one too old. */
      const runInBackground = (id: string, isTried = true) =>
        Effect.suspend(() => {
          // Where nothing runs in the background, a process elsewhere takes it on.
          if (!background.isRunning() || underWay.has(id)) return Effect.void
          underWay.add(id)
          const about = { streamId: Requests.streamOf(id) }
          const untilStored = <A>(effect: Effect.Effect<A, StoreUnavailable>) =>
            effect.pipe(
              Effect.tapError((error) =>
                logSeldom(Effect.logWarning, "A BulkAddKeys request waits for the store", about, error.message)
              ),
              Effect.retry(backoff)
            )
          const isFinished = Effect.map(load(id), ({ state }) => state === undefined || isDone(state))
          return untilStored(underLease(store, about.streamId, isFinished, () => untilStored(run(id, isTried)))).pipe(
            Effect.catchCause((cause) =>
              Effect.logError("A BulkAddKeys request stopped; the next start goes on with it", about, cause)
            ),
            Effect.ensuring(Effect.sync(() => underWay.delete(id))),
            Effect.forkIn(scope),
            Effect.asVoid
          )
        })

      /** The position that a start reads the feed from: before the first request that it must find. */
      let kept = Option.getOrElse(yield* store.record(CURSOR), () => "0")
      let reached = Number(kept)
      /** Requests in the order of the feed, from that one on. */
      const recent: Array<{ readonly id: string; readonly position: number }> = []

      /** Reads on, and hands over the requests that have come. */
      const readOn = Effect.fnUntraced(function* () {
        const found: Array<string> = []
        reached = yield* forEachPaged(
          (after, limit) => store.feed(after, limit, { category: Requests.category }),
          ({ position }) => position,
          ({ type, streamId, position }) => {
            const id = type === "BulkAddKeysRequested" ? Requests.idOf(streamId) : undefined
            if (id === undefined) return
            found.push(id)
            recent.push({ id, position })
          },
          reached
        )
        return found
      })

      const keepCursor = Effect.fnUntraced(function* () {
        const earliest = yield* earliestWithin(FOUND_WITHIN)
        const first = recent.findIndex(({ id }) => id > earliest)
        recent.splice(0, first < 0 ? recent.length : first)
        const next = String(recent[0] === undefined ? reached : recent[0].position - 1)
        if (next !== kept) yield* putRecord(store, bulkCursorAt(Number(next)))
        kept = next
      })

      const resume = Effect.fnUntraced(function* () {
        const earliest = yield* earliestTried
        for (const id of yield* readOn()) if (id > earliest) yield* runInBackground(id)
      })

      /** Requests that other processes take on from now on: one that falls silent leaves its share here. */
      const standBy = Effect.fnUntraced(function* () {
        for (const id of yield* readOn()) yield* runInBackground(id)
        yield* keepCursor()
      })
      yield* Effect.andThen(resume(), Effect.repeat(Effect.suspend(standBy), Schedule.spaced(LEASE))).pipe(
        keepGoing("Cannot look for BulkAddKeys requests of other servers"),
        inBackground
      )

      /** The instance that was answered to this request before. */
      const started = (receipt: RequestReceipt | undefined) =>
        Effect.map(earlierTry(store, receipt), (found) =>
          Option.isNone(found) ? undefined : Requests.idOf(found.value.streamId)
        )

      return {
        start: Effect.fnUntraced(function* (command) {
          const { lockId, commandId, at, principal, receipt, keys } = command
          const lock = yield* queries.lock(principal, lockId, "bulk-add-keys")
          if (lock.retired !== undefined) return yield* Effect.fail(new LockRetired({ lockId }))
          const earlier = yield* started(receipt)
          if (earlier !== undefined) return earlier
          // Once, for the request as a whole: each key that is added moves the version.
          if (!isAsExpected(command, lock.version))
            return yield* Effect.fail(new VersionMoved({ lockId, version: lock.version }))
          const requested = Requests.encode(
            BulkEvent.cases.BulkAddKeysRequested.make({ lockId, keys, giver: giverOf(principal, lock) })
          )
          const orgId = lock.orgId ?? ""
          const event: NewEvent = {
            ...requested,
            eventId: `${commandId}-1`,
            at,
            orgId,
            principal: recorded(principal),
            commandId
          }
          const streamId = Requests.streamOf(commandId)
          const written = yield* Effect.result(
            append(store, { streamId, expectedVersion: 0, events: [event], commandId, receipt })
          )
          if (Result.isSuccess(written)) {
            yield* runInBackground(commandId)
            return commandId
          }
          if (written.failure._tag === "StoreUnavailable") return yield* Effect.fail(written.failure)
          // Sent twice at the same time, or again with its command id.
          const first = yield* started(receipt)
          if (first !== undefined) return first
          const { state: job } = yield* load(commandId)
          if (job !== undefined && isSameRequest(job, command)) return commandId
          return yield* Effect.fail(new CommandExists({ commandId }))
        }),
        progress: Effect.fnUntraced(function* (principal, lockId, instanceId) {
          yield* queries.lock(principal, lockId, "bulk-add-keys")
          const { state: job } = yield* load(instanceId)
          if (job === undefined || job.lockId !== lockId) return yield* Effect.fail(new BulkNotFound({ instanceId }))
          // One may have been left behind, by its age or by a clock that was set. When it is too old, its keys were added,
          // or have failed, and anyone who asks is told.
          if (!isDone(job)) yield* runInBackground(instanceId, instanceId > (yield* earliestTried))
          return progressOf(job, instanceId)
        })
      }
    })
  )
}

type Outcome = Extract<BulkEvent, { readonly _tag: "BulkKeyAdded" | "BulkKeyFailed" }>

/** A request and what became of its keys so far. */
interface Job {
  readonly lockId: number
  readonly keys: ReadonlyArray<typeof BulkKey.Type>
  readonly giver: Giver | undefined
  readonly request: StoredEvent
  /** By index; they come in their order. */
  readonly outcomes: HashMap.HashMap<number, Outcome>
}

/** Requests for many keys, each a stream that its instance id names. */
const Requests = Category({
  prefix: "bulk-",
  events: BulkEvent,
  personal: { BulkAddKeysRequested: ["keys"] },
  initial: undefined as Job | undefined,
  evolve: (job, event, request) => {
    if (event._tag !== "BulkAddKeysRequested")
      return job && { ...job, outcomes: HashMap.set(job.outcomes, event.index, event) }
    const { lockId, keys, giver } = event
    return job ?? { lockId, keys, giver, request, outcomes: HashMap.empty() }
  }
})

/** Why a key failed of which another process knew why, and ended before it could say so. */
const GIVEN_UP = "It was given up when its server stopped. Nothing was changed; ask for it again."

const keyAdded = (index: number, lockVersion: number): Outcome => ({ _tag: "BulkKeyAdded", index, lockVersion })
const keyFailed = (index: number, reason: string): Outcome => ({ _tag: "BulkKeyFailed", index, reason })

const isDone = ({ outcomes, keys }: Job): boolean => HashMap.size(outcomes) >= keys.length

const commandIdOf = (request: StoredEvent, index: number): string => `${request.commandId}-${index}`
/** Of the command that adds a key: whatever attempts there are, one of them counts. */
const receiptOf = (id: string): Receipt => ({ id, fingerprint: id })

const isSameRequest = (job: Job, { lockId, keys, principal }: BulkCommand): boolean =>
  job.lockId === lockId && Equal.equals(job.keys, keys) && Equal.equals(job.request.principal, recorded(principal))

const progressOf = (job: Job, instanceId: string): BulkProgress => {
  const outcomes = job.keys.flatMap((_, index) => Option.toArray(HashMap.get(job.outcomes, index)))
  return {
    lockId: job.lockId,
    instanceId,
    status: isDone(job) ? "done" : "running",
    total: job.keys.length,
    added: outcomes.filter((outcome) => outcome._tag === "BulkKeyAdded").length,
    failed: outcomes.flatMap((outcome) =>
      outcome._tag === "BulkKeyFailed"
        ? [{ keyUuid: job.keys[outcome.index]?.keyUuid ?? "", reason: outcome.reason }]
        : []
    )
  }
}

/** What may pass by itself: the device comes back, its backlog empties, the lock is less busy, the store answers again. */
const mayPass = (error: ExecuteError): boolean =>
  error._tag === "DeviceUnreachable" || error._tag === "LockBusy" || error._tag === "StoreUnavailable"

const isInDoubt = (error: ExecuteError): boolean => error._tag === "DeviceUnreachable" && error.inDoubt

/** The least id of requests that are as old at most. */
const earliestWithin = (age: Duration.Duration) =>
  Effect.map(Clock.currentTimeMillis, (now) => earliestUuid(now - Duration.toMillis(age)))

/** Where a start reads from to find the requests among these events that it must find, if there are any. */
export const cursorBefore = Effect.fnUntraced(function* (events: ReadonlyArray<StoredEvent>) {
  const earliest = yield* earliestWithin(FOUND_WITHIN)
  const first = events.find(
    ({ type, streamId }) => type === "BulkAddKeysRequested" && (Requests.idOf(streamId) ?? "") > earliest
  )
  return first && bulkCursorAt(first.position - 1)
})
/** That a start finds no request before a position. */
export const bulkCursorAt = (position: number): Put => ({ key: CURSOR, value: String(position) })

/** Sorts before every UUID of version 7 made from `millis` on (RFC 9562, section 5.7: the first 48 bits are the time). */
const earliestUuid = (millis: number): string => {
  const hex = Math.max(0, Math.floor(millis)).toString(16).padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}
