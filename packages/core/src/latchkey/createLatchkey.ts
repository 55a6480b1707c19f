/** Latchkey for programs without Effect: plain data in, Promises out. Everything that the HTTP API can do. */
import { type Context, Deferred, Effect, Layer, ManagedRuntime, Option, Result, Schema, Stream } from "effect"
import type { DeviceShadow } from "../device/DeviceShadow.ts"
import type { Presence } from "../device/Presence.ts"
import type { GuestKey } from "../guest/GuestKey.ts"
import { type LinkNotFound, type OpenError, type Opened, TempKeyLinks } from "../guest/TempKeyLinks.ts"
import { type Lock, LockId } from "../lock/Lock.ts"
import { CommandContext, LockRequest, Millis } from "../lock/LockCommand.ts"
import type { AccessDenied, LockRefused, TempKeyNotValid } from "../lock/LockError.ts"
import {
  BulkAddKeys,
  type BulkNotFound,
  type BulkProgress,
  isInstanceId,
  type StartError
} from "../locks/BulkAddKeys.ts"
import {
  type AskError,
  type HistoryPage,
  LockQueries,
  type OwnedLocks,
  type UserNotFound
} from "../locks/LockQueries.ts"
import { type Executed, type ExecuteError, Locks, type LocksOptions } from "../locks/Locks.ts"
import type { TempKeyNow } from "../locks/TempKeyNow.ts"
import type { ReadModel } from "../read-model/ReadModel.ts"
import type { EventStore, StoredEvent, StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import { BUDGETS, type Budgets, CurrentBudgets } from "../temp-key/Budgets.ts"
import type { PinKey } from "../temp-key/Pins.ts"
import { ShareRequest } from "../temp-key/SharedCredential.ts"
import type { NoSuchLock, SharedCredentialNotFound, SharedError } from "../temp-key/SharedCredentialError.ts"
import { type Shared, SharedCredentials, type ShareError } from "../temp-key/SharedCredentials.ts"
import { type OpenDoorError, type OpenedDoor, SharedDoors } from "../temp-key/SharedDoors.ts"
import { Asker, type Principal } from "../values/Principal.ts"
import { UuidText } from "../values/Text.ts"
import type { Explanation } from "../why/Explanation.ts"
import { type AttemptNotFound, ExplainRequest, Explanations, type UpdateTempKey } from "../why/Explanations.ts"
import type { Simulation } from "../why/Simulate.ts"
import { layer, workers } from "./Latchkey.ts"

/** Not a valid command or question: `message` says which field is wrong, and how. */
export class InvalidCommand extends Schema.TaggedError<InvalidCommand>()("InvalidCommand", {
  message: Schema.String
}) {}

/** A command as plain data: its tag and fields, the lock, an id and a time of the caller's choosing, and who asks. */
export type CommandInput = (typeof CommandContext)["Encoded"] & (typeof LockRequest)["Encoded"]

/** How failures of the domain reach the caller: as rejections, or as values beside the answers. */
export type ErrorStyle = "throw" | "return"
/** An answer, or the failure in its place. */
export type Outcome<A, E> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly error: E }
type Answer<Style extends ErrorStyle, A, E> = Promise<Style extends "return" ? Outcome<A, E> : A>

/** Who asks, when and under which id: a command without its lock. */
export type AskedBy = Omit<(typeof CommandContext)["Encoded"], "lockId">

/** A temp key for one or more doors. Its `uuid` is its link, so it must be beyond guessing: `crypto.randomUUID()`. */
export type NewSharedKey = AskedBy & (typeof ShareRequest)["Encoded"] & { readonly uuid: string }

/** A PIN at a lock; `networks` tell strangers apart, the narrowest first, and `apiKey` names the keypad's key, if it has one. */
export interface EnteredPin extends AskedBy {
  readonly lockId: number
  readonly pin: string
  readonly networks: ReadonlyArray<string>
  readonly apiKey?: string
}

