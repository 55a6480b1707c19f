/** That devices are gone, and back: told once, late enough to be true, and not more often than anybody can use. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type AbsenceReason, Presence, PresenceUnavailable } from "../src/device/Presence.ts"
import { layer, workers } from "../src/latchkey/Latchkey.ts"
import { LockQueries } from "../src/locks/LockQueries.ts"
import { Locks } from "../src/locks/Locks.ts"
import { MOST_AN_HOUR, tells } from "../src/locks/Outages.ts"
import { PartnerFeed } from "../src/partners/PartnerFeed.ts"
import { operator, lockUuid as thing } from "./scenario.ts"
import { makeWorld } from "./world.ts"

const BEGIN = 1_788_166_800_000
const HOUR = 3_600_000

describe("what is told of a device", () => {
  const told = (isOnline: boolean | undefined, ...times: ReadonlyArray<number>) => ({ isOnline, times })
  it("is what was not told yet", () => {
    expect(tells(told(true), true, 0)).toBe(false)
    expect(tells(told(true), false, 0)).toBe(true)
    expect(tells(told(false, 0), true, 1)).toBe(true)
    expect([tells(told(undefined), true, 0), tells(told(undefined), false, 0)]).toEqual([true, true])
  })

  it("is told later where it was told so often in an hour", () => {
    const times = Array.from({ length: MOST_AN_HOUR }, (_, n) => n * 1_000)
    expect(tells(told(true, ...times), false, 10_000)).toBe(HOUR)
    expect(tells(told(true, ...times.slice(1)), false, 10_000)).toBe(true)
    expect(tells(told(true, ...times), false, HOUR)).toBe(true)
  })
})

const setUp = Effect.gen(function* () {
  yield* TestClock.setTime(BEGIN)
  const world = yield* makeWorld
  let isUp = true
  const presence = Layer.succeed(Presence, {
    ...world.presence,
    of: (things) =>
      Effect.suspend(() =>
        isUp ? world.presence.of(things) : Effect.fail(new PresenceUnavailable({ message: "down" }))
      )
  })
  /** A server over the same ports, until it is stopped. */
  const server = Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const everything = Layer.provideMerge(workers, layer({ claims: "open" }))
    const services = yield* Layer.build(Layer.fresh(everything)).pipe(
      Scope.provide(scope),
      Effect.provide(presence),
      Effect.provide(world.ports)
    )
    return { services, stop: Scope.close(scope, Exit.void) }
  })
  const first = yield* server
  const { execute } = Context.get(first.services, Locks)
  const by = (commandId: string) => ({ lockId: 7, commandId, at: BEGIN, principal: operator })
  const create = Effect.andThen(
    execute({ _tag: "CreateLock", index: 1, uuid: thing, ...by("create") }),
    execute({ _tag: "SetOrganization", orgId: "org-1", ...by("organization") })
  )
  /** Step by step: what comes due also reads and writes, beside the clock. */
  const pass = (seconds: number) =>
    Effect.forEach(Array.from({ length: Math.ceil(seconds / 5) }), () => TestClock.adjust("5 seconds"), {
      discard: true
    })
  const say = Effect.fnUntraced(function* (online: boolean, reason?: AbsenceReason) {
    const at = yield* Clock.currentTimeMillis
    yield* world.shadow.report({ _tag: "Presence", thing, online, ...(reason && { reason }), at })
  })
  const told = (orgId: string) =>
    Effect.map(world.store.feed(0, 1_000, { orgId }), (events) =>
      events
        .filter(({ type }) => type.startsWith("Device"))
        .map(({ type, at, data }) => [type, at - BEGIN, Number(data["since"]) - BEGIN])
    )
  const left = Effect.map(world.store.records("presence/", "", 100), (records) => records.length)
  const setPresence = (up: boolean) => Effect.sync(() => void (isUp = up))
  return { ...world, first, server, create, pass, say, told, left, setPresence }
})

it.effect(
  "a device that is gone for a minute is told of, and that it is back, once, however many servers hear it",
  () =>
    Effect.gen(function* () {
      const { first, server, create, pass, say, told, left } = yield* setUp
      yield* create
      yield* server
      yield* server
      yield* pass(2)
      yield* say(true)
      yield* pass(100)
      const came = ["DeviceOnline", expect.any(Number), expect.any(Number)]
      expect(yield* told("org-1")).toEqual([came])
      yield* say(false, "saidGoodbye")
      yield* pass(58)
      expect(yield* told("org-1")).toEqual([came])
      yield* pass(15)
      expect(yield* told("org-1")).toEqual([came, ["DeviceOffline", expect.any(Number), 105_000]])
      yield* say(true)
      yield* pass(75)
      const [, offline, online] = yield* told("org-1")
      expect([offline?.[0], online?.[0], online?.[2]]).toEqual(["DeviceOffline", "DeviceOnline", 180_000])
      expect(yield* left).toBe(0)
      const page = yield* Context.get(first.services, PartnerFeed).page("org-1", 0, 100, { lockIds: new Set([7]) })
      expect(
        page.told
          .slice(-2)
          .map(({ aggregateType, aggregateId, version, data }) => [
            aggregateType,
            aggregateId,
            version,
            data.type,
            data["lockId"]
          ])
      ).toEqual([
        ["thing", thing, 2, "DeviceOffline", 7],
        ["thing", thing, 3, "DeviceOnline", 7]
      ])
      expect(page.told.slice(-2).map(({ data }) => data["reason"])).toEqual(["saidGoodbye", undefined])
    }).pipe(Effect.scoped)
)

