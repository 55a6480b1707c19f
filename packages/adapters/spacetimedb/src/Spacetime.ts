/** Event store and read model in one SpacetimeDB database, over one connection. */
import { EventStore, ReadModel } from "@latchkey/core"
import { Context, Effect, Layer } from "effect"
import { type ConnectionOptions, make } from "./Connection.ts"
import type { CannotConnect } from "./Session.ts"
import * as SpacetimeEventStore from "./SpacetimeEventStore.ts"
import * as SpacetimeReadModel from "./SpacetimeReadModel.ts"

export type SpacetimeOptions = ConnectionOptions
export { CannotConnect } from "./Session.ts"

/**
 * Several processes may use a database at the same time. Fails when the first attempt to connect does, and says what to
 * mend; whatever is lost later is connected again.
 */
export const layer = (options: SpacetimeOptions): Layer.Layer<EventStore | ReadModel, CannotConnect> =>
  Layer.effectContext(
    Effect.map(make(options), (connection) =>
      Context.make(EventStore, SpacetimeEventStore.make(connection)).pipe(
        Context.add(ReadModel, SpacetimeReadModel.make(connection))
      )
    )
  )
