/** The read model's rows, in the database of the log. */
import { type FoundRow, type ReadModel, ReadModelUnavailable, type StoreUnavailable } from "@latchkey/core"
import { Effect } from "effect"
import type { Database } from "./Database.ts"

export const make = ({ ask }: Database): ReadModel["Service"] => ({
  source: "postgres",

  cursor: Effect.map(
    available(ask<[number, number, string]>("SELECT format, position, event_id FROM $.read_model_cursor")),
    ([[format, position, eventId] = [0, 0, ""]]) => ({ format, position, eventId })
  ),

  apply: ({ after, cursor, put, remove, list, unlist }) =>
    Effect.map(
      available(
        ask<[boolean]>(
          "SELECT $.apply_changes($1, $2, $3, $4, $5, $6)",
          ...[
            [after.format, after.position, after.eventId],
            [cursor.format, cursor.position, cursor.eventId],
            put.map(({ table, key, value }) => [table, key, value]),
            remove.map(({ table, key }) => [table, key]),
            list.map(({ table, index, value, key }) => [table, index, value, key]),
            unlist.map(({ table, index, value, key }) => [table, index, value, key])
          ].map((value) => JSON.stringify(value))
        )
      ),
      ([row]) => row?.[0] === true
    ),

  get: (table, keys) => Effect.map(available(ask<Found>("SELECT * FROM $.read_rows($1, $2)", table, keys)), toRows),

  find: (table, index, value, after, limit) =>
    Effect.map(
      available(ask<Found>("SELECT * FROM $.read_listed($1, $2, $3, $4, $5)", table, index, value, after, limit)),
      toRows
    ),

  reset: Effect.asVoid(available(ask("SELECT $.forget_rows()")))
})

type Found = readonly [key: string, value: string]

const toRows = (rows: ReadonlyArray<Found>): ReadonlyArray<FoundRow> => rows.map(([key, value]) => ({ key, value }))

const available = <A>(asked: Effect.Effect<A, StoreUnavailable>): Effect.Effect<A, ReadModelUnavailable> =>
  Effect.mapError(asked, ({ message, cause }) => new ReadModelUnavailable({ message, cause }))
