#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** The `latchkey` command. The only file that knows which adapters there are. */
import "effect/schema/SchemaJITCompiler/enable"
import { join } from "node:path"
import { DeviceSecrets, EventStore, type Presence, type ReadModel, refusePart } from "@latchkey/core"
import { MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import type { ShadowMqtt } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Context, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { deviceSecretsLayer } from "./auth/Secrets.ts"
import { backup } from "./cli/backup.ts"
import {
  type AwsShadowConfig,
  InvalidConfig,
  type LocalShadowConfig,
  type MqttConfig,
  type PostgresConfig,
  type ServerConfig,
  type SpacetimeConfig,
  type StoreConfig
} from "./cli/Config.ts"
import { demo } from "./cli/demo.ts"
import { devices } from "./cli/devices.ts"
import { events } from "./cli/events.ts"
import { explain } from "./cli/explain.ts"
import { keys } from "./cli/keys.ts"
import { AsJson, print } from "./cli/output.ts"
import { projections } from "./cli/projections.ts"
import { run } from "./cli/run.ts"
import { serve } from "./cli/serve.ts"
import { shadowsInStore } from "./cli/sharedByServers.ts"
import { simulate } from "./cli/simulate.ts"
import { storePackage } from "./cli/storePackage.ts"
import { tokens } from "./cli/tokens.ts"
import { webhooks } from "./cli/webhooks.ts"
import type { StoreAdapters } from "./cli/withStore.ts"

const openStore = ({ store, data, restored, postgres, spacetimedb }: StoreConfig, create: boolean) => {
  if (postgres !== undefined) return postgresStore(postgres, create)
  if (spacetimedb !== undefined) return spacetimeStore(spacetimedb)
  if (typeof store === "object") return storePackage(store.package)
  return store === "memory"
    ? Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)
    : named("LATCHKEY_DATA", Sqlite.layer({ folder: data, create, restored }))
}

/** Nothing but an import begins on a store that holds a part of an export. */
const whole = <A, E>({ store }: StoreConfig, layer: Layer.Layer<A | EventStore, E>) =>
  Layer.tap(layer, (services) =>
    Effect.mapError(
      refusePart(Context.get(services, EventStore)),
      ({ message }) =>
        new InvalidConfig({ variable: store === "sqlite" ? "LATCHKEY_DATA" : "LATCHKEY_STORE", expected: message })
    )
  )

const storeAdapters: StoreAdapters = {
  open: (config, create) => whole(config, openStore(config, create)),
  fill: (config) => openStore(config, true),
  read: (config) =>
    whole(
      config,
      config.store === "sqlite"
        ? named("LATCHKEY_DATA", Sqlite.reader({ folder: config.data }))
        : openStore(config, false)
    )
}

/** Optional: install it if you need it. */
const postgresStore = (config: PostgresConfig, create: boolean) =>
  Effect.tryPromise({
    try: () => import("@latchkey/postgres"),
    catch: (error) =>
      new InvalidConfig({
        variable: "LATCHKEY_STORE",
        expected: `postgres needs @latchkey/postgres: npm install @latchkey/postgres (${error instanceof Error ? error.message : error})`
      })
  }).pipe(
    Effect.map(({ Postgres }) => named("LATCHKEY_POSTGRES_URL", Postgres.layer({ ...config, create }))),
    Layer.unwrap
  )

/** Who wants it installs it: the SpacetimeDB library has a licence of its own. */
const spacetimeStore = (config: SpacetimeConfig) =>
  Effect.tryPromise({
    try: () => import("@latchkey/spacetimedb"),
    catch: (error) =>
      new InvalidConfig({
        variable: "LATCHKEY_STORE",
        expected: `spacetimedb needs @latchkey/spacetimedb: npm install @latchkey/spacetimedb spacetimedb (${error instanceof Error ? error.message : error})`
      })
  }).pipe(
    Effect.map(({ Spacetime }) =>
      Layer.catch(
        Spacetime.layer(config),
        ({ option, message }): Layer.Layer<EventStore | ReadModel | Presence, InvalidConfig> =>
          Layer.unwrap(
            Effect.fail(
              new InvalidConfig({ variable: `LATCHKEY_SPACETIMEDB_${option.toUpperCase()}`, expected: message })
            )
          )
      )
    ),
    Layer.unwrap
  )

// Only the server needs devices: the other commands start without loading them.
const adapters = (config: ServerConfig) =>
  Layer.provideMerge(
    config.shadow._tag === "aws" ? awsShadow(config.shadow) : localShadow(config, config.shadow),
    whole(config, openStore(config, true))
  )

