/**
 * `node:http` in front of the dispatcher: reads requests from sockets, carries them out in turns, and writes what is
 * answered. Every handler runs to its end, also when its client goes away: a command must not stop halfway.
 */
import type { RequestListener, ServerResponse } from "node:http"
import { Effect, Exit, Result } from "effect"
import { type Answer, headersOf } from "./Answer.ts"
import { callerAddress, type TrustedProxies } from "./CallerAddress.ts"
import type { Connection, Connections } from "./Connections.ts"
import { type Dispatcher, failed, type OnAnswered } from "./Dispatcher.ts"
import { refuseHeaders } from "./HeaderRules.ts"
import { aMinuteApart } from "./LogLines.ts"
import { readBody } from "./RequestBody.ts"

/** `endStreams` ends the answers that go on, and `idle` waits until nothing is being carried out or sent. */
export const makeListener = Effect.fnUntraced(function* ({
  dispatcher,
  connections,
  onAnswered,
  proxies
}: {
  readonly dispatcher: Dispatcher
  readonly connections: Connections
  readonly onAnswered: OnAnswered
  readonly proxies: TrustedProxies
}) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const inTurn = takingTurns()
  const tell = aMinuteApart()
  let running = 0
  let whenIdle: (() => void) | undefined
  const ended = () => {
    if (--running === 0) whenIdle?.()
  }
  /** What ends each of the answers that go on. */
  const streams = new Set<() => void>()
  let isEnding = false

  const listener: RequestListener = (request, response) => {
    const begun = performance.now()
    const connection = connections.of(request.socket)
    if (connection === undefined) return
    const turn = connection.receive(request)
    const { method = "GET", url = "/", headers } = request
    const finish = (path: string, answer: Answer) => {
      const { body } = answer
      if (body instanceof ReadableStream) stream(path, answer, body)
      else if (!response.destroyed) {
        write(response, answer, body)
        if (typeof body === "string") connections.hold(connection, response)
      }
      const now = performance.now()
      connection.answered(now)
      onAnswered(method, path, answer.status, (now - begun) / 1000)
    }
    /** A client that has its head waits for the rest: who is new may have its place. */
    const stream = (path: string, answer: Answer, body: ReadableStream<Uint8Array>) => {
      const reader = body.getReader()
      const end = () => void reader.cancel().catch(() => {})
      if (isEnding || response.destroyed || method === "HEAD") end()
      if (response.destroyed) return
      response.writeHead(answer.status, headersOf(answer)).flushHeaders()
      running++
      streams.add(end)
      pump(response, reader, () => connection.sent(performance.now()))
        .catch((error) =>
          tell(path, (times) => run(Effect.logError(`The answer to ${method} ${path} broke off`, { times }, error)))
        )
        .finally(() => {
          streams.delete(end)
          ended()
        })
    }
    const refuse = (path: string, answer: Answer) => {
      if (connection.begin(response, turn)) finish(path, answer)
    }
    const start = (path: string, effect: Effect.Effect<Answer>) => {
      if (!connection.begin(response, turn)) return
      running++
      inTurn(connection, (hasWaited) => {
        // Nobody waits for the answer any more, and nothing of it was begun.
        if (hasWaited && connection.socket.destroyed) return ended()
        run(effect).addObserver((exit) => {
          finish(path, Exit.isSuccess(exit) ? exit.value : failed)
          ended()
        })
      })
    }

    const untrusted = refuseHeaders(request)
    if (untrusted !== undefined) return refuse("?", untrusted)
    const found = dispatcher.find({ method, url, headers, address: () => callerAddress(request, proxies) })
    if ("refused" in found) return refuse(found.path, found.refused)
    if (!found.takesBody) return start(found.path, found.answer(NOTHING))
    readBody(request, (body) =>
      Result.isFailure(body)
        ? refuse(found.path, found.refuse(body.failure))
        : start(found.path, found.answer(body.success))
    )
  }

  const idle = Effect.callback<void>((resume) => {
    whenIdle = () => resume(Effect.void)
    if (running === 0) whenIdle()
  })

  const endStreams = () => {
    isEnding = true
    for (const end of streams) end()
  }

  return { listener, endStreams, idle }
})

const NOTHING = Buffer.alloc(0)

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

/** Characters. */
const LONG_BODY = 64 * 1024

const write = (response: ServerResponse, answer: Answer, body: string | Buffer): void => {
  // Node encodes a string to count its bytes, and again to send it. That costs less than a second write only while it is short.
  const content = typeof body === "string" && body.length >= LONG_BODY ? Buffer.from(body) : body
  const length = typeof content === "string" ? Buffer.byteLength(content) : content.length
  // RFC 9110, section 8.6: of 304 the length would be that of what was not sent, and 204 has none.
  const headers = headersOf(answer, answer.status === 304 || answer.status === 204 ? undefined : length)
  // Where each character is one byte they are copied, and not encoded: a twentieth of what a long answer takes.
  const encoding = length === content.length ? "latin1" : "utf8"
  response.writeHead(answer.status, headers).end(content, encoding)
}

/** Writes as fast as the client reads, and no faster. Ends when the body does, breaks off when it fails. */
const pump = async (response: ServerResponse, reader: ReadableStreamDefaultReader<Uint8Array>, onSent: () => void) => {
  const cancel = () => void reader.cancel().catch(() => {})
  response.once("close", cancel)
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const isTaken = response.write(next.value)
      if (!isTaken) await drained(response)
      onSent()
    }
    response.off("close", cancel).end()
  } catch (error) {
    response.destroy()
    throw error
  }
}

/** Until more may be written, or nothing can be any more. */
const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done)
      resolve()
    }
    response.once("drain", done).once("close", done)
  })
