/** Carries the feed into the read model, from its checkpoint on: in the background, or when somebody waits for it. */
import { Context, Duration, Effect, Latch, Layer, Option, Semaphore, Stream, SubscriptionRef } from "effect"
import { keepGoing } from "../streams/Backoff.ts"
import { EventStore, type StoreUnavailable } from "../streams/OldEventStore.ts"
import { growth } from "../streams/StreamFollower.ts"
import { CurrentBackground, inBackground } from "../streams/Workers.ts"
import { ReadModel, type ReadModelUnavailable } from "./ReadModel.ts"

/** Events that are applied in one turn of the event loop: whoever asks something meanwhile waits for no more. */
const BATCH = 250
/** How long events of a busy feed may gather, to be applied together, while nobody asks for them. */
const GATHER = Duration.millis(50)
/** How soon it shows, at the latest, that the read model was emptied: nothing in the feed tells. */
const LOOK_EVERY = Duration.seconds(1)

export class Projector extends Context.Service<
  Projector,
  {
    /** Waits until the read model has seen the feed up to its present head; `false` when it has not in that time. */
    readonly catchUp: (timeout: Duration.Input) => Effect.Effect<boolean, StoreUnavailable | ReadModelUnavailable>
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
      const background = yield* CurrentBackground
      const oneAtATime = yield* Semaphore.make(1)
      /** For whoever waits where nothing runs in the background. */
      const applyAll = Effect.flatMap(readModel.checkpoint, (from) =>
        applyAfter(store, readModel, from, () => Effect.void)
      )

      const follow = Effect.fnUntraced(function* () {
        let position = yield* readModel.checkpoint
        const apply = Effect.fnUntraced(function* () {
          position = Math.min(position, yield* readModel.checkpoint)
          position = yield* applyAfter(store, readModel, position, (reached) =>
            SubscriptionRef.set(checkpoint, reached)
          )
          yield* Effect.timeoutOption(wanted.await, GATHER)
          yield* wanted.close
        })
        yield* SubscriptionRef.set(checkpoint, position)
        yield* Stream.runForEach(Stream.merge(growth(store), Stream.tick(LOOK_EVERY)), apply)
      })
      yield* follow().pipe(keepGoing("The read model is not filled"), inBackground)

      return {
        catchUp: Effect.fnUntraced(function* (timeout) {
          const head = yield* store.head
          // The read model's own word: another process may have filled it, or emptied it.
          if ((yield* readModel.checkpoint) >= head) return true
          if (!background.isRunning())
            return Option.isSome(yield* Effect.timeoutOption(oneAtATime.withPermit(applyAll), timeout))
          yield* wanted.open
          const reached = yield* SubscriptionRef.changes(checkpoint).pipe(
            Stream.filterEffect(() => Effect.map(readModel.checkpoint, (position) => position >= head)),
            Stream.runHead,
            Effect.timeoutOption(timeout)
          )
          return Option.isSome(Option.flatten(reached))
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
    yield* Effect.yieldNow
  }
})
