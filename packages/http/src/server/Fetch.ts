/** The dispatcher as a function of web requests, for servers that are a program's own: Hono, Bun, Deno, Next and others. */
import { Cause, Effect, Exit, Fiber, Result } from "effect"
import { makeProblem } from "../api/Problem.ts"
import { type Answer, headersOf, json } from "./Answer.ts"
import { type Dispatcher, failed, type OnAnswered } from "./Dispatcher.ts"
import { aMinuteApart } from "./LogLines.ts"
import { readWebBody } from "./RequestBody.ts"

/** What the surrounding server knows about the caller. */
export interface Caller {
  /** The whole address from where the request came. Without it, all callers share the budgets of one. */
  readonly address?: string
}

/** Answers a request; never rejects. What was begun is carried out to its end, also when nobody waits for it any more. */
export type Fetch = (request: Request, caller?: Caller) => Promise<Response>

/** The function lives as long as its scope, which waits for what is under way and ends the answers that go on. */
export const makeWebHandler = Effect.fnUntraced(function* (dispatcher: Dispatcher, onAnswered: OnAnswered) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const tell = aMinuteApart()
  const underWay = new Set<Fiber.Fiber<unknown, unknown>>()
  const streams = new Set<() => void>()
  let isEnding = false

  const carryOut = (effect: Effect.Effect<Answer>): Promise<Answer> =>
    new Promise((resolve) => {
      const fiber = run(effect)
      underWay.add(fiber)
      fiber.addObserver((exit) => {
        underWay.delete(fiber)
        resolve(Exit.isSuccess(exit) ? exit.value : failed)
      })
    })

  const answerTo = async (request: Request, { address = "" }: Caller) => {
    const { method, headers } = request
    // Of the URL only what comes after the host: as it stands in the first line of a request.
    const { pathname, search } = new URL(request.url)
    const found = dispatcher.find({
      method,
      url: pathname + search,
      headers: Object.fromEntries(headers),
      address: () => address
    })
    if ("refused" in found) return { path: found.path, answer: found.refused }
    const body = found.takesBody ? await readWebBody(request) : Result.succeed(NOTHING)
    const answer = Result.isFailure(body) ? found.refuse(body.failure) : await carryOut(found.answer(body.success))
    return { path: found.path, answer }
  }

  /** The same, until the client or the scope ends it. */
  const endable = (body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> => {
    const reader = body.getReader()
    const end = () => void reader.cancel().catch(() => {})
    streams.add(end)
    if (isEnding) end()
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const next = await reader.read()
          if (!next.done) return controller.enqueue(next.value)
          streams.delete(end)
          controller.close()
        },
        cancel: (reason) => {
          streams.delete(end)
          return reader.cancel(reason)
        }
      },
      { highWaterMark: 0 }
    )
  }

  const responseOf = (answer: Answer, method: string): Response => {
    const { status, body } = answer
    const init = { status, headers: headersOf(answer) }
    const hasNoBody = method === "HEAD" || status === 304 || status === 204
    if (hasNoBody && body instanceof ReadableStream) void body.cancel().catch(() => {})
    if (hasNoBody) return new Response(null, init)
    if (body instanceof ReadableStream) return new Response(endable(body), init)
    // Bytes that all clients share are not to be handed over to one.
    return new Response(typeof body === "string" ? body : new Uint8Array(body), init)
  }

  const fetch: Fetch = async (request, caller = {}) => {
    if (isEnding) return responseOf(ended, request.method)
    const begun = performance.now()
    const { path, answer } = await answerTo(request, caller).catch((error: unknown) => {
      tell("fetch", (times) => run(Effect.logError("fetch broke", { times }, Cause.die(error))))
      return { path: "?", answer: failed }
    })
    onAnswered(request.method, path, answer.status, (performance.now() - begun) / 1000)
    return responseOf(answer, request.method)
  }

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isEnding = true
      for (const end of streams) end()
      return Effect.asVoid(Fiber.awaitAll([...underWay]))
    })
  )
  return fetch
})

const NOTHING = Buffer.alloc(0)
const ended = json(503, makeProblem(503, "Shutting down", "This server is shutting down. Try again in a moment."))
