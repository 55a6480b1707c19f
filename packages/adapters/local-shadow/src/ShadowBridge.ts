/**
 * The shadows over an MQTT broker that is there already, as one of its clients. Who may connect, and on which topics, is
 * that broker's to say; it tells a device's presence on `$aws/events/presence/…`, or by a will of the device. A device that says
 * anything is there; one that has said nothing for 20 minutes, or may have left while this process heard nothing, is not.
 * One process at a time: every one that listens carries out what it hears. Over shadows in the store of the log, servers take
 * turns by a lease: what one of them writes whose turn is over is refused.
 */
import { randomUUID } from "node:crypto"
import {
  type AbsenceReason,
  absenceSaid,
  byOne,
  type DeviceShadow,
  EventStore,
  keepGoing,
  type Lease
} from "@latchkey/core"
import { Clock, Context, Deferred, Effect, Latch, Layer, Option, Queue, Schedule, Schema, type Scope } from "effect"
import { connect, type IClientOptions, type MqttClient } from "mqtt"
import { LocalShadow, shadowsOver } from "./LocalShadow.ts"
import { MAX_MESSAGE, mqttShadows } from "./MqttShadows.ts"
import { minuteLog } from "./minuteLog.ts"
import type { LastSeen } from "./ShadowOperation.ts"
import { isThingName } from "./ShadowRequest.ts"
import { CannotServeShadows } from "./ShadowRest.ts"
import type { ShadowStoreError } from "./ShadowStore.ts"
import { callOf, FILTERS, presenceOf, topicOf } from "./ShadowTopics.ts"
import { BROKER, whenUnchanged } from "./StoredRecords.ts"
import { openStoredShadows } from "./StoredShadows.ts"

/** Milliseconds until a broker that does not answer counts as absent, and between tries to come back to it. */
const CONNECT_TIMEOUT = 10_000
const RECONNECT_EVERY = 1000
/** Seconds in which the broker hears of a server that has the turn, so that it lets go of one that is gone. */
const KEEP_ALIVE = 10

/** Nanoseconds of silence after which a device counts as gone. */
const MAX_SILENCE = 20n * 60n * 1_000_000_000n

/** Serves for as long as the scope lives, and comes back whenever the broker does; fails when it is not there at first. */
export const serve = (url: URL): Effect.Effect<void, CannotServeShadows, LocalShadow | Scope.Scope> =>
  Effect.flatMap(LocalShadow, (shadows) =>
    Effect.gen(function* () {
      const connection = yield* connected(url, { clientId: newName() })
      const { forget } = yield* meet(url, connection, shadows, [], { confirm: Effect.void, isLost: () => false })
      yield* Effect.addFinalizer(() => forget)
    })
  )

/**
 * Shadows in the store of the log, which devices meet at a broker that is there already: one server of many serves it at a time,
 * and another within 15 seconds when that one is gone. Fails when the broker is not there at first, or does not let it in.
 */
export const layer = (
  url: URL
): Layer.Layer<LocalShadow | DeviceShadow, CannotServeShadows | ShadowStoreError, EventStore> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const store = yield* EventStore
      // Also where another server serves it: what is wrong is said now.
      yield* Effect.scoped(connected(url, { clientId: newName() }))
      const clientId = yield* Effect.mapError(sessionIn(store), unusable(url))
      const mail = Latch.makeUnsafe(false)
      let atBroker: () => ReadonlyArray<LastSeen> = () => []
      const own = yield* openStoredShadows({
        store,
        server: randomUUID(),
        elsewhere: BROKER,
        mail,
        others: () => atBroker()
      })
      const { context, events } = yield* shadowsOver(own, false)

      const turn = Effect.fnUntraced(function* (lease: Lease) {
        // Its session has kept what devices have said since the last server was there.
        const connection = yield* connected(url, { clientId, clean: false, keepalive: KEEP_ALIVE })
        const begun = Latch.makeUnsafe(false)
        const there = yield* openStoredShadows({
          store: lease.store,
          server: BROKER,
          elsewhere: BROKER,
          mail,
          begins: begun.await
        })
        const shadows = Context.get((yield* shadowsOver(there, false)).context, LocalShadow)
        yield* shadows.observe({ told: events.tell, skipped: events.skip })
        const { doubt } = yield* meet(url, connection, shadows, there.own(), lease)
        if (connection.isNew || !there.isHandedOver) yield* doubt
        atBroker = there.own
        yield* Effect.addFinalizer(() => Effect.sync(() => (atBroker = () => [])))
        yield* begun.open
        return yield* connection.lost
      }, Effect.scoped)
      yield* Effect.forkScoped(keepGoing(`The MQTT broker ${url.host} is not served`)(byOne(store, WORK, turn)))
      return context
    })
  )

/** Names the lease: it is storage. */
const WORK = "Devices at the broker"
/** Keeps the id under which all servers of a store know the broker. */
const SESSION = "shadow/broker"

const newName = () => `latchkey-${randomUUID()}`

