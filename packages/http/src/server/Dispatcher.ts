/**
 * From a request to its answer, however it came here: looks up the route, signs the caller in, decodes, runs the handler's
 * effect, and nothing else. `Listener.ts` brings requests from sockets, `Fetch.ts` from a program's own server.
 */
import { randomFillSync } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { OnReplay, type Principal } from "@latchkey/core"
import { Cause, Clock, Duration, Effect, Exit, Option, Result, type Tracer } from "effect"
import { type FindMyWay, Headers, HttpTraceContext } from "effect/http"
import { v7 as uuid } from "uuid"
import { badRequest, makeProblem, type Problem } from "../api/Problem.ts"
import { Authenticator } from "../auth/Authentication.ts"
import { type Answer, json, sizeOf, withHeaders } from "./Answer.ts"
import { type Failure, internal, Refused } from "./Errors.ts"
import { receiptOf } from "./Idempotency.ts"
import { aMinuteApart } from "./LogLines.ts"
import type { Quota } from "./Quota.ts"
import { parseBody } from "./RequestBody.ts"
import { type Asked, BODIES, NO_BODY, type RawParts, type Reply, type Route } from "./Routes.ts"

/** Answers a request with these headers, without asking who sent it. */
export type Operation = (headers: IncomingHttpHeaders) => Effect.Effect<Answer>

/** What metrics are told about every request that was answered; `path` is the declared one, which names no lock. */
export type OnAnswered = (method: string, path: string, status: number, seconds: number) => void

/** What is asked for, as far as everything but the body says. */
export interface Found {
  /** As declared; `?` for what is not. */
  readonly path: string
  /** Whether the body is to be read. */
  readonly takesBody: boolean
  readonly answer: (body: Buffer) => Effect.Effect<Answer>
  /** Nothing is carried out. */
  readonly refuse: (problem: Problem) => Answer
}

export interface Dispatcher {
  /** An answer by itself: nothing is to be carried out. */
  readonly find: (request: Omit<Asked, "params">) => Found | { readonly path: "?" | string; readonly refused: Answer }
}

/**
 * Answers requests: operational ones (`/health` and the like) from `operations`, all others from the routes. Answers never
 * fail: what breaks is logged, and answered.
 */
