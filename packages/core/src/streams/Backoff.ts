/** For what must go on in the background: it is tried again forever, soon at first, then every few seconds. */
import { Cause, Clock, Duration, Effect, Option, Schedule } from "effect"
import { logSeldom } from "./SeldomLog.ts"

const LONGEST = Duration.seconds(5)

export const backoff = Schedule.min([Schedule.exponential(Duration.millis(100)), Schedule.spaced(LONGEST)])

/** A few times within some seconds: for what mostly passes at once. */
export const soon = Schedule.max([Schedule.exponential(Duration.millis(50)), Schedule.recurs(6)])

/**
 * Begins again whenever the effect fails or breaks, and says so in the log, once a minute at most: `what` has stopped,
 * and why. What went on for longer than the longest pause had recovered: it begins again at once, and the pauses anew.
 */
export const keepGoing =
  (what: string) =>
  <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> => {
    const tried = Effect.flatMap(Clock.Clock, (clock) => {
      const begun = clock.monotonicTimeNanosUnsafe()
      return effect.pipe(
        Effect.asSome,
        Effect.sandbox,
        Effect.tapError((cause) =>
          Option.match(Cause.findErrorOption(cause), {
            onSome: ({ message }) => logSeldom(Effect.logWarning, `${what}; trying again`, message),
            onNone: () => logSeldom(Effect.logError, `${what}; trying again`, cause)
          })
        ),
        Effect.catchIf(
          () => clock.monotonicTimeNanosUnsafe() - begun > Duration.toNanosUnsafe(LONGEST),
          () => Effect.succeedNone
        )
      )
    })
    return Effect.retry(tried, backoff).pipe(
      Effect.repeat({ until: Option.isSome }),
      Effect.map(Option.getOrThrow),
      Effect.orDie
    )
  }
