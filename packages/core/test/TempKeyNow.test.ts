/** Keys as they are at an instant, whoever asked before and in whatever order. */
import { describe, expect, it } from "@effect/vitest"
import { tempKeyAtEdge } from "@latchkey/core/testing"
import { HashMap, Schema } from "effect"
import { evolve, initial } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { canonical, nextChangeAt, statusAt, type TempKey } from "../src/lock/TempKey.ts"
import { tempKeyAt, tempKeysAt } from "../src/locks/TempKeyNow.ts"
import { officeKey as key, millis } from "./scenario.ts"

const hands = { orgId: "org-1" }

describe("tempKeyAt", () => {
  it("is the same object until the status changes", () => {
    const early = tempKeyAt(key, hands, millis("08:00"))
    expect(early.status).toBe("not-yet-valid")
    expect(tempKeyAt(key, hands, millis("09:00") - 1)).toBe(early)
    const open = tempKeyAt(key, hands, millis("09:00"))
    expect(open.status).toBe("valid")
    expect(tempKeyAt(key, hands, millis("17:00") - 1)).toBe(open)
    expect(tempKeyAt(key, hands, millis("17:00")).status).toBe("expired")
  })

  it("is right also when the clock goes back", () => {
    expect(tempKeyAt(key, hands, millis("12:00")).status).toBe("valid")
    expect(tempKeyAt(key, hands, millis("08:00")).status).toBe("not-yet-valid")
  })

  it.prop(
    "says what the rules say, whatever was asked before",
    [tempKeyAtEdge, Schema.Array(Schema.Literals([-1, 0, 1, 86_400_000, -86_400_000]))],
    ([{ key, now: edge }, steps]) => {
      for (const step of steps) {
        const now = edge + step
        expect(tempKeyAt(key, hands, now)).toEqual({
          ...key,
          status: statusAt(key, now),
          nextChangeAt: nextChangeAt(key, now)
        })
      }
    }
  )

  it("is not valid while its giver may not give it, and what has ended stays ended", () => {
    const sold = { orgId: "org-2" }
    const open = tempKeyAt(key, hands, millis("12:00"))
    expect(tempKeyAt(key, sold, millis("12:00"))).toEqual({
      ...open,
      status: "not-yet-valid",
      nextChangeAt: millis("17:00"),
      withdrawn: true
    })
    expect(tempKeyAt(key, hands, millis("12:00"))).toEqual(open)
    expect(tempKeyAt(key, sold, millis("17:00"))).toMatchObject({ status: "expired", nextChangeAt: undefined })
  })

  it("forgets what was asked long ago", () => {
    const first = tempKeyAt(key, hands, millis("10:00"))
    for (let n = 0; n < 20_000; n++) tempKeyAt({ ...key }, hands, millis("10:00"))
    expect(tempKeyAt(key, hands, millis("10:00"))).not.toBe(first)
    expect(tempKeyAt(key, hands, millis("10:00"))).toEqual(first)
  })
})

describe("tempKeysAt", () => {
  const lockWith = (...keys: ReadonlyArray<TempKey>): Lock => {
    const about = { lockId: 7, uuid: "0b0e8400-e29b-41d4-a716-446655440000", timestamp: "2026-08-31T08:00:00.000Z" }
    const created = evolve(initial, { _tag: "LockCreated", ...about, index: 1, orgId: "org-1" })
    if (created === undefined) return expect.unreachable("an event left no lock")
    return { ...created, tempKeys: HashMap.fromIterable(keys.map((key) => [canonical(key.uuid), key] as const)) }
  }
  const later = {
    ...key,
    uuid: "7e3b0000-0000-4000-8000-000000000002",
    createdVersion: key.createdVersion + 1,
    validFrom: "2026-08-31T12:00:00Z"
  }
  const statuses = (lock: Lock, time: string) => tempKeysAt(lock, millis(time)).map(({ status }) => status)

  it("is the same list until one of the keys changes", () => {
    const lock = lockWith(key, later)
    const open = tempKeysAt(lock, millis("09:00"))
    expect(open.map(({ status }) => status)).toEqual(["valid", "not-yet-valid"])
    expect(tempKeysAt(lock, millis("12:00") - 1)).toBe(open)
    expect(statuses(lock, "12:00")).toEqual(["valid", "valid"])
    expect(statuses(lock, "17:00")).toEqual(["expired", "expired"])
    expect(statuses(lock, "08:59")).toEqual(["not-yet-valid", "not-yet-valid"])
    expect(tempKeysAt(lockWith(), millis("12:00"))).toEqual([])
  })

  it("is another one once the lock has changed", () => {
    const lock = lockWith(key)
    expect(statuses(lock, "12:00")).toEqual(["valid"])
    expect(statuses({ ...lock, orgId: "org-2" }, "12:00")).toEqual(["not-yet-valid"])
  })

  it("forgets what was asked long ago, also of locks without keys", () => {
    const lock = lockWith(key)
    const first = tempKeysAt(lock, millis("10:00"))
    for (let n = 0; n < 20_000; n++) tempKeysAt({ ...lock, tempKeys: HashMap.empty() }, millis("10:00"))
    expect(tempKeysAt(lock, millis("10:00"))).not.toBe(first)
    expect(tempKeysAt(lock, millis("10:00"))).toEqual(first)
  })
})
