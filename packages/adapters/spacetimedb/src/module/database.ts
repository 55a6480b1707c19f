/** The tables of the module, and how its functions see them. */
import { type InferTypeOfRow, type ReducerCtx, SenderError, schema, t, table } from "spacetimedb/server"
import type { Refusal } from "../Refusal.ts"
import { declare } from "../schema.ts"

const { rows, reducers, procedures } = declare(t)

export { procedures, reducers }

/** All but `head` is private. */
export const database = schema({
  head: table({ public: true }, rows.head),
  // A unique constraint takes one column, so none can hold (stream, version): what counts on is in `stream_heads`.
  events: table(
    {
      indexes: [
        { accessor: "by_stream", algorithm: "btree", columns: ["stream", "version"] },
        { accessor: "by_event_id", algorithm: "btree", columns: ["eventId"] }
      ]
    },
    rows.events
  ),
  stream_heads: table(
    // An index on the key alone would be a unique one, and those answer no ranges.
    { indexes: [{ accessor: "by_name", algorithm: "btree", columns: ["stream", "version"] }] },
    rows.stream_heads
  ),
  reservations: table({}, rows.reservations),
  prepared_ids: table({}, rows.prepared_ids),
  settlements: table({}, rows.settlements),
  receipts: table({}, rows.receipts),
  snapshots: table({}, rows.snapshots),
  checkpoints: table({}, rows.checkpoints),
  writers: table({}, rows.writers),
  device_state: table({}, rows.device_state),
  known_users: table({}, rows.known_users),
  users_of: table({}, rows.users_of),
  organizations: table({}, rows.organizations),
  temp_keys: table({}, rows.temp_keys),
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