const unusable =
  (url: URL) =>
  ({ message }: { readonly message: string }) =>
    new CannotServeShadows({ message: `cannot use the broker at ${url.host}: ${message}` })

const sessionIn = Effect.fnUntraced(function* (store: EventStore["Service"]) {
  const known = Option.getOrUndefined(yield* store.record(SESSION))
  if (known !== undefined) return known
  const made = newName()
  const isMade = yield* whenUnchanged(store, {
    expect: [{ key: SESSION, value: undefined }],
    put: [{ key: SESSION, value: made }]
  })
  return isMade ? made : Option.getOrElse(yield* store.record(SESSION), () => made)
})

/** Answers what devices say, and tells them what changes, for as long as the scope lives. */
const meet = Effect.fnUntraced(function* (
  url: URL,
  { client, messages, onGap }: Connection,
  shadows: LocalShadow["Service"],
  known: ReadonlyArray<LastSeen>,
  { confirm, isLost }: Pick<Lease, "confirm" | "isLost">
) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const presence = yield* hearing(shadows, known)
  const log = yield* minuteLog
  client.on("error", ({ message }) =>
    run(log(Effect.logWarning, `The MQTT broker ${url.host} reports an error`, message))
  )
  client.on("offline", () => run(log(Effect.logWarning, `The MQTT broker ${url.host} does not answer; trying again`)))
  onGap(() => run(presence.forget))

  const receive = yield* Effect.provideService(
    mqttShadows(
      (topic, message) => void (isLost() || client.publish(topic, JSON.stringify(message), { qos: 1 })),
      () => run(log(Effect.logWarning, "Devices missed some changes; they get them with the next one"))
    ),
    LocalShadow,
    shadows
  )

  const inOrder = yield* inOrderOfThings(() =>
    run(log(Effect.logWarning, "A device at the MQTT broker says more than can be taken in; some of it is dropped"))
  )
  /** One that was taken over answers nothing any more. */
  const heard = (thing: string, work: Effect.Effect<void>) =>
    inOrder(thing, Effect.ignore(Effect.andThen(confirm, work)))

  yield* Effect.forkScoped(
    Effect.forever(
      Effect.map(Queue.take(messages), ({ topic, payload, isOld }) => {
        const call = callOf(topic)
        if (call !== undefined) {
          if (!isOld) heard(call.thing, presence.heard(call.thing))
          if (payload.length <= MAX_MESSAGE) heard(call.thing, receive(call, payload))
          return
        }
        const told = presenceOf(topic)
        if (told?.online === true && !isOld) heard(told.thing, presence.heard(told.thing))
        const absence = told?.online === false ? absenceSaid(reasonIn(payload)) : undefined
        if (told !== undefined && absence !== undefined) heard(told.thing, presence.gone(told.thing, absence.reason))
      })
    )
  )
  const isGone = ({ thing }: LastSeen) => inOrder(thing, presence.gone(thing, "serverGone"))
  return {
    forget: presence.forget,
    /** Who was known is gone, unless it says something. */
    doubt: Effect.sync(() => known.forEach(isGone))
  }
})

/** Messages of one thing that wait, at most. */
const MOST_WAITING = 100

/** Work for one thing is done in its order, one after the other; that for different things at once. */
const inOrderOfThings = (dropped: () => void) =>
  Effect.map(Effect.context<never>(), (context) => {
    const run = Effect.runForkWith(context)
    const waiting = new Map<string, Array<Effect.Effect<void>>>()
    return (thing: string, work: Effect.Effect<void>): void => {
      const others = waiting.get(thing)
      if (others !== undefined) return void (others.length < MOST_WAITING ? others.push(work) : dropped())
      const all = [work]
      waiting.set(thing, all)
      run(
        Effect.gen(function* () {
          for (let next = all[0]; next !== undefined; next = all[0]) {
            yield* next
            all.shift()
          }
          waiting.delete(thing)
        })
      )
    }
  })

/** Which devices are there, as far as their messages tell. */
const hearing = Effect.fnUntraced(function* (shadows: LocalShadow["Service"], known: ReadonlyArray<LastSeen>) {
  const log = yield* minuteLog
  /** When each device was last heard of, in nanoseconds of a clock that nobody sets; the longest silent first. */
  const begun = yield* Clock.monotonicTimeNanos
  const last = new Map(known.map(({ thing }) => [thing, begun]))

  const note = (told: Effect.Effect<void, { readonly message: string }>) =>
    Effect.catchCause(told, (cause) => log(Effect.logError, "A device's presence was not recorded", cause))

  const gone = Effect.fnUntraced(function* (thing: string, reason?: AbsenceReason, ago?: number) {
    if (!isThingName(thing)) return
    last.delete(thing)
    yield* note(shadows.disconnected(thing, reason, ago))
  })

  const heard = Effect.fnUntraced(function* (thing: string) {
    if (!isThingName(thing)) return
    const isNew = !last.delete(thing)
    last.set(thing, yield* Clock.monotonicTimeNanos)
    if (isNew || !shadows.isOnline(thing)) yield* note(shadows.connected(thing))
  })

  const forgetSilent = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    const silent = [...last].filter(([, at]) => now - at > MAX_SILENCE)
    for (const [thing, at] of silent) yield* gone(thing, "silent", Number((now - at) / 1_000_000n))
  })
  yield* Effect.forkScoped(Effect.repeat(forgetSilent, Schedule.spaced("10 seconds")))

  const forget = Effect.suspend(() =>
    Effect.forEach([...last.keys()], (thing) => gone(thing, "serverGone"), { discard: true })
  )
  return { heard, gone, forget }
})

