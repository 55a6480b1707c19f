/** Changes of shadows, by the rule of docs/aws.md: as the shadow then is, of locks alone, and each once. */
import type { SQSClient } from "@aws-sdk/client-sqs"
import { describe, expect, it } from "@effect/vitest"
import { AwsIot } from "@latchkey/aws-iot"
import { DeviceShadow, type ShadowUpdate } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { updatesIn } from "../src/updates.ts"
import { Aws, awsIot, KEY } from "./aws.ts"

const UUID = "00000000-0000-4000-8000-000000000001"

const listening = Effect.fnUntraced(function* (options: AwsIot.AwsIotOptions = {}) {
  const services = yield* Layer.build(awsIot(options))
  const { updates = Stream.empty } = Context.get(services, DeviceShadow)
  const { update, get } = Context.get(services, LocalShadow)
  return {
    queue: Context.get(services, Aws).updates,
    update,
    get,
    told: (count: number) => Effect.map(Stream.runCollect(Stream.take(updates, count)), Array.from<ShadowUpdate>)
  }
})

describe("a change of a shadow", () => {
  it.live("is told as the shadow then is, with what its device does not report of what is wanted", () =>
    Effect.gen(function* () {
      const { update, get, told, queue } = yield* listening()
      const changes = [
        { desired: { light: { on: true, colour: "red", at: [1, 2] }, volume: 3, gone: {} } },
        { reported: { light: { on: true, colour: "green", at: [2, 1] }, battery: 81 } },
        { reported: { light: { colour: "red" }, volume: 3 } },
        { reported: { light: { at: [1, 2] }, gone: {}, extra: null } },
        { desired: { light: null, volume: { of: "bell" } } },
        { desired: null, reported: null }
      ]
      for (const state of changes) {
        const { version, timestamp } = yield* update(UUID, { state })
        const { state: now, metadata } = yield* get(UUID)
        const { desired = {}, reported = {}, delta = {} } = now
        const expected = { thing: UUID, version, at: 1000 * timestamp, desired, reported, delta, metadata }
        expect(yield* told(1)).toEqual([expected])
      }
      yield* Effect.promise(() => expect.poll(queue.held, { timeout: 60_000 }).toEqual([]))
    }).pipe(Effect.scoped)
  )

  it.live("is told of locks alone, by their uuids; what is none is deleted", () =>
    Effect.gen(function* () {
      const { update, told, queue } = yield* listening({ things: AwsIot.prefixed("latchkey-") })
      const current = { state: {}, version: 1 }
      const strangers = [
        "",
        "null",
        '{"thingName":"latchkey-1"}',
        JSON.stringify({ thingName: "latchkey-1", at: "now", current }),
        JSON.stringify({ thingName: "latchkey-1", at: 1, current: { ...current, state: { desired: [] } } })
      ]
      for (const body of strangers) queue.put(body)
      yield* update("kettle", { state: { reported: { on: true } } })
      yield* update(`latchkey-${UUID}`, { state: { reported: { battery: 80 } } })
      expect(yield* told(1)).toMatchObject([{ thing: UUID, reported: { battery: 80 } }])
      yield* Effect.promise(() => expect.poll(queue.held, { timeout: 60_000 }).toEqual([]))
    }).pipe(Effect.scoped)
  )

  it.live("is not told where no queue is named", () =>
    Effect.gen(function* () {
      const shadow = yield* Layer.build(AwsIot.layer({ dataPlane: { region: "eu-west-1", credentials: KEY } }))
      expect(Context.get(shadow, DeviceShadow).updates).toBeUndefined()
    }).pipe(Effect.scoped)
  )
})

it.effect("a queue that does not answer is asked again", () =>
  Effect.gen(function* () {
    let asked = 0
    const Body = JSON.stringify({ thingName: UUID, at: 1, current: { state: {}, version: 1 } })
    const send = async () => {
      asked += 1
      if (asked <= 3) throw new Error("away")
      return { Messages: [{ Body, ReceiptHandle: "1" }] }
    }
    const client = { send } as unknown as SQSClient
    const updates = updatesIn(client, "http://127.0.0.1/updates", { nameOf: String, uuidOf: String })
    const told = yield* Effect.forkChild(Stream.runCollect(Stream.take(updates, 1)), { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    expect(Array.from(yield* Fiber.join(told))).toMatchObject([{ thing: UUID, version: 1 }])
  })
)
