/**
 * An MQTT broker for devices and nothing else: each meets its own shadows here, over MQTT 3.1 and 3.1.1. Sessions end with
 * their connection: anyone who comes back asks with `get`, and nothing piles up for those who do not.
 */
import { randomUUID } from "node:crypto"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import type { AbsenceReason } from "@latchkey/core"
import { Aedes, type AedesPublishPacket, type AuthErrorCode, type Client } from "aedes"
import { Clock, Effect, Fiber, Schedule, type Scope, Stream } from "effect"
import { addressOf, type ConnectionLimits, connections, limitsOf } from "./Connections.ts"
import { LocalShadow } from "./LocalShadow.ts"
import { MAX_MESSAGE, mqttShadows } from "./MqttShadows.ts"
import { minuteLog } from "./minuteLog.ts"
import { DISCONNECT, limitPackets } from "./packetLimit.ts"
import { isThingName } from "./ShadowRequest.ts"
import { CannotServeShadows } from "./ShadowRest.ts"
import { callOf, mayHear, presenceTopic } from "./ShadowTopics.ts"
import { signInBudget } from "./SignInBudget.ts"

/** How devices sign in: their user name is the name of their thing. */
export interface DeviceSignIn {
  /** Whether this is the thing's password. */
  readonly isPasswordOf: (thing: string, password: string) => Effect.Effect<boolean>
  /** Things whose password has ended: they are disconnected. */
  readonly ended: Stream.Stream<string>
}

export interface ShadowMqttOptions {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /**
   * `undefined`: anyone who reaches the port is the thing that it calls itself, by its user name or client id: keep it on
   * the loopback interface.
   */
  readonly signIn: DeviceSignIn | undefined
  /** Unless given, half of the files that the process may open, at most 20,000, and half of that from one address. */
  readonly limits?: Partial<ConnectionLimits>
}

/** How long a device may take to say who it is, and to read what it is sent, in milliseconds. */
const CONNECT_TIMEOUT = 10_000
const DRAIN_TIMEOUT = 10_000
/** Bytes that wait for a device to read them; with more, it is disconnected. */
const MAX_UNREAD = 1024 * 1024

/** Silence of 1.5 times its keep-alive says that a device is gone; of 20 minutes, whatever that is. In seconds. */
const MAX_KEEP_ALIVE = 800

/** Quotas of AWS IoT: bytes of a client id, and subscriptions of a connection. */
const MAX_CLIENT_ID = 128
const MAX_SUBSCRIPTIONS = 50

/** Why a device is not let in, as MQTT says it. */
const IDENTIFIER_REJECTED = 2
const UNAVAILABLE = 3
const NOT_AUTHORIZED = 5

/** What a connection is on. */
interface Line {
  readonly socket: Socket
  /** When something came from it last, in milliseconds of a clock that nobody sets. */
  heardAt: number
  /** Why it ends, where that is known before it does. */
  ends: AbsenceReason | undefined
}

/** What is known of a connection that has said who it is. */
interface Session {
  readonly thing: string | undefined
  readonly clientId: string
  readonly subscriptions: Set<string>
  /** Its password has ended since it was asked for. */
  ended: boolean
}

