/** The bare group commit under as many callers as `embedded.ts` has. */
import { join } from "node:path"
import { lockIds, lockUuid, tempKeyUuid } from "../locks.ts"
import { MAX_LATENCIES, type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"
import { openGroupCommit } from "./groupCommit.ts"

export interface Appending {
  readonly folder: string
  readonly locks: number
  readonly callers: number
  readonly warmUp: number
  readonly seconds: number
}

answerJobs(async ({ folder, locks, callers, warmUp, seconds }: Appending): Promise<Sample> => {
  const { append, close } = openGroupCommit(join(folder, "floor.db"))
  const uses = new Map(lockIds(locks).map((id) => [id, 0]))
  const latencies = new Float64Array(MAX_LATENCIES)
  let timed = 0
  const begin = performance.now() + warmUp * 1000
  const end = begin + seconds * 1000
  const appended = (lockId: number) =>
    new Promise<number>((resolve) => {
      const usedCount = (uses.get(lockId) ?? 0) + 1
      uses.set(lockId, usedCount)
      const timestamp = new Date().toISOString()
      const data = { tempKeyUuid: tempKeyUuid(lockId), lockId, lockUuid: lockUuid(lockId), timestamp, usedCount }
      append({ lockId, type: "TempKeyUsed", data }, resolve)
    })
  const caller = async (first: number) => {
    for (let n = first; ; n += callers) {
      const asked = performance.now()
      if (asked >= end) return
      await appended(1 + (n % locks))
      const now = performance.now()
      if (asked < begin || now > end) continue
      latencies[timed % MAX_LATENCIES] = now - asked
      timed++
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, first) => caller(first)))
  close()
  return sampleOf(timed, seconds, latencies.subarray(0, Math.min(timed, MAX_LATENCIES)))
})
