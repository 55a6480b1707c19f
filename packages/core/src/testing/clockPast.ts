/** For what a real service decides by a clock of its own, which no test can move. */
import { Clock, Effect } from "effect"

/** Looks at the clock until it is past an instant, in epoch milliseconds. */
export const clockPast = Effect.fnUntraced(function* (instant: number) {
  while ((yield* Clock.currentTimeMillis) <= instant) yield* Effect.sleep(1)
})
