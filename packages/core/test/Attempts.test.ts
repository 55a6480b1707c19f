/** What was refused at a lock is listed newest first, each once, wherever it was kept, to those whose time it was. */

import { describe, expect, it } from "@effect/vitest"
import { MemoryEventStore } from "@latchkey/core/testing"
import { Arbitrary, Context, Effect, Layer, Schema } from "effect"
import type { Lock } from "../src/lock/Lock.ts"
import { recordOfRefused, streamOfRefused } from "../src/locks/RefusedUses.ts"
import { EventStore, type NewEvent } from "../src/streams/EventStore.ts"
import { pinStreamsOf } from "../src/temp-key/PinAttempts.ts"
import type { Principal } from "../src/values/Principal.ts"
import { AttemptsQuery, readAttempts } from "../src/why/Attempts.ts"
import { type ExplainRequest, Explanations } from "../src/why/Explanations.ts"
import { clock, created, given, lockId, millis, operator } from "./scenario.ts"
import { append, create, makeWorld } from "./world.ts"

const DAY = 86_400_000
/** After everything that happens here. */
const LATE = millis("09:00") + 40 * 2_000 * DAY
const eve: Principal = { _tag: "User", userId: "eve" }
const lock = given(created).lock() as Lock

interface Kept {
  readonly kind: "use" | "command" | "own PIN" | "shared PIN" | "first edition"
  readonly at: number
  /** Of another lock. */
  readonly other?: boolean
}

const keepAll = Effect.fnUntraced(function* (kept: ReadonlyArray<Kept>) {
  const store = Context.get(yield* Layer.build(Layer.fresh(MemoryEventStore.layer)), EventStore)
  const versions = new Map<string, number>()
  for (const [index, { kind, at, other = false }] of kept.entries()) {
    const of = other ? lockId + 16 : lockId
    const [own, shared = "", first = ""] = pinStreamsOf(of)
    const [streamId, type, data] =
      kind === "use"
        ? [
            streamOfRefused(of, at),
            "TempKeyRefused",
            { tempKeyUuid: "key", lockId: of, lockVersion: 1, reason: "expired" }
          ]
        : kind === "command"
          ? [
              streamOfRefused(of, at),
              "CommandRefused",
              { lockId: of, lockVersion: 1, command: "OpenLock", reason: "access-denied", ignorable: true }
            ]
          : [
              { "own PIN": own, "shared PIN": shared, "first edition": first }[kind],
              "PinRefused",
              { lockId: of, accounts: [] }
            ]
    const event: NewEvent = {
      eventId: `event-${index}`,
      type,
      data,
      at,
      orgId: "",
      principal: eve,
      commandId: `c-${index}`
    }
    const version = versions.get(streamId) ?? 0
    versions.set(streamId, version + 1)
    const record = recordOfRefused({ streamId })
    yield* store.write({
      append: [{ streamId, expectedVersion: version, events: [event] }],
      put: record ? [record] : []
    })
  }
  return store
})

const walk = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  query: AttemptsQuery,
  by = operator,
  of = lock
) {
  const found: Array<string> = []
  let cursor: string | undefined
  for (let pages = 0; pages < 2_000; pages++) {
    const page = yield* readAttempts(by, of, { ...query, ...(cursor !== undefined && { cursor }) }, LATE).pipe(
      Effect.provideService(EventStore, store)
    )
    found.push(...page.attempts.map(({ attemptId }) => attemptId))
    cursor = page.nextCursor
    if (cursor === undefined) return found
  }
  return expect.unreachable("the list has no end")
})

const Step = Schema.Struct({
  kind: Schema.Literals(["use", "command", "own PIN", "shared PIN", "first edition"]),
  passes: Schema.Literals([0, 0, 1_000, DAY, 40 * DAY, 2_000 * DAY]),
  other: Schema.Boolean
})

