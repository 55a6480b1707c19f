/** The store for the commands that work on the data: the server's own, which may be in use by it at the same time. */
import type { EventStore, Presence, ReadModel } from "@latchkey/core"
import { Effect, type Layer } from "effect"
import { InvalidConfig, type StoreConfig, storeConfig } from "./Config.ts"
import { warnOfUnknownVariables } from "./unknownVariables.ts"

/** Where the log and the read model are; `main.ts` knows which adapters there are. */
export interface StoreAdapters {
  /** `create` makes the store when it is not there. */
  readonly open: (
    config: StoreConfig,
    create: boolean
  ) => Layer.Layer<EventStore | ReadModel | Presence, { readonly message: string }>
  /** The same for an import, whatever there is of an earlier one. */
  readonly fill: (config: StoreConfig) => Layer.Layer<EventStore, { readonly message: string }>
  /** The log alone, to read it: creates nothing. */
  readonly read: (config: StoreConfig) => Layer.Layer<EventStore, { readonly message: string }>
}

/** For commands that write what may be the first. */
export const withStore = (adapters: StoreAdapters) => provided((config) => adapters.open(config, true))

/** For an import. */
export const withStoreToFill = (adapters: StoreAdapters) => provided(adapters.fill)

/** For commands that change what is there. */
export const withExistingStore = (adapters: StoreAdapters) => provided((config) => adapters.open(config, false))

/** For commands that only read. */
export const withLog = (adapters: StoreAdapters) => provided(adapters.read)

/** Refuses a store that ends with its process: there is no data in it to work on. */
const provided =
  <Services, F>(layer: (config: StoreConfig) => Layer.Layer<Services, F>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      yield* warnOfUnknownVariables
      const config = yield* keptConfig
      return yield* Effect.provide(effect, layer(config))
    })

/** The configuration of a store that keeps its data. */
export const keptConfig = Effect.gen(function* () {
  const config = yield* storeConfig
  if (config.store === "memory") return yield* keepsNothing("LATCHKEY_STORE", "a store that keeps its data")
  if (config.store === "sqlite" && config.data === ":memory:")
    return yield* keepsNothing("LATCHKEY_DATA", "the folder of the data")
  return config
})

const keepsNothing = (variable: string, expected: string) =>
  new InvalidConfig({ variable, expected: `keeps nothing for this command to work on; expected ${expected}` })
