/** What an update would have changed, judged by the rules that judged the uses themselves. */
import { describe, expect, it } from "@effect/vitest"
import { lockCommands } from "@latchkey/core/testing"
import { Context, Effect, Result } from "effect"
import { stands } from "../src/lock/AccessPolicy.ts"
import { evolveStored, initial } from "../src/lock/Evolve.ts"
import { tempKeysOf } from "../src/lock/Lock.ts"
import { Locks } from "../src/locks/Locks.ts"
import type { RefusedUse } from "../src/locks/RefusedUses.ts"
import { EventStore, type StoredEvent } from "../src/streams/EventStore.ts"
import { Explanations } from "../src/why/Explanations.ts"
import { simulate } from "../src/why/Simulate.ts"
import { refusedUsesAt } from "./refusedUses.ts"
import { clock, lockId, millis, operator, type Request } from "./scenario.ts"
import { create, makeWorld } from "./world.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const ADA = "ada00000-0000-4000-8000-000000000001"
const BOB = "b0b00000-0000-4000-8000-000000000002"
const open = (userId?: string): Request => ({ _tag: "OpenWithTempKey", tempKeyUuid, ...(userId && { userId }) })

/** A key for nine to five, twice, and who came: three got in (the limit was raised), and four did not. */
const aDay = Effect.gen(function* () {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  const execute = yield* world.process()
  const ask = (time: string, request: Request) => Effect.result(execute(request, { at: millis(time) }))
  yield* ask("08:00", create)
  yield* ask("08:10", {
    _tag: "CreateTempKey",
    tempKeyUuid,
    accessMode: "public",
    validFrom: clock("09:00"),
    validUntil: clock("17:00"),
    maxUses: 2
  })
  yield* ask("08:50", open(BOB))
  yield* ask("09:10", open(ADA))
  yield* ask("12:00", open(BOB))
  yield* ask("12:30", open(ADA))
  yield* ask("13:00", { _tag: "UpdateTempKey", tempKeyUuid, maxUses: null })
  yield* ask("16:00", open())
  yield* ask("17:30", open(ADA))
  yield* ask("18:00", { _tag: "DeleteTempKey", tempKeyUuid: "7e3b0000-0000-4000-8000-00000000000b" })
  yield* ask("18:30", open(ADA))
  const { simulate } = Context.get(services, Explanations)
  return {
    world,
    simulate: (changes: object) =>
      Effect.map(simulate(operator, lockId, { tempKeyUuid, ...changes }), ({ wouldRefuse, wouldAccept, ...rest }) => ({
        ...rest,
        wouldRefuse: wouldRefuse.map(({ at, reason }) => `${new Date(at).toISOString().slice(11, 16)} ${reason}`),
        wouldAccept: wouldAccept.map(({ at, reason }) => `${new Date(at).toISOString().slice(11, 16)} ${reason}`)
      })),
    refused: (request: object) =>
      Effect.map(Effect.result(simulate(operator, lockId, { tempKeyUuid, ...request })), (result) =>
        Result.isFailure(result) ? result.failure._tag : "fine"
      )
  }
})

describe("an update that is only thought of", () => {
  it.effect("tells which uses it would have refused, and which refused ones accepted", () =>
    Effect.gen(function* () {
      const { simulate } = yield* aDay
      const counts = { accepted: 3, refused: 4, mayLackSome: false }
      expect(yield* simulate({ validFrom: clock("08:30") })).toEqual({
        ...counts,
        wouldRefuse: ["12:00 used-up"],
        wouldAccept: ["08:50 not-yet-valid"]
      })
      expect(yield* simulate({ validUntil: clock("12:15") })).toEqual({
        ...counts,
        wouldRefuse: ["16:00 expired"],
        wouldAccept: []
      })
      expect(yield* simulate({ maxUses: 1 })).toEqual({
        ...counts,
        wouldRefuse: ["12:00 used-up", "16:00 used-up"],
        wouldAccept: []
      })
      expect(yield* simulate({ maxUses: null, validUntil: clock("18:00") })).toEqual({
        ...counts,
        wouldRefuse: [],
        wouldAccept: ["12:30 used-up", "17:30 expired"]
      })
      expect(yield* simulate({ accessMode: "user-whitelist", allowedUserIds: [BOB] })).toEqual({
        ...counts,
        wouldRefuse: ["09:10 not-on-whitelist", "16:00 not-on-whitelist"],
        wouldAccept: []
      })
      const noon = { timeZone: "UTC", windows: [{ days: ["monday"], from: "11:00", to: "13:00" }] }
      expect(yield* simulate({ schedule: noon })).toEqual({
        ...counts,
        wouldRefuse: ["09:10 not-yet-valid", "16:00 not-yet-valid"],
        wouldAccept: ["12:30 used-up"]
      })
    })
  )

  it.effect("that is no update is refused as one would be, and nothing is ever written", () =>
    Effect.gen(function* () {
      const { world, simulate, refused } = yield* aDay
      const before = yield* world.store.head
      yield* simulate({ maxUses: 1 })
      expect(yield* refused({ validUntil: clock("09:00") })).toBe("EmptyWindow")
      expect(yield* refused({ accessMode: "user-whitelist" })).toBe("EmptyWhitelist")
      expect(yield* refused({ tempKeyUuid: ADA })).toBe("TempKeyNotFound")
      expect(yield* refused({})).toBe("fine")
      expect(yield* world.store.head).toBe(before)
    })
  )
})

