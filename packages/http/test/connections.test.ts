/** What strangers may hold of the port: connections, time and memory have bounds, and others are served meanwhile. */
import { once } from "node:events"
import type { Socket } from "node:net"
import { Effect } from "effect"
import { expect, it, vi } from "vitest"
import { parseProxies } from "../src/CallerAddress.ts"
import { superKey } from "./harness/callers.ts"
import { startInProcess } from "./harness/inProcess.ts"
import { createLock, type TestLock } from "./harness/locks.ts"
import { brokerOf, configured, MAIN, shadowsOf, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf, connectTo, readAll } from "./harness/request.ts"

const isServed = async (url: string) =>
  (await callsOf(url)("GET", "/health", { headers: { connection: "close" } })).status === 200

const head = "GET /health HTTP/1.1\r\nHost: x\r\n"

const halfSent = async (url: string, count: number): Promise<ReadonlyArray<Socket>> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await connectTo(url)
      socket.on("error", () => {})
      socket.write(head)
      return socket
    })
  )

it("half-sent requests beyond the limits of an address make room, and others are served", async () => {
  await using server = await startInProcess({ connections: { total: 100, perAddress: 10 } })
  const sockets = await halfSent(server.url, 40)
  await vi.waitUntil(() => sockets.filter(({ closed }) => closed).length >= 30)
  expect(await isServed(server.url)).toBe(true)
  expect(server.log.filter((line) => line.includes("Connections were closed"))).toHaveLength(1)
  for (const socket of sockets) socket.destroy()
})

it("the limit of all connections holds for trusted proxies too, that of an address does not", async () => {
  const proxies = parseProxies("127.0.0.1")
  await using server = await startInProcess({
    connections: { total: 20, perAddress: 2 },
    ...(proxies === undefined ? {} : { proxies })
  })
  const sockets = await halfSent(server.url, 15)
  expect(await isServed(server.url)).toBe(true)
  expect(sockets.filter(({ closed }) => closed)).toHaveLength(0)
  const more = await halfSent(server.url, 15)
  await vi.waitUntil(() => [...sockets, ...more].filter(({ closed }) => closed).length >= 10)
  for (const socket of [...sockets, ...more]) socket.destroy()
})

it.each([
  ["headers", head],
  ["body", "POST /locks/1/SetOwner HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
])("half-sent %s are answered 408", async (_, half) => {
  await using server = await startInProcess({ deadlines: { headers: 50, request: 100, idle: 10_000 } })
  const socket = await connectTo(server.url)
  socket.write(half)
  const { status, text } = await readAll(socket)
  expect(status).toBe(408)
  expect(JSON.parse(text.slice(text.indexOf("{")))).toMatchObject({ success: false, code: 408 })
})

it("who does not read is cut off, and the page that they asked for is not copied for each", async () => {
  await using server = await startInProcess({ deadlines: { headers: 1_000, request: 1_000, idle: 200 } })
  await callsOf(server.url)("GET", "/docs")
  const before = process.memoryUsage.rss()
  const sockets = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const socket = await connectTo(server.url)
      socket.on("error", () => {})
      socket.pause()
      // More than the buffers of the system take.
      socket.write("GET /docs HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4))
      return socket
    })
  )
  await vi.waitUntil(() => server.log.some((line) => line.includes("not reading")), { timeout: 5_000 })
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024)
  for (const socket of sockets) socket.destroy()
})

it("GET /docs has a tag, is compressed, and lets nothing in from elsewhere", async () => {
  await using server = await startInProcess()
  const call = callsOf(server.url)
  const { headers } = await call("GET", "/docs")
  expect(headers.get("content-encoding")).toBe("gzip")
  expect(headers.get("content-security-policy")).toMatch(/^default-src 'none'; script-src 'sha256-\S+' 'sha256-\S+';/)
  const again = await call("GET", "/docs", { headers: { "if-none-match": headers.get("etag") ?? "" } })
  expect([again.status, again.text]).toEqual([304, ""])
  await using without = await startInProcess({ docs: false })
  expect((await callsOf(without.url)("GET", "/docs")).status).toBe(404)
})

it("many requests in a row on one connection are answered in order, and not without end", async () => {
  await using server = await startInProcess()
  const socket = await connectTo(server.url)
  socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20))
  let text = ""
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
  await vi.waitUntil(() => text.match(/HTTP\/1\.1 200/g)?.length === 20)
  socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500))
  await once(socket, "close")
  expect(text.match(/HTTP\/1\.1 200/g)?.length).toBeLessThan(500)
})