/** Temp keys with doors at one or more locks, and their PINs. */
export interface SharedKeys<Style extends ErrorStyle> {
  /** Makes one. Its PIN, if a door takes one, is in the answer and nowhere else. */
  readonly create: (
    key: NewSharedKey
  ) => Answer<Style, Shared & { readonly pin: string | null }, ShareError | InvalidCommand>
  /** Those that the principal made or may make anew, oldest first; with `lockId`, those with a door there. */
  readonly list: (
    principal: Principal,
    lockId?: number
  ) => Answer<Style, ReadonlyArray<Shared>, AskError | NoSuchLock | InvalidCommand>
  /** Ends one. Ending it once more changes nothing. */
  readonly revoke: (
    uuid: string,
    by: AskedBy
  ) => Answer<Style, void, SharedCredentialNotFound | AccessDenied | CommandExists | StoreUnavailable | InvalidCommand>
  /** Opens one of its doors: the link is the permission. */
  readonly openDoor: (
    uuid: string,
    doorId: number,
    by: AskedBy
  ) => Answer<Style, OpenedDoor, OpenDoorError | SharedError | TempKeyNotValid | InvalidCommand>
  /** Opens a lock by PIN. One that opens nothing is refused the same way whatever the reason, and counts. */
  readonly openByPin: (pin: EnteredPin) => Answer<Style, OpenedDoor, OpenDoorError | SharedError | InvalidCommand>
  /** When a door was opened, epoch milliseconds; `version` is that of the opening. */
  readonly openedAt: (
    uuid: string,
    doorId: number,
    version: number
  ) => Answer<Style, number | undefined, StoreUnavailable | InvalidCommand>
}

/** What anyone with the link of a temp key sees and does, whether the key is on one lock or has several doors. */
export interface GuestLinks<Style extends ErrorStyle> {
  /** The key at an instant, epoch milliseconds; `userId` is the signed-in user, if any. */
  readonly view: (
    tempKeyUuid: string,
    now: number,
    userId?: string
  ) => Answer<Style, GuestKey, LinkNotFound | StoreUnavailable | InvalidCommand>
  /** Uses the key and tells its door to open: both or neither. */
  readonly open: (
    tempKeyUuid: string,
    by: AskedBy & { readonly userId?: string }
  ) => Answer<Style, Opened, OpenError | InvalidCommand>
  /** When it was used, epoch milliseconds; `version` is that of the use. */
  readonly usedAt: (
    tempKeyUuid: string,
    version: number
  ) => Answer<Style, number | undefined, LinkNotFound | StoreUnavailable | InvalidCommand>
}

/** A lock as it is now; its temp keys are asked for with `tempKeys`. */
export type LockDetails = Omit<Lock, "tempKeys" | "deletedTempKeys">

/** Latchkey for programs without Effect; `Style` says how failures reach them. */
export interface EmbeddedLatchkey<Style extends ErrorStyle> extends AsyncDisposable {
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
  readonly ownedLocks: (
    principal: Principal,
    userId: string
  ) => Answer<Style, OwnedLocks, AccessDenied | UserNotFound | InvalidCommand>
  readonly sharedKeys: SharedKeys<Style>
  readonly guests: GuestLinks<Style>
  /**
   * Every event after a position, in the order of the log, and then what comes, until the loop is left or everything is
   * disposed of. Position 0 is before all; keep the last one that you have handled, and go on from there. Throws
   * `StoreUnavailable` when the store does not answer, and `InvalidCommand` when that is not a position.
   */
  readonly subscribe: (after: number) => AsyncIterable<StoredEvent>
  /** The services themselves, for programs and packages with Effect: `createFetch` of `@latchkey/http` takes them. */
  readonly services: Context.Context<LatchkeyServices>
  /** The key for PINs that was given. */
  readonly pinKey: PinKey | undefined
  /** Finishes what is under way and closes the adapters. */
  readonly dispose: () => Promise<void>
}

/** Everything of Latchkey, and its ports. */
export type LatchkeyServices = Layer.Success<ReturnType<typeof layer>> | EventStore | ReadModel | DeviceShadow

/**
 * Latchkey for backends that do not use Effect. Rejects with the adapter's error when an adapter cannot start.
 *
 * @example
 * const latchkey = await createLatchkey({ store: Sqlite.layer({ folder }), shadow: LocalShadow.layer({ folder }) })
 * const principal = { _tag: "User", userId: "ada" } as const
 * await latchkey.execute({ _tag: "OpenLock", lockId: 7, commandId: crypto.randomUUID(), at: Date.now(), principal })
 *
 * @param options.store the layer of the event store and the read model, e.g. `Sqlite.layer({ folder })`
 * @param options.shadow the layer of the device shadow, e.g. `LocalShadow.layer({ folder })`
 * @param options.pinKey the key for PINs; without it no door can have one
 * @param options.budgets who may cause how much, where not as `BUDGETS` says
 * @param options.workers `false` where nothing may run in the background: another process must then do that
 * @param options.errors `throw` (unless given): answers reject with typed errors; `return`: they are `Outcome`s
 */
