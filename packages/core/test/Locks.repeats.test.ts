/** The same command once more, and commands whose clock is not that of the log. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { clock, millis, type Request } from "./scenario.ts"
import { create, createAnother, makeWorld } from "./world.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const key: Request = {
  _tag: "CreateTempKey",
  tempKeyUuid,
  accessMode: "public",
  validFrom: clock("08:00"),
  validUntil: clock("18:00")
}

const makeLock = Effect.gen(function* () {
  const world = yield* makeWorld
  const execute = yield* world.process()
  yield* execute(create, { commandId: "create" })
  yield* execute(key, { commandId: "key" })
  return { ...world, execute }
})

describe("a command id", () => {
  it.effect.each([
    { _tag: "UseTempKey", tempKeyUuid },
    { _tag: "OpenWithTempKey", tempKeyUuid },
    { _tag: "OpenLock" },
    { _tag: "AddKey", keyUuid: "one" },
    { _tag: "AddResident", name: "Ada" },
    { _tag: "SetOwner", userId: "ada" },
    { _tag: "DeleteTempKey", tempKeyUuid }
  ] as const)("is taken once, here and in another process: $_tag", (request) =>
    Effect.gen(function* () {
      const { execute, process, log } = yield* makeLock
      yield* execute(request, { commandId: "once" })
      const before = yield* log
      for (const again of [execute, yield* process()]) {
        expect(yield* Effect.flip(again(request, { commandId: "once" }))).toMatchObject({
          _tag: "CommandExists",
          commandId: "once"
        })
      }
      expect(yield* log).toEqual(before)
    })
  )

  it.effect("stays free while nothing was recorded under it", () =>
    Effect.gen(function* () {
      const { execute } = yield* makeLock
      const early = { commandId: "again", at: millis("09:00") }
      expect(yield* Effect.flip(execute({ _tag: "RemoveKey", keyUuid: "one" }, early))).toMatchObject({
        _tag: "KeyNotFound"
      })
      expect((yield* execute({ _tag: "AddKey", keyUuid: "one" }, early)).version).toBe(3)
    })
  )

  it.effect("is taken for every lock", () =>
    Effect.gen(function* () {
      const { execute } = yield* makeLock
      yield* execute(createAnother, { commandId: "other", lockId: 8 })
      yield* execute({ _tag: "AddResident", name: "Ada" }, { commandId: "once" })
      const elsewhere = execute({ _tag: "AddResident", name: "Ada" }, { commandId: "once", lockId: 8 })
      expect(yield* Effect.flip(elsewhere)).toMatchObject({ _tag: "CommandExists" })
    })
  )
})

describe("a clock that was set back", () => {
  const late = { at: millis("12:00") }
  const early = (by: number) => ({ at: late.at - by })

  it.effect("dates what happens no earlier than what happened before", () =>
    Effect.gen(function* () {
      const { execute, store } = yield* makeLock
      yield* execute({ _tag: "AddResident", name: "Ada" }, late)
      yield* execute({ _tag: "AddResident", name: "Bob" }, early(3_600_000))
      yield* execute({ _tag: "UseTempKey", tempKeyUuid }, early(60_000))
      const times = (yield* store.read("lock-7", 2, 10)).map(({ at, data }) => [at, data["timestamp"]])
      expect(times).toEqual(Array(3).fill([late.at, clock("12:00")]))
    })
  )

  it.effect("judges by the clock, not by the last event", () =>
    Effect.gen(function* () {
      const { execute } = yield* makeLock
      yield* execute({ _tag: "UpdateTempKey", tempKeyUuid, validFrom: clock("12:00") }, late)
      expect(yield* Effect.flip(execute({ _tag: "UseTempKey", tempKeyUuid }, early(30_000)))).toMatchObject({
        _tag: "TempKeyNotValid",
        status: "not-yet-valid"
      })
    })
  )

  it.effect.each([
    { _tag: "UseTempKey", tempKeyUuid },
    { _tag: "OpenWithTempKey", tempKeyUuid },
    { _tag: "OpenLock" },
    { _tag: "WriteKey", keyUuid: "one" }
  ] as const)("by more than a minute opens nothing: $_tag", (request) =>
    Effect.gen(function* () {
      const { execute } = yield* makeLock
      yield* execute({ _tag: "AddKey", keyUuid: "one" }, late)
      expect(yield* Effect.flip(execute(request, early(60_001)))).toMatchObject({ _tag: "ClockBehind", behind: 60_001 })
      yield* execute(request, early(60_000))
    })
  )
})
