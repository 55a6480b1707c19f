/** The server in this process, over ports in memory: real sockets, and a store and a shadow that do as a test says. */
import { apiKeysLayer } from "../../src/auth/Secrets.ts"
import "effect/schema/SchemaJITCompiler/enable"
import {
  ApiKeys,
  BUDGETS,
  type Budgets,
  CurrentBudgets,
  type DeviceShadow,
  EventStore,
  Latchkey,
  type LocksOptions,
  Presence,
  PresenceUnavailable,
  ReadModel,
  ReadModelUnavailable,
  StoreUnavailable
} from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { Context, Effect, Exit, Layer, Logger, ManagedRuntime, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Authenticator } from "../../src/auth/Authentication.ts"
import { Jwt, type JwtOptions } from "../../src/auth/Jwt.ts"
import { PinSecret } from "../../src/auth/PinSecret.ts"
import { listen, type ServerOptions } from "../../src/serve.ts"
import type { TrustedProxies } from "../../src/server/CallerAddress.ts"
import { API_KEYS, AUDIENCE, ISSUER, JWT_SECRET, PIN_KEY } from "./callers.ts"

/** `down`: the port fails as when its database is gone; `defect`: it breaks as no adapter should. */
export interface Faults {
  store: "ok" | "down" | "defect"
  readModel: "ok" | "down" | "defect"
}

/** Words that only the operator may read. */
export const INSIDE = "the disk under /srv/inside/latchkey.db is gone"

export interface InProcessOptions
  extends LocksOptions,
    Pick<ServerOptions, "brand" | "connections" | "console" | "corsOrigins" | "deadlines" | "docs" | "webhooks"> {
  readonly jwt?: JwtOptions["key"]
  /** Where guests sign in. */
  readonly signInUrl?: string
  /** Whose word about their clients counts. */
  readonly proxies?: TrustedProxies
  /** Other budgets than those that are not configured. */
  readonly budgets?: Partial<Budgets>
  /** Instead of a shadow that does as the test says. */
  readonly shadow?: Layer.Layer<DeviceShadow>
  /** It is now, and stays so until time is let `pass`. */
  readonly timeStandsStill?: boolean
}

export interface InProcess extends AsyncDisposable {
  readonly url: string
  readonly faults: Faults
  readonly shadow: MemoryDeviceShadow.ShadowControl["Service"]
  readonly store: EventStore["Service"]
  readonly apiKeys: ApiKeys["Service"]
  /** Every line that was logged. */
  readonly log: ReadonlyArray<string>
  /** Lets milliseconds pass where time stands still: what is due by then happens, in order. */
  readonly pass: (millis: number) => Promise<void>
  readonly stop: () => Promise<void>
}

let stores: Layer.Layer<EventStore | ReadModel | Presence> = Layer.mergeAll(
  MemoryEventStore.layer,
  MemoryReadModel.layer,
  MemoryPresence.layer
)

/** Instead of stores in memory, for every server that the test file then starts. */
export const useStores = (others: typeof stores): void => void (stores = others)

