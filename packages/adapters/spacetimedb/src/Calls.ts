/**
 * The calls that are under way over one connection: so many at once, each with an outcome. What is judged is the silence
 * of the connection, and not how long a call takes: a slow server that answers is no dead one.
 */
import { Deferred, Effect, Schema, Semaphore } from "effect"

/** Calls that are under way at once; the others wait here. The server closes a connection that asks for too much. */
export const MOST_CALLS = 256

/** A call is lost when one that was sent so many deadlines later is answered before it. */
export const PATIENCE = 12

/** The connection ended before the answer came: what was asked may have been done, or not. */
export class AnswerLost extends Schema.TaggedError<AnswerLost>()("AnswerLost", { message: Schema.String }) {}

/** The connection had ended before anything was asked. */
export class NotAsked extends Schema.TaggedError<NotAsked>()("NotAsked", {}) {}

/** The module, or the server in its place, answered with an error. */
export class CallFailed extends Schema.TaggedError<CallFailed>()("CallFailed", { cause: Schema.Defect() }) {}

type Unanswered = NotAsked | AnswerLost | CallFailed

interface Limits {
  /** Milliseconds in which no answer comes, though some are waited for, after which the connection counts as dead. */
  readonly deadline: number
  /** The connection is to be closed, for this reason. */
  readonly onSilence: (message: string) => void
}

export class Calls {
  readonly #limits: Limits
  readonly #turns = Semaphore.makeUnsafe(MOST_CALLS)
  /** Those that wait for their answer, the oldest first: how to end each, and since when it waits. */
  readonly #waiting = new Map<(lost: AnswerLost) => void, number>()
  /** Runs while calls wait, from the last answer on. */
  #silence: NodeJS.Timeout | undefined
  #lost: AnswerLost | undefined

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Whether calls can still be answered. */
  get areOpen(): boolean {
    return this.#lost === undefined
  }

  /**
   * What a call answers that is sent when it is its turn; calls keep their order. A caller that gives up does not end its
   * turn: the server still works on the call.
   */
  inTurn<A>(send: () => Promise<A>): Effect.Effect<A, Unanswered> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(this.#turns.take(1)), () =>
        restore(Deferred.await(this.#ask(send, () => Effect.runSync(this.#turns.release(1)))))
      )
    )
  }

  /** Without waiting for a turn: for calls that were lost before, of which there are no more than turns. */
  atOnce<A>(send: () => Promise<A>): Effect.Effect<A, Unanswered> {
    return Effect.suspend(() => Deferred.await(this.#ask(send, () => {})))
  }

  /** The connection has ended: nothing more is asked. What it returns ends the calls that wait. */
  close(message: string): () => void {
    const lost = new AnswerLost({ message })
    this.#lost ??= lost
    clearTimeout(this.#silence)
    const waiting = [...this.#waiting.keys()]
    this.#waiting.clear()
    return () => {
      for (const lose of waiting) lose(lost)
    }
  }

  #ask<A>(send: () => Promise<A>, onEnd: () => void): Deferred.Deferred<A, Unanswered> {
    const answer = Deferred.makeUnsafe<A, Unanswered>()
    const end = (outcome: Effect.Effect<A, Unanswered>) => {
      Deferred.doneUnsafe(answer, outcome)
      onEnd()
    }
    if (this.#lost !== undefined) {
      end(Effect.fail(new NotAsked()))
      return answer
    }
    const lose = (lost: AnswerLost) => end(Effect.fail(lost))
    const settle = (outcome: Effect.Effect<A, CallFailed>) => {
      if (!this.#waiting.delete(lose)) return
      this.#heardOf(sent)
      end(outcome)
    }
    const sent = performance.now()
    this.#waiting.set(lose, sent)
    this.#silence ??= setTimeout(() => this.#limits.onSilence("SpacetimeDB did not answer"), this.#limits.deadline)
    send().then(
      (value) => settle(Effect.succeed(value)),
      (cause: unknown) => settle(Effect.fail(new CallFailed({ cause })))
    )
    return answer
  }

  /** The answer has come to a call that was sent at that time: the silence begins anew. */
  #heardOf(sent: number): void {
    const [oldest] = this.#waiting.values()
    if (oldest === undefined) {
      clearTimeout(this.#silence)
      this.#silence = undefined
    } else if (sent - oldest > PATIENCE * this.#limits.deadline) {
      this.#limits.onSilence("SpacetimeDB answered others, but not this call")
    } else this.#silence?.refresh()
  }
}
