/** Why a device is gone, and since when, as its connection ended: over real sockets. */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import { type DeviceReport, DeviceShadow } from "@latchkey/core"
import { LocalShadow, ShadowMqtt } from "@latchkey/local-shadow"
import { Deferred, Effect, Exit, Queue, Scope, Stream } from "effect"
import { closed, connectDevice, inMemory } from "./mqttFixture.ts"

type Told = Extract<DeviceReport, { readonly _tag: "Presence" }>

/** A broker, and what is told of its devices: of "begun" first. */
const listening = Effect.gen(function* () {
  const ended = yield* Deferred.make<string>()
  const signIn = {
    isPasswordOf: () => Effect.succeed(true),
    ended: Stream.fromEffect(Deferred.await(ended))
  }
  const { reports } = yield* DeviceShadow
  const told = yield* Queue.unbounded<Told>()
  yield* (yield* LocalShadow).connected("begun")
  yield* Effect.forkScoped(
    Stream.runForEach(reports, (report) => (report._tag === "Presence" ? Queue.offer(told, report) : Effect.void))
  )
  const next = Queue.take(told)
  expect(yield* next).toMatchObject({ thing: "begun" })
  const broker = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(broker, Exit.void))
  const { port } = yield* Scope.provide(ShadowMqtt.serve({ host: "127.0.0.1", port: 0, signIn }), broker)
  const end = Scope.close(broker, Exit.void)
  return { port, url: `mqtt://127.0.0.1:${port}`, next, end, secretEnds: Deferred.succeed(ended, "lock") }
})

const text = (value: string) => [Buffer.byteLength(value) >> 8, Buffer.byteLength(value) & 255, ...Buffer.from(value)]

/** MQTT's CONNECT, with a user name and a clean session; `keepAlive` is in seconds. */
const hello = (thing: string, keepAlive: number) => {
  const body = [...text("MQTT"), 4, 0x82, keepAlive >> 8, keepAlive & 255, ...text(thing), ...text(thing)]
  return Buffer.from([0x10, body.length, ...body])
}
const GOODBYE = Buffer.from([0xe0, 0])
const PING = Buffer.from([0xc0, 0])

/** Connects as the lock, and nothing more. */
const socketTo = (port: number, keepAlive = 0): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", () => {})
      await once(socket, "connect")
      socket.resume()
      socket.write(hello("lock", keepAlive))
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** What is told of a lock that came, after this was done to it. */
const after = Effect.fnUntraced(function* (
  { port, next }: Effect.Success<typeof listening>,
  change: (socket: Socket) => void,
  keepAlive?: number
) {
  const socket = yield* socketTo(port, keepAlive)
  const came = yield* next
  expect(came).toMatchObject({ thing: "lock", online: true })
  expect(came.reason).toBeUndefined()
  change(socket)
  const gone = yield* next
  expect(gone).toMatchObject({ thing: "lock", online: false })
  return { came, gone }
})

describe("a device is gone", () => {
  it.live("by its own goodbye, or because its connection broke", () =>
    Effect.gen(function* () {
      const broker = yield* listening
      for (const [change, reason] of [
        [(socket: Socket) => void socket.write(GOODBYE), "saidGoodbye"],
        // What came before it does not hide it.
        [(socket: Socket) => void socket.write(Buffer.concat([PING, PING, GOODBYE])), "saidGoodbye"],
        [(socket: Socket) => void socket.end(), "connectionLost"],
        [(socket: Socket) => void socket.destroy(), "connectionLost"],
        [(socket: Socket) => void socket.resetAndDestroy(), "connectionLost"]
      ] as const)
        expect((yield* after(broker, change)).gone.reason).toBe(reason)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("when it is silent for longer than its keep-alive: since it was heard last", () =>
    Effect.gen(function* () {
      const { came, gone } = yield* after(yield* listening, () => {}, 1)
      // It was heard last as it came, a second and a half before that was noticed.
      expect([gone.reason, gone.at - came.at < 1_000]).toEqual(["silent", true])
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("when it is turned away: for what it sends, or because its secret has ended", () =>
    Effect.gen(function* () {
      const broker = yield* listening
      const { secretEnds } = broker
      const tooLong = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])
      const reserved = Buffer.from([0xf0, 0])
      const elsewhere = Buffer.from([0x30, 8, ...text("others"), 0])
      for (const bytes of [tooLong, reserved, elsewhere, hello("lock", 0)])
        expect((yield* after(broker, (socket) => void socket.write(bytes))).gone.reason).toBe("turnedAway")
      expect((yield* after(broker, () => Effect.runSync(secretEnds))).gone.reason).toBe("turnedAway")
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("when its server ends", () =>
    Effect.gen(function* () {
      const broker = yield* listening
      const { end } = broker
      expect((yield* after(broker, () => Effect.runFork(end))).gone.reason).toBe("serverGone")
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("only with the last of its connections, and for the reason of that one", () =>
    Effect.gen(function* () {
      const { url, next } = yield* listening
      const one = yield* connectDevice(url, "lock", { clientId: "one" })
      expect(yield* next).toMatchObject({ online: true })
      const other = yield* connectDevice(url, "lock", { clientId: "other" })
      one.client.stream.destroy()
      yield* closed(one.client)
      // By the second answer its end has arrived.
      for (const _ of [1, 2]) {
        other.say("get")
        yield* other.hear("get/rejected")
      }
      yield* Effect.promise(() => other.client.endAsync())
      expect(yield* next).toMatchObject({ online: false, reason: "saidGoodbye" })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})
