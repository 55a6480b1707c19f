/**
 * A use of a key to several doors that its lock is known not to have begun is given back, three times a day at most over
 * all doors; everything else counts as used.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { layer } from "../src/latchkey/Latchkey.ts"
import { MOST_RETURNED } from "../src/lock/TempKey.ts"
import { DeviceReports } from "../src/locks/DeviceReports.ts"
import { millis } from "./scenario.ts"
import { makeSharedWorld, sharing, thingOf, uuidOf } from "./shared.ts"

const nine = millis("09:00")
const DAY = 24 * 60 * 60 * 1000
const twoDoors = [
  [1, "key"],
  [2, "key"]
] as const

type Answer = { readonly outcome: "done" | "failed" | "expired"; readonly began?: boolean }
const returns = ({ outcome, began }: Answer) => outcome === "expired" || (outcome === "failed" && began === false)

const makeHouse = Effect.gen(function* () {
  const world = yield* makeSharedWorld
  const { process, store, ports } = world
  yield* process.share(sharing(twoDoors, { maxUses: 100, validUntil: "2027-08-31T18:00:00.000Z" }), uuidOf(1))
  const services = yield* Effect.provide(Layer.build(Layer.fresh(layer({ claims: "open" }))), ports)
  const { take } = Context.get(services, DeviceReports)
  const clock = yield* Clock.Clock
  let opened = 0
  return {
    ...world,
    /** Opens a door; answers the command that its lock was sent. */
    open: Effect.fnUntraced(function* (doorId: 1 | 2, at = nine) {
      const commandId = `open-${++opened}`
      yield* process.open(uuidOf(1), doorId, { commandId, at })
      return commandId
    }),
    answer: (doorId: 1 | 2, commandId: string, said: Answer, at = nine) =>
      Effect.provideService(
        take({ _tag: "CommandOutcome", thing: thingOf(doorId), commandId, at, ...said }),
        Clock.Clock,
        { ...clock, currentTimeMillis: Effect.succeed(at), currentTimeMillisUnsafe: () => at }
      ),
    usedCount: Effect.map(
      Effect.andThen(
        process.credentials.find(uuidOf(1)),
        Effect.sync(() => process.credentials.at(uuidOf(1)))
      ),
      ({ state }) => state?.usedCount
    ),
    returned: Effect.map(store.read(`credential-${uuidOf(1)}`, 0, 1_000), (events) =>
      events.filter(({ type }) => type === "SharedCredentialUseReturned")
    )
  }
})

describe("a use of a key to several doors", () => {
  it.effect.each<readonly [Answer, boolean]>([
    [{ outcome: "done" }, false],
    [{ outcome: "done", began: false }, false],
    [{ outcome: "failed" }, false],
    [{ outcome: "failed", began: true }, false],
    [{ outcome: "failed", began: false }, true],
    [{ outcome: "expired" }, true]
  ])("whose opening is answered with %j is given back: %s", ([said, isReturned]) =>
    Effect.gen(function* () {
      const { open, answer, usedCount, returned } = yield* makeHouse
      const commandId = yield* open(2)
      expect(yield* usedCount).toBe(1)
      for (let n = 0; n < 2; n++) yield* answer(2, commandId, said)
      expect(yield* usedCount).toBe(isReturned ? 0 : 1)
      expect(yield* returned).toMatchObject(isReturned ? [{ commandId, data: { lockId: 2, doorId: 2 } }] : [])
    })
  )

  it.effect("is not given back by another lock's device, nor of a key that has ended", () =>
    Effect.gen(function* () {
      const { open, answer, returned, process } = yield* makeHouse
      const commandId = yield* open(1)
      yield* answer(2, commandId, { outcome: "expired" })
      expect(yield* returned).toEqual([])
      yield* process.revoke(uuidOf(1))
      yield* answer(1, commandId, { outcome: "expired" })
      expect(yield* returned).toEqual([])
    })
  )

  const step = fc.record({
    door: fc.constantFrom(1 as const, 2 as const),
    wait: fc.integer({ min: 0, max: DAY / 2 }),
    said: fc.option(
      fc.record(
        { outcome: fc.constantFrom("done" as const, "failed" as const, "expired" as const), began: fc.boolean() },
        { requiredKeys: ["outcome"] }
      )
    ),
    twice: fc.boolean()
  })

  it("counts unless it is given back: never more than three in any 24 hours, whatever the locks say and when", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 16 }), (steps) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const { open, answer, usedCount, returned } = yield* makeHouse
              const given: Array<number> = []
              let now = nine
              for (const { door, wait, said, twice } of steps) {
                now += wait
                const commandId = yield* open(door, now)
                // Silence counts as used.
                if (said === null) continue
                for (let n = 0; n < (twice ? 2 : 1); n++) yield* answer(door, commandId, said, now)
                if (returns(said) && given.filter((at) => now - at < DAY).length < MOST_RETURNED) given.push(now)
              }
              expect((yield* returned).map(({ at }) => at)).toEqual(given)
              expect(yield* usedCount).toBe(steps.length - given.length)
            })
          ).pipe(Effect.provide(TestClock.layer()))
        )
      ),
      { numRuns: 15 }
    ))
})
