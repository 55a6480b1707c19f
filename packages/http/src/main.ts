#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=32
/** The `latchkey` command. The only file that knows which adapters there are. */
import "effect/schema/SchemaJITCompiler/enable"
import { MemoryEventStore, MemoryReadModel } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
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

// Only the server needs devices: the other commands start without loading them.
const adapters = (config: ServerConfig) =>
  Effect.promise(() => import("@latchkey/local-shadow")).pipe(
    Effect.map(({ LocalShadow }) =>
      named("LATCHKEY_DATA", LocalShadow.layer({ folder: config.store === "memory" ? ":memory:" : config.data }))
    ),
    Layer.unwrap,
    Layer.merge(storeAdapters(config))
  )

/** An adapter that cannot start knows what to mend, but not the variable by which the operator chose it. */
const named = <A, E extends { readonly message: string }>(variable: string, layer: Layer.Layer<A, E>) =>
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
