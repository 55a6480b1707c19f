/** What is peculiar to a shadow service far away: lost answers, hanging, refusals of AWS, and what an operator is told. */

import { describe, expect, it } from "@effect/vitest"
import { AwsIot } from "@latchkey/aws-iot"
import { type DeviceCommand, DeviceShadow } from "@latchkey/core"
import { LocalShadow, ShadowRest } from "@latchkey/local-shadow"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import { clientOf } from "./aws.ts"
import { type Fate, type Proxy, proxyTo } from "./Proxy.ts"

const LATER = 253_402_300_799_999

const openLock = (commandId: string): DeviceCommand => ({
  _tag: "OpenLock",
  commandId,
  seq: 1,
  issuedAt: 0,
  expiresAt: LATER
})

const until = (isSo: () => boolean) => Effect.promise(() => vi.waitUntil(isSo, { timeout: 60_000, interval: 5 }))

class Behind extends Context.Service<Behind, Proxy>()("test/Behind") {}

/** The adapter, behind a proxy, before the local shadow. */
const far = (maxAttempts = 1, options: AwsIot.AwsIotOptions = {}) =>
  Layer.unwrap(
    Effect.map(Behind, ({ url }) => AwsIot.layer({ dataPlane: { ...clientOf(url), maxAttempts }, ...options }))
  ).pipe(
    Layer.provideMerge(
      Layer.effect(
        Behind,
        Effect.gen(function* () {
          const { port } = yield* ShadowRest.serve({ host: "127.0.0.1", port: 0, keys: [] })
          return yield* proxyTo(`http://127.0.0.1:${port}`)
        })
      )
    ),
    Layer.provideMerge(LocalShadow.layer({ folder: ":memory:" }))
  )

const isUpdate = (body: string) => body.includes("OpenLock")

/** The fate of the first request that carries a command; the others pass. */
const firstUpdate = (fate: Fate, then: () => Promise<unknown> = async () => {}): Proxy["fateOf"] => {
  let isFirst = true
  return async ({ body }) => {
    if (!isUpdate(body)) return "pass"
    if (isFirst) {
      isFirst = false
      return fate
    }
    await then()
    return "pass"
  }
}

/** How often the shadow has taken a command: what a device would have seen. */
const actuations = Effect.gen(function* () {
  const taken: Array<string> = []
  const shadows = yield* LocalShadow
  yield* shadows.changes.pipe(
    Stream.runForEach((change) =>
      Effect.sync(() => {
        if (change._tag === "Deleted") return
        const commands = change.accepted.state?.desired?.["commands"]
        for (const [id, command] of Object.entries(commands ?? {})) if (command !== null) taken.push(id)
      })
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  return taken
})

describe("a command whose answer is lost", () => {
  it.live("is carried out once, and done, when the SDK tries again", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      const taken = yield* actuations
      proxy.fateOf = firstUpdate("lose answer")
      yield* device.send("thing", openLock("one"), LATER)
      expect(proxy.seen.filter(({ body }) => isUpdate(body))).toHaveLength(2)
      expect(taken).toEqual(["one"])
      expect(yield* device.find("thing", "one", 1)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(far(3)))
  )

  it.live("is carried out once when it was lost on its way there", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      const taken = yield* actuations
      proxy.fateOf = firstUpdate("lose")
      yield* device.send("thing", openLock("one"), LATER)
      expect(taken).toEqual(["one"])
    }).pipe(Effect.scoped, Effect.provide(far(3)))
  )

  it.live("is never sent again when it was acknowledged and settled before the second try", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      const shadows = yield* LocalShadow
      const taken = yield* actuations
      const acknowledgeAndSettle = Effect.gen(function* () {
        yield* shadows.update("thing", { state: { reported: { commands: { one: { outcome: "done" } } } } })
        yield* shadows.update("thing", { state: { desired: { commands: null }, reported: { commands: null } } })
      })
      proxy.fateOf = firstUpdate("lose answer", () => Effect.runPromise(acknowledgeAndSettle))
      expect(yield* Effect.flip(device.send("thing", openLock("one"), LATER))).toMatchObject({
        _tag: "ShadowUnavailable"
      })
      expect(taken).toEqual(["one"])
    }).pipe(Effect.scoped, Effect.provide(far(3)))
  )

  it.live("is in doubt without a second try, until the shadow is asked", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      const taken = yield* actuations
      for (const [id, fate] of [
        ["kept", "lose answer"],
        ["gone", "lose"],
        ["kept too", { status: 500, type: "InternalFailureException" }]
      ] as const) {
        proxy.fateOf = firstUpdate(fate)
        expect(yield* Effect.flip(device.send("thing", openLock(id), LATER))).toMatchObject({
          _tag: "ShadowUnavailable",
          thing: "thing"
        })
        expect(yield* device.find("thing", id, 1)).toBe(id === "kept")
      }
      expect(taken).toEqual(["kept"])
    }).pipe(Effect.scoped, Effect.provide(far()))
  )

  it.effect("can no longer arrive when it was not found", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      const taken = yield* actuations
      let late: ((fate: Fate) => void) | undefined
      proxy.fateOf = ({ body }) => (isUpdate(body) ? new Promise<Fate>((resolve) => (late = resolve)) : "pass")
      const sending = yield* Effect.forkChild(Effect.flip(device.send("thing", openLock("one"), 300)))
      yield* until(() => late !== undefined)
      yield* TestClock.adjust(300)
      expect(yield* Fiber.join(sending)).toMatchObject({ _tag: "ShadowUnavailable" })
      expect(yield* device.find("thing", "one", 1)).toBe(false)
      late?.("pass")
      yield* device.send("other", { ...openLock("two"), _tag: "AddKey", keyUuid: "key" }, LATER)
      expect(yield* device.find("thing", "one", 1)).toBe(false)
      expect(taken).toEqual(["two"])
    }).pipe(Effect.scoped, Effect.provide(far()))
  )
})

