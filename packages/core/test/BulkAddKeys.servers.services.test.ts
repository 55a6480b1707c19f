/** A request for many keys, and several servers: one works on it, and what is said of a key is what the log says. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { BulkAddKeys, type BulkCommand } from "../src/locks/BulkAddKeys.ts"
import { type Point, stoppingAt } from "./controlled.ts"
import { lockId, lockUuid, operator } from "./scenario.ts"
import { append, create, makeWorld } from "./world.ts"

const instance = "00000000-0000-7000-8000-000000000001"
const stream = `bulk-${instance}`
const keys: BulkCommand["keys"] = [{ keyUuid: "key-1" }, { keyUuid: "key-2" }]
const command: BulkCommand = { lockId, commandId: instance, at: 0, principal: operator, keys }

const makeServers = Effect.gen(function* () {
  const world = yield* makeWorld
  yield* (yield* world.process())(create)
  const server = (over: typeof world.ports = world.ports) =>
    Effect.map(world.latchkey(over), (services) => Context.get(services, BulkAddKeys))

  /** What is said of each key, and whether the lock's log has the command that adds it. */
  const saidAndDone = Effect.gen(function* () {
    const lock = yield* world.store.read(`lock-${lockId}`, 1, 1_000)
    const added = lock.filter(({ type }) => type === "KeyAdded").map(({ commandId }) => commandId)
    expect(new Set(added).size).toBe(added.length)
    const outcomes = (yield* world.store.read(stream, 1, 1_000)).map(({ type, data }) => [data["index"], type])
    const held = Object.keys(yield* world.shadow.held(lockUuid))
    expect(held.sort()).toEqual(added.toSorted())
    return {
      said: outcomes,
      done: keys.map((_, n) => [n, added.includes(`${instance}-${n}`) ? "BulkKeyAdded" : "BulkKeyFailed"])
    }
  })
  return { ...world, server, saidAndDone }
})

type Mode = "ok" | "reject" | "hang" | "lose-answer" | "lose-request"

/** One server begins, and stops at the point; another finds the request, and comes to an end; then the first one goes on, or is gone. */
const twoServers = (mode: Mode, fate: "dies" | "is paused", point: Point | undefined) =>
  Effect.gen(function* () {
    const { ports, shadow, server, saidAndDone } = yield* makeServers
    const first = yield* stoppingAt(ports, point)
    const one = yield* server(first.over)
    yield* shadow.setMode(mode)
    yield* Effect.forkChild(one.start(command))
    yield* TestClock.adjust("9 seconds")
    if (fate === "dies") yield* first.die
    const other = yield* server()
    yield* TestClock.adjust("25 seconds")
    // The other one has said what it says. Only now is the device there again, and the first one, if it still is.
    yield* shadow.setMode("ok")
    yield* shadow.deliver
    yield* first.resume
    yield* TestClock.adjust("15 seconds")
    yield* shadow.deliver
    // A request that was never stored is not one.
    const asked = yield* Effect.exit(other.progress(operator, lockId, instance))
    if (Exit.isFailure(asked)) yield* other.start(command)
    yield* TestClock.adjust("10 seconds")
    const progress = yield* other.progress(operator, lockId, instance)
    const { said, done } = yield* saidAndDone
    yield* first.die
    return { progress, said, done, writes: first.writes }
  }).pipe(Effect.scoped)

it.effect.each<readonly [Mode, "dies" | "is paused"]>([
  ["ok", "dies"],
  ["ok", "is paused"],
  ["reject", "dies"],
  ["reject", "is paused"],
  ["hang", "is paused"],
  ["lose-answer", "dies"],
  ["lose-request", "is paused"]
])("what is said is what is: the shadow answers %s, and at whichever write a server %s", ([mode, fate]) =>
  Effect.gen(function* () {
    const { writes } = yield* twoServers(mode, fate, undefined)
    expect(writes.length).toBeGreaterThan(5)
    // For one that dies, before a write is after the one before it.
    const whens = fate === "dies" ? (["after"] as const) : (["before", "after"] as const)
    for (const [n, name] of writes.entries()) {
      // One who keeps its lease and does nothing else is as it was before.
      if (name === writes[n - 1] && name.startsWith("put lease")) continue
      const write = n + 1
      for (const when of whens) {
        const { progress, said, done } = yield* twoServers(mode, fate, { write, when })
        const where = `${when} write ${write}, ${name}`
        expect([where, progress.status]).toEqual([where, "done"])
        expect([where, ...said]).toEqual([where, ...done])
      }
    }
  })
)

