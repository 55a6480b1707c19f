/** The event store: each question, and each group of writes, is one call of a function in the database. */
import {
  type EventStore,
  type Principal,
  type StoredEvent,
  StoreUnavailable,
  type WriteError,
  type Written
} from "@latchkey/core"
import { Effect, Option, type Scope } from "effect"
import type { Database } from "./Database.ts"
import { requestOf, toError } from "./Request.ts"
import { afterAll, fromHex, toBytes } from "./recordKeys.ts"
import * as Writer from "./Writer.ts"
import { watchHead } from "./watchHead.ts"

export const make: (database: Database) => Effect.Effect<EventStore["Service"], StoreUnavailable, Scope.Scope> =
  Effect.fnUntraced(function* (database) {
    const { ask } = database
    const head = Effect.flatMap(ask<[number]>("SELECT position FROM $.head"), ([row]) =>
      row === undefined
        ? Effect.fail(new StoreUnavailable({ message: "The log has lost its head: restore a backup of the database." }))
        : Effect.succeed(row[0])
    )
    const writer = yield* Writer.make(database)
    const watch = yield* watchHead(database, head)

    return {
      write: (batch) =>
        Effect.callback<Written, WriteError>((resume) =>
          writer.submit(requestOf(batch), (answer) => {
            if (typeof answer === "number") {
              watch.moved(answer)
              resume(Effect.succeed({ position: answer }))
            } else {
              resume(Effect.fail(answer instanceof StoreUnavailable ? answer : toError(answer)))
            }
          })
        ),

      read: (streamId, afterVersion, limit) =>
        Effect.map(ask<EventRow>("SELECT * FROM $.read_stream($1, $2, $3)", streamId, afterVersion, limit), toStored),

      feed: (afterPosition, limit, { category, orgId } = {}) =>
        Effect.map(
          ask<EventRow>("SELECT * FROM $.read_feed($1, $2, $3, $4)", afterPosition, limit, category, orgId),
          toStored
        ),

      head,

      event: (eventId) =>
        Effect.map(ask<EventRow>("SELECT * FROM $.read_event($1)", eventId), (rows) =>
          Option.fromUndefinedOr(toStored(rows)[0])
        ),

      record: (key) =>
        Effect.map(ask<[string]>("SELECT * FROM $.read_record($1)", toBytes(key)), ([row]) =>
          Option.fromUndefinedOr(row?.[0])
        ),

      records: (prefix, after, limit) =>
        Effect.map(
          ask<[string, string]>(
            // Bytes themselves are shown as `bytea_output` says.
            "SELECT encode(key, 'hex'), value FROM $.read_records($1, $2, $3, $4)",
            ...[toBytes(prefix), toBytes(after), afterAll(prefix), limit]
          ),
          (rows) => rows.map(([key, value]) => ({ key: fromHex(key), value }))
        ),

      changes: watch.changes
    }
  })

type EventRow = readonly [
  position: number,
  streamId: string,
  version: number,
  eventId: string,
  category: string,
  orgId: string,
  type: string,
  data: string,
  at: number,
  principal: string,
  commandId: string,
  acceptedAt: number | null
]

const toStored = (rows: ReadonlyArray<EventRow>): ReadonlyArray<StoredEvent> => {
  // Neighbours in a feed mostly have the same principal.
  let parsed: { readonly text: string; readonly principal: Principal } = { text: "", principal: { _tag: "System" } }
  return rows.map(
    ([position, streamId, version, eventId, , orgId, type, data, at, principal, commandId, acceptedAt]) => {
      if (principal !== parsed.text) parsed = { text: principal, principal: JSON.parse(principal) }
      return {
        position,
        streamId,
        version,
        eventId,
        type,
        data: JSON.parse(data),
        at,
        orgId,
        principal: parsed.principal,
        commandId,
        ...(acceptedAt === null ? {} : { acceptedAt })
      }
    }
  )
}
