/** Random lives of a lock on the real stack, beside a model small enough to be seen to be right. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Result, Scope } from "effect"
import fc from "fast-check"
import type { CommandContext } from "../src/lock/LockCommand.ts"
import type { Executed, ExecuteError } from "../src/locks/Locks.ts"
import { EventStore, type StoredEvent } from "../src/streams/EventStore.ts"
import { clock, lockUuid, type Request } from "./scenario.ts"
import { create, eventually, makeWorld } from "./world.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const window = {
  accessMode: "public",
  allowedUserIds: [],
  validFrom: clock("08:00"),
  validUntil: clock("18:00")
} as const

/** The lock as a child would draw it. */
interface Model {
  version: number
  deviceAnswers: boolean
  owner: string | undefined
  keys: Set<string>
  /** Removed, and not said by the lock to be gone. */
  leaving: Set<string>
  usesLeft: number | undefined
  /** For whom the operator gave the temp key. */
  givenFor: string | undefined
}

/** How many events follow from a request, or which refusal. */
const expected = (model: Model, request: Request): number | string => {
  const done = (events: number, change: () => unknown) => {
    change()
    return events
  }
  const told = (events: number, change: () => unknown) =>
    model.deviceAnswers ? done(events, change) : "DeviceUnreachable"
  const used = (events: (use: () => unknown) => number | string) => {
    const { usesLeft } = model
    if (usesLeft === undefined) return "TempKeyNotFound"
    if (usesLeft === 0) return "TempKeyNotValid"
    if (model.givenFor !== undefined && model.givenFor !== model.owner) return "TempKeyWithdrawn"
    return events(() => (model.usesLeft = usesLeft - 1))
  }
  switch (request._tag) {
    case "SetOwner":
      return model.owner === request.userId ? 0 : done(1, () => (model.owner = request.userId))
    case "AddKey":
      return model.keys.has(request.keyUuid)
        ? "KeyExists"
        : told(1, () => {
            model.keys.add(request.keyUuid)
            model.leaving.delete(request.keyUuid)
          })
    case "RemoveKey":
      return model.keys.has(request.keyUuid ?? "")
        ? done(1, () => {
            model.keys.delete(request.keyUuid ?? "")
            model.leaving.add(request.keyUuid ?? "")
          })
        : model.leaving.has(request.keyUuid ?? "")
          ? 0
          : "KeyNotFound"
    case "OpenLock":
      return told(1, () => undefined)
    case "CreateTempKey":
      return model.usesLeft === undefined
        ? done(1, () => Object.assign(model, { usesLeft: request.maxUses ?? 0, givenFor: model.owner }))
        : "TempKeyExists"
    case "UseTempKey":
      return used((use) => done(1, use))
    case "OpenWithTempKey":
      return used((use) => told(2, use))
    default:
      throw new Error(`the model knows nothing of ${request._tag}`)
  }
}

const request: fc.Arbitrary<Request> = fc.oneof(
  fc.constantFrom("ada", "bob").map((userId): Request => ({ _tag: "SetOwner", userId })),
  fc.constantFrom("key-1", "key-2").map((keyUuid): Request => ({ _tag: "AddKey", keyUuid })),
  fc.constantFrom("key-1", "key-2").map((keyUuid): Request => ({ _tag: "RemoveKey", keyUuid })),
  fc.constantFrom(1, 2, 3).map((maxUses): Request => ({ _tag: "CreateTempKey", tempKeyUuid, ...window, maxUses })),
  fc.constantFrom<Request>(
    { _tag: "OpenLock" },
    { _tag: "UseTempKey", tempKeyUuid },
    { _tag: "OpenWithTempKey", tempKeyUuid }
  )
)

const makeReal = Effect.gen(function* () {
  const world = yield* makeWorld
  const processes = [yield* world.process(), yield* world.process()] as const
  yield* processes[0](create)
  return {
    ...world,
    /** Does a request in one of two processes; answers what followed, in the words of the model. */
    ask: (which: 0 | 1, request: Request, context: Partial<CommandContext>) =>
      Effect.runPromise(Effect.result(processes[which](request, context)))
  }
})
type Real = Effect.Success<typeof makeReal>

const summary = Result.match({
  onSuccess: ({ events }: Executed): number | string => events.length,
  onFailure: ({ _tag }: ExecuteError) => _tag
})

class Ask implements fc.AsyncCommand<Model, Real> {
  readonly which: 0 | 1
  readonly request: Request
  readonly tries: number
  constructor(which: 0 | 1, request: Request, tries: number) {
    this.which = which
    this.request = request
    this.tries = tries
  }

  check = () => true

  async run(model: Model, real: Real) {
    const wanted = expected(model, this.request)
    const id = `receipt-${this.which}-${model.version}-${JSON.stringify(this.request)}`
    const first = await real.ask(this.which, this.request, { receipt: { id, fingerprint: id } })
    expect(summary(first)).toBe(wanted)
    if (Result.isFailure(first)) return
    model.version += first.success.events.length
    expect(first.success.version).toBe(model.version)
    // A retry, in whichever process, answers the same and does nothing.
    for (let n = 1; n < this.tries; n++) {
      const again = await real.ask(n % 2 === 0 ? 0 : 1, this.request, { receipt: { id, fingerprint: id } })
      expect(again).toEqual(first)
    }
  }

