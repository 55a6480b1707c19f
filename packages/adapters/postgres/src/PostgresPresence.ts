/** What was heard of devices: it is in no log, and outlives what is made from one. */
import { absenceReasonOf, type Heard, type Presence, PresenceUnavailable, type StoreUnavailable } from "@latchkey/core"
import { Effect } from "effect"
import type { Database } from "./Database.ts"

export const make = ({ ask }: Database): Presence["Service"] => ({
  report: ({ thing, online, reason, at }) =>
    Effect.asVoid(
      available(
        ask("SELECT $.report_presence($1, $2, $3, $4)", thing, online, online === false ? (reason ?? "") : "", at)
      )
    ),

  of: (things) =>
    things.length === 0
      ? Effect.succeed(new Map())
      : Effect.map(
          available(ask<HeardRow>("SELECT * FROM $.read_presence($1)", things)),
          (rows): ReadonlyMap<string, Heard> =>
            new Map(
              rows.map(([thing, online, since, lastSeen, reason]) => [
                thing,
                { online: online === true, since: since ?? undefined, reason: absenceReasonOf(reason), lastSeen }
              ])
            )
        )
})

type HeardRow = readonly [thing: string, online: boolean | null, since: number | null, lastSeen: number, reason: string]

const available = <A>(asked: Effect.Effect<A, StoreUnavailable>): Effect.Effect<A, PresenceUnavailable> =>
  Effect.mapError(asked, ({ message, cause }) => new PresenceUnavailable({ message, cause }))
