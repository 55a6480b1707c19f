/** Devices over MQTT: each meets its own shadow and no other, and none can harm another. */
import { connect } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import { DeviceShadow } from "@latchkey/core"
import { LocalShadow, ShadowMqtt } from "@latchkey/local-shadow"
import { Deferred, Effect, Fiber, Queue, Scope, Stream } from "effect"
import { connectAsync, connect as connectMqtt } from "mqtt"
import { closed, connectDevice, inMemory, openBroker } from "./mqttFixture.ts"

const refusal = (code: number, message: string | RegExp) => ({
  code,
  message: typeof message === "string" ? message : expect.stringMatching(message),
  timestamp: expect.any(Number)
})

describe("a device", () => {
  it.live("reads, updates and deletes its shadow, with its token in every answer", () =>
    Effect.gen(function* () {
      const device = yield* connectDevice(yield* openBroker(), "lock")
      device.say("get", { clientToken: "t1" })
      expect(yield* device.hear("get/rejected")).toEqual({
        ...refusal(404, "No shadow exists with name: 'lock'"),
        clientToken: "t1"
      })
      device.say("update", { state: { desired: { a: 1 }, reported: { a: 2 } }, clientToken: "t2" })
      const timestamp = expect.any(Number)
      expect(yield* device.hear("update/accepted")).toEqual({
        state: { desired: { a: 1 }, reported: { a: 2 } },
        metadata: { desired: { a: { timestamp } }, reported: { a: { timestamp } } },
        version: 1,
        timestamp,
        clientToken: "t2"
      })
      expect(yield* device.hear("update/delta")).toEqual({
        state: { a: 1 },
        metadata: { a: { timestamp } },
        version: 1,
        timestamp,
        clientToken: "t2"
      })
      expect(yield* device.hear("update/documents")).toMatchObject({ current: { version: 1 }, clientToken: "t2" })
      device.say("get")
      const got = yield* device.hear("get/accepted")
      expect(got).toMatchObject({ state: { delta: { a: 1 } }, version: 1 })
      expect(got).not.toHaveProperty("clientToken")
      device.say("delete", { clientToken: "t3" })
      expect(yield* device.hear("delete/accepted")).toEqual({ version: 1, timestamp, clientToken: "t3" })
      device.say("delete")
      expect(yield* device.hear("delete/rejected")).toEqual(refusal(404, "No shadow exists with name: 'lock'"))
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("has named shadows, apart from the classic one", () =>
    Effect.gen(function* () {
      const device = yield* connectDevice(yield* openBroker(), "lock")
      device.say("name/config/update", { state: { reported: { a: 1 } } })
      expect(yield* device.hear("name/config/update/accepted")).toMatchObject({ version: 1 })
      device.say("get")
      expect(yield* device.hear("get/rejected")).toMatchObject({ code: 404 })
      device.say("name/config/get")
      expect(yield* device.hear("name/config/get/accepted")).toMatchObject({ state: { reported: { a: 1 } } })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("hears what others do to its shadow", () =>
    Effect.gen(function* () {
      const device = yield* connectDevice(yield* openBroker(), "lock")
      const shadows = yield* LocalShadow
      yield* shadows.update("other", { state: { desired: { a: 1 } } })
      yield* shadows.update("lock", { state: { desired: { b: 2 } }, clientToken: "backend" })
      expect(yield* device.hear("update/delta")).toMatchObject({ state: { b: 2 }, clientToken: "backend" })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("that says nonsense is told so, and stays", () =>
    Effect.gen(function* () {
      const device = yield* connectDevice(yield* openBroker(), "lock")
      const nonsense: ReadonlyArray<readonly [unknown, number, RegExp]> = [
        ["", 400, /Invalid JSON/],
        ["{", 400, /Invalid JSON/],
        ["[1]", 400, /Invalid JSON/],
        [Buffer.from([0xff, 0xfe, 0x00]), 415, /encoding/],
        [{ state: { wished: {} } }, 400, /invalid node: 'wished'/],
        [{ state: {}, version: 7 }, 409, /Version conflict/],
        [{ state: { reported: { a: "x".repeat(9000) } } }, 413, /maximum size/],
        [`{"state":{"reported":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}}`, 400, /levels|Invalid/]
      ]
      for (const [message, code, text] of nonsense) {
        device.say("update", message)
        expect(yield* device.hear("update/rejected")).toEqual(refusal(code, text))
      }
      device.say("update", { state: { reported: { a: 1 } } })
      expect(yield* device.hear("update/accepted")).toMatchObject({ version: 1 })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})

describe("nobody else's", () => {
  it.live.each([
    "$aws/things/victim/shadow/update",
    "$aws/things/victim/shadow/name/n/update",
    "$aws/things/thief/shadow/update/accepted",
    "$aws/things/thief/shadow/update/delta",
    "$aws/things//shadow/update",
    "$aws/events/presence/disconnected/victim",
    "$SYS/x/new/clients",
    "somewhere/else"
  ])("topic can be written to: %s", (topic) =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      const victim = yield* connectDevice(url, "victim")
      const thief = yield* connectDevice(url, "thief")
      thief.client.publishAsync(topic, JSON.stringify({ state: { desired: { open: 1 } } }), { qos: 1 }).catch(() => {})
      yield* closed(thief.client)
      const shadows = yield* LocalShadow
      expect(yield* Effect.flip(shadows.get("victim"))).toMatchObject({ code: 404 })
      victim.say("get")
      expect(yield* victim.hear("get/rejected")).toMatchObject({ code: 404 })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live.each([
    "#",
    "+/#",
    "$aws/#",
    "$aws/things/+/shadow/#",
    "$aws/things/victim/shadow/#",
    "$aws/things/victim/shadow/update/delta",
    "$aws/events/presence/+/+",
    "$aws/events/presence/connected/victim",
    "$SYS/#"
  ])("topic can be heard: %s", (filter) =>
    Effect.gen(function* () {
      const thief = yield* connectDevice(yield* openBroker(), "thief")
      const granted = yield* Effect.promise(() => thief.client.subscribeAsync(filter).catch(() => undefined))
      expect(granted?.map(({ qos }) => qos) ?? [128]).toEqual([128])
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("connection is taken over by its client id", () =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      const victim = yield* connectDevice(url, "victim")
      yield* connectDevice(url, "thief", { clientId: "victim" })
      victim.say("get")
      expect(yield* victim.hear("get/rejected")).toMatchObject({ code: 404 })
      expect(victim.client.connected).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("will is carried out", () =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      const will = { topic: "$aws/things/victim/shadow/update", payload: Buffer.from('{"state":{}}'), qos: 1 as const }
      const thief = yield* connectDevice(url, "thief", { will })
      const own = { ...will, topic: "$aws/things/honest/shadow/update" }
      const honest = yield* connectDevice(url, "honest", { will: own })
      const shadows = yield* LocalShadow
      const told = yield* shadows.changes.pipe(
        Stream.take(1),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      thief.client.stream.destroy()
      honest.client.stream.destroy()
      expect(yield* Fiber.join(told)).toMatchObject([{ thing: "honest" }])
      expect(yield* Effect.flip(shadows.get("victim"))).toMatchObject({ code: 404 })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})

describe("whoever sends bytes", () => {
  const send = (url: string, ...parts: ReadonlyArray<Buffer>) =>
    Effect.promise(async () => {
      const { hostname, port } = new URL(url)
      const socket = connect({ host: hostname, port: Number(port) })
      socket.on("error", () => {})
      for (const part of parts) socket.write(part)
      await new Promise((resolve) => socket.once("close", resolve))
    })

  it.live("that are no MQTT, or too many, is disconnected, and nobody else notices", () =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      const device = yield* connectDevice(url, "lock")
      const megabyte = Buffer.alloc(1024 * 1024, "x")
      yield* send(url, Buffer.from("GET / HTTP/1.1\r\n\r\n"))
      yield* send(url, Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff]))
      // A packet that says that 256 MB are to come.
      yield* send(url, Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), megabyte)
      for (const size of [200_000, 1024 * 1024]) {
        const other = yield* connectDevice(url, "big")
        other.say("update", { state: { reported: { a: "x".repeat(size) } } }).catch(() => {})
        yield* closed(other.client)
      }
      device.say("update", { state: { reported: { a: "x".repeat(100_000) } } })
      expect(yield* device.hear("update/rejected")).toMatchObject({ code: 413 })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})

describe("presence", () => {
  it.live("is told when a device comes, and when the last of its connections goes", () =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      const { reports } = yield* DeviceShadow
      const told = yield* Queue.unbounded<unknown>()
      yield* (yield* LocalShadow).connected("begun")
      yield* Effect.forkScoped(Stream.runForEach(reports, (report) => Queue.offer(told, report)))
      expect(yield* Queue.take(told)).toMatchObject({ thing: "begun" })
      const presence = (online: boolean) => ({ _tag: "Presence", thing: "lock", online, at: expect.any(Number) })
      yield* Effect.gen(function* () {
        yield* connectDevice(url, "lock")
        expect(yield* Queue.take(told)).toEqual(presence(true))
        yield* Effect.scoped(connectDevice(url, "lock", { clientId: "another" }))
        const same = yield* connectDevice(url, "lock", { clientId: "same" })
        yield* connectDevice(url, "lock", { clientId: "same" })
        yield* closed(same.client)
      }).pipe(Effect.scoped)
      expect(yield* Queue.take(told)).toEqual({ ...presence(false), reason: "connectionLost" })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("ends with the broker", () =>
    Effect.gen(function* () {
      const { reports } = yield* DeviceShadow
      const things = Array.from({ length: 50 }, (_, n) => `lock-${n}`)
      yield* Effect.gen(function* () {
        const url = yield* openBroker()
        // Scopes close in the reverse order: these would leave first.
        for (const thing of things)
          yield* connectDevice(url, thing).pipe(Effect.provideService(Scope.Scope, yield* Scope.make()))
      }).pipe(Effect.scoped)
      const told = yield* Stream.runCollect(Stream.take(reports, things.length))
      expect(told.filter((report) => report._tag === "Presence" && report.online)).toEqual([])
    }).pipe(Effect.provide(inMemory))
  )

  it.live("is that of the thing that AWS's own SDK connects as", () =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      const device = yield* connectDevice(url, "lock", { username: "?SDK=NodeJSv2&Version=1.19" })
      device.say("get")
      expect(yield* device.hear("get/rejected")).toMatchObject({ code: 404 })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})

describe("with passwords", () => {
  const door = Effect.gen(function* () {
    const ended = yield* Queue.unbounded<string>()
    const url = yield* openBroker({
      isPasswordOf: (thing, password) => Effect.succeed(password === `secret of ${thing}`),
      ended: Stream.fromQueue(ended)
    })
    return { url, ended }
  })

  it.live.each([
    ["a wrong password", { username: "lock", password: "secret of other" }],
    ["no password", { username: "lock" }],
    ["no name", {}],
    ["a name that no thing has", { username: "no thing", password: "secret of no thing" }]
  ] as const)("nobody signs in with %s", ([, credentials]) =>
    Effect.gen(function* () {
      const { url } = yield* door
      const refused = yield* Effect.promise(() =>
        connectAsync(url, { clientId: "lock", reconnectPeriod: 0, ...credentials }, false).catch((error) => error)
      )
      expect(refused).toMatchObject({ code: 5 })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("a device signs in with its own, until that ends", () =>
    Effect.gen(function* () {
      const { url, ended } = yield* door
      const [lock, other] = [
        yield* connectDevice(url, "lock", { password: "secret of lock" }),
        yield* connectDevice(url, "other", { password: "secret of other" })
      ]
      lock.say("get")
      expect(yield* lock.hear("get/rejected")).toMatchObject({ code: 404 })
      yield* Queue.offer(ended, "lock")
      yield* closed(lock.client)
      other.say("get")
      expect(yield* other.hear("get/rejected")).toMatchObject({ code: 404 })
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})

it.live("a device whose password ends while it is let in does not stay", () =>
  Effect.gen(function* () {
    const ended = yield* Queue.unbounded<string>()
    const [asked, checked] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const url = yield* openBroker({
      // As a log says it that is read before the password is revoked.
      isPasswordOf: (thing) =>
        thing === "lock"
          ? Deferred.succeed(asked, undefined).pipe(Effect.andThen(Deferred.await(checked)), Effect.as(true))
          : Effect.succeed(true),
      ended: Stream.fromQueue(ended)
    })
    const other = yield* connectDevice(url, "other", { password: "p" })
    const client = connectMqtt(url, { clientId: "lock", username: "lock", password: "p", reconnectPeriod: 0 })
    yield* Effect.addFinalizer(() => Effect.promise(() => client.endAsync(true)))
    const gone = new Promise<void>((resolve) => client.once("close", () => resolve()))
    yield* Deferred.await(asked)
    yield* Queue.offerAll(ended, ["lock", "other"])
    yield* closed(other.client)
    yield* Deferred.succeed(checked, undefined)
    yield* Effect.promise(() => gone)
    expect((yield* LocalShadow).isOnline("lock")).toBe(false)
    // It may come back, as whoever has a password that has not ended.
    yield* connectDevice(url, "lock", { password: "p" })
  }).pipe(Effect.scoped, Effect.provide(inMemory))
)

it.live("says in one sentence that its port is taken", () =>
  Effect.gen(function* () {
    const { port } = new URL(yield* openBroker())
    const refused = yield* Effect.flip(ShadowMqtt.serve({ host: "127.0.0.1", port: Number(port), signIn: undefined }))
    expect(refused.message).toMatch(`127.0.0.1:${port}`)
  }).pipe(Effect.scoped, Effect.provide(inMemory))
)

it.live("a device that does not read what it is sent holds up nobody else", () =>
  Effect.gen(function* () {
    const url = yield* openBroker()
    const shadows = yield* LocalShadow
    const deaf = yield* connectDevice(url, "deaf")
    const lock = yield* connectDevice(url, "lock")
    const full = yield* Deferred.make<void>()
    ;(deaf.client.stream as unknown as import("node:net").Socket).pause()
    yield* Effect.forEach(
      Array.from({ length: 2000 }, (_, n) => n),
      (n) => shadows.update("deaf", { state: { desired: { n, a: "x".repeat(3000) } } }),
      { concurrency: 100, discard: true }
    )
    yield* Deferred.succeed(full, undefined)
    lock.say("get")
    expect(yield* lock.hear("get/rejected")).toMatchObject({ code: 404 })
  }).pipe(Effect.scoped, Effect.provide(inMemory))
)
