/** The shadow service in-process: what devices and fronts meet. */
import { describe, expect, it } from "@effect/vitest"
import { type DeviceCommand, DeviceShadow } from "@latchkey/core"
import { LocalShadow, type ShadowRefused } from "@latchkey/local-shadow"
import { Clock, Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { BACKLOG } from "../src/ShadowEvents.ts"
import { temporaryFolder } from "./fixture.ts"

const layer = LocalShadow.layer({ folder: ":memory:" })

const refusal = Effect.fnUntraced(function* <A, E>(effect: Effect.Effect<A, E>) {
  const { code, message } = (yield* Effect.flip(effect)) as ShadowRefused
  return { code, message }
})

/** A time after which nothing is sent here. */
const LATER = 253_402_300_799_999

const addKey = (commandId: string, keyUuid = "key"): DeviceCommand => ({
  _tag: "AddKey",
  commandId,
  seq: 1,
  issuedAt: 0,
  keyUuid
})

describe("the shadow of a thing", () => {
  it.effect("is read, written and deleted, with times from the clock", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      yield* TestClock.setTime(1_700_000_000_999)
      const timestamp = 1_700_000_000
      const state = { desired: { led: "on" } }
      expect(yield* shadows.update("thing", { state, clientToken: "t" })).toEqual({
        state,
        metadata: { desired: { led: { timestamp } } },
        version: 1,
        timestamp,
        clientToken: "t"
      })
      expect(yield* shadows.get("thing")).toEqual({
        state: { ...state, delta: { led: "on" } },
        metadata: { desired: { led: { timestamp } } },
        version: 1,
        timestamp
      })
      expect(yield* shadows.delete("thing")).toEqual({ version: 1, timestamp })
      expect((yield* shadows.update("thing", { state })).version).toBe(2)
    }).pipe(Effect.provide(layer))
  )

  it.effect("is not there before it is written, nor after it is deleted", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const missing = { code: 404, message: "No shadow exists with name: 'thing'" }
      expect(yield* refusal(shadows.get("thing"))).toEqual(missing)
      expect(yield* refusal(shadows.delete("thing"))).toEqual(missing)
      yield* shadows.update("thing", { state: {} })
      yield* shadows.delete("thing")
      expect(yield* refusal(shadows.get("thing"))).toEqual(missing)
      expect(yield* refusal(shadows.get("thing", "named"))).toEqual({
        code: 404,
        message: "No shadow exists with name: 'thing~named'"
      })
    }).pipe(Effect.provide(layer))
  )

  it.effect("is told whole after each change, to those who listen; named shadows are not", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const { updates = Stream.empty } = yield* DeviceShadow
      yield* TestClock.setTime(1_700_000_000_999)
      const told = yield* Effect.forkChild(Stream.runCollect(Stream.take(updates, 2)), { startImmediately: true })
      yield* shadows.update("thing", { state: { desired: { led: "on" } } })
      yield* shadows.update("thing", { state: { desired: { led: "off" } } }, "named")
      yield* shadows.update("thing", { state: { reported: { led: "on" } } })
      const desired = { led: { timestamp: 1_700_000_000 } }
      const common = { thing: "thing", at: 1_700_000_000_000, desired: { led: "on" } }
      expect(yield* Fiber.join(told)).toEqual([
        { ...common, version: 1, reported: {}, delta: { led: "on" }, metadata: { desired } },
        { ...common, version: 2, reported: { led: "on" }, delta: {}, metadata: { desired, reported: desired } }
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("stands apart from the named shadows, which are listed in order", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      yield* shadows.update("thing", { state: { desired: { a: 1 } } })
      for (const name of ["b", "a", "gone"]) yield* shadows.update("thing", { state: { desired: { a: name } } }, name)
      yield* shadows.delete("thing", "gone")
      expect(yield* shadows.list("thing")).toEqual(["a", "b"])
      expect(yield* shadows.list("other")).toEqual([])
      expect((yield* shadows.get("thing")).state.desired).toEqual({ a: 1 })
      expect((yield* shadows.get("thing", "b")).state.desired).toEqual({ a: "b" })
    }).pipe(Effect.provide(layer))
  )

  it.effect("is not touched by what is refused", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      yield* shadows.update("thing", { state: { desired: { a: 1 } } })
      const refused: ReadonlyArray<readonly [number, unknown, string?]> = [
        [400, {}],
        [400, { state: {} }, "no such name!"],
        [409, { state: {}, version: 7 }],
        [413, { state: { desired: { a: "x".repeat(8192) } } }]
      ]
      for (const [code, request, name] of refused) {
        expect(yield* refusal(shadows.update("thing", request, name))).toMatchObject({ code })
      }
      expect(yield* refusal(shadows.update("no thing", { state: {} }))).toMatchObject({ code: 400 })
      expect(yield* shadows.get("thing")).toMatchObject({ version: 1, state: { desired: { a: 1 } } })
    }).pipe(Effect.provide(layer))
  )

  it.effect("lets one of many writers win who expect the same version", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const won = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, writer) => writer),
        (writer) => Effect.isSuccess(shadows.update("thing", { state: { desired: { writer } }, version: 0 })),
        { concurrency: "unbounded" }
      )
      expect(won.filter(Boolean)).toHaveLength(1)
      expect((yield* shadows.get("thing")).version).toBe(1)
    }).pipe(Effect.provide(layer))
  )

  it.effect("tells its changes in order, with what the service publishes of each", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const device = yield* DeviceShadow
      const changes = yield* shadows.changes.pipe(
        Stream.take(4),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* shadows.update("thing", { state: { desired: { a: 1 } }, clientToken: "t" })
      yield* shadows.connected("thing")
      yield* shadows.update("thing", { state: { reported: { a: 1 } } }, "named")
      yield* shadows.update("thing", { state: { reported: { a: 1 } } })
      yield* shadows.delete("thing")
      expect(yield* device.find("thing", "nothing", 1)).toBe(false)
      const [first, named, second, deleted] = yield* Fiber.join(changes)
      expect(first).toMatchObject({
        _tag: "Updated",
        thing: "thing",
        accepted: { version: 1, clientToken: "t" },
        documents: { current: { state: { desired: { a: 1 } }, version: 1 }, clientToken: "t" },
        delta: { state: { a: 1 }, version: 1, clientToken: "t" }
      })
      expect(named).toMatchObject({ thing: "thing", shadowName: "named", accepted: { version: 1 } })
      expect(second).toMatchObject({ documents: { previous: { version: 1 }, current: { version: 2 } } })
      expect(second).not.toHaveProperty("delta")
      expect(deleted).toMatchObject({ _tag: "Deleted", thing: "thing", accepted: { version: 2 } })
    }).pipe(Effect.provide(layer))
  )
})

