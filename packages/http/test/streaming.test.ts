/** Answers that go on: as fast as they are read, for as long as somebody does, and no longer than the server. */
import { once } from "node:events"
import type { Socket } from "node:net"
import { type Cause, Effect, Exit, Logger, Queue, Schema, Scope, Stream } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { expect, it, vi } from "vitest"
import { Authenticator } from "../src/auth/Authentication.ts"
import { type Answer, streamed } from "../src/server/Answer.ts"
import { makeDispatcher } from "../src/server/Dispatcher.ts"
import { makeQuota } from "../src/server/Quota.ts"
import { compile } from "../src/server/Routes.ts"
import { listenOn, type SocketOptions } from "../src/server/Server.ts"
import { type ServerSentEvent, serverSentEvents } from "../src/server/ServerSentEvents.ts"
import { connectTo, readAll } from "./harness/request.ts"

const Told = HttpApi.make("told").add(
  HttpApiGroup.make("all").add(HttpApiEndpoint.get("told", "/told", { success: Schema.String }))
)

/** A server whose one route answers this. */
const serve = async (answer: Effect.Effect<Answer>, options: Partial<SocketOptions> = {}) => {
  const log: Array<string> = []
  const scope = Scope.makeUnsafe()
  const served = Effect.gen(function* () {
    const dispatcher = yield* makeDispatcher({
      router: compile(Told, { all: { told: () => answer } }),
      operations: {},
      quota: yield* makeQuota,
      traced: false
    })
    return yield* listenOn(dispatcher, { host: "127.0.0.1", port: 0, ...options }, () => {})
  }).pipe(
    Effect.provideService(Authenticator, { authenticate: () => Effect.succeed({ _tag: "Guest" }) }),
    Effect.provide(Logger.layer([Logger.map(Logger.formatLogFmt, (line) => log.push(line))])),
    Scope.provide(scope)
  )
  const { port } = await Effect.runPromise(served)
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  return { url: `http://127.0.0.1:${port}`, log, stop, [Symbol.asyncDispose]: stop }
}

const ask = async (url: string, method = "GET"): Promise<Socket> => {
  const socket = await connectTo(url)
  socket.on("error", () => {})
  socket.write(`${method} /told HTTP/1.1\r\nHost: x\r\n\r\n`)
  return socket
}

/** What has come so far. */
const reading = (socket: Socket) => {
  const said = { text: "" }
  socket.on("data", (data: Buffer) => (said.text += data.toString()))
  return said
}

const PATIENCE = { timeout: 60_000 }

/** Events that a test tells when it likes, and whether anybody still wants them. */
const source = () => {
  const told = Effect.runSync(Queue.unbounded<ServerSentEvent, Cause.Done>())
  const state = { hasEnded: false }
  const events = Stream.ensuring(
    Stream.fromQueue(told),
    Effect.sync(() => (state.hasEnded = true))
  )
  return {
    state,
    events,
    tell: (event: ServerSentEvent) => void Queue.offerUnsafe(told, event),
    end: () => void Queue.endUnsafe(told)
  }
}

