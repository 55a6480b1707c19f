/** The tables of the module, and how its functions see them. */
import { type InferTypeOfRow, type ReducerCtx, SenderError, schema, t, table } from "spacetimedb/server"
import type { Refusal } from "../Refusal.ts"
import { declare } from "../schema.ts"

const { rows, reducers, procedures } = declare(t)

export { procedures, reducers }

/** All but `head` is private. */
export const database = schema({
  head: table({ public: true }, rows.head),
  // A unique constraint takes one column, so none can hold (stream, version): what counts on is in `streams`.
  events: table(
    {
      indexes: [
        { accessor: "by_stream", algorithm: "btree", columns: ["stream", "version"] },
        { accessor: "by_category", algorithm: "btree", columns: ["category", "level", "position"] },
        { accessor: "by_organization", algorithm: "btree", columns: ["orgId", "level", "position"] },
        { accessor: "by_both", algorithm: "btree", columns: ["orgId", "category", "level", "position"] }
      ]
    },
    rows.events
  ),
  event_texts: table({}, rows.event_texts),
  streams: table({}, rows.streams),
  records: table({}, rows.records),
  record_keys: table(
    { indexes: [{ accessor: "by_key", algorithm: "btree", columns: ["level", "key"] }] },
    rows.record_keys
  ),
  writes: table({}, rows.writes),
  sweeps: table({}, rows.sweeps),
  writers: table({}, rows.writers),
  cursors: table({}, rows.cursors),
  rows: table({}, rows.rows),
  listings: table(
    { indexes: [{ accessor: "by_list", algorithm: "btree", columns: ["list", "level", "key"] }] },
    rows.listings
  ),
  presence: table({}, rows.presence)
})

/** A transaction: everything that a function reads and writes in it stands or falls together. */
export type Transaction = ReducerCtx<(typeof database)["schemaType"]>

/** The arguments of reducers and procedures, by name. */
export type WriteArguments = { readonly [Name in keyof typeof reducers]: InferTypeOfRow<(typeof reducers)[Name]> }
export type ReadArguments = {
  readonly [Name in keyof typeof procedures]: InferTypeOfRow<(typeof procedures)[Name]["params"]>
}

/** Undoes the transaction. Of all errors, the caller learns only what such a one says. */
export const refuse = (refusal: Refusal): never => {
  throw new SenderError(JSON.stringify(refusal))
}

/** The position of the feed. */
export const head = (tx: Transaction): bigint => tx.db.head.id.find(0)?.position ?? 0n

/** Now, in milliseconds. */
export const millisecondsOf = (tx: Transaction): bigint => tx.timestamp.microsSinceUnixEpoch / 1000n