const decodeReason = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ disconnectReason: Schema.String }))
)

/** Why it is gone, if the message says so as AWS IoT does. */
const reasonIn = (payload: Buffer): string | undefined =>
  payload.length > MAX_MESSAGE
    ? undefined
    : Option.getOrUndefined(decodeReason(payload.toString("utf8")))?.disconnectReason

interface Message {
  readonly topic: string
  readonly payload: Buffer
  /** The broker has kept it: it was said at some time before. */
  readonly isOld: boolean
}

interface Connection {
  readonly client: MqttClient
  /** From the first one on. */
  readonly messages: Queue.Queue<Message>
  /** Whether the broker knew nothing of it: what was said before is lost. */
  readonly isNew: boolean
  /** Calls when it may have missed what somebody said. */
  readonly onGap: (listener: () => void) => void
  /** Fails once the connection has been gone for longer than the broker needs to come back. */
  readonly lost: Effect.Effect<never, CannotServeShadows>
}

/** The password in the URL is told to nobody. */
const connected = (
  url: URL,
  options: Pick<IClientOptions, "clientId" | "clean" | "keepalive">
): Effect.Effect<Connection, CannotServeShadows, Scope.Scope> =>
  Effect.gen(function* () {
    const messages = yield* Queue.unbounded<Message>()
    const client = yield* Effect.acquireRelease(
      Effect.sync(() =>
        connect(url.href, {
          ...options,
          reconnectPeriod: RECONNECT_EVERY,
          connectTimeout: CONNECT_TIMEOUT,
          manualConnect: true
        })
      ),
      (client) => Effect.promise(() => client.endAsync(true))
    )
    /** A message that comes after all that the session has kept; `undefined` when nothing is left of that. */
    let marker: string | undefined
    let isNew = true
    let missed = () => {}
    client.on("connect", ({ sessionPresent }) => {
      marker = sessionPresent ? newName() : undefined
      isNew = !sessionPresent
      if (isNew) missed()
      if (marker !== undefined) client.publish(topicOf({ thing: marker }, "get"), "", { qos: 1 })
    })
    client.on("message", (topic, payload, { retain }) => {
      if (marker !== undefined && callOf(topic)?.thing === marker) marker = undefined
      else if (!isMarker(topic)) Queue.offerUnsafe(messages, { topic, payload, isOld: retain || marker !== undefined })
    })
    const lost = Deferred.makeUnsafe<never, CannotServeShadows>()
    let timer: NodeJS.Timeout | undefined
    const fail = unusable(url)({ message: "its connection was lost" })
    client.on("close", () => {
      if (options.clean !== false) missed()
      timer ??= setTimeout(() => Deferred.doneUnsafe(lost, Effect.fail(fail)), CONNECT_TIMEOUT)
    })
    client.on("connect", () => {
      clearTimeout(timer)
      timer = undefined
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => clearTimeout(timer)))
    yield* subscribed(url, client)
    const onGap = (listener: () => void) => {
      missed = listener
    }
    return { client, messages, isNew, onGap, lost: Deferred.await(lost) }
  })

const MARKER = /^\$aws\/things\/latchkey-[0-9a-f-]{36}\/shadow\/get$/
/** Also one of an earlier connection. */
const isMarker = (topic: string): boolean => MARKER.test(topic)

const subscribed = (url: URL, client: MqttClient): Effect.Effect<void, CannotServeShadows> =>
  Effect.callback((resume) => {
    const fail = (reason: string) => {
      client.end(true)
      resume(Effect.fail(unusable(url)({ message: reason })))
    }
    const timer = setTimeout(() => fail("it does not answer"), CONNECT_TIMEOUT)
    const onError = (error: Error) => {
      clearTimeout(timer)
      fail(error.message || ("code" in error ? String(error.code) : "no connection"))
    }
    client.once("error", onError)
    client.once("connect", () => {
      client.subscribe([...FILTERS], { qos: 1 }, (error, granted = []) => {
        clearTimeout(timer)
        client.off("error", onError)
        const refused = granted.find(({ qos }) => qos > 2)
        if (error === null && refused === undefined) resume(Effect.void)
        else fail(`it refuses the topic ${refused?.topic ?? error?.message}`)
      })
    })
    client.connect()
  })
