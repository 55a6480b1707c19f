/**
 * What all servers over one log must have in common, where the log is not in a folder of theirs: a server with other shadows would
 * settle what it knows nothing of, and one with another key for PINs would refuse good ones. The first to start says what it
 * is, in a record; the others are refused unless theirs is the same. A record that is lost is made again by the next start.
 */
import { EventStore, type StoreUnavailable } from "@latchkey/core"
import { Effect, Layer } from "effect"
import { keptIn, PinSecret } from "../auth/PinSecret.ts"
import { InvalidConfig, type ServerConfig } from "./Config.ts"

/** Names the shadows of a data folder. */
const FILE = "shadow.space"

/** Whether the log is where servers with other folders reach it. */
const isShared = ({ store }: Pick<ServerConfig, "store">): boolean => store !== "sqlite" && store !== "memory"

/** Before anything works on the log. */
export const sameShadows = <A, E>(
  config: ServerConfig,
  layer: Layer.Layer<A | EventStore, E>
): Layer.Layer<A | EventStore, E | InvalidConfig> =>
  isShared(config)
    ? Layer.tap(layer, (services) =>
        Effect.flatMap(spaceOf(config), (space) =>
          same(config, "shadows", space, {
            variable: config.shadow._tag === "aws" || config.store === "postgres" ? "LATCHKEY_SHADOW" : "LATCHKEY_DATA",
            expected: `${SHADOWS} ${ANYWAY}`
          }).pipe(Effect.provide(services))
        )
      )
    : layer

const SHADOWS =
  "the servers on this log keep their shadows elsewhere, and would settle commands that they cannot see. Give all of them the same LATCHKEY_SHADOW, and the same LATCHKEY_DATA if it is local."
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

const same = Effect.fnUntraced(function* (
  { restored }: ServerConfig,
  what: string,
  value: string,
  refusal: { readonly variable: string; readonly expected: string }
): Effect.fn.Return<void, InvalidConfig, EventStore> {
  const store = yield* EventStore
  const key = `shared/${what}`
  const unavailable = ({ message }: StoreUnavailable | { readonly message: string }) =>
    new InvalidConfig({ variable: "LATCHKEY_STORE", expected: message })
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

const spaceOf = ({ shadow, store, data }: ServerConfig): Effect.Effect<string, InvalidConfig> => {
  if (shadow._tag === "aws") return Effect.succeed(`aws ${shadow.thingPrefix} ${shadow.shadowName ?? ""}`)
  if (store === "postgres") return Effect.succeed("in the log's store")
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
