/** Carries the feed into the read model, from its cursor on: in the background, or when somebody waits for it. */
import { Context, Duration, Effect, Layer } from "effect"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { filling, PAGE } from "./Filling.ts"
import { lockTables } from "./LockTables.ts"
import { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"

/** How long an answer waits for the read model to see what is in the log already. */
const PATIENCE = Duration.seconds(1)

/** Keeps the read model up with the log. */
export class Projector extends Context.Service<
  Projector,
  {
    /** Waits until the read model has seen the feed up to its present head; `false` when it has not in that time. */
    readonly catchUp: (timeout: Duration.Input) => Effect.Effect<boolean, StoreUnavailable | ReadModelUnavailable>
    /** Waits a second for what is in the log now; fails while rows are missing. */
    readonly isUpToDate: Effect.Effect<void, StoreUnavailable | ReadModelUnavailable>
    /** The same; while the log does not answer, the rows are as new as they can be. */
    readonly caughtUp: Effect.Effect<void, ReadModelUnavailable>
  }
>()("@latchkey/core/Projector") {
  static readonly layer = Layer.effect(
    Projector,
    Effect.gen(function* () {
      const feed = yield* Feed
      const { catchUp } = yield* feed.follow({
        name: "The read model",
        page: PAGE,
        ...filling(yield* ReadModel, lockTables)
      })
      const isUpToDate = Effect.flatMap(catchUp(PATIENCE), (isCurrent) =>
        isCurrent ? Effect.void : Effect.fail(new ReadModelUnavailable({ message: "It is still being filled." }))
      )
      return { catchUp, isUpToDate, caughtUp: Effect.catchTag(isUpToDate, "StoreUnavailable", () => Effect.void) }
    })
  ).pipe(Layer.provide(Feed.layer))
}

/** Forgets the read model and fills it again from the whole feed; answers the position reached. */
export const rebuild: Effect.Effect<number, StoreUnavailable | ReadModelUnavailable, EventStore | ReadModel> =
  Effect.gen(function* () {
    const store = yield* EventStore
    const readModel = yield* ReadModel
    yield* readModel.reset
    const { take } = filling(readModel, lockTables)
    let position = 0
    while (true) {
      const events = yield* store.feed(position, PAGE)
      if (events.length === 0) return position
      position = yield* take(events)
      yield* Effect.yieldNow
    }
  })
