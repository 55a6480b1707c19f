/** Why: what was decided is explained as it was decided, and what might be asked as it would be. */
import { assert, describe, expect, it } from "@effect/vitest"
import { lockCommands } from "@latchkey/core/testing"
import { Context, Effect, Result } from "effect"
import { evolveStored, initial } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { canonical } from "../src/lock/TempKey.ts"
import { type Executed, type ExecuteError, Locks } from "../src/locks/Locks.ts"
import { tempKeyAt } from "../src/locks/TempKeyNow.ts"
import { EventStore, type StoredEvent } from "../src/streams/EventStore.ts"
import { PAGE } from "../src/streams/Turns.ts"
import type { Principal } from "../src/values/Principal.ts"
import { explain } from "../src/why/Explain.ts"
import type { Explanation } from "../src/why/Explanation.ts"
import { Explanations, explainFromLog } from "../src/why/Explanations.ts"
import { refusedUsesAt } from "./refusedUses.ts"
import { clock, lockId, millis, operator, type Request } from "./scenario.ts"
import { append, create, makeWorld } from "./world.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const ADA = "ada00000-0000-4000-8000-000000000001"
const BOB = "b0b00000-0000-4000-8000-000000000002"
const share = (terms: object = {}): Request => ({
  _tag: "CreateTempKey",
  tempKeyUuid,
  accessMode: "public",
  validFrom: clock("09:00"),
  validUntil: clock("17:00"),
  ...terms
})
const open = (userId?: string): Request => ({ _tag: "OpenWithTempKey", tempKeyUuid, ...(userId && { userId }) })

/** A lock and whatever was asked of it, each at its time. */
const living = Effect.fnUntraced(function* (...life: ReadonlyArray<readonly [time: string, request: Request]>) {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  const execute = yield* world.process()
  for (const [time, request] of life) yield* Effect.result(execute(request, { at: millis(time) }))
  const { explain: ask } = Context.get(services, Explanations)
  const about = (tempKeyUuid: string, time: string, userId?: string) =>
    ask(operator, lockId, {
      subject: { _tag: "TempKey", tempKeyUuid, ...(userId && { userId }) },
      at: millis(time)
    })
  return { ask, about, execute, store: world.store }
})

const short = ({ allowed, rule, version }: Explanation) => [allowed, rule, version]

describe("a temp key is explained", () => {
  it.effect("as it was at the instant asked about, whatever became of it", () =>
    Effect.gen(function* () {
      const { about } = yield* living(
        ["08:00", create],
        ["08:10", share({ maxUses: 2 })],
        ["09:10", open()],
        ["10:00", { _tag: "UpdateTempKey", tempKeyUuid, maxUses: 1 }],
        [
          "11:00",
          { _tag: "UpdateTempKey", tempKeyUuid, maxUses: null, accessMode: "user-whitelist", allowedUserIds: [ADA] }
        ],
        ["16:00", { _tag: "DeleteTempKey", tempKeyUuid }]
      )
      const at = (time: string, userId?: string) => Effect.map(about(tempKeyUuid, time, userId), short)
      expect(yield* at("07:59")).toEqual([false, "no-such-lock", 0])
      expect(yield* at("08:05")).toEqual([false, "no-such-key", 1])
      expect(yield* at("08:10")).toEqual([false, "valid-from", 2])
      expect(yield* at("08:30")).toEqual([false, "valid-from", 2])
      expect(yield* at("09:00")).toEqual([true, "valid", 2])
      expect(yield* at("09:30")).toEqual([true, "valid", 4])
      expect(yield* at("10:30")).toEqual([false, "max-uses", 5])
      expect(yield* at("11:30")).toEqual([false, "whitelist", 6])
      expect(yield* at("11:30", ADA.toUpperCase())).toEqual([true, "valid", 6])
      expect(yield* at("11:30", BOB)).toEqual([false, "whitelist", 6])
      expect(yield* at("18:00", ADA)).toEqual([false, "deleted", 7])
    })
  )

  it.effect("with its schedule, and what the wall clock showed", () =>
    Effect.gen(function* () {
      const schedule = { timeZone: "Europe/Athens", windows: [{ days: ["monday"], from: "13:00", to: "14:00" }] }
      const { about } = yield* living(["08:00", create], ["08:10", share({ schedule })])
      const closed = yield* about(tempKeyUuid, "09:30")
      expect(closed).toMatchObject({ allowed: false, rule: "schedule", nextChangeAt: millis("10:00") })
      expect(closed.facts.tempKey).toMatchObject({ status: "not-yet-valid", wallTime: "monday 12:30", schedule })
      expect(yield* about(tempKeyUuid, "10:30")).toMatchObject({ allowed: true, nextChangeAt: millis("11:00") })
      expect(yield* about(tempKeyUuid, "17:00")).toMatchObject({ rule: "valid-until", nextChangeAt: undefined })
    })
  )

  it.effect("by the events that its terms rest on, with who caused them", () =>
    Effect.gen(function* () {
      const ada: Principal = { _tag: "User", userId: ADA }
      const { about, execute } = yield* living(["08:00", { ...create, ownerId: ADA }], ["08:10", share()])
      yield* execute({ _tag: "SetOrganization", orgId: "org-1" }, { at: millis("08:20") })
      yield* execute({ _tag: "UpdateTempKey", tempKeyUuid, maxUses: 9 }, { at: millis("08:30") })
      yield* execute({ _tag: "UpdateTempKey", tempKeyUuid, maxUses: 5 }, { at: millis("08:40"), principal: ada })
      for (const time of ["09:10", "09:20"]) yield* execute(open(), { at: millis(time) })
      const { facts } = yield* about(tempKeyUuid, "09:30")
      expect(facts.tempKey).toMatchObject({ maxUses: 5, usedCount: 2, validUntil: clock("17:00") })
      expect(facts.events.map(({ version, type }) => [version, type])).toEqual([
        [2, "TempKeyCreated"],
        [5, "TempKeyUpdated"],
        [8, "TempKeyUsed"]
      ])
      expect(facts.events[1]).toMatchObject({ principal: ada, at: millis("08:40") })
    })
  )
})

