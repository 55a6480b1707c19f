/** Latchkey for programs without Effect: plain data in, Promises out. Everything that the HTTP API can do. */
import {
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Layer,
  ManagedRuntime,
  Option,
  Result,
  Scope,
  Stream,
  Struct
} from "effect"
import { ApiKeys } from "../access/ApiKeys.ts"
import { Secrets } from "../access/Secrets.ts"
import type { DeviceShadow } from "../device/DeviceShadow.ts"
import type { Presence } from "../device/Presence.ts"
import { Brands } from "../guest/Brands.ts"
import { TempKeyLinks } from "../guest/TempKeyLinks.ts"
import { stands } from "../lock/AccessPolicy.ts"
import { exposureOf } from "../lock/Exposure.ts"
import type { HeldKey } from "../lock/Lock.ts"
import { descriptionOf } from "../lock/ShownDescription.ts"
import { BulkAddKeys, isInstanceId, type StartError } from "../locks/BulkAddKeys.ts"
import { CommandOutcomes } from "../locks/CommandOutcomes.ts"
import { KeyRemovals } from "../locks/KeyRemovals.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { type Executed, type ExecuteError, Locks, type LocksOptions } from "../locks/Locks.ts"
import { attending } from "../partners/Attention.ts"
import type { Deliver } from "../partners/Deliver.ts"
import { Dispatcher } from "../partners/Dispatcher.ts"
import type { Envelope } from "../partners/Envelope.ts"
import { type Subscription, subscribe } from "../partners/Subscriber.ts"
import { telling } from "../partners/Telling.ts"
import { Webhooks } from "../partners/Webhooks.ts"
import type { ReadModel } from "../read-model/ReadModel.ts"
import type { EventStore } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { BUDGETS, type Budgets, CurrentBudgets } from "../temp-key/Budgets.ts"
import { LockSearch } from "../temp-key/LockSearch.ts"
import type { PinKey } from "../temp-key/Pins.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import { SharedDoors } from "../temp-key/SharedDoors.ts"
import { TempKeys } from "../temp-key/TempKeys.ts"
import { given } from "../values/given.ts"
import { Explanations } from "../why/Explanations.ts"
import {
  type Answer,
  type EmbeddedLatchkey,
  type ErrorStyle,
  InvalidCommand,
  type Outcome,
  type Subscribed
} from "./Embedded.ts"
import {
  asked,
  decode,
  decodeAsked,
  decodeAttempts,
  decodeAttention,
  decodeBrand,
  decodeBy,
  decodeEvents,
  decodeExplain,
  decodeHistory,
  decodeLocks,
  decodeNewApiKey,
  decodeOfKey,
  decodeOfUser,
  decodeOnLock,
  decodeSubscription,
  decodeUserKeys,
  needs
} from "./EmbeddedRequests.ts"
import { embeddedSharedKeys } from "./EmbeddedSharedKeys.ts"
import { embeddedWebhooks } from "./EmbeddedWebhooks.ts"
import { layer, workers } from "./Latchkey.ts"
import { managedApiKeys } from "./ManagedApiKeys.ts"

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
 * @param options.secrets cryptography for API keys; without it they are not managed here
 * @param options.deliver the layer that sends to webhooks; without it there are none here
 * @param options.workers `false` where nothing may run in the background: another process must then do that
 * @param options.errors `throw` (unless given): answers reject with typed errors; `return`: they are `Outcome`s
 */
