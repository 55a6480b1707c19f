/**
 * The shadows over HTTP, as the AWS IoT data plane serves them: paths, documents, status codes and the names of errors
 * are those that AWS SDKs know. Publishing to topics (`/topics/…`) is not part of it.
 */
import { randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { Clock, Effect, Result, Schema } from "effect"
import { addressOf, type ConnectionLimits, connections, limitsOf } from "./Connections.ts"
import { LocalShadow } from "./LocalShadow.ts"
import { type MinuteLog, minuteLog } from "./minuteLog.ts"
import { documentOf, isShadowName, ShadowRefused } from "./ShadowRequest.ts"
import { type AccessKey, verifySignature } from "./SigV4.ts"

/** The listener cannot be opened; `message` says where and why. */
export class CannotServeShadows extends Schema.TaggedError<CannotServeShadows>()("CannotServeShadows", {
  message: Schema.String
}) {}

export interface ShadowRestOptions {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /**
   * Who may read and write every shadow, by Signature Version 4. With none, anyone who reaches the port may: keep it on
   * the loopback interface.
   */
  readonly keys: ReadonlyArray<AccessKey>
  /** Unless given, a sixteenth of the files that the process may open, at most 1,000, and half of that from one address. */
  readonly limits?: Partial<ConnectionLimits>
  /** How long a client may take. */
  readonly deadlines?: Deadlines
}

/** In milliseconds. */
export interface Deadlines {
  /** To send the head of a request; 5 seconds unless given. */
  readonly headers: number
  /** To send a whole request; 10 seconds unless given. */
  readonly request: number
  /** To send or to read anything at all; 12 seconds unless given. */
  readonly idle: number
}

const DEFAULT_DEADLINES: Deadlines = { headers: 5000, request: 10_000, idle: 12_000 }
/** Most milliseconds between looks for requests that take too long. */
const LOOK_EVERY = 1000
/** Requests of one connection whose answers have not left yet: a client that asks for more does not read. */
const MAX_UNDER_WAY = 64

/** Serves the shadows for as long as the scope lives; answers the bound address. */
export const serve = Effect.fnUntraced(function* ({
  host,
  port,
  keys,
  limits,
  deadlines = DEFAULT_DEADLINES
}: ShadowRestOptions) {
  const log = yield* minuteLog
  const answer = yield* answering(host, keys, log)
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const taken = connections(limitsOf(1 / 16, 1000, limits))
  const timeouts = {
    headersTimeout: deadlines.headers,
    requestTimeout: deadlines.request,
    connectionsCheckingInterval: Math.min(LOOK_EVERY, deadlines.headers)
  }
  const underWay = new WeakMap<Socket, number>()
  const server = createServer(timeouts, (request, response) => {
    const { socket } = request
    const count = (underWay.get(socket) ?? 0) + 1
    if (count > MAX_UNDER_WAY) return void socket.destroy()
    underWay.set(socket, count)
    // One that is still sending its body may make room for others.
    request.once("end", () => taken.waits(socket, false))
    response.once("close", () => {
      underWay.set(socket, (underWay.get(socket) ?? 1) - 1)
      taken.waits(socket, true)
    })
    run(Effect.map(answer(request), (answered) => send(response, answered)))
  })
  // Also of one who does not read its answer.
  server.setTimeout(deadlines.idle, (socket) => (socket.bytesWritten === 0 ? refuse(socket, 408) : socket.destroy()))
  server.on("connection", (socket) => {
    if (taken.take(socket)) return
    run(
      log(Effect.logWarning, "A connection to the shadows was refused: the maximum is open", {
        address: addressOf(socket)
      })
    )
  })
  server.on("clientError", (error: Error, socket: Socket) => {
    refuse(socket, REFUSALS[codeOf(error)] ?? 400)
  })
  yield* Effect.acquireRelease(
    Effect.callback<void, CannotServeShadows>((resume) => {
      server.once("error", ({ message }) => {
        resume(
          Effect.fail(
            new CannotServeShadows({ message: `cannot listen on ${host}:${port}: ${message}. Choose another port.` })
          )
        )
      })
      server.listen(port, host, () => resume(Effect.void))
    }),
    () =>
      // Answers take milliseconds: what is under way gets its answer, and what is half sent ends.
      Effect.callback<void>((resume) => void server.close(() => resume(Effect.void))).pipe(
        Effect.timeoutOption(1000),
        Effect.andThen(Effect.sync(() => server.closeAllConnections()))
      )
  )
  server.removeAllListeners("error")
  server.on("error", ({ message }) =>
    run(log(Effect.logError, "A connection to the shadows was not accepted", message))
  )
  return server.address() as AddressInfo
})

interface Answer {
  readonly status: number
  readonly body: object
  /** The name of an error, by which SDKs tell one from another. */
  readonly errorType?: string
}

/** Bytes of a request; a message of AWS IoT may have as many. */
const MAX_BODY = 128 * 1024
const MAX_PAGE = 100

const ERROR_TYPES: { readonly [status: number]: string } = {
  400: "InvalidRequestException",
  401: "UnauthorizedException",
  403: "ForbiddenException",
  404: "ResourceNotFoundException",
  405: "MethodNotAllowedException",
  408: "RequestTimeoutException",
  409: "ConflictException",
  413: "RequestEntityTooLargeException",
  415: "UnsupportedDocumentEncodingException",
  431: "RequestHeaderFieldsTooLargeException",
  500: "InternalFailureException",
  503: "ServiceUnavailableException"
}

/** What cannot be read as a request, by node's code for it. */
const REFUSALS: { readonly [code: string]: number } = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431
}
const codeOf = (error: Error): string => ("code" in error ? String(error.code) : "")

