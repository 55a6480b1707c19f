/** What was kept of a lock, as a list. */
import { Effect } from "effect"
import { forEachRefusedUse, type RefusedUse } from "../src/locks/RefusedUses.ts"

export const refusedUsesAt = Effect.fnUntraced(function* (lockId: number) {
  const uses: Array<RefusedUse> = []
  yield* forEachRefusedUse(lockId, (use) => uses.push(use))
  return uses
})
