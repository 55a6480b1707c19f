/** Refused uses are kept, beside the lock's history and only so many of them. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import {
  COMMANDS_OF_CALLER,
  COMMANDS_OF_LOCK,
  KEPT_OF_KEY,
  KEPT_OF_LOCK,
  makeLackOf,
  type RefusedUse,
  streamOfRefused
} from "../src/locks/RefusedUses.ts"
import { EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"
import { refusedUsesAt } from "./refusedUses.ts"
import { clock, lockId, millis, type Request } from "./scenario.ts"
import { create, makeWorld, stepOf } from "./world.ts"

const DAY = 86_400_000
const uuidOf = (n: number) => `7e3b0000-0000-4000-8000-${String(n).padStart(12, "0")}`
const share = (n: number, terms: object = {}): Request => ({
  _tag: "CreateTempKey",
  tempKeyUuid: uuidOf(n),
  accessMode: "public",
  validFrom: clock("09:00"),
  validUntil: clock("17:00"),
  ...terms
})
const use = (n: number, userId?: string): Request => ({
  _tag: "UseTempKey",
  tempKeyUuid: uuidOf(n),
  ...(userId && { userId })
})
const open = (n: number): Request => ({ _tag: "OpenWithTempKey", tempKeyUuid: uuidOf(n) })

const kept = (store: EventStore["Service"], lock = lockId) =>
  Effect.provideService(refusedUsesAt(lock), EventStore, store)

const before = { at: millis("08:00") }

const mayLackSome = (uses: ReadonlyArray<RefusedUse>, tempKeyUuid: string): boolean => {
  const lack = makeLackOf(tempKeyUuid)
  uses.forEach(lack.take)
  return lack.mayLackSome()
}

/** A lock with so many keys that are not valid yet. */
const aLock = Effect.fnUntraced(function* (keys = 1) {
  const world = yield* makeWorld
  const execute = yield* world.process()
  yield* execute(create, before)
  for (let n = 0; n < keys; n++) yield* execute(share(n), before)
  return { world, execute }
})
const early = { at: millis("08:30") }

describe("a refused use", () => {
  it.effect("is kept with its reason and what it rests on, and changes nothing of the lock", () =>
    Effect.gen(function* () {
      const { world, execute } = yield* aLock(2)
      const ada = "ada00000-0000-4000-8000-000000000001"
      yield* execute(share(2, { accessMode: "user-whitelist", allowedUserIds: [uuidOf(9)] }), before)
      yield* execute({ _tag: "DeleteTempKey", tempKeyUuid: uuidOf(1) }, before)
      const log = yield* world.log
      for (const request of [use(0), open(0), use(1), open(1)]) yield* Effect.flip(execute(request, early))
      yield* Effect.flip(execute(use(2, ada), { at: millis("10:00") }))
      yield* Effect.flip(execute(use(0), { at: millis("17:00") }))
      expect(yield* world.log).toEqual(log)
      expect(
        (yield* kept(world.store)).map(({ tempKeyUuid, reason, lockVersion }) => [tempKeyUuid, reason, lockVersion])
      ).toEqual([
        [uuidOf(0), "not-yet-valid", 5],
        [uuidOf(0), "not-yet-valid", 5],
        [uuidOf(1), "deleted", 5],
        [uuidOf(1), "deleted", 5],
        [uuidOf(2), "not-on-whitelist", 5],
        [uuidOf(0), "expired", 5]
      ])
      const [first, , , , listed] = yield* kept(world.store)
      expect(first).toMatchObject({ at: early.at, principal: { _tag: "Super" } })
      expect([first && "userId" in first, listed?.userId]).toEqual([false, ada])
    })
  )

  it.effect("of no key of the lock, or of another command, is not kept", () =>
    Effect.gen(function* () {
      const { world, execute } = yield* aLock()
      yield* Effect.flip(execute(use(7), early))
      yield* Effect.flip(execute(open(7), early))
      yield* Effect.flip(execute(share(0)))
      yield* Effect.flip(execute(use(0), { ...early, lockId: 999 }))
      expect(yield* world.store.feed(0, 10, { category: "attempts" })).toEqual([])
      expect(yield* world.store.records("refused/", "", 10)).toEqual([])
    })
  )

  it.effect("of what a caller may not ask is kept so often, whatever becomes of others", () =>
    Effect.gen(function* () {
      const { world, execute } = yield* aLock()
      const by = (userId: string) => ({ ...early, principal: { _tag: "User", userId } as const })
      for (let n = 0; n < COMMANDS_OF_CALLER + 2; n++) yield* Effect.flip(execute({ _tag: "OpenLock" }, by("eve")))
      const refused = () => world.store.feed(0, 1_000, { category: "attempts" })
      expect(yield* refused()).toHaveLength(COMMANDS_OF_CALLER)
      for (let n = 0; n < COMMANDS_OF_LOCK; n++) yield* Effect.flip(execute({ _tag: "OpenLock" }, by(`eve-${n}`)))
      expect(yield* refused()).toHaveLength(COMMANDS_OF_LOCK)
      yield* Effect.flip(execute(use(0), early))
      expect((yield* refused()).at(-1)?.data).toMatchObject({ tempKeyUuid: uuidOf(0) })
      expect(yield* kept(world.store)).toHaveLength(1)
    })
  )

  it.effect("is answered all the same when it cannot be kept", () =>
    Effect.gen(function* () {
      const { world } = yield* aLock()
      const down = EventStore.of({
        ...world.store,
        write: (batch) =>
          stepOf(batch).startsWith("append attempts-")
            ? Effect.fail(new StoreUnavailable({ message: "full" }))
            : world.store.write(batch)
      })
      const execute = yield* world.process({ over: Context.add(world.ports, EventStore, down) })
      const refused = yield* Effect.flip(execute(use(0), early))
      expect(yield* kept(world.store)).toEqual([])
      expect(refused._tag).toBe("TempKeyNotValid")
    })
  )
})

