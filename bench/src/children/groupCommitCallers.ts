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
  // Made before anything is measured, as in `embedded.ts`.
  const uses = lockIds(locks).map((lockId) => ({
    about: { tempKeyUuid: tempKeyUuid(lockId), lockId, lockUuid: lockUuid(lockId) },
    count: 0
  }))
  const { end, note, sample } = stopwatch(calling)
  const appended = (use: (typeof uses)[number]) =>
    new Promise<number>((resolve) => {
      const data = { ...use.about, timestamp: new Date().toISOString(), usedCount: ++use.count }
      append({ lockId: use.about.lockId, type: "TempKeyUsed", data }, resolve)
    })
  const caller = async (first: number) => {
    let asked = performance.now()
    for (let n = first; asked < end; n += calling.callers) {
      const use = uses[n % locks]
      if (use !== undefined) await appended(use)
      asked = note(asked)
    }
  }
  await Promise.all(Array.from({ length: calling.callers }, (_, first) => caller(first)))
  close()
  return sample()
})
