/**
 * Many keys for one lock, in the background: the request is stored in a stream of its own before it is answered, then
 * its keys are added one by one. One process works on it, under a lease; if that one is gone, another goes on where the
 * last outcome stands. One bad key does not stop the rest.
 *
 * What became of a key is what the lock's log says of the command that adds it. Two that work at once do no harm.
 */
import { Clock, Context, Duration, Effect, Equal, Layer, Option, Result, Schedule, Schema } from "effect"
import { streamOfLock } from "../lock/Lock.ts"
import type { CommandContext, LockRequest } from "../lock/LockCommand.ts"
import { backoff, keepGoing } from "../streams/Backoff.ts"
import { LEASE, underLease } from "../streams/Lease.ts"
import {
  CommandExists,
  EventStore,
  type NewEvent,
  type Receipt,
  type StoredEvent,
  type StoreUnavailable
} from "../streams/OldEventStore.ts"
import { earlierTry, type ReceiptReused, type RequestReceipt } from "../streams/Receipts.ts"
import { feedReader } from "../streams/StreamFollower.ts"
import { CurrentBackground, inBackground } from "../streams/Workers.ts"
import type { Principal } from "../values/Principal.ts"
import { type AskError, LockQueries } from "./LockQueries.ts"
import { type ExecuteError, Locks } from "./Locks.ts"

const BulkKey = Schema.Struct({
  keyUuid: Schema.String,
  keyIndexNumber: Schema.optionalKey(Schema.Int),
  userId: Schema.optionalKey(Schema.String)
})

/** What happened to a request for many keys. Stored for ever: add cases and optional fields, never rename or remove one. */
export const BulkEvent = Schema.TaggedUnion({
  BulkAddKeysRequested: { lockId: Schema.Int, keys: Schema.Array(BulkKey) },
  BulkKeyAdded: { index: Schema.Int, lockVersion: Schema.Int },
  BulkKeyFailed: { index: Schema.Int, reason: Schema.String }
})
export type BulkEvent = typeof BulkEvent.Type

/** How far a request has come. */
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

export type StartError = AskError | ReceiptReused | CommandExists

