/**
 * `node:http` in front of the declaration. The stock server of HttpApi costs three times as much a request; this one
 * looks up the route, signs the caller in, decodes, runs the handler's effect and writes the answer, and nothing else.
 */
import { randomFillSync } from "node:crypto"
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { OnReplay, type Principal } from "@latchkey/core"
import { Cause, Clock, Data, Duration, Effect, Exit, Option, Result, type Tracer } from "effect"
import { type FindMyWay, Headers, HttpTraceContext } from "effect/http"
import { v7 as uuid } from "uuid"
import { type Answer, json, withHeaders } from "./Answer.ts"
import { Authenticator, type SignInError } from "./Authentication.ts"
import { callerAddress, type TrustedProxies } from "./CallerAddress.ts"
import type { Connection, Connections } from "./Connections.ts"
import type { makePages } from "./guests/GuestPage.ts"
import { prefersPage } from "./guests/prefersPage.ts"
import { refuseHeaders } from "./HeaderRules.ts"
import { receiptOf } from "./Idempotency.ts"
import { aMinuteApart } from "./LogLines.ts"
import type { Operation } from "./Operations.ts"
import { type ApiError, badRequest, makeProblem, type Problem, problemOf, withErrorList } from "./Problem.ts"
import type { Quota } from "./Quota.ts"
import { parseBody, readBody } from "./RequestBody.ts"
import type { RawParts, Reply, Route } from "./Routes.ts"

/** What metrics are told about every request that was answered; `path` is the declared one, which names no lock. */
export type OnAnswered = (method: string, path: string, status: number, seconds: number) => void

/** The request was refused before its handler. */
class Refused extends Data.TaggedError("Refused")<{ readonly problem: Problem }> {}

type Failure = ApiError | Refused | SignInError

/**
 * Answers requests: operational ones (`/health` and the like) from `operations`, all others from the routes.
 * Runs every handler to its end, also when its client goes away: a command must not stop halfway. `idle` waits for that.
 */