const answering = Effect.fnUntraced(function* (host: string, keys: ReadonlyArray<AccessKey>, log: MinuteLog) {
  const shadows = yield* LocalShadow

  const ofThing = Effect.fnUntraced(function* (
    method: string,
    thing: string,
    parameters: URLSearchParams,
    body: Uint8Array
  ) {
    const name = parameters.get("name") ?? undefined
    switch (method) {
      case "GET":
        return yield* shadows.get(thing, name)
      case "POST":
        return yield* shadows.update(thing, yield* Effect.fromResult(documentOf(body)), name)
      case "DELETE":
        return yield* shadows.delete(thing, name)
      default:
        return yield* refused(405, `${method} is not allowed here: use GET, POST or DELETE`)
    }
  })

  const namesOf = Effect.fnUntraced(function* (method: string, thing: string, parameters: URLSearchParams) {
    if (method !== "GET") return yield* refused(405, `${method} is not allowed here: use GET`)
    const pageSize = parameters.get("pageSize") ?? String(MAX_PAGE)
    if (!/^\d{1,3}$/.test(pageSize) || Number(pageSize) < 1 || Number(pageSize) > MAX_PAGE) {
      return yield* refused(400, `Invalid pageSize: use 1 to ${MAX_PAGE}`)
    }
    const token = parameters.get("nextToken")
    const after = token === null ? "" : nameIn(token)
    if (after === undefined) {
      return yield* refused(400, "Invalid nextToken: use the one that the page before came with")
    }
    const names = (yield* shadows.list(thing)).filter((name) => name > after)
    const results = names.slice(0, Number(pageSize))
    const last = results.length < names.length ? results.at(-1) : undefined
    return {
      results,
      ...(last !== undefined && { nextToken: tokenOf(last) }),
      timestamp: Math.floor((yield* Clock.currentTimeMillis) / 1000)
    }
  })

  const perform = Effect.fnUntraced(function* (request: IncomingMessage) {
    const { method = "", url: target = "", headersDistinct: headers } = request
    const body = yield* bodyOf(request)
    if (keys.length > 0) {
      const signed = verifySignature({ method, target, headers, body }, keys, yield* Clock.currentTimeMillis)
      if (Result.isFailure(signed)) return yield* refused(403, `Forbidden: ${signed.failure}`)
    } else if (headers["origin"] !== undefined || !isHere(host, headers["host"])) {
      // No page that somebody on this machine has open may open a door, whatever name led it here.
      return yield* refused(403, `Forbidden: a web page may not ask here. Ask http://127.0.0.1, or http://${host}.`)
    }
    const [path = "", query = ""] = target.split(/\?(.*)/s)
    const parameters = new URLSearchParams(query)
    const [, thing] = SHADOW_OF.exec(path) ?? []
    if (thing !== undefined) return yield* ofThing(method, decode(thing), parameters, body)
    const [, listed] = NAMES_OF.exec(path) ?? []
    if (listed !== undefined) return yield* namesOf(method, decode(listed), parameters)
    return yield* refused(404, "There is nothing here: shadows are at /things/<thing>/shadow")
  })

  return (request: IncomingMessage): Effect.Effect<Answer> =>
    perform(request).pipe(
      Effect.map((body): Answer => ({ status: 200, body })),
      Effect.catchTags({
        ShadowRefused: ({ code, message }) => Effect.succeed(problem(code, message)),
        ShadowUnavailable: ({ message }) =>
          Effect.as(
            log(Effect.logError, "The shadows are not available", message),
            problem(503, "The service is temporarily unavailable")
          )
      }),
      Effect.catchCause((cause) =>
        Effect.as(
          log(Effect.logError, "A request to the shadows broke", cause),
          problem(500, "Internal service failure")
        )
      )
    )
})