export const createLatchkey = async <StoreError, ShadowError, Style extends ErrorStyle = "throw">(
  options: LocksOptions & {
    readonly store: Layer.Layer<EventStore | ReadModel | Presence, StoreError>
    readonly shadow: Layer.Layer<DeviceShadow, ShadowError>
    readonly pinKey?: PinKey
    readonly budgets?: Partial<Budgets>
    readonly errors?: Style
    readonly workers?: boolean
  }
): Promise<EmbeddedLatchkey<Style>> => {
  const budgets = Layer.succeed(CurrentBudgets, { ...BUDGETS, ...options.budgets })
  const ports = Layer.mergeAll(options.store, options.shadow, budgets)
  const runtime = ManagedRuntime.make(
    (options.workers === false ? Layer.empty : workers).pipe(
      Layer.provideMerge(layer(options)),
      Layer.provideMerge(ports)
    )
  )
  const services = await runtime.context()
  const { execute } = await runtime.runPromise(Locks)
  const queries = await runtime.runPromise(LockQueries)
  const bulk = await runtime.runPromise(BulkAddKeys)
  const explanations = await runtime.runPromise(Explanations)
  const shared = await runtime.runPromise(SharedCredentials)
  const doors = await runtime.runPromise(SharedDoors)
  const links = await runtime.runPromise(TempKeyLinks)
  const feed = await runtime.runPromise(Feed)
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

  const { pinKey } = options
  const ended = Deferred.makeUnsafe<void>()
  const dispose = async () => {
    Deferred.doneUnsafe(ended, Effect.void)
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
              ? Effect.fail(new InvalidCommand({ message: "Use bulkAddKeys for BulkAddKeys." }))
              : execute(command)
        )
      ),
    bulkAddKeys: (command) =>
      answer(
        Effect.flatMap(
          decode(command),
          (command): Effect.Effect<string, StartError | InvalidCommand> =>
            command._tag !== "BulkAddKeys"
              ? Effect.fail(new InvalidCommand({ message: `Use execute for ${command._tag}.` }))
              : isInstanceId(command.commandId)
                ? bulk.start(command)
                : Effect.fail(new InvalidCommand({ message: "commandId must be a UUID of version 7" }))
        )
      ),
    bulkProgress: (principal, lockId, instanceId) =>
      answer(asked({ principal, lockId, instanceId }, () => bulk.progress(principal, lockId, instanceId))),
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
        asked({ principal, lockId, now }, () =>
          Effect.map(queries.tempKeys(principal, lockId, now), ({ tempKeys }) => tempKeys)
        )
      ),
    explain: (principal, lockId, request) =>
      answer(
        asked({ principal, lockId }, () =>
          Effect.flatMap(decodeExplain(request), (request) => explanations.explain(principal, lockId, request))
        )
      ),
    simulate: (principal, lockId, update) =>
      answer(
        Effect.flatMap(
          decode({ ...update, _tag: "UpdateTempKey", lockId, principal, commandId: "simulated", at: 0 }),
          () => explanations.simulate(principal, lockId, update)
        )
      ),
    history: (principal, lockId, page, pageSize) =>
      answer(asked({ principal, lockId, page, pageSize }, () => queries.history(principal, lockId, page, pageSize))),
    ownedLocks: (principal, userId) =>
      answer(asked({ principal, userId }, () => queries.ownedLocks(principal, userId))),
    sharedKeys: {
      create: (key) =>
        answer(
          Effect.flatMap(
            decodeShare(key),
            (command): Effect.Effect<Shared & { readonly pin: string | null }, ShareError | InvalidCommand> =>
              pinKey === undefined && command.doors.some(({ accessMethod = "key" }) => accessMethod !== "key")
                ? noPinKey
                : shared.share(command, pinKey ?? NO_KEY)
          )
        ),
      list: (principal, lockId) =>
        answer(
          asked({ principal, ...(lockId !== undefined && { lockId }) }, () =>
            shared.list(principal, lockId === undefined ? undefined : String(lockId))
          )
        ),
      revoke: (uuid, by) => answer(Effect.flatMap(decodeAsked({ ...by, uuid }), (by) => shared.revoke(by, uuid))),
      openDoor: (uuid, doorId, by) =>
        answer(Effect.flatMap(decodeAsked({ ...by, uuid, doorId }), (by) => doors.open({ ...by, uuid, doorId }))),
      openByPin: (entered) =>
        answer(
          Effect.flatMap(
            decodePin(entered),
            (pin): Effect.Effect<OpenedDoor, OpenDoorError | SharedError | InvalidCommand> =>
              pinKey === undefined ? noPinKey : doors.openByPin(pin, pinKey)
          )
        ),
      openedAt: (uuid, doorId, version) =>
        answer(
          asked({ uuid, doorId, version }, () =>
            Effect.map(doors.opening(uuid, doorId, version), Option.getOrUndefined)
          )
        )
    },
    guests: {
      view: (uuid, now, userId) =>
        answer(asked({ uuid, now, ...(userId !== undefined && { userId }) }, () => links.view(uuid, userId, now))),
      open: (uuid, { userId, ...by }) =>
        answer(
          Effect.flatMap(decodeAsked({ ...by, uuid, ...(userId !== undefined && { userId }) }), (by) =>
            links.open({ ...by, link: uuid, ...(userId !== undefined && { userId }) })
          )
        ),
      usedAt: (uuid, version) =>
        answer(
          asked({ uuid, version }, () => Effect.map(links.opening(uuid, undefined, version), Option.getOrUndefined))
        )
    },
    subscribe: (after) =>
      Stream.toAsyncIterableWith(
        Stream.unwrap(asked({ position: after }, () => Effect.succeed(feed.events(after)))).pipe(
          Stream.interruptWhen(Deferred.await(ended))
        ),
        services
      ),
    services,
    pinKey,
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

