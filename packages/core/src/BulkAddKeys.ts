/**
 * Many keys for one lock, in the background: the request is stored in a stream of its own before it is answered, then
 * its keys are added one by one. A restart goes on where the last outcome stands; one bad key does not stop the rest.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Result, Schedule, Schema } from "effect"
import { backoff } from "./Backoff.ts"
import type { CommandContext, LockRequest } from "./LockCommand.ts"
import { type AskError, LockQueries } from "./LockQueries.ts"
import { type ExecuteError, LockBusy, Locks } from "./Locks.ts"
import type { Principal } from "./Principal.ts"
import { EventStore, type NewEvent, type StoredEvent } from "./ports/EventStore.ts"
import { earlierTry, type ReceiptReused, type RequestReceipt } from "./Receipts.ts"

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

/** A request of the size of one HTTP body; the command id, a UUID of version 7, names it. */
export type BulkCommand = CommandContext & Pick<Extract<LockRequest, { readonly _tag: "BulkAddKeys" }>, "keys">

export type StartError = AskError | ReceiptReused | LockBusy

/** How long after its request a key is still tried when the process was down in between. */
const RESUME_WITHIN = Duration.hours(24)
/** How long a key is tried while its device cannot be told, before it has failed: about eight seconds. */
const PATIENCE = Schedule.max([Schedule.exponential(Duration.millis(250)), Schedule.recurs(5)])
const PREFIX = "bulk-"
const PAGE = 1_000

export class BulkAddKeys extends Context.Service<
  BulkAddKeys,
  {
    /** Stores the request and begins; answers its instance id. A retry with the same receipt answers the first one's. */
    readonly start: (command: BulkCommand) => Effect.Effect<string, StartError>
    readonly progress: (
      principal: Principal,
      lockId: number,
      instanceId: string
    ) => Effect.Effect<BulkProgress, AskError | BulkNotFound>
  }
