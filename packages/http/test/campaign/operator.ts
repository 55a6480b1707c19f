/** Somebody who looks after locks, asks any server until it answers, and sees to what needs attention. */
import { setTimeout as sleep } from "node:timers/promises"
import { superKey } from "../harness/callers.ts"
import { callsOf } from "../harness/request.ts"
import { isAgreed, needsAttention, type Shown } from "./agreement.ts"
import { type Chance, oneOf } from "./chance.ts"

/** Locks that are looked at together. */
const TOGETHER = 16
/** Milliseconds that locks and log may take until they agree. */
const PATIENCE = 1_200_000

export interface Operator {
  /** Asks for a lock to be filled again. */
  readonly sync: (lockId: number) => Promise<string>
  readonly look: (lockId: number) => Promise<Shown>
  /** Waits until what is said of each of the locks is what is wanted. `pass` lets time pass. */
  readonly agree: (locks: Iterable<number>, now: () => number, pass: () => Promise<void>) => Promise<void>
}

export const makeOperator = (urls: () => ReadonlyArray<string>, chance: Chance): Operator => {
  const ask = async (method: "GET" | "POST", path: string): Promise<string> => {
    const call = callsOf(oneOf(chance, urls()) ?? "http://127.0.0.1:1", superKey)
    const answer = await call(method, path, method === "POST" ? { body: {} } : {}).catch(() => undefined)
    if (answer !== undefined && answer.status < 500) return answer.text
    await sleep(200)
    return ask(method, path)
  }
  const sync: Operator["sync"] = (lockId) => ask("POST", `/locks/${lockId}/sync`)
  const look: Operator["look"] = async (lockId) => {
    const exposed = JSON.parse(await ask("GET", `/locks/${lockId}/exposure`)).keys
    return { ...JSON.parse(await ask("GET", `/locks/${lockId}/details`)), exposed }
  }
  return {
    sync,
    look,
    agree: async (locks, now, pass) => {
      const end = performance.now() + PATIENCE
      for (let open = [...locks]; open.length > 0; ) {
        const waiting: Array<{ readonly lockId: number; readonly shown: Shown }> = []
        const judge = async (lockId: number) => {
          const shown = await look(lockId)
          if (needsAttention(shown)) await sync(lockId)
          if (!isAgreed(shown, now())) waiting.push({ lockId, shown })
        }
        for (let n = 0; n < open.length; n += TOGETHER) await Promise.all(open.slice(n, n + TOGETHER).map(judge))
        if (waiting.length > 0 && performance.now() > end)
          throw new Error(`${waiting.length} locks do not agree, as ${JSON.stringify(waiting[0])}`)
        open = waiting.map(({ lockId }) => lockId)
        if (open.length > 0) await sleep(500)
        if (open.length > 0) await pass()
      }
    }
  }
}
