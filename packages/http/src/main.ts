#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=32 --no-allocation-site-pretenuring
/** The `latchkey` command. The only file that knows which adapters there are. */
import "effect/schema/SchemaJITCompiler/enable"
import { MemoryEventStore, MemoryReadModel } from "@latchkey/core/memory"
import { Sqlite } from "@latchkey/sqlite"
import { Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import {
  type AwsShadowConfig,
  InvalidConfig,
  type LocalShadowConfig,
  type ServerConfig,
  type StoreConfig
} from "./Config.ts"
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
  Layer.merge(
    config.shadow._tag === "aws" ? awsShadow(config.shadow) : localShadow(config, config.shadow),
    storeAdapters(config)
  )

const localShadow = ({ host, store, data }: ServerConfig, { rest }: LocalShadowConfig) =>
  Effect.promise(() => import("@latchkey/local-shadow")).pipe(
    Effect.map(({ LocalShadow, ShadowRest }) => {
      const served =
        typeof rest === "string"
          ? Layer.empty
          : named(
              "LATCHKEY_SHADOW_PORT",
              Layer.effectDiscard(Effect.tap(ShadowRest.serve({ host, ...rest }), announceShadows))
            )
      const shadows = named("LATCHKEY_DATA", LocalShadow.layer({ folder: store === "memory" ? ":memory:" : data }))
      return Layer.provideMerge(served, shadows)
    }),
    Layer.unwrap
  )

/** Who wants it installs it: it brings the AWS SDK. */
const awsShadow = ({ thingPrefix, shadowName, reportsQueue }: AwsShadowConfig) =>
  Effect.tryPromise({
    try: () => import("@latchkey/aws-iot"),
    catch: (error) =>
      new InvalidConfig({
        variable: "LATCHKEY_SHADOW",
        expected: `aws needs @latchkey/aws-iot: npm install @latchkey/aws-iot (${error instanceof Error ? error.message : error})`
      })
  }).pipe(
    Effect.map(({ AwsIot }) =>
      named(
        "LATCHKEY_SHADOW",
        AwsIot.layer({
          things: AwsIot.prefixed(thingPrefix),
          ...(shadowName !== undefined && { shadowName }),
          ...(reportsQueue !== undefined && { reportsQueue })
        })
      )
    ),
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