describe("whatever happened to a lock", () => {
  it.effect.prop("what changes nothing would have changed nothing", [lockCommands], ([commands]) =>
    Effect.gen(function* () {
      const { history, refused, uuids } = yield* livedThrough(commands)
      for (const tempKeyUuid of uuids) {
        const { accepted, wouldRefuse, wouldAccept } = simulate(history, refused, { tempKeyUuid, changes: {} })
        expect([wouldRefuse, wouldAccept]).toEqual([[], []])
        expect(accepted).toBe(
          history.filter(({ type, data }) => type === "TempKeyUsed" && same(data["tempKeyUuid"], tempKeyUuid)).length
        )
      }
    })
  )

  it.effect.prop(
    "a key that is open to all forever would have refused nobody, until it was deleted, but for those that were suspended, or of givers without a say",
    [lockCommands],
    ([commands]) =>
      Effect.gen(function* () {
        const { history, refused, uuids } = yield* livedThrough(commands)
        const changes = {
          accessMode: "public",
          validFrom: "2000-01-01T00:00Z",
          validUntil: "2100-01-01T00:00Z",
          maxUses: null,
          schedule: null
        } as const
        for (const tempKeyUuid of uuids) {
          const simulation = simulate(history, refused, { tempKeyUuid, changes })
          const alive = refused.filter(
            (use) => same(use.tempKeyUuid, tempKeyUuid) && use.reason !== "deleted" && standsAt(history, use)
          )
          expect(simulation.wouldRefuse).toEqual([])
          expect(simulation.wouldAccept.map(({ eventId }) => eventId).sort()).toEqual(
            alive.map(({ eventId }) => eventId).sort()
          )
        }
      })
  )

  it.effect.prop(
    "a key for one use would have let in the first of those it let in, and nobody else of them",
    [lockCommands],
    ([commands]) =>
      Effect.gen(function* () {
        const { history, refused, uuids } = yield* livedThrough(commands)
        for (const tempKeyUuid of uuids) {
          const { accepted, wouldRefuse, wouldAccept } = simulate(history, refused, {
            tempKeyUuid,
            changes: { maxUses: 1 }
          })
          expect(wouldAccept.length + accepted - wouldRefuse.length).toBeLessThanOrEqual(1)
        }
      })
  )
})

const same = (a: unknown, b: string): boolean => String(a).toLowerCase() === b.toLowerCase()

/** Whether the giver of the key had a say about the lock when its use was refused. */
const standsAt = (history: ReadonlyArray<StoredEvent>, { tempKeyUuid, lockVersion }: RefusedUse): boolean => {
  const lock = history.slice(0, lockVersion).reduce(evolveStored, initial)
  const key = lock && tempKeysOf(lock).find(({ uuid }) => same(uuid, tempKeyUuid))
  return lock !== undefined && key !== undefined && key.suspended !== true && stands(key.giver, lock)
}

/** What such commands by the operator leave: the lock's history, the refused uses, and the temp keys it ever had. */
const livedThrough = Effect.fnUntraced(function* (commands: Arguments) {
  const world = yield* makeWorld
  const { execute } = Context.get(yield* world.latchkey(), Locks)
  for (const command of commands) yield* Effect.result(execute({ ...command, principal: operator }))
  const history = yield* world.store.read("lock-1", 0, 10_000)
  const refused = yield* Effect.provideService(refusedUsesAt(1), EventStore, world.store)
  const uuids = history.flatMap(({ type, data }) => (type === "TempKeyCreated" ? [String(data["tempKeyUuid"])] : []))
  return { history, refused, uuids }
})
type Arguments = ReadonlyArray<Parameters<Locks["Service"]["execute"]>[0]>
