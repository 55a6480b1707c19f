/** What strangers may hold of the port: connections, time and memory have bounds, and others are served meanwhile. */
import { once } from "node:events"
import { createServer, IncomingMessage, ServerResponse } from "node:http"
import { connect, Socket } from "node:net"
import { DeviceShadow } from "@latchkey/core"
import { Effect, Layer, Stream } from "effect"
import { expect, it, vi } from "vitest"
import { noProxies, parseProxies } from "../src/server/CallerAddress.ts"
import { type Closed, type ConnectionLimits, Connections } from "../src/server/Connections.ts"
import { superKey } from "./harness/callers.ts"
import { type InProcess, startInProcess, unsettledIn } from "./harness/inProcess.ts"
import { createLock, type TestLock } from "./harness/locks.ts"
import { brokerOf, configured, MAIN, shadowsOf, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf, connectTo, readAll, sendRaw } from "./harness/request.ts"

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
  await vi.waitUntil(() => sockets.filter(({ closed }) => closed).length >= 30, { timeout: 60_000 })
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
  await vi.waitUntil(() => [...sockets, ...more].filter(({ closed }) => closed).length >= 10, { timeout: 60_000 })
  for (const socket of [...sockets, ...more]) socket.destroy()
})

it.each([
  ["headers", { headers: 50, request: 60_000 }, head],
  ["body", { headers: 100, request: 100 }, "POST /locks/1/SetOwner HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
])("half-sent %s are answered 408", async (_, deadlines, half) => {
  await using server = await startInProcess({ deadlines: { ...deadlines, idle: 20_000 } })
  const socket = await connectTo(server.url)
  socket.write(half)
  const { status, text } = await readAll(socket)
  expect(status).toBe(408)
  expect(JSON.parse(text.slice(text.indexOf("{")))).toMatchObject({ success: false, code: 408 })
  expect(server.log.join("\n")).toContain("too late")
})

it("what was refused as late is not carried out when its rest arrives after all", async () => {
  await using server = await startInProcess({ deadlines: { headers: 200, request: 200, idle: 20_000 } })
  // The deadline is short: on a busy machine it catches others too.
  const inTime = <A>(ask: () => Promise<A>) => vi.waitFor(ask, { timeout: 60_000 })
  const lock = await inTime(() => createLock(server.url))
  const body = JSON.stringify({ userId: "late" })
  const { hostname, port } = new URL(server.url)
  // As from a server that is paused between the two halves, and answers before it reads on.
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.write(
    `POST /locks/${lock.lockId}/SetOwner HTTP/1.1\r\nHost: x\r\nX-API-Key: ${superKey["x-api-key"]}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`
  )
  const [answer] = await once(socket, "data")
  expect(String(answer)).toMatch(/^HTTP\/1.1 408 /)
  socket.end(body.slice(5))
  await once(socket.resume(), "close")
  // Commands at a lock take turns: after this one, nothing of the other can come.
  await inTime(async () => expect((await lock.post("SetOwner", { userId: "in-time" })).status).toBe(200))
  const history = await inTime(async () => {
    const { text } = await lock.get("events")
    expect(text).toContain("in-time")
    return text
  })
  expect(history).not.toContain('"late"')
})

/** Sockets that ask for the page more often than the buffers of the system take, and never read. */
const notReading = ({ url }: InProcess, count: number, times: number) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await connectTo(url)
      socket.on("error", () => {})
      socket.pause()
      socket.write("GET /docs HTTP/1.1\r\nHost: x\r\n\r\n".repeat(times))
      return socket
    })
  )

it("who does not read is cut off", async () => {
  await using server = await startInProcess({ deadlines: { headers: 1_000, request: 1_000, idle: 300 } })
  const sockets: Array<Socket> = []
  // On a busy machine a connection may be idle for too long before its request is there: then another one follows.
  const isCutOff = async () => {
    sockets.push(...(await notReading(server, 1, 20)))
    return server.log.some((line) => line.includes("not reading"))
  }
  await vi.waitUntil(isCutOff, { timeout: 60_000, interval: 500 })
  for (const socket of sockets) socket.destroy()
})

