/** The host's faults in front of another server, such as a real one, which breaks no connection on demand. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import { BinaryWriter } from "spacetimedb"
import { WebSocket, WebSocketServer } from "ws"
import { Faults, type Interruption } from "./Faults.ts"
import { ClientMessage, ServerMessage } from "./protocol/messages.ts"
import { calledBy, decode, LARGEST_MESSAGE, offeredBy, spokenOf, UNCOMPRESSED } from "./sockets.ts"

export class FaultProxy implements AsyncDisposable {
  readonly #target: URL
  readonly #faults = new Faults()
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_MESSAGE,
    handleProtocols: (offered) => spokenOf(offered) ?? false
  })
  #server: Server | undefined
  #port = 0

  private constructor(target: string) {
    this.#target = new URL(target)
  }

  /** Stands in front of the server at this URL, on a free port of loopback. Its clients do not ask for compression. */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target)
    await proxy.up()
    return proxy
  }

  /** Where clients connect: `http://127.0.0.1:<port>`. */
  get uri(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** As `TestHost.interrupt`; `after`: the server has answered, and the client does not hear of it. */
  interrupt(interruption: Interruption): Promise<void> {
    return this.#faults.plan(interruption)
  }

  /** Ends all connections at once, without a closing handshake, and answers how many. Clients may connect again immediately. */
  disconnectAll(): number {
    const sockets = [...this.#sockets.clients]
    for (const socket of sockets) socket.terminate()
    return sockets.length
  }

  /** Takes the server off the network: connections end and new ones are refused. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    this.disconnectAll()
    server.closeAllConnections()
    await closed
  }

  /** Brings it back, on the same port. */
  async up(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer((asked, answer) => this.#forward(asked, answer))
    server.on("upgrade", (asked, socket, head) => this.#upgrade(asked, socket, head))
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(this.#port, "127.0.0.1", resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down()
  }

  #forward(asked: IncomingMessage, answer: ServerResponse): void {
    const { method, headers, url = "/" } = asked
    const forwarded = request(new URL(url, this.#target), { method, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers)
      got.pipe(answer)
    })
    forwarded.on("error", () => answer.destroy())
    asked.pipe(forwarded)
  }

  #upgrade(asked: IncomingMessage, duplex: Duplex, head: Buffer): void {
    duplex.on("error", () => {})
    const url = new URL(asked.url ?? "/", this.#target)
    url.protocol = "ws:"
    const { authorization } = asked.headers
    const protocol = spokenOf(offeredBy(asked))
    const server = new WebSocket(url, protocol, {
      maxPayload: LARGEST_MESSAGE,
      perMessageDeflate: false,
      ...(authorization !== undefined && { headers: { authorization } })
    })
    const refuse = () => void duplex.end()
    server.on("close", refuse)
    // What went wrong is followed by its close.
    server.on("error", () => {})
    server.on("unexpected-response", (request, { statusCode, statusMessage }) => {
      duplex.end(`HTTP/1.1 ${statusCode} ${statusMessage}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
      request.destroy()
    })
    server.on("open", () => {
      // Meanwhile it may have been taken off the network.
      if (this.#server === undefined) return server.terminate()
      server.off("close", refuse)
      this.#sockets.handleUpgrade(asked, duplex, head, (client) => this.#serve(client, server))
    })
  }

  #serve(client: WebSocket, server: WebSocket): void {
    const { protocol } = server
    /** What is called, by the id of its request. */
    const calls = new Map<number, string>()
    const end = () => {
      client.terminate()
      server.terminate()
    }
    /** Whether this point of this call goes on. */
    const passes = (when: Interruption["when"], call: string | undefined): boolean => {
      const fault = call === undefined ? undefined : this.#faults.take(when, call)
      if (fault === "drop") end()
      return fault === undefined
    }
    client.on("message", (data: Buffer) => {
      try {
        for (const message of decode(ClientMessage, data, protocol)) {
          const call = calledBy(message)
          if (call !== undefined) calls.set(message.value.requestId, call)
          if (passes("before", call)) send(server, ClientMessage, message)
        }
      } catch {
        // Not a message: the server shall say so.
        server.send(data)
      }
    })
    server.on("message", (data: Buffer) => {
      for (const message of decode(ServerMessage, data.subarray(UNCOMPRESSED.length), protocol)) {
        const isAnswer = message.tag === "ReducerResult" || message.tag === "ProcedureResult"
        const call = isAnswer ? calls.get(message.value.requestId) : undefined
        if (isAnswer) calls.delete(message.value.requestId)
        if (passes("after", call)) send(client, ServerMessage, message, UNCOMPRESSED)
      }
    })
    client.on("error", () => {})
    client.on("close", () => server.terminate())
    server.on("close", (code: number, reason: Buffer) => {
      // The code of a socket that closed without one.
      if (code === 1006) client.terminate()
      else client.close(code, reason)
    })
  }
}

/** Each in a frame of its own, after which others may be lost. */
function send<Message>(
  socket: WebSocket,
  type: { readonly serialize: (writer: BinaryWriter, message: Message) => void },
  message: Message,
  prefix = new Uint8Array()
): void {
  if (socket.readyState !== WebSocket.OPEN) return
  const writer = new BinaryWriter(1024)
  type.serialize(writer, message)
  socket.send(Buffer.concat([prefix, writer.getBuffer()]))
}
