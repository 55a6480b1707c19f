/** The API on a socket: listens while its scope is open, and closes without breaking what is under way. */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type { Duplex } from "node:stream"
import { Duration, Effect, Schema } from "effect"
import { Api } from "./Api.ts"
import { noProxies, type TrustedProxies } from "./CallerAddress.ts"
import { makeListener } from "./Dispatcher.ts"
import { makePages } from "./guests/GuestPage.ts"
import { type HandlerOptions, makeHandlers } from "./Handlers.ts"
import { recordRequests } from "./Metrics.ts"
import { makeOperations } from "./Operations.ts"
import { makeProblem } from "./Problem.ts"
import { makeQuota } from "./Quota.ts"
import { compile } from "./Routes.ts"

/** The server cannot listen; `message` says where and why. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", { message: Schema.String }) {}

export interface ServerOptions extends Pick<HandlerOptions, "signInUrl"> {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** How the API is reached from outside; unless given, as it listens. */
  readonly publicUrl?: string | undefined
  /** Whose word about their clients counts; nobody's unless given. */
  readonly proxies?: TrustedProxies | undefined
  /** Whether every request is a span. */
  readonly traced?: boolean
  /** How long requests may still take after the scope closes; 10 seconds unless given. */
  readonly shutdownTimeout?: Duration.Input
}

/** Answers the bound address once it listens. */
export const listen = Effect.fnUntraced(function* ({
  host,
  port,
  traced = false,
  signInUrl,
  publicUrl,
  proxies = noProxies,
  shutdownTimeout = Duration.seconds(10)
}: ServerOptions) {
  let listensOn = ""
  const quota = yield* makeQuota
  const listener = yield* makeListener({
    router: compile(Api, yield* makeHandlers({ signInUrl, publicUrl: () => publicUrl ?? listensOn, quota })),
    operations: yield* makeOperations,
    pages: makePages(signInUrl),
    onAnswered: recordRequests,
    proxies,
    quota,
    traced
  })
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 15_000, keepAliveTimeout: 30_000 }, listener)
  const closing = trackConnections(server)
  server.on("clientError", refuseUnreadable)
  yield* Effect.acquireRelease(bind(server, host, port), () =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      closing()
    }).pipe(Effect.timeoutOption(shutdownTimeout), Effect.andThen(Effect.sync(() => server.closeAllConnections())))
  )
  const bound = server.address() as AddressInfo
  listensOn = urlOf(bound)
  return bound
})

/** The address as a URL. */
export const urlOf = ({ address, port, family }: AddressInfo): string =>
  `http://${family === "IPv6" ? `[${address}]` : address}:${port}`

/** What cannot be read as HTTP is answered in the shape of every other error, and its connection ends. */
const refuseUnreadable = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy()
  const problem =
    error.code === "HPE_HEADER_OVERFLOW"
      ? makeProblem(431, "Headers too large", "Send less in the path and the headers.")
      : makeProblem(400, "Invalid request", "This is no request of HTTP/1.1.")
  const body = JSON.stringify(problem)
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
  socket.end(`HTTP/1.1 ${problem.code} ${STATUS_CODES[problem.code]}\r\n${head}\r\n\r\n${body}`)
}

const bind = Effect.fnUntraced(function* (server: Server, host: string, port: number) {
  yield* Effect.callback<void, CannotListen>((resume) => {
    server.once("error", (error) =>
      resume(
        Effect.fail(
          new CannotListen({ message: `Cannot listen on ${host}:${port}: ${error.message}. Set another HOST or PORT.` })
        )
      )
    )
    server.listen(port, host, () => resume(Effect.void))
  })
  server.removeAllListeners("error")
  const run = Effect.runForkWith(yield* Effect.context<never>())
  server.on("error", (error) => run(Effect.logError("A connection could not be accepted", error.message)))
})

/**
 * On closing, a connection ends as soon as nothing is under way on it: at once when it is idle or its request has not
 * fully arrived (no command of it has begun), else with the answer.
 */
const trackConnections = (server: Server): (() => void) => {
  const connections = new Set<Socket>()
  const unanswered = new Map<IncomingMessage, ServerResponse>()
  let isClosing = false
  server.on("connection", (socket) => {
    connections.add(socket)
    socket.once("close", () => connections.delete(socket))
  })
  server.prependListener("request", (request, response) => {
    unanswered.set(request, response)
    response.once("close", () => unanswered.delete(request))
    if (isClosing) response.setHeader("connection", "close")
  })
  return () => {
    isClosing = true
    const busy = new Set<Socket>()
    for (const [{ complete, socket }, response] of unanswered) {
      response.once("finish", () => socket.end())
      if (complete) busy.add(socket)
    }
    for (const socket of connections) if (!busy.has(socket)) socket.destroy()
  }
}
