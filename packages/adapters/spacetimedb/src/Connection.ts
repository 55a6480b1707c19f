/** The connection to SpacetimeDB, made again whenever it is lost, and calls that outlive such a loss. */
import { keepGoing } from "@latchkey/core"
import { Data, Deferred, Duration, Effect, Queue, Schema, type Scope, Stream } from "effect"
import { setGlobalLogLevel } from "spacetimedb"
import type { DbConnection, Head, ReadAnswer, ReadArguments, ReadName, WriteArguments, WriteName } from "./Bindings.ts"
import type { AnswerLost, CallFailed, NotAsked } from "./Calls.ts"
import type { CannotConnect, DatabaseOptions } from "./CannotConnect.ts"
import type { Refusal } from "./Refusal.ts"
import { open, type Session } from "./Session.ts"

export interface ConnectionOptions extends DatabaseOptions {
  /**
   * How long connecting may take, and how long no answer may come while calls wait for one, before the connection counts
   * as dead; 5 seconds unless given. What became of a call whose connection is lost is asked over the next ones, for twice
   * as long. At most 256 calls are under way at once; the others wait for their turn.
   */
  readonly deadline?: Duration.Input
}

/** Between the end of a connection and the attempt to make the next. */
const PAUSE = Duration.millis(50)

/** The module does not do what it was asked, and changed nothing. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly refusal: Exclude<Refusal, { readonly code: "NotAllowed" }>
}> {}

/** There is no connection, or no usable answer. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Writes of which the module remembers under their ids that it has carried them out. */
type Once = "write" | "apply_rows"

export interface Connection {
  /**
   * Carries a write out once, and answers the feed's position after it. One whose answer is lost is not sent again: the
   * module is asked what became of it, and from then on refuses it, should it still be under way.
   */
  readonly write: <Name extends Once>(
    name: Name,
    args: (id: string) => WriteArguments<Name>
  ) => Effect.Effect<number, Refused | Unavailable>
  /** For what leaves the same when it is done twice: asks again when an answer is lost. */
  readonly send: <Name extends Exclude<WriteName, Once>>(
    name: Name,
    args: WriteArguments<Name>
  ) => Effect.Effect<void, Refused | Unavailable>
  readonly read: <Name extends ReadName>(
    name: Name,
    args: ReadArguments<Name>
  ) => Effect.Effect<ReadAnswer<Name>, Unavailable>
  /** The newest position that this client has heard of: at once, and whenever it grows. */
  readonly heads: Stream.Stream<number, Unavailable>
}

type State =
  | { readonly _tag: "Open"; readonly session: Session }
  /** Lost just now: new calls wait for the first attempt. */
  | { readonly _tag: "Opening"; readonly next: Deferred.Deferred<void> }
  /** That failed: new calls fail, only those that were interrupted wait on. */
  | { readonly _tag: "Down"; readonly error: Unavailable; readonly next: Deferred.Deferred<void> }

interface Follower {
  seen: number
  readonly queue: Queue.Enqueue<number, Unavailable>
}

