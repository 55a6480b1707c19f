/** Stands between the adapter and the data plane, and does to requests what a test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { text } from "node:stream/consumers"
import { Effect } from "effect"

/**
 * - `pass`: nothing.
 * - `lose`: the connection ends before the request has arrived.
 * - `lose answer`: the request is carried out; the connection ends instead of the answer.
 * - `hang`: no answer ever.
 * - `hang after`: the request is carried out, and never answered.
 */
export type Fate =
  | "pass"
  | "lose"
  | "lose answer"
  | "hang"
  | "hang after"
  | { readonly status: number; readonly type: string; readonly body?: string }

export interface Seen {
  readonly method: string
  readonly url: string
  readonly body: string
}

export interface Proxy {
  readonly url: string
  /** Decides over the next request, and may do something first. */
  fateOf: (request: Seen) => Fate | Promise<Fate>
  /** Every request so far. */
  readonly seen: ReadonlyArray<Seen>
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>
}

export const proxyTo = (endpoint: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const seen: Array<Seen> = []
        const sockets = new Set<Socket>()
        const server = createServer(async (request, response) => {
          const { method = "", url = "" } = request
          const one = { method, url, body: await text(request) }
          seen.push(one)
          const fate = await proxy.fateOf(one)
          if (fate === "hang") return
          if (fate === "lose") return void request.socket.destroy()
          if (typeof fate === "object") return answer(response, fate)
          const answered = await forward(endpoint, request, one.body)
          if (fate === "hang after") return
          if (fate === "lose answer") return void request.socket.destroy()
          response.writeHead(answered.status, Object.fromEntries(answered.headers))
          response.end(Buffer.from(await answered.arrayBuffer()))
        })
        server.on("connection", (socket) => {
          sockets.add(socket)
          socket.once("close", () => sockets.delete(socket))
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        const proxy: Proxy = {
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          fateOf: () => "pass",
          seen,
          sockets
        }
        return { proxy, server }
      }),
      ({ server }) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    ),
    ({ proxy }) => proxy
  )

/** Without the signature, which was for another host: the data plane behind it asks for none. */
const forward = (endpoint: string, { method = "", url }: IncomingMessage, body: string) =>
  fetch(`${endpoint}${url}`, { method, ...(method === "POST" && { body }) })

const answer = (response: ServerResponse, { status, type, body }: Exclude<Fate, string>) => {
  response.writeHead(status, { "content-type": "application/json", "x-amzn-ErrorType": type })
  response.end(body ?? JSON.stringify({ message: `${type} as a test wants it` }))
}
