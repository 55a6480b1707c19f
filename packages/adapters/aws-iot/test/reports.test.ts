/** What IoT rules put into the queue, as `recorded/` has it in the shapes that AWS documents, and what becomes of it. */
import { readFileSync } from "node:fs"
import { setImmediate } from "node:timers/promises"
import type { SQSClient } from "@aws-sdk/client-sqs"
import { describe, expect, it } from "@effect/vitest"
import { AwsIot } from "@latchkey/aws-iot"
import { type AbsenceReason, type DeviceReport, DeviceShadow } from "@latchkey/core"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { reportQueue } from "../src/ReportQueue.ts"
import { clientOf, KEY } from "./aws.ts"
import { type FakeQueue, fakeQueue } from "./FakeQueue.ts"
import { proxyTo } from "./Proxy.ts"

const recorded = (name: string) => readFileSync(new URL(`./recorded/${name}.json`, import.meta.url), "utf8")

const THING = "0b9f6e1c-lock"
const idOf = (n: number) => `0199b1f0-0000-7000-8000-00000000000${n}`
const presence = (online: boolean, at: number): DeviceReport => ({ _tag: "Presence", thing: THING, online, at })
const gone = (reason: AbsenceReason, at: number): DeviceReport => ({
  _tag: "Presence",
  thing: THING,
  online: false,
  reason,
  at
})
const outcomes: ReadonlyArray<DeviceReport> = [
  {
    _tag: "State",
    thing: THING,
    reported: JSON.parse(recorded("outcomes")).reported,
    at: 1767323047000
  },
  { _tag: "CommandOutcome", thing: THING, commandId: idOf(1), outcome: "done", at: 1767323046012 },
  {
    _tag: "CommandOutcome",
    thing: THING,
    commandId: idOf(2),
    outcome: "failed",
    at: 1767323046910,
    detail: "motor stalled"
  },
  // Without a clock of its own: when the shadow took it.
  { _tag: "CommandOutcome", thing: THING, commandId: idOf(3), outcome: "expired", at: 1767323047000 }
]

const openings: ReadonlyArray<DeviceReport> = [
  { _tag: "State", thing: THING, reported: JSON.parse(recorded("openings")).reported, at: 1767323053000 },
  {
    _tag: "Openings",
    thing: THING,
    series: "k3j4",
    dropped: 1,
    list: [
      { n: 17, by: "key", keyUuid: "key-1", keyIndexNumber: 3, at: 1767323041000 },
      { n: 18, by: "thumbTurn" }
    ]
  }
]

/** Messages that are hidden so long after a delivery come again at once. */
const VISIBILITY = 300

class Queue extends Context.Service<Queue, FakeQueue>()("test/Queue") {}

/** The adapter on a queue, and on shadows that are empty and take everything. */
const listening = (options: AwsIot.AwsIotOptions = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const queue = yield* Queue
      const shadows = yield* proxyTo("")
      shadows.fateOf = () => ({ status: 200, type: "", body: '{"version":1}' })
      const dataPlane = clientOf(shadows.url)
      return AwsIot.layer({
        dataPlane,
        sqs: { region: "eu-west-1", credentials: KEY },
        reportsQueue: queue.url,
        ...options
      })
    })
  ).pipe(Layer.provideMerge(Layer.effect(Queue, fakeQueue(VISIBILITY))))

const heard = (count: number) =>
  Effect.flatMap(DeviceShadow, ({ reports }) => Stream.runCollect(Stream.take(reports, count)))

const isEmpty = Effect.flatMap(Queue, ({ held }) =>
  Effect.promise(() => expect.poll(held, { timeout: 60_000 }).toEqual([]))
)