/** Connects, and stays connected until the scope closes. Fails when the first attempt fails. */
export const make: (options: ConnectionOptions) => Effect.Effect<Connection, CannotConnect, Scope.Scope> =
  Effect.fnUntraced(function* ({ deadline: input = Duration.seconds(5), ...database }) {
    const deadline = Duration.toMillis(input)
    const followers = new Set<Follower>()
    let heard = 0

    const onHead = ({ position }: Head) => {
      heard = Number(position)
      for (const follower of followers) tell(follower, heard)
    }
    const onEnd = (session: Session) => {
      if (state._tag === "Open" && state.session === session) state = { _tag: "Opening", next: Deferred.makeUnsafe() }
    }
    // The SDK tells every step on the console.
    setGlobalLogLevel("error")
    const connect = open({ ...database, deadline, onHead, onEnd })
    let state: State = { _tag: "Opening", next: Deferred.makeUnsafe() }

    const onFailure = ({ message }: CannotConnect) => {
      if (state._tag === "Open") return
      const { next } = state
      state = { _tag: "Down", error: new Unavailable({ message }), next: Deferred.makeUnsafe() }
      Deferred.doneUnsafe(next, Effect.void)
    }
    const onSuccess = (session: Session) => {
      if (state._tag === "Open" || !session.isOpen) return
      const { next } = state
      state = { _tag: "Open", session }
      Deferred.doneUnsafe(next, Effect.void)
    }
    const close = () => {
      if (state._tag === "Open") state.session.end("The connection to SpacetimeDB was closed")
      state = {
        _tag: "Down",
        error: new Unavailable({ message: "The connection to SpacetimeDB was closed." }),
        next: Deferred.makeUnsafe()
      }
    }
    onSuccess(yield* Effect.acquireRelease(connect, () => Effect.sync(close)))

    const stayConnected = Effect.gen(function* () {
      while (true) {
        if (state._tag === "Open") {
          yield* Deferred.await(state.session.ended)
          yield* Effect.logWarning("The connection to SpacetimeDB was lost: connecting again")
        }
        // Also a server that throws out everyone it has let in is not stormed.
        yield* Effect.sleep(PAUSE)
        yield* connect.pipe(
          Effect.tapError((error) => Effect.sync(() => onFailure(error))),
          keepGoing("SpacetimeDB is not connected"),
          Effect.tap((session) => Effect.sync(() => onSuccess(session)))
        )
        if (state._tag === "Open") yield* Effect.logInfo("SpacetimeDB is connected again")
      }
    })
    yield* Effect.forkScoped(stayConnected)

    /** Over this connection, or the one that is being made; fails at once while there is no hope. */
    const overThis = <A>(ask: Ask<A>): Call<A> =>
      Effect.suspend(() => {
        switch (state._tag) {
          case "Open":
            return Effect.catchTag(ask(state.session), "NotAsked", () => overThis(ask))
          case "Opening":
            return Effect.andThen(Deferred.await(state.next), overThis(ask))
          case "Down":
            return Effect.fail(state.error)
        }
      })

    /** Over whichever connection comes: for what may have been done already. */
    const overTheNext = <A>(ask: Ask<A>): Call<A> =>
      Effect.suspend(() =>
        state._tag === "Open"
          ? Effect.catchTag(ask(state.session), "NotAsked", () => overTheNext(ask))
          : Effect.andThen(Deferred.await(state.next), overTheNext(ask))
      )

    /** When its answer is lost, `next` is asked over the next connections, for a while. */
    const recovered = <A>(
      first: Call<A>,
      next: (lost: AnswerLost) => Call<A>
    ): Effect.Effect<A, CallFailed | Unavailable> =>
      Effect.catchTag(first, "AnswerLost", (lost) =>
        repeated(next(lost)).pipe(
          Effect.timeoutOrElse({
            duration: 2 * deadline,
            orElse: () =>
              Effect.fail(new Unavailable({ message: `${lost.message}, and no other connection brought one in time.` }))
          })
        )
      )

    /** What became of a write. */
    const settled = (id: string, { message }: AnswerLost): Call<number> =>
      overTheNext((session) => session.callAtOnce((db) => db.read("settle_write", { id }))).pipe(
        Effect.flatMap((position) =>
          position === undefined
            ? Effect.fail(new Unavailable({ message: `${message}: nothing was written.` }))
            : Effect.succeed(Number(position))
        )
      )

    return {
      write: (name, argsOf) =>
        Effect.suspend(() => {
          const id = crypto.randomUUID()
          const args = argsOf(id)
          const asked = overThis<number>((session) =>
            Effect.map(
              session.call((db) => db.write(name, args)),
              () => Number(session.headAfter(args)?.position ?? heard)
            )
          )
          return recovered(asked, (lost) => settled(id, lost))
        }).pipe(Effect.mapError(explained(refusedOr))),

      send: (name, args) => {
        const ask = (db: DbConnection) => db.write(name, args)
        return recovered(
          overThis((session) => session.call(ask)),
          () => overTheNext((session) => session.callAtOnce(ask))
        ).pipe(Effect.mapError(explained(refusedOr)))
      },

      read: <Name extends ReadName>(name: Name, args: ReadArguments<Name>) => {
        const ask = (db: DbConnection): Promise<ReadAnswer<Name>> => db.read(name, args)
        return recovered(
          overThis((session) => session.call(ask)),
          () => overThis((session) => session.callAtOnce(ask))
        ).pipe(Effect.mapError(explained(failed)))
      },

      heads: Stream.callback(
        (queue) =>
          Effect.acquireRelease(
            Effect.suspend(() => {
              if (state._tag === "Down") return Effect.fail(state.error)
              const follower: Follower = { seen: -1, queue }
              followers.add(follower)
              if (state._tag === "Open") tell(follower, heard)
              return Effect.succeed(follower)
            }),
            (follower) => Effect.sync(() => followers.delete(follower))
          ),
        // Who is slow skips to the newest head.
        { bufferSize: 1, strategy: "sliding" }
      )
    }
  })

type Ask<A> = (session: Session) => Effect.Effect<A, NotAsked | AnswerLost | CallFailed>
type Call<A> = Effect.Effect<A, AnswerLost | CallFailed | Unavailable>

/** Again, for as long as connections are lost. */
const repeated = <A>(call: Call<A>): Effect.Effect<A, CallFailed | Unavailable> =>
  Effect.catchTag(call, "AnswerLost", () => repeated(call))

const tell = (follower: Follower, head: number): void => {
  if (head <= follower.seen) return
  follower.seen = head
  Queue.offerUnsafe(follower.queue, head)
}

const explained =
  <E>(explain: (cause: unknown) => E) =>
  (error: CallFailed | Unavailable): E | Unavailable =>
    error._tag === "CallFailed" ? explain(error.cause) : error

/** The SDK rejects with a `SenderError` for what the module refuses, and with anything for all else. */
const refusedOr = (cause: unknown): Refused | Unavailable => {
  const refusal = cause instanceof Error && cause.name === "SenderError" ? parse(cause.message) : undefined
  if (refusal === undefined) return failed(cause)
  return refusal.code === "NotAllowed" ? new Unavailable({ message: refusal.message }) : new Refused({ refusal })
}

const parse = (text: string): Refusal | undefined => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const failed = (cause: unknown): Unavailable =>
  new Unavailable({ message: "The module in SpacetimeDB failed: its log (spacetime logs) tells why.", cause })
