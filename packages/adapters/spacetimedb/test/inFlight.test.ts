/** Calls under way over one connection, in time that the test moves. */
import { Effect, Fiber } from "effect"
import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { Calls, MOST_CALLS, PATIENCE } from "../src/Calls.ts"

const DEADLINE = 1_000

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }))
afterEach(() => void vi.useRealTimers())

/** Calls to a server that answers when it is told to. */
const underWay = () => {
  const pending: Array<() => void> = []
  const silences: Array<string> = []
  const calls = new Calls({
    deadline: DEADLINE,
    onSilence: (message) => {
      silences.push(message)
      calls.close(message)()
    }
  })
  const ask = (how: "inTurn" | "atOnce" = "inTurn") =>
    Effect.runFork(Effect.result(calls[how](() => new Promise<void>((resolve) => pending.push(resolve)))))
  const passes = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)
  const answersNext = async () => {
    pending.shift()?.()
    await passes(0)
    // Who waits for a turn is resumed with the next round of the loop.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { pending, silences, calls, ask, answersNext, passes }
}

const tagOf = async (call: Fiber.Fiber<{ readonly _tag: string }>) => (await Effect.runPromise(Fiber.join(call)))._tag

it("many at once take as long as a slow server needs, and none is lost while answers come", async () => {
  const { pending, silences, ask, answersNext, passes } = underWay()
  const asked = Array.from({ length: 3 * MOST_CALLS }, () => ask())
  expect(pending).toHaveLength(MOST_CALLS)
  while (pending.length > 0) {
    await passes(DEADLINE / 2)
    await answersNext()
    expect(pending.length).toBeLessThanOrEqual(MOST_CALLS)
  }
  expect(silences).toEqual([])
  expect(new Set(await Promise.all(asked.map(tagOf)))).toEqual(new Set(["Success"]))
})

it("all are lost when no answer comes, and those that waited for their turn were never asked", async () => {
  const { pending, silences, ask, answersNext, passes } = underWay()
  const asked = Array.from({ length: MOST_CALLS + 1 }, () => ask())
  await passes(DEADLINE - 1)
  await answersNext()
  await passes(DEADLINE - 1)
  expect(silences).toEqual([])
  await passes(1)
  expect(silences).toEqual(["SpacetimeDB did not answer"])
  expect(pending).toHaveLength(MOST_CALLS)
  const late = ask()
  const outcomes = await Promise.all([...asked, late].map((call) => Effect.runPromise(Fiber.join(call))))
  expect(outcomes[0]).toMatchObject({ _tag: "Success" })
  expect(outcomes[1]).toMatchObject({ failure: { _tag: "AnswerLost" } })
  expect(outcomes.at(-1)).toMatchObject({ failure: { _tag: "NotAsked" } })
})

it("an idle connection is not silent", async () => {
  const { silences, ask, answersNext, passes } = underWay()
  const first = ask()
  await answersNext()
  await passes(10 * DEADLINE)
  ask()
  await passes(DEADLINE - 1)
  expect(silences).toEqual([])
  expect(await tagOf(first)).toBe("Success")
})

it("one that is not answered while all others are does not wait forever", async () => {
  const { pending, silences, ask, answersNext, passes } = underWay()
  const forgotten = ask()
  pending.length = 0
  for (let round = 0; round <= 2 * PATIENCE; round++) {
    expect(silences).toEqual([])
    await passes(DEADLINE / 2)
    ask()
    await answersNext()
  }
  expect(silences).toEqual(["SpacetimeDB answered others, but not this call"])
  expect(await Effect.runPromise(Fiber.join(forgotten))).toMatchObject({ failure: { _tag: "AnswerLost" } })
})

it("one whose caller gave up keeps its turn until it is answered", async () => {
  const { pending, ask, answersNext } = underWay()
  const asked = Array.from({ length: MOST_CALLS }, () => ask())
  for (const call of asked) await Effect.runPromise(Fiber.interrupt(call))
  const next = ask()
  expect(pending).toHaveLength(MOST_CALLS)
  await answersNext()
  expect(pending).toHaveLength(MOST_CALLS)
  pending.at(-1)?.()
  expect(await tagOf(next)).toBe("Success")
})

it("what was lost before does not wait for a turn", async () => {
  const { pending, ask } = underWay()
  for (let call = 0; call < 2 * MOST_CALLS; call++) ask()
  ask("atOnce")
  expect(pending).toHaveLength(MOST_CALLS + 1)
})