describe("a message of an IoT rule", () => {
  const table: ReadonlyArray<readonly [name: string, reports: ReadonlyArray<DeviceReport>]> = [
    ["connected", [presence(true, 1767323045451)]],
    ["disconnected", [gone("silent", 1767323101977)]],
    ["disconnected-goodbye", [gone("saidGoodbye", 1767323150310)]],
    ["disconnected-lost", [gone("connectionLost", 1767323160977)]],
    ["disconnected-operational", [gone("serverGone", 1767323170021)]],
    ["disconnected-denied", [gone("turnedAway", 1767323180122)]],
    ["disconnected-unknown", [presence(false, 1767323190223)]],
    ["disconnected-duplicate", []],
    ["connected-exclusive", [presence(true, 1767323200000)]],
    ["connect-failed", []],
    ["outcomes", outcomes],
    ["outcomes-cleared", []],
    ["outcomes-gone", []],
    ["reported-gone", []],
    [
      "device-state",
      [
        {
          _tag: "State",
          thing: THING,
          reported: JSON.parse(recorded("device-state")).reported,
          at: 1767323052000
        }
      ]
    ],
    ["openings", openings],
    ["openings-cleared", []],
    ["state", [{ _tag: "State", thing: THING, reported: { battery: 81, door: "shut" }, at: 1767323051000 }]]
  ]
  it.live.each(table)("says what it says: %s", ([name, reports]) =>
    Effect.gen(function* () {
      const queue = yield* Queue
      queue.put(recorded(name))
      queue.put(recorded("connected"))
      expect(yield* heard(reports.length + 1)).toEqual([...reports, presence(true, 1767323045451)])
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )

  it.live("is of the things that are locks alone", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      queue.put(recorded("disconnected"))
      queue.put(recorded("connected").replace(THING, "latchkey-7"))
      expect(yield* heard(1)).toEqual([{ ...presence(true, 1767323045451), thing: "7" }])
    }).pipe(Effect.scoped, Effect.provide(listening({ things: AwsIot.prefixed("latchkey-") })))
  )

  it.live("is logged and deleted when it is none", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      const nonsense = [
        "",
        "{",
        "null",
        "[]",
        '"connected"',
        '{"clientId":1,"eventType":"connected","timestamp":1}',
        '{"reported":{}}',
        "x".repeat(200_000)
      ]
      for (const body of nonsense) queue.put(body)
      queue.put('{"thingName":"a","reported":{"commands":{"one":1,"two":{"outcome":"perhaps"}}},"at":1}')
      queue.put(recorded("connected"))
      const reader = yield* heard(3).pipe(Effect.forkChild({ startImmediately: true }))
      yield* isEmpty
      queue.put(recorded("disconnected"))
      expect(yield* Fiber.join(reader)).toEqual([
        expect.objectContaining({ _tag: "State", thing: "a" }),
        presence(true, 1767323045451),
        gone("silent", 1767323101977)
      ])
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )
})

describe("a message with openings", () => {
  it.live("comes again until they are cleared, and then no more", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      const { clearOpenings } = yield* DeviceShadow
      queue.put(recorded("openings"))
      expect(yield* heard(4)).toEqual([...openings, ...openings])
      yield* clearOpenings(THING, "k3j4", 17)
      expect(queue.held()).toHaveLength(1)
      yield* clearOpenings(THING, "k3j4", 18)
      yield* isEmpty
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )
})

