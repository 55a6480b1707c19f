/** The whole way of a command: asked for, into the shadow, to the device, and what it says back into the history. */

import { expect, it } from "@effect/vitest"
import { createLatchkey, DeviceShadow } from "@latchkey/core"
import { MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { LocalShadow } from "@latchkey/local-shadow"
import { Context, Effect, Layer } from "effect"
import { Aws, awsIot } from "./aws.ts"

const UUID = "00000000-0000-4000-8000-000000000001"
const principal = { _tag: "Super" } as const

/** A lock, its shadow in AWS IoT, and the queue of its reports. */
const connected = Effect.gen(function* () {
  const services = yield* Layer.build(awsIot())
  const { queue } = Context.get(services, Aws)
  const latchkey = yield* Effect.acquireRelease(
    Effect.promise(() =>
      createLatchkey({
        store: Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer),
        shadow: Layer.succeed(DeviceShadow, Context.get(services, DeviceShadow))
      })
    ),
    (latchkey) => Effect.promise(() => latchkey.dispose())
  )
  const create = { _tag: "CreateLock", commandId: "one", uuid: UUID, index: 1 } as const
  yield* Effect.promise(() => latchkey.execute({ lockId: 1, at: Date.now(), principal, ...create }))
  return { latchkey, queue, shadows: Context.get(services, LocalShadow) }
})

it.live("what the lock saw at the door is in the history, and then neither in shadow nor queue", () =>
  Effect.gen(function* () {
    const { latchkey, shadows, queue } = yield* connected
    const add = { _tag: "AddKey", commandId: "two", keyUuid: "key-1", keyIndexNumber: 3, userId: "bob" } as const
    yield* Effect.promise(() => latchkey.execute({ lockId: 1, at: Date.now(), principal, ...add }))
    const state = { bolt: "unlocked", door: "open", battery: 12, clock: Date.now() - 86_400_000 }
    const openings = { series: "a", dropped: 0, list: [{ n: 1, by: "key", keyIndexNumber: 3 }] }
    yield* shadows.update(UUID, { state: { reported: { state, openings } } })
    const told = async () =>
      (await latchkey.history(principal, 1, { types: ["DeviceStateReported", "BatteryLow", "OpenedAtDoor"] })).events
        .map(({ wire }) => wire)
        .sort((a, b) => String(a?.type).localeCompare(String(b?.type)))
    yield* Effect.promise(() =>
      expect.poll(told, { timeout: 60_000 }).toMatchObject([
        { type: "BatteryLow", data: { battery: 12 } },
        { type: "DeviceStateReported", data: { bolt: "unlocked", door: "open", battery: 12, batteryLow: true } },
        { type: "OpenedAtDoor", data: { by: "key", keyUuid: "key-1", userId: "bob", count: 1 } }
      ])
    )
    yield* Effect.promise(() => expect.poll(queue.held, { timeout: 60_000 }).toEqual([]))
    expect((yield* shadows.get(UUID)).state.reported).toEqual({ state })
    const offBy = (yield* Effect.promise(told)).map((wire) =>
      wire?.type === "DeviceStateReported" ? Math.round((wire.data.clockOffBy ?? 0) / 3_600_000) : 0
    )
    expect(offBy).toContain(-24)
  }).pipe(Effect.scoped)
)

it.live("an open is in the history with what the device says of it, and then neither in shadow nor queue", () =>
  Effect.gen(function* () {
    const { latchkey, shadows, queue } = yield* connected
    const context = { lockId: 1, at: Date.now(), principal }
    yield* Effect.promise(() => latchkey.execute({ ...context, _tag: "OpenLock", commandId: "two" }))
    const { state } = yield* shadows.get(UUID)
    expect(Object.keys(state.delta?.["commands"] ?? {})).toEqual(["two"])
    const outcome = { outcome: "done", at: Date.now() }
    yield* shadows.update(UUID, { state: { reported: { battery: 80, commands: { two: outcome } } } })
    const types = async () => (await latchkey.history(principal, 1)).events.map(({ type }) => type)
    yield* Effect.promise(() =>
      expect.poll(types, { timeout: 60_000 }).toEqual(["LockCreated", "LockOpenRequested", "CommandOutcomeReported"])
    )
    yield* Effect.promise(() => expect.poll(queue.held, { timeout: 60_000 }).toEqual([]))
    expect((yield* shadows.get(UUID)).state).toEqual({ reported: { battery: 80 } })
  }).pipe(Effect.scoped)
)
