/** Answers on a socket: listens while its scope is open, and closes without breaking what is under way. */
import { createServer, type Server, STATUS_CODES } from "node:http"
import { type AddressInfo, Socket } from "node:net"
import type { Duplex } from "node:stream"
import { Duration, Effect, Schema } from "effect"
import { makeProblem } from "../api/Problem.ts"
import { noProxies, type TrustedProxies } from "./CallerAddress.ts"
import { type Closed, type ConnectionLimits, Connections, connectionLimits } from "./Connections.ts"
import type { Dispatcher, OnAnswered } from "./Dispatcher.ts"
import { makeListener } from "./Listener.ts"
import { aMinuteApart } from "./LogLines.ts"

/** The server cannot listen; `message` says where and why. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", { message: Schema.String }) {}

/** Where a server listens, and how much of it strangers may occupy. */
export interface SocketOptions {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Whose word about their clients counts; nobody's unless given. */
  readonly proxies?: TrustedProxies | undefined
  /** How many connections may be open; unless given, 512 in all, or fewer where few files may be open, and half of one address. */
  readonly connections?: Partial<ConnectionLimits>
  /** How long a client may take, in milliseconds. */
  readonly deadlines?: Deadlines
  /** How long requests may still take after the scope closes; 10 seconds unless given. */
  readonly shutdownTimeout?: Duration.Input
}

/** In milliseconds. */
export interface Deadlines {
  /** To send the head of a request; 10 seconds unless given. */
  readonly headers: number
  /** To send a whole request; 20 seconds unless given. */
  readonly request: number
  /** To send or to read anything at all; 30 seconds unless given. */
  readonly idle: number
}

const DEFAULT_DEADLINES: Deadlines = { headers: 10_000, request: 20_000, idle: 30_000 }

/** Answers the bound address once it listens. */
export const listenOn = Effect.fnUntraced(function* (
  dispatcher: Dispatcher,
  {
    host,
    port,
    proxies = noProxies,
    connections: limits,
    deadlines = DEFAULT_DEADLINES,
    shutdownTimeout = Duration.seconds(10)
  }: SocketOptions,
  onAnswered: OnAnswered
) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const connections = new Connections(connectionLimits(limits), proxies, logClosed(run))
  const { listener, endStreams, idle } = yield* makeListener({ dispatcher, connections, onAnswered, proxies })
  const server = createServer(
    {
      headersTimeout: deadlines.headers,
      requestTimeout: deadlines.request,
      connectionsCheckingInterval: Math.min(1_000, deadlines.headers),
      keepAliveTimeout: deadlines.idle,
      // Refused by our own rules, in the shape of every other error.
      requireHostHeader: false
    },
    listener
  )
  server.timeout = deadlines.idle
  connections.watch(server)
  server.on("clientError", refuseUnreadable(connections))
  yield* Effect.acquireRelease(bind(server, host, port), () =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      connections.endAll()
      endStreams()
    }).pipe(
      Effect.andThen(idle),
      Effect.timeoutOption(shutdownTimeout),
      Effect.andThen(Effect.sync(() => server.closeAllConnections()))
    )
  )
  return server.address() as AddressInfo
})

/** The address as a URL. */
export const urlOf = ({ address, port, family }: AddressInfo): string =>
  `http://${family === "IPv6" ? `[${address}]` : address}:${port}`

/** What is not HTTP, or too slow, is answered in the shape of every other error, and its connection ends. */
const refuseUnreadable =
  (connections: Connections) =>
  (error: NodeJS.ErrnoException, socket: Duplex): void => {
    const isLate = error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    if (isLate) connections.late()
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy()
    const connection = socket instanceof Socket ? connections.of(socket) : undefined
    // An answer that is on its way must not be broken into.
    if (connection !== undefined && !connection.isOwedAnswer) return connection.end()
    connection?.refused()
    const problem = isLate
      ? makeProblem(408, "Request timeout", "The request did not arrive in time. Send it again, faster.")
      : error.code === "HPE_HEADER_OVERFLOW"
        ? makeProblem(431, "Headers too large", "Send less in the path and the headers.")
        : makeProblem(400, "Invalid request", "Not an HTTP/1.1 request.")
    const body = JSON.stringify(problem)
    const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
    socket.end(`HTTP/1.1 ${problem.code} ${STATUS_CODES[problem.code]}\r\n${head}\r\n\r\n${body}`)
  }

/** What strangers do to connections is told of a line a minute, with how often each thing happened. */
const logClosed = (run: (effect: Effect.Effect<void>) => void) => {
  const tell = aMinuteApart()
  let counts: { [why in Closed]?: number } = {}
  return (why: Closed): void => {
    counts[why] = (counts[why] ?? 0) + 1
    tell("connections", () => {
      run(Effect.logWarning("Connections were closed", counts))
      counts = {}
    })
  }
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
  const tell = aMinuteApart()
  server.on("error", ({ message }) =>
    tell("accept", (times) => run(Effect.logError("Connections could not be accepted", { times, message })))
  )
})
