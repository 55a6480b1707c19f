/**
 * One group of requests of this process is on its way at a time; what comes meanwhile is the next. A group is one statement and
 * one commit, which is what makes many writes cheap.
 */
import { StoreUnavailable } from "@latchkey/core"
import { Effect, type Scope } from "effect"
import type { Database } from "./Database.ts"
import { answersOf, sizeOfGroup, toJson } from "./Group.ts"
import type { Refusal, Request } from "./Request.ts"
import { isLate, isUnfit, unavailable } from "./unavailable.ts"

/** How often a group is sent that comes too late for its time to be compared. */
const TRIES = 3

/** The feed's position after the write; or why it was refused; or that it failed, and may have been carried out. */
export type Answer = number | Refusal | StoreUnavailable

export interface Writer {
  /** `answer` is called once. */
  readonly submit: (request: Request, answer: (answer: Answer) => void) => void
}

interface Waiting {
  readonly request: Request
  readonly answer: (answer: Answer) => void
}

/** When its scope ends, what was handed over is still written. */
export const make: (database: Database) => Effect.Effect<Writer, never, Scope.Scope> = Effect.fnUntraced(
  function* (database) {
    let waiting: Array<Waiting> = []
    let writing: Promise<void> | undefined
    let isClosed = false

    const answersTo = async (requests: ReadonlyArray<Request>, tries = TRIES): Promise<ReadonlyArray<Answer>> => {
      let began = 0
      try {
        // The time is told over a connection that is there.
        if (tries < TRIES) await database.write("SELECT")
        began = performance.now()
        const [row] = await database.write<[string]>("SELECT $.write_batches($1, $2)", Date.now(), toJson(requests))
        return answersOf(requests, JSON.parse(row?.[0] ?? ""))
      } catch (cause) {
        // It wrote nothing, and may only have waited for a connection, or for others' writes.
        if (tries > 1 && isLate(cause, performance.now() - began)) return answersTo(requests, tries - 1)
        const failed = unavailable(cause)
        if (requests.length === 1 || !isUnfit(cause)) return requests.map(() => failed)
        // The database says that it wrote nothing, for the fault of one. Only then is anything sent again: each by itself.
        const answers: Array<Answer> = []
        for (const request of requests) answers.push(...(await answersTo([request])))
        return answers
      }
    }

    const write = async () => {
      // What is decided in one turn of the event loop travels together.
      await new Promise((resolve) => setImmediate(resolve))
      while (waiting.length > 0) {
        const size = sizeOfGroup(waiting.map(({ request }) => request))
        const group = waiting.slice(0, size)
        waiting = waiting.slice(size)
        const answers = await answersTo(group.map(({ request }) => request))
        for (const [n, { answer }] of group.entries()) answer(answers[n] ?? unavailable("it gave no answer"))
      }
      writing = undefined
    }

    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        isClosed = true
        await writing
      })
    )
    return {
      submit: (request, answer) => {
        if (isClosed) return answer(new StoreUnavailable({ message: "This store has been closed." }))
        waiting.push({ request, answer })
        writing ??= write()
      }
    }
  }
)
