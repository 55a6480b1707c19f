/** The read model: what core makes from the feed is kept there, and found again page after page. */
import { type Cursor, type FoundRow, nowhere, type ReadModel, ReadModelUnavailable } from "@latchkey/core"
import { Effect } from "effect"
import type { Connection, Unavailable } from "./Connection.ts"
import { pages } from "./pages.ts"
import { isTooLarge, TOO_LARGE } from "./size.ts"

/** Rows that are asked for at once. */
const PART = 1_000

export const make = ({ write, send, read }: Connection): ReadModel["Service"] => ({
  source: "spacetimedb",

  cursor: Effect.mapBoth(read("read_cursor", {}), {
    onSuccess: (cursor) => (cursor === undefined ? nowhere : { ...cursor, position: Number(cursor.position) }),
    onFailure: unavailable
  }),

  apply: ({ after, cursor, put, remove, list, unlist }) =>
    Effect.suspend(() => {
      const rows = put.map(({ table, key, value }) => ({ name: nameOf(table, key), value }))
      const [listed, unlisted] = [list.map(toListing), unlist.map(toListing)]
      const listings = [...listed, ...unlisted].map(({ list, key }) => list + key)
      if (
        isTooLarge(
          rows.map(({ name, value }) => name + value),
          listings
        )
      ) {
        return Effect.fail(new ReadModelUnavailable({ message: TOO_LARGE }))
      }
      const changes = {
        after: toWire(after),
        cursor: toWire(cursor),
        put: rows,
        remove: remove.map(({ table, key }) => nameOf(table, key)),
        list: listed,
        unlist: unlisted
      }
      return write("apply_rows", (id) => ({ ...changes, id })).pipe(
        Effect.as(true),
        Effect.catchTag("Refused", () => Effect.succeed(false)),
        Effect.mapError(unavailable)
      )
    }),

  get: (table, keys) =>
    pages<FoundRow, number, ReadModelUnavailable>(
      keys.length,
      0,
      (after) => {
        const names = keys.slice(after, after + PART).map((key) => nameOf(table, key))
        return Effect.map(read("get_rows", { names }), ({ rows, looked }) => ({
          rows: rows.map((row) => toFound(table, row)),
          next: after + looked < keys.length ? after + looked : undefined
        }))
      },
      unavailable
    ),

  find: (table, index, value, after, limit) =>
    pages(
      limit,
      after,
      (after, most) =>
        Effect.map(
          read("find_rows", { prefix: nameOf(table, ""), list: listOf(table, index, value), after, most }),
          ({ rows, more }) => {
            const found = rows.map((row) => toFound(table, row))
            return { rows: found, next: more ? found.at(-1)?.key : undefined }
          }
        ),
      unavailable
    ),

  reset: send("forget_rows", {}).pipe(Effect.catchTag("Refused", Effect.die), Effect.mapError(unavailable))
})

/** Names of tables and indexes hold no slash. */
const nameOf = (table: string, key: string): string => `${table}/${key}`
const listOf = (table: string, index: string, value: string): string => `${table}/${index}/${value}`

const toListing = (listing: { readonly table: string; index: string; value: string; key: string }) => ({
  list: listOf(listing.table, listing.index, listing.value),
  key: listing.key
})

const toFound = (table: string, { name, value }: { readonly name: string; readonly value: string }): FoundRow => ({
  key: name.slice(table.length + 1),
  value
})

const toWire = ({ position, ...rest }: Cursor) => ({ ...rest, position: BigInt(position) })

const unavailable = ({ message, cause }: Unavailable): ReadModelUnavailable =>
  new ReadModelUnavailable({ message, cause })