describe("device commands", () => {
  it.effect("lie under desired.commands, and settle without a trace", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const device = yield* DeviceShadow
      yield* device.send("thing", addKey("one"), LATER)
      expect((yield* shadows.get("thing")).state.delta).toEqual({
        commands: { one: { type: "AddKey", seq: 1, issuedAt: 0, keyUuid: "key" } }
      })
      yield* shadows.update("thing", { state: { reported: { commands: { one: { outcome: "done" } }, battery: 80 } } })
      yield* device.settle("thing", "one")
      expect((yield* shadows.get("thing")).state).toEqual({ reported: { battery: 80 } })
      yield* device.settle("thing", "one")
      expect((yield* shadows.get("thing")).version).toBe(3)
    }).pipe(Effect.provide(layer))
  )

  it.effect("that were not found can no longer arrive", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const device = yield* DeviceShadow
      const onItsWay = { state: { desired: { commands: { one: { type: "OpenLock" } } } }, version: 0 }
      expect(yield* device.find("thing", "one", 1)).toBe(false)
      expect(yield* refusal(shadows.update("thing", onItsWay))).toMatchObject({ code: 409 })
    }).pipe(Effect.provide(layer))
  )

  it.effect("are written as long as the clock allows, whatever the machine's says", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const device = yield* DeviceShadow
      yield* TestClock.setTime(1000)
      yield* device.send("thing", addKey("in time"), 61_000)
      yield* TestClock.setTime(62_000)
      const refused = yield* Effect.flip(device.send("thing", addKey("late"), 61_000))
      expect(refused).toMatchObject({ _tag: "ShadowRejected", message: expect.stringContaining("too late") })
      expect((yield* shadows.get("thing")).version).toBe(1)
      yield* device.send("thing", addKey("later"), 122_000)
    }).pipe(Effect.provide(layer))
  )

  it.effect("are too late when only the reading was in time", () =>
    Effect.gen(function* () {
      const device = yield* DeviceShadow
      // A clock that goes on by a second with every look.
      let time = 0
      const clock = yield* Clock.Clock
      const hasty = { ...clock, currentTimeMillis: Effect.sync(() => (time += 1000)) }
      const send = device.send("thing", addKey("one"), 1500).pipe(Effect.provideService(Clock.Clock, hasty))
      expect(yield* Effect.flip(send)).toMatchObject({ _tag: "ShadowRejected" })
      expect(yield* device.find("thing", "one", 1)).toBe(false)
    }).pipe(Effect.provide(layer))
  )

  it.effect("are refused by a full shadow, which says how many wait", () =>
    Effect.gen(function* () {
      const device = yield* DeviceShadow
      for (const id of ["one", "two"]) yield* device.send("thing", addKey(id, "x".repeat(3000)), LATER)
      const refused = yield* Effect.flip(device.send("thing", addKey("three", "x".repeat(3000)), LATER))
      expect(refused).toMatchObject({ _tag: "ShadowRejected", thing: "thing" })
      expect(refused.message).toContain("the device has 2 unacknowledged commands")
      expect(yield* device.find("thing", "three", 1)).toBe(false)
    }).pipe(Effect.provide(layer))
  )

  it.effect("are refused for a thing whose name no shadow can have", () =>
    Effect.gen(function* () {
      const device = yield* DeviceShadow
      expect(yield* Effect.flip(device.send("no thing", addKey("one"), LATER))).toMatchObject({
        _tag: "ShadowRejected"
      })
      expect(yield* device.find("no thing", "one", 1)).toBe(false)
      yield* device.settle("no thing", "one")
    }).pipe(Effect.provide(layer))
  )

  it.effect("are reported with what devices say, once more when they say it again, and never as nonsense", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const device = yield* DeviceShadow
      const report = (commands: object, name?: string) =>
        shadows.update("thing", { state: { reported: { commands } } }, name)
      yield* TestClock.setTime(5000)
      const reports = yield* device.reports.pipe(
        Stream.take(6),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      // The stream has begun when it has read what shadows hold; operations are answered in order.
      yield* shadows.list("thing")
      yield* shadows.connected("thing")
      yield* report({ wrong: { outcome: "perhaps" }, one: { outcome: "failed", at: 7, detail: "jammed" } })
      yield* report({ other: { outcome: "done" } }, "named")
      yield* report({ wrong: null, one: { outcome: "failed" } })
      yield* shadows.disconnected("thing")
      const failed = {
        _tag: "CommandOutcome",
        thing: "thing",
        commandId: "one",
        outcome: "failed",
        at: 7,
        detail: "jammed"
      }
      const state = (commands: object) => ({ _tag: "State", thing: "thing", reported: { commands }, at: 5000 })
      expect(yield* Fiber.join(reports)).toEqual([
        { _tag: "Presence", thing: "thing", online: true, at: 5000 },
        state({ wrong: { outcome: "perhaps" }, one: { outcome: "failed", at: 7, detail: "jammed" } }),
        failed,
        state({ wrong: null, one: { outcome: "failed" } }),
        failed,
        { _tag: "Presence", thing: "thing", online: false, at: 5001 }
      ])
    }).pipe(Effect.provide(layer))
  )
})

