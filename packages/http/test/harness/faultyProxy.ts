/** A proxy in front of a server, which fails as a test says: it hangs up before or after it has asked, or answers by itself. */
import { once } from "node:events"
import { request as ask, createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo, Socket } from "node:net"

/** `drop`: the server is not asked. `lose`: it is, and its answer is lost. */
export type Fault =
  | "drop"
  | "lose"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }

export interface FaultyProxy extends AsyncDisposable {
  readonly url: string
  /** What happens to the next requests, one each. */
  readonly faults: Array<Fault>
  readonly seen: Array<{
    readonly method: string
    readonly path: string
    readonly headers: IncomingHttpHeaders
    readonly at: number
  }>
  /** Connections that are open now. */
  readonly open: () => number
  /** Breaks every connection. */
  readonly cut: () => void
}

export const startFaultyProxy = async (target: string): Promise<FaultyProxy> => {
  const faults: Array<Fault> = []
  const seen: FaultyProxy["seen"] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const { method = "GET", url = "/", headers } = request
    seen.push({ method, path: url, headers, at: performance.now() })
    const fault = faults.shift()
    if (fault === "drop") return void request.socket.destroy()
    if (typeof fault === "object") return void response.writeHead(fault.status, fault.headers).end(fault.body)
    const asked = ask(target + url, { method, headers }, (answer) => {
      if (fault === "lose") return void answer.resume().on("end", () => request.socket.destroy())
      response.writeHead(answer.statusCode ?? 500, answer.headers).flushHeaders()
      answer.pipe(response)
    })
    asked.on("error", () => request.socket.destroy())
    response.on("close", () => asked.destroy())
    request.pipe(asked)
  })
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    seen,
    open: () => sockets.size,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut()
      server.close()
      await once(server, "close")
    }
  }
}