export const startInProcess = async (options: InProcessOptions = {}): Promise<InProcess> => {
  const faults: Faults = { store: "ok", readModel: "ok" }
  const log: Array<string> = []
  const memory = Layer.mergeAll(
    Layer.mergeAll(storeWith(faults), readModelWith(faults), presenceWith(faults)).pipe(Layer.provide(stores)),
    MemoryDeviceShadow.layer
  )
  const ports = options.shadow === undefined ? memory : Layer.provideMerge(options.shadow, memory)
  const key = options.jwt ?? { _tag: "Secret", secret: new TextEncoder().encode(JWT_SECRET) }
  const jwt = Jwt.layer({ key, issuer: ISSUER, audience: AUDIENCE })
  const application = Layer.mergeAll(
    Layer.provideMerge(Latchkey.workers, Latchkey.layer({ claims: "open", ...options })),
    PinSecret.layerOf(PIN_KEY),
    Authenticator.layer.pipe(Layer.provideMerge(apiKeysLayer(API_KEYS)), Layer.provide(jwt))
  ).pipe(
    Layer.provideMerge(ports),
    Layer.provideMerge(Layer.succeed(CurrentBudgets, { ...BUDGETS, ...options.budgets })),
    Layer.provideMerge(Logger.layer([Logger.map(Logger.formatLogFmt, (line) => log.push(line))])),
    Layer.provideMerge(options.timeStandsStill ? stillClock : Layer.empty)
  )
  const runtime = ManagedRuntime.make(application)
  const services = await runtime.context()
  const sockets = Scope.makeUnsafe()
  const { port } = await runtime.runPromise(
    Scope.provide(
      listen({
        host: "127.0.0.1",
        port: 0,
        signInUrl: options.signInUrl,
        proxies: options.proxies,
        ...(options.connections && { connections: options.connections }),
        ...(options.corsOrigins && { corsOrigins: options.corsOrigins }),
        ...(options.deadlines && { deadlines: options.deadlines }),
        ...(options.console !== undefined && { console: options.console }),
        ...(options.docs !== undefined && { docs: options.docs }),
        ...(options.brand && { brand: options.brand }),
        ...(options.webhooks && { webhooks: options.webhooks })
      }),
      sockets
    )
  )
  const stop = async () => {
    await Effect.runPromise(Scope.close(sockets, Exit.void))
    await runtime.dispose()
  }
  return {
    url: `http://127.0.0.1:${port}`,
    faults,
    shadow: Context.get(services, MemoryDeviceShadow.ShadowControl),
    store: Context.get(services, EventStore),
    apiKeys: Context.get(services, ApiKeys),
    log,
    // Not of the runtime, which may end meanwhile.
    pass: (millis) => Effect.runPromise(Effect.provideContext(TestClock.adjust(millis), services)),
    stop,
    [Symbol.asyncDispose]: stop
  }
}

const stillClock = Layer.effectDiscard(Effect.suspend(() => TestClock.setTime(Date.now()))).pipe(
  Layer.provideMerge(TestClock.layer({ warningDelay: "1 hour" }))
)

/** The commands whose outcome is open, by lock: what is prepared and not settled. */
export const unsettledIn = ({ store }: InProcess) => Effect.runPromise(store.records("reservation/", "", 1_000))

const gateOf =
  <Down>(fault: () => "ok" | "down" | "defect", down: Down) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Down> =>
    Effect.suspend((): Effect.Effect<A, E | Down> => {
      switch (fault()) {
        case "ok":
          return effect
        case "down":
          return Effect.fail(down)
        case "defect":
          return Effect.die(new Error(INSIDE))
      }
    })

const storeWith = (faults: Faults) =>
  Layer.effect(
    EventStore,
    Effect.map(EventStore, (store): EventStore["Service"] => {
      const gate = gateOf(() => faults.store, new StoreUnavailable({ message: INSIDE }))
      return {
        ...store,
        read: (...args) => gate(store.read(...args)),
        event: (...args) => gate(store.event(...args)),
        write: (...args) => gate(store.write(...args)),
        record: (...args) => gate(store.record(...args)),
        // What runs in the background would not survive a defect, and has none to fear.
        feed: (...args) =>
          Effect.suspend(() => (faults.store === "down" ? gate(store.feed(...args)) : store.feed(...args))),
        head: Effect.suspend(() => (faults.store === "down" ? gate(store.head) : store.head))
      }
    })
  )

const readModelWith = (faults: Faults) =>
  Layer.effect(
    ReadModel,
    Effect.map(ReadModel, (readModel): ReadModel["Service"] => {
      const gate = gateOf(() => faults.readModel, new ReadModelUnavailable({ message: INSIDE }))
      return {
        ...readModel,
        // It is filled with this too; see above.
        get: (...asked) =>
          Effect.suspend(() => (faults.readModel === "down" ? gate(readModel.get(...asked)) : readModel.get(...asked))),
        find: (...asked) => gate(readModel.find(...asked))
      }
    })
  )

const presenceWith = (faults: Faults) =>
  Layer.effect(
    Presence,
    Effect.map(Presence, (presence): Presence["Service"] => {
      const gate = gateOf(() => faults.readModel, new PresenceUnavailable({ message: INSIDE }))
      return { ...presence, of: (things) => gate(presence.of(things)) }
    })
  )
