/** Receivers that break the rules of HTTP: each attempt ends by its deadline with little read, and the next one is as good as ever. */
import { once } from "node:events"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { gzipSync } from "node:zlib"
import { Deliver } from "@latchkey/core"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { PinSecret } from "../../src/auth/PinSecret.ts"
import { httpDeliver } from "../../src/partners/HttpDeliver.ts"
import { PIN_KEY } from "../harness/callers.ts"

/** Writes the next piece whenever the last has left, until the sender has had enough. */
const pour = (socket: Socket, piece: string) => {
  const more = () => {
    while (!socket.destroyed && socket.write(piece)) {}
    if (!socket.destroyed) socket.once("drain", more)
  }
  more()
}

/** A piece every few milliseconds. */
const drip = (socket: Socket, piece: string) => {
  const timer = setInterval(() => socket.write(piece), 20)
  socket.once("close", () => clearInterval(timer))
}

const BOMB = gzipSync(Buffer.alloc(64 * 1024 * 1024))
const HEAD = "HTTP/1.1 200 OK\r\n"

type Sayings = Readonly<Record<string, (socket: Socket) => void>>

/** What receivers say once they have the request, by path. */
const good: Sayings = {
  "/good": (socket) => socket.end(`${HEAD}content-length: 6\r\nconnection: close\r\n\r\nthanks`),
  "/bomb": (socket) => {
    socket.write(`${HEAD}content-encoding: gzip\r\ncontent-length: ${BOMB.length}\r\n\r\n`)
    socket.end(BOMB)
  },
  "/longer": (socket) => socket.end(`${HEAD}content-length: 2\r\n\r\nokHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n`)
}

const broken: Sayings = {
  "/two-lengths": (socket) => socket.end(`${HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\nok!`),
  "/length-and-chunks": (socket) =>
    socket.end(`${HEAD}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`),
  "/no-number": (socket) => socket.end(`${HEAD}content-length: many\r\n\r\nok`),
  "/negative": (socket) => socket.end(`${HEAD}content-length: -1\r\n\r\nok`),
  "/shorter": (socket) => socket.end(`${HEAD}content-length: 3\r\n\r\nok`),
  "/upgrade": (socket) => socket.end("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
  "/no-http": (socket) => socket.end("220 mail.example ESMTP\r\n"),
  "/no-status": (socket) => socket.end("HTTP/1.1 999999 Odd\r\n\r\n"),
  "/nothing": (socket) => socket.end()
}

const pouring: Sayings = {
  "/many-headers": (socket) => {
    socket.write(HEAD)
    pour(socket, "x-a: b\r\n".repeat(100))
  },
  "/one-header": (socket) => {
    socket.write(`${HEAD}x-a: `)
    pour(socket, "b".repeat(1_000))
  },
  "/chunk-extensions": (socket) => {
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n1;`)
    pour(socket, "e".repeat(1_000))
  },
  "/trailers": (socket) => {
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n`)
    pour(socket, "x-a: b\r\n".repeat(100))
  },
  "/early-hints": (socket) => pour(socket, "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(20))
}

const dripping: Sayings = {
  "/slow-head": (socket) => {
    socket.write(HEAD)
    drip(socket, "x")
  },
  "/slow-hints": (socket) => drip(socket, "HTTP/1.1 103 Early Hints\r\n\r\n"),
  "/slow-chunks": (socket) => {
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`)
    drip(socket, "1\r\nx\r\n")
  }
}

const sayings: Sayings = { ...good, ...broken, ...pouring, ...dripping }

describe("a receiver that breaks the rules", () => {
  let server: Server
  let origin = ""
  const sockets = new Set<Socket>()
  /** Bytes that the last that has gone has sent. */
  let poured = 0
  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket)
      socket
        .on("error", () => {})
        .on("close", () => {
          poured = socket.bytesWritten
          sockets.delete(socket)
        })
      socket.once("data", (head) => {
        const [, path = ""] = head.toString("latin1").split(" ")
        sayings[path]?.(socket)
      })
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  const sendTo = (path: string) =>
    Effect.flatMap(Deliver, (deliver) =>
      deliver.send({
        webhook: { id: "1", orgId: "org-1", url: origin + path, signature: "hmac", secrets: [{ index: 1 }] },
        id: "event-1",
        body: "{}",
        at: 1_788_166_800_000
      })
    )

  const run = <A>(sending: Effect.Effect<A, never, Deliver>) =>
    sending.pipe(
      Effect.provide(httpDeliver({ loopback: true }).pipe(Layer.provide(PinSecret.layerOf(PIN_KEY)))),
      Effect.scoped,
      Effect.runPromise
    )
  const fails = expect.objectContaining({ error: expect.any(String) })

  it("with an answer that is packed is shown its first bytes: nothing is unpacked", async () => {
    const { status, response } = await run(sendTo("/bomb"))
    expect([status, response[0], response.length <= 1_000]).toEqual([200, "\u001f", true])
  })

  it("is believed where its answer ends, whatever it sends behind that", async () => {
    const answers = await run(Effect.all([sendTo("/longer"), sendTo("/good")]))
    expect(answers).toMatchObject([
      { status: 200, response: "ok" },
      { status: 200, response: "thanks" }
    ])
  })

  it.each(Object.keys(broken))("with %s has failed, and the next delivery is none the worse", async (path) => {
    expect(await run(Effect.all([sendTo(path), sendTo("/good")]))).toEqual([fails, expect.objectContaining(THANKS)])
  })

  it.each(Object.keys(pouring))("that pours %s is read little of", { timeout: 60_000 }, async (path) => {
    poured = 0
    expect(await run(sendTo(path))).toEqual(fails)
    await vi.waitUntil(() => poured > 0, 30_000)
    // Most of it waits in the buffers of the system.
    expect(poured).toBeLessThan(32 * 1024 * 1024)
  })

  it("that drips is cut off by the deadline", { timeout: 60_000 }, async () => {
    const answers = await run(Effect.forEach(Object.keys(dripping), sendTo, { concurrency: "unbounded" }))
    for (const answered of answers) expect(answered).toMatchObject({ error: "No answer within 15 seconds" })
  })
})

const THANKS = { status: 200, response: "thanks" }
