/**
 * Whose turn it is at a lock: one command at a time, so that callers of a busy lock queue here and do not conflict in the
 * store. Of those who wait, a removal of a key is next; guests wait for one another first, and then for everybody else.
 */
import { Duration, Effect, Latch, Semaphore } from "effect"

export type Standing = "removal" | "guest" | "other"

export interface Turns {
  /** Runs an effect when it is its turn. */
  readonly take: (standing: Standing) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Ends once a removal has waited for a moment: then what waits for the hardware gives way. */
  readonly overtaken: Effect.Effect<void>
}

/** How long a removal waits for what is under way: most shadows answer in less. */
const PATIENCE = Duration.millis(250)

export const makeTurns = (): Turns => {
  const lock = Semaphore.makeUnsafe(1)
  // Of guests, and of all who are not removals, one at a time stands in line: anyone who is behind it can be overtaken.
  const others = Semaphore.makeUnsafe(1)
  const guests = Semaphore.makeUnsafe(1)
  const isWaitedFor = Latch.makeUnsafe(false)
  let removals = 0

  const remove = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      let waits = true
      const begin = Effect.sync(() => {
        if (waits && --removals === 0) isWaitedFor.closeUnsafe()
        waits = false
      })
      removals++
      isWaitedFor.openUnsafe()
      return Effect.ensuring(lock.withPermit(Effect.andThen(begin, effect)), begin)
    })

  return {
    take: (standing) => (effect) => {
      if (standing === "removal") return remove(effect)
      const inLine = others.withPermit(lock.withPermit(effect))
      return standing === "guest" ? guests.withPermit(inLine) : inLine
    },
    overtaken: Effect.andThen(isWaitedFor.await, Effect.sleep(PATIENCE))
  }
}
