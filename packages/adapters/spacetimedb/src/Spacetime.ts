/** Event store, read model and presence in one SpacetimeDB database, over one connection. */
import { EventStore, Presence, ReadModel } from "@latchkey/core"
import { Context, Effect, Layer } from "effect"
import { CannotConnect } from "./CannotConnect.ts"
import { type Connection, type ConnectionOptions, make } from "./Connection.ts"
import * as SpacetimeEventStore from "./SpacetimeEventStore.ts"
import * as SpacetimePresence from "./SpacetimePresence.ts"
import * as SpacetimeReadModel from "./SpacetimeReadModel.ts"

export type SpacetimeOptions = ConnectionOptions
export { CannotConnect } from "./CannotConnect.ts"

/**
 * Several processes may use a database at the same time. Fails when the first attempt to connect does, and says what to
 * mend; whatever is lost later is connected again.
 */
export const layer = (options: SpacetimeOptions): Layer.Layer<EventStore | ReadModel | Presence, CannotConnect> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const connection = yield* make(options)
      yield* refuseHalfImported(connection, options.database)
      return Context.make(EventStore, SpacetimeEventStore.make(connection)).pipe(
        Context.add(ReadModel, SpacetimeReadModel.make(connection)),
        Context.add(Presence, SpacetimePresence.make(connection))
      )
    })
  )

const refuseHalfImported = Effect.fnUntraced(function* ({ read }: Connection, database: string) {
  const importing = yield* Effect.mapError(
    read("find_record", { key: "import" }),
    ({ message }) => new CannotConnect({ option: "uri", message })
  )
  if (importing === undefined) return
  const message = `The database ${database} holds a part of an export: an import into it is under way, or was interrupted. Wait for its end, or delete the database and import again.`
  return yield* new CannotConnect({ option: "database", message })
})