describe("an attempt is explained", () => {
  it.effect("as it ended, though the state was another one a moment later", () =>
    Effect.gen(function* () {
      const { about, ask, store } = yield* living(
        ["08:00", create],
        ["08:10", share({ maxUses: 1 })],
        ["08:30", open(BOB)],
        ["09:10", open()],
        ["09:20", open(ADA)]
      )
      expect(yield* about(tempKeyUuid, "08:30")).toMatchObject({
        subject: { userId: BOB },
        rule: "valid-from",
        recorded: { outcome: "not-yet-valid" }
      })
      const used = yield* about(tempKeyUuid, "09:10")
      expect(used).toMatchObject({
        allowed: true,
        rule: "valid",
        version: 2,
        recorded: { outcome: "used", version: 3 }
      })
      expect(used.facts.tempKey?.usedCount).toBe(0)
      const [refusal] = (yield* Effect.provideService(refusedUsesAt(lockId), EventStore, store)).slice(-1)
      const refused = yield* ask(operator, lockId, { attemptId: refusal?.eventId ?? "" })
      expect(refused).toMatchObject({ at: millis("09:20"), rule: "max-uses", recorded: { outcome: "used-up" } })
      expect(refused.subject).toEqual({ _tag: "TempKey", tempKeyUuid, userId: ADA })
    })
  )

  it.effect("that nobody made is not found", () =>
    Effect.gen(function* () {
      const { ask } = yield* living(["08:00", create])
      const asked = yield* Effect.result(ask(operator, lockId, { attemptId: "command-0-1" }))
      expect(Result.isFailure(asked) && asked.failure._tag).toBe("AttemptNotFound")
    })
  )

  it("stands, also where the rules of today would have it otherwise", () => {
    const { history, refused } = aUse()
    const subject = { _tag: "TempKey", tempKeyUuid } as const
    const lateUse = history.map((event) => (event.type === "TempKeyUsed" ? { ...event, at: millis("18:00") } : event))
    expect(explain(lateUse, [], { subject, at: millis("18:00") })).toMatchObject({
      allowed: true,
      rule: "rules-of-then"
    })
    const early = refused.map((use) => ({ ...use, at: millis("10:00") }))
    expect(explain(history.slice(0, 2), early, { subject, at: millis("10:00") })).toMatchObject({
      allowed: false,
      rule: "rules-of-then"
    })
  })
})