export const createLatchkey = async <StoreError, ShadowError, Style extends ErrorStyle = "throw">(
  options: LocksOptions & {
    readonly store: Layer.Layer<EventStore | ReadModel | Presence, StoreError>
    readonly shadow: Layer.Layer<DeviceShadow, ShadowError>
    readonly pinKey?: PinKey
    readonly budgets?: Partial<Budgets>
    readonly secrets?: Secrets["Service"]
    readonly deliver?: Layer.Layer<Deliver>
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
  const search = await runtime.runPromise(LockSearch)
  const bulk = await runtime.runPromise(BulkAddKeys)
  const removals = await runtime.runPromise(KeyRemovals)
  const explanations = await runtime.runPromise(Explanations)
  const shared = await runtime.runPromise(SharedCredentials)
  const doors = await runtime.runPromise(SharedDoors)
  const links = await runtime.runPromise(TempKeyLinks)
  const brands = await runtime.runPromise(Brands)
  const feed = await runtime.runPromise(Feed)
  const tempKeys = await runtime.runPromise(TempKeys)
  const outcomes = await runtime.runPromise(CommandOutcomes)
  const events = await runtime.runPromise(telling)
  const { secrets, deliver } = options
  const optional = Effect.gen(function* () {
    const keys = yield* built(secrets && Layer.provide(ApiKeys.layer(), Layer.succeed(Secrets, secrets)))
    const hooks = yield* built(deliver && Layer.provide(options.workers === false ? Webhooks.layer : delivery, deliver))
    return {
      apiKeys: keys && (yield* Effect.provide(keysOf, keys)),
      webhooks: hooks && Context.get(hooks, Webhooks)
    }
  })
  const { apiKeys, webhooks } = await runtime
    .runPromise(Scope.provide(optional, runtime.scope))
    .catch(async (error: unknown) => {
      await runtime.dispose()
      throw error
    })
  const attended = await runtime.runPromise(attending(webhooks))
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
  const withKeys = <A, E>(
    use: (keys: NonNullable<typeof apiKeys>) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | InvalidCommand> =>
    apiKeys === undefined ? needs("API keys need cryptography", "secrets") : use(apiKeys)
  const ended = Deferred.makeUnsafe<void>()
  const dispose = async () => {
    Deferred.doneUnsafe(ended, Effect.void)
    await Promise.allSettled(underWay)
    await runtime.dispose()
  }

  const follow = (after: number) =>
    Stream.toAsyncIterableWith(
      Stream.unwrap(asked({ position: after }, () => Effect.succeed(feed.events(after)))).pipe(
        Stream.interruptWhen(Deferred.await(ended))
      ),
      services
    )

  const tell = async (subscription: Subscription, handle: (event: Envelope) => unknown): Promise<Subscribed> => {
    const scope = Scope.makeUnsafe()
    const begun = Effect.flatMap(decodeSubscription(subscription), (decoded) => subscribe(decoded, handle))
    await Effect.runPromiseWith(services)(Scope.provide(begun, scope))
    const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
    return { stop, [Symbol.asyncDispose]: stop }
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
    locks: (principal, now, query = {}) =>
      answer(
        asked({ principal, now }, () =>
          Effect.flatMap(decodeLocks(query), (query) => search.locks(principal, query, now))
        )
      ),
    attention: (principal, now, query = {}) =>
      answer(
        asked({ principal, now }, () =>
          Effect.flatMap(decodeAttention(query), (query) => attended.attention(principal, query, now))
        )
      ),
    overview: (principal, now) => answer(asked({ principal, now }, () => attended.overview(principal, now))),
    userKeys: (principal, userId, query = {}) =>
      answer(
        asked({ principal, userId }, () =>
          Effect.flatMap(decodeUserKeys(query), (query) => queries.userKeys(principal, userId, query))
        )
      ),
    removeUserKeys: (userId, by) =>
      answer(Effect.flatMap(decodeOfUser({ ...by, userId }), ({ userId, ...by }) => removals.ofUser(userId, by))),
    removeInheritedKeys: (lockId, by) =>
      answer(Effect.flatMap(decodeOnLock({ ...by, lockId }), (context) => removals.inherited(context))),
    lock: (principal, lockId) =>
      answer(
        asked({ principal, lockId }, () =>
          Effect.gen(function* () {
            const lock = yield* queries.lock(principal, lockId, "details")
            const {
              tempKeys: _,
              deletedTempKeys: __,
              owners: ___,
              organizations: ____,
              said: _____,
              keys,
              ...details
            } = lock
            const isInherited = ({ giver }: HeldKey) => !stands(giver, lock)
            return {
              ...details,
              description: descriptionOf(lock),
              keys: keys.map((key) => (isInherited(key) ? { ...key, inherited: true as const } : key)),
              presence: yield* queries.presence(lock.uuid)
            }
          })
        )
      ),
    basicInfo: (principal, lockId) =>
      answer(
        asked({ principal, lockId }, () =>
          Effect.map(queries.lock(principal, lockId, "basic-info"), (lock) =>
            Struct.pick(lock, ["lockId", "uuid", "version", "serialNumber", "ownerId", "orgId"])
          )
        )
      ),
    exposure: (principal, lockId) =>
      answer(asked({ principal, lockId }, () => Effect.map(queries.lock(principal, lockId, "exposure"), exposureOf))),
    presenceChanges: (principal, lockId) =>
      answer(asked({ principal, lockId }, () => queries.presenceChanges(principal, lockId))),
    command: (principal, lockId, commandId, wait = 0) =>
      answer(
        asked({ principal, lockId, commandId, wait }, () =>
          outcomes.of(principal, lockId, commandId, Duration.seconds(wait))
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
    history: (principal, lockId, query = {}) =>
      answer(
        asked({ principal, lockId }, () =>
          Effect.flatMap(decodeHistory(query), (query) => queries.history(principal, lockId, query))
        )
      ),
    audit: (principal, lockId, after = 0) =>
      Stream.toAsyncIterableWith(
        Stream.unwrap(
          asked({ principal, lockId, position: after }, () => queries.audit(principal, lockId, after))
        ).pipe(Stream.interruptWhen(Deferred.await(ended))),
        services
      ),
    attempts: (principal, lockId, now, query = {}) =>
      answer(
        asked({ principal, lockId, now }, () =>
          Effect.flatMap(decodeAttempts(query), (query) => explanations.attempts(principal, lockId, query, now))
        )
      ),
    ownedLocks: (principal, userId) =>
      answer(asked({ principal, userId }, () => queries.ownedLocks(principal, userId))),
    sharedKeys: embeddedSharedKeys({ shared, doors, tempKeys, pinKey }, answer),
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
        ),
      outcome: (uuid, version, doorId) =>
        answer(
          asked({ uuid, version, ...given({ doorId }) }, () =>
            Effect.map(links.outcome(uuid, doorId, version), Option.getOrUndefined)
          )
        )
    },
    brand: {
      get: (principal, orgId) => answer(asked({ principal, ...given({ orgId }) }, () => brands.get(principal, orgId))),
      set: (request, by, orgId) =>
        answer(
          Effect.flatMap(decodeBrand({ ...request, ...by }), ({ commandId, at, principal, receipt: _, ...request }) =>
            brands.set({ commandId, at, principal }, request, orgId)
          )
        ),
      remove: (by, orgId) => answer(Effect.flatMap(decodeBy(by), (by) => brands.remove(by, orgId)))
    },
    apiKeys: {
      list: (principal, orgId) =>
        answer(asked({ principal, ...given({ orgId }) }, () => withKeys(({ list }) => list(principal, orgId)))),
      create: (request, by) =>
        answer(
          Effect.flatMap(decodeNewApiKey({ ...request, ...by }), ({ commandId, at, principal, receipt, ...request }) =>
            withKeys(({ create }) => create(request, { commandId, at, principal, ...given({ receipt }) }))
          )
        ),
      revoke: (keyId, by) =>
        answer(
          Effect.flatMap(decodeOfKey({ ...by, keyId }), ({ keyId, ...by }) =>
            withKeys(({ revoke }) => revoke(keyId, by))
          )
        ),
      principalOf: (secret, now) =>
        answer(asked({ secret, now }, () => withKeys(({ principalOf }) => principalOf(secret, now))))
    },
    webhooks: embeddedWebhooks(webhooks, answer),
    events: (principal, query = {}) =>
      answer(asked({ principal }, () => Effect.flatMap(decodeEvents(query), (query) => events.page(principal, query)))),
    subscribe: ((after: number | Subscription, handle?: (event: Envelope) => unknown) =>
      typeof after === "object" && handle !== undefined
        ? tell(after, handle)
        : follow(after as number)) as EmbeddedLatchkey<Style>["subscribe"],
    services,
    pinKey,
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

const toOutcome = <A, E>(result: Result.Result<A, E>): Outcome<A, E> =>
  Result.isSuccess(result) ? { ok: true, value: result.success } : { ok: false, error: result.failure }

/** A service that not every program has. */
const built = <A, E, R>(layer: Layer.Layer<A, E, R> | undefined) =>
  layer === undefined ? Effect.undefined : Layer.build(layer)

const delivery = Layer.provideMerge(Dispatcher.layer, Webhooks.layer)

/** API keys as they are managed, and who presents one. */
const keysOf = Effect.gen(function* () {
  const { principalOf } = yield* ApiKeys
  return { ...(yield* managedApiKeys), principalOf }
})