export const makeListener = Effect.fnUntraced(function* (options: {
  readonly router: FindMyWay.Router<Route>
  readonly operations: { readonly [path: string]: Operation }
  readonly connections: Connections
  readonly pages: ReturnType<typeof makePages>
  readonly onAnswered: OnAnswered
  readonly proxies: TrustedProxies
  readonly quota: Quota
  readonly traced: boolean
}) {
  const { router, operations, connections, pages, onAnswered, proxies, quota, traced } = options
  const { authenticate } = yield* Authenticator
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const clock = yield* Clock.Clock
  const inTurn = takingTurns()
  const nextId = commandIds()
  const tell = aMinuteApart()
  let running = 0
  let whenIdle: (() => void) | undefined

  const handle = (route: Route, asked: Asked, query: RawParts["query"], body: Buffer) => {
    const { request, params } = asked
    const { headers, method = "GET" } = request
    const signedIn = route.needsSignIn || isSignedIn(headers) ? authenticate(headers) : Effect.succeed(guest)
    return Effect.flatMap(signedIn, (principal): Effect.Effect<Answer, Failure> => {
      // To learn who asks may have taken seconds: what is asked is asked now.
      const at = clock.currentTimeMillisUnsafe()
      const events = READS.has(method) ? EVENTS_OF_READ : 1
      const tooMany = quota.admit(principal, { events, bytes: body.length || 1 }, at)
      if (tooMany !== undefined) return Effect.delay(Effect.fail(tooMany), SLOWED_DOWN)
      const payload =
        method === "POST" ? parseBody(headers, body, { forms: route.isForBrowsers }) : Result.succeed(undefined)
      if (Result.isFailure(payload)) return Effect.fail(new Refused({ problem: payload.failure }))
      const decoded = route.decode({ params, query, headers, payload: payload.success })
      if (Result.isFailure(decoded)) return Effect.fail(new Refused({ problem: decoded.failure }))
      const address = () => callerAddress(request, proxies)
      const context = { principal, commandId: nextId(), at, headers, address }
      const receipt = receiptOf({ request, route, params, principal, body, payload: payload.success, at })
      const handled =
        receipt === undefined
          ? route.handle({ ...decoded.success, call: context })
          : markReplays(route.handle({ ...decoded.success, call: { ...context, receipt } }))
      return Effect.map(handled, (reply) => {
        const answer = answerOf(route, asked, reply)
        quota.answered(principal, answer.body.length, at)
        return answer
      })
    })
  }

  const answerOf = (route: Route, asked: Asked, reply: Reply<unknown> | Answer): Answer => {
    if ("contentType" in reply) return reply
    const encoded = route.encode(reply)
    return Exit.isSuccess(encoded)
      ? { ...json(reply.status, encoded.value), ...(reply.headers && { headers: reply.headers }) }
      : failureAnswer(route, asked, Cause.die(Cause.squash(encoded.cause)))
  }

  const failureAnswer = (route: Route, asked: Asked, cause: Cause.Cause<unknown>): Answer => {
    const problem = toProblem(cause, route)
    // Whom the end of the server has cut off has met no fault.
    if (problem.code >= 500 && !Cause.hasInterruptsOnly(cause)) {
      const name = `${route.method} ${route.path}`
      tell(`${name} ${problem.error}`, (times) => run(logFailure(name, times, problem, cause)))
    }
    const answer = problemAnswer(route, asked, problem)
    const error = failureOf(cause)
    return error !== undefined && "retryAfter" in error
      ? { ...answer, headers: { "retry-after": String(error.retryAfter) } }
      : answer
  }

  const problemAnswer = (route: Route, { request, params }: Asked, problem: Problem): Answer =>
    route.isForBrowsers && (request.method !== "POST" || prefersPage(request.headers))
      ? pages.problem(problem.code, params["uuid"])
      : json(problem.code, route.publishesErrorList ? withErrorList(problem) : problem)

  const listener: RequestListener = (request, response) => {
    const begun = performance.now()
    const connection = connections.of(request.socket)
    if (connection === undefined) return
    const turn = connection.receive(request)
    const { method = "GET", url = "/" } = request
    const finish = (path: string, answer: Answer) => {
      write(response, answer)
      if (typeof answer.body === "string") connections.hold(connection, response)
      const now = performance.now()
      connection.answered(now)
      onAnswered(method, path, answer.status, (now - begun) / 1000)
    }
    const refuse = (path: string, answer: Answer) => {
      if (connection.begin(response, turn)) finish(path, answer)
    }
    const start = (path: string, effect: Effect.Effect<Answer>) => {
      if (!connection.begin(response, turn)) return
      running++
      const ended = () => {
        if (--running === 0) whenIdle?.()
      }
      inTurn(connection, (hasWaited) => {
        // Nobody waits for the answer any more, and nothing of it was begun.
        if (hasWaited && connection.socket.destroyed) return ended()
        run(effect).addObserver((exit) => {
          if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
            tell(`${method} ${path}`, () => run(Effect.logError(`${method} ${path} broke`, exit.cause)))
          finish(path, Exit.isSuccess(exit) ? exit.value : failed)
          ended()
        })
      })
    }

    // HEAD is GET without the body, which node:http leaves out by itself (RFC 9110, section 9.3.2).
    const asked = method === "HEAD" ? "GET" : method
    const [path = url] = url.split("?", 1)
    const untrusted = refuseHeaders(request)
    if (untrusted !== undefined) return refuse("?", untrusted)
    const operation = operations[path]
    if (operation !== undefined) {
      return asked === "GET" ? start(path, operation(request.headers)) : refuse(path, wrongMethod(["GET"]))
    }
    const found = router.find(asked, url)
    if (found === undefined) return refuse("?", missing(url, path))
    const { handler: route, params, searchParams: query } = found
    if (route.isForBrowsers) response.setHeader("vary", "Accept")
    readBody(request, (body) => {
      if (Result.isFailure(body)) return refuse(route.path, problemAnswer(route, { request, params }, body.failure))
      const handled = Effect.suspend(() => handle(route, { request, params }, query, body.success))
      const spanned = traced ? Effect.withSpan(handled, `${method} ${route.path}`, spanOptions(request)) : handled
      const answer = Effect.matchCause(spanned, {
        onFailure: (cause) => failureAnswer(route, { request, params }, cause),
        onSuccess: (answer) => answer
      })
      start(route.path, answer)
    })
  }

  const missing = (url: string, path: string): Answer => {
    if (!isDecodable(path)) return unreadablePath
    const methods = METHODS.filter((method) => router.find(method, url) !== undefined)
    return methods.length === 0 ? noSuchRoute : wrongMethod(methods)
  }

  const idle = Effect.callback<void>((resume) => {
    whenIdle = () => resume(Effect.void)
    if (running === 0) whenIdle()
  })

  return { listener, idle }
})

const REPLAYED = { "idempotency-replayed": "true" }

/** An answer that was given before says so. */
const markReplays = (handled: ReturnType<Route["handle"]>): ReturnType<Route["handle"]> =>
  Effect.suspend(() => {
    let isReplay = false
    return handled.pipe(
      Effect.provideService(OnReplay, () => void (isReplay = true)),
      Effect.map((reply) => (isReplay ? { ...reply, headers: { ...reply.headers, ...REPLAYED } } : reply))
    )
  })

/** A request on its way to an answer, with the parts of its path. */
interface Asked {
  readonly request: IncomingMessage
  readonly params: Readonly<Record<string, string | undefined>>
}

const guest: Principal = { _tag: "Guest" }

/** What changes nothing, and counts as this part of an event. */
const READS: ReadonlySet<string> = new Set(["GET", "HEAD"])
const EVENTS_OF_READ = 1 / 5
/** How long somebody who asks for too much waits for the refusal: who then asks again at once costs others little. */
const SLOWED_DOWN = Duration.millis(250)

const isSignedIn = (headers: IncomingHttpHeaders): boolean =>
  headers["x-api-key"] !== undefined || headers.authorization !== undefined

