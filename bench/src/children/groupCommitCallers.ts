/** The bare group commit under as many callers as `embedded.ts` has. */
import { join } from "node:path"
import { type Calling, stopwatch } from "../callers.ts"
import { lockIds, lockUuid, tempKeyUuid } from "../locks.ts"
import type { Sample } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"
import { openGroupCommit } from "./groupCommit.ts"

export interface Appending extends Calling {
  readonly folder: string
  readonly locks: number
}

answerJobs(async ({ folder, locks, ...calling }: Appending): Promise<Sample> => {
  const { append, close } = openGroupCommit(join(folder, "floor.db"))
  const uses = new Map(lockIds(locks).map((id) => [id, 0]))
  const { end, note, sample } = stopwatch(calling)
  const appended = (lockId: number) =>
    new Promise<number>((resolve) => {
      const usedCount = (uses.get(lockId) ?? 0) + 1
      uses.set(lockId, usedCount)
      const timestamp = new Date().toISOString()
      const data = { tempKeyUuid: tempKeyUuid(lockId), lockId, lockUuid: lockUuid(lockId), timestamp, usedCount }
      append({ lockId, type: "TempKeyUsed", data }, resolve)
    })
  const caller = async (first: number) => {
    for (let n = first; ; n += calling.callers) {
      const asked = performance.now()
      if (asked >= end) return
      await appended(1 + (n % locks))
      note(asked)
    }
  }
  await Promise.all(Array.from({ length: calling.callers }, (_, first) => caller(first)))
  close()
  return sample()
})