const SHADOW_OF = /^\/things\/([^/]+)\/shadow$/
const NAMES_OF = /^\/api\/things\/shadow\/ListNamedShadowsForThing\/([^/]+)$/

/** A page goes on after the last name of the one before: names come in order. */
const tokenOf = (name: string): string => Buffer.from(name).toString("base64url")

/** The name that a token stands for; `undefined` when no page came with it. */
const nameIn = (token: string): string | undefined => {
  const name = Buffer.from(token, "base64url").toString("utf8")
  return isShadowName(name) && tokenOf(name) === token ? name : undefined
}

const bodyOf = (request: IncomingMessage): Effect.Effect<Uint8Array, ShadowRefused> =>
  Effect.callback((resume) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    request.on("data", (chunk: Uint8Array) => {
      size += chunk.length
      if (size <= MAX_BODY) chunks.push(chunk)
      else resume(refused(413, "The payload exceeds the maximum size allowed"))
    })
    request.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
    // Nobody is there to hear it.
    request.on("error", () => resume(refused(400, "The request was cut off")))
  })

/** Whether the one `Host` of a request names this machine, or the address that is listened on, and no other name that leads here. */
const isHere = (host: string, named: ReadonlyArray<string> = []): boolean => {
  const [, name = ""] = (named.length === 1 && /^(\[[^\]]+\]|[^:]+)(?::\d{1,5})?$/.exec(named[0] ?? "")) || []
  const asked = name.toLowerCase().replace(/^\[(.*)\]$/, "$1")
  return LOOPBACK.test(asked) || asked === host.toLowerCase()
}
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/

/** What cannot be decoded stays as it is: no thing has a percent sign in its name. */
const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const refused = (code: number, message: string): Effect.Effect<never, ShadowRefused> =>
  Effect.fail(new ShadowRefused({ code, message }))

const problem = (status: number, message: string): Answer => ({
  status,
  body: { message, traceId: randomUUID() },
  ...(ERROR_TYPES[status] !== undefined && { errorType: ERROR_TYPES[status] })
})

/** Unless an answer is on its way already. */
const refuse = (socket: Socket, status: number): void => {
  if (socket.writable && socket.bytesWritten === 0) socket.write(refusal(status))
  socket.destroySoon()
}

/** Written past node, which answers nothing that it cannot read as a request. */
const refusal = (status: number): string => {
  const { body, errorType } = problem(status, STATUS_CODES[status] ?? "")
  const content = JSON.stringify(body)
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(content)}`,
    `x-amzn-ErrorType: ${errorType}`,
    "connection: close",
    `\r\n${content}`
  ].join("\r\n")
}

const send = (response: ServerResponse, { status, body, errorType }: Answer): void => {
  const content = JSON.stringify(body)
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(content),
    "x-amzn-RequestId": randomUUID(),
    ...(errorType !== undefined && { "x-amzn-ErrorType": errorType }),
    // Whatever else of it is on its way is not read.
    ...(status === 413 && { connection: "close" })
  })
  response.end(content)
}