describe("an endpoint that hangs", () => {
  it.effect("is waited for until the deadline, keeps no socket, and holds up nobody else", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      proxy.fateOf = ({ url }) => (url.includes("hanging") ? "hang" : "pass")
      const waiting = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, n) => n),
        (n) => Effect.flip(device.send(`hanging-${n}`, openLock("one"), 5000)),
        { concurrency: "unbounded" }
      ).pipe(Effect.forkChild({ startImmediately: true }))
      for (let n = 0; n < 20; n++) {
        yield* device.send("healthy", openLock(`open-${n}`), LATER)
        yield* device.settle("healthy", `open-${n}`)
      }
      yield* TestClock.adjust(4000)
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1000)
      // Nothing was written, so nothing is in doubt; and whoever set the deadline hears of it.
      for (const error of yield* Fiber.join(waiting)) expect(error).toMatchObject({ _tag: "ShadowRejected" })
      // Those of healthy requests are kept for the next ones.
      yield* Effect.promise(() => expect.poll(() => proxy.sockets.size, { timeout: 60_000 }).toBeLessThanOrEqual(2))
    }).pipe(Effect.scoped, Effect.provide(far()))
  )

  it.live("lets go of the socket as soon as nobody waits any more", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      proxy.fateOf = () => "hang"
      const asking = yield* device.find("thing", "one", 1).pipe(Effect.forkChild({ startImmediately: true }))
      yield* Effect.promise(() => expect.poll(() => proxy.seen.length).toBe(1))
      yield* Fiber.interrupt(asking)
      yield* Effect.promise(() => expect.poll(() => proxy.sockets.size).toBe(0))
    }).pipe(Effect.scoped, Effect.provide(far()))
  )

  it.effect("is given up by whoever has no deadline of their own", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      proxy.fateOf = () => "hang"
      const settling = yield* Effect.forkChild(Effect.flip(device.settle("thing", "one")))
      yield* until(() => proxy.seen.length > 0)
      yield* TestClock.adjust(5000)
      expect(yield* Fiber.join(settling)).toMatchObject({
        _tag: "ShadowUnavailable",
        message: expect.stringContaining("did not answer in time")
      })
    }).pipe(Effect.scoped, Effect.provide(far()))
  )
})

describe("what AWS refuses", () => {
  const table: ReadonlyArray<readonly [fate: Fate, message: RegExp]> = [
    [{ status: 403, type: "ForbiddenException" }, /denies.*iot:GetThingShadow and iot:UpdateThingShadow/],
    [{ status: 401, type: "UnauthorizedException" }, /denies/],
    [{ status: 403, type: "ExpiredTokenException" }, /denies.*ExpiredTokenException/],
    [{ status: 404, type: "ResourceNotFoundException" }, /knows no thing.*Register/],
    [{ status: 429, type: "ThrottlingException" }, /throttles.*quota/],
    [{ status: 413, type: "RequestEntityTooLargeException" }, /no room/],
    [{ status: 409, type: "ConflictException" }, /keeps changing/],
    [{ status: 400, type: "InvalidRequestException" }, /refuses/],
    [{ status: 415, type: "UnsupportedDocumentEncodingException" }, /refuses/]
  ]
  it.live.each(table)("is certain, and the operator is told what to do: %j", ([fate, message]) =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      proxy.fateOf = ({ method }) => (method === "POST" ? fate : "pass")
      yield* (yield* LocalShadow).update("thing", { state: {} })
      if (typeof fate === "object" && fate.status === 404) yield* (yield* LocalShadow).delete("thing")
      const refused = yield* Effect.flip(device.send("thing", openLock("one"), LATER))
      expect(refused).toMatchObject({ _tag: "ShadowRejected", thing: "thing", message: expect.stringMatching(message) })
    }).pipe(Effect.scoped, Effect.provide(far()))
  )

  it.live("and no thing of that name: holds no command, and none can arrive", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      proxy.fateOf = () => ({ status: 404, type: "ResourceNotFoundException" })
      for (const thing of ["thing", "no name of a thing"]) {
        expect(yield* Effect.flip(device.send(thing, openLock("one"), LATER))).toMatchObject({ _tag: "ShadowRejected" })
        expect(yield* device.find(thing, "one", 1)).toBe(false)
        yield* device.settle(thing, "one")
      }
      expect(proxy.seen.some(({ url }) => url.includes("no"))).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(far()))
  )

  it.live("is asked again while it throttles, in the time that there is", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      let throttled = 0
      proxy.fateOf = () => (throttled++ < 2 ? { status: 429, type: "ThrottlingException" } : "pass")
      yield* device.send("thing", openLock("one"), LATER)
      expect(yield* device.find("thing", "one", 1)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(far(3)))
  )

  it.live("as no shadow of ours is an answer that makes no sense", () =>
    Effect.gen(function* () {
      const proxy = yield* Behind
      const device = yield* DeviceShadow
      for (const body of ["<html>", "{}", '{"version":"one"}', "null"]) {
        proxy.fateOf = () => ({ status: 200, type: "", body })
        expect(yield* Effect.flip(device.find("thing", "one", 1))).toMatchObject({ _tag: "ShadowUnavailable" })
      }
    }).pipe(Effect.scoped, Effect.provide(far()))
  )
})