it("a page that many ask for and nobody reads is not copied for each", async () => {
  await using server = await startInProcess()
  const answered = async () =>
    Number(
      /^http_requests_total\{[^}]*route="\/docs"[^}]*\} (\d+)/m.exec(
        (await callsOf(server.url)("GET", "/metrics")).text
      )?.[1]
    )
  await callsOf(server.url)("GET", "/docs")
  const [before, rss] = [await answered(), process.memoryUsage.rss()]
  const sockets = await notReading(server, 60, 4)
  await vi.waitUntil(async () => (await answered()) === before + 240, { timeout: 60_000 })
  expect(process.memoryUsage.rss() - rss).toBeLessThan(150 * 1024 * 1024)
  for (const socket of sockets) socket.destroy()
})

it("GET /docs has a tag, is compressed, and lets nothing in from elsewhere", async () => {
  await using server = await startInProcess()
  const call = callsOf(server.url)
  const { headers, text } = await call("GET", "/docs")
  expect(headers.get("content-encoding")).toBe("gzip")
  expect(
    headers
      .get("content-security-policy")
      ?.replace(/ 'sha256-[^']+'/g, "")
      .split("; ")
  ).toEqual([
    "default-src 'none'",
    "script-src",
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ])
  // No fonts of another host, and nothing that offers to send the description to one.
  for (const setting of [
    '"withDefaultFonts":false',
    '"telemetry":false',
    '"hideClientButton":true',
    '"showDeveloperTools":"never"',
    '"documentDownloadType":"none"',
    '"agent":{"disabled":true}',
    '"mcp":{"disabled":true}'
  ])
    expect(text).toContain(setting)
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
  await vi.waitUntil(() => text.match(/HTTP\/1\.1 200/g)?.length === 20, { timeout: 60_000 })
  socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500))
  await once(socket, "close")
  expect(text.match(/HTTP\/1\.1 200/g)?.length).toBeLessThan(500)
})

it("however many send requests in a row, those of others are answered in between", async () => {
  await using server = await startInProcess()
  const ask = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
  const connected = async () => {
    const socket = await connectTo(server.url)
    socket.write(ask)
    await once(socket, "data")
    return socket
  }
  const sockets = await Promise.all(Array.from({ length: 100 }, connected))
  const one = await connected()
  let answered = 0
  for (const socket of sockets) {
    socket.on("data", (chunk: Buffer) => (answered += chunk.toString().match(/HTTP\/1\.1 200/g)?.length ?? 0))
    socket.write(ask.repeat(50))
  }
  await vi.waitUntil(() => answered > 0, { interval: 1, timeout: 60_000 })
  const before = answered
  one.write(ask)
  await once(one, "data")
  expect(answered - before).toBeLessThan(250)
  await vi.waitUntil(() => answered === 5_000, { timeout: 60_000 })
  for (const socket of [...sockets, one]) socket.destroy()
})

it("requests in a row that wait for their turn keep no newcomer out", async () => {
  await using server = await startInProcess({ connections: { total: 1, perAddress: 1 } })
  const many = await connectTo(server.url)
  many.on("error", () => {})
  many.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100))
  await once(many, "data")
  const newcomer = await sendRaw(server.url, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  expect(newcomer.status).toBe(200)
})

