/**
 * The shadows over an MQTT broker that is there already, as one of its clients. Who may connect, and on which topics, is
 * that broker's to say; it tells a device's presence on `$aws/events/presence/…`, or by a will of the device. One process
 * at a time: every one that listens carries out what it hears.
 */
import { randomUUID } from "node:crypto"
import { Effect, type Scope } from "effect"
import { connect, type MqttClient } from "mqtt"
import { LocalShadow } from "./LocalShadow.ts"
import { MAX_MESSAGE, mqttShadows } from "./MqttShadows.ts"
import { isThingName } from "./ShadowRequest.ts"
import { CannotServeShadows } from "./ShadowRest.ts"
import { callOf, FILTERS, presenceOf } from "./ShadowTopics.ts"

/** Milliseconds until a broker that does not answer counts as absent, and between tries to come back to it. */
const CONNECT_TIMEOUT = 10_000
const RECONNECT_EVERY = 1000

/** Serves for as long as the scope lives, and comes back whenever the broker does; fails when it is not there at first. */
export const serve = Effect.fnUntraced(function* (
  url: URL
): Effect.fn.Return<void, CannotServeShadows, LocalShadow | Scope.Scope> {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const shadows = yield* LocalShadow
  const client = yield* Effect.acquireRelease(connected(url), (client) => Effect.promise(() => client.endAsync(true)))
  client.on("error", ({ message }) => run(Effect.logWarning(`The MQTT broker ${url.host} reports an error`, message)))
  client.on("offline", () => run(Effect.logWarning(`The MQTT broker ${url.host} does not answer; trying again`)))

  const receive = yield* mqttShadows(
    (topic, message) => client.publish(topic, JSON.stringify(message), { qos: 1 }),
    () => run(Effect.logWarning("Devices were not told of some changes: they hear of them with the next one"))
  )

  client.on("message", (topic, payload) => {
    const call = callOf(topic)
    if (call !== undefined && payload.length <= MAX_MESSAGE) return void run(receive(call, payload))
    const presence = presenceOf(topic)
    if (presence === undefined || !isThingName(presence.thing)) return
    const told = presence.online ? shadows.connected(presence.thing) : shadows.disconnected(presence.thing)
    run(Effect.catchCause(told, (cause) => Effect.logError("A device's presence was not noted", presence, cause)))
  })
})

/** The password in the URL is told to nobody. */
const connected = (url: URL): Effect.Effect<MqttClient, CannotServeShadows> =>
  Effect.callback((resume) => {
    const client = connect(url.href, {
      clientId: `latchkey-${randomUUID()}`,
      reconnectPeriod: RECONNECT_EVERY,
      connectTimeout: CONNECT_TIMEOUT
    })
    const fail = (reason: string) => {
      client.end(true)
      resume(Effect.fail(new CannotServeShadows({ message: `cannot use the broker at ${url.host}: ${reason}` })))
    }
    const timer = setTimeout(() => fail("it does not answer"), CONNECT_TIMEOUT)
    client.once("error", (error) => {
      clearTimeout(timer)
      fail(error.message || ("code" in error ? String(error.code) : "no connection"))
    })
    client.once("connect", () => {
      client.subscribe([...FILTERS], { qos: 1 }, (error, granted = []) => {
        clearTimeout(timer)
        client.removeAllListeners("error")
        const refused = granted.find(({ qos }) => qos > 2)
        if (error === null && refused === undefined) resume(Effect.succeed(client))
        else fail(`it refuses the topic ${refused?.topic ?? error?.message}`)
      })
    })
  })