  toString = () => `process ${this.which}: ${JSON.stringify(this.request)} × ${this.tries}`
}

class SetMode implements fc.AsyncCommand<Model, Real> {
  readonly mode: "ok" | "reject" | "lose-answer" | "lose-request"
  constructor(mode: "ok" | "reject" | "lose-answer" | "lose-request") {
    this.mode = mode
  }

  check = () => true

  async run(model: Model, real: Real) {
    await Effect.runPromise(real.shadow.setMode(this.mode))
    model.deviceAnswers = this.mode === "ok" || this.mode === "lose-answer"
  }

  toString = () => `the shadow: ${this.mode}`
}

describe("a lock", () => {
  it("does what the model says, in two processes, with retries, whatever the shadow does", async () => {
    const commands = fc.commands(
      [
        fc.tuple(fc.constantFrom(0, 1), request, fc.constantFrom(1, 1, 3)).map((asking) => new Ask(...asking)),
        fc.constantFrom("ok", "ok", "reject", "lose-answer", "lose-request").map((mode) => new SetMode(mode))
      ],
      { maxCommands: 40, size: "max" }
    )
    await fc.assert(
      fc.asyncProperty(commands, (commands) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const real = yield* makeReal
              const model: Model = {
                version: 1,
                deviceAnswers: true,
                owner: undefined,
                keys: new Set(),
                leaving: new Set(),
                usesLeft: undefined,
                givenFor: undefined
              }
              yield* Effect.promise(() => fc.asyncModelRun(() => ({ model, real }), commands))
              yield* real.shadow.deliver
              const log = yield* real.store.read("lock-7", 0, 1_000)
              expect(log).toHaveLength(model.version)
              // Additions never expire: log and shadow have the same ones, in the same order, but for those that were removed.
              const isRemoved = ({ version, data }: StoredEvent) =>
                log.some(
                  (later) =>
                    later.type === "KeyRemoved" && later.version > version && later.data["keyUuid"] === data["keyUuid"]
                )
              const wanted = log
                .filter((stored) => stored.type === "KeyAdded" && !isRemoved(stored))
                .map(({ commandId, version }) => [commandId, version])
              yield* real.shadow.setMode("ok")
              yield* eventually(
                Effect.map(real.shadow.held(lockUuid), (held) =>
                  Object.entries(held).flatMap(([commandId, { type, seq }]) =>
                    type === "OpenLock" ? [] : [[commandId, seq]]
                  )
                ),
                (held) => JSON.stringify(held) === JSON.stringify(wanted)
              )
            })
          )
        )
      ),
      { numRuns: 100 }
    )
  })
})

describe("three processes whose steps are interleaved in any order", () => {
  it("use a temp key exactly as often as it may be used, and answer as one process would", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, maxUses) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const { store, process } = yield* makeInterleaved(scheduler)
              const scope = yield* Effect.scope
              const starting = Effect.provideService(Effect.all([process(), process(), process()]), Scope.Scope, scope)
              const [first, second, third] = yield* Effect.promise(() => scheduler.waitFor(Effect.runPromise(starting)))
              const asking = Effect.all(
                [first, second, third].flatMap((execute) => [
                  Effect.result(execute({ _tag: "UseTempKey", tempKeyUuid })),
                  Effect.result(execute({ _tag: "OpenWithTempKey", tempKeyUuid }))
                ]),
                { concurrency: "unbounded" }
              )
              const prepared = first({ _tag: "CreateTempKey", tempKeyUuid, ...window, maxUses })
              yield* Effect.promise(() => scheduler.waitFor(Effect.runPromise(Effect.andThen(first(create), prepared))))
              const answers = yield* Effect.promise(() => scheduler.waitFor(Effect.runPromise(asking)))

              const counts = answers.flatMap((answer) => (Result.isSuccess(answer) ? usedCounts(answer.success) : []))
              expect(counts.toSorted()).toEqual(Array.from({ length: maxUses }, (_, n) => n + 1))
              const log = yield* store.read("lock-7", 0, 100)
              expect(log.filter(({ type }) => type === "TempKeyUsed")).toHaveLength(maxUses)
              expect(log.map(({ version }) => version)).toEqual(log.map((_, index) => index + 1))
            })
          )
        )
      ),
      { numRuns: 50 }
    )
  })
})

const usedCounts = ({ events }: Executed): ReadonlyArray<number> =>
  events.flatMap((event) => (event._tag === "TempKeyUsed" ? event.usedCount : []))

/** A world whose store takes every step when the scheduler says so. */
const makeInterleaved = Effect.fnUntraced(function* (scheduler: fc.Scheduler) {
  const world = yield* makeWorld
  const turn = Effect.promise(() => scheduler.schedule(Promise.resolve()))
  const inTurn =
    <Args extends ReadonlyArray<unknown>, A, E>(step: (...args: Args) => Effect.Effect<A, E>) =>
    (...args: Args) =>
      Effect.andThen(turn, step(...args))
  const store = EventStore.of({
    ...world.store,
    read: inTurn(world.store.read),
    record: inTurn(world.store.record),
    event: inTurn(world.store.event),
    write: inTurn(world.store.write)
  })
  return { ...world, process: () => world.process({ over: Context.add(world.ports, EventStore, store) }) }
})
