/** A rule of your own, held against every history that a lock can have. */

import { it } from "@effect/vitest"
import { evolve, initial, type Lock, statusAt, tempKeysOf } from "@latchkey/core"
import { lockHistory } from "@latchkey/core/testing"
import { expect } from "vitest"

/** The house rule counts visits: how often a guest's key could still be used, at this instant. */
const visitsLeft = (lock: Lock | undefined, tempKeyUuid: string, at: number): number => {
  const key = lock && tempKeysOf(lock).find(({ uuid }) => uuid === tempKeyUuid)
  if (key === undefined || statusAt(key, at) !== "valid") return 0
  return (key.maxUses ?? Number.POSITIVE_INFINITY) - key.usedCount
}

it.prop("a visit takes exactly one of those that are left", [lockHistory], ([events]) => {
  let lock = initial
  for (const event of events) {
    const before = lock
    lock = evolve(lock, event)
    if (event._tag === "TempKeyUsed") {
      const at = Date.parse(event.timestamp)
      expect(visitsLeft(lock, event.tempKeyUuid, at)).toBe(visitsLeft(before, event.tempKeyUuid, at) - 1)
    }
  }
})