export const makeDispatcher = Effect.fnUntraced(function* ({
  router,
  operations,
  quota,
  traced
}: {
  readonly router: FindMyWay.Router<Route>
  readonly operations: { readonly [path: string]: Operation }
  readonly quota: Quota
  readonly traced: boolean
}): Effect.fn.Return<Dispatcher, never, Authenticator> {
  const { authenticate } = yield* Authenticator
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const clock = yield* Clock.Clock
  const newCommandId = commandIds()
  const tell = aMinuteApart()

  const handle = (route: Route, asked: Asked, query: RawParts["query"], body: Buffer) => {
    const { method, headers, params, address } = asked
    const signedIn = route.needsSignIn || isSignedIn(headers) ? authenticate(headers) : Effect.succeed(guest)
    return Effect.flatMap(signedIn, (principal): Effect.Effect<Answer, Failure> => {
      // To learn who asks may have taken seconds: what is asked is asked now.
      const at = clock.currentTimeMillisUnsafe()
      const events = READS.has(method) ? EVENTS_OF_READ : 1
      const tooMany = quota.admit(principal, { events, bytes: body.length || 1 }, at)
      if (tooMany !== undefined) return Effect.delay(Effect.fail(tooMany), SLOWED_DOWN)
      const payload = BODIES.has(method) ? payloadOf(route, headers, body) : Result.succeed(undefined)
      if (Result.isFailure(payload)) return Effect.fail(new Refused({ problem: payload.failure }))
      const decoded = route.decode({ params, query, headers, payload: payload.success })
      if (Result.isFailure(decoded)) return Effect.fail(new Refused({ problem: decoded.failure }))
      const context = { principal, newCommandId, at, headers, address }
      const isDeclared = "idempotency-key" in Object(decoded.success.headers)
      const receipt = receiptOf({
        request: asked,
        route,
        params,
        principal,
        // That of a removal says nothing, whether it is there or not.
        ...(method === "DELETE" ? { body: NOTHING, payload: undefined } : { body, payload: payload.success }),
        isDeclared,
        at
      })
      const handled =
        receipt === undefined
          ? route.handle({ ...decoded.success, call: context })
          : markReplays(route.handle({ ...decoded.success, call: { ...context, receipt } }))
      return Effect.map(handled, (reply) => {
        const answer = answerOf(route, asked, reply)
        quota.answered(principal, sizeOf(answer), at)
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
    const failure = failureOf(cause)
    const answer = route.refuse(failure, asked)
    // Whom the end of the server has cut off has met no fault.
    if (answer.status >= 500 && !Cause.hasInterruptsOnly(cause)) {
      const name = `${route.method} ${route.path}`
      tell(`${name} ${failure?._tag}`, (times) => run(logFailure(name, times, answer.status, cause)))
    }
    return answer
  }

  const answerTo = (route: Route, asked: Asked, query: RawParts["query"], body: Buffer): Effect.Effect<Answer> => {
    const handled = Effect.suspend(() => handle(route, asked, query, body))
    const spanned = traced ? Effect.withSpan(handled, `${asked.method} ${route.path}`, spanOptions(asked)) : handled
    return Effect.matchCause(spanned, {
      onFailure: (cause) => wellMannered(route, failureAnswer(route, asked, cause)),
      onSuccess: (answer) => wellMannered(route, answer)
    })
  }

  const broken = (name: string) => (cause: Cause.Cause<never>) => {
    if (!Cause.hasInterruptsOnly(cause)) tell(name, () => run(Effect.logError(`${name} broke`, cause)))
    return Effect.succeed(failed)
  }

  const missing = (url: string, path: string): Answer => {
    if (!isDecodable(path)) return unreadablePath
    const methods = METHODS.filter((method) => router.find(method, url) !== undefined)
    return methods.length === 0 ? noSuchRoute : wrongMethod(methods)
  }

  return {
    find: (request) => {
      const { method, url, headers, address } = request
      // HEAD is GET without the body, which is left out where the answer is written (RFC 9110, section 9.3.2).
      const meant = method === "HEAD" ? "GET" : method
      const path = pathOf(url)
      const operation = operations[path]
      if (operation !== undefined) {
        if (meant !== "GET") return { path, refused: wrongMethod(["GET"]) }
        const answer = Effect.suspend(() => operation(headers)).pipe(Effect.catchCause(broken(`${method} ${path}`)))
        return { path, takesBody: false, answer: () => answer, refuse: ({ code }) => json(code, internal) }
      }
      const found = router.find(meant, url)
      if (found === undefined) return { path: "?", refused: missing(url, path) }
      const { handler: route, params, searchParams: query } = found
      const asked = { method, url, headers, address, params }
      return {
        path: route.path,
        takesBody: true,
        answer: (body) => answerTo(route, asked, query, body),
        refuse: (problem) => wellMannered(route, route.refuse(new Refused({ problem }), asked))
      }
    }
  }
})

const NOTHING = Buffer.alloc(0)

/** What the body says; what a route that takes none cannot read is refused as any other body there. */
const payloadOf = ({ takesBody, takesForms }: Route, headers: IncomingHttpHeaders, body: Buffer) => {
  const payload = parseBody(headers, body, { forms: takesForms })
  return takesBody ? payload : Result.mapError(payload, () => badRequest([{ field: "body", message: NO_BODY }]))
}

/** With what every answer of the route has; the answer's own headers win. */
const wellMannered = ({ headers }: Route, answer: Answer): Answer =>
  headers === undefined ? answer : { ...answer, headers: { ...headers, ...answer.headers } }

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

const guest: Principal = { _tag: "Guest" }

/** What changes nothing, and counts as this part of an event. */
const READS: ReadonlySet<string> = new Set(["GET", "HEAD"])
const EVENTS_OF_READ = 1 / 5
/** How long somebody who asks for too much waits for the refusal: who then asks again at once costs others little. */
const SLOWED_DOWN = Duration.millis(250)

const isSignedIn = (headers: IncomingHttpHeaders): boolean =>
  headers["x-api-key"] !== undefined || headers.authorization !== undefined

/** The answer where the program itself is broken. */
export const failed = json(500, internal)
/** What is asked for is not there. */
export const noSuchRoute = json(
  404,
  makeProblem(404, "Not found", "No such endpoint. GET /openapi.json lists them all.")
)

/** Those that the declaration uses. */
export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

const wrongMethod = (methods: ReadonlyArray<string>): Answer => {
  const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ")
  return withHeaders(json(405, makeProblem(405, "Method not allowed", `Use ${allow} here.`)), { allow })
}

const unreadablePath = json(400, badRequest([{ field: "path", message: "must be percent-encoded UTF-8" }]))

/** What is asked for, without its query. */
export const pathOf = (url: string): string => {
  const end = url.indexOf("?")
  return end === -1 ? url : url.slice(0, end)
}

const isDecodable = (path: string): boolean => {
  try {
    return decodeURIComponent(path) !== undefined
  } catch {
    return false
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

/** What the caller is not told, for the operator: an adapter's own words for what failed, or the whole of a defect. */
const logFailure = (route: string, times: number, code: number, cause: Cause.Cause<unknown>) => {
  const failure = failureOf(cause)
  if (failure === undefined) return Effect.logError(`${route} broke`, { code, times }, cause)
  const reason = failure._tag === "DeviceUnreachable" ? failure.reason : failure.message
  return Effect.logWarning(`${route} failed`, { code, times, error: failure._tag, reason })
}

const failureOf = (cause: Cause.Cause<unknown>): Failure | undefined =>
  cause.reasons.find((reason) => reason._tag === "Fail")?.error as Failure | undefined

/** One span a request, within the caller's trace if it sends one. The path is the declared one: links name temp keys. */
const spanOptions = ({ headers }: Pick<Asked, "headers">): Tracer.SpanOptions => {
  const parent = HttpTraceContext.fromHeaders(Headers.fromInput(headers))
  return Option.isSome(parent) ? { kind: "server", parent: parent.value } : { kind: "server" }
}
