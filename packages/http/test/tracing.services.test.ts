/** With a collector configured, every request is a span, which names the route and nobody's secrets. */
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { expect, it, vi } from "vitest"
import { API_KEYS, superKey } from "./harness/callers.ts"
import { furnishedLock, newUuid } from "./harness/locks.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

/** A collector that keeps the text of what it is sent. */
const startCollector = async () => {
  const received: Array<string> = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      received.push(`${request.url} ${body}`)
      response.end("{}")
    })
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The collector has no port")
  const stop = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, "close")
  }
  return { url: `http://127.0.0.1:${address.port}`, received, [Symbol.asyncDispose]: stop }
}

it("sends spans within the caller's trace, named by route", async () => {
  using folder = temporaryFolder()
  await using collector = await startCollector()
  const environment = {
    ...configured(folder.path),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "100"
  }
  await using server = await startServer(environment)
  const lock = await furnishedLock(server.url)
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
  const { tempKeyUuid } = lock
  const unknownUuid = newUuid()
  expect((await lock.post("use-temp-key", { tempKeyUuid: unknownUuid }, headers)).status).toBe(404)
  await lock.post("use-temp-key", { tempKeyUuid }, headers)
  await callsOf(server.url, superKey)("GET", `/temp-keys/${tempKeyUuid}`)
  await vi.waitUntil(() => collector.received.join().includes(traceId), { timeout: 60_000 })
  const sent = collector.received.join("\n")
  expect(sent).toContain("/v1/traces")
  expect(sent).toContain("POST /locks/:id/use-temp-key")
  for (const secret of [tempKeyUuid, unknownUuid, ...API_KEYS.map(({ secret }) => secret)])
    expect(sent).not.toContain(secret)
})

it("serves all the same while the collector is away", async () => {
  using folder = temporaryFolder()
  await using server = await startServer({
    ...configured(folder.path),
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1"
  })
  await furnishedLock(server.url)
  server.signal("SIGTERM")
  expect(await server.ended).toEqual({ code: 0, signal: null })
})