/** Serves devices for as long as the scope lives; answers the bound address. */
export const serve = Effect.fnUntraced(function* ({
  host,
  port,
  signIn,
  limits
}: ShadowMqttOptions): Effect.fn.Return<AddressInfo, CannotServeShadows, LocalShadow | Scope.Scope> {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const log = yield* minuteLog
  const presence = yield* trackPresence
  const budget = signInBudget()
  const taken = connections(limitsOf(0.5, 20_000, limits))
  const lines = new WeakMap<Client, Line>()
  const sessions = new WeakMap<Client, Session>()
  /** Connections that have said who they are, and are not let in yet. */
  const entering = new Map<Client, Session>()
  /** What is known first counts. */
  const endsFor = (client: Client, reason: AbsenceReason) => {
    const line = lines.get(client)
    if (line !== undefined) line.ends ??= reason
  }
  const thingOfClient = (client: Client): string | undefined => sessions.get(client)?.thing

  /** Whether it may come in, or why not. */
  const enter = Effect.fnUntraced(function* (client: Client, password: string) {
    const { thing, clientId } = sessions.get(client) ?? { thing: undefined, clientId: "" }
    if (Buffer.byteLength(clientId) > MAX_CLIENT_ID) return IDENTIFIER_REJECTED
    if (thing === undefined) return NOT_AUTHORIZED
    if (signIn === undefined) return "welcome"
    const line = lines.get(client)
    const address = line === undefined ? "" : addressOf(line.socket)
    if (!budget.allows(thing, address, yield* nowMillis)) {
      yield* log(Effect.logWarning, "A device tries to sign in too often: see its name and its address", {
        thing,
        address
      })
      return UNAVAILABLE
    }
    const signedIn = yield* signIn
      .isPasswordOf(thing, password)
      .pipe(
        Effect.catchCause((cause) =>
          Effect.as(log(Effect.logError, "Cannot tell whether a device may sign in", cause), undefined)
        )
      )
    if (signedIn === undefined) return UNAVAILABLE
    if (signedIn) {
      budget.succeeded(thing, address)
      return "welcome"
    }
    budget.failed(thing, address, yield* nowMillis)
    yield* log(Effect.logWarning, "A device did not sign in", { thing, address })
    return NOT_AUTHORIZED
  })

  const broker = new Aedes({
    // Without a limit of messages under way: one device that reads slowly holds up nobody else.
    concurrency: 0,
    connectTimeout: CONNECT_TIMEOUT,
    drainTimeout: DRAIN_TIMEOUT,
    maxClientsIdLength: 65_535,
    preConnect: (client, packet, callback) => {
      const thing = thingOf(packet.username, packet.clientId, signIn !== undefined)
      const session = { thing, clientId: packet.clientId, subscriptions: new Set<string>(), ended: false }
      sessions.set(client, session)
      entering.set(client, session)
      // Nobody takes over another thing's connection by its client id.
      packet.clientId = `${thing ?? ""}/${packet.clientId || randomUUID()}`
      packet.clean = true
      packet.keepalive = keepAliveOf(packet.keepalive ?? 0)
      callback(null, true)
    },
    authenticate: (client, _, password, callback) =>
      run(
        Effect.map(enter(client, password?.toString("utf8") ?? ""), (answer) =>
          answer === "welcome" ? callback(null, true) : callback(notLetIn(answer), false)
        )
      ),
    // Anyone who may not is disconnected, as AWS IoT does it: there is no other answer in this version of MQTT.
    authorizePublish: (client, packet, callback) => {
      packet.retain = false
      const thing = client && thingOfClient(client)
      const call = callOf(packet.topic)
      const isOwn = call !== undefined && call.thing === thing
      callback(isOwn && packet.qos !== 2 ? null : new Error("This message is not for this device to send"))
    },
    authorizeSubscribe: (client, subscription, callback) => {
      const { thing, subscriptions } = sessions.get(client) ?? { thing: undefined, subscriptions: new Set<string>() }
      const { topic } = subscription
      const hasRoom = subscriptions.size < MAX_SUBSCRIPTIONS || subscriptions.has(topic)
      if (thing === undefined || !hasRoom || !mayHear(thing, topic)) return callback(null, null)
      subscriptions.add(topic)
      callback(null, subscription)
    },
    authorizeForward: (client, packet) => {
      const socket = lines.get(client)?.socket
      if (socket === undefined || socket.writableLength <= MAX_UNREAD) return packet
      socket.destroy(new Error("It does not read what it is sent"))
      return null
    },
    // The next message of a device is read when this one has been answered.
    published: (packet: AedesPublishPacket, client: Client | null, callback) => {
      const call = client === null ? undefined : callOf(packet.topic)
      if (call === undefined) return callback()
      run(Effect.map(receive(call, Buffer.from(packet.payload)), () => callback()))
    }
  })

  const publish = (topic: string, message: object) =>
    broker.publish(
      { cmd: "publish", qos: 1, dup: false, retain: false, topic, payload: Buffer.from(JSON.stringify(message)) },
      () => {}
    )

  const receive = yield* mqttShadows(publish, () => {
    for (const client of presence.clients()) client.close()
  })

  yield* (yield* LocalShadow).observe({
    told: (event) => {
      if (event._tag !== "Presence") return
      const { thing, online, at } = event
      const eventType = online ? "connected" : "disconnected"
      publish(presenceTopic(thing, online), { clientId: thing, timestamp: at, eventType })
    },
    skipped: () => {}
  })

  broker.on("clientReady", (client) => {
    const line = lines.get(client)
    if (line !== undefined) taken.waits(line.socket, false)
    entering.delete(client)
    if (sessions.get(client)?.ended === true) return void client.close()
    presence.came(thingOfClient(client), client)
  })
  broker.on("keepaliveTimeout", (client) => endsFor(client, "silent"))
  broker.on("clientDisconnect", (client) => {
    const { ends = "connectionLost", heardAt } = lines.get(client) ?? { heardAt: 0 }
    presence.went(thingOfClient(client), client, { reason: ends, at: ends === "silent" ? heardAt : performance.now() })
  })
  broker.on("unsubscribe", (topics, client) => {
    for (const topic of topics) sessions.get(client)?.subscriptions.delete(topic)
  })
  // Devices are cut off, lose power and send nonsense every day.
  const onError = (client: Client, error: Error) => {
    // Those of the system have a code; all others say what the device did wrong.
    if (!("code" in error)) endsFor(client, "turnedAway")
    run(Effect.logDebug("A device was disconnected", { thing: thingOfClient(client), message: error.message }))
  }
  broker.on("clientError", onError)
  broker.on("connectionError", onError)
  yield* Effect.promise(() => broker.listen())

  const server = createServer({ noDelay: true }, (socket) => {
    if (!taken.take(socket)) {
      return void run(
        log(Effect.logWarning, "A device was refused: the maximum of connections is open", {
          address: addressOf(socket)
        })
      )
    }
    const client = broker.handle(socket)
    const line: Line = { socket, heardAt: performance.now(), ends: undefined }
    lines.set(client, line)
    limitPackets(socket, MAX_MESSAGE, (type) => {
      if (type === DISCONNECT) endsFor(client, "saidGoodbye")
    })
    socket.on("close", () => entering.delete(client))
    socket.on("data", () => {
      line.heardAt = performance.now()
      presence.heard(thingOfClient(client), client)
    })
  })
  yield* Effect.acquireRelease(bind(server, host, port), () =>
    Effect.callback<void>((resume) => {
      for (const client of presence.clients()) endsFor(client, "serverGone")
      server.close(() => resume(Effect.void))
      broker.close(() => taken.closeAll())
    })
  )
  server.on("error", ({ message }) => run(log(Effect.logError, "A device's connection was not accepted", message)))

  if (signIn !== undefined) {
    yield* Stream.runForEach(signIn.ended, (thing) =>
      Effect.sync(() => {
        for (const client of presence.clients(thing)) {
          endsFor(client, "turnedAway")
          client.close()
        }
        for (const session of entering.values()) session.ended ||= isSameThing(session.thing, thing)
      })
    ).pipe(Effect.forkScoped)
  }
  return server.address() as AddressInfo
})

