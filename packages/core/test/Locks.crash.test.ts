/** A process that stops at any step of a device command: log and shadow agree after the next one has started. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import { lockUuid } from "./scenario.ts"
import { create, makeWorld, withStep } from "./world.ts"

type Stop = "before" | "after"

/** The step, but the process stops there: nobody hears of it any more. */
const stopAt =
  (stop: Stop) =>
  <Args extends ReadonlyArray<unknown>, A, E>(step: (...args: Args) => Effect.Effect<A, E>) =>
  (...args: Args): Effect.Effect<A, E> =>
    stop === "before" ? Effect.never : Effect.andThen(step(...args), Effect.never)

const steps = ["prepare", "send", "commit", "discard", "find"] as const

describe.each<"ok" | "reject" | "lose-answer" | "lose-request">(["ok", "reject", "lose-answer", "lose-request"])(
  "when the shadow would answer %s",
  (mode) => {
    it.effect.each(steps.flatMap((step) => [[step, "before"] as const, [step, "after"] as const]))(
      "a process may stop at this step: %o",
      ([step, stop]) =>
        Effect.gen(function* () {
          const { ports, store, shadow, process, log, unsettled } = yield* makeWorld
          yield* (yield* process())(create)
          yield* shadow.setMode(mode)

          const device = Context.get(ports, DeviceShadow)
          const stopped = stopAt(stop)
          const over = ports.pipe(
            Context.add(
              EventStore,
              withStep(store, step, (write) => stopped(() => write)())
            ),
            Context.add(DeviceShadow, {
              ...device,
              send: step === "send" ? stopped(device.send) : device.send,
              find: step === "find" ? stopped(device.find) : device.find
            })
          )
          const life = yield* Scope.make()
          const dying = yield* Effect.provideService(process({ over }), Scope.Scope, life)
          const caller = yield* Effect.forkChild(Effect.exit(dying({ _tag: "AddKey", keyUuid: "key-1" })))
          yield* TestClock.adjust("1 millis")
          yield* Fiber.interrupt(caller)
          yield* Scope.close(life, Exit.void)

          yield* shadow.setMode("ok")
          const execute = yield* process()
          yield* TestClock.adjust("15 seconds")
          yield* shadow.deliver
          expect(yield* unsettled).toEqual([])
          const recorded = (yield* store.read("lock-7", 1, 10)).map(({ commandId }) => commandId)
          expect(Object.keys(yield* shadow.held(lockUuid))).toEqual(recorded)
          expect((yield* execute({ _tag: "SetOwner", userId: "ada" })).version).toBe(recorded.length + 2)
          expect((yield* log).at(-1)).toBe("OwnerSet")
        })
    )
  }
)
