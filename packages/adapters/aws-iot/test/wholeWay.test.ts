/** The whole way of a command: asked for, into the shadow, to the device, and what it says back into the history. */

import { expect, it } from "@effect/vitest"
import { createLatchkey, DeviceShadow } from "@latchkey/core"
import { MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { LocalShadow } from "@latchkey/local-shadow"
import { Context, Effect, Layer } from "effect"
import { Aws, awsIot } from "./aws.ts"

const UUID = "00000000-0000-4000-8000-000000000001"
const principal = { _tag: "Super" } as const

it.live("an open is in the history with what the device says of it, and then neither in shadow nor queue", () =>
  Effect.gen(function* () {
    const services = yield* Layer.build(awsIot())
    const shadows = Context.get(services, LocalShadow)
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
    const context = { lockId: 1, at: Date.now(), principal }
    const create = { _tag: "CreateLock", commandId: "one", uuid: UUID, index: 1 } as const
    yield* Effect.promise(() => latchkey.execute({ ...context, ...create }))
    yield* Effect.promise(() => latchkey.execute({ ...context, _tag: "OpenLock", commandId: "two" }))
    const { state } = yield* shadows.get(UUID)
    expect(Object.keys(state.delta?.["commands"] ?? {})).toEqual(["two"])
    const outcome = { outcome: "done", at: Date.now() }
    yield* shadows.update(UUID, { state: { reported: { battery: 80, commands: { two: outcome } } } })
    const types = async () => (await latchkey.history(principal, 1, 1, 10)).events.map(({ stored }) => stored.type)
    yield* Effect.promise(() =>
      expect.poll(types, { timeout: 10_000 }).toEqual(["LockCreated", "LockOpenRequested", "CommandOutcomeReported"])
    )
    yield* Effect.promise(() => expect.poll(queue.held, { timeout: 10_000 }).toEqual([]))
    expect((yield* shadows.get(UUID)).state).toEqual({ reported: { battery: 80 } })
  }).pipe(Effect.scoped)
)