describe("a key, or a user, is explained", () => {
  it.effect("by whether it was on the lock, and whose it was", () =>
    Effect.gen(function* () {
      const { ask } = yield* living(
        ["08:00", { ...create, ownerId: ADA }],
        ["09:00", { _tag: "AddKey", keyUuid: "key-1", userId: BOB }],
        ["10:00", { _tag: "RemoveKey", keyUuid: "key-1" }]
      )
      const key = (time: string, userId?: string) =>
        Effect.map(
          ask(operator, lockId, {
            subject: { _tag: "Key", keyUuid: "key-1", ...(userId && { userId }) },
            at: millis(time)
          }),
          ({ allowed, rule, facts }) => [allowed, rule, facts.events.length]
        )
      const user = (userId: string, time: string) =>
        Effect.map(
          ask(operator, lockId, { subject: { _tag: "User", userId }, at: millis(time) }),
          ({ allowed, rule }) => [allowed, rule]
        )
      expect(yield* key("08:30")).toEqual([false, "no-such-key", 0])
      expect(yield* key("09:30")).toEqual([true, "key-on-lock", 1])
      expect(yield* key("09:30", BOB)).toEqual([true, "key-on-lock", 1])
      expect(yield* key("09:30", ADA)).toEqual([false, "key-of-another", 1])
      expect(yield* key("10:30")).toEqual([false, "key-removed", 1])
      expect(yield* user(ADA, "07:00")).toEqual([false, "no-such-lock"])
      expect(yield* user(ADA, "08:30")).toEqual([true, "owner"])
      expect(yield* user(BOB, "08:30")).toEqual([false, "no-right"])
      expect(yield* user(BOB, "09:30")).toEqual([true, "key-holder"])
      expect(yield* user(BOB, "10:30")).toEqual([false, "no-right"])
    })
  )

  it.effect("only to who may ask, and only of a lock that is there", () =>
    Effect.gen(function* () {
      const { ask } = yield* living(["08:00", { ...create, ownerId: ADA }])
      const request = { subject: { _tag: "User", userId: ADA }, at: millis("09:00") } as const
      const as = (principal: Principal, lock = lockId) =>
        Effect.map(Effect.result(ask(principal, lock, request)), (asked) =>
          Result.isFailure(asked) ? asked.failure._tag : "ok"
        )
      expect(yield* as({ _tag: "User", userId: ADA })).toBe("ok")
      expect(yield* as({ _tag: "User", userId: BOB })).toBe("AccessDenied")
      expect(yield* as(operator, 999)).toBe("LockNotFound")
    })
  )
})

const lowerCase = (subject: object) => JSON.stringify(subject).toLowerCase()

/** What became of a command. */
const outcomeOf = (result: Result.Result<Executed, ExecuteError>): string =>
  Result.isSuccess(result) ? "used" : result.failure._tag

