/** Updates of shadows: told live to those who ask for them, as the contract publishes them, and to nobody else. */
import { readFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Context, Effect, Fiber, Layer, PubSub, Stream } from "effect"
import { TestClock } from "effect/testing"
import { DeviceShadow, type ShadowUpdate } from "../src/device/DeviceShadow.ts"
import { layer, workers } from "../src/latchkey/Latchkey.ts"
import { Locks } from "../src/locks/Locks.ts"
import { Deliver, type Parcel } from "../src/partners/Deliver.ts"
import type { Answered } from "../src/partners/Delivery.ts"
import { Dispatcher } from "../src/partners/Dispatcher.ts"
import { ShadowUpdates } from "../src/partners/ShadowUpdates.ts"
import { Webhooks } from "../src/partners/Webhooks.ts"
import { operator, lockUuid as thing } from "./scenario.ts"
import { makeWorld } from "./world.ts"

const contract = new URL("../../http/contract/partner-envelope.schema.json", import.meta.url)
const validate = new Ajv2020({ validateFormats: false, allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(contract, "utf8"))
)

const setUp = Effect.gen(function* () {
  const world = yield* makeWorld
  const changes = yield* PubSub.unbounded<ShadowUpdate>()
  const shadow = Layer.succeed(DeviceShadow, {
    ...Context.get(world.ports, DeviceShadow),
    updates: Stream.fromPubSub(changes)
  })
  const sent: Array<{ readonly id: string; readonly url: string; readonly type: string; readonly version: number }> = []
  const receiver = { answer: Effect.succeed<Answered>({ status: 200, response: "", durationMs: 1 }) }
  const deliver = Layer.succeed(Deliver, {
    flawOf: () => undefined,
    secretOf: () => "",
    send: ({ id, webhook: { url }, body }: Parcel) =>
      Effect.suspend(() => {
        const { "detail-type": type, detail } = JSON.parse(body)
        if (type === "Shadow Update") sent.push({ id, url, type, version: detail.version })
        return type === "Shadow Update"
          ? receiver.answer
          : Effect.succeed<Answered>({ status: 200, response: "", durationMs: 1 })
      })
  })
  const everything = Dispatcher.layer.pipe(
    Layer.provideMerge(Webhooks.layer),
    Layer.provide(deliver),
    Layer.provideMerge(Layer.provideMerge(workers, layer({ claims: "open" })))
  )
  const services = yield* Layer.build(Layer.fresh(everything)).pipe(Effect.provide(shadow), Effect.provide(world.ports))
  const { execute } = Context.get(services, Locks)
  const webhooks = Context.get(services, Webhooks)
  let commands = 0
  const by = () => ({ commandId: `command-${++commands}`, at: 1_000 + commands, principal: operator })
  for (const [lockId, uuid, orgId] of [
    [7, thing, "org-1"],
    [8, "0b0e8400-e29b-41d4-a716-446655440008", "org-2"]
  ] as const) {
    yield* execute({ _tag: "CreateLock", index: 1, uuid, lockId, ...by() })
    yield* execute({ _tag: "SetOrganization", orgId, lockId, ...by() })
  }
  // Each is verified before the next one is made: who meets somebody else's write tries again by the clock.
  const webhook = (orgId: string, url: string, more: object) =>
    Effect.andThen(webhooks.create(orgId, { url: `https://${url}/`, ...more }, by()), TestClock.adjust("1 second"))
  const change = Effect.fnUntraced(function* (version: number, of = thing) {
    const update = {
      thing: of,
      version,
      at: 1_788_166_800_000,
      reported: { online: true },
      desired: {},
      delta: {},
      metadata: {}
    }
    yield* PubSub.publish(changes, update)
    yield* TestClock.adjust("10 millis")
  })
  yield* TestClock.adjust("2 seconds")
  return { updates: Context.get(services, ShadowUpdates), webhooks, webhook, by, change, sent, receiver }
})

it.effect("who follows is told of the shadows of its own locks, from then on, as published", () =>
  Effect.gen(function* () {
    const { updates, change } = yield* setUp
    yield* change(1)
    const following = yield* Effect.forkChild(Stream.runCollect(Stream.take(updates.follow("org-1"), 2)))
    const all = yield* Effect.forkChild(Stream.runCollect(Stream.take(updates.follow("*"), 3)))
    const ofOther = yield* Effect.forkChild(Stream.runCollect(Stream.take(updates.follow("org-1", new Set([9])), 1)))
    yield* TestClock.adjust("10 millis")
    yield* change(2)
    yield* change(5, "0b0e8400-e29b-41d4-a716-446655440008")
    yield* change(6, "nobody's")
    yield* change(3)
    const told = yield* Fiber.join(following)
    expect(told.map(({ id, detail }) => [id, detail.version, detail.partnerId])).toEqual([
      [`shadow-${thing}-2`, 2, "org-1"],
      [`shadow-${thing}-3`, 3, "org-1"]
    ])
    for (const one of told) expect(validate(one) ? [] : validate.errors).toEqual([])
    expect(told[0]?.detail).toMatchObject({ thingName: thing, reportedState: '{"online":true}', deltaState: "{}" })
    expect((yield* Fiber.join(all)).map(({ detail }) => detail.version)).toEqual([2, 5, 3])
    expect(ofOther.pollUnsafe()).toBeUndefined()
  }).pipe(Effect.scoped)
)

