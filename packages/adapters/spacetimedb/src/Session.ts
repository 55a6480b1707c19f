/** One connection from its making to its end. The SDK leaves calls unsettled when it ends; here each has an outcome. */
import { Deferred, Effect, Schema } from "effect"
import { connect, type DbConnection, type Head } from "./Bindings.ts"

/** Where a database is, and who comes. */
export interface DatabaseOptions {
  /** Of the server: `http://…`, `https://…`, `ws://…` or `wss://…`. */
  readonly uri: string
  /** Name or identity of the database that the module was published as. */
  readonly database: string
  /** Of an allowed writer. */
  readonly token: string
}

/** No connection; `option` is the one that is probably wrong. */
export class CannotConnect extends Schema.TaggedError<CannotConnect>()("CannotConnect", {
  option: Schema.Literals(["uri", "database", "token"]),
  message: Schema.String
}) {}

/** The connection ended before the answer came: what was asked may have been done, or not. */
export class AnswerLost extends Schema.TaggedError<AnswerLost>()("AnswerLost", { message: Schema.String }) {}

/** The connection had ended before anything was asked. */
export class NotAsked extends Schema.TaggedError<NotAsked>()("NotAsked", {}) {}

/** The module, or the server in its place, answered with an error. */
export class CallFailed extends Schema.TaggedError<CallFailed>()("CallFailed", { cause: Schema.Defect() }) {}

interface SessionOptions extends DatabaseOptions {
  /** Milliseconds without an answer after which the connection counts as dead. */
  readonly deadline: number
  readonly onHead: (head: Head) => void
  /** It was up, and is no more. */
  readonly onEnd: (session: Session) => void
}

/** Answers once the head row is known. */
export const open = (options: SessionOptions): Effect.Effect<Session, CannotConnect> =>
  Effect.callback<Session, CannotConnect>((resume) => {
    const session = new Session(options, (outcome) => resume(outcome))
    return Effect.sync(() => session.end("This client gave up"))
  })

export class Session {
  readonly ended = Deferred.makeUnsafe<void>()
  readonly #options: SessionOptions
  readonly #db: DbConnection
  readonly #waiting = new Set<(lost: AnswerLost) => void>()
  /** By the arguments of a write: the head row that it left. */
  readonly #heads = new WeakMap<object, Head>()
  readonly #patience: NodeJS.Timeout
  #isReady = false
  #lost: AnswerLost | undefined

  constructor(options: SessionOptions, opened: (outcome: Effect.Effect<Session, CannotConnect>) => void) {
    this.#options = options
    const fail = (cause: unknown) => opened(Effect.fail(explain(cause, options)))
    this.#patience = setTimeout(() => {
      this.end("It took too long to connect")
      fail(new Error("it took too long to connect"))
    }, options.deadline)
    this.#db = connect({
      ...options,
      onReady: (head) => {
        if (this.#lost !== undefined) return
        this.#isReady = true
        clearTimeout(this.#patience)
        options.onHead(head)
        opened(Effect.succeed(this))
      },
      onHead: (head, call) => {
        if (call !== undefined) this.#heads.set(call, head)
        if (this.#lost === undefined) options.onHead(head)
      },
      onEnd: (cause) => {
        this.end("The connection to SpacetimeDB was lost before the answer came")
        fail(cause)
      }
    })
  }

  /** Whether calls can still be answered. */
  get isOpen(): boolean {
    return this.#lost === undefined
  }

  /** What one call answers. It is sent before this returns to its caller, so calls keep their order. */
  call<A>(send: (db: DbConnection) => Promise<A>): Effect.Effect<A, NotAsked | AnswerLost | CallFailed> {
    return Effect.callback<A, NotAsked | AnswerLost | CallFailed>((resume) => {
      if (this.#lost !== undefined) return resume(Effect.fail(new NotAsked()))
      const lose = (lost: AnswerLost) => settle(Effect.fail(lost))
      const settle = (outcome: Effect.Effect<A, AnswerLost | CallFailed>) => {
        clearTimeout(deadline)
        this.#waiting.delete(lose)
        resume(outcome)
      }
      const deadline = setTimeout(() => this.end("SpacetimeDB did not answer"), this.#options.deadline)
      this.#waiting.add(lose)
      send(this.#db).then(
        (answer) => settle(Effect.succeed(answer)),
        (cause: unknown) => settle(Effect.fail(new CallFailed({ cause })))
      )
      return Effect.sync(() => {
        clearTimeout(deadline)
        this.#waiting.delete(lose)
      })
    })
  }

  /** The head row that a write left, which came with its answer; `undefined` when it moved nothing. */
  headAfter(call: object): Head | undefined {
    return this.#heads.get(call)
  }

  /** At once: a connection that is dead does not always say so. */
  end(message: string): void {
    if (this.#lost !== undefined) return
    this.#lost = new AnswerLost({ message })
    clearTimeout(this.#patience)
    this.#db?.disconnect()
    if (this.#isReady) this.#options.onEnd(this)
    Deferred.doneUnsafe(this.ended, Effect.void)
    for (const lose of this.#waiting) lose(this.#lost)
    this.#waiting.clear()
  }
}

const explain = (cause: unknown, { uri, database }: DatabaseOptions): CannotConnect => {
  const message = cause instanceof Error ? cause.message : ""
  const [, status] = /^Failed to verify token: (.*)$/.exec(message) ?? []
  if (status !== undefined && ["Bad Request", "Unauthorized", "Forbidden", ""].includes(status)) {
    return new CannotConnect({ option: "token", message: `SpacetimeDB at ${uri} does not accept the token.` })
  }
  if (status !== undefined) {
    return new CannotConnect({
      option: "uri",
      message: `${uri} answers "${status}", which a SpacetimeDB server never does.`
    })
  }
  if (cause === undefined) {
    return new CannotConnect({
      option: "token",
      message: `The database ${database} refuses this token: its identity must be an allowed writer there.`
    })
  }
  if (message === "fetch failed") {
    return new CannotConnect({ option: "uri", message: `SpacetimeDB at ${uri} cannot be reached.` })
  }
  return new CannotConnect({
    option: "database",
    message: `No connection to the database ${database} at ${uri} (${message}). Is the module of Latchkey published there?`
  })
}
