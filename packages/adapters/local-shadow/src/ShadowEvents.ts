/**
 * What this process's shadows and devices tell whoever listens. A listener may be slow: each has room for so many
 * events, and one that falls further behind learns that it has missed some.
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
  /** The last that was told of each thing's presence. */
  readonly presences: ReadonlyMap<string, Presence>
}

/** Ends its listeners' streams with the scope. */
export const shadowEvents: Effect.Effect<ShadowEvents, never, Scope.Scope> = Effect.gen(function* () {
  const told = yield* Effect.acquireRelease(
    PubSub.sliding<{ readonly number: number; readonly event: ShadowEvent }>(BACKLOG),
    PubSub.shutdown
  )
  const presences = new Map<string, Presence>()
  let newest = 0

  const tell = (event: ShadowEvent) => {
    if (event._tag === "Presence") presences.set(event.thing, event)
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

  return { tell, listen, presences }
})
