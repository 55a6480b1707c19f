/** Uses of a key with a limit, counted over all its doors: never more, whichever process opens and whatever stops. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import { guest, makeSharedWorld, organization, sharing, uuidOf } from "./shared.ts"
import { stepOf } from "./world.ts"

const twoDoors = [
  [1, "both"],
  [2, "key"]
] as const

type World = Effect.Success<typeof makeSharedWorld>

/** Openings in the logs of both locks, and uses in the key's stream. */
const counted = Effect.fnUntraced(function* ({ logOf, store }: World) {
  const logs = [...(yield* logOf(1)), ...(yield* logOf(2))]
  const key = yield* store.read(`credential-${uuidOf(1)}`, 0, 1_000)
  return {
    opened: logs.filter(({ type }) => type === "LockOpenRequested").length,
    used: key.filter(({ type }) => type === "SharedCredentialUsed").length,
    held: yield* store.records("held/", "", 10)
  }
})

const tagOf = <A>(answer: Result.Result<A, { readonly _tag: string }>) =>
  Result.isSuccess(answer) ? "opened" : answer.failure._tag

describe("a key with a limit", () => {
  it.live("opens as often as its limit says, over all doors and processes at once", () =>
    Effect.gen(function* () {
      const world = yield* makeSharedWorld
      const { process, another } = world
      const { pin } = yield* process.share(sharing(twoDoors, { maxUses: 3 }), uuidOf(1))
      const other = yield* another()
      const tries = [1, 2, 3, 4].flatMap((n) => [
        process.open(uuidOf(1), 1 + (n % 2)),
        other.open(uuidOf(1), 2 - (n % 2)),
        other.enter(1, pin ?? "", { networks: [`192.0.2.${n}`] })
      ])
      const answers = yield* Effect.forEach(
        tries,
        (open) => Effect.result<unknown, { readonly _tag: string }, never>(open),
        {
          concurrency: "unbounded"
        }
      )
      expect(answers.map(tagOf).filter((tag) => tag === "opened")).toHaveLength(3)
      expect(yield* counted(world)).toEqual({ opened: 3, used: 3, held: [] })
      const refused = yield* Effect.flip(process.open(uuidOf(1), 2))
      expect(refused).toMatchObject({ _tag: "TempKeyNotValid", status: "used-up" })
    })
  )

  it.effect("writes nothing to the stream of a key without one", () =>
    Effect.gen(function* () {
      const world = yield* makeSharedWorld
      yield* world.process.share(sharing(twoDoors), uuidOf(1))
      yield* world.process.open(uuidOf(1), 1)
      expect(yield* counted(world)).toEqual({ opened: 1, used: 0, held: [] })
    })
  )

  it.effect("a device that cannot be told costs no use, and a retry that was answered none more", () =>
    Effect.gen(function* () {
      const world = yield* makeSharedWorld
      const { process, shadow } = world
      yield* process.share(sharing(twoDoors, { maxUses: 1 }), uuidOf(1))
      yield* shadow.setMode("reject")
      expect((yield* Effect.flip(process.open(uuidOf(1), 1)))._tag).toBe("DeviceUnreachable")
      yield* shadow.setMode("ok")
      const receipt = { id: "receipt-1", fingerprint: "the request" }
      const first = yield* process.open(uuidOf(1), 2, { receipt })
      expect(yield* process.open(uuidOf(1), 2, { receipt })).toEqual(first)
      expect(yield* counted(world)).toEqual({ opened: 1, used: 1, held: [] })
    })
  )

  it.live("in doubt a use counts, and holds up neither a suspension nor an end", () =>
    Effect.gen(function* () {
      const world = yield* makeSharedWorld
      const { process, ports, another, store } = world
      yield* process.share(sharing(twoDoors, { maxUses: 1 }), uuidOf(1))
      const device = Context.get(ports, DeviceShadow)
      const silent = Context.add(ports, DeviceShadow, { ...device, send: () => Effect.never, find: () => Effect.never })
      const dying = yield* another(silent)
      const caller = yield* Effect.forkChild(Effect.exit(dying.open(uuidOf(1), 1)))
      while ((yield* store.records("held/", "", 1)).length === 0) yield* Effect.sleep("1 millis")
      expect(yield* Effect.flip(process.open(uuidOf(1), 2))).toMatchObject({ status: "used-up" })
      const by = { commandId: "suspending", at: Date.now(), principal: organization }
      expect((yield* process.credentials.suspend(by, uuidOf(1))).credential.suspended).toBe(true)
      yield* process.revoke(uuidOf(1))
      yield* Fiber.interrupt(caller)
    })
  )
})

describe("whatever stops, in whichever process", () => {
  const step = fc.record({
    door: fc.constantFrom(1 as const, 2 as const),
    stop: fc.constantFrom("nowhere", "prepare", "send", "commit"),
    after: fc.boolean(),
    shadow: fc.constantFrom("ok" as const, "reject" as const, "lose-answer" as const, "lose-request" as const)
  })

  it("a use is counted for every opening, and none more than the limit", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.integer({ min: 1, max: 3 }), (steps, maxUses) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const world = yield* makeSharedWorld
              const { process, another, ports, store, shadow, unsettled } = world
              yield* process.share(sharing(twoDoors, { maxUses }), uuidOf(1))
              const device = Context.get(ports, DeviceShadow)
              for (const { door, stop, after, shadow: mode } of steps) {
                yield* shadow.setMode(mode)
                const stopped =
                  <Args extends ReadonlyArray<unknown>, A, E>(run: (...args: Args) => Effect.Effect<A, E>) =>
                  (...args: Args): Effect.Effect<A, E> =>
                    after ? Effect.andThen(run(...args), Effect.never) : Effect.never
                const over = ports.pipe(
                  Context.add(EventStore, {
                    ...store,
                    write: (batch) => (stepOf(batch) === stop ? stopped(store.write)(batch) : store.write(batch))
                  }),
                  Context.add(DeviceShadow, { ...device, send: stop === "send" ? stopped(device.send) : device.send })
                )
                const life = yield* Scope.make()
                const dying = yield* Effect.provideService(another(over), Scope.Scope, life)
                const caller = yield* Effect.forkChild(Effect.exit(dying.open(uuidOf(1), door)))
                yield* TestClock.adjust("50 millis")
                yield* Fiber.interrupt(caller)
                yield* Scope.close(life, Exit.void)
                const { opened, used, held } = yield* counted(world)
                expect(used).toBe(opened)
                expect(used).toBeLessThanOrEqual(maxUses)
                expect(held.length > 0).toBe((yield* unsettled).length > 0)
              }
              yield* shadow.setMode("ok")
              yield* shadow.deliver
              yield* TestClock.adjust("30 seconds")
              expect(yield* unsettled).toEqual([])
              // What is left is left: from here on it opens until it is used up, and no more.
              let { opened } = yield* counted(world)
              for (; opened < maxUses; opened++) yield* process.open(uuidOf(1), 1 + (opened % 2))
              expect(yield* Effect.flip(process.open(uuidOf(1), 1))).toMatchObject({ status: "used-up" })
              expect(yield* counted(world)).toEqual({ opened: maxUses, used: maxUses, held: [] })
            })
          ).pipe(Effect.provide(TestClock.layer()))
        )
      ),
      { numRuns: 40 }
    ))
})

void guest
