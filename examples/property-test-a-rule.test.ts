/** A rule of your own, held against every history that a lock can have. */

import { describe, it } from "@effect/vitest"
import { evolve, initial, type Lock, statusAt, tempKeysOf } from "@latchkey/core"
import { lockHistory } from "@latchkey/core/testing"
import { expect } from "vitest"

/** The house rule counts visits: how often strangers with a link could still come in, at this instant. */
const visitsLeft = (lock: Lock | undefined, at: number): number =>
  lock === undefined
    ? 0
    : tempKeysOf(lock)
        .filter((key) => key.accessMode === "public" && statusAt(key, at) === "valid")
        .reduce((visits, { maxUses, usedCount }) => visits + (maxUses ?? Number.POSITIVE_INFINITY) - usedCount, 0)

describe("the visits that are left", () => {
  it.prop("are never fewer than none", [lockHistory], ([events]) => {
    const lock = events.reduce(evolve, initial)
    expect(visitsLeft(lock, lock?.changedAt ?? 0)).toBeGreaterThanOrEqual(0)
  })

  it.prop("never become more by a visit", [lockHistory], ([events]) => {
    let lock = initial
    for (const event of events) {
      const at = Date.parse(event.timestamp)
      const before = visitsLeft(lock, at)
      lock = evolve(lock, event)
      if (event._tag === "TempKeyUsed") expect(visitsLeft(lock, at)).toBeLessThanOrEqual(before)
    }
  })
})