it.effect("one that is away for less is not, such as while its server starts anew", () =>
  Effect.gen(function* () {
    const { create, pass, say, told, left } = yield* setUp
    yield* create
    yield* say(true)
    yield* pass(90)
    for (let n = 0; n < 3; n++) {
      yield* say(false)
      yield* pass(20)
      yield* say(true)
      yield* pass(100)
    }
    expect([(yield* told("org-1")).map(([type]) => type), yield* left]).toEqual([["DeviceOnline"], 0])
  }).pipe(Effect.scoped)
)

it.effect("one that comes and goes is told of so many times an hour, and what is so in the end is told", () =>
  Effect.gen(function* () {
    const { create, pass, say, told } = yield* setUp
    yield* create
    for (let n = 0; n < 14; n++) {
      yield* say(n % 2 === 0)
      yield* pass(65)
    }
    const often = yield* told("org-1")
    expect(often.length).toBe(MOST_AN_HOUR)
    yield* say(often.at(-1)?.[0] === "DeviceOffline")
    yield* TestClock.adjust("62 minutes")
    const types = (yield* told("org-1")).map(([type]) => type)
    expect(types).toHaveLength(MOST_AN_HOUR + 1)
    for (const [index, type] of types.entries()) expect(type).not.toBe(types[index - 1])
  }).pipe(Effect.scoped)
)

it.effect("what one server heard, and did not live to tell, another tells", () =>
  Effect.gen(function* () {
    const { first, server, create, pass, say, told } = yield* setUp
    yield* create
    yield* pass(2)
    yield* say(false)
    yield* pass(30)
    yield* first.stop
    yield* server
    yield* pass(60)
    expect((yield* told("org-1")).map(([type]) => type)).toEqual(["DeviceOffline"])
  }).pipe(Effect.scoped)
)

it.effect("nothing is told while nobody can tell, or of what is no lock's device", () =>
  Effect.gen(function* () {
    const { create, pass, say, told, left, setPresence } = yield* setUp
    yield* say(false)
    yield* pass(75)
    expect([yield* told("org-1"), yield* left]).toEqual([[], 0])
    yield* create
    yield* say(true)
    yield* pass(75)
    yield* setPresence(false)
    yield* say(false)
    yield* pass(150)
    expect((yield* told("org-1")).map(([type]) => type)).toEqual(["DeviceOnline"])
    yield* setPresence(true)
    yield* pass(75)
    expect((yield* told("org-1")).map(([type]) => type)).toEqual(["DeviceOnline", "DeviceOffline"])
  }).pipe(Effect.scoped)
)

it.effect("is read back newest first, with why it went, by those whose lock it was then", () =>
  Effect.gen(function* () {
    const { first, create, pass, say } = yield* setUp
    yield* create
    yield* pass(5)
    yield* say(true)
    yield* pass(100)
    yield* say(false, "connectionLost")
    yield* pass(100)
    const { presenceChanges } = Context.get(first.services, LockQueries)
    const of = (orgId: string) => presenceChanges({ _tag: "Organization", orgId }, 7)
    const [gone, came] = yield* of("org-1")
    expect([gone, came]).toEqual([
      { online: false, since: BEGIN + 105_000, reason: "connectionLost" },
      { online: true, since: BEGIN + 5_000 }
    ])
    const { execute } = Context.get(first.services, Locks)
    yield* pass(5)
    const at = yield* Clock.currentTimeMillis
    yield* execute({ _tag: "SetOrganization", orgId: "org-2", lockId: 7, commandId: "sold", at, principal: operator })
    expect(yield* of("org-2")).toEqual([])
    expect((yield* Effect.flip(of("org-1")))._tag).toBe("AccessDenied")
    expect(yield* presenceChanges(operator, 7)).toHaveLength(2)
    yield* say(true)
    yield* pass(100)
    expect(yield* of("org-2")).toEqual([{ online: true, since: at }])
  }).pipe(Effect.scoped)
)
