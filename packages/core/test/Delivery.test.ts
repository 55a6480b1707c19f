/** The rules of deliveries, as tables and properties: what an answer means, when something is tried again, and what ends. */
import { describe, expect, it } from "@effect/vitest"
import { HashMap, Schema } from "effect"
import {
  type Answered,
  begin,
  heeding,
  isWaiting,
  judge,
  MOST_GIVEN_UP,
  meaningOf,
  type Progress,
  paced,
  RETRIES,
  retryAfterOf,
  slowly,
  unverified
} from "../src/partners/Delivery.ts"

const answered = (status: number | undefined, more: Partial<Answered> = {}): Answered => ({
  response: "",
  durationMs: 1,
  ...(status === undefined ? { error: "refused" } : { status }),
  ...more
})
const start = begin({ after: 0, changed: 1 })
const first = { attempts: 0, due: 0, since: 0 }
const HOUR = 3_600_000
const DAY = 24 * HOUR

describe("an answer", () => {
  it.each([
    [200, "delivered"],
    [204, "delivered"],
    [299, "delivered"],
    [101, "failed"],
    [301, "failed"],
    [304, "failed"],
    [400, "refused"],
    [404, "refused"],
    [410, "gone"],
    [429, "failed"],
    [500, "failed"],
    [503, "failed"],
    [undefined, "failed"]
  ] as const)("%s is %s", (status, meaning) => {
    expect(meaningOf(answered(status))).toBe(meaning)
  })

  it("that asks to be left alone is waited for, a day at most", () => {
    for (const status of [429, 503]) {
      expect(meaningOf(answered(status, { retryAfter: 7 }))).toBe("later")
      expect(judge(start, first, answered(status, { retryAfter: 7_000 }), 1_000, 0)).toMatchObject({
        outcome: "failed",
        next: { due: 8_000 },
        progress: { waitUntil: 8_000, failedInRow: 0 }
      })
      expect(judge(start, first, answered(status, { retryAfter: 9 * DAY }), 0, 0).next.due).toBe(DAY)
      const atOnce = judge(start, first, answered(status, { retryAfter: 0 }), 1_000, 0)
      expect([atOnce.next.due, atOnce.progress.waitUntil]).toEqual([2_000, 2_000])
    }
    expect(meaningOf(answered(500, { retryAfter: 7 }))).toBe("failed")
  })

  it("that broke off was none, whatever it began with", () => {
    expect(meaningOf(answered(200, { error: "broke off" }))).toBe("failed")
  })

  it("says when to come again in seconds or as a date", () => {
    expect(retryAfterOf("120", 0)).toBe(120_000)
    expect(retryAfterOf("Thu, 01 Jan 1970 00:01:00 GMT", 10_000)).toBe(50_000)
    expect(retryAfterOf("Thu, 01 Jan 1970 00:01:00 GMT", 90_000)).toBe(0)
    expect(retryAfterOf("9".repeat(400), 0)).toBeGreaterThan(DAY)
    for (const text of [undefined, "", "soon", "-1x", "-5", "1.5", "2, 9", "Monday week"])
      expect(retryAfterOf(text, 0)).toBeUndefined()
  })
})

describe("an event that fails", () => {
  /** Fails again and again, as soon as it is due; others succeed meanwhile, or do not. */
  const failing = (others: boolean) => {
    let [progress, held, now] = [start, { attempts: 0, since: 0, due: 0 }, 0]
    const pauses: Array<number> = []
    for (let n = 0; n < 30; n++) {
      if (others) progress = { ...progress, lastSuccessAt: now, failingSince: undefined, failedInRow: 0 }
      const { outcome, next, disable, progress: after } = judge(progress, held, answered(500), now, 0)
      ;[progress, held] = [after, next]
      if (outcome === "given-up" || disable !== undefined) return { outcome, disable, pauses, now }
      pauses.push(next.due - now)
      now = next.due
    }
    return expect.fail("never ends")
  }

  it("is tried after the published pauses, and given up when the last has failed while others succeed", () => {
    expect(failing(true)).toMatchObject({ outcome: "given-up", pauses: RETRIES })
  })

  it("is never given up when nothing succeeds; the webhook ends after five days", () => {
    const { outcome, disable, now } = failing(false)
    expect([outcome, disable]).toEqual(["failed", "Nothing was delivered for five days."])
    expect(now).toBeGreaterThanOrEqual(5 * DAY)
    expect(now).toBeLessThan(6 * DAY + HOUR)
  })

  it.prop("is tried no earlier than the published pause, and at most a fifth later", [Schema.Int], ([seed]) => {
    const jitter = (Math.abs(seed) % 1_000) / 1_000
    const { next } = judge(start, first, answered(500), 0, jitter)
    expect(next.due).toBeGreaterThanOrEqual(5_000)
    expect(next.due).toBeLessThanOrEqual(6_000)
  })
})

