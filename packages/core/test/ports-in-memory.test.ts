/** The in-memory ports pass the suites that every adapter passes; and the shadow does what a test tells it. */
import { describe, expect, it } from "@effect/vitest"
import { type DeviceCommand, type DeviceReport, DeviceShadow, Presence, ReadModel } from "@latchkey/core"
import {
  deviceShadowSuite,
  MemoryDeviceShadow,
  MemoryPresence,
  MemoryReadModel,
  presenceSuite,
  readModelSuite
} from "@latchkey/core/testing"
import { type Context, Effect, Fiber, Layer, Stream } from "effect"

/** Nothing outlives the process: whoever opens it has the same. */
const placeOf = <Id, Port>(port: Context.Key<Id, Port>, layer: Layer.Layer<Id>) =>
  Effect.map(Effect.provide(Effect.service(port), layer, { local: true }), (service) => {
    const open = Layer.succeed(port, service)
    return { open, reopen: open }
  })

readModelSuite("memory", placeOf(ReadModel, MemoryReadModel.layer))
presenceSuite("memory", placeOf(Presence, MemoryPresence.layer))
deviceShadowSuite("memory", MemoryDeviceShadow.layer, {
  acknowledge: (thing, commandId, outcome) =>
    MemoryDeviceShadow.ShadowControl.use((control) =>
      control.report({ _tag: "CommandOutcome", thing, commandId, outcome, at: 1_700_000_000_000 })
    ),
  sayOpenings: (thing, openings) =>
    MemoryDeviceShadow.ShadowControl.use((control) => control.report({ _tag: "Openings", thing, ...openings }))
})

describe("the shadow in memory", () => {
  const command: DeviceCommand = { _tag: "AddKey", commandId: "command-1", seq: 2, issuedAt: 0, keyUuid: "key-1" }
  const services = Effect.all({ shadow: DeviceShadow, control: MemoryDeviceShadow.ShadowControl })
  const test = (sentence: string, body: (_: Effect.Success<typeof services>) => Effect.Effect<unknown, unknown>) =>
    it.effect(sentence, () =>
      services.pipe(Effect.flatMap(body), Effect.provide(MemoryDeviceShadow.layer, { local: true }))
    )

  test("refuses in mode reject", ({ shadow, control }) =>
    Effect.gen(function* () {
      yield* control.setMode("reject")
      expect(yield* Effect.flip(shadow.send("thing", command, 1_000))).toMatchObject({
        _tag: "ShadowRejected",
        thing: "thing"
      })
      expect(yield* control.held("thing")).toEqual({})
    }))

  test("takes the command and says nothing about it in mode lose-answer", ({ shadow, control }) =>
    Effect.gen(function* () {
      yield* control.setMode("lose-answer")
      expect(yield* Effect.flip(shadow.send("thing", command, 1_000))).toMatchObject({ _tag: "ShadowUnavailable" })
      expect(yield* control.held("thing")).toEqual({
        "command-1": { type: "AddKey", seq: 2, issuedAt: 0, keyUuid: "key-1" }
      })
      expect(yield* shadow.find("thing", "command-1", 1)).toBe(true)
    }))

  test("delivers late in mode lose-request, unless find has said no", ({ shadow, control }) =>
    Effect.gen(function* () {
      yield* control.setMode("lose-request")
      yield* Effect.flip(shadow.send("thing", command, 1_000))
      yield* Effect.flip(shadow.send("thing", { ...command, commandId: "command-2" }, 1_000))
      expect(yield* shadow.find("thing", "command-1", 1)).toBe(false)
      yield* control.deliver
      expect(Object.keys(yield* control.held("thing"))).toEqual(["command-2"])
    }))

  test("answers nothing in mode hang, and goes on afterwards", ({ shadow, control }) =>
    Effect.gen(function* () {
      yield* control.setMode("hang")
      const asked = yield* Effect.forkChild(
        Effect.raceAllFirst([
          shadow.send("thing", command, 1_000),
          shadow.find("thing", "command-1", 1),
          shadow.settle("thing", "command-1"),
          Effect.as(Effect.yieldNow, "silence")
        ])
      )
      expect(yield* Fiber.join(asked)).toBe("silence")
      yield* control.setMode("ok")
      yield* control.deliver
      expect(yield* shadow.find("thing", "command-1", 1)).toBe(true)
    }))

  test("passes on presence", ({ shadow, control }) =>
    Effect.gen(function* () {
      const presence: DeviceReport = { _tag: "Presence", thing: "thing", online: true, at: 1 }
      const reader = yield* Effect.forkChild(Stream.runHead(shadow.reports), { startImmediately: true })
      yield* control.report(presence)
      expect(yield* Fiber.join(reader)).toMatchObject({ value: presence })
    }))
})