it.live("nobody there: certain before anything was sent", () =>
  Effect.gen(function* () {
    const { url } = yield* Effect.scoped(proxyTo(""))
    const device = Context.get(yield* Layer.build(AwsIot.layer({ dataPlane: clientOf(url) })), DeviceShadow)
    expect(yield* Effect.flip(device.send("thing", openLock("one"), LATER))).toMatchObject({
      _tag: "ShadowRejected",
      message: expect.stringMatching(/could not be reached.*ECONNREFUSED.*endpoint/)
    })
    expect(yield* Effect.flip(device.find("thing", "one", 1))).toMatchObject({ _tag: "ShadowUnavailable" })
  }).pipe(Effect.scoped)
)

describe("writers at the same time", () => {
  it.live("all get through: devices that report, applications that wish, and Latchkey", () =>
    Effect.gen(function* () {
      const device = yield* DeviceShadow
      const shadows = yield* LocalShadow
      const numbers = Array.from({ length: 20 }, (_, n) => n)
      yield* Effect.all(
        [
          Effect.forEach(numbers, (n) => device.send("thing", openLock(`open-${n}`), LATER), { concurrency: 5 }),
          Effect.forEach(numbers, (n) => shadows.update("thing", { state: { reported: { battery: n } } })),
          Effect.forEach(numbers, (n) => shadows.update("thing", { state: { desired: { volume: n } } }))
        ],
        { concurrency: "unbounded" }
      )
      const { state } = yield* shadows.get("thing")
      expect(Object.keys(state.desired?.["commands"] ?? {})).toHaveLength(20)
      expect(state).toMatchObject({ desired: { volume: 19 }, reported: { battery: 19 } })
    }).pipe(Effect.scoped, Effect.provide(far()))
  )

  it.live("may delete the shadow: it is made again, and its versions go on", () =>
    Effect.gen(function* () {
      const device = yield* DeviceShadow
      const shadows = yield* LocalShadow
      yield* device.send("thing", openLock("one"), LATER)
      yield* shadows.delete("thing")
      expect(yield* device.find("thing", "one", 1)).toBe(false)
      yield* device.send("thing", openLock("two"), LATER)
      expect(yield* device.find("thing", "two", 1)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(far()))
  )
})

describe("outcomes in a shadow that is read for a command", () => {
  it.live("are reported, also without a queue", () =>
    Effect.gen(function* () {
      const device = yield* DeviceShadow
      const shadows = yield* LocalShadow
      const heard = yield* device.reports.pipe(
        Stream.take(1),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* shadows.update("thing", { state: { reported: { commands: { one: { outcome: "done", at: 5 }, odd: 1 } } } })
      yield* device.send("thing", openLock("two"), LATER)
      expect(yield* Fiber.join(heard)).toEqual([
        { _tag: "CommandOutcome", thing: "thing", commandId: "one", outcome: "done", at: 5 }
      ])
    }).pipe(Effect.scoped, Effect.provide(far()))
  )
})

describe("the start", () => {
  it.live("fails without a region or credentials, and says what to set", () =>
    Effect.gen(function* () {
      const start = (dataPlane: NonNullable<AwsIot.AwsIotOptions["dataPlane"]>) =>
        Effect.flip(Effect.scoped(Layer.build(AwsIot.layer({ dataPlane }))))
      const nowhere = async (): Promise<string> => {
        throw new Error("none anywhere")
      }
      const credentials = async () => {
        throw new Error("none anywhere")
      }
      expect((yield* start({ region: nowhere })).message).toContain("AWS_REGION")
      expect((yield* start({ region: "eu-west-1", credentials })).message).toMatch(/No credentials.*none anywhere/)
    })
  )
})