it.effect("webhooks that name it are sent it once, whatever they answer; all others are not", () =>
  Effect.gen(function* () {
    const { webhook, change, sent, receiver } = yield* setUp
    const events = ["Shadow Update", "OwnerSet"]
    yield* webhook("org-1", "asks", { events })
    yield* webhook("org-1", "all", {})
    yield* webhook("org-1", "thin", { events, payload: "thin" })
    yield* webhook("org-1", "of-another-lock", { events, lockIds: [9] })
    yield* webhook("org-2", "another", { events })
    yield* TestClock.adjust("2 seconds")
    receiver.answer = Effect.succeed({ status: 500, response: "", durationMs: 1 })
    yield* change(2)
    yield* TestClock.adjust("10 minutes")
    expect(sent.map(({ id, url, version }) => [id, url, version])).toEqual([[`shadow-${thing}-2`, "https://asks/", 2]])
  }).pipe(Effect.scoped)
)

it.effect("a webhook that answers 410 to one is disabled, as for any event", () =>
  Effect.gen(function* () {
    const { webhooks, webhook, change, sent, receiver } = yield* setUp
    yield* webhook("org-1", "gone", { events: ["Shadow Update"] })
    yield* TestClock.adjust("2 seconds")
    receiver.answer = Effect.succeed({ status: 410, response: "", durationMs: 1 })
    yield* change(1)
    yield* TestClock.adjust("2 seconds")
    yield* change(2)
    expect(sent.map(({ version }) => version)).toEqual([1])
    expect((yield* webhooks.list("org-1"))[0]).toMatchObject({
      webhook: { status: "disabled" },
      reason: "The receiver answered 410 Gone."
    })
  }).pipe(Effect.scoped)
)

it.effect("a webhook that asks to be left alone is told nothing for so long, unless it is moved meanwhile", () =>
  Effect.gen(function* () {
    const { webhooks, webhook, by, change, sent, receiver } = yield* setUp
    yield* webhook("org-1", "busy", { events: ["Shadow Update"] })
    yield* webhook("org-1", "quick", { events: ["Shadow Update"] })
    yield* TestClock.adjust("2 seconds")
    const toldOf = (url: string) => sent.filter((one) => one.url === `https://${url}/`).map(({ version }) => version)
    receiver.answer = Effect.succeed({ status: 429, retryAfter: 60_000, response: "", durationMs: 1 })
    yield* change(1)
    receiver.answer = Effect.succeed({ status: 200, response: "", durationMs: 1 })
    yield* change(2)
    yield* TestClock.adjust("59 seconds")
    yield* change(3)
    yield* TestClock.adjust("1 second")
    yield* change(4)
    expect([toldOf("busy"), toldOf("quick")]).toEqual([
      [1, 4],
      [1, 4]
    ])
    receiver.answer = Effect.succeed({ status: 503, retryAfter: 60_000, response: "", durationMs: 1 })
    yield* change(5)
    receiver.answer = Effect.succeed({ status: 200, response: "", durationMs: 1 })
    const busy = (yield* webhooks.list("org-1")).find(({ webhook }) => webhook.url === "https://busy/")
    yield* webhooks.change("org-1", busy?.webhook.id ?? "", { url: "https://moved/" }, by())
    yield* TestClock.adjust("2 seconds")
    yield* change(6)
    expect([toldOf("moved"), toldOf("quick")]).toEqual([[6], [1, 4, 5]])
  }).pipe(Effect.scoped)
)

it.effect("what comes while four are under way at a webhook is not told", () =>
  Effect.gen(function* () {
    const { webhook, change, sent, receiver } = yield* setUp
    yield* webhook("org-1", "slow", { events: ["Shadow Update"] })
    yield* TestClock.adjust("2 seconds")
    receiver.answer = Effect.as(Effect.sleep("15 seconds"), { error: "No answer", response: "", durationMs: 15_000 })
    for (let version = 1; version <= 10; version++) yield* change(version)
    expect(sent.map(({ version }) => version)).toEqual([1, 2, 3, 4])
    yield* TestClock.adjust("15 seconds")
    yield* change(11)
    expect(sent.map(({ version }) => version)).toEqual([1, 2, 3, 4, 11])
  }).pipe(Effect.scoped)
)