it("between many requests in a row on one connection, those of others are answered", async () => {
  await using server = await startInProcess()
  const [many, one] = [await connectTo(server.url), await connectTo(server.url)]
  let answered = 0
  many.on("data", (chunk: Buffer) => (answered += chunk.toString().match(/HTTP\/1\.1 200/g)?.length ?? 0))
  many.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100))
  one.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
  await once(one, "data")
  expect(answered).toBeLessThan(50)
  await vi.waitUntil(() => answered === 100)
  for (const socket of [many, one]) socket.destroy()
})

it("of many requests in a row, those that still wait for their turn when the client goes are not begun", async () => {
  const server = await startInProcess()
  const lock = await createLock(server.url)
  const socket = await connectTo(server.url)
  socket.write(
    Array.from({ length: 100 }, (_, n) => {
      const body = `{"userId":"u${n}"}`
      return `POST ${lock.path}/SetOwner HTTP/1.1\r\nHost: x\r\nX-API-Key: ${superKey["x-api-key"]}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    }).join("")
  )
  await once(socket, "data")
  socket.resetAndDestroy()
  await server.stop()
  expect((await Effect.runPromise(server.store.readAll(0, 200))).length).toBeLessThan(50)
})

it("under ulimit -n 256, idle connections to all ports together leave files for everyone else", async () => {
  using folder = temporaryFolder()
  const environment = {
    ...configured(folder.path),
    LATCHKEY_SHADOW_PORT: "0",
    LATCHKEY_MQTT_PORT: "0",
    // As from many addresses.
    LATCHKEY_HTTP_CONNECTIONS_PER_ADDRESS: "999",
    LATCHKEY_MQTT_CONNECTIONS_PER_ADDRESS: "999",
    LATCHKEY_SHADOW_CONNECTIONS_PER_ADDRESS: "999"
  }
  await using server = await startServer(environment, MAIN, 256)
  const sockets: Array<Socket> = []
  const open = async (url: string) => {
    const socket = await connectTo(url)
    socket.on("error", () => {})
    sockets.push(socket)
  }
  for (const url of [brokerOf(server), shadowsOf(server), server.url]) {
    await Promise.allSettled(Array.from({ length: 256 }, () => open(url)))
  }
  try {
    const lock = await createLock(server.url)
    for (let n = 0; n < 20; n++) expect((await lock.post("SetOwner", { userId: `u${n}` })).status).toBe(200)
    expect(await isServed(server.url)).toBe(true)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

it("while it stops, answers what was begun on a connection, says with the last that it closes, and begins nothing more", async () => {
  const server = await startInProcess({ sendTimeout: 1_000 })
  const [one, two] = [await createLock(server.url), await createLock(server.url)]
  await Effect.runPromise(server.shadow.setMode("hang"))
  const ask = ({ path }: TestLock, action: string, body: string) =>
    `POST ${path}/${action} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${superKey["x-api-key"]}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const socket = await connectTo(server.url)
  let text = ""
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
  socket.write(ask(one, "OpenLock", "{}") + ask(two, "OpenLock", "{}"))
  await vi.waitUntil(async () => (await Effect.runPromise(server.store.unsettled)).length === 2)
  const stopped = server.stop()
  socket.write(ask(two, "SetOwner", '{"userId":"late"}'))
  await once(socket, "close")
  await stopped
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 502", "HTTP/1.1 502"])
  expect(text.match(/^connection: .*$/gim)?.map((line) => line.toLowerCase())).toEqual([
    "connection: keep-alive",
    "connection: close"
  ])
  const feed = await Effect.runPromise(server.store.readAll(0, 10))
  expect(feed.map(({ type }) => type)).not.toContain("OwnerSet")
})

it("a request whose client is gone is carried out while the server stops, and is not logged as broken", async () => {
  const server = await startInProcess({ sendTimeout: 500 })
  const lock = await createLock(server.url)
  await Effect.runPromise(server.shadow.setMode("hang"))
  const socket = await connectTo(server.url)
  socket.write(
    `POST ${lock.path}/OpenLock HTTP/1.1\r\nHost: x\r\nX-API-Key: ${superKey["x-api-key"]}\r\nContent-Length: 0\r\n\r\n`
  )
  await vi.waitUntil(async () => (await Effect.runPromise(server.store.unsettled)).length === 1)
  socket.destroy()
  await server.stop()
  expect(server.log.filter((line) => line.includes("broke"))).toEqual([])
})
