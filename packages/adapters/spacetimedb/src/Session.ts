/** One connection from its making to its end. The SDK leaves calls unsettled when it ends; here each has an outcome. */
import { Deferred, Effect, Schema } from "effect"
import { connect, type DbConnection, type Head } from "./Bindings.ts"
import { type AnswerLost, type CallFailed, Calls, type NotAsked } from "./Calls.ts"
import { type CannotConnect, type DatabaseOptions, explain, TOO_LONG } from "./CannotConnect.ts"

interface SessionOptions extends DatabaseOptions {
  /** Milliseconds that connecting may take, and that no answer may come while calls wait for one. */
  readonly deadline: number
  readonly onHead: (head: Head) => void
  /** It was up, and is no more. */
  readonly onEnd: (session: Session) => void
}

/** Answers once the module is known to be the right one, and the head row is there. */
export const open = (options: SessionOptions): Effect.Effect<Session, CannotConnect> =>
  Effect.callback<Session, NotOpened>((resume) => {
    const session = new Session(options, (outcome) => resume(outcome))
    return Effect.sync(() => session.end("This client gave up"))
  }).pipe(Effect.catch(({ cause }) => Effect.flatMap(explain(cause, options), Effect.fail)))

class NotOpened extends Schema.TaggedError<NotOpened>()("NotOpened", { cause: Schema.Defect() }) {}

type Asked<A> = Effect.Effect<A, NotAsked | AnswerLost | CallFailed>

export class Session {
  readonly ended = Deferred.makeUnsafe<void>()
  readonly #options: SessionOptions
  readonly #db: DbConnection
  readonly #calls: Calls
  /** By the arguments of a write: the head row that it left. */
  readonly #heads = new WeakMap<object, Head>()
  readonly #patience: NodeJS.Timeout
  #isReady = false

  constructor(options: SessionOptions, opened: (outcome: Effect.Effect<Session, NotOpened>) => void) {
    this.#options = options
    this.#calls = new Calls({ deadline: options.deadline, onSilence: (message) => this.end(message) })
    const fail = (cause: unknown) => opened(Effect.fail(new NotOpened({ cause })))
    this.#patience = setTimeout(() => {
      this.end("It took too long to connect")
      fail(new Error(TOO_LONG))
    }, options.deadline)
    this.#db = connect({
      ...options,
      onReady: (head) => {
        if (!this.isOpen) return
        this.#isReady = true
        clearTimeout(this.#patience)
        options.onHead(head)
        opened(Effect.succeed(this))
      },
      onHead: (head, call) => {
        if (call !== undefined) this.#heads.set(call, head)
        if (this.isOpen) options.onHead(head)
      },
      onEnd: (cause) => {
        this.end("The connection to SpacetimeDB was lost before the answer came")
        fail(cause)
      }
    })
  }

  /** Whether calls can still be answered. */
  get isOpen(): boolean {
    return this.#calls.areOpen
  }

  /** What one call answers, when it is its turn. */
  call<A>(send: (db: DbConnection) => Promise<A>): Asked<A> {
    return this.#calls.inTurn(() => send(this.#db))
  }

  /** The same without waiting for a turn: for calls that were lost over the last connection. */
  callAtOnce<A>(send: (db: DbConnection) => Promise<A>): Asked<A> {
    return this.#calls.atOnce(() => send(this.#db))
  }

  /** The head row that a write left, which came with its answer; `undefined` when it moved nothing. */
  headAfter(call: object): Head | undefined {
    return this.#heads.get(call)
  }

  /** At once: a connection that is dead does not always say so. */
  end(message: string): void {
    if (!this.isOpen) return
    const loseCalls = this.#calls.close(message)
    clearTimeout(this.#patience)
    this.#db?.disconnect()
    if (this.#isReady) this.#options.onEnd(this)
    Deferred.doneUnsafe(this.ended, Effect.void)
    loseCalls()
  }
}