describe("whatever happened to a lock", () => {
  it.effect("is explained from what came before, however much has come since", () =>
    Effect.gen(function* () {
      const { store } = yield* living(["08:00", { ...create, ownerId: ADA }], ["09:00", share()], ["10:00", open(BOB)])
      const stream = `lock-${lockId}`
      const [used, opened] = (yield* store.read(stream, 2, 2)) as [StoredEvent, StoredEvent]
      const since = Array.from({ length: 3_000 }, (_, n) => {
        const { type, data, orgId, principal } = opened
        return { eventId: `since-${n}`, commandId: `since-${n}`, type, data, orgId, principal, at: millis("11:00") + n }
      })
      for (let n = 0; n < since.length; n += 500) yield* append(store, stream, 4 + n, since.slice(n, n + 500))
      let rows = 0
      const read: typeof store.read = (...asked) =>
        Effect.tap(store.read(...asked), ({ length }) => Effect.sync(() => (rows += length)))
      const subject = { _tag: "TempKey", tempKeyUuid } as const
      for (const request of [
        { attemptId: used.eventId },
        { subject, at: millis("09:30") },
        { subject, at: millis("10:00") }
      ]) {
        rows = 0
        const explained = yield* Effect.provideService(explainFromLog(lockId, request), EventStore, { ...store, read })
        expect(explained.allowed).toBe(true)
        expect(rows).toBeLessThan(2 * PAGE)
      }
    })
  )

  it.effect.prop("every attempt is explained as it was decided", [lockCommands], ([commands]) =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const services = yield* world.latchkey()
      const { execute } = Context.get(services, Locks)
      const outcomes = new Map<string, string>()
      for (const command of commands) {
        const isUse = command._tag === "OpenWithTempKey" || command._tag === "UseTempKey"
        const outcome = outcomeOf(yield* Effect.result(execute({ ...command, principal: operator })))
        if (isUse) outcomes.set(command.commandId, outcome)
      }
      const history = yield* world.store.read("lock-1", 0, 10_000)
      const refused = yield* Effect.provideService(refusedUsesAt(1), EventStore, world.store)
      const { explain: ask } = Context.get(services, Explanations)
      for (const command of commands) {
        const outcome = outcomes.get(command.commandId)
        if (outcome === undefined || !("tempKeyUuid" in command)) continue
        const userId = "userId" in command ? command.userId : undefined
        const subject = { _tag: "TempKey", tempKeyUuid: command.tempKeyUuid, ...(userId && { userId }) } as const
        const attemptId = [
          ...history.filter(({ commandId, type }) => commandId === command.commandId && type === "TempKeyUsed"),
          ...refused.filter(({ eventId }) => eventId.startsWith(`${command.commandId}-`))
        ][0]?.eventId
        // What was no key of this lock left nothing behind.
        if (attemptId === undefined) expect(["LockNotFound", "TempKeyNotFound", "DeviceUnreachable"]).toContain(outcome)
        else {
          const explained = yield* ask(operator, 1, { attemptId })
          expect([explained.allowed, lowerCase(explained.subject)]).toEqual([outcome === "used", lowerCase(subject)])
          expect(explained.rule).not.toBe("rules-of-then")
          const { subject: asked, at } = explained
          assert(asked._tag === "TempKey")
          expect(explained).toEqual(explain(history, refused, { subject: asked, at, attemptId }))
        }
        // By its instant it is found too, unless others were made in the same millisecond.
        const alone = commands.filter(({ at }) => at === command.at).length === 1
        if (alone && history.length > 0) {
          expect(explain(history, refused, { subject, at: command.at }).allowed).toBe(outcome === "used")
        }
      }
    })
  )

  it.effect.prop(
    "between attempts, the status explained is that of the key, until the instant named",
    [lockCommands],
    ([commands]) =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const { execute } = Context.get(yield* world.latchkey(), Locks)
        for (const command of commands) yield* Effect.result(execute({ ...command, principal: operator }))
        const history = yield* world.store.read("lock-1", 0, 10_000)
        const end = history.at(-1)?.at ?? 0
        for (const uuid of new Set(
          history.flatMap(({ data }) => ("tempKeyUuid" in data ? [canonical(String(data["tempKeyUuid"]))] : []))
        )) {
          const ask = (at: number) => explain(history, [], { subject: { _tag: "TempKey", tempKeyUuid: uuid }, at })
          const explained = ask(end + 1)
          const key = explained.facts.tempKey
          const next = explained.nextChangeAt
          if (key === undefined || next === undefined) continue
          expect(explained.version).toBe(history.length)
          const lock = history.reduce(evolveStored, initial) as Lock
          const { status } = tempKeyAt(key, lock, end + 1)
          for (const at of [end + 1, next - 1]) expect(ask(at).facts.tempKey?.status).toBe(status)
          expect(ask(next).facts.tempKey?.status).not.toBe(key.status)
        }
      })
  )
})

/** The history of a key that was used once, and a use of it that was refused. */
const aUse = () => {
  const events = Effect.runSync(
    Effect.scoped(
      Effect.gen(function* () {
        const world = yield* makeWorld
        const execute = yield* world.process()
        yield* execute(create, { at: millis("08:00") })
        yield* execute(share(), { at: millis("08:10") })
        yield* Effect.result(execute(open(), { at: millis("08:20") }))
        yield* execute({ _tag: "UseTempKey", tempKeyUuid }, { at: millis("09:10") })
        const refused = yield* Effect.provideService(refusedUsesAt(lockId), EventStore, world.store)
        return { history: yield* world.store.read(`lock-${lockId}`, 0, 10), refused }
      })
    )
  )
  expect([events.history.length, events.refused.length]).toEqual([3, 1])
  return events
}

