/** What a lock has room for: of each thing exactly so many, and no command makes it more. */
import { describe, expect, it } from "@effect/vitest"
import { HashMap, HashSet, Result } from "effect"
import { decide } from "../src/lock/Decide.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { LockFull } from "../src/lock/LockError.ts"
import { BOUNDS } from "../src/lock/RequestFields.ts"
import type { TempKey } from "../src/lock/TempKey.ts"
import type { Schedule } from "../src/values/Schedule.ts"
import { asked, clock, created, given, lockId, officeKey, type Request } from "./scenario.ts"

const uuidOf = (n: number): string => `7e3b0000-0000-4000-8000-${String(n).padStart(12, "0")}`
const several = <A>(count: number, of: (n: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, n) => of(n))
const users = (count: number) => several(count, uuidOf)
const keys = (count: number, terms: Partial<TempKey> = {}) =>
  several(count, (n): TempKey => ({ ...officeKey, ...terms, uuid: uuidOf(n) }))
const schedule = (count: number): Schedule => {
  const [first, ...others] = several(count, (n) => ({
    days: ["monday"] as const,
    from: `0${n}:00`,
    to: `0${n}:30`
  }))
  return { timeZone: "UTC", windows: first === undefined ? expect.fail("a schedule has a window") : [first, ...others] }
}

/** A lock with these temp keys that once had so many others. */
const holding = (tempKeys: ReadonlyArray<TempKey>, deleted = 0): Lock => ({
  ...(given(created).lock() ?? expect.fail("there is no lock")),
  tempKeys: HashMap.fromIterable(tempKeys.map((key) => [key.uuid, key] as const)),
  deletedTempKeys: HashSet.fromIterable(several(deleted, (n) => uuidOf(1_000_000 + n)))
})

const terms = { accessMode: "public", validFrom: clock("10:00"), validUntil: clock("12:00") } as const
const creates: Request = { _tag: "CreateTempKey", tempKeyUuid: uuidOf(999_999), ...terms }
const whitelist = (count: number) => ({ accessMode: "user-whitelist", allowedUserIds: users(count) }) as const

const tagsOf = (lock: Lock, request: Request) =>
  Result.map(decide(lock, asked(request)), ({ events }) => events.map(({ _tag }) => _tag))
const becomes = (lock: Lock, request: Request, tag: string) =>
  expect(tagsOf(lock, request)).toStrictEqual(Result.succeed([tag]))
const isFull = (lock: Lock, request: Request, what: LockFull["what"], bound: number) =>
  expect(tagsOf(lock, request)).toStrictEqual(Result.fail(new LockFull({ lockId, what, bound })))

describe("a lock has room for", () => {
  it("200 residents", () => {
    const livedInBy = (count: number): Lock => ({
      ...holding([]),
      residents: several(count, (n) => ({ userId: `user-${n}`, name: "Ann", addedVersion: 1 }))
    })
    const adds: Request = { _tag: "AddResident", userId: "bob", name: "Bob" }
    isFull(livedInBy(BOUNDS.residents), adds, "residents", BOUNDS.residents)
    becomes(livedInBy(BOUNDS.residents - 1), adds, "ResidentAdded")
  })

  it("5,000 temp keys: those that it has can be changed", () => {
    const full = holding(keys(BOUNDS.tempKeys))
    isFull(full, creates, "temp keys", BOUNDS.tempKeys)
    becomes(full, { _tag: "UpdateTempKey", tempKeyUuid: uuidOf(1), maxUses: 3 }, "TempKeyUpdated")
    becomes(full, { _tag: "UpdateTempKey", tempKeyUuid: uuidOf(1), ...whitelist(1) }, "TempKeyUpdated")
    becomes(holding(keys(BOUNDS.tempKeys - 1)), creates, "TempKeyCreated")
  })

  it("50,000 links of temp keys, deleted ones included: another link is one more", () => {
    const what = "temp keys, deleted ones included"
    const changes: Request = { _tag: "ChangeTempKeyLink", tempKeyUuid: uuidOf(0), newTempKeyUuid: uuidOf(999_999) }
    const full = holding(keys(2), BOUNDS.tempKeysEver - 2)
    isFull(full, creates, what, BOUNDS.tempKeysEver)
    isFull(full, changes, what, BOUNDS.tempKeysEver)
    const hasRoom = holding(keys(2), BOUNDS.tempKeysEver - 3)
    becomes(hasRoom, creates, "TempKeyCreated")
    becomes(hasRoom, changes, "TempKeyLinkChanged")
  })

  it("20,000 users and windows of temp keys, all together", () => {
    const many = keys(BOUNDS.usersAndWindows / 100 - 1, whitelist(100))
    const changed: TempKey = { ...officeKey, ...whitelist(98), uuid: uuidOf(500_000) }
    const lock = holding([...many, changed])
    const what = "users and windows of temp keys"
    const full = (request: Request) => isFull(lock, request, what, BOUNDS.usersAndWindows)
    becomes(lock, { ...creates, ...whitelist(2) }, "TempKeyCreated")
    becomes(lock, { ...creates, ...whitelist(1), schedule: schedule(1) }, "TempKeyCreated")
    full({ ...creates, ...whitelist(3) })
    full({ ...creates, ...whitelist(1), schedule: schedule(2) })
    full({ ...creates, schedule: schedule(3) })
    const update = { _tag: "UpdateTempKey", tempKeyUuid: changed.uuid } as const
    becomes(lock, { ...update, allowedUserIds: users(100) }, "TempKeyUpdated")
    becomes(lock, { ...update, schedule: schedule(2) }, "TempKeyUpdated")
    full({ ...update, schedule: schedule(3) })
  })

  it("as many users and windows as it has, if it came to have more: a change that adds none is let through", () => {
    const over = keys(BOUNDS.usersAndWindows / 100 + 1, whitelist(100))
    const update = { _tag: "UpdateTempKey", tempKeyUuid: uuidOf(0) } as const
    becomes(holding(over), { ...update, allowedUserIds: several(100, (n) => uuidOf(n + 1)) }, "TempKeyUpdated")
    becomes(holding(over), creates, "TempKeyCreated")
    isFull(
      holding(over),
      { ...update, schedule: schedule(1) },
      "users and windows of temp keys",
      BOUNDS.usersAndWindows
    )
  })
})