/** A secret is of a thing, however that is spelled. */
const isSameThing = (one: string | undefined, other: string): boolean => one?.toLowerCase() === other.toLowerCase()

const nowMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** In seconds; 0 asks for none. */
const keepAliveOf = (asked: number): number => (asked === 0 ? MAX_KEEP_ALIVE : Math.min(asked, MAX_KEEP_ALIVE))

const notLetIn = (returnCode: AuthErrorCode) => Object.assign(new Error("The device may not sign in"), { returnCode })

/** Under an open sign-in the user name may be something else: AWS's own SDKs put their version there. */
const thingOf = (username: string | undefined, clientId: string, mustSignIn: boolean): string | undefined =>
  [username, ...(mustSignIn ? [] : [clientId])].find((name) => name !== undefined && isThingName(name))

/** Why a device is gone, and since when, in milliseconds of a clock that nobody sets. */
interface Absence {
  readonly reason: AbsenceReason
  readonly at: number
}

/** A thing is there as long as one of its connections is. */
const trackPresence = Effect.gen(function* () {
  const shadows = yield* LocalShadow
  const log = yield* minuteLog
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const connected = new Map<string, Set<Client>>()
  let closed = false

  /** What is so when it is told; until it is noted. */
  const tell = (thing: string, absence: Absence | undefined) =>
    Effect.suspend(() => {
      if (connected.has(thing)) return shadows.connected(thing)
      return shadows.disconnected(thing, absence?.reason, absence && performance.now() - absence.at)
    }).pipe(
      Effect.tapError(({ message }) =>
        log(Effect.logError, "A device's presence was not recorded; trying again", message)
      ),
      Effect.retry({ schedule: Schedule.spaced("1 second"), while: () => !closed }),
      Effect.catchCause((cause) => log(Effect.logError, "A device's presence was not recorded", cause))
    )

  const telling = new Map<string, Fiber.Fiber<void>>()
  const tellSoon = (thing: string, absence?: Absence) => {
    const fiber = run(tell(thing, absence))
    telling.set(thing, fiber)
    fiber.addObserver(() => telling.get(thing) === fiber && telling.delete(thing))
  }

  // In the end all are gone, also those of whom the broker has not said so yet, and the store is told before it closes.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      const things = [...connected.keys()]
      connected.clear()
      for (const thing of things) tellSoon(thing, { reason: "serverGone", at: performance.now() })
      closed = true
      return Fiber.awaitAll([...telling.values()])
    })
  )

  return {
    /** Those of a thing, however they spell its name; all, unless it is named. */
    clients: (thing?: string): ReadonlyArray<Client> =>
      [...connected].flatMap(([name, clients]) =>
        thing === undefined || isSameThing(name, thing) ? [...clients] : []
      ),
    came: (thing: string | undefined, client: Client) => {
      if (thing === undefined || client.closed) return
      const clients = connected.get(thing)
      if (clients !== undefined) return void clients.add(client)
      connected.set(thing, new Set([client]))
      tellSoon(thing)
    },
    went: (thing: string | undefined, client: Client, absence: Absence) => {
      if (thing === undefined) return
      const clients = connected.get(thing)
      if (clients?.delete(client) !== true || clients.size > 0) return
      connected.delete(thing)
      tellSoon(thing, absence)
    },
    /** It is there, also when it has come to another process since, and gone from that one. */
    heard: (thing: string | undefined, client: Client) => {
      if (thing === undefined || shadows.isOnline(thing) || telling.has(thing)) return
      if (connected.get(thing)?.has(client) === true) tellSoon(thing)
    }
  }
})

const bind = (server: Server, host: string, port: number) =>
  Effect.callback<void, CannotServeShadows>((resume) => {
    server.once("error", ({ message }) =>
      resume(Effect.fail(new CannotServeShadows({ message: `cannot listen on ${host}:${port}: ${message}` })))
    )
    server.listen(port, host, () => {
      server.removeAllListeners("error")
      resume(Effect.void)
    })
  })