const toOutcome = <A, E>(result: Result.Result<A, E>): Outcome<A, E> =>
  Result.isSuccess(result) ? { ok: true, value: result.success } : { ok: false, error: result.failure }

const decodeWith = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (input: S["Encoded"]): Effect.Effect<S["Type"], InvalidCommand> =>
    Effect.mapError(decode(input), ({ message }) => new InvalidCommand({ message }))
}
const decodeRequest = decodeWith(LockRequest)
const decodeContext = decodeWith(CommandContext)

const { lockId: _, ...askedBy } = CommandContext.fields
const Count = Schema.Int.check(Schema.isGreaterThan(0))
const decodeShare = decodeWith(Schema.Struct({ ...askedBy, ...ShareRequest.fields, uuid: UuidText }))
const decodeAsked = decodeWith(
  Schema.Struct({
    ...askedBy,
    uuid: Schema.String,
    doorId: Schema.optionalKey(Count),
    userId: Schema.optionalKey(Schema.String)
  })
)
const decodePin = decodeWith(
  Schema.Struct({
    ...askedBy,
    lockId: LockId,
    pin: Schema.String.check(Schema.isPattern(/^[0-9]{4,8}$/, { expected: "4 to 8 digits" })),
    networks: Schema.Array(Schema.String).check(Schema.isMinLength(1)),
    apiKey: Schema.optionalKey(Schema.String)
  })
)

/** Callers without types may ask anything: what is no question is refused before it reaches a store. */
const asked = <A, E>(
  input: (typeof Question)["Encoded"],
  ask: () => Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidCommand> => Effect.flatMap(decodeQuestion(input), ask)

const Question = Schema.Struct({
  principal: Schema.optionalKey(Asker),
  lockId: Schema.optionalKey(LockId),
  page: Schema.optionalKey(Count),
  pageSize: Schema.optionalKey(Count),
  uuid: Schema.optionalKey(Schema.String),
  doorId: Schema.optionalKey(Count),
  version: Schema.optionalKey(Count),
  now: Schema.optionalKey(Millis),
  position: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  instanceId: Schema.optionalKey(Schema.String),
  userId: Schema.optionalKey(Schema.String)
})
const decodeQuestion = decodeWith(Question)
const decodeExplain = decodeWith(ExplainRequest)

const decode = (input: CommandInput) =>
  Effect.map(Effect.all([decodeContext(input), decodeRequest(input)]), ([context, request]) => ({
    ...context,
    ...request
  }))

/** No PIN is made under it: see `noPinKey`. */
const NO_KEY: PinKey = { id: "", digest: () => "" }
const noPinKey = Effect.suspend(() =>
  Effect.fail(new InvalidCommand({ message: "PINs need a key: give createLatchkey a pinKey." }))
)