const internal = makeProblem(500, "Internal error", "Something went wrong on our side. It has been logged; try again.")
const failed = json(500, internal)
const noSuchRoute = json(
  404,
  makeProblem(404, "Not found", "There is no such endpoint. GET /openapi.json lists them all.")
)

/** Those that the declaration uses. */
const METHODS = ["GET", "POST", "DELETE"] as const

const wrongMethod = (methods: ReadonlyArray<string>): Answer => {
  const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ")
  return withHeaders(json(405, makeProblem(405, "Method not allowed", `Use ${allow} here.`)), { allow })
}

const unreadablePath = json(400, badRequest([{ field: "path", message: "must be percent-encoded UTF-8" }]))

const isDecodable = (path: string): boolean => {
  try {
    return decodeURIComponent(path) !== undefined
  } catch {
    return false
  }
}

type Job = (hasWaited: boolean) => void

/**
 * Starts what one turn of the event loop has read at its end, together: answers then leave in one go, and commands
 * reach the store in one batch. Under load this saves a third of the time of a request; a lone request waits for nothing.
 * What somebody sends in a row, without waiting for answers, is begun after everyone else's, one request a turn: each turn
 * lets one new connection in.
 */
const takingTurns = () => {
  let first = new Map<Connection, Job>()
  const later = new Map<Connection, Array<Job>>()
  let isDue = false
  const flushSoon = () => {
    if (!isDue) setImmediate(flush)
    isDue = true
  }
  const flush = () => {
    isDue = false
    const due = first
    first = new Map()
    for (const job of due.values()) job(false)
    const [next] = later
    if (next === undefined) return
    const [connection, jobs] = next
    // To the end of the row, if there is more.
    later.delete(connection)
    const job = jobs.shift()
    if (jobs.length > 0) later.set(connection, jobs)
    connection.queued--
    job?.(true)
    if (later.size > 0) flushSoon()
  }
  return (connection: Connection, job: Job): void => {
    flushSoon()
    const queue = later.get(connection)
    if (queue === undefined && !first.has(connection)) return void first.set(connection, job)
    connection.queued++
    if (queue === undefined) later.set(connection, [job])
    else queue.push(job)
  }
}

/** UUIDs of version 7. Their random bytes are drawn many at a time: one by one they take most of the time of an id. */
const commandIds = () => {
  const random = Buffer.alloc(16 * 256)
  let used = random.length
  return (): string => {
    if (used === random.length) {
      randomFillSync(random)
      used = 0
    }
    return uuid({ random: random.subarray(used, (used += 16)) })
  }
}

/** Characters. */
const LONG_BODY = 64 * 1024

const write = (response: ServerResponse, { status, contentType, body, headers: special }: Answer): void => {
  if (response.destroyed) return
  // Node encodes a string to count its bytes, and again to send it. That costs less than a second write only while it is short.
  const content = typeof body === "string" && body.length >= LONG_BODY ? Buffer.from(body) : body
  const headers: { [name: string]: string | number } = {
    "content-type": contentType,
    "content-length": typeof content === "string" ? Buffer.byteLength(content) : content.length,
    "cache-control": "no-store"
  }
  // RFC 9110, section 8.6: the length would be that of what was not sent.
  if (status === 304) delete headers["content-length"]
  if (status === 401) headers["www-authenticate"] = "Bearer"
  response.writeHead(status, special === undefined ? headers : { ...headers, ...special }).end(content)
}

/** What the caller is not told, for the operator: an adapter's own words for what failed, or the whole of a defect. */
const logFailure = (route: string, times: number, { code }: Problem, cause: Cause.Cause<unknown>) => {
  const failure = failureOf(cause)
  if (failure === undefined) return Effect.logError(`${route} broke`, { code, times }, cause)
  const reason = failure._tag === "DeviceUnreachable" ? failure.reason : failure.message
  return Effect.logWarning(`${route} failed`, { code, times, error: failure._tag, reason })
}

const failureOf = (cause: Cause.Cause<unknown>): Failure | undefined =>
  cause.reasons.find((reason) => reason._tag === "Fail")?.error as Failure | undefined

const toProblem = (cause: Cause.Cause<unknown>, { unauthorized }: Route): Problem => {
  const error = failureOf(cause)
  if (error === undefined) return internal
  switch (error._tag) {
    case "Refused":
      return error.problem
    case "Unauthenticated":
    case "TokenRefused":
      return makeProblem(401, unauthorized, error.message)
    case "KeysUnavailable":
      return makeProblem(503, "Sign-in unavailable", "Tokens cannot be checked right now. Try again in a moment.")
    default:
      return problemOf(error)
  }
}

/** One span a request, within the caller's trace if it sends one. The path is the declared one: links name temp keys. */
const spanOptions = ({ headers }: IncomingMessage): Tracer.SpanOptions => {
  const parent = HttpTraceContext.fromHeaders(Headers.fromInput(headers))
  return Option.isSome(parent) ? { kind: "server", parent: parent.value } : { kind: "server" }
}
