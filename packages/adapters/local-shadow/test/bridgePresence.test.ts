/** Presence at a broker that tells nothing of it: whoever is heard is there, and silence, or doubt, says that it is not. */
import { createServer, type Socket } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import { DeviceShadow } from "@latchkey/core"
import { LocalShadow, ShadowBridge } from "@latchkey/local-shadow"
import { Aedes } from "aedes"
import { Clock, Effect, Exit, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import { connectDevice, inMemory } from "./mqttFixture.ts"

const until = (isSo: () => boolean) => Effect.promise(() => vi.waitUntil(isSo, { timeout: 60_000, interval: 20 }))

/** A broker of the operator's, and how it loses everybody. */
const foreignBroker = Effect.acquireRelease(
  Effect.promise(async () => {
    const broker = await Aedes.createBroker()
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      broker.handle(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const url = `mqtt://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
    const drop = (own: (socket: Socket) => boolean) => {
      for (const socket of sockets) if (own(socket)) socket.destroy()
    }
    return { url, broker, sockets, drop, server }
  }),
  ({ broker, server, drop }) =>
    Effect.sync(() => {
      drop(() => true)
      server.close()
      broker.close()
    })
)

const bridged = Effect.gen(function* () {
  const foreign = yield* foreignBroker
  const shadows = yield* LocalShadow
  const scope = yield* Scope.make()
  const serve = (over: Scope.Scope) => Scope.provide(ShadowBridge.serve(new URL(foreign.url)), over)
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  yield* serve(scope)
  return { ...foreign, shadows, scope, serve }
})

/** Why a device is gone, and for how many milliseconds, as a question about all that was told would answer it. */
const absenceOf = (thing: string) =>
  Effect.gen(function* () {
    const { reports } = yield* DeviceShadow
    const last = yield* reports.pipe(
      Stream.filter((report) => report._tag === "Presence" && report.thing === thing),
      Stream.runHead
    )
    const told = Option.getOrThrow(last)
    if (told._tag !== "Presence" || told.online) throw new Error(`${thing} is not gone`)
    return [told.reason, (yield* Clock.currentTimeMillis) - told.at] as const
  })

const report = { state: { reported: { battery: 50 } } }

describe("a device", () => {
  it.effect("is there once it says anything, and gone after 20 minutes in which it said nothing", () =>
    Effect.gen(function* () {
      const { url, shadows } = yield* bridged
      const [lock, other] = [yield* connectDevice(url, "lock"), yield* connectDevice(url, "other")]
      lock.say("update", report)
      other.say("get")
      yield* until(() => shadows.isOnline("lock") && shadows.isOnline("other"))
      yield* TestClock.adjust("19 minutes")
      lock.say("get")
      yield* lock.hear("get/accepted")
      yield* TestClock.adjust("70 seconds")
      yield* until(() => !shadows.isOnline("other"))
      expect(shadows.isOnline("lock")).toBe(true)
      const [reason, ago] = yield* absenceOf("other")
      // Since it was heard last, and not since that was noticed.
      expect([reason, ago >= 20 * 60_000]).toEqual(["silent", true])
      yield* TestClock.adjust("20 minutes")
      yield* until(() => !shadows.isOnline("lock"))
      lock.say("update", report)
      yield* until(() => shadows.isOnline("lock"))
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.effect("that fell silent is gone after 20 minutes, though the clock was set back meanwhile", () =>
    Effect.gen(function* () {
      const clock = yield* Effect.clockWith(Effect.succeed)
      const hour = 3_600_000_000_000n
      let behind = 0n
      const settable: Clock.Clock = {
        ...clock,
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() - behind,
        currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now - behind)
      }
      yield* Effect.gen(function* () {
        const { url, shadows } = yield* bridged
        const lock = yield* connectDevice(url, "lock")
        lock.say("update", report)
        yield* until(() => shadows.isOnline("lock"))
        behind = hour
        yield* TestClock.adjust("21 minutes")
        yield* until(() => !shadows.isOnline("lock"))
      }).pipe(Effect.provideService(Clock.Clock, settable))
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.effect("that stayed connected while the server was away is there as soon as it says something", () =>
    Effect.gen(function* () {
      const { url, shadows, scope, serve } = yield* bridged
      const lock = yield* connectDevice(url, "lock")
      lock.say("update", report)
      yield* until(() => shadows.isOnline("lock"))
      yield* Scope.close(scope, Exit.void)
      yield* until(() => !shadows.isOnline("lock"))
      yield* serve(yield* Effect.scope)
      expect(shadows.isOnline("lock")).toBe(false)
      lock.say("update", report)
      yield* until(() => shadows.isOnline("lock"))
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.effect("is gone when it says so, and when the server hears nothing any more", () =>
    Effect.gen(function* () {
      const { url, shadows, drop } = yield* bridged
      const lock = yield* connectDevice(url, "lock")
      const tell = (event: string, payload = "{}") =>
        Effect.promise(() => lock.client.publishAsync(`$aws/events/presence/${event}/lock`, payload, { qos: 1 }))
      for (const [payload, reason] of [
        ["{}", undefined],
        ["", undefined],
        ["{]", undefined],
        ['{"disconnectReason":7}', undefined],
        ['{"disconnectReason":"SOMETHING_NEW"}', undefined],
        ['{"disconnectReason":"CONNECTION_LOST"}', "connectionLost"],
        ['{"disconnectReason":"CLIENT_INITIATED_DISCONNECT"}', "saidGoodbye"]
      ] as const) {
        yield* tell("connected")
        yield* until(() => shadows.isOnline("lock"))
        yield* tell("disconnected", payload)
        yield* until(() => !shadows.isOnline("lock"))
        expect([payload, (yield* absenceOf("lock"))[0]]).toEqual([payload, reason])
      }
      yield* tell("connected")
      yield* until(() => shadows.isOnline("lock"))
      drop(() => true)
      yield* until(() => !shadows.isOnline("lock"))
      expect((yield* absenceOf("lock"))[0]).toBe("serverGone")
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.effect("is not there by what the broker kept of it", () =>
    Effect.gen(function* () {
      const { url, shadows, scope, serve } = yield* bridged
      yield* Scope.close(scope, Exit.void)
      const lock = yield* connectDevice(url, "lock")
      const options = { qos: 1 as const, retain: true }
      yield* Effect.promise(() => lock.client.publishAsync("$aws/events/presence/connected/lock", "{}", options))
      yield* Effect.promise(() => lock.client.publishAsync("$aws/things/other/shadow/get", "", options))
      yield* serve(yield* Effect.scope)
      const last = yield* connectDevice(url, "last")
      last.say("get")
      yield* until(() => shadows.isOnline("last"))
      expect([shadows.isOnline("lock"), shadows.isOnline("other")]).toEqual([false, false])
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})
