/** The store for the commands that work on the data: the server's own, which may be in use by it at the same time. */
import type { EventStore, ReadModel } from "@latchkey/core"
import { Effect, type Layer } from "effect"
import { InvalidConfig, type StoreConfig, storeConfig } from "../Config.ts"
import { warnOfUnknownVariables } from "./unknownVariables.ts"

/** Where the log and the read model are; `main.ts` knows which adapters there are. */
export type StoreAdapters = (config: StoreConfig) => Layer.Layer<EventStore | ReadModel, { readonly message: string }>

/** Refuses a store that ends with its process: there is no data in it to work on. */
export const withStore =
  (adapters: StoreAdapters) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      yield* warnOfUnknownVariables
      const config = yield* storeConfig
      if (config.store === "memory") return yield* keepsNothing("LATCHKEY_STORE", "a store that keeps its data")
      if (config.store === "sqlite" && config.data === ":memory:")
        return yield* keepsNothing("LATCHKEY_DATA", "the folder of the data")
      return yield* Effect.provide(effect, adapters(config))
    })

const keepsNothing = (variable: string, expected: string) =>
  new InvalidConfig({ variable, expected: `keeps nothing for this command to work on; expected ${expected}` })
