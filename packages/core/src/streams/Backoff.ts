/** For what must go on in the background: it is tried again for ever, soon at first, then every few seconds. */
import { Cause, Duration, Effect, Option, Schedule } from "effect"
import { logSeldom } from "./SeldomLog.ts"

export const backoff = Schedule.min([Schedule.exponential(Duration.millis(100)), Schedule.spaced(Duration.seconds(5))])

/** A few times within some seconds: for what mostly passes at once. */
export const soon = Schedule.max([Schedule.exponential(Duration.millis(50)), Schedule.recurs(6)])

/** For a decision that another writer was quicker than: made anew a dozen times, within a second or so. */
export const contended = Schedule.max([Schedule.exponential(Duration.millis(5), 1.5), Schedule.recurs(12)])

/** Begins again whenever the effect fails or breaks, and says so in the log, once a minute: `what` has stopped, and why. */
export const keepGoing =
  (what: string) =>
  <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
    effect.pipe(
      Effect.sandbox,
      Effect.tapError((cause) =>
        Option.match(Cause.findErrorOption(cause), {
          onSome: ({ message }) => logSeldom(Effect.logWarning, `${what}; trying again`, message),
          onNone: () => logSeldom(Effect.logError, `${what}; trying again`, cause)
        })
      ),
      Effect.retry(backoff),
      Effect.orDie
    )
