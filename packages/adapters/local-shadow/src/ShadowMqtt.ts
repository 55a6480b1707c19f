/**
 * An MQTT broker for devices and nothing else: each meets its own shadows here, over MQTT 3.1 and 3.1.1. Sessions end with
 * their connection: whoever comes back asks with `get`, and nothing piles up for those who do not.
 */
import { randomUUID } from "node:crypto"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { Aedes, type AedesPublishPacket, type Client } from "aedes"
import { Effect, Fiber, type Scope, Stream } from "effect"
import { LocalShadow } from "./LocalShadow.ts"
import { MAX_MESSAGE, mqttShadows } from "./MqttShadows.ts"
import { limitPackets } from "./packetLimit.ts"
import { isThingName } from "./ShadowRequest.ts"
import { CannotServeShadows } from "./ShadowRest.ts"
import { callOf, mayHear, presenceTopic } from "./ShadowTopics.ts"

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
   * `undefined`: whoever reaches the port is the thing that it calls itself, by its user name or client id: keep it on
   * the loopback interface.
   */
  readonly signIn: DeviceSignIn | undefined
}

/** How long a device may take to say who it is, and to read what it is sent, in milliseconds. */
const CONNECT_TIMEOUT = 10_000
const DRAIN_TIMEOUT = 10_000

/** Serves devices for as long as the scope lives; answers the bound address. */
export const serve = Effect.fnUntraced(function* ({
  host,
  port,
  signIn
}: ShadowMqttOptions): Effect.fn.Return<AddressInfo, CannotServeShadows, LocalShadow | Scope.Scope> {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const presence = yield* trackPresence
  const things = new WeakMap<Client, string>()

  const broker = new Aedes({
    // Without a limit of messages under way: one device that reads slowly holds up nobody else.
    concurrency: 0,
    connectTimeout: CONNECT_TIMEOUT,
    drainTimeout: DRAIN_TIMEOUT,
    maxClientsIdLength: 65_535,
    preConnect: (client, packet, callback) => {
      const thing = thingOf(packet.username, packet.clientId, signIn !== undefined)
      if (thing !== undefined) things.set(client, thing)
      // Nobody takes over another thing's connection by its client id.
      packet.clientId = `${thing ?? ""}/${packet.clientId || randomUUID()}`
      packet.clean = true
      callback(null, true)
    },
    authenticate: (client, _, password, callback) => {
      const thing = things.get(client)
      if (thing === undefined) return callback(null, false)
      if (signIn === undefined) return callback(null, true)
      run(
        signIn.isPasswordOf(thing, password?.toString("utf8") ?? "").pipe(
          Effect.catchCause((cause) => Effect.as(Effect.logError("A device could not sign in", cause), false)),
          Effect.tap((signedIn) =>
            signedIn ? Effect.void : Effect.logWarning("A device did not sign in", { thing: thing })
          ),
          Effect.map((signedIn) => callback(null, signedIn))
        )
      )
    },
    // Whoever may not is disconnected, as AWS IoT does it: there is no other answer in this version of MQTT.
    authorizePublish: (client, packet, callback) => {
      packet.retain = false
      const thing = client && things.get(client)
      const call = callOf(packet.topic)
      callback(call !== undefined && call.thing === thing ? null : new Error("This topic is not for this device"))
    },
    authorizeSubscribe: (client, subscription, callback) => {
      const thing = things.get(client)
      callback(null, thing !== undefined && mayHear(thing, subscription.topic) ? subscription : null)
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

  broker.on("clientReady", (client) => presence.came(things.get(client), client))
  broker.on("clientDisconnect", (client) => presence.went(things.get(client), client))
  // Devices are cut off, lose power and send nonsense every day.
  const onError = (client: Client, { message }: Error) =>
    run(Effect.logDebug("A device was disconnected", { thing: things.get(client), message }))
  broker.on("clientError", onError)
  broker.on("connectionError", onError)
  yield* Effect.promise(() => broker.listen())

  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    broker.handle(socket)
    limitPackets(socket, MAX_MESSAGE)
  })
  yield* Effect.acquireRelease(bind(server, host, port), () =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      broker.close(() => {
        for (const socket of sockets) socket.destroy()
      })
    })
  )
  server.on("error", ({ message }) => run(Effect.logError("A device's connection was not accepted", message)))

  if (signIn !== undefined) {
    yield* Stream.runForEach(signIn.ended, (thing) =>
      Effect.sync(() => {
        for (const client of presence.clients(thing)) client.close()
      })
    ).pipe(Effect.forkScoped)
  }
  return server.address() as AddressInfo
})

/** Under an open sign-in the user name may be something else: AWS's own SDKs put their version there. */
const thingOf = (username: string | undefined, clientId: string, mustSignIn: boolean): string | undefined =>
  [username, ...(mustSignIn ? [] : [clientId])].find((name) => name !== undefined && isThingName(name))

/** A thing is there as long as one of its connections is. */
const trackPresence = Effect.gen(function* () {
  const shadows = yield* LocalShadow
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const connected = new Map<string, Set<Client>>()

  const tell = (thing: string, online: boolean) =>
    (online ? shadows.connected(thing) : shadows.disconnected(thing)).pipe(
      Effect.catchCause((cause) => Effect.logError("A device's presence was not noted", { thing, online }, cause))
    )

  const telling = new Set<Fiber.Fiber<void>>()
  const tellSoon = (thing: string, online: boolean) => {
    const fiber = run(tell(thing, online))
    telling.add(fiber)
    fiber.addObserver(() => telling.delete(fiber))
  }

  // In the end all are gone, also those of whom the broker has not said so yet, and the store is told before it closes.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      for (const thing of connected.keys()) tellSoon(thing, false)
      connected.clear()
      return Fiber.awaitAll([...telling])
    })
  )

  return {
    clients: (thing?: string): ReadonlyArray<Client> =>
      thing === undefined
        ? [...connected.values()].flatMap((clients) => [...clients])
        : [...(connected.get(thing) ?? [])],
    came: (thing: string | undefined, client: Client) => {
      if (thing === undefined || client.closed) return
      const clients = connected.get(thing)
      if (clients !== undefined) return void clients.add(client)
      connected.set(thing, new Set([client]))
      tellSoon(thing, true)
    },
    went: (thing: string | undefined, client: Client) => {
      if (thing === undefined) return
      const clients = connected.get(thing)
      if (clients?.delete(client) !== true || clients.size > 0) return
      connected.delete(thing)
      tellSoon(thing, false)
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
