/** The server as one program: the API over the configured adapters, until it is interrupted. */
import { createServer } from "node:net"
import {
  ApiKeys,
  CurrentBudgets,
  CurrentOrigin,
  type Deliver,
  type DeviceShadow,
  type EventStore,
  Latchkey,
  type Presence,
  type ReadModel,
  SharedCredentials
} from "@latchkey/core"
import { Clock, ConfigProvider, Effect, Layer, Option, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpSerialization, OtlpTracer } from "effect/observability"
import { Authenticator } from "../auth/Authentication.ts"
import { Jwt } from "../auth/Jwt.ts"
import { PinSecret } from "../auth/PinSecret.ts"
import { apiKeysLayer } from "../auth/Secrets.ts"
import type { WebhookOptions } from "../partners/HttpDeliver.ts"
import { listen } from "../serve.ts"
import { urlOf } from "../server/Server.ts"
import { hostConfig, InvalidConfig, type ServerConfig, serverConfig } from "./Config.ts"
import { exposedFiles } from "./exposedFiles.ts"
import { print } from "./output.ts"
import { sameDevices, samePins } from "./sharedByServers.ts"
import { warnOfUnknownVariables } from "./unknownVariables.ts"

/** Where the log, the read model and the devices are; `main.ts` knows which adapters there are. */
export type Adapters = (
  config: ServerConfig
) => Layer.Layer<EventStore | ReadModel | Presence | DeviceShadow, { readonly message: string }>

/** What events may be sent to beside the web. */
export type Destinations = (
  config: ServerConfig
) => Effect.Effect<ReadonlyArray<Layer.Layer<Deliver, never, Deliver>>, InvalidConfig>

/**
 * Fails with one sentence that says what to mend.
 *
 * @param begun what is done once the server listens, and ends with it
 */
export const application = Effect.fnUntraced(function* <E extends { readonly message: string } = never>(
  adapters: Adapters,
  destinations: Destinations,
  begun: Effect.Effect<void, E, Scope.Scope> = Effect.void
) {
  yield* warnOfUnknownVariables
  yield* checkHost(yield* hostConfig)
  const config = yield* serverConfig
  const webhooks = { ...config.webhooks, destinations: yield* destinations(config) }
  return yield* Layer.launch(server(config, adapters, webhooks, begun))
})

/** Everything listens on this host: whether it can is said once, and before anything else. */
const checkHost = (host: string) =>
  Effect.callback<void, InvalidConfig>((resume) => {
    const probe = createServer()
    probe.once("error", ({ code = "unknown" }: NodeJS.ErrnoException) => {
      const expected = `expected a name or address of this machine (${code})`
      resume(Effect.fail(new InvalidConfig({ variable: "HOST", expected })))
    })
    probe.listen(0, host, () => probe.close(() => resume(Effect.void)))
  })

const server = <E>(
  config: ServerConfig,
  adapters: Adapters,
  webhooks: WebhookOptions,
  begun: Effect.Effect<void, E, Scope.Scope>
) =>
  Layer.effectDiscard(Effect.andThen(announce(config, webhooks), begun)).pipe(
    Layer.provide(
      Layer.provideMerge(
        Layer.mergeAll(authentication(config), samePins(config, pinSecret(config)), Latchkey.workers),
        Latchkey.layer({ claims: config.claims })
      )
    ),
    Layer.provide(sameDevices(config, adapters(config))),
    Layer.provide(Layer.succeed(CurrentBudgets, config.budgets)),
    Layer.provide(Layer.succeed(CurrentOrigin, config.origin)),
    Layer.provide(config.traced ? tracing : Layer.empty)
  )

/** As the specification of OpenTelemetry has it, the exporter is OTLP unless `OTEL_TRACES_EXPORTER` says otherwise. */
const exporter = ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ OTEL_TRACES_EXPORTER: "otlp" }))

const tracing = OtlpTracer.layerFromConfig({ resource: { serviceName: "latchkey" } }).pipe(
  Layer.provide(OtlpSerialization.layerJson),
  Layer.provide(FetchHttpClient.layer),
  Layer.provide(exporter)
)

const authentication = (config: ServerConfig) =>
  Authenticator.layer.pipe(Layer.provideMerge(apiKeysLayer(config.apiKeys)), Layer.provide(Jwt.layer(config.jwt)))

/** In the folder of the data, unless it is given, or nothing is kept there: then nobody knows what it was before. */
const pinSecret = ({ pinKey, store, data, restored }: ServerConfig) => {
  if (store === "sqlite" && data !== ":memory:") return besideLog(data, restored, pinKey)
  if (pinKey !== undefined) return PinSecret.layerOf(pinKey)
  return store === "memory" || data === ":memory:" ? PinSecret.layerPassing : besideLog(data, restored)
}

const besideLog = (folder: string, restored: boolean, given?: Uint8Array) =>
  Layer.catch(
    PinSecret.layerBesideLog(folder, restored, given),
    ({ source, message }): Layer.Layer<PinSecret, InvalidConfig> =>
      Layer.unwrap(
        Effect.fail(
          new InvalidConfig({
            variable: source === "folder" ? "LATCHKEY_DATA" : "LATCHKEY_PIN_KEY",
            expected: message
          })
        )
      )
  )

/** Of several first starts at once, one makes the key and shows it. A signal to stop waits until it is shown. */
const firstKey = Effect.gen(function* () {
  const apiKeys = yield* ApiKeys
  if ((yield* apiKeys.list).length > 0) return
  const made = yield* apiKeys.createFirst("first start")
  yield* Option.match(made, {
    onSome: ({ secret }) =>
      print({ type: "superKey", key: secret }, `Made a super key. It is shown only once: ${secret}`),
    onNone: () => notice("Another server, which started at the same moment, made the super key and shows it.")
  })
}).pipe(Effect.uninterruptible)

/** What somebody may want to change. */
const notice = (message: string) => print({ type: "notice", message }, message)

const nameOf = (store: ServerConfig["store"]): string => (typeof store === "string" ? store : store.package)

/** Listens before all else: a start that fails has made no key that nobody then looks for. */
const announce = Effect.fnUntraced(function* (config: ServerConfig, webhooks: WebhookOptions) {
  const url = urlOf(yield* listen({ ...config, webhooks }))
  if (config.apiKeys.length === 0) yield* firstKey
  if (config.jwt.key._tag === "None") {
    yield* notice("Users cannot sign in: set LATCHKEY_JWT_SECRET or LATCHKEY_JWKS_URL.")
  }
  if (config.shadow._tag === "aws" && config.shadow.reportsQueue === undefined) {
    yield* notice("Device reports are not received: set LATCHKEY_AWS_REPORTS_QUEUE.")
  }
  if (config.shadow._tag === "local" && config.shadow.rest === "closed") {
    yield* notice("Device shadows are not served: set LATCHKEY_SHADOW_KEYS, or LATCHKEY_SHADOW_PORT to off.")
  }
  const strays = (yield* SharedCredentials).strayPins(yield* PinSecret, yield* Clock.currentTimeMillis)
  if (strays > 0) {
    yield* notice(
      `PINs of ${strays} temp keys were made under another key and open nothing: restore pin.key or LATCHKEY_PIN_KEY.`
    )
  }
  const exposed = exposedFiles(config.data)
  if (exposed !== undefined) yield* Effect.logWarning(exposed)
  const { data, docs } = config
  const store = nameOf(config.store)
  yield* print(
    { type: "listening", url, store, data, docs: docs ? `${url}/docs` : null },
    `Latchkey listens on ${url} (store: ${store}, data: ${data}).${docs ? " Docs: /docs" : ""}`
  )
})