it.effect.prop(
  "every attempt is listed once, newest first, in pages of any size",
  [Arbitrary.schema(Schema.Array(Step).check(Schema.isMaxLength(40))), Arbitrary.schema(Schema.Literals([1, 3, 200]))],
  ([steps, limit]) =>
    Effect.gen(function* () {
      let at = millis("09:00")
      const kept = steps.map(({ kind, passes, other }): Kept => ({ kind, other, at: (at += passes) }))
      const expected = kept.flatMap(({ other }, index) => (other ? [] : [`event-${index}`])).toReversed()
      expect(yield* walk(yield* keepAll(kept), { limit })).toEqual(expected)
    }).pipe(Effect.scoped)
)

describe("a page", () => {
  it.effect("goes on where much is not for the one who asks", () =>
    Effect.gen(function* () {
      const kept = Array.from({ length: 2_500 }, (_, n): Kept => ({ kind: "own PIN", at: millis("09:00") + n }))
      const store = yield* keepAll(kept)
      const sold = {
        ...lock,
        owners: [
          { from: 1, since: millis("09:00"), id: "ada" },
          { from: 2, since: millis("09:00") + 5, id: "ben" }
        ]
      }
      const seen = yield* walk(store, {}, { _tag: "User", userId: "ada" }, sold)
      expect(seen).toEqual(["event-4", "event-3", "event-2", "event-1", "event-0"])
      expect(yield* walk(store, {}, { _tag: "User", userId: "zoe" }, sold)).toEqual([])
    })
  )

  it.effect("is refused for a cursor that was made up", () =>
    Effect.gen(function* () {
      for (const query of [{ cursor: "abc" }, { limit: 0 }, { limit: 201 }])
        yield* Effect.flip(Schema.decodeUnknownEffect(AttemptsQuery)(query))
    })
  )
})

describe("explain", () => {
  it.live("takes the id of any event and of any attempt", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const execute = yield* world.process()
      const { explain, attempts } = Context.get(yield* world.latchkey(), Explanations)
      const seaside: Principal = { _tag: "Organization", orgId: "seaside", keyId: "key-1" }
      const ada: Principal = { _tag: "User", userId: "ada" }
      yield* execute({ ...create, ownerId: "ada" }, { principal: seaside })
      yield* execute({ _tag: "AddKey", keyUuid: "key", userId: "bob" }, { principal: seaside })
      yield* execute({ _tag: "OpenLock" }, { principal: { _tag: "User", userId: "bob" } })
      yield* execute({ _tag: "AddResident", name: "Ann", userId: "ann" }, { principal: ada })
      yield* execute({ _tag: "AddResident", name: "Bob", userId: "bob" }, { principal: operator })
      yield* Effect.flip(execute({ _tag: "OpenLock" }, { principal: eve }))
      const log = yield* world.store.read(`lock-${lockId}`, 0, 100)
      const rules: Array<unknown> = []
      for (const { eventId, version } of log) {
        const explained = yield* explain(operator, lockId, { attemptId: eventId })
        expect(explained).toMatchObject({ allowed: true, recorded: { eventId, version, outcome: "done" } })
        rules.push([explained.rule, explained.facts.events.map(({ version }) => version)])
      }
      expect(rules).toEqual([
        ["new-lock", []],
        ["organization", [1]],
        ["key-holder", [1, 2]],
        ["owner", [1]],
        ["operator", []]
      ])
      const { attempts: refused } = yield* attempts(ada, lockId, {}, millis("10:00"))
      expect(refused).toMatchObject([{ what: "command", command: "OpenLock", reason: "access-denied", principal: eve }])
      const request: ExplainRequest = { attemptId: refused[0]?.attemptId ?? "" }
      expect(yield* explain(ada, lockId, request)).toMatchObject({
        allowed: false,
        rule: "no-right",
        version: 5,
        recorded: { outcome: "access-denied", principal: eve }
      })
      expect(yield* Effect.flip(explain(operator, lockId, { attemptId: "nothing" }))).toMatchObject({
        _tag: "AttemptNotFound"
      })
      expect(yield* Effect.flip(attempts(eve, lockId, {}, 0))).toMatchObject({ _tag: "AccessDenied" })
    })
  )
})

