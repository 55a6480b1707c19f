/** What a device, or who calls itself one, can cause has a bound: connections, silence, subscriptions, shadows, sign-ins. */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { LocalShadow } from "@latchkey/local-shadow"
import { Effect, Logger, type Scope, Stream } from "effect"
import { connectAsync } from "mqtt"
import { vi } from "vitest"
import { MAX_NAMED } from "../src/ShadowDocument.ts"
import { temporaryFolder } from "./fixture.ts"
import { closed, connectDevice, inMemory, openBroker } from "./mqttFixture.ts"

const until = (isSo: () => boolean) => Effect.promise(() => vi.waitUntil(isSo, { timeout: 60_000, interval: 20 }))

/** Without a timer, which would move those that are not real. */
const soon = (isSo: () => boolean) =>
  Effect.promise(async () => {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
  })

/** A connection of bare bytes. */
const socketTo = (url: string): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const { hostname, port } = new URL(url)
      const socket = connect({ host: hostname, port: Number(port) })
      socket.on("error", () => {})
      await once(socket, "connect")
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const text = (value: string) => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

const connectPacket = (thing: string, keepAlive: number) => {
  const header = Buffer.from([4, 0x82, keepAlive >> 8, keepAlive & 255])
  const body = Buffer.concat([text("MQTT"), header, text(thing), text(thing)])
  return Buffer.concat([Buffer.from([0x10, body.length]), body])
}

const fakeTimers = Effect.acquireRelease(
  Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
  () => Effect.sync(() => vi.useRealTimers())
)

