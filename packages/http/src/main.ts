#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=32 --no-allocation-site-pretenuring
/** The `latchkey` command. The only file that knows which adapters there are. */
import "effect/schema/SchemaJITCompiler/enable"
import { MemoryEventStore, MemoryReadModel } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { InvalidConfig, type ServerConfig, type StoreConfig } from "./Config.ts"
import { events } from "./cli/events.ts"
import { keys } from "./cli/keys.ts"
import { projections } from "./cli/projections.ts"
import { run } from "./cli/run.ts"
import { serve } from "./cli/serve.ts"

const storeAdapters = ({ store, data }: StoreConfig) =>
  store === "memory"
    ? Layer.merge(MemoryEventStore.layer, MemoryReadModel.layer)
    : named("LATCHKEY_DATA", Sqlite.layer({ folder: data }))

const adapters = (config: ServerConfig) => Layer.merge(shadowAdapter(config), storeAdapters(config))

// Only the server needs devices: the other commands start without loading them.
const shadowAdapter = ({ host, store, data, shadow }: ServerConfig) =>
  Effect.promise(() => import("@latchkey/local-shadow")).pipe(
    Effect.map(({ LocalShadow, ShadowRest }) => {
      const served =
        typeof shadow.rest === "string"
          ? Layer.empty
          : named(
              "LATCHKEY_SHADOW_PORT",
              Layer.effectDiscard(Effect.tap(ShadowRest.serve({ host, ...shadow.rest }), announceShadows))
            )
      const shadows = named("LATCHKEY_DATA", LocalShadow.layer({ folder: store === "memory" ? ":memory:" : data }))
      return Layer.provideMerge(served, shadows)
    }),
    Layer.unwrap
  )

const announceShadows = ({ address, port }: { readonly address: string; readonly port: number }) =>
  Console.log(`Device shadows are served on http://${address.includes(":") ? `[${address}]` : address}:${port}`)

/** An adapter that cannot start knows what to mend, but not the variable by which the operator chose it. */
const named = <A, E extends { readonly message: string }, R>(variable: string, layer: Layer.Layer<A, E, R>) =>
  Layer.catch(
    layer,
    ({ message }: E): Layer.Layer<A, InvalidConfig> =>
      Layer.unwrap(Effect.fail(new InvalidConfig({ variable, expected: message })))
  )

const latchkey = Command.make("latchkey").pipe(
  Command.withDescription("Smart locks, event-sourced"),
  Command.withSubcommands([serve(adapters), keys(storeAdapters), events(storeAdapters), projections(storeAdapters)])
)

run(latchkey)
