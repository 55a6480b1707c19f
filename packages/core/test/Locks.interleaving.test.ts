/**
 * Two processes over one store and one shadow, whose every call waits until it is let go: in whichever order a seed
 * decides, some of them in the same turn, while the shadow loses what it is told and the clock runs on. Whatever
 * happens, every decision in the log follows from exactly the state before it.
 */
import { expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Latch, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { permit } from "../src/lock/AccessPolicy.ts"
import { decide } from "../src/lock/Decide.ts"
import { evolveStored, initial } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import type { LockCommand } from "../src/lock/LockCommand.ts"
import { fromStored, type LockEvent } from "../src/lock/LockEvent.ts"
import { LockRepository } from "../src/locks/LockRepository.ts"
import { type Executed, type ExecuteError, Locks } from "../src/locks/Locks.ts"
import { EventStore, type StoredEvent } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { asked, clock, lockId, lockUuid, type Request } from "./scenario.ts"
import { makeWorld } from "./world.ts"

/** One seed is one history; a failure names it, and it alone brings the same history again. */
const SEEDS = process.env["INTERLEAVING_SEED"]
  ? [Number(process.env["INTERLEAVING_SEED"])]
  : Array.from({ length: 80 }, (_, seed) => seed + 1)
const COMMANDS = 40

it.effect.each(SEEDS)("every decision in the log follows from the state before it (seed %i)", (seed) =>
  Effect.scoped(history(seed))
)

it.effect("a question that reads on while a device command is handed over changes nothing of what was decided", () =>
  Effect.gen(function* () {
    const world = yield* makeWorld
    yield* TestClock.setTime(START)
    const elsewhere = yield* world.process()
    yield* elsewhere({ _tag: "CreateLock", index: 1, uuid: lockUuid }, { at: START })
    const [validFrom, validUntil] = [clock("08:00"), clock("18:00")]
    const terms = { tempKeyUuid, accessMode: "public", validFrom, validUntil, maxUses: 1 } as const
    yield* elsewhere({ _tag: "CreateTempKey", ...terms }, { at: START })

    const answered = yield* Latch.make(true)
    const store = Context.get(world.ports, EventStore)
    const slow = {
      ...store,
      read: (...call: Parameters<typeof store.read>) => Effect.tap(store.read(...call), () => answered.await)
    }
    const here = yield* Effect.provide(world.services(), Context.add(world.ports, EventStore, slow))
    const { load, refresh } = Context.get(here, LockRepository)
    const { loaded } = yield* load(lockId)
    yield* elsewhere({ _tag: "OpenWithTempKey", tempKeyUuid }, { at: START })

    // The question has the answer on its way; it comes in the very turn in which the command is handed over.
    yield* answered.close
    yield* Effect.forkChild(refresh(loaded), { startImmediately: true })
    const command = asked({ _tag: "OpenWithTempKey", tempKeyUuid }, { commandId: "second", at: START })
    const second = yield* Effect.forkChild(Effect.flip(Context.get(here, Locks).execute(command)))
    yield* answered.open
    expect(yield* Fiber.join(second)).toMatchObject({ _tag: "TempKeyNotValid", status: "used-up" })
    expect(yield* world.log).toEqual(["LockCreated", "TempKeyCreated", "TempKeyUsed", "LockOpenRequested"])
  }).pipe(Effect.scoped)
)

const history = Effect.fnUntraced(function* (seed: number) {
  const chance = chances(seed)
  // Before there is anything that repeats.
  yield* TestClock.setTime(START)
  const world = yield* makeWorld
  const gates = new Set<Deferred.Deferred<void>>()
  /** Until both processes have started: nobody lets anything go before. */
  let isOpen = true
  const passed = Effect.suspend(() => {
    if (isOpen) return Effect.void
    const gate = Deferred.makeUnsafe<void>()
    gates.add(gate)
    return Deferred.await(gate)
  })
  const gated = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.andThen(
      passed,
      Effect.tap(call, () => passed)
    )
  const process = Effect.gen(function* () {
    const store = Context.get(world.ports, EventStore)
    const shadow = Context.get(world.ports, DeviceShadow)
    const over = world.ports.pipe(
      Context.add(EventStore, {
        ...store,
        read: (...call) => gated(store.read(...call)),
        write: (...call) => gated(store.write(...call)),
        record: (...call) => gated(store.record(...call)),
        event: (...call) => gated(store.event(...call))
      }),
      Context.add(DeviceShadow, {
        ...shadow,
        send: (...call) => gated(shadow.send(...call)),
        find: (...call) => gated(shadow.find(...call))
      })
    )
    return yield* Effect.provide(world.services(), over)
  })
  const [one, two] = [yield* process, yield* process]
  isOpen = false

  /** Lets go of so many calls, all in the same turn. */
  const letGo = (most: number) =>
    Effect.forEach(chance.some([...gates], most), (gate) => {
      gates.delete(gate)
      return Deferred.succeed(gate, undefined)
    })
  /** Until everybody has done what they can. */
  const turn = Effect.repeat(Effect.yieldNow, { times: 12 })

  const commands = new Map<string, LockCommand>()
  const answers: Array<{ readonly command: LockCommand; readonly answer: Answer }> = []
  const running: Array<Fiber.Fiber<unknown, unknown>> = []
  const begin = Effect.gen(function* () {
    const services = chance.of([one, two])
    if (chance.in(3)) {
      const repository = Context.get(services, LockRepository)
      const question = Effect.flatMap(repository.load(lockId), ({ loaded }) => repository.refresh(loaded))
      running.push(yield* Effect.forkChild(question))
      return
    }
    // Now and then somebody gives the same command once more.
    const again = chance.in(10) ? chance.of([...commands.values()]) : undefined
    const at = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const [request, principal] = chance.of(REQUESTS)
    const command = again ?? asked(request, { commandId: `c-${commands.size}`, principal, at })
    commands.set(command.commandId, command)
    const execute = Effect.result(Context.get(services, Locks).execute(command))
    running.push(yield* Effect.forkChild(Effect.map(execute, (answer) => answers.push({ command, answer }))))
  })

  const created = asked(
    { _tag: "CreateLock", index: 1, uuid: lockUuid },
    { commandId: "create", principal: acme, at: START }
  )
  commands.set("create", created)
  running.push(yield* Effect.forkChild(Context.get(one, Locks).execute(created)))
  let begun = 0
  while (true) {
    const underWay = running.filter((fiber) => fiber.pollUnsafe() === undefined).length
    if (begun === COMMANDS && underWay === 0) break
    // Few at a time: who waits for another in the same process meets nobody else.
    if (begun < COMMANDS && underWay < 4 && chance.in(2)) {
      begun++
      yield* begin
    }
    if (chance.in(12)) yield* world.shadow.setMode(chance.of(["ok", "ok", "lose-answer", "lose-request", "hang"]))
    if (begun === COMMANDS) yield* world.shadow.setMode("ok")
    yield* letGo(3)
    yield* turn
    // Mostly time stands still; now and then a process is slow, and others lose their patience with it.
    if (gates.size === 0 || chance.in(40)) yield* TestClock.adjust(chance.of(["100 millis", "1 second", "9 seconds"]))
  }
  // What is in doubt is settled.
  while ((yield* world.unsettled).length > 0) {
    if (gates.size === 0) yield* TestClock.adjust("1 second")
    yield* letGo(gates.size)
    yield* turn
  }

  const log = yield* world.store.read(`lock-${lockId}`, 0, 10_000)
  checkLog(log, commands)
  for (const { command, answer } of answers) checkAnswer(log, command, answer)
  const logged = new Set(log.map(({ commandId }) => commandId))
  const held = Object.keys(yield* world.shadow.held(lockUuid))
  expect(held.filter((id) => !logged.has(id))).toEqual([])
})

type Answer = Result.Result<Executed, ExecuteError>

const START = Date.parse(clock("09:00"))
const acme: Principal = { _tag: "Organization", orgId: "acme" }
const zeta: Principal = { _tag: "Organization", orgId: "zeta" }
const ann: Principal = { _tag: "User", userId: "ann" }
const operator: Principal = { _tag: "Super" }
const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"

const REQUESTS: ReadonlyArray<readonly [Request, Principal]> = [
  [{ _tag: "AddKey", keyUuid: "one", keyIndexNumber: 1 }, acme],
  [{ _tag: "AddKey", keyUuid: "two", keyIndexNumber: 1 }, operator],
  [{ _tag: "RemoveKey", keyIndexNumber: 1 }, operator],
  [{ _tag: "SetOrganization", orgId: "zeta" }, acme],
  [{ _tag: "SetOrganization", orgId: "acme" }, zeta],
  [{ _tag: "SetOwner", userId: "ann" }, operator],
  [{ _tag: "SetOwner", userId: "bob" }, ann],
  [{ _tag: "OpenLock" }, acme],
  [{ _tag: "OpenLock" }, zeta],
  [{ _tag: "OpenLock" }, ann],
  [{ _tag: "AddResident", name: "Bob", userId: "bob" }, acme],
  [{ _tag: "RemoveResident", userId: "bob" }, operator],
  [
    {
      _tag: "CreateTempKey",
      tempKeyUuid,
      accessMode: "public",
      validFrom: clock("08:00"),
      validUntil: clock("18:00"),
      maxUses: 2
    },
    operator
  ],
  [{ _tag: "OpenWithTempKey", tempKeyUuid }, { _tag: "Guest" }],
  [{ _tag: "UseTempKey", tempKeyUuid }, operator],
  [{ _tag: "DeleteTempKey", tempKeyUuid }, acme]
]

/** Each command is judged again, on what the log holds before its events: they must follow from it. */
const checkLog = (log: ReadonlyArray<StoredEvent>, commands: ReadonlyMap<string, LockCommand>) => {
  let lock: Lock | undefined = initial
  const ids = new Set(log.map(({ eventId }) => eventId))
  expect(ids.size).toBe(log.length)
  for (let next = 0; next < log.length; ) {
    const { commandId } = log[next] as StoredEvent
    const length = log.slice(next).findIndex((event) => event.commandId !== commandId)
    const stored = log.slice(next, length < 0 ? log.length : next + length)
    const command = commands.get(commandId) as LockCommand
    if (lock !== undefined) expect(permit(command.principal, lock, command._tag)).toEqual(Result.succeed(undefined))
    const decided = Result.getOrThrow(decide(lock, command))
    expect(decided.events.map(untimed)).toEqual(stored.map((event) => untimed(Option.getOrThrow(fromStored(event)))))
    const before: Lock | undefined = lock
    for (const event of stored) lock = evolveStored(lock, event)
    if (before !== undefined) expect(lock?.changedAt).toBeGreaterThanOrEqual(before.changedAt)
    next += stored.length
  }
}

/** What was answered is what the log holds; what was refused for certain is not in it. */
const checkAnswer = (log: ReadonlyArray<StoredEvent>, { commandId }: LockCommand, answer: Answer) => {
  const stored = log.filter((event) => event.commandId === commandId)
  if (Result.isSuccess(answer)) {
    const { version, events } = answer.success
    // It was so already: nothing was recorded, and whoever asked again may have been told otherwise.
    if (events.length === 0) return
    expect(stored.at(-1)?.version).toBe(version)
    expect(events.map(untimed)).toEqual(stored.map((event) => untimed(Option.getOrThrow(fromStored(event)))))
  } else if (answer.failure._tag === "CommandExists") {
    expect(stored).not.toEqual([])
  }
}

const untimed = ({ timestamp: _, ...event }: LockEvent) => event

/** Numbers that a seed decides (mulberry32). */
const chances = (seed: number) => {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count: number) => Math.floor(next() * count)
  return {
    in: (count: number) => below(count) === 0,
    of: <A>(all: ReadonlyArray<A>) => all[below(all.length)] as A,
    some: <A>(all: ReadonlyArray<A>, most: number) => {
      const left = [...all]
      return Array.from(
        { length: Math.min(left.length, 1 + below(most)) },
        () => left.splice(below(left.length), 1)[0] as A
      )
    }
  }
}
