/** When an API key or a token ends, as its maker writes it: in "30 days", or at an instant in UTC. */
import { Instant, millisOf } from "@latchkey/core"
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { CliError, Flag } from "effect/cli"

/** The latest instant that a date can say, in epoch milliseconds. */
const END_OF_TIME = 8.64e15

/** Epoch milliseconds after `now`; none when the text says nothing that lies ahead. */
export const expiryOf = (text: string, now: number): Option.Option<number> => {
  const instant = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text
  const expiry = Schema.is(Instant)(instant)
    ? Option.some(millisOf(instant))
    : Option.map(decodeDuration(text), (duration) => now + Math.trunc(Duration.toMillis(duration)))
  return Option.filter(expiry, (expiresAt) => expiresAt > now && expiresAt <= END_OF_TIME)
}

const decodeDuration = Schema.decodeOption(Schema.DurationFromString)

/** `--expires-in`: a time to come, in epoch milliseconds. */
export const expiresIn = Flag.String("expires-in").pipe(
  Flag.withDescription('For how long it opens, as "30 days", or until when, as 2027-01-31 or 2027-01-31T12:00:00Z'),
  Flag.mapEffect((value) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      expiryOf(value, now).pipe(
        Option.match({
          onSome: Effect.succeed,
          onNone: () =>
            Effect.fail(
              new CliError.InvalidValue({
                option: "expires-in",
                value,
                expected: 'a time to come, as "30 days", 2027-01-31 or 2027-01-31T12:00:00Z (UTC)',
                kind: "flag"
              })
            )
        })
      )
    )
  )
)
