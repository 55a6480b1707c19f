/** A process that stops at any step of opening a shared door, or of making a key: what stands is all or nothing. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import { makeSharedWorld, sharing, thingOf, uuidOf } from "./shared.ts"
import { stepOf } from "./world.ts"

type Stop = "before" | "after"

/** The step, but the process stops there: nobody hears of it any more. */
const stopAt =
  (stop: Stop) =>
  <Args extends ReadonlyArray<unknown>, A, E>(step: (...args: Args) => Effect.Effect<A, E>) =>
  (...args: Args): Effect.Effect<A, E> =>
    stop === "before" ? Effect.never : Effect.andThen(step(...args), Effect.never)

const receipt = { id: "receipt-1", fingerprint: "the request" }
const stops = ["before", "after"] as const

describe.each(["link", "PIN"] as const)("opening by %s", (by) => {
  it.effect.each(
    (["prepare", "send", "commit"] as const).flatMap((step) => stops.map((stop) => [step, stop] as const))
  )("a process may stop at this step: %o", ([step, stop]) =>
    Effect.gen(function* () {
      const { process, another, ports, store, shadow, unsettled, logOf } = yield* makeSharedWorld
      const { pin } = yield* process.share(sharing([[1, "both"]]), uuidOf(1))
      const open = ({ open, enter }: typeof process): Effect.Effect<void, unknown> =>
        by === "link" ? Effect.asVoid(open(uuidOf(1), 1, { receipt })) : Effect.asVoid(enter(1, pin ?? "", { receipt }))

      const device = Context.get(ports, DeviceShadow)
      const stopped = stopAt(stop)
      const over = ports.pipe(
        Context.add(EventStore, {
          ...store,
          write: (batch) => (stepOf(batch) === step ? stopped(store.write)(batch) : store.write(batch))
        }),
        Context.add(DeviceShadow, { ...device, send: step === "send" ? stopped(device.send) : device.send })
      )
      const life = yield* Scope.make()
      const dying = yield* Effect.provideService(another(over), Scope.Scope, life)
      const caller = yield* Effect.forkChild(Effect.exit(open(dying)))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(caller)
      yield* Scope.close(life, Exit.void)

      const next = yield* another()
      yield* TestClock.adjust("15 seconds")
      expect(yield* unsettled).toEqual([])
      const recorded = (yield* logOf(1)).slice(1).map(({ commandId }) => commandId)
      expect(Object.keys(yield* shadow.held(thingOf(1)))).toEqual(recorded)
      // Whoever asks again, with the same receipt, has opened once in all, and nothing counts against the PIN.
      yield* open(next)
      yield* open(next)
      expect((yield* logOf(1)).filter(({ type }) => type === "LockOpenRequested")).toHaveLength(1)
      expect(Object.keys(yield* shadow.held(thingOf(1)))).toHaveLength(1)
      expect((yield* store.feed(0, 1_000, { category: "pin" })).filter(({ type }) => type === "PinRefused")).toEqual([])
    })
  )
})

describe("making a key", () => {
  it.effect.each(stops)("a process may stop %s its append: asked again, it is made once, with one PIN", (stop) =>
    Effect.gen(function* () {
      const { another, ports, store } = yield* makeSharedWorld
      const request = sharing([
        [1, "code"],
        [2, "both"]
      ])
      const over = Context.add(ports, EventStore, { ...store, write: stopAt(stop)(store.write) })
      const life = yield* Scope.make()
      const dying = yield* Effect.provideService(another(over), Scope.Scope, life)
      const caller = yield* Effect.forkChild(Effect.exit(dying.share(request, uuidOf(1), { receipt })))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(caller)
      yield* Scope.close(life, Exit.void)

      const next = yield* another()
      const made = yield* next.share(request, uuidOf(2), { receipt })
      expect(made.credential.uuid).toBe(uuidOf(stop === "before" ? 2 : 1))
      const streams = (yield* store.feed(0, 10, { category: "credential" })).map(({ streamId }) => streamId)
      expect(new Set(streams)).toEqual(new Set([`credential-${made.credential.uuid}`]))
      expect(yield* next.share(request, uuidOf(3), { receipt })).toEqual(made)
      expect(yield* next.enter(2, made.pin ?? "")).toMatchObject({ doorId: 2 })
    })
  )
})
