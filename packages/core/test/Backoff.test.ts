/** What must go on in the background is tried again, and recovers from the pauses too. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { keepGoing } from "../src/streams/Backoff.ts"

/** When it was begun, in milliseconds: it lasts as long as said, then fails. */
const failing = Effect.fnUntraced(function* (lasting: (times: number) => number) {
  const begun: Array<number> = []
  yield* Effect.gen(function* () {
    begun.push(yield* Clock.currentTimeMillis)
    yield* Effect.sleep(lasting(begun.length))
    return yield* Effect.fail({ message: "down" })
  }).pipe(keepGoing("A thing is not done"), Effect.forkChild)
  return begun
})

describe("what keeps going", () => {
  it.effect("pauses longer each time that it fails at once, up to five seconds", () =>
    Effect.gen(function* () {
      const begun = yield* failing(() => 0)
      yield* TestClock.adjust("1 minute")
      const pauses = begun.slice(1).map((at, index) => at - (begun[index] ?? 0))
      expect(pauses.slice(0, 7)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000])
      expect(Math.max(...pauses)).toBe(5_000)
    })
  )

  it.effect("begins with short pauses again once it has gone on for a while", () =>
    Effect.gen(function* () {
      const begun = yield* failing((times) => (times === 9 ? 60_000 : 0))
      yield* TestClock.adjust("2 minutes")
      const recovered = (begun[8] ?? 0) + 60_000
      expect(begun.slice(9, 13)).toEqual([recovered, recovered + 100, recovered + 300, recovered + 700])
    })
  )

  it.effect("says so once a minute, however often it fails", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => lines.push(message))
      yield* failing(() => 0).pipe(Effect.provide(Logger.layer([logger])))
      yield* TestClock.adjust("59 seconds")
      expect(lines).toEqual([["A thing is not done; trying again", "down"]])
    })
  )
})