describe("an opening at a lock that opens for nobody is kept with why", () => {
  const tempKeyUuid = "7e3b0000-0000-4000-8000-000000000001"
  const other = "0b0e8400-e29b-41d4-a716-44665544000a"
  const share = {
    _tag: "CreateTempKey",
    tempKeyUuid,
    accessMode: "public",
    validFrom: clock("08:00"),
    validUntil: clock("20:00")
  } as const
  const ada: Principal = { _tag: "User", userId: "ada" }

  /** Tries to open as owner and as guest, with a link of nobody's too, and does what is no opening. */
  const tried = Effect.fnUntraced(function* (world: Effect.Success<typeof makeWorld>) {
    const { attempts, explain } = Context.get(yield* world.latchkey(), Explanations)
    const execute = yield* world.process()
    const at = millis("12:00")
    for (const [n, request, principal] of [
      [1, { _tag: "OpenLock" }, ada],
      [2, { _tag: "OpenWithTempKey", tempKeyUuid }, { _tag: "Guest" }],
      [3, { _tag: "OpenWithTempKey", tempKeyUuid: "7e3b0000-0000-4000-8000-0000000000ff" }, { _tag: "Guest" }],
      [4, { _tag: "AddKey", keyUuid: "key" }, operator]
    ] as const)
      yield* Effect.flip(execute(request, { principal, at: at + n }))
    const page = yield* attempts(operator, lockId, {}, at + 10)
    const [first] = page.attempts
    const explained = yield* explain(operator, lockId, { attemptId: first?.attemptId ?? "" })
    expect([explained.allowed, explained.rule]).toEqual([false, first?.reason])
    return page.attempts.map(({ what, command, reason, principal }) => [what, command, reason, principal._tag])
  })
  const kept = (reason: string) => [
    ["temp-key", undefined, reason, "Guest"],
    ["command", "OpenLock", reason, "User"]
  ]
  const made = Effect.gen(function* () {
    const world = yield* makeWorld
    const execute = yield* world.process()
    yield* execute({ ...create, ownerId: "ada" })
    yield* execute(share)
    return { world, execute }
  })

  it.effect("when it was retired", () =>
    Effect.gen(function* () {
      const { world, execute } = yield* made
      yield* execute({ _tag: "RetireLock" })
      expect(yield* tried(world)).toEqual(kept("retired"))
    })
  )

  it.effect("while others are on its device", () =>
    Effect.gen(function* () {
      const log = yield* (yield* made).world.store.feed(0, 100)
      // As a log from before there were claims has it.
      const world = yield* makeWorld
      const named = (name: string) => ({ eventId: name, commandId: name })
      for (const { streamId, version, position: _, ...event } of log)
        yield* append(world.store, streamId, version - 1, [{ ...event, ...named(`old-${version}`) }])
      const [created] = yield* world.store.read(`lock-${lockId}`, 0, 1)
      if (created === undefined) return expect.unreachable("nothing is stored")
      const { type, at, orgId, principal } = created
      const data = { ...created.data, lockId: 8 }
      yield* append(world.store, "lock-8", 0, [{ ...named("intruder"), type, data, at, orgId, principal }])
      expect(yield* tried(world)).toEqual(kept("disputed"))
    })
  )

  it.effect("when the operator gave its device away", () =>
    Effect.gen(function* () {
      const { world, execute } = yield* made
      yield* execute({ ...create, uuid: other }, { lockId: 8 })
      yield* execute({ _tag: "MoveClaim", uuid: create.uuid }, { lockId: 8 })
      expect(yield* tried(world)).toEqual(kept("no-device"))
    })
  )
})
