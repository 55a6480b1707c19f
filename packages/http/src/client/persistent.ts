/** Asks until there is an answer: again after what passes, a bounded number of times, and no sooner than the server wants. */
import { Clock, Effect, Result } from "effect"
import { HttpClient, type HttpClientError, type HttpClientRequest, type HttpClientResponse } from "effect/http"
import { isObject } from "../api/json.ts"
import type { Problem } from "../api/Problem.ts"
import { type Failure, LatchkeyError, NoAnswer, UnexpectedAnswer } from "./errors.ts"

/** Milliseconds that a call may spend waiting: what is asked for should happen now, or be refused. */
const PATIENCE = 10_000
/** Milliseconds before the first repetition; then twice as long each time. */
const FIRST_PAUSE = 250

/** How long to wait before asking again, in milliseconds: callers who failed together do not come back together. */
export const pauseBefore = (retry: number, failure?: Failure): number => {
  const retryAfter = failure === undefined || failure instanceof NoAnswer ? undefined : failure.retryAfter
  return Math.max(FIRST_PAUSE * 2 ** Math.min(retry, 5) * (0.5 + Math.random() / 2), (retryAfter ?? 0) * 1000)
}

/** Whether it may be different in a moment. A 502 or 504 that is not Latchkey's is a proxy's, whose server is not there. */
export const isPassing = (failure: Failure): boolean =>
  failure instanceof NoAnswer ||
  (failure instanceof LatchkeyError ? [429, 503] : [429, 502, 503, 504]).includes(statusOf(failure))

const statusOf = (failure: LatchkeyError | UnexpectedAnswer): number =>
  failure instanceof LatchkeyError ? failure.code : (failure.status ?? 0)

/** @param retries how often what passes is asked again */
export const persistent = (retries: number) =>
  HttpClient.transform(
    Effect.fnUntraced(function* (
      send: Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>,
      request: HttpClientRequest.HttpClientRequest
    ) {
      const until = (yield* Clock.currentTimeMillis) + PATIENCE
      for (let retry = 0; ; retry++) {
        const outcome = yield* Effect.result(answered(send))
        if (Result.isSuccess(outcome)) return outcome.success
        const failure = outcome.failure
        if (retry >= retries || !mayRepeat(request, failure)) return yield* Effect.fail(failure)
        const pause = pauseBefore(retry, failure)
        if ((yield* Clock.currentTimeMillis) + pause > until) return yield* Effect.fail(failure)
        yield* Effect.sleep(pause)
      }
    })
  )

/** Without a key that says that it is the same, a change is asked again only where it was certainly not looked at. */
const mayRepeat = ({ method, headers }: HttpClientRequest.HttpClientRequest, failure: Failure): boolean =>
  method === "GET" || headers["idempotency-key"] !== undefined
    ? isPassing(failure)
    : !(failure instanceof NoAnswer) && statusOf(failure) === 429

const answered = (send: Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>) =>
  Effect.flatMap(Effect.mapError(send, noAnswer), (response) =>
    response.status < 400 ? Effect.succeed(response) : refusal(response)
  )

const noAnswer = (cause: unknown): Failure => new NoAnswer("The server did not answer.", { cause })

const refusal = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<never, Failure> =>
  Effect.flatMap(Effect.mapError(response.text, noAnswer), (text) => {
    const problem = problemIn(text)
    const retryAfter = secondsIn(response.headers["retry-after"])
    return Effect.fail(
      problem === undefined
        ? new UnexpectedAnswer(text, response.status, retryAfter)
        : new LatchkeyError(problem, retryAfter)
    )
  })

const problemIn = (text: string): Problem | undefined => {
  try {
    const body: unknown = JSON.parse(text)
    return isProblem(body) ? body : undefined
  } catch {
    return undefined
  }
}

/** Whether it is ours: what stands between may answer JSON, too. */
const isProblem = (body: unknown): body is Problem =>
  isObject(body) && body["success"] === false && typeof body["code"] === "number"

/** Proxies may name an instant (RFC 9110, section 10.2.3). */
const secondsIn = (retryAfter: string | undefined): number | undefined => {
  if (retryAfter === undefined) return undefined
  const seconds = Number(retryAfter)
  if (Number.isFinite(seconds)) return seconds
  const until = Date.parse(retryAfter)
  return Number.isNaN(until) ? undefined : Math.max(0, (until - Date.now()) / 1000)
}
