/**
 * The shadows over an MQTT broker that is there already, as one of its clients. Who may connect, and on which topics, is
 * that broker's to say; it tells a device's presence on `$aws/events/presence/…`, or by a will of the device. A device that says
 * anything is there; one that has said nothing for 20 minutes, or may have left while this process heard nothing, is not.
 * One process at a time: every one that listens carries out what it hears.
 */
import { randomUUID } from "node:crypto"
import { Clock, Effect, Schedule, type Scope } from "effect"
import { connect, type MqttClient } from "mqtt"
import { LocalShadow } from "./LocalShadow.ts"
import { MAX_MESSAGE, mqttShadows } from "./MqttShadows.ts"
import { minuteLog } from "./minuteLog.ts"
import { isThingName } from "./ShadowRequest.ts"
import { CannotServeShadows } from "./ShadowRest.ts"
import { callOf, FILTERS, presenceOf } from "./ShadowTopics.ts"

/** Milliseconds until a broker that does not answer counts as absent, and between tries to come back to it. */
const CONNECT_TIMEOUT = 10_000
const RECONNECT_EVERY = 1000

/** Nanoseconds of silence after which a device counts as gone. */
const MAX_SILENCE = 20n * 60n * 1_000_000_000n

/** Serves for as long as the scope lives, and comes back whenever the broker does; fails when it is not there at first. */
export const serve = Effect.fnUntraced(function* (
  url: URL
): Effect.fn.Return<void, CannotServeShadows, LocalShadow | Scope.Scope> {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const presence = yield* hearing
  const log = yield* minuteLog
  const client = yield* Effect.acquireRelease(connected(url), (client) => Effect.promise(() => client.endAsync(true)))
  client.on("error", ({ message }) =>
    run(log(Effect.logWarning, `The MQTT broker ${url.host} reports an error`, message))
  )
  client.on("offline", () => run(log(Effect.logWarning, `The MQTT broker ${url.host} does not answer; trying again`)))
  client.on("close", () => run(presence.forget))

  const receive = yield* mqttShadows(
    (topic, message) => client.publish(topic, JSON.stringify(message), { qos: 1 }),
    () => run(log(Effect.logWarning, "Devices missed some changes; they get them with the next one"))
  )

  client.on("message", (topic, payload, { retain }) => {
    const call = callOf(topic)
    // What the broker kept was said at some time before.
    if (call !== undefined && !retain) run(presence.heard(call.thing, true))
    if (call !== undefined && payload.length <= MAX_MESSAGE) return void run(receive(call, payload))
    const told = presenceOf(topic)
    if (told !== undefined && !retain) run(presence.heard(told.thing, told.online))
  })
})

/** Which devices are there, as far as their messages tell. */
const hearing = Effect.gen(function* () {
  const shadows = yield* LocalShadow
  const log = yield* minuteLog
  /** When each device was last heard of, in nanoseconds of a clock that nobody sets; the longest silent first. */
  const last = new Map<string, bigint>()

  const note = (told: Effect.Effect<void, { readonly message: string }>) =>
    Effect.catchCause(told, (cause) => log(Effect.logError, "A device's presence was not recorded", cause))

  const gone = (thing: string) =>
    Effect.andThen(
      Effect.sync(() => last.delete(thing)),
      note(shadows.disconnected(thing))
    )

  const heard = Effect.fnUntraced(function* (thing: string, online: boolean) {
    if (!isThingName(thing)) return
    if (!online) return yield* gone(thing)
    const isNew = !last.delete(thing)
    last.set(thing, yield* Clock.monotonicTimeNanos)
    if (isNew || !shadows.isOnline(thing)) yield* note(shadows.connected(thing))
  })

  const forgetSilent = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    const silent = [...last].filter(([, at]) => now - at > MAX_SILENCE)
    for (const [thing] of silent) yield* gone(thing)
  })
  yield* Effect.forkScoped(Effect.repeat(forgetSilent, Schedule.spaced("10 seconds")))

  const forget = Effect.suspend(() => Effect.forEach([...last.keys()], gone, { discard: true }))
  yield* Effect.addFinalizer(() => forget)
  return { heard, forget }
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
