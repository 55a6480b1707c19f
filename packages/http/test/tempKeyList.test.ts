/** Lists of temp keys, long ones too, say how the keys are now. */
import { evolve, initial, type Lock, nextChangeAt, statusAt, type TempKeyNow, tempKeysOf } from "@latchkey/core"
import { expect, it } from "vitest"
import { tempKeyList } from "../src/locks/TempKeyList.ts"

const uuid = "0b0e8400-e29b-41d4-a716-446655440000"
const about = { lockId: 7, lockUuid: uuid, timestamp: "2026-08-31T08:00:00.000Z" }
const keyUuid = (n: number) => `7e3b0000-0000-4000-8000-${String(n).padStart(12, "0")}`

const lockWith = (count: number): Lock => {
  const created = evolve(initial, { _tag: "LockCreated", ...about, uuid, index: 1 })
  const lock = Array.from({ length: count }).reduce<Lock | undefined>(
    (lock, _, n) =>
      evolve(lock, {
        _tag: "TempKeyCreated",
        ...about,
        tempKeyUuid: keyUuid(n),
        accessMode: "public",
        allowedUserIds: [],
        validFrom: "2026-08-31T09:00:00Z",
        validUntil: "2026-08-31T17:00:00Z",
        maxUses: null,
        createdBy: "ada"
      }),
    created
  )
  return lock ?? expect.unreachable("an event left no lock")
}

/** As the core has it: the same object for as long as the key is as it was. */
const keysAt = (lock: Lock, now: number): ReadonlyArray<TempKeyNow> =>
  tempKeysOf(lock).map((key) => ({ ...key, status: statusAt(key, now), nextChangeAt: nextChangeAt(key, now) }))

const listOf = (lock: Lock, keys: ReadonlyArray<TempKeyNow>) => {
  const listed: { readonly tempKeys: ReadonlyArray<{ readonly status: string; readonly usedCount: number }> } =
    JSON.parse(String(tempKeyList(lock, keys).body))
  return listed.tempKeys
}

const at = (time: string) => Date.parse(`2026-08-31T${time}:00Z`)

it.each([1, 99, 100, 250])("of %i keys", (count) => {
  const lock = lockWith(count)
  const [early, open, late] = [keysAt(lock, at("08:00")), keysAt(lock, at("10:00")), keysAt(lock, at("17:00"))]
  for (const [keys, status] of [
    [early, "not-yet-valid"],
    [open, "valid"],
    [[...open], "valid"],
    [late, "expired"],
    [open, "valid"]
  ] as const) {
    expect(listOf(lock, keys).map((key) => key.status)).toEqual(Array(count).fill(status))
  }
  const oneLater = [...open.slice(1), ...late.slice(0, 1)]
  expect(listOf(lock, oneLater).at(-1)?.status).toBe("expired")
  const used = evolve(lock, { _tag: "TempKeyUsed", ...about, tempKeyUuid: keyUuid(count - 1), usedCount: 1 })
  const counts = used && listOf(used, keysAt(used, at("10:00"))).map((key) => key.usedCount)
  expect(counts).toEqual([...Array(count - 1).fill(0), 1])
  const deleted = evolve(lock, { _tag: "TempKeyDeleted", ...about, tempKeyUuid: keyUuid(0), deletedBy: "ada" })
  expect(deleted && listOf(deleted, keysAt(deleted, at("10:00")))).toHaveLength(count - 1)
  expect(listOf(lock, open.slice(1))).toHaveLength(count - 1)
})
