/** Waiting for what becomes of a command. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Said } from "../src/lock/LockCommand.ts"
import { MOST_LATE } from "../src/lock/SentCommand.ts"
import { CommandOutcomes } from "../src/locks/CommandOutcomes.ts"
import { LockQueries } from "../src/locks/LockQueries.ts"
import { Locks } from "../src/locks/Locks.ts"
import { Projector } from "../src/read-model/Projector.ts"
import { Feed } from "../src/streams/Feed.ts"
import type { Principal } from "../src/values/Principal.ts"
import { asked, lockId, lockUuid, millis, operator, type Request } from "./scenario.ts"
import { create, makeWorld } from "./world.ts"

type OwnType = "RecordOutcome" | "SendRemoval" | "NoteAttention"
type OwnRequest = { readonly [Tag in OwnType]: { readonly _tag: Tag } & Said<Tag> }[OwnType]

const layer = CommandOutcomes.layer.pipe(
  Layer.provideMerge(LockQueries.layer),
  Layer.provideMerge(Layer.merge(Locks.layer({ claims: "open" }), Projector.layer)),
  Layer.provideMerge(Feed.layer)
)

/** The feed is read; nobody but the test sends anything. */
const makeWaiter = Effect.gen(function* () {
  yield* TestClock.setTime(millis("09:00"))
  const { ports } = yield* makeWorld
  const services = yield* Effect.provide(Layer.build(Layer.fresh(layer)), ports)
  const { execute } = Context.get(services, Locks)
  const { of } = Context.get(services, CommandOutcomes)
  yield* execute(asked(create, { commandId: "create" }))
  /** As Latchkey itself asks it, now. */
  const asLatchkey = (request: OwnRequest, commandId: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) =>
      execute({ ...request, lockId, commandId, at, principal: { _tag: "System" } })
    )
  const status = (commandId: string) => of(operator, lockId, commandId)
  return {
    execute,
    of,
    status,
    asLatchkey,
    says: (answered: string, outcome: "done" | "failed") =>
      Effect.flatMap(Clock.currentTimeMillis, (reportedAt) =>
        asLatchkey({ _tag: "RecordOutcome", answered, thing: lockUuid, outcome, reportedAt }, `${answered}-outcome`)
      ),
    /** What somebody is told at once who waits while this goes on, and what they would be told who ask then. */
    toldMeanwhile: <A, E>(commandId: string, meanwhile: Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        const waiting = yield* Effect.forkChild(of(operator, lockId, commandId, Duration.seconds(30)), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 second")
        yield* meanwhile
        yield* TestClock.adjust("2 seconds")
        const isTold = waiting.pollUnsafe() !== undefined
        yield* TestClock.adjust("30 seconds")
        return { isTold, waited: yield* Fiber.join(waiting), now: yield* status(commandId) }
      })
  }
})

describe("who waits for the outcome of a command", () => {
  it.effect("is told in the end that nobody waits for it any more after too many newer ones that expired", () =>
    Effect.gen(function* () {
      const { execute, toldMeanwhile } = yield* makeWaiter
      const open = (n: number) =>
        execute(asked({ _tag: "OpenLock" }, { commandId: `open-${n}`, at: millis("09:00") + n * 20_000 }))
      yield* open(0)
      const newer = Effect.forEach(Array.from({ length: MOST_LATE + 1 }), (_, n) => open(n + 1))
      const { isTold, waited, now } = yield* toldMeanwhile("open-0", newer)
      expect([isTold, waited.status]).toEqual([false, "superseded"])
      expect(waited).toEqual(now)
    })
  )

  it.effect.each<readonly [Principal, (id: string) => Request]>([
    [{ _tag: "User", userId: "ann" }, (userId) => ({ _tag: "SetOwner", userId })],
    [{ _tag: "Organization", orgId: "ann" }, (orgId) => ({ _tag: "SetOrganization", orgId })]
  ])("is told at once that there is none any more when the lock is another's: %j", ([principal, handsTo]) =>
    Effect.gen(function* () {
      const { execute, of } = yield* makeWaiter
      const give = (id: string) => execute(asked(handsTo(id), { commandId: `to-${id}`, at: millis("09:00") }))
      yield* give("ann")
      yield* execute(asked({ _tag: "OpenLock" }, { commandId: "open" }))
      const waiting = yield* Effect.forkChild(Effect.flip(of(principal, lockId, "open", Duration.seconds(30))), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      yield* give("ben")
      yield* TestClock.adjust("2 seconds")
      expect(waiting.pollUnsafe()).toBeDefined()
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "AccessDenied" })
    })
  )

  const makeRemoval = Effect.gen(function* () {
    const waiter = yield* makeWaiter
    const { execute, says } = waiter
    yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add" }))
    yield* says("add", "done")
    yield* execute(asked({ _tag: "RemoveKey", keyUuid: "key-1" }, { commandId: "remove" }))
    return waiter
  })

  it.effect("that is a removal is told in the end when the lock was told, if that was meanwhile", () =>
    Effect.gen(function* () {
      const { asLatchkey, toldMeanwhile } = yield* makeRemoval
      const { isTold, waited, now } = yield* toldMeanwhile("remove", asLatchkey({ _tag: "SendRemoval" }, "send"))
      expect([isTold, waited.status, waited.acceptedAt]).toEqual([false, "pending", millis("09:00") + 1_000])
      expect(waited).toEqual(now)
    })
  )

  it.effect("that is a removal is told at once that it failed when it is tried no more", () =>
    Effect.gen(function* () {
      const { asLatchkey, says, status, toldMeanwhile } = yield* makeRemoval
      for (let n = 1; n <= 5; n++) {
        yield* asLatchkey({ _tag: "SendRemoval" }, `send-${n}`)
        yield* says(`send-${n}`, "failed")
        yield* TestClock.adjust("10 minutes")
      }
      expect(yield* status("remove")).toMatchObject({ status: "pending" })
      const noted = asLatchkey({ _tag: "NoteAttention" }, "attention")
      const { isTold, waited, now } = yield* toldMeanwhile("remove", noted)
      expect([isTold, waited.status]).toEqual([true, "failed"])
      expect(waited).toEqual(now)
    })
  )
})
