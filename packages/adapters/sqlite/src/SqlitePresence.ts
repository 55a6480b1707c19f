/** What was heard of devices, in the file of the read model: it is in no log, and outlives what is made from one. */
import {
  absenceReasonOf,
  type Heard,
  type Presence,
  PresenceUnavailable,
  type ReadModelUnavailable
} from "@latchkey/core"
import { Effect } from "effect"
import type { ReadModelFile } from "./ReadModelFile.ts"

export const make = ({ attempt, patiently }: ReadModelFile): Presence["Service"] => ({
  report: ({ thing, online, reason, at }) =>
    Effect.mapError(
      attempt((sql) => {
        patiently(() => {
          if (online === undefined) sql.seen.run(thing, at)
          else sql.report.run(thing, online ? 1 : 0, at, online ? "" : (reason ?? ""))
        })
      }),
      unavailable
    ),

  of: (things) =>
    Effect.mapError(
      attempt((sql): ReadonlyMap<string, Heard> => {
        const [thing] = things
        if (thing === undefined) return new Map()
        const rows = things.length === 1 ? sql.heardOfOne.all(thing) : sql.heardOf.all(JSON.stringify(things))
        return new Map(
          rows.map(({ thing, online, since, reason, last_seen }) => [
            String(thing),
            {
              online: online === 1,
              since: since === null ? undefined : Number(since),
              reason: absenceReasonOf(reason),
              lastSeen: Number(last_seen)
            }
          ])
        )
      }),
      unavailable
    )
})

const unavailable = ({ message, cause }: ReadModelUnavailable) => new PresenceUnavailable({ message, cause })