/** How long after its request a key is still tried when the process was down in between. */
const RESUME_WITHIN = Duration.hours(24)
/** How long a key is tried while its device cannot be told, before it has failed: about eight seconds. */
const PATIENCE = Schedule.max([Schedule.exponential(Duration.millis(250)), Schedule.recurs(5)])
/** How soon it is looked again whether a command that may still be carried out is settled. */
const SETTLED_EVERY = Duration.millis(100)
const PREFIX = "bulk-"
const PAGE = 1_000

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

      const load = Effect.fnUntraced(function* (streamId: string) {
        const events: Array<StoredEvent> = []
        while (true) {
          const page = yield* store.read(streamId, events.length, PAGE)
          events.push(...page)
          if (page.length < PAGE) return fold(events)
        }
      })

      /** Where the requests begin whose keys are still tried. */
      const earliestTried = Effect.map(
        Clock.currentTimeMillis,
        (now) => PREFIX + earliestUuid(now - Duration.toMillis(RESUME_WITHIN))
      )

      /** `isTried`: whether keys without an outcome are still added, or have failed unless they were added before. */
      const run = Effect.fnUntraced(function* (streamId: string, isTried: boolean) {
        let job = yield* load(streamId)
        let patient = true
        while (job !== undefined && !isDone(job)) {
          const index = job.outcomes.length
          const outcome: Outcome | undefined = yield* isTried
            ? addKey(job, index, patient)
            : byTheLog(job, index, GIVEN_UP)
          // What one key has waited for in vain, the next one need not wait for as long.
          patient = outcome?._tag === "BulkKeyAdded"
          job = outcome === undefined ? yield* load(streamId) : yield* withOutcome(job, outcome)
        }
      })

      /** The job with one more outcome; if another process was quicker, as that one left it. */
      const withOutcome = Effect.fnUntraced(function* (job: Job, outcome: Outcome) {
        const { streamId } = job.request
        const written = yield* Effect.result(store.append(streamId, job.version, [yield* envelope(job, outcome)]))
        if (Result.isSuccess(written))
          return { ...job, version: written.success.version, outcomes: [...job.outcomes, outcome] }
        if (written.failure._tag === "StoreUnavailable") return yield* Effect.fail(written.failure)
        return yield* load(streamId)
      })

      /** None when another process has decided meanwhile. */
      const addKey = Effect.fnUntraced(function* (job: Job, index: number, patient: boolean) {
        const { lockId, keys, request } = job
        const id = commandIdOf(job, index)
        const key = keys[index] ?? { keyUuid: "" }
        const once = Effect.flatMap(Clock.currentTimeMillis, (at) =>
          locks.execute({
            _tag: "AddKey",
            ...key,
            lockId,
            commandId: id,
            at,
            principal: request.principal,
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
       * process, did not. None when another process has decided meanwhile.
       */
      const byTheLog = Effect.fnUntraced(function* (job: Job, index: number, reason: string) {
        const id = commandIdOf(job, index)
        // Whoever has the receipt has the last word: from here on no attempt at the command can begin.
        const closed = yield* Effect.result(store.append(job.request.streamId, job.version, [], receiptOf(id)))
        if (Result.isFailure(closed) && closed.failure._tag === "StoreUnavailable")
          return yield* Effect.fail(closed.failure)
        if (Result.isFailure(closed) && closed.failure._tag !== "ReceiptExists") return undefined
        // One that began before may still be carried out.
        const isOpen = Effect.map(store.unsettled, (reservations) =>
          reservations.some(({ commandId }) => commandId === id)
        )
        while (yield* isOpen) yield* Effect.sleep(SETTLED_EVERY)
        const lockVersion = yield* addedAt(job.lockId, id)
        return lockVersion === undefined ? keyFailed(index, reason) : keyAdded(index, lockVersion)
      })

      /** The version of the lock at which the command added its key; none if it did not. */
      const addedAt = (lockId: number, commandId: string) =>
        Effect.map(store.event(`${commandId}-1`), (event) =>
          Option.isSome(event) && event.value.streamId === streamOfLock(lockId) ? event.value.version : undefined
        )

      /** What this process works on, or waits to take over. */
      const underWay = new Set<string>()

      /** What was just asked for is tried, whatever time its id has: only `progress` sets one going that is too old. */
      const runInBackground = (streamId: string, isTried = true) =>
        Effect.suspend(() => {
          // Where nothing runs in the background, whoever does that elsewhere takes it on.
          if (!background.isRunning() || underWay.has(streamId)) return Effect.void
          underWay.add(streamId)
          const untilStored = <A>(effect: Effect.Effect<A, StoreUnavailable>) =>
            effect.pipe(
              Effect.tapError((error) =>
                Effect.logWarning("A BulkAddKeys request waits for the store", { streamId }, error.message)
              ),
              Effect.retry(backoff)
            )
          const isFinished = Effect.map(load(streamId), (job) => job === undefined || isDone(job))
          return untilStored(underLease(store, streamId, isFinished, untilStored(run(streamId, isTried)))).pipe(
            Effect.catchCause((cause) =>
              Effect.logError("A BulkAddKeys request stopped; the next start goes on with it", { streamId }, cause)
            ),
            Effect.ensuring(Effect.sync(() => underWay.delete(streamId))),
            Effect.forkIn(scope),
            Effect.asVoid
          )
        })

      const resume = Effect.fnUntraced(function* () {
        let after = yield* earliestTried
        while (true) {
          const streams = yield* store.streams(PREFIX, after, PAGE)
          yield* Effect.forEach(streams, (streamId) => runInBackground(streamId), { discard: true })
          if (streams.length < PAGE) return
          after = streams.at(-1) ?? after
        }
      })

      const readOn = feedReader(store, PREFIX, yield* store.head)

      const requested: Array<string> = []
      const take = ({ type, streamId }: StoredEvent) => {
        if (type === "BulkAddKeysRequested") requested.push(streamId)
      }
      /** Requests that other processes take on from now on: whoever of them falls silent leaves its share here. */
      const standBy = Effect.andThen(readOn(take), () =>
        Effect.forEach(requested.splice(0), (streamId) => runInBackground(streamId), { discard: true })
      )
      yield* Effect.andThen(resume(), Effect.repeat(standBy, Schedule.spaced(LEASE))).pipe(
        keepGoing("BulkAddKeys requests of other servers are not looked for"),
        inBackground
      )

      /** The instance that was answered to this request before. */
      const started = (receipt: RequestReceipt | undefined) =>
        Effect.map(earlierTry(store, receipt), (found) =>
          Option.isNone(found) ? undefined : found.value.streamId.slice(PREFIX.length)
        )

      return {
        start: Effect.fnUntraced(function* (command) {
          const { lockId, commandId, at, principal, receipt, keys } = command
          const lock = yield* queries.lock(principal, lockId, "bulk-add-keys")
          const earlier = yield* started(receipt)
          if (earlier !== undefined) return earlier
          const { _tag: type, ...data } = BulkEvent.cases.BulkAddKeysRequested.make({ lockId, keys })
          const orgId = lock.orgId ?? ""
          const event: NewEvent = { eventId: `${commandId}-1`, type, data, at, orgId, principal, commandId }
          const written = yield* Effect.result(store.append(PREFIX + commandId, 0, [event], receipt))
          if (Result.isSuccess(written)) {
            yield* runInBackground(PREFIX + commandId)
            return commandId
          }
          if (written.failure._tag === "StoreUnavailable") return yield* Effect.fail(written.failure)
          // Sent twice at the same time, or again with its command id.
          const first = yield* started(receipt)
          if (first !== undefined) return first
          const job = yield* load(PREFIX + commandId)
          if (job !== undefined && isSameRequest(job, command)) return commandId
          return yield* Effect.fail(new CommandExists({ commandId }))
        }),
        progress: Effect.fnUntraced(function* (principal, lockId, instanceId) {
          yield* queries.lock(principal, lockId, "bulk-add-keys")
          const job = yield* load(PREFIX + instanceId)
          if (job === undefined || job.lockId !== lockId) return yield* Effect.fail(new BulkNotFound({ instanceId }))
          // No start goes on with one that is so old: its keys were added, or have failed, and whoever asks is told.
          const { streamId } = job.request
          if (!isDone(job) && streamId <= (yield* earliestTried)) yield* runInBackground(streamId, false)
          return progressOf(job, instanceId)
        })
      }
    })
  )
}

type Outcome = Extract<BulkEvent, { readonly _tag: "BulkKeyAdded" | "BulkKeyFailed" }>

/** A request and what became of its keys so far, in their order: its stream up to `version`. */
interface Job {
  readonly version: number
  readonly lockId: number
  readonly keys: ReadonlyArray<typeof BulkKey.Type>
  readonly request: StoredEvent
  readonly outcomes: ReadonlyArray<Outcome>
}

const decode = Schema.decodeUnknownOption(BulkEvent)

/** Why a key failed of which another process knew why, and ended before it could say so. */
const GIVEN_UP = "It was given up when its server stopped. Nothing was changed; ask for it again."

const keyAdded = (index: number, lockVersion: number): Outcome => ({ _tag: "BulkKeyAdded", index, lockVersion })
const keyFailed = (index: number, reason: string): Outcome => ({ _tag: "BulkKeyFailed", index, reason })

const isDone = ({ outcomes, keys }: Job): boolean => outcomes.length >= keys.length

const commandIdOf = ({ request }: Job, index: number): string => `${request.commandId}-${index}`
/** Of the command that adds a key: whatever attempts there are, one of them counts. */
const receiptOf = (id: string): Receipt => ({ id, fingerprint: id })

const isSameRequest = (job: Job, { lockId, keys, principal }: BulkCommand): boolean =>
  job.lockId === lockId && Equal.equals(job.keys, keys) && Equal.equals(job.request.principal, principal)

const fold = ([request, ...rest]: ReadonlyArray<StoredEvent>): Job | undefined => {
  const requested =
    request === undefined ? undefined : Option.getOrUndefined(decode({ ...request.data, _tag: request.type }))
  if (request === undefined || requested?._tag !== "BulkAddKeysRequested") return undefined
  const outcomes = rest.flatMap(({ type, data }) =>
    Option.toArray(
      Option.filter(decode({ ...data, _tag: type }), (event): event is Outcome => event._tag !== "BulkAddKeysRequested")
    )
  )
  const { version } = rest.at(-1) ?? request
  return { version, lockId: requested.lockId, keys: requested.keys, request, outcomes }
}

const envelope = ({ request }: Job, { _tag: type, ...data }: Outcome): Effect.Effect<NewEvent> =>
  Effect.map(Clock.currentTimeMillis, (at) => ({
    eventId: `${request.commandId}-${data.index}-outcome`,
    type,
    data,
    at,
    orgId: request.orgId,
    principal: request.principal,
    commandId: request.commandId
  }))

const progressOf = (job: Job, instanceId: string): BulkProgress => ({
  lockId: job.lockId,
  instanceId,
  status: isDone(job) ? "done" : "running",
  total: job.keys.length,
  added: job.outcomes.filter((outcome) => outcome._tag === "BulkKeyAdded").length,
  failed: job.outcomes.flatMap((outcome) =>
    outcome._tag === "BulkKeyFailed"
      ? [{ keyUuid: job.keys[outcome.index]?.keyUuid ?? "", reason: outcome.reason }]
      : []
  )
})

/** What may pass by itself: the device comes back, its backlog empties, the lock is less busy, the store answers again. */
const mayPass = (error: ExecuteError): boolean =>
  error._tag === "DeviceUnreachable" || error._tag === "LockBusy" || error._tag === "StoreUnavailable"

const isInDoubt = (error: ExecuteError): boolean => error._tag === "DeviceUnreachable" && error.inDoubt

/** Sorts before every UUID of version 7 made from `millis` on (RFC 9562, section 5.7: the first 48 bits are the time). */
const earliestUuid = (millis: number): string => {
  const hex = Math.max(0, Math.floor(millis)).toString(16).padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}