describe("a refused event", () => {
  it("is given up at once, and the next of its lock follows", () => {
    expect(judge(start, first, answered(400), 7, 0)).toMatchObject({
      outcome: "given-up",
      next: { attempts: 0 },
      progress: { givenUp: 1, refusedInRow: 1 }
    })
  })

  it("as the twentieth in a row is about the webhook, which waits", () => {
    let progress: Progress = start
    const outcomes = Array.from({ length: 21 }, () => {
      const judged = judge(progress, first, answered(400), 7, 0)
      progress = judged.progress
      return judged.outcome
    })
    expect(outcomes).toEqual([...Array.from({ length: 19 }, () => "given-up"), "failed", "failed"])
    expect(isWaiting(progress)).toBe(true)
    expect(isWaiting(judge(progress, first, answered(200), 7, 0).progress)).toBe(false)
  })

  it("is not given up when as many are as may be", () => {
    expect(judge({ ...start, givenUp: MOST_GIVEN_UP }, first, answered(400), 7, 0).outcome).toBe("failed")
  })
})

it("while nothing succeeds, something is tried now and then: soon at first, every half hour later", () => {
  let [progress, now]: [Progress, number] = [start, 0]
  const pauses = Array.from({ length: 16 }, () => {
    progress = judge(progress, first, answered(500), now, 0).progress
    const pause = Math.max(0, progress.waitUntil - now) / 1_000
    now = Math.max(now, progress.waitUntil)
    return pause
  })
  expect(pauses).toEqual([0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 1_280, 1_800, 1_800, 1_800])
})

it("what is tried before its time, while nothing succeeds, keeps its time and its tries", () => {
  const down = { ...start, failedInRow: 5, failingSince: 0, waitUntil: HOUR }
  const early = { attempts: RETRIES.length, due: DAY, since: 0 }
  const { outcome, next, progress } = judge({ ...down, lastSuccessAt: 1 }, early, answered(500), HOUR, 0)
  expect([outcome, next, progress.failedInRow]).toEqual(["failed", early, 6])
  expect(progress.waitUntil).toBe(HOUR + 10_000)
})

it("many that were under way and fail at once are one sign that the receiver is down", () => {
  let progress: Progress = start
  for (let n = 0; n < 16; n++) progress = judge(progress, first, answered(500), n, 0).progress
  expect(progress).toMatchObject({ failedInRow: 5, waitUntil: 4 + 5_000 })
})

it("who asks to be left alone is, also when something that was under way succeeds", () => {
  const { progress } = judge(start, first, answered(429, { retryAfter: 60_000 }), 1_000, 0)
  expect(judge(progress, first, answered(200), 1_010, 0).progress.waitUntil).toBe(61_000)
  const down = { ...start, failedInRow: 5, waitUntil: 61_000 }
  expect(judge(down, first, answered(200), 1_010, 0).progress.waitUntil).toBe(0)
})

describe("the pace", () => {
  const paceAfter = (successes: number, from = slowly) =>
    Array.from({ length: successes }).reduce<typeof slowly>((pace) => paced(pace, false), from)

  it("begins with one request, and doubles with each success, up to sixteen", () => {
    expect([0, 1, 2, 3, 4, 5].map((successes) => paceAfter(successes).limit)).toEqual([1, 2, 4, 8, 16, 16])
  })

  it("is halved by a failure, and then one more is tried after four rounds", () => {
    const half = paced(paceAfter(10), true)
    expect(half).toEqual({ limit: 8, known: 8 })
    expect(Math.floor(paceAfter(30, half).limit)).toBe(8)
    expect(Math.floor(paceAfter(40, half).limit)).toBe(9)
  })

  it("of a receiver that was down is one, doubles no more, and comes back to sixteen", () => {
    const down = [1, 2, 3, 4, 5].reduce((pace) => paced(pace, true), paceAfter(10))
    expect(down).toEqual({ limit: 1, known: 1 })
    expect(Math.floor(paceAfter(4, down).limit)).toBe(1)
    expect(paceAfter(600, down).limit).toBe(16)
  })
})

it("a challenge is sent again by the schedule, and not before a receiver that asks to be left alone", () => {
  const dueAfter = (answer: Answered) => unverified(start, answer, 1_000, 0).progress.verification.due
  expect(dueAfter(answered(503))).toBe(6_000)
  expect(dueAfter(answered(503, { retryAfter: HOUR }))).toBe(1_000 + HOUR)
  expect(dueAfter(answered(429, { retryAfter: 9 * DAY }))).toBe(1_000 + DAY)
  expect(dueAfter(answered(429, { retryAfter: 1_000 }))).toBe(6_000)
})

it("410 ends the webhook at once", () => {
  expect(judge(start, first, answered(410), 7, 0).disable).toContain("410")
})

it("a receiver that is back gets at once what has waited for it", () => {
  const held = HashMap.make(["lock-1", { version: 3, attempts: 4, due: DAY, since: 0 }])
  const down = { ...start, live: { cursor: 9, held }, failedInRow: 5, failingSince: 0 }
  const { progress } = judge(down, first, answered(200), HOUR, 0)
  expect(HashMap.toEntries(progress.live.held)).toEqual([["lock-1", { version: 3, attempts: 4, due: HOUR, since: 0 }]])
  expect(progress).toMatchObject({ failedInRow: 0, failingSince: undefined, lastSuccessAt: HOUR })
  const enabled = heeding(down, 7, HOUR)
  expect(HashMap.toEntries(enabled.live.held)[0]?.[1].due).toBe(HOUR)
  expect([isWaiting(down), isWaiting(enabled), enabled.changed]).toEqual([true, false, 7])
})
