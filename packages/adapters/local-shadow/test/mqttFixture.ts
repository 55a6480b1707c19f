/** Devices of the tests: real clients on a real connection. */
import { LocalShadow, ShadowMqtt } from "@latchkey/local-shadow"
import { Effect, Queue, type Schema, type Scope } from "effect"
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt"
import { callOf } from "../src/ShadowTopics.ts"

export interface Device {
  readonly client: MqttClient
  readonly thing: string
  /** Says it on a topic of its own shadow; text and bytes go as they are. */
  readonly say: (below: string, message?: unknown) => Promise<void>
  /** The next message on a topic of its own shadow that ends so, from now on; earlier ones on other topics are dropped. */
  readonly hear: (below: string) => Effect.Effect<Schema.JsonObject>
}

const payloadOf = (message: unknown) =>
  typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message)

/** Connects, and listens to all of its own shadow. */
export const connectDevice = Effect.fnUntraced(function* (
  url: string,
  thing: string,
  options: IClientOptions = {}
): Effect.fn.Return<Device, unknown, Scope.Scope> {
  const client = yield* Effect.acquireRelease(
    Effect.tryPromise(() =>
      connectAsync(
        url,
        { clientId: thing, username: thing, reconnectPeriod: 0, connectTimeout: 60_000, ...options },
        false
      )
    ),
    (client) => Effect.promise(() => client.endAsync(true))
  )
  client.on("error", () => {})
  const root = `$aws/things/${thing}/shadow/`
  const heard = yield* Queue.unbounded<{ readonly topic: string; readonly message: Schema.JsonObject }>()
  client.on("message", (topic, payload) => {
    // What it says itself comes back to it too.
    if (callOf(topic) !== undefined) return
    Queue.offerUnsafe(heard, { topic: topic.slice(root.length), message: JSON.parse(payload.toString("utf8")) })
  })
  yield* Effect.promise(() => client.subscribeAsync(`${root}#`, { qos: 1 }))
  return {
    client,
    thing,
    say: async (below, message = "") => {
      await client.publishAsync(root + below, payloadOf(message), { qos: 1 })
    },
    hear: Effect.fnUntraced(function* (below) {
      while (true) {
        const { topic, message } = yield* Queue.take(heard)
        if (topic === below) return message
      }
    })
  }
})

/** The broker on a port of its own; answers its URL. */
export const openBroker = (
  signIn?: Parameters<typeof ShadowMqtt.serve>[0]["signIn"],
  limits?: Parameters<typeof ShadowMqtt.serve>[0]["limits"]
) =>
  Effect.map(
    ShadowMqtt.serve({ host: "127.0.0.1", port: 0, signIn, ...(limits && { limits }) }),
    ({ port }) => `mqtt://127.0.0.1:${port}`
  )

/** When the connection has ended. */
export const closed = (client: MqttClient) =>
  Effect.promise(() => new Promise<void>((resolve) => (client.connected ? client.once("close", resolve) : resolve())))

export const inMemory = LocalShadow.layer({ folder: ":memory:" })