describe("whoever hears of devices slowly", () => {
  it.live("gets every outcome that is still held, and every device's presence", () =>
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const device = yield* DeviceShadow
      const things = Array.from({ length: BACKLOG + 100 }, (_, n) => `thing-${n}`)
      const [begun, free] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const outcomes = new Set<string>()
      const offline = new Set<string>()
      const listener = yield* device.reports.pipe(
        Stream.tap((report) =>
          Effect.gen(function* () {
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(free)
            if (report._tag === "CommandOutcome") outcomes.add(report.thing)
            else if (report._tag === "Presence" && !report.online) offline.add(report.thing)
          })
        ),
        Stream.takeUntil(() => outcomes.size === things.length && offline.size === 1),
        Stream.runDrain,
        Effect.forkChild({ startImmediately: true })
      )
      // The stream has begun when it has read what shadows hold; operations are answered in order.
      yield* shadows.list("first")
      yield* shadows.connected("first")
      yield* Deferred.await(begun)
      yield* shadows.disconnected("first")
      yield* Effect.forEach(
        things,
        (thing) => shadows.update(thing, { state: { reported: { commands: { one: { outcome: "done" } } } } }),
        { concurrency: "unbounded" }
      )
      yield* Deferred.succeed(free, undefined)
      yield* Fiber.join(listener)
    }).pipe(Effect.provide(layer))
  )
})

describe("the folder", () => {
  it.live("keeps the shadows from one start to the next", () =>
    Effect.gen(function* () {
      const folder = `${yield* temporaryFolder}/new/folder`
      const session = <A, E>(body: Effect.Effect<A, E, LocalShadow>) =>
        body.pipe(Effect.provide(LocalShadow.layer({ folder })))
      yield* session(LocalShadow.use((shadows) => shadows.update("thing", { state: { desired: { a: 1 } } })))
      const read = yield* session(LocalShadow.use((shadows) => shadows.get("thing")))
      expect(read).toMatchObject({ version: 1, state: { desired: { a: 1 } } })
    })
  )

  it.live("may be open more than once: no update is lost and none doubled", () =>
    Effect.gen(function* () {
      const open = Layer.build(LocalShadow.layer({ folder: yield* temporaryFolder })).pipe(
        Effect.map((context) => Context.get(context, LocalShadow))
      )
      const [a, b, c] = yield* Effect.all([open, open, open], { concurrency: "unbounded" })
      const writerOf = (n: number) => (n % 3 === 0 ? a : n % 3 === 1 ? b : c)
      const versions = yield* Effect.forEach(
        Array.from({ length: 150 }, (_, n) => n),
        (n) =>
          Effect.map(writerOf(n).update("thing", { state: { desired: { [`n${n}`]: n } } }), ({ version }) => version),
        { concurrency: "unbounded" }
      )
      expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, n) => n + 1))
      const { state } = yield* writerOf(0).get("thing")
      expect(Object.keys(state.desired ?? {})).toHaveLength(150)
    })
  )
})
