/**
 * The floor of deliveries: a bare loop with the `undici` that the server has, which posts again what receivers were sent:
 * the same headers and bytes, to the same receivers, with as many requests under way.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { answerJobs } from "./answerJobs.ts"
import type { Kept } from "./receiver.ts"

export interface Job {
  readonly ports: ReadonlyArray<number>
  /** Requests under way to each. */
  readonly atOnce: number
  /** A file with what to post. */
  readonly kept: string
  readonly seconds: number
}

interface Undici {
  readonly Agent: new (options: {
    readonly pipelining: number
  }) => {
    readonly request: (options: object) => Promise<{ readonly body: { readonly text: () => Promise<string> } }>
  }
}

const { Agent }: Undici = createRequire(import.meta.resolve("@latchkey/http/client"))("undici")
const agent = new Agent({ pipelining: 1 })

answerJobs(async ({ ports, atOnce, kept, seconds }: Job): Promise<number> => {
  const requests: ReadonlyArray<Kept> = JSON.parse(readFileSync(kept, "utf8"))
  const end = performance.now() + seconds * 1000
  let [next, count] = [0, 0]
  const post = async (port: number) => {
    while (performance.now() < end) {
      const request = requests[next++ % requests.length]
      const { body } = await agent.request({
        origin: `http://127.0.0.1:${port}`,
        path: "/",
        method: "POST",
        ...request
      })
      await body.text()
      count++
    }
  }
  await Promise.all(ports.flatMap((port) => Array.from({ length: atOnce }, () => post(port))))
  return count / seconds
})