describe("a lock that opens to nobody is explained as such, whatever is asked about", () => {
  const other = "0b0e8400-e29b-41d4-a716-44665544000a"
  const subjects = [
    { _tag: "TempKey", tempKeyUuid },
    { _tag: "Key", keyUuid: "key-1" },
    { _tag: "User", userId: ADA }
  ] as const
  const life = [
    ["08:00", { ...create, ownerId: ADA }],
    ["08:10", share()],
    ["08:20", { _tag: "AddKey", keyUuid: "key-1" }]
  ] as const satisfies ReadonlyArray<readonly [string, Request]>
  const rules = (ask: Effect.Success<ReturnType<typeof living>>["ask"], time: string) =>
    Effect.forEach(subjects, (subject) =>
      Effect.map(ask(operator, lockId, { subject, at: millis(time) }), ({ allowed, rule, facts }) => [
        allowed,
        rule,
        facts.events.at(-1)?.type
      ])
    )

  it.effect("when it was retired, and not before", () =>
    Effect.gen(function* () {
      const { ask } = yield* living(...life, ["10:00", { _tag: "RetireLock" }])
      expect(yield* rules(ask, "09:30")).toEqual([
        [true, "valid", "TempKeyCreated"],
        [true, "key-on-lock", "KeyAdded"],
        [true, "owner", "LockCreated"]
      ])
      expect(yield* rules(ask, "10:30")).toEqual(Array(3).fill([false, "retired", "LockRetired"]))
      const subject = { _tag: "User", userId: BOB } as const
      expect(short(yield* ask(operator, lockId, { subject, at: millis("10:30") }))).toEqual([false, "no-right", 4])
    })
  )

  it.effect("when the operator gave its device away, until it has one again", () =>
    Effect.gen(function* () {
      const { ask, execute } = yield* living(...life)
      const nextTo = { lockId: 8, at: millis("10:00") }
      yield* execute({ ...create, uuid: other }, nextTo)
      yield* execute({ _tag: "MoveClaim", uuid: create.uuid }, nextTo)
      expect(yield* rules(ask, "10:30")).toEqual(Array(3).fill([false, "no-device", "ClaimLost"]))
      expect((yield* rules(ask, "09:30")).map(([allowed]) => allowed)).toEqual([true, true, true])
      yield* execute({ _tag: "MoveClaim", uuid: other }, { at: millis("11:00") })
      expect((yield* rules(ask, "11:30")).map(([allowed]) => allowed)).toEqual([true, true, true])
    })
  )

  it.effect("while others are on its device, and what would be changed is not simulated then", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const made = { ...create, _tag: "LockCreated", timestamp: clock("08:00") }
      for (const id of [lockId, 8]) {
        const { _tag: type, ...data } = { ...made, lockId: id, ownerId: ADA }
        const event = { eventId: `made-${id}`, commandId: `make-${id}`, type, data, at: millis("08:00"), orgId: "" }
        yield* append(world.store, `lock-${id}`, 0, [{ ...event, principal: operator }])
      }
      const { explain: ask, simulate } = Context.get(yield* world.latchkey(), Explanations)
      const execute = yield* world.process()
      expect(yield* Effect.flip(execute({ _tag: "OpenLock" }))).toMatchObject({ _tag: "DeviceDisputed" })
      const subject = { _tag: "User", userId: ADA } as const
      expect(short(yield* ask(operator, lockId, { subject, at: millis("09:00") }))).toEqual([false, "disputed", 1])
      const key = { _tag: "TempKey", tempKeyUuid } as const
      expect(short(yield* ask(operator, lockId, { subject: key, at: millis("09:00") }))).toEqual([false, "disputed", 1])
      expect(yield* Effect.flip(simulate(operator, lockId, { tempKeyUuid }))).toMatchObject({ _tag: "DeviceDisputed" })
      yield* execute({ _tag: "MoveClaim", uuid: create.uuid })
      expect(short(yield* ask(operator, lockId, { subject, at: millis("09:30") }))).toEqual([true, "owner", 2])
      expect(yield* Effect.flip(simulate(operator, lockId, { tempKeyUuid }))).toMatchObject({ _tag: "TempKeyNotFound" })
    })
  )
})
