/** When an API key ends, as its maker writes it: in "30 days", or at an instant in UTC. */
import { Instant, millisOf } from "@latchkey/core"
import { Duration, Option, Schema } from "effect"

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