describe("whoever hammers at a door", () => {
  it.effect("fills no store: of each key, and of each lock, only so many are kept of a day", () =>
    Effect.gen(function* () {
      const keys = KEPT_OF_LOCK / KEPT_OF_KEY + 2
      const { world, execute } = yield* aLock(keys)
      const hammer = (n: number, at: number) => Effect.flip(execute(open(n), { at }))
      for (let n = 0; n < 2 * KEPT_OF_KEY; n++) yield* hammer(0, early.at)
      expect((yield* kept(world.store)).length).toBe(KEPT_OF_KEY)
      const some = yield* kept(world.store)
      expect([mayLackSome(some, uuidOf(0)), mayLackSome(some, uuidOf(1))]).toEqual([true, false])

      yield* hammer(1, early.at)
      expect((yield* kept(world.store)).length).toBe(KEPT_OF_KEY + 1)

      for (let key = 1; key < keys; key++) for (let n = 0; n <= KEPT_OF_KEY; n++) yield* hammer(key, early.at)
      const all = yield* kept(world.store)
      expect([all.length, mayLackSome(all, uuidOf(keys - 1))]).toEqual([KEPT_OF_LOCK, true])

      yield* hammer(0, early.at + DAY)
      expect((yield* kept(world.store)).length).toBe(KEPT_OF_LOCK + 1)
    })
  )

  it.live("does so from several processes at once, and across their restarts", () =>
    Effect.gen(function* () {
      const { world, execute } = yield* aLock()
      const other = yield* world.process()
      const tries = Array.from({ length: KEPT_OF_KEY }, (_, n) =>
        Effect.flip((n % 2 ? other : execute)(open(0), early))
      )
      yield* Effect.all(tries, { concurrency: "unbounded" })
      expect((yield* kept(world.store)).length).toBe(KEPT_OF_KEY)
      const third = yield* world.process()
      for (let n = 0; n < 3; n++) yield* Effect.flip(third(open(0), early))
      expect((yield* kept(world.store)).length).toBe(KEPT_OF_KEY)
    })
  )

  it.effect("at lock 4 leaves nothing at lock 42", () =>
    Effect.gen(function* () {
      const { world, execute } = yield* aLock()
      for (const lockId of [4, 42]) {
        yield* execute(
          { ...create, uuid: `0b0e8400-e29b-41d4-a716-${String(lockId).padStart(12, "0")}` },
          { ...before, lockId }
        )
        yield* execute(share(lockId), { ...before, lockId })
      }
      yield* Effect.flip(execute(open(42), { ...early, lockId: 42 }))
      expect([(yield* kept(world.store, 4)).length, (yield* kept(world.store, 42)).length]).toEqual([0, 1])
      expect(streamOfRefused(42, early.at)).toBe("attempts-42-2026-08-31")
      // Days are found by their records, which are written with the first event of each.
      expect((yield* world.store.records("refused/", "", 10)).map(({ key }) => key)).toEqual(["refused/42/2026-08-31"])
    })
  )
})
