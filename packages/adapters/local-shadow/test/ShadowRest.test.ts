/** The AWS data plane over HTTP: who is answered, and what is none of it. What it answers is tested with `aws-iot`. */
import { once } from "node:events"
import { request as httpRequest } from "node:http"
import { connect, type Socket } from "node:net"
import {
  GetThingShadowCommand,
  IoTDataPlaneClient,
  ListNamedShadowsForThingCommand,
  UpdateThingShadowCommand
} from "@aws-sdk/client-iot-data-plane"
import { describe, expect, it } from "@effect/vitest"
import { type AccessKey, LocalShadow, ShadowRest } from "@latchkey/local-shadow"
import { Effect, Layer } from "effect"
import { vi } from "vitest"

const KEY: AccessKey = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
const shadows = LocalShadow.layer({ folder: ":memory:" })

/** The URL of a service of its own, over the shadows that are there. */
const served = (keys: ReadonlyArray<AccessKey> = [], given: Partial<ShadowRest.ShadowRestOptions> = {}) =>
  Effect.map(ShadowRest.serve({ host: "127.0.0.1", port: 0, keys, ...given }), ({ port }) => `http://127.0.0.1:${port}`)

const clientOf = (endpoint: string, key: AccessKey = KEY) =>
  Effect.acquireRelease(
    Effect.sync(() => new IoTDataPlaneClient({ endpoint, region: "eu-west-1", credentials: key, maxAttempts: 1 })),
    (client) => Effect.sync(() => client.destroy())
  )

const ask = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    const body = await response.json()
    return { status: response.status, type: response.headers.get("x-amzn-errortype"), body }
  })

describe("the AWS SDK", () => {
  it.live("reads the names of shadows page by page", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(yield* served())
      const local = yield* LocalShadow
      const names = Array.from({ length: 7 }, (_, n) => `name-${n}`)
      for (const name of names) yield* local.update("thing", { state: {} }, name)
      const pages: Array<ReadonlyArray<string>> = []
      let nextToken: string | undefined
      do {
        const command = new ListNamedShadowsForThingCommand({ thingName: "thing", pageSize: 3, nextToken })
        const page = yield* Effect.promise(() => client.send(command))
        pages.push(page.results ?? [])
        nextToken = page.nextToken
        expect(Math.abs(Number(page.timestamp) - Date.now() / 1000)).toBeLessThan(60)
      } while (nextToken !== undefined)
      expect(pages.map(({ length }) => length)).toEqual([3, 3, 1])
      expect(pages.flat()).toEqual(names)
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )
})

