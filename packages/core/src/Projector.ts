/** Carries the feed into the read model, from its checkpoint on, for as long as the layer lives. */
import { Context, Duration, Effect, Layer, Stream, SubscriptionRef } from "effect"
import { backoff } from "./Backoff.ts"
import { EventStore, type StoreUnavailable } from "./ports/EventStore.ts"
import { ReadModel, type ReadModelUnavailable } from "./ports/ReadModel.ts"

const BATCH = 500
/** Lets events gather, so that a busy feed is applied in batches and not one by one. */
const GATHER = Duration.millis(5)

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

      yield* follow(store, readModel, (position) => SubscriptionRef.set(checkpoint, position)).pipe(
        Effect.tapError((error) => Effect.logWarning("The read model is behind; trying again", error.message)),
        Effect.retry(backoff),
        Effect.forkScoped
      )

      return {
        catchUp: Effect.fnUntraced(function* (timeout) {
          const head = yield* store.head
          if ((yield* SubscriptionRef.get(checkpoint)) >= head) return
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
    return yield* drain(store, readModel, 0, () => Effect.void)
  })

type OnProgress = (checkpoint: number) => Effect.Effect<void>

const follow = (store: EventStore["Service"], readModel: ReadModel["Service"], onProgress: OnProgress) =>
  Effect.gen(function* () {
    let position = yield* readModel.checkpoint
    yield* onProgress(position)
    yield* store.changes.pipe(
      Stream.runForEach(() =>
        Effect.gen(function* () {
          position = yield* drain(store, readModel, position, onProgress)
          yield* Effect.sleep(GATHER)
        })
      )
    )
  })

/** Applies everything after a position; answers the checkpoint that then stands. */
const drain = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  readModel: ReadModel["Service"],
  from: number,
  onProgress: OnProgress
) {
  let position = from
  while (true) {
    const events = yield* store.readAll(position, BATCH)
    if (events.length === 0) return position
    position = yield* readModel.apply(events)
    yield* onProgress(position)
  }
})