const localShadow = ({ host, store, data, restored }: ServerConfig, { rest, mqtt, signIn }: LocalShadowConfig) =>
  Effect.promise(() => import("@latchkey/local-shadow")).pipe(
    Effect.map(({ LocalShadow, ShadowBridge, ShadowMqtt, ShadowRest }) => {
      const served =
        typeof rest === "string"
          ? Layer.empty
          : named(
              "LATCHKEY_SHADOW_PORT",
              Layer.effectDiscard(Effect.tap(ShadowRest.serve({ host, ...rest }), announceShadows))
            )
      const isStored = shadowsInStore({ store })
      const folder = store === "memory" ? ":memory:" : data
      const witness = folder === ":memory:" ? {} : { witness: shadowWitness(join(folder, "shadow.db"), restored) }
      const shadows = isStored
        ? mqtt._tag === "Other"
          ? named("LATCHKEY_MQTT_URL", ShadowBridge.layer(mqtt.url))
          : named("LATCHKEY_STORE", LocalShadow.layerInStore)
        : named("LATCHKEY_DATA", LocalShadow.layer({ folder, ...witness }))
      const met =
        mqtt._tag === "Own"
          ? Layer.provide(
              named("LATCHKEY_MQTT_PORT", listenForDevices(ShadowMqtt.serve, host, { ...mqtt, signIn })),
              deviceSecretsLayer
            )
          : mqtt._tag === "Other" && !isStored
            ? named("LATCHKEY_MQTT_URL", Layer.effectDiscard(ShadowBridge.serve(mqtt.url)))
            : Layer.empty
      // One after the other: the start says the same in the same order.
      return served.pipe(Layer.provideMerge(met), Layer.provideMerge(shadows))
    }),
    Layer.unwrap
  )

const shadowWitness = (file: string, restored: boolean) => ({
  seen: () => Sqlite.readWitness(file)?.position ?? 0,
  keep: (changes: number) => Sqlite.keepWitness(file, { position: changes }),
  restored
})

const listenForDevices = (
  serve: typeof ShadowMqtt.serve,
  host: string,
  { port, signIn, limits }: Extract<MqttConfig, { readonly _tag: "Own" }> & Pick<LocalShadowConfig, "signIn">
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { isSecretOf, revoked } = yield* DeviceSecrets
      const bySecret = {
        isPasswordOf: (thing: string, password: string) => Effect.orDie(isSecretOf(thing, password)),
        ended: revoked
      }
      const address = yield* serve({ host, port, limits, signIn: signIn === "secret" ? bySecret : undefined })
      const url = urlOf("mqtt", address)
      yield* print({ type: "devices", url, signIn }, `Devices connect to ${url} (sign-in: ${signIn})`)
    })
  )

const announceShadows = (address: Address) => {
  const url = urlOf("http", address)
  return print({ type: "shadows", url }, `Device shadows are served on ${url}`)
}

interface Address {
  readonly address: string
  readonly port: number
}

const urlOf = (scheme: string, { address, port }: Address): string =>
  `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`

/** Optional: install it if you need it, since it brings the AWS SDK. */
const awsShadow = ({ thingPrefix, shadowName, reportsQueue, updatesQueue }: AwsShadowConfig) =>
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
          ...(reportsQueue !== undefined && { reportsQueue }),
          ...(updatesQueue !== undefined && { updatesQueue })
        })
      )
    ),
    Layer.unwrap
  )

/** Optional, for the same reason. */
const destinations = ({ eventBuses: buses }: ServerConfig) =>
  buses.length === 0
    ? Effect.succeed([])
    : Effect.tryPromise({
        try: async () => [(await import("@latchkey/eventbridge")).EventBridge.layer({ buses })],
        catch: (error) =>
          new InvalidConfig({
            variable: "LATCHKEY_EVENTBRIDGE_BUSES",
            expected: `needs @latchkey/eventbridge: npm install @latchkey/eventbridge (${error instanceof Error ? error.message : error})`
          })
      })

/** An adapter that cannot start knows what to mend, but not the variable by which the operator chose it. */
const named = <A, E extends { readonly message: string }, R>(variable: string, layer: Layer.Layer<A, E, R>) =>
  Layer.catch(
    layer,
    ({ message }: E): Layer.Layer<A, InvalidConfig> =>
      Layer.unwrap(Effect.fail(new InvalidConfig({ variable, expected: message })))
  )

const latchkey = Command.make("latchkey").pipe(
  Command.withDescription("Smart locks, event-sourced"),
  Command.withSubcommands([
    serve(adapters, destinations),
    demo(adapters),
    keys(storeAdapters),
    devices(storeAdapters),
    tokens,
    webhooks(storeAdapters),
    explain(storeAdapters),
    simulate,
    events(storeAdapters),
    projections(storeAdapters),
    backup(Sqlite.backup)
  ]),
  Command.withGlobalFlags([AsJson])
)

run(latchkey)