describe("the list of named shadows", () => {
  it.live("refuses a token that no page came with", () =>
    Effect.gen(function* () {
      const url = yield* served()
      const local = yield* LocalShadow
      for (const name of ["a", "b", "c"]) yield* local.update("thing", { state: {} }, name)
      const list = (query: string) => ask(`${url}/api/things/shadow/ListNamedShadowsForThing/thing?${query}`)
      const first = yield* list("pageSize=2")
      const nextToken = Buffer.from("b").toString("base64url")
      expect(first.body).toMatchObject({ results: ["a", "b"], nextToken })
      expect((yield* list(`nextToken=${nextToken}`)).body).toMatchObject({ results: ["c"] })
      const notOurs = [
        "!",
        "%00",
        "not base64!",
        "YQ==",
        "Y",
        "//79",
        "w6Q",
        "YSBi",
        "a".repeat(400),
        "",
        "null",
        "%20YQ"
      ]
      for (const token of notOurs) {
        const { status, type, body } = yield* list(`nextToken=${token}`)
        expect([token, status, type]).toEqual([token, 400, "InvalidRequestException"])
        expect(body).toMatchObject({ message: expect.stringMatching(/nextToken/) })
      }
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )
})

describe("a service with keys", () => {
  it.live("answers who signs with one of them, whatever the names, and nobody else", () =>
    Effect.gen(function* () {
      const url = yield* served([{ accessKeyId: "OTHER", secretAccessKey: "other" }, KEY])
      const shadow = { thingName: "a:b", shadowName: "$next:1" }
      const payload = Buffer.from('{"state":{"desired":{"a":"ä"}}}')
      const good = yield* clientOf(url)
      yield* Effect.promise(() => good.send(new UpdateThingShadowCommand({ ...shadow, payload })))
      expect((yield* (yield* LocalShadow).get("a:b", "$next:1")).state.desired).toEqual({ a: "ä" })
      const strangers: ReadonlyArray<readonly [AccessKey, RegExp]> = [
        [{ ...KEY, secretAccessKey: "wrong" }, /signature does not match/],
        [{ ...KEY, accessKeyId: "STRANGER" }, /access key is not known/]
      ]
      for (const [key, message] of strangers) {
        const client = yield* clientOf(url, key)
        const refused = yield* Effect.flip(
          Effect.tryPromise({
            try: () => client.send(new GetThingShadowCommand(shadow)),
            catch: (error) => error as Error
          })
        )
        expect(refused).toMatchObject({ name: "ForbiddenException", message: expect.stringMatching(message) })
      }
      const unsigned = yield* ask(`${url}/things/a:b/shadow`)
      expect(unsigned).toMatchObject({ status: 403, type: "ForbiddenException" })
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )

  it.live("takes no body but the one that was signed", () =>
    Effect.gen(function* () {
      const url = yield* served([KEY])
      const client = yield* clientOf(url)
      client.middlewareStack.add(
        (next) => async (args) => {
          // After the signature, on the way out.
          Object.assign(args.request as object, { body: '{"state":{"desired":{"door":"open"}}}' })
          return await next(args)
        },
        { step: "finalizeRequest", priority: "low", name: "tamper" }
      )
      const payload = Buffer.from('{"state":{"desired":{"door":"shut"}}}')
      const sent = client.send(new UpdateThingShadowCommand({ thingName: "thing", payload }))
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => sent, catch: (error) => error as Error }))
      expect(error).toMatchObject({ name: "ForbiddenException" })
      expect(yield* Effect.flip((yield* LocalShadow).get("thing"))).toMatchObject({ code: 404 })
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )
})

describe("a service without keys", () => {
  it.live("answers who does not sign, but no web page", () =>
    Effect.gen(function* () {
      const url = `${yield* served()}/things/thing/shadow`
      const body = '{"state":{}}'
      const page = {
        method: "POST",
        body,
        headers: { origin: "http://elsewhere.example", "content-type": "text/plain" }
      }
      expect(yield* ask(url, page)).toMatchObject({ status: 403, type: "ForbiddenException" })
      expect(yield* ask(url)).toMatchObject({ status: 404 })
      expect(yield* ask(url, { method: "POST", body })).toMatchObject({ status: 200, body: { version: 1 } })
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )
})

describe("a page whose name leads to this machine", () => {
  const asked = (url: string, ...hosts: ReadonlyArray<string>) =>
    Effect.promise(
      () =>
        new Promise<number | undefined>((resolve, reject) => {
          const { hostname, port } = new URL(url)
          // Pairs, since a name may come twice.
          const headers = hosts.flatMap((host) => ["host", host])
          httpRequest({ host: hostname, port, path: "/things/thing/shadow", headers }, (response) => {
            response.resume()
            resolve(response.statusCode)
          })
            .on("error", reject)
            .end()
        })
    )

  it.live.each([
    [["elsewhere.example"], 403],
    [["elsewhere.example:8789"], 403],
    [["127.0.0.1.elsewhere.example"], 403],
    [["localhost.elsewhere.example"], 403],
    [["127.0.0.1@elsewhere.example"], 403],
    [["0.0.0.0:8789"], 403],
    [["192.168.1.2"], 403],
    [["localhost", "elsewhere.example"], 403],
    [["localhost"], 404],
    [["LOCALHOST:8789"], 404],
    [["127.0.0.1:1"], 404],
    [["127.8.9.10"], 404],
    [["[::1]:8789"], 404]
  ] as const)("is refused by the name that it asks for: %s is %d", ([hosts, status]) =>
    Effect.gen(function* () {
      expect(yield* asked(yield* served(), ...hosts)).toBe(status)
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )
})

describe("whoever keeps a connection", () => {
  const socketTo = (url: string) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const { hostname, port } = new URL(url)
        const socket = connect({ host: hostname, port: Number(port) })
        socket.on("error", () => {})
        await once(socket, "connect")
        return socket
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )

  it.live("and says nothing, or half of it, is told 408; who does not read is closed", () =>
    Effect.gen(function* () {
      const url = yield* served([], { deadlines: { headers: 50, request: 100, idle: 300 } })
      const half = [
        "",
        "GET /things/a/shadow HTT",
        "POST /things/a/shadow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{"
      ]
      const answers = half.map((said) =>
        Effect.gen(function* () {
          const socket = yield* socketTo(url)
          socket.write(said)
          let heard = ""
          socket.on("data", (chunk) => (heard += chunk))
          yield* Effect.promise(() => once(socket, "close"))
          return heard
        })
      )
      const deaf = Effect.gen(function* () {
        const socket = yield* socketTo(url)
        socket.pause()
        const asked = "GET /things/a/shadow HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000)
        const over = new Promise((resolve) => socket.once("close", resolve))
        socket.write(asked)
        yield* Effect.promise(() => over)
      })
      const [told] = yield* Effect.all([Effect.all(answers, { concurrency: "unbounded" }), deaf], { concurrency: 2 })
      for (const heard of told) {
        expect(heard).toMatch(/^HTTP\/1\.1 408 /)
        expect(heard).toContain("RequestTimeoutException")
      }
      expect(yield* ask(`${url}/things/a/shadow`)).toMatchObject({ status: 404 })
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )

  it.live("and asks nothing makes room for who does, when there are too many", () =>
    Effect.gen(function* () {
      const { port } = yield* ShadowRest.serve({ host: "127.0.0.1", port: 0, keys: [], limits: { perAddress: 4 } })
      const url = `http://127.0.0.1:${port}`
      const idle: Array<Socket> = []
      for (let n = 0; n < 20; n++) idle.push(yield* socketTo(url))
      expect(yield* ask(`${url}/things/a/shadow`)).toMatchObject({ status: 404 })
      yield* Effect.promise(() =>
        vi.waitUntil(() => idle.filter(({ closed }) => !closed).length <= 4, { timeout: 60_000 })
      )
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )
})

describe("what is no request of the data plane", () => {
  const table: ReadonlyArray<
    readonly [method: string, path: string, body: Uint8Array | string | undefined, status: number]
  > = [
    ["GET", "/", undefined, 404],
    ["POST", "/topics/anything", "{}", 404],
    ["GET", "//things/a/shadow", undefined, 404],
    ["PUT", "/things/a/shadow", "{}", 405],
    ["PATCH", "/things/a/shadow", "{}", 405],
    ["POST", "/api/things/shadow/ListNamedShadowsForThing/a", "{}", 405],
    ["GET", "/things/%ff/shadow", undefined, 400],
    ["GET", "/things/a%2Fb/shadow", undefined, 400],
    ["GET", `/things/${"a".repeat(129)}/shadow`, undefined, 400],
    ["GET", "/things/a/shadow?name=", undefined, 400],
    ["GET", "/things/a/shadow?name=%", undefined, 400],
    ["GET", "/api/things/shadow/ListNamedShadowsForThing/a?pageSize=0", undefined, 400],
    ["GET", "/api/things/shadow/ListNamedShadowsForThing/a?pageSize=101", undefined, 400],
    ["POST", "/things/a/shadow", undefined, 400],
    ["POST", "/things/a/shadow", "null", 400],
    ["POST", "/things/a/shadow", "[".repeat(100_000), 400],
    ["POST", "/things/a/shadow", `{"state":{"desired":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}}`, 400],
    ["POST", "/things/a/shadow", Buffer.from([0x7b, 0xff, 0x7d]), 415],
    ["POST", "/things/a/shadow", `{"state":{"desired":{"a":"${"x".repeat(8192)}"}}}`, 413],
    ["POST", "/things/a/shadow", " ".repeat(1024 * 1024), 413]
  ]
  it.live.each(table)("%s %s is refused", ([method, path, body, status]) =>
    Effect.gen(function* () {
      const url = yield* served()
      const answer = yield* ask(url + path, { method, ...(body !== undefined && { body }) })
      expect(answer).toEqual({
        status,
        type: expect.stringMatching(/^[A-Z]\w+Exception$/),
        body: { message: expect.any(String), traceId: expect.any(String) }
      })
      expect(yield* ask(`${url}/things/a/shadow`)).toMatchObject({ status: 404 })
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )

  it.live("keeps nobody waiting: neither half a request nor one that never ends", () =>
    Effect.gen(function* () {
      const url = new URL(yield* served())
      const half = connect(Number(url.port), url.hostname)
      half.on("error", () => {})
      half.write("POST /things/a/shadow HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
      const endless = httpRequest({ port: url.port, host: url.hostname, method: "POST", path: "/things/a/shadow" })
      endless.on("error", () => {})
      // It is told, unless the connection has ended before it listens.
      const told = yield* Effect.promise(
        () =>
          new Promise((resolve) => {
            endless.on("response", ({ statusCode }) => resolve(statusCode))
            endless.on("close", () => resolve(413))
            const more = () => endless.destroyed || endless.write(" ".repeat(64 * 1024), () => setImmediate(more))
            more()
          })
      )
      expect(told).toBe(413)
      endless.destroy()
      expect(yield* ask(`${url.origin}/things/a/shadow`)).toMatchObject({ status: 404 })
      half.destroy()
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )
})

describe("the listener", () => {
  it.live("says where it cannot listen", () =>
    Effect.gen(function* () {
      const { port } = new URL(yield* served())
      const second = ShadowRest.serve({ host: "127.0.0.1", port: Number(port), keys: [] })
      expect(yield* Effect.flip(second)).toMatchObject({ message: expect.stringContaining(`127.0.0.1:${port}`) })
    }).pipe(Effect.scoped, Effect.provide(shadows))
  )

  it.live("is gone with its scope, also past a connection that is kept open", () =>
    Effect.gen(function* () {
      const url = yield* Effect.scoped(
        Effect.gen(function* () {
          const url = yield* served()
          expect(yield* ask(`${url}/things/a/shadow`)).toMatchObject({ status: 404 })
          return url
        })
      )
      yield* Effect.flip(Effect.tryPromise(() => fetch(url)))
    }).pipe(Effect.provide(shadows))
  )

  it.live("shows the operator why shadows are not available, and the caller nothing of it", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.scoped(Layer.build(shadows))
      const url = yield* Effect.provide(served(), closed)
      const answer = yield* ask(`${url}/things/a/shadow`)
      expect(answer).toMatchObject({ status: 503, type: "ServiceUnavailableException" })
      expect(JSON.stringify(answer.body)).not.toContain("database")
    }).pipe(Effect.scoped)
  )
})