describe("silence", () => {
  it.live.each([
    [0, 1200],
    [65_535, 1200],
    [801, 1200],
    [800, 1200],
    [60, 90],
    [2, 3]
  ] as const)("with a keep-alive of %d seconds says after %d that a device is gone", ([keepAlive, seconds]) =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const socket = yield* socketTo(yield* openBroker())
      yield* fakeTimers
      let heard = 0
      socket.on("data", ({ length }) => (heard += length))
      socket.write(connectPacket("lock", keepAlive))
      yield* soon(() => shadows.isOnline("lock"))
      const over = new Promise((resolve) => socket.once("close", resolve))
      vi.advanceTimersByTime(seconds * 1000 - 100)
      // What it says begins the silence anew.
      socket.write(Buffer.from([0xc0, 0]))
      yield* soon(() => heard === 6)
      expect(shadows.isOnline("lock")).toBe(true)
      vi.advanceTimersByTime(seconds * 1000 - 100)
      expect(shadows.isOnline("lock")).toBe(true)
      vi.advanceTimersByTime(200)
      yield* Effect.promise(() => over)
      yield* soon(() => !shadows.isOnline("lock"))
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live.each([
    ["nothing", Buffer.alloc(0)],
    ["half of who it is", connectPacket("lock", 60).subarray(0, 9)]
  ] as const)("after %s ends a connection in ten seconds", ([, said]) =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      yield* fakeTimers
      const socket = yield* socketTo(url)
      socket.write(said)
      const over = new Promise((resolve) => socket.once("close", resolve))
      // The server has the connection when it has one that came later.
      const later = yield* socketTo(url)
      later.write(connectPacket("later", 60))
      yield* Effect.promise(() => once(later, "data"))
      vi.advanceTimersByTime(10_000)
      yield* Effect.promise(() => over)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})

it.live("a device that is heard here is there, whatever another process said of it", () =>
  Effect.gen(function* () {
    const shadows = yield* LocalShadow
    const lock = yield* connectDevice(yield* openBroker(), "lock")
    yield* until(() => shadows.isOnline("lock"))
    yield* shadows.disconnected("lock")
    expect(shadows.isOnline("lock")).toBe(false)
    lock.say("get")
    yield* until(() => shadows.isOnline("lock"))
  }).pipe(Effect.scoped, Effect.provide(inMemory))
)

describe("connections", () => {
  it.live.each([
    ["from one address", { total: 100, perAddress: 4 }],
    ["in all", { total: 4, perAddress: 100 }]
  ] as const)("that say nothing make room for one that does, when there are too many %s", ([, limits]) =>
    Effect.gen(function* () {
      const url = yield* openBroker(undefined, limits)
      const first = yield* connectDevice(url, "first")
      const idle: Array<Socket> = []
      for (let n = 0; n < 20; n++) idle.push(yield* socketTo(url))
      const second = yield* connectDevice(url, "second")
      yield* until(() => idle.filter(({ closed }) => !closed).length <= 2)
      for (const device of [first, second]) {
        device.say("get")
        expect(yield* device.hear("get/rejected")).toMatchObject({ code: 404 })
      }
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("of devices are closed for nobody: who comes last waits, and the log says so once", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logged = Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))])
      const url = yield* openBroker(undefined, { total: 2, perAddress: 2 }).pipe(Effect.provide(logged))
      const devices = [yield* connectDevice(url, "a"), yield* connectDevice(url, "b")]
      for (let n = 0; n < 20; n++) {
        const last = yield* socketTo(url)
        yield* until(() => last.closed)
      }
      for (const device of devices) {
        device.say("get")
        expect(yield* device.hear("get/rejected")).toMatchObject({ code: 404 })
      }
      expect(lines.filter((line) => line.includes("maximum of connections is open"))).toHaveLength(1)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})

describe("a device", () => {
  it.live("has 50 subscriptions, and no more until it ends one", () =>
    Effect.gen(function* () {
      const { client } = yield* connectDevice(yield* openBroker(), "lock")
      const filter = (n: number) => `$aws/things/lock/shadow/name/n${n}/get/accepted`
      const subscribe = (n: number) =>
        Effect.promise(async () => (await client.subscribeAsync(filter(n)).catch(() => [{ qos: 128 }]))[0]?.qos)
      // One is of the fixture.
      for (let n = 1; n < 50; n++) expect(yield* subscribe(n)).toBe(0)
      expect(yield* subscribe(50)).toBe(128)
      expect(yield* subscribe(49)).toBe(0)
      yield* Effect.promise(() => client.unsubscribeAsync(filter(1)))
      expect(yield* subscribe(50)).toBe(0)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  const topic = (length: number) => `$aws/things/lock/shadow/${"x".repeat(length - 24)}`
  const filters = (count: number) => Array.from({ length: count }, (_, n) => `$aws/things/lock/shadow/${n}`)
  it.live("may ask for eight topics at once, of 256 bytes", () =>
    Effect.gen(function* () {
      const { client } = yield* connectDevice(yield* openBroker(), "lock")
      yield* Effect.promise(() => client.subscribeAsync([...filters(7), topic(256)]))
      yield* Effect.promise(() => client.subscribeAsync(filters(8)))
      expect(client.connected).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
  it.live.each([
    ["nine topics at once", { subscribe: filters(9) }],
    ["a topic of 257 bytes", { subscribe: [topic(257)] }],
    ["something on a topic of 257 bytes", { publish: topic(257), qos: 0 }],
    ["something exactly once", { publish: "$aws/things/lock/shadow/update", qos: 2 }]
  ] as const)(
    "that asks for, or says, %s is disconnected",
    ([, { subscribe, publish, qos = 0 }]: readonly [
      string,
      { readonly subscribe?: ReadonlyArray<string>; readonly publish?: string; readonly qos?: 0 | 2 }
    ]) =>
      Effect.gen(function* () {
        const { client } = yield* connectDevice(yield* openBroker(), "lock")
        if (subscribe !== undefined) client.subscribeAsync([...subscribe]).catch(() => {})
        if (publish !== undefined) client.publishAsync(publish, "{}", { qos }).catch(() => {})
        yield* closed(client)
      }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("with a client id of more than 128 bytes is told so", () =>
    Effect.gen(function* () {
      const url = yield* openBroker()
      const options = { username: "lock", reconnectPeriod: 0 }
      const connecting = (length: number) =>
        connectAsync(url, { ...options, clientId: "x".repeat(length) }, false).then(
          (client) => client.endAsync(true).then(() => "welcome"),
          ({ code }) => code
        )
      expect(yield* Effect.promise(() => connecting(128))).toBe("welcome")
      expect(yield* Effect.promise(() => connecting(129))).toBe(2)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("that does not read what it asks for is disconnected before much is kept for it", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const deaf = yield* connectDevice(yield* openBroker(), "deaf")
      yield* until(() => shadows.isOnline("deaf"))
      deaf.client.stream.pause()
      let sent = 0
      while (shadows.isOnline("deaf")) {
        yield* shadows.update("deaf", { state: { desired: { n: sent++, a: "x".repeat(8000) } } })
        // Kernels keep a few megabytes of a connection.
        expect(sent).toBeLessThan(2000)
      }
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live(`has ${MAX_NAMED} named shadows, and as many deleted ones that are remembered`, () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const device = yield* connectDevice(yield* openBroker(), "lock")
        const make = Effect.fnUntraced(function* (name: string) {
          device.say(`name/${name}/update`, { state: { reported: { a: "x".repeat(7000) } } })
          return yield* device.hear(`name/${name}/update/accepted`)
        })
        for (let n = 0; n < MAX_NAMED; n++) yield* make(`n${n}`)
        device.say("name/more/update", { state: { reported: { a: 1 } } })
        expect(yield* device.hear("name/more/update/rejected")).toMatchObject({
          code: 413,
          message: expect.stringMatching(/delete one/)
        })
        // What is there can be changed, and so can the classic one.
        expect(yield* make("n0")).toMatchObject({ version: 2 })
        device.say("update", { state: { reported: { a: 1 } } })
        expect(yield* device.hear("update/accepted")).toMatchObject({ version: 1 })
        for (let n = 0; n < MAX_NAMED + 3; n++) {
          device.say(`name/n${n}/delete`)
          yield* device.hear(`name/n${n}/delete/accepted`)
          yield* make(`n${n + MAX_NAMED}`)
        }
      }).pipe(Effect.scoped, Effect.provide(LocalShadow.layer({ folder })))
      const db = new DatabaseSync(`${folder}/shadow.db`)
      const rows = db.prepare("SELECT content IS NULL AS deleted, count(*) AS n FROM shadow GROUP BY 1").all()
      db.close()
      expect(rows).toEqual([
        { deleted: 0, n: MAX_NAMED + 1 },
        { deleted: 1, n: MAX_NAMED }
      ])
    }).pipe(Effect.scoped)
  )
})

describe("sign-ins that fail", () => {
  const door = Effect.gen(function* () {
    const lines: Array<string> = []
    const asked: Array<string> = []
    let isDown = false
    const logged = Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))])
    const url = yield* openBroker({
      isPasswordOf: (thing, password) =>
        Effect.suspend(() => {
          asked.push(thing)
          return isDown ? Effect.die("the disk is gone") : Effect.succeed(password === `secret of ${thing}`)
        }),
      ended: Stream.never
    }).pipe(Effect.provide(logged))
    const tryAs = (username: string, password: string) =>
      Effect.promise(() =>
        connectAsync(url, { username, password, reconnectPeriod: 0 }, false).then(
          (client) => client.endAsync(true).then(() => "welcome"),
          ({ code }) => code
        )
      )
    return { url, lines, asked, tryAs, goDown: () => void (isDown = true) }
  })

  it.live.each([
    ["one thing", () => "lock"],
    ["many things", (n: number) => `lock-${n}`]
  ] as const)("of %s look into the log a few times, say so once, and keep no known device out", ([, nameOf]) =>
    Effect.gen(function* () {
      const { asked, lines, tryAs } = yield* door
      expect(yield* tryAs("lock", "secret of lock")).toBe("welcome")
      asked.length = 0
      const codes: Array<unknown> = []
      const began = performance.now()
      for (let n = 0; n < 100; n++) codes.push(yield* tryAs(nameOf(n).replace("lock", "other"), "wrong"))
      // 30, and one more for each second that this took.
      expect(asked.length).toBeLessThanOrEqual(31 + (performance.now() - began) / 1000)
      expect(new Set(codes)).toEqual(new Set([5, 3]))
      expect(codes[0]).toBe(5)
      expect(codes.slice(0, 30)).not.toContain(3)
      expect(yield* tryAs("lock", "secret of lock")).toBe("welcome")
      expect(lines.filter((line) => line.includes("did not sign in"))).toHaveLength(1)
      expect(lines.filter((line) => line.includes("tries to sign in too often"))).toHaveLength(1)
      expect(lines.join()).not.toContain("wrong")
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.live("since nobody can tell are not the device's fault: it is told to come back", () =>
    Effect.gen(function* () {
      const { lines, tryAs, goDown } = yield* door
      goDown()
      for (let n = 0; n < 40; n++) expect(yield* tryAs("lock", "secret of lock")).toBe(3)
      expect(lines.filter((line) => line.includes("Cannot tell"))).toHaveLength(1)
      expect(lines.some((line) => line.includes("tries to sign in too often"))).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})