>()("@latchkey/core/BulkAddKeys") {
  /** Also resumes what a former process left unfinished. */
  static readonly layer = Layer.effect(
    BulkAddKeys,
    Effect.gen(function* () {
      const store = yield* EventStore
      const locks = yield* Locks
      const queries = yield* LockQueries
      const scope = yield* Effect.scope

      const load = Effect.fnUntraced(function* (streamId: string) {
        const events: Array<StoredEvent> = []
        while (true) {
          const page = yield* store.read(streamId, events.length, PAGE)
          events.push(...page)
          if (page.length < PAGE) return fold(events)
        }
      })

      const run = Effect.fnUntraced(function* (streamId: string) {
        let job = yield* load(streamId)
        let patient = true
        while (job !== undefined && job.outcomes.length < job.keys.length) {
          const outcome: Outcome = yield* addKey(job, job.outcomes.length, patient)
          // What one key has waited for in vain, the next one need not wait for as long.
          patient = outcome._tag === "BulkKeyAdded"
          const version = job.outcomes.length + 1
          const written = yield* Effect.result(store.append(streamId, version, [yield* envelope(job, outcome)]))
          if (Result.isSuccess(written)) job = { ...job, outcomes: [...job.outcomes, outcome] }
          // Another process works on the same request; receipts see to it that a key is added once all the same.
          else if (written.failure._tag === "VersionConflict") job = yield* load(streamId)
          else return yield* Effect.fail(written.failure)
        }
      })

      const addKey = Effect.fnUntraced(function* ({ lockId, keys, request }: Job, index: number, patient: boolean) {
        const id = `${request.commandId}-${index}`
        const key = keys[index] ?? { keyUuid: "" }
        const once = Effect.flatMap(Clock.currentTimeMillis, (at) =>
          locks.execute({
            _tag: "AddKey",
            ...key,
            lockId,
            commandId: id,
            at,
            principal: request.principal,
            receipt: { id, fingerprint: id }
          })
        )
        const added = yield* Effect.result(
          Effect.retry(patient ? Effect.retry(once, { schedule: PATIENCE, while: mayPass }) : once, {
            schedule: backoff,
            // A key has not failed while it may yet turn out that its device was told.
            while: isInDoubt
          })
        )
        return Result.match(added, {
          onSuccess: ({ version }): Outcome => ({ _tag: "BulkKeyAdded", index, lockVersion: version }),
          onFailure: ({ message }): Outcome => ({ _tag: "BulkKeyFailed", index, reason: message })
        })
      })

      const runInBackground = (streamId: string) =>
        run(streamId).pipe(
          Effect.tapErrorTag("StoreUnavailable", (error) =>
            Effect.logWarning("A BulkAddKeys request waits for the store", { streamId }, error.message)
          ),
          Effect.retry({ schedule: backoff, while: (error) => error._tag === "StoreUnavailable" }),
          Effect.catchCause((cause) =>
            Effect.logError("A BulkAddKeys request stopped; the next start goes on with it", { streamId }, cause)
          ),
          Effect.forkIn(scope)
        )

      const resume = Effect.fnUntraced(function* () {
        let after = PREFIX + earliestUuid((yield* Clock.currentTimeMillis) - Duration.toMillis(RESUME_WITHIN))
        while (true) {
          const streams = yield* store.streams(PREFIX, after, PAGE)
          yield* Effect.forEach(streams, runInBackground, { discard: true })
          if (streams.length < PAGE) return
          after = streams.at(-1) ?? after
        }
      })
      yield* resume()

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
          const event: NewEvent = { eventId: `${commandId}-request`, type, data, at, orgId, principal, commandId }
          const written = yield* Effect.result(store.append(PREFIX + commandId, 0, [event], receipt))
          if (Result.isSuccess(written)) {
            yield* runInBackground(PREFIX + commandId)
            return commandId
          }
          if (written.failure._tag === "StoreUnavailable") return yield* Effect.fail(written.failure)
          // The id is new, so only the same request, sent twice at the same time, can stand in the way.
          return (yield* started(receipt)) ?? (yield* Effect.fail(new LockBusy({ lockId })))
        }),
        progress: Effect.fnUntraced(function* (principal, lockId, instanceId) {
          yield* queries.lock(principal, lockId, "bulk-add-keys")
          const job = yield* load(PREFIX + instanceId)
          if (job === undefined || job.lockId !== lockId) return yield* Effect.fail(new BulkNotFound({ instanceId }))
          return progressOf(job, instanceId)
        })
      }
    })
  )
}

type Outcome = Extract<BulkEvent, { readonly _tag: "BulkKeyAdded" | "BulkKeyFailed" }>

/** A request and what became of its keys so far, in their order. */
interface Job {
  readonly lockId: number
  readonly keys: ReadonlyArray<typeof BulkKey.Type>
  readonly request: StoredEvent
  readonly outcomes: ReadonlyArray<Outcome>
}

const decode = Schema.decodeUnknownOption(BulkEvent)

const fold = ([request, ...rest]: ReadonlyArray<StoredEvent>): Job | undefined => {
  const requested =
    request === undefined ? undefined : Option.getOrUndefined(decode({ ...request.data, _tag: request.type }))
  if (request === undefined || requested?._tag !== "BulkAddKeysRequested") return undefined
  const outcomes = rest.flatMap(({ type, data }) =>
    Option.toArray(
      Option.filter(decode({ ...data, _tag: type }), (event): event is Outcome => event._tag !== "BulkAddKeysRequested")
    )
  )
  return { lockId: requested.lockId, keys: requested.keys, request, outcomes }
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

const progressOf = ({ lockId, keys, outcomes }: Job, instanceId: string): BulkProgress => ({
  lockId,
  instanceId,
  status: outcomes.length < keys.length ? "running" : "done",
  total: keys.length,
  added: outcomes.filter((outcome) => outcome._tag === "BulkKeyAdded").length,
  failed: outcomes.flatMap((outcome) =>
    outcome._tag === "BulkKeyFailed" ? [{ keyUuid: keys[outcome.index]?.keyUuid ?? "", reason: outcome.reason }] : []
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
