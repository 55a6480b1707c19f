/**
 * The main thread's end of the writer thread. Requests made in one turn of the event loop travel together, and so do
 * the answers of one commit: a message costs more than the row it carries.
 */

import { Worker } from "node:worker_threads"
import { StoreUnavailable } from "@latchkey/core"
import { Effect, type Scope } from "effect"
import type { WriteAnswer } from "./EventLog.ts"
import type { WriteRequest } from "./WriteRequest.ts"
import type { FromWriter, ToWriter, WriterData } from "./worker.ts"

export type Answer = (answer: WriteAnswer | StoreUnavailable) => void

// Unbuilt, this runs as TypeScript; published, as JavaScript.
const workerUrl = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)

// Most flags of the process (--input-type, --expose-gc) make a worker refuse to start; what silences warnings does not.
const execArgv = process.execArgv.filter((flag) => flag.startsWith("--disable-warning"))

/** Requests that are handed over before the turn ends: the writer commits them while the others are still being decided. */
const ENOUGH = 16

export class Writer {
  /** Called after every commit with the position of the newest event. */
  onCommit: (head: number) => void = () => {}
  /** Called once, when nothing can be written any more though nobody has closed the writer. */
  onEnd: (error: StoreUnavailable) => void = () => {}
  readonly #worker: Worker
  readonly #file: string
  /** Callers that wait, in the order of their requests; the writer answers in that order. */
  #waiting: Array<Answer> = []
  #requests: Array<WriteRequest> = []
  #ended: StoreUnavailable | undefined
  #exited = false

  private constructor(data: WriterData) {
    this.#file = data.file
    this.#worker = new Worker(workerUrl, { workerData: data, name: "latchkey-sqlite", execArgv })
  }

  /** Starts the writer thread; once it answers, the database is open and its schema up to date. Closed with the scope. */
  static readonly open = (data: WriterData): Effect.Effect<Writer, StoreUnavailable, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.callback<Writer, StoreUnavailable>((resume) => {
        const writer = new Writer(data)
        const worker = writer.#worker
        const end = (error: StoreUnavailable) => {
          resume(Effect.fail(error))
          writer.end(error)
        }
        worker.on("message", (message: FromWriter) => {
          if (message._tag === "Open") resume(Effect.succeed(writer))
          else if (message._tag === "OpenFailed") end(new StoreUnavailable({ message: message.message }))
          else if (message._tag === "Damaged") end(new StoreUnavailable({ message: message.message }))
          else writer.#receive(message)
        })
        worker.on("error", (cause: Error) => end(ended(data.file, cause)))
        worker.on("exit", () => {
          writer.#exited = true
          end(ended(data.file))
        })
        return Effect.promise(() => worker.terminate())
      }),
      (writer) => writer.#close,
      { interruptible: true }
    )

  /** Why nothing can be written any more; `undefined` while it can. */
  get ended(): StoreUnavailable | undefined {
    return this.#ended
  }

  /** Hands a request over; `answer` is called once, after the commit that decided it. */
  submit(request: WriteRequest, answer: Answer): void {
    if (this.#ended !== undefined) return answer(this.#ended)
    this.#waiting.push(answer)
    const gathered = this.#requests.push(request)
    if (gathered === ENOUGH) this.#flush()
    else if (gathered === 1) setImmediate(() => this.#flush())
  }

  #flush() {
    if (this.#requests.length === 0 || this.#ended !== undefined) return
    this.#post(this.#requests)
    this.#requests = []
  }

  #post(message: ToWriter) {
    this.#worker.postMessage(message)
  }

  #receive({ answers, head }: Extract<FromWriter, { _tag: "Answered" }>) {
    const callers = this.#waiting.splice(0, answers.length)
    answers.forEach((answer, index) =>
      callers[index]?.(
        typeof answer === "object" && answer._tag === "Failed"
          ? new StoreUnavailable({ message: answer.message })
          : answer
      )
    )
    this.onCommit(head)
    // Most callers have their next request ready by now: the writer need not wait for it.
    this.#flush()
  }

  /** Writes no more, for this reason: everyone who waits is told, and everyone who comes. */
  end(error: StoreUnavailable): void {
    if (this.#ended === undefined) this.onEnd(error)
    this.#ended ??= error
    const callers = this.#waiting
    this.#waiting = []
    for (const caller of callers) caller(this.#ended)
  }

  /** What was handed over before is still committed and answered. */
  readonly #close = Effect.callback<void>((resume) => {
    if (this.#exited) return resume(Effect.void)
    this.#flush()
    this.#ended ??= new StoreUnavailable({ message: `The event store on ${this.#file} has been closed.` })
    this.#worker.once("exit", () => resume(Effect.void))
    this.#post("close")
  })
}

const ended = (file: string, cause?: Error) =>
  new StoreUnavailable({
    message: `The thread that writes to the database ${file} has ended${cause === undefined ? "" : ` (${cause.message})`}. Restart this process; what was answered is stored.`,
    ...(cause === undefined ? {} : { cause })
  })
