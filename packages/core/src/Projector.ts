/** Carries the feed into the read model, from its checkpoint on, for as long as the layer lives. */
import { Context, Duration, Effect, Latch, Layer, Stream, SubscriptionRef } from "effect"
import { backoff } from "./Backoff.ts"
import { EventStore, type StoreUnavailable } from "./ports/EventStore.ts"
import { ReadModel, type ReadModelUnavailable } from "./ports/ReadModel.ts"

const BATCH = 1_000
/** How long events of a busy feed may gather, to be applied together, while nobody asks for them. */
const GATHER = Duration.millis(100)

export class Projector extends Context.Service<
  Projector,
  {
    /** Answers when the read model has seen the feed up to its present head, or when the time is over. */
    readonly catchUp: (timeout: Duration.Input) => Effect.Effect<void, StoreUnavailable>
  }
>()("@latchkey/core/Projector") {
  static readonly layer = Layer.effect(
    Projector,
    Effect.gen(function* () {
      const store = yield* EventStore
      const readModel = yield* ReadModel
      const checkpoint = yield* SubscriptionRef.make(0)
      /** Open while somebody waits for the read model. */
      const wanted = yield* Latch.make(false)

      const follow = Effect.fnUntraced(function* () {
        let position = yield* readModel.checkpoint
        const apply = Effect.fnUntraced(function* () {
          position = yield* applyAfter(store, readModel, position, (reached) =>
            SubscriptionRef.set(checkpoint, reached)
          )
          yield* Effect.timeoutOption(wanted.await, GATHER)
          yield* wanted.close
        })
        yield* SubscriptionRef.set(checkpoint, position)
        yield* Stream.runForEach(store.changes, apply)
      })
      yield* follow().pipe(
        Effect.tapError((error) => Effect.logWarning("The read model is behind; trying again", error.message)),
        Effect.retry(backoff),
        Effect.forkScoped
      )

      return {
        catchUp: Effect.fnUntraced(function* (timeout) {
          const head = yield* store.head
          if ((yield* SubscriptionRef.get(checkpoint)) >= head) return
          yield* wanted.open
          yield* SubscriptionRef.changes(checkpoint).pipe(
            Stream.takeUntil((position) => position >= head),
            Stream.runDrain,
            Effect.timeoutOption(timeout)
          )
        })
      }
    })
  )
}

/** Forgets the read model and fills it again from the whole feed; answers the position reached. */
export const rebuild: Effect.Effect<number, StoreUnavailable | ReadModelUnavailable, EventStore | ReadModel> =
  Effect.gen(function* () {
    const store = yield* EventStore
    const readModel = yield* ReadModel
    yield* readModel.reset
    return yield* applyAfter(store, readModel, 0, () => Effect.void)
  })

/** Applies what the feed holds after a position; answers the checkpoint that then stands. */
const applyAfter = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  readModel: ReadModel["Service"],
  from: number,
  onProgress: (checkpoint: number) => Effect.Effect<void>
) {
  let position = from
  while (true) {
    const events = yield* store.readAll(position, BATCH)
    if (events.length === 0) return position
    position = yield* readModel.apply(events)
    yield* onProgress(position)
    // Short of the last event: the read model was emptied by somebody else, and is filled from its beginning.
    if (events.length < BATCH && position === events.at(-1)?.position) return position
  }
})
