/** What was heard of devices. */
import { absenceReasonOf, type Heard, type Presence, PresenceUnavailable } from "@latchkey/core"
import { Effect } from "effect"
import type { Connection, Unavailable } from "./Connection.ts"

export const make = ({ send, read }: Connection): Presence["Service"] => ({
  // The same report twice is one.
  report: ({ thing, online, reason = "", at }) =>
    send("report_presence", { thing, online, reason, at }).pipe(
      Effect.catchTag("Refused", Effect.die),
      Effect.mapError(unavailable)
    ),

  of: (things) =>
    Effect.mapBoth(read("presence_of", { things: [...things] }), {
      onSuccess: (all): ReadonlyMap<string, Heard> =>
        new Map(
          all.map(({ thing, online, since, reason, lastSeen }) => [
            thing,
            { online, since: Number.isFinite(since) ? since : undefined, reason: absenceReasonOf(reason), lastSeen }
          ])
        ),
      onFailure: unavailable
    })
})

const unavailable = ({ message, cause }: Unavailable): PresenceUnavailable =>
  new PresenceUnavailable({ message, cause })
