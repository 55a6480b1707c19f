/** Keys as they are at an instant, whoever asked before and in whatever order. */
import { describe, expect, it } from "@effect/vitest"
import { tempKeyAtEdge } from "@latchkey/core/testing"
import { Schema } from "effect"
import { nextChangeAt, statusAt } from "../src/lock/TempKey.ts"
import { tempKeyAt } from "../src/locks/TempKeyNow.ts"
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