describe("a message with outcomes", () => {
  it.live("comes again until every one of them is settled, and then no more", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      const device = yield* DeviceShadow
      const told: Array<DeviceReport> = []
      yield* device.reports.pipe(
        Stream.runForEach((report) => Effect.sync(() => told.push(report))),
        Effect.forkScoped({ startImmediately: true })
      )
      queue.put(recorded("outcomes"))
      const toldAtLeast = (count: number) =>
        Effect.promise(() => expect.poll(() => told.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(count))
      yield* toldAtLeast(4)
      for (const n of [1, 2]) yield* device.settle(THING, idOf(n))
      yield* toldAtLeast(8)
      expect(told.slice(0, 8)).toEqual([...outcomes, ...outcomes])
      for (const n of [3, 1, 2]) yield* device.settle(THING, idOf(n))
      yield* isEmpty
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )

  it.live("is not lost when whoever listened is gone before they were settled", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      const device = yield* DeviceShadow
      queue.put(recorded("outcomes"))
      expect(yield* heard(4)).toEqual(outcomes)
      expect(yield* heard(4)).toEqual(outcomes)
      for (const n of [1, 2, 3]) yield* device.settle(THING, idOf(n))
      yield* isEmpty
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )

  it.live("of two hundred, twice each and in any order, leaves none behind", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      const device = yield* DeviceShadow
      const bodies = Array.from({ length: 200 }, (_, n) =>
        JSON.stringify({
          thingName: `lock-${n % 50}`,
          reported: { commands: { [`c-${n}`]: { outcome: "done" } } },
          at: n
        })
      )
      for (const body of [...bodies, ...bodies.toReversed()]) queue.put(body)
      const seen = new Set<string>()
      yield* device.reports.pipe(
        Stream.mapEffect(
          (report) => {
            if (report._tag !== "CommandOutcome") return Effect.void
            seen.add(report.commandId)
            return device.settle(report.thing, report.commandId)
          },
          { concurrency: 16 }
        ),
        Stream.runDrain,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* Effect.promise(() => expect.poll(queue.held, { timeout: 60_000 }).toEqual([]))
      expect(seen.size).toBe(200)
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )
})

it.live("a queue that does not answer ends the stream, and says what to check", () =>
  Effect.gen(function* () {
    const queue = yield* Queue
    queue.breakDown()
    expect(yield* Effect.flip(heard(1))).toMatchObject({
      _tag: "ShadowUnavailable",
      message: expect.stringMatching(/QueueDoesNotExist.*sqs:ReceiveMessage/)
    })
  }).pipe(Effect.scoped, Effect.provide(listening()))
)

it.effect("a queue that answers at once that it has nothing is asked once a second", () =>
  Effect.gen(function* () {
    let asked = 0
    const send = async () => {
      asked += 1
      // It falls silent for one that asks without a pause.
      return asked < 100 ? {} : new Promise(() => {})
    }
    const client = { send } as unknown as SQSClient
    const { reports } = reportQueue(client, "http://127.0.0.1/reports", { nameOf: String, uuidOf: String })
    yield* Effect.forkChild(Stream.runDrain(reports), { startImmediately: true })
    const settled = Effect.promise(async () => {
      for (let turn = 0; turn < 50; turn++) await setImmediate()
    })
    yield* settled
    expect(asked).toBe(1)
    yield* TestClock.adjust("1 second")
    yield* settled
    expect(asked).toBe(2)
  })
)

describe("a queue that never answers", () => {
  const hangs = (times: number) =>
    Effect.flatMap(Queue, ({ hanging }) => Effect.promise(() => expect.poll(hanging, { timeout: 60_000 }).toBe(times)))

  it.effect("when it is asked for messages ends the stream after half a minute", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      queue.hangAt("ReceiveMessage")
      const reader = yield* Effect.flip(heard(1)).pipe(Effect.forkChild({ startImmediately: true }))
      yield* hangs(1)
      yield* TestClock.adjust("30 seconds")
      expect((yield* Fiber.join(reader)).message).toContain("does not answer (no answer)")
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )

  it.effect("when messages are deleted holds up neither those behind them, nor whoever settles", () =>
    Effect.gen(function* () {
      const queue = yield* Queue
      const device = yield* DeviceShadow
      queue.hangAt("DeleteMessageBatch")
      queue.put(recorded("connected"))
      const told: Array<DeviceReport> = []
      yield* device.reports.pipe(
        Stream.runForEach((report) => Effect.sync(() => told.push(report))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* hangs(1)
      queue.put(recorded("outcomes"))
      yield* TestClock.adjust("10 seconds")
      const outcomesTold = () => told.filter(({ _tag }) => _tag === "CommandOutcome").length
      yield* Effect.promise(() => expect.poll(outcomesTold, { timeout: 60_000 }).toBeGreaterThanOrEqual(3))
      for (const n of [1, 2]) yield* device.settle(THING, idOf(n))
      const settling = yield* device.settle(THING, idOf(3)).pipe(Effect.forkChild({ startImmediately: true }))
      yield* Effect.promise(() => expect.poll(queue.hanging, { timeout: 60_000 }).toBeGreaterThanOrEqual(2))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(settling)
      expect(queue.held()).toHaveLength(2)
    }).pipe(Effect.scoped, Effect.provide(listening()))
  )
})
