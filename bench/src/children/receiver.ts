/** Partners' receivers: bare `node:http` on ports of their own, which count what they are sent, and may hang. */
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { MAX_LATENCIES } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

/** A request as the floor sends it again. */
export interface Kept {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type Job =
  /** Answers the ports of so many more receivers. */
  | { readonly listen: number }
  /** From now on these do not answer, and all others do. */
  | { readonly hang: ReadonlyArray<number> }
  /** Answers what these received since they were asked last: how much, and how old each event was, in milliseconds. */
  | { readonly collect: ReadonlyArray<number> }
  /** Writes the last requests to a file. */
  | { readonly keep: string }

export interface Collected {
  readonly count: number
  readonly seconds: number
  readonly ages: ReadonlyArray<number>
}

const KEPT = 1_000
const CHALLENGE = '{"type":"WebhookVerification"'
const TIME = '"timestamp":'

interface Receiver {
  count: number
  since: number
  ages: Array<number>
}

const receivers = new Map<number, Receiver>()
const kept: Array<Kept> = []
let hanging: ReadonlySet<number> = new Set()

const listen = (): Promise<number> =>
  new Promise((resolve) => {
    const own: Receiver = { count: 0, since: performance.now(), ages: [] }
    let port = 0
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString()
        if (!body.startsWith(CHALLENGE)) {
          if (hanging.has(port)) return
          own.count++
          // Of the envelope itself: it comes before that of its data.
          const at = body.indexOf(TIME) + TIME.length
          if (own.ages.length < MAX_LATENCIES) own.ages.push(Date.now() - Number.parseInt(body.slice(at, at + 13), 10))
          if (kept.length < KEPT) kept.push({ headers: sentHeaders(request.headers), body })
        }
        response.writeHead(204).end()
      })
    })
    server.listen(0, "127.0.0.1", () => {
      port = (server.address() as AddressInfo).port
      receivers.set(port, own)
      resolve(port)
    })
  })

/** Without those of the connection, which a client sets itself. */
const sentHeaders = ({ host: _, connection: __, "content-length": ___, ...headers }: NodeJS.Dict<string | string[]>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))

const collect = (ports: ReadonlyArray<number>): Collected => {
  const now = performance.now()
  let [count, since] = [0, now]
  const ages: Array<number> = []
  for (const port of ports) {
    const own = receivers.get(port)
    if (own === undefined) continue
    count += own.count
    since = Math.min(since, own.since)
    for (const age of own.ages) ages.push(age)
    Object.assign(own, { count: 0, since: now, ages: [] })
  }
  return { count, seconds: (now - since) / 1000, ages }
}

answerJobs(async (job: Job): Promise<ReadonlyArray<number> | Collected | undefined> => {
  if ("listen" in job) return Promise.all(Array.from({ length: job.listen }, listen))
  if ("collect" in job) return collect(job.collect)
  if ("hang" in job) hanging = new Set(job.hang)
  else writeFileSync(job.keep, JSON.stringify(kept))
  return undefined
})
