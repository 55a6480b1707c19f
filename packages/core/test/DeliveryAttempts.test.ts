/** The attempts of a webhook are listed newest first, without gaps, however they were written, also when another process goes on. */
import { expect, it } from "@effect/vitest"
import { MemoryEventStore } from "@latchkey/core/testing"
import { Effect } from "effect"
import { type Attempt, attemptsBefore, attemptsFrom, givenUpEvents, putGivenUp } from "../src/partners/Attempts.ts"

const attempt = (number: number): Attempt => ({
  number,
  eventId: `event-${number}`,
  type: "OwnerSet",
  lockId: 1,
  attempt: 1,
  at: "2026-08-31T09:00:00Z",
  outcome: number % 5 === 0 ? "failed" : "delivered",
  status: 200,
  durationMs: 1,
  error: null,
  response: ""
})

it.effect("attempts are listed newest first, the last ten thousand or so, also when others go on writing them", () =>
  Effect.gen(function* () {
    const store = MemoryEventStore.make()
    const [all, kept] = [10_400, 9_984]
    let next = 0
    for (let writer = 0; next < all; writer++) {
      const puts = yield* attemptsFrom(store, "hook", next)
      for (let writes = 0; writes < 40 && next < all; writes++) {
        const count = Math.min((writer * 7 + writes * 3) % 17, all - next)
        const attempts = Array.from({ length: count }, (_, n) => attempt(next + n))
        yield* store.write({ put: puts(attempts, 0) })
        next += count
      }
    }
    const everything = yield* attemptsBefore(store, "hook", all, all, () => true)
    const numbers = everything.map(({ number }) => number)
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, n) => all - 1 - n))
    expect(numbers.length).toBeGreaterThanOrEqual(kept)

    const page = yield* attemptsBefore(store, "hook", all - 123, 10, ({ outcome }) => outcome === "failed")
    expect(page.map(({ number }) => number)).toEqual(Array.from({ length: 10 }, (_, n) => all - 125 - n * 5))
    expect(yield* attemptsBefore(store, "hook", 0, 10, () => true)).toEqual([])
    expect(yield* attemptsBefore(store, "another", 7, 10, () => true)).toEqual([])
  })
)

it.effect("what was given up is listed page by page, newest first, however the events are ordered", () =>
  Effect.gen(function* () {
    const store = MemoryEventStore.make()
    const count = 1_050
    // An event that failed for days is given up long after others that happened later.
    const put = Array.from({ length: count }, (_, n) => putGivenUp("hook", (n * 11) % count, attempt(n)))
    yield* store.write({ put })
    const numbers: Array<number> = []
    for (let before: number | undefined = count; before !== undefined; ) {
      const page: ReadonlyArray<Attempt> = yield* givenUpEvents(store, "hook", before, 100)
      numbers.push(...page.map(({ number }) => number))
      before = page.at(-1)?.number
    }
    expect(numbers).toEqual(Array.from({ length: count }, (_, n) => count - 1 - n))
  })
)
