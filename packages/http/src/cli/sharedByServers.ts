/**
 * What all servers over one log must have in common, where the log is not in a folder of theirs: a server with other shadows would
 * settle what it knows nothing of, one at another broker would leave half of the devices unheard, and one with another key for PINs
 * would refuse good ones. The first to start says what it is, in a record; the others are refused unless theirs is the same. Proof
 * that a device is somebody's counts for nothing where one server does without: none does, once one has asked for it. A record
 * that is lost is made again by the next start.
 */
import { EventStore } from "@latchkey/core"
import { Effect, Layer, Option } from "effect"
import { keptIn, PinSecret } from "../auth/PinSecret.ts"
import { InvalidConfig, type ServerConfig } from "./Config.ts"

/** Names the shadows of a data folder. */
const FILE = "shadow.space"

/** Whether the log is where servers with other folders reach it. */
const isShared = ({ store }: Pick<ServerConfig, "store">): boolean => store !== "sqlite" && store !== "memory"

/** Whether the embedded shadows are in the store of the log, so that servers need no folder in common. */
export const shadowsInStore = ({ store }: Pick<ServerConfig, "store">): boolean =>
  store === "postgres" || typeof store === "object"

/** Before anything works on the log. */
export const sameDevices = <A, E>(
  config: ServerConfig,
  layer: Layer.Layer<A | EventStore, E>
): Layer.Layer<A | EventStore, E | InvalidConfig> =>
  isShared(config)
    ? Layer.tap(layer, (services) =>
        Effect.gen(function* () {
          yield* same(config, "shadows", yield* spaceOf(config), {
            variable: config.shadow._tag === "aws" || shadowsInStore(config) ? "LATCHKEY_SHADOW" : "LATCHKEY_DATA",
            expected: `${SHADOWS} ${ANYWAY}`
          })
          const broker = brokerOf(config)
          if (broker !== undefined)
            yield* same(config, "broker", broker, { variable: "LATCHKEY_MQTT_URL", expected: `${BROKERS} ${ANYWAY}` })
          yield* proof(config)
        }).pipe(Effect.provide(services))
      )
    : layer

const SHADOWS =
  "the servers on this log keep their shadows elsewhere, and would settle commands that they cannot see. Give all of them the same LATCHKEY_SHADOW, and the same LATCHKEY_DATA where shadows are kept in it."
const BROKERS =
  "the servers on this log meet devices at another broker, and one of them at a time listens to its own alone. Give all of them the same LATCHKEY_MQTT_URL."
const PROOF =
  "the servers on this log ask devices for a secret, and users for proof that a device is theirs; this one would take anybody's word. Give all of them LATCHKEY_DEVICE_AUTH=secret."
const PINS =
  "the servers on this log have another key for PINs. Give all of them the same LATCHKEY_PIN_KEY; where the first one has made a key, that is the text in its pin.key."
const ANYWAY = "If this is meant to be so from now on, start once with LATCHKEY_RESTORED=yes."

/** The key, if it is that of all servers. */
export const samePins = <E, R>(config: ServerConfig, layer: Layer.Layer<PinSecret, E, R>) =>
  isShared(config)
    ? Layer.tap(layer, (services) =>
        Effect.flatMap(PinSecret, ({ id }) =>
          same(config, "pins", id, { variable: "LATCHKEY_PIN_KEY", expected: `${PINS} ${ANYWAY}` })
        ).pipe(Effect.provide(services))
      )
    : layer

/** Who takes no proof is refused once another has asked for it; to ask for it from now on is everybody's right. */
const proof = Effect.fnUntraced(
  function* ({ claims, restored }: ServerConfig) {
    const store = yield* EventStore
    if (claims === "proof") yield* store.write({ put: [{ key: CLAIMS, value: claims }] })
    else if (restored) yield* store.write({ remove: [CLAIMS] })
    else if (Option.isSome(yield* store.record(CLAIMS)))
      yield* new InvalidConfig({ variable: "LATCHKEY_DEVICE_AUTH", expected: `${PROOF} ${ANYWAY}` })
  },
  Effect.mapError((error) => (error instanceof InvalidConfig ? error : unavailable(error)))
)
const CLAIMS = "shared/claims"

const unavailable = ({ message }: { readonly message: string }) =>
  new InvalidConfig({ variable: "LATCHKEY_STORE", expected: message })

const same = Effect.fnUntraced(function* (
  { restored }: ServerConfig,
  what: string,
  value: string,
  refusal: { readonly variable: string; readonly expected: string }
): Effect.fn.Return<void, InvalidConfig, EventStore> {
  const store = yield* EventStore
  const key = `shared/${what}`
  const claimed = store.write({ expect: [{ key, value: undefined }], put: [{ key, value }] })
  const other = yield* claimed.pipe(
    Effect.as(undefined),
    Effect.catchTag("RecordConflict", ({ actual }) => Effect.succeed(actual === value ? undefined : actual)),
    Effect.mapError(unavailable)
  )
  if (other === undefined) return
  if (!restored) return yield* new InvalidConfig(refusal)
  yield* Effect.mapError(store.write({ put: [{ key, value }] }), unavailable)
})

/** Servers take turns at a broker where the shadows are in the store. */
const brokerOf = ({ shadow, store }: ServerConfig): string | undefined => {
  if (!shadowsInStore({ store }) || shadow._tag !== "local" || shadow.mqtt._tag !== "Other") return undefined
  const { hostname, port, protocol } = shadow.mqtt.url
  return `${hostname}:${port || (protocol === "mqtts:" ? 8883 : 1883)}`
}

const spaceOf = ({ shadow, store, data }: ServerConfig): Effect.Effect<string, InvalidConfig> => {
  if (shadow._tag === "aws") return Effect.succeed(`aws ${shadow.thingPrefix} ${shadow.shadowName ?? ""}`)
  if (shadowsInStore({ store })) return Effect.succeed("in the log's store")
  if (data === ":memory:") return Effect.sync(() => `memory ${crypto.randomUUID()}`)
  return Effect.try({
    try: () => `local ${keptIn(data, FILE)}`,
    catch: (error) =>
      new InvalidConfig({
        variable: "LATCHKEY_DATA",
        expected: `${FILE} cannot be kept in it (${error instanceof Error ? error.message : error})`
      })
  })
}
