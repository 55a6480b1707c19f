/** Long reads, a page a turn of the event loop: others who ask something meanwhile go on in between. */
import { Effect, Semaphore } from "effect"

/** Events of one page: a millisecond of work at most, also where they are replayed. */
export const PAGE = 100

/** One loop, one line: however many read at once, a turn holds one page. */
const line = Semaphore.makeUnsafe(1)

/**
 * Hands everything that `read` gives after `from` to `take`, page by page; answers how far it came, as `placeOf` tells
 * it. A short read waits for nobody.
 */
export const forEachPaged: <A, E, R>(
  read: (after: number, limit: number) => Effect.Effect<ReadonlyArray<A>, E, R>,
  placeOf: (item: A) => number,
  take: (item: A) => void,
  from?: number
) => Effect.Effect<number, E, R> = Effect.fnUntraced(function* (read, placeOf, take, from = 0) {
  let reached = from
  const next = Effect.map(
    Effect.suspend(() => read(reached, PAGE)),
    (items) => {
      const last = items.at(-1)
      if (last !== undefined) reached = placeOf(last)
      items.forEach(take)
      return items.length === PAGE
    }
  )
  const turn = line.withPermit(Effect.andThen(Effect.yieldNow, next))
  let more = yield* next
  while (more) more = yield* turn
  return reached
})