/** A clock that is set to another time. */
const shiftedBy = (millis: number) =>
  Effect.map(Clock.Clock, (clock): Clock.Clock => {
    const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + millis
    return { ...clock, currentTimeMillisUnsafe, currentTimeMillis: Effect.sync(currentTimeMillisUnsafe) }
  })

const DAY = 86_400_000

describe("a request under way", () => {
  it.effect.each([0, DAY, -DAY])("is one server's work, though the clock of another is %i ms ahead", (ahead) =>
    Effect.gen(function* () {
      const { ports, shadow, server, saidAndDone } = yield* makeServers
      const second = yield* stoppingAt(ports, undefined)
      yield* Effect.provideService(server(second.over), Clock.Clock, yield* shiftedBy(ahead))
      const one = yield* server()
      // What hangs keeps the first one busy.
      yield* shadow.setMode("hang")
      yield* one.start(command)
      yield* TestClock.adjust("2 minutes")
      // What it does otherwise is not of the request.
      const others = ["put cursor/", "put lease/", "put reconcile/"]
      expect(second.writes.filter((write) => !others.some((other) => write.startsWith(other)))).toEqual([])
      yield* shadow.setMode("ok")
      yield* shadow.deliver
      yield* TestClock.adjust("20 seconds")
      expect(yield* one.progress(operator, lockId, instance)).toMatchObject({ status: "done", added: 2 })
      const { said, done } = yield* saidAndDone
      expect(said).toEqual(done)
    })
  )

  it.effect("is taken over by a server that is there, when the one at work falls silent", () =>
    Effect.gen(function* () {
      const { ports, server, saidAndDone } = yield* makeServers
      const other = yield* server()
      const first = yield* stoppingAt(ports, { write: 4, when: "before" })
      yield* (yield* server(first.over)).start(command)
      yield* TestClock.adjust("1 second")
      yield* first.die
      expect(yield* other.progress(operator, lockId, instance)).toMatchObject({ status: "running" })
      yield* TestClock.adjust("30 seconds")
      expect(yield* other.progress(operator, lockId, instance)).toMatchObject({ status: "done", added: 2 })
      const { said, done } = yield* saidAndDone
      expect(said).toEqual(done)
    })
  )

  it.effect("is handed over at once by a server that is told to stop", () =>
    Effect.gen(function* () {
      const { shadow, server } = yield* makeServers
      const life = yield* Scope.make()
      const one = yield* Effect.provideService(server(), Scope.Scope, life)
      yield* shadow.setMode("reject")
      yield* one.start(command)
      yield* TestClock.adjust("1 second")
      yield* Scope.close(life, Exit.void)
      yield* shadow.setMode("ok")
      const next = yield* server()
      yield* TestClock.adjust("1 second")
      expect(yield* next.progress(operator, lockId, instance)).toMatchObject({ status: "done", added: 2 })
    })
  )
})

describe("a key that the request's own command added", () => {
  it.effect("counts as added, though nothing but the lock's log knows of it", () =>
    Effect.gen(function* () {
      const { process, store, server, saidAndDone } = yield* makeServers
      const { principal } = command
      const request = { type: "BulkAddKeysRequested", data: { lockId, keys }, at: 0, orgId: "", principal }
      yield* append(store, stream, 0, [{ ...request, eventId: `${instance}-request`, commandId: instance }])
      // As in a log that was imported: receipts are not in an export.
      yield* (yield* process())({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: `${instance}-0` })
      yield* (yield* process())({ _tag: "AddKey", keyUuid: "key-2" }, { commandId: "somebody-else" })
      const { progress } = yield* server()
      yield* TestClock.adjust("1 second")
      expect(yield* progress(operator, lockId, instance)).toMatchObject({
        added: 1,
        failed: [{ keyUuid: "key-2", reason: "Key key-2 is already on lock 7." }]
      })
      expect((yield* saidAndDone).said).toEqual([
        [0, "BulkKeyAdded"],
        [1, "BulkKeyFailed"]
      ])
    })
  )
})

describe("a command id that is used again", () => {
  it.effect("answers the first request when it asks for the same, and else is refused", () =>
    Effect.gen(function* () {
      const { server, saidAndDone } = yield* makeServers
      const { start } = yield* server()
      expect(yield* start(command)).toBe(instance)
      yield* TestClock.adjust("1 second")
      expect(yield* start(command)).toBe(instance)
      const others = { ...command, keys: [{ keyUuid: "key-3" }] as const }
      expect(yield* Effect.flip(start(others))).toMatchObject({ _tag: "CommandExists" })
      yield* TestClock.adjust("1 second")
      expect((yield* saidAndDone).said).toHaveLength(2)
    })
  )
})
