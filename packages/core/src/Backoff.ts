/** Tries again for ever: soon at first, then every few seconds. */
import { Duration, Schedule } from "effect"

export const backoff = Schedule.min([Schedule.exponential(Duration.millis(100)), Schedule.spaced(Duration.seconds(5))])
