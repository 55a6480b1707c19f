/**
 * What shadows and devices tell anyone who listens. A listener may be slow: each has room for so many events, and one that
 * falls further behind learns that it has missed some. An observer is called at once, and misses only what this process
 * missed as a whole.
 */
import { Effect, PubSub, type Scope, Stream } from "effect"
import type { Presence, ShadowChange } from "./ShadowMessage.ts"

/** Events that wait for the slowest listener; the oldest give way. */
export const BACKLOG = 1024

export type ShadowEvent = ShadowChange | Presence

interface Heard {
  readonly event: ShadowEvent
  /** Whether others came before it that this listener will not hear. */
  readonly afterGap: boolean
}

export interface ShadowEvents {
  readonly tell: (event: ShadowEvent) => void
  /** Begins to listen at once; the stream is what was told since. */
  readonly listen: Effect.Effect<Stream.Stream<Heard>, never, Scope.Scope>
  /** Events came before the next one that nobody was told of. */
  readonly skip: () => void
  /** Until the scope ends. */
  readonly observe: (observer: Observer) => Effect.Effect<void, never, Scope.Scope>
}

/** Must not throw, and not take long. */
export interface Observer {
  readonly told: (event: ShadowEvent) => void
  /** Other processes changed shadows, and which is not known any more. */
  readonly skipped: () => void
}

/** Ends its listeners' streams with the scope. */
export const shadowEvents: Effect.Effect<ShadowEvents, never, Scope.Scope> = Effect.gen(function* () {
  const told = yield* Effect.acquireRelease(
    PubSub.sliding<{ readonly number: number; readonly event: ShadowEvent }>(BACKLOG),
    PubSub.shutdown
  )
  const observers = new Set<Observer>()
  let newest = 0

  const tell = (event: ShadowEvent) => {
    for (const observer of observers) observer.told(event)
    // Never waits, as the oldest give way; `publishUnsafe` would drop the newest instead.
    Effect.runSync(PubSub.publish(told, { number: ++newest, event }))
  }

  const listen = Effect.gen(function* () {
    const subscription = yield* PubSub.subscribe(told)
    let heard = newest
    return Stream.map(Stream.fromSubscription(subscription), ({ number, event }): Heard => {
      const afterGap = number > heard + 1
      heard = number
      return { event, afterGap }
    })
  })

  const skip = () => {
    newest++
    for (const observer of observers) observer.skipped()
  }

  const observe = (observer: Observer) =>
    Effect.acquireRelease(
      Effect.sync(() => void observers.add(observer)),
      () => Effect.sync(() => observers.delete(observer))
    )

  return { tell, listen, skip, observe }
})
