/** Everything of Latchkey over one event store, read model and device shadow: as a layer, and as Promises. */
import { Effect, Layer, ManagedRuntime, Result, Schema } from "effect"
import type { DeviceShadow } from "../device/DeviceShadow.ts"
import { TempKeyLinks } from "../guest/TempKeyLinks.ts"
import { type Lock, LockId } from "../lock/Lock.ts"
import { CommandContext, LockRequest } from "../lock/LockCommand.ts"
import type { AccessDenied, LockRefused } from "../lock/LockError.ts"
import {
  BulkAddKeys,
  type BulkNotFound,
  type BulkProgress,
  isInstanceId,
  type StartError
} from "../locks/BulkAddKeys.ts"
import { DeviceReports } from "../locks/DeviceReports.ts"
import {
  type AskError,
  type HistoryPage,
  LockQueries,
  type OwnedLocks,
  type UserNotFound
} from "../locks/LockQueries.ts"
import { type Executed, type ExecuteError, Locks, type LocksOptions } from "../locks/Locks.ts"
import type { TempKeyNow } from "../locks/TempKeyNow.ts"
import { Projector } from "../read-model/Projector.ts"
import type { ReadModel } from "../read-model/ReadModel.ts"
import type { EventStore } from "../streams/EventStore.ts"
import { Workers } from "../streams/Workers.ts"
import { GuestOpenings } from "../temp-key/GuestOpenings.ts"
import { PinGuard } from "../temp-key/PinGuard.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import { SharedDoors } from "../temp-key/SharedDoors.ts"
import { Principal } from "../values/Principal.ts"
import type { Explanation } from "../why/Explanation.ts"
import { type AttemptNotFound, type ExplainRequest, Explanations, type UpdateTempKey } from "../why/Explanations.ts"
import type { Simulation } from "../why/Simulate.ts"

/** Everything that can be asked. Nothing of it runs in the background: that is for `workers`, here or elsewhere. */
export const layer = (options?: LocksOptions) =>
  Layer.mergeAll(BulkAddKeys.layer, DeviceReports.layer, TempKeyLinks.layer).pipe(
    Layer.provideMerge(Layer.provideMerge(SharedDoors.layer, PinGuard.layer)),
    Layer.provideMerge(GuestOpenings.layer),
    Layer.provideMerge(Layer.provideMerge(Explanations.layer, SharedCredentials.layer)),
    Layer.provideMerge(LockQueries.layer),
    Layer.provideMerge(Layer.mergeAll(Locks.layer(options), Projector.layer)),
    Layer.provideMerge(Workers.layer)
  )

/**
 * What goes on by itself beside `layer`: it fills the read model, takes in what devices report, settles what writers left
 * behind, and goes on with requests for many keys.
 */
export const workers: Layer.Layer<never, never, Workers> = Layer.effectDiscard(
  Effect.flatMap(Workers, ({ run }) => run)
)

/** The command, or question, is none: `message` says which field is wrong, and how. */
export class InvalidCommand extends Schema.TaggedError<InvalidCommand>()("InvalidCommand", {
  message: Schema.String
}) {}

/** A command as plain data: its tag and fields, the lock, an id and a time of the caller's choosing, and who asks. */
export type CommandInput = (typeof CommandContext)["Encoded"] & (typeof LockRequest)["Encoded"]

/** How failures of the domain reach the caller: as rejections, or as values beside the answers. */
export type ErrorStyle = "throw" | "return"
export type Outcome<A, E> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly error: E }
type Answer<Style extends ErrorStyle, A, E> = Promise<Style extends "return" ? Outcome<A, E> : A>

/** A lock as it is now; its temp keys are asked for with `tempKeys`. */
export type LockDetails = Omit<Lock, "tempKeys" | "deletedTempKeys">

export interface Latchkey<Style extends ErrorStyle> extends AsyncDisposable {
  /** Carries out a command; see `Locks.execute`. BulkAddKeys goes to `bulkAddKeys`. */
  readonly execute: (command: CommandInput) => Answer<Style, Executed, ExecuteError | InvalidCommand>
  /** Begins to add many keys; answers the id to ask `bulkProgress` with: the command id, a UUID of version 7. */
  readonly bulkAddKeys: (command: CommandInput) => Answer<Style, string, StartError | InvalidCommand>
  readonly bulkProgress: (
    principal: Principal,
    lockId: number,
    instanceId: string
  ) => Answer<Style, BulkProgress, AskError | BulkNotFound | InvalidCommand>
  readonly lock: (principal: Principal, lockId: number) => Answer<Style, LockDetails, AskError | InvalidCommand>
  /** Temp keys with their status at `now`, epoch milliseconds, and when it next changes. */
  readonly tempKeys: (
    principal: Principal,
    lockId: number,
    now: number
  ) => Answer<Style, ReadonlyArray<TempKeyNow>, AskError | InvalidCommand>
  /** Whether, and why, the lock opens, or opened; see `explain`. */
  readonly explain: (
    principal: Principal,
    lockId: number,
    request: ExplainRequest
  ) => Answer<Style, Explanation, AskError | AttemptNotFound | InvalidCommand>
  /** What an update of a temp key would have changed; see `simulate`. */
  readonly simulate: (
    principal: Principal,
    lockId: number,
    update: UpdateTempKey
  ) => Answer<Style, Simulation, AskError | LockRefused | InvalidCommand>
  /** A page of the lock's history, oldest first; pages count from 1. */
  readonly history: (
    principal: Principal,
    lockId: number,
    page: number,
    pageSize: number
  ) => Answer<Style, HistoryPage, AskError | InvalidCommand>
  readonly ownedLocks: (principal: Principal, userId: string) => Answer<Style, OwnedLocks, AccessDenied | UserNotFound>
  /** Finishes what is under way and closes the adapters. */
  readonly dispose: () => Promise<void>
}