it("of many requests in a row, those that still wait for their turn when the client goes are not begun", async () => {
  const server = await startInProcess()
  const lock = await createLock(server.url)
  const socket = await connectTo(server.url)
  socket.write(Array.from({ length: 100 }, (_, n) => asked(lock, "SetOwner", { userId: `u${n}` })).join(""))
  await once(socket, "data")
  socket.resetAndDestroy()
  await server.stop()
  expect((await Effect.runPromise(server.store.feed(0, 200))).length).toBeLessThan(50)
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
  await using server = await startServer(environment, MAIN, ["sh", "-c", `ulimit -n 256; exec "$0" "$@"`])
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
    for (let n = 0; n < 5; n++) expect((await lock.post("SetOwner", { userId: `u${n}` })).status).toBe(200)
    expect(await isServed(server.url)).toBe(true)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

const asked = ({ path }: TestLock, action: string, body: object) => {
  const text = JSON.stringify(body)
  return `POST ${path}/${action} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${superKey["x-api-key"]}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
}

it("while it stops, answers what was begun on a connection, says with the last that it closes, and begins nothing more", async () => {
  const server = await startInProcess({ timeStandsStill: true })
  const create = () => createLock(server.url)
  const [one, two, three, late] = [await create(), await create(), await create(), await create()]
  await Effect.runPromise(server.shadow.setMode("hang"))
  const rest = asked(late, "SetOwner", { userId: "late" })
  const [socket, halfway] = [await connectTo(server.url), await connectTo(server.url)]
  const answers = Promise.all([socket, halfway].map(readAll))
  socket.write(asked(one, "OpenLock", {}) + asked(two, "OpenLock", {}))
  halfway.write(asked(three, "OpenLock", {}) + rest.slice(0, -5))
  await vi.waitUntil(async () => (await unsettledIn(server)).length === 3, { timeout: 60_000 })
  const stopped = server.stop()
  socket.write(rest)
  halfway.write(rest.slice(-5))
  await server.pass(5_000)
  const said = (await answers).map(({ text }) => text.match(/HTTP\/1\.1 \d+|^connection: .*$/gim))
  await stopped
  expect(said).toEqual([
    ["HTTP/1.1 502", "Connection: keep-alive", "HTTP/1.1 502", "connection: close"],
    ["HTTP/1.1 502", "connection: close"]
  ])
  const feed = await Effect.runPromise(server.store.feed(0, 10))
  expect(feed.map(({ type }) => type)).not.toContain("OwnerSet")
})

it("while it stops, what was refused at a glance leaves after what came before it, and then the connection closes", async () => {
  const server = await startInProcess({ timeStandsStill: true })
  const lock = await createLock(server.url)
  await Effect.runPromise(server.shadow.setMode("hang"))
  const socket = await connectTo(server.url)
  const answers = readAll(socket)
  socket.write(asked(lock, "OpenLock", {}) + asked(lock, "nothing", {}))
  await vi.waitUntil(async () => (await unsettledIn(server)).length === 1, { timeout: 60_000 })
  const stopped = server.stop()
  // Long before the deadline of a shutdown.
  await server.pass(5_000)
  await stopped
  expect((await answers).text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 502", "HTTP/1.1 404"])
})

it("a request whose client is gone is carried out while the server stops, and is not logged as broken", async () => {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => void (release = resolve))
  const shadow = Layer.succeed(
    DeviceShadow,
    DeviceShadow.of({
      send: () => Effect.promise(() => held),
      find: () => Effect.succeed(false),
      settle: () => Effect.void,
      clearOpenings: () => Effect.void,
      reports: Stream.never
    })
  )
  const server = await startInProcess({ shadow })
  const lock = await createLock(server.url)
  const socket = await connectTo(server.url)
  socket.write(asked(lock, "OpenLock", {}))
  await vi.waitUntil(async () => (await unsettledIn(server)).length === 1, { timeout: 60_000 })
  socket.destroy()
  const stopped = server.stop()
  // By now nothing but the command is left to wait for.
  const isClosed = () =>
    fetch(server.url)
      .catch(() => "closed")
      .then((answer) => answer === "closed")
  await vi.waitUntil(isClosed, { timeout: 60_000 })
  release()
  await stopped
  const feed = await Effect.runPromise(server.store.feed(0, 10))
  expect(feed.map(({ type }) => type)).toEqual(["LockCreated", "LockOpenRequested"])
  expect(server.log.filter((line) => line.includes("broke"))).toEqual([])
})

/** A server's connections, without a server: from these addresses. */
const connectionsFrom = (limits: ConnectionLimits, addresses: ReadonlyArray<string>) => {
  const closed: Array<Closed> = []
  const connections = new Connections(limits, noProxies, (why) => closed.push(why))
  const server = createServer()
  connections.watch(server)
  const open = (remoteAddress: string): Socket => {
    const socket = Object.defineProperty(new Socket(), "remoteAddress", { value: remoteAddress })
    server.emit("connection", socket)
    return socket
  }
  return { connections, open, sockets: addresses.map(open), closed }
}

it("of an IPv6 address the first 64 bits count, and of one that stands for IPv4 that one", () => {
  const limits = { total: 10, perAddress: 1 }
  const left = (addresses: ReadonlyArray<string>) =>
    connectionsFrom(limits, addresses).sockets.filter(({ destroyed }) => !destroyed).length
  expect(left(["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"])).toBe(1)
  expect(left(["2001:db8::1", "2001:db8:0:1::1"])).toBe(2)
  expect(left(["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"])).toBe(2)
})

/** An answer of so many bytes, which nobody has read. */
const unread = (connections: Connections, socket: Socket, bytes: number): ServerResponse => {
  const response = new ServerResponse(new IncomingMessage(socket))
  response.end("x".repeat(bytes))
  connections.hold(connections.of(socket) ?? expect.fail("no connection"), response)
  return response
}
const many = { total: 100, perAddress: 100 }
const addresses = (count: number) => Array.from({ length: count }, (_, n) => `10.0.0.${n}`)
const MB = 1024 * 1024

it("answers that nobody reads take 32 MB together: then whoever has waited longest is cut off", () => {
  const { connections, sockets, closed } = connectionsFrom(many, addresses(40))
  for (const socket of sockets) unread(connections, socket, MB)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual(sockets.map((_, n) => n < 9))
  expect(closed).toEqual(Array(9).fill("not reading"))
})

it("answers that were read, and those of connections that are gone, count no more", async () => {
  const { connections, sockets, closed } = connectionsFrom(many, addresses(40))
  const [reader, leaver, ...others] = sockets
  if (reader === undefined || leaver === undefined) return expect.fail("no sockets")
  const answers = [unread(connections, reader, 10 * MB), unread(connections, leaver, 10 * MB)]
  answers[0]?.emit("close")
  leaver.destroy()
  await once(leaver, "close")
  for (const socket of others.slice(0, 30)) unread(connections, socket, MB)
  expect(closed).toEqual([])
})

it("an answer of one's own counts until it is read, one that is the same for everyone does not", async () => {
  await using server = await startInProcess()
  const lock = await createLock(server.url)
  const hold = vi.spyOn(Connections.prototype, "hold")
  try {
    await callsOf(server.url)("GET", "/docs")
    expect(hold).not.toHaveBeenCalled()
    await lock.get("details")
    expect(hold).toHaveBeenCalledOnce()
  } finally {
    hold.mockRestore()
  }
})

it("a connection makes room unless a request of it is being carried out", () => {
  const { connections, open, sockets } = connectionsFrom({ total: 2, perAddress: 2 }, addresses(2))
  const [busy, idle] = sockets
  if (busy === undefined || idle === undefined) return expect.fail("no sockets")
  const carryOut = (socket: Socket) => {
    const request = new IncomingMessage(socket)
    const connection = connections.of(socket) ?? expect.fail("no connection")
    expect(connection.begin(new ServerResponse(request), connection.receive(request))).toBe(true)
  }
  carryOut(busy)
  const newcomer = open("10.0.1.1")
  expect([busy, idle, newcomer].map(({ destroyed }) => destroyed)).toEqual([false, true, false])
  carryOut(newcomer)
  const late = open("10.0.1.2")
  expect([busy, newcomer, late].map(({ destroyed }) => destroyed)).toEqual([false, false, true])
  // Of what only waits for its turn, nothing has been begun.
  const waiting = connections.of(busy) ?? expect.fail("no connection")
  waiting.queued = 1
  expect([open("10.0.1.3"), busy].map(({ destroyed }) => destroyed)).toEqual([false, true])
})
