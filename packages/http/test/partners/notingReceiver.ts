/** A partner's receiver that keeps account: of each lock it takes the versions in order, and an id says the same each time. */
import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { between, type Chance, oneOf } from "../campaign/chance.ts"
import { organization } from "../harness/callers.ts"
import { callsOf } from "../harness/request.ts"

/** What a receiver does that has not taken an event. */
const failures: ReadonlyArray<(response: ServerResponse) => void> = [
  (response) => response.writeHead(500).end("broken"),
  (response) => response.writeHead(503).end(),
  (response) => response.writeHead(429, { "retry-after": "1" }).end(),
  (response) => response.writeHead(301, { location: "/elsewhere" }).end(),
  (response) => response.destroy(),
  (response) => {
    response.writeHead(200, { "content-length": "100" }).write("half")
    setImmediate(() => response.destroy())
  }
]

/**
 * Takes events, and notes whatever is not as it should be: `wrong`.
 *
 * @param options.failing the part of requests that it fails, in one of several ways; it takes a tenth of the others slowly
 */
export const startNotingReceiver = async ({
  chance,
  failing = 0
}: {
  readonly chance: Chance
  readonly failing?: number
}) => {
  const state = { failing, isDown: false, requests: 0, taken: 0, again: 0, failed: 0, lastAt: 0 }
  const upTo = new Map<number, number>()
  const known = new Map<string, string>()
  const tries = new Map<string, number>()
  const wrong: Array<string> = []
  const take = (response: ServerResponse, lockId: number, version: number) => {
    const before = upTo.get(lockId) ?? 0
    if (version <= before) state.again++
    else {
      state.taken++
      upTo.set(lockId, version)
    }
    response.writeHead(204).end()
  }
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString())
      if (body.detail?.data.lockId === undefined) return void response.writeHead(204).end()
      const { id, detail } = body
      const lockId: number = detail.data.lockId
      const text = `${lockId} ${detail.version} ${JSON.stringify(body)}`
      state.requests++
      state.lastAt = performance.now()
      if (request.headers["webhook-id"] !== id || (known.get(id) ?? text) !== text) wrong.push(`changed: ${text}`)
      known.set(id, text)
      const before = upTo.get(lockId) ?? 0
      if (detail.version > before + 1) wrong.push(`lock ${lockId}: ${detail.version} came after ${before}`)
      if (state.isDown || chance() < state.failing) {
        state.failed++
        tries.set(`${lockId} ${detail.version}`, (tries.get(`${lockId} ${detail.version}`) ?? 0) + 1)
        return state.isDown ? void response.destroy() : oneOf(chance, failures)?.(response)
      }
      if (state.failing === 0 || chance() < 0.9) take(response, lockId, detail.version)
      else setTimeout(() => take(response, lockId, detail.version), between(chance, 10, 400))
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    state,
    wrong,
    upTo: (lockId: number) => upTo.get(lockId) ?? 0,
    failuresOf: (lockId: number, version: number) => tries.get(`${lockId} ${version}`) ?? 0,
    ids: known,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

/** All events of locks that there are, by pages of the feed. */
export const eventsOf = async (url: string) => {
  const call = callsOf(url, organization)
  const events: Array<{ readonly id: string; readonly lockId: number; readonly version: number }> = []
  for (let [cursor, more] = ["", true]; more; ) {
    const page = JSON.parse((await call("GET", `/events?limit=1000${cursor}`)).text)
    for (const { id, detail } of page.events) {
      if (detail.data.lockId !== undefined) events.push({ id, lockId: detail.data.lockId, version: detail.version })
    }
    ;[cursor, more] = [`&after=${page.nextCursor}`, page.more]
  }
  return events
}