/**
 * Latchkey for backends that do not use Effect. Rejects with the adapter's error when an adapter cannot start.
 *
 * @param options.store the layer of the event store and the read model, e.g. `Sqlite.layer({ folder })`
 * @param options.shadow the layer of the device shadow, e.g. `LocalShadow.layer({ folder })`
 * @param options.workers `false` where nothing may run in the background: another process must then do that
 * @param options.errors `throw` (unless given): answers reject with typed errors; `return`: they are `Outcome`s
 */
export const createLatchkey = async <StoreError, ShadowError, Style extends ErrorStyle = "throw">(
  options: LocksOptions & {
    readonly store: Layer.Layer<EventStore | ReadModel, StoreError>
    readonly shadow: Layer.Layer<DeviceShadow, ShadowError>
    readonly errors?: Style
    readonly workers?: boolean
  }
): Promise<Latchkey<Style>> => {
  const runtime = ManagedRuntime.make(
    (options.workers === false ? Layer.empty : workers).pipe(
      Layer.provideMerge(layer(options)),
      Layer.provideMerge(Layer.merge(options.store, options.shadow))
    )
  )
  const services = await runtime.context()
  const { execute } = await runtime.runPromise(Locks)
  const queries = await runtime.runPromise(LockQueries)
  const bulk = await runtime.runPromise(BulkAddKeys)
  const explanations = await runtime.runPromise(Explanations)
  const asValues = options.errors === "return"

  const underWay = new Set<Promise<unknown>>()

  const answer = <A, F>(effect: Effect.Effect<A, F>): Answer<Style, A, F> => {
    const answered = asValues
      ? Effect.runPromiseWith(services)(Effect.map(Effect.result(effect), toOutcome))
      : Effect.runPromiseWith(services)(effect)
    underWay.add(answered)
    const done = () => underWay.delete(answered)
    answered.then(done, done)
    return answered as Answer<Style, A, F>
  }

  const dispose = async () => {
    await Promise.allSettled(underWay)
    await runtime.dispose()
  }

  return {
    execute: (command) =>
      answer(
        Effect.flatMap(
          decode(command),
          (command): Effect.Effect<Executed, ExecuteError | InvalidCommand> =>
            command._tag === "BulkAddKeys"
              ? Effect.fail(new InvalidCommand({ message: "BulkAddKeys is no single command: use bulkAddKeys" }))
              : execute(command)
        )
      ),
    bulkAddKeys: (command) =>
      answer(
        Effect.flatMap(
          decode(command),
          (command): Effect.Effect<string, StartError | InvalidCommand> =>
            command._tag !== "BulkAddKeys"
              ? Effect.fail(new InvalidCommand({ message: `${command._tag} is not BulkAddKeys: use execute` }))
              : isInstanceId(command.commandId)
                ? bulk.start(command)
                : Effect.fail(new InvalidCommand({ message: "commandId must be a UUID of version 7" }))
        )
      ),
    bulkProgress: (principal, lockId, instanceId) =>
      answer(asked({ principal, lockId }, () => bulk.progress(principal, lockId, instanceId))),
    lock: (principal, lockId) =>
      answer(
        asked({ principal, lockId }, () =>
          Effect.map(
            queries.lock(principal, lockId, "details"),
            ({ tempKeys: _, deletedTempKeys: __, ...details }) => details
          )
        )
      ),
    tempKeys: (principal, lockId, now) =>
      answer(
        asked({ principal, lockId }, () =>
          Effect.map(queries.tempKeys(principal, lockId, now), ({ tempKeys }) => tempKeys)
        )
      ),
    explain: (principal, lockId, request) =>
      answer(asked({ principal, lockId }, () => explanations.explain(principal, lockId, request))),
    simulate: (principal, lockId, update) =>
      answer(
        Effect.flatMap(decode({ ...update, _tag: "UpdateTempKey", lockId, principal, commandId: "", at: 0 }), () =>
          explanations.simulate(principal, lockId, update)
        )
      ),
    history: (principal, lockId, page, pageSize) =>
      answer(asked({ principal, lockId, page, pageSize }, () => queries.history(principal, lockId, page, pageSize))),
    ownedLocks: (principal, userId) => answer(queries.ownedLocks(principal, userId)),
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

const toOutcome = <A, E>(result: Result.Result<A, E>): Outcome<A, E> =>
  Result.isSuccess(result) ? { ok: true, value: result.success } : { ok: false, error: result.failure }

const decodeRequest = Schema.decodeUnknownEffect(LockRequest)
const decodeContext = Schema.decodeUnknownEffect(CommandContext)

/** Callers without types may ask anything: what is no question is refused before it reaches a store. */
const asked = <A, E>(
  input: (typeof Question)["Encoded"],
  ask: () => Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidCommand> =>
  Effect.matchEffect(decodeQuestion(input), {
    onFailure: ({ message }) => Effect.fail(new InvalidCommand({ message })),
    onSuccess: ask
  })

const Count = Schema.Int.check(Schema.isGreaterThan(0))
const Question = Schema.Struct({
  principal: Principal,
  lockId: LockId,
  page: Schema.optionalKey(Count),
  pageSize: Schema.optionalKey(Count)
})
const decodeQuestion = Schema.decodeUnknownEffect(Question)

const decode = (input: CommandInput) =>
  Effect.all([decodeContext(input), decodeRequest(input)]).pipe(
    Effect.map(([context, request]) => ({ ...context, ...request })),
    Effect.mapError((error) => new InvalidCommand({ message: error.message }))
  )
