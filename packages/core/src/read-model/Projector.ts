/** Carries the feed into the read model, from its cursor on, for as long as the layer lives. */
import { Context, Duration, Effect, Latch, Layer, Option, Stream, SubscriptionRef } from "effect"
import { keepGoing } from "../streams/Backoff.ts"
import { EventStore, type StoreUnavailable } from "../streams/OldEventStore.ts"
import { growth } from "../streams/StreamFollower.ts"
import { filling, standing } from "./Filling.ts"
import { lockTables } from "./LockTables.ts"
import { ReadModel, type ReadModelUnavailable } from "./ReadModel.ts"

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
      const reached = yield* SubscriptionRef.make(0)
      /** Open while somebody waits for the read model. */
      const wanted = yield* Latch.make(false)
      const { fill } = filling(store, readModel, lockTables)

      const follow = Effect.gen(function* () {
        yield* fill((position) => SubscriptionRef.set(reached, position))
        yield* Effect.timeoutOption(wanted.await, GATHER)
        yield* wanted.close
      })
      yield* Stream.merge(growth(store), Stream.tick(LOOK_EVERY)).pipe(
        Stream.runForEach(() => follow),
        keepGoing("The read model is not filled"),
        Effect.forkScoped
      )

      // The read model's own word: another process may have filled it, or emptied it.
      const hasReached = Effect.fnUntraced(function* (head: number) {
        const { position } = yield* standing(yield* readModel.cursor, lockTables)
        return position >= head
      })
      return {
        catchUp: Effect.fnUntraced(function* (timeout) {
          const head = yield* store.head
          if (yield* hasReached(head)) return true
          yield* wanted.open
          const first = yield* SubscriptionRef.changes(reached).pipe(
            Stream.filterEffect(() => hasReached(head)),
            Stream.runHead,
            Effect.timeoutOption(timeout)
          )
          return Option.isSome(Option.flatten(first))
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
    return yield* filling(store, readModel, lockTables).fill()
  })
