/** What devices and strangers can cause as often as they like is logged once a minute. */
import { expect, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { outcomesIn } from "../src/locks/CommandsInShadow.ts"

it.effect("what a device reports that is no outcome is logged once a minute, with how often it happened", () => {
  const lines: Array<string> = []
  const logged = Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))])
  return Effect.gen(function* () {
    const nonsense = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`command-${n}`, { outcome: "maybe" }]))
    for (let n = 0; n < 10; n++) expect(yield* outcomesIn("lock-1", nonsense, n)).toEqual([])
    expect(lines).toEqual([expect.stringMatching(/not the outcome of a command.*lock-1.*command-0/)])
    yield* TestClock.adjust("1 minute")
    yield* outcomesIn("lock-2", nonsense, 1)
    expect(lines.slice(1)).toEqual([expect.stringMatching(/not the outcome of a command \(and 499 times more.*lock-2/)])
    yield* TestClock.adjust("2 minutes")
    yield* outcomesIn("lock-3", nonsense, 1)
    expect(lines.slice(2)).toEqual([expect.stringMatching(/and 49 times more.*lock-3/)])
  }).pipe(Effect.provide(logged))
})