it("events are told as they happen, each as the standard writes it, until they end", async () => {
  const { events, tell, end } = source()
  await using server = await serve(serverSentEvents(events))
  const socket = await ask(server.url)
  const said = reading(socket)
  tell({ id: "1", event: "opened", data: '{"lockId":7}' })
  await vi.waitUntil(() => said.text.includes('id: 1\nevent: opened\ndata: {"lockId":7}\n\n'), PATIENCE)
  expect(said.text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(said.text).toContain("content-type: text/event-stream\r\n")
  expect(said.text).toContain("cache-control: no-store\r\n")
  tell({ id: "2\nevent: forged", data: "one\ntwo" })
  await vi.waitUntil(() => said.text.includes("id: 2 event: forged\ndata: one\ndata: two\n\n"), PATIENCE)
  end()
  await vi.waitUntil(() => said.text.endsWith("\r\n0\r\n\r\n"), PATIENCE)
  socket.destroy()
})

it("heartbeats keep a connection that says nothing else from being cut off", async () => {
  const { events, tell } = source()
  const deadlines = { headers: 1_000, request: 1_000, idle: 1_000 }
  await using server = await serve(serverSentEvents(events, { heartbeat: "50 millis" }), { deadlines })
  const socket = await ask(server.url)
  const said = reading(socket)
  await vi.waitUntil(() => said.text.split(": \n\n").length > 30, PATIENCE)
  tell({ data: "still here" })
  await vi.waitUntil(() => said.text.includes("data: still here\n\n"), PATIENCE)
  socket.destroy()
})

it("a client that goes away ends what it was told of", async () => {
  const { events, state, tell } = source()
  await using server = await serve(serverSentEvents(events))
  const socket = await ask(server.url)
  tell({ data: "hello" })
  await once(socket, "data")
  socket.destroy()
  await vi.waitUntil(() => state.hasEnded, PATIENCE)
})

it("a client that does not read holds back what is made for it, and is cut off", async () => {
  const made = { bytes: 0, hasEnded: false }
  const chunk = "x".repeat(64 * 1024)
  const endless = Stream.fromEffectRepeat(
    Effect.sync(() => {
      made.bytes += chunk.length
      return chunk
    })
  ).pipe(Stream.ensuring(Effect.sync(() => (made.hasEnded = true))))
  const answer = Effect.map(streamed(endless), (body): Answer => ({ status: 200, contentType: "text/plain", body }))
  await using server = await serve(answer, { deadlines: { headers: 1_000, request: 1_000, idle: 300 } })
  const socket = await connectTo(server.url)
  socket.on("error", () => {})
  socket.pause()
  socket.write("GET /told HTTP/1.1\r\nHost: x\r\n\r\n")
  await vi.waitUntil(() => server.log.some((line) => line.includes("not reading")), PATIENCE)
  await vi.waitUntil(() => made.hasEnded, PATIENCE)
  // What the buffers of the system take, and one chunk.
  expect(made.bytes).toBeLessThan(32 * 1024 * 1024)
  socket.destroy()
})

it("who is new takes the place of who was told nothing for longest", async () => {
  const { events } = source()
  await using server = await serve(serverSentEvents(events), { connections: { total: 2, perAddress: 2 } })
  const first = await ask(server.url)
  const said = reading(first)
  await vi.waitUntil(() => said.text.includes("\r\n\r\n"), PATIENCE)
  const others = await Promise.all([ask(server.url), ask(server.url)])
  await once(first, "close")
  for (const socket of others) socket.destroy()
})

it("a server that stops ends what goes on, whole", async () => {
  const { events, state, tell } = source()
  await using server = await serve(serverSentEvents(events))
  const socket = await ask(server.url)
  const said = reading(socket)
  tell({ data: "hello" })
  await vi.waitUntil(() => said.text.includes("data: hello\n\n"), PATIENCE)
  const closed = once(socket, "close")
  await server.stop()
  await closed
  expect(said.text).toMatch(/\r\n0\r\n\r\n$/)
  expect(state.hasEnded).toBe(true)
})

it("what breaks on the way breaks off, and is logged", async () => {
  const broken = Stream.die(new Error("out of words"))
  const answer = Effect.map(streamed(broken), (body): Answer => ({ status: 200, contentType: "text/plain", body }))
  await using server = await serve(answer)
  const { status, text } = await readAll(await ask(server.url))
  expect(status).toBe(200)
  expect(text).not.toMatch(/\r\n0\r\n\r\n$/)
  await vi.waitUntil(() => server.log.some((line) => line.includes("out of words")), PATIENCE)
})

it("of HEAD nothing is told", async () => {
  const made = { any: false }
  const answer = serverSentEvents(
    Stream.sync(() => {
      made.any = true
      return { data: "told" }
    })
  )
  await using server = await serve(answer)
  const socket = await connectTo(server.url)
  socket.write("HEAD /told HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  const { status, text } = await readAll(socket)
  expect(status).toBe(200)
  expect(text).toMatch(/\r\n\r\n$/)
  expect(text).not.toContain("told")
  expect(made.any).toBe(false)
})
