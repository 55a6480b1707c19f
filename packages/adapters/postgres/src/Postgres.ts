/** Event store, read model and presence in one schema of a PostgreSQL, for any number of servers. */
import { EventStore, Presence, ReadModel, type StoreUnavailable } from "@latchkey/core"
import { Context, Effect, Layer } from "effect"
import * as Database from "./Database.ts"
import { migrate } from "./migrate.ts"
import * as PostgresEventStore from "./PostgresEventStore.ts"
import * as PostgresPresence from "./PostgresPresence.ts"
import * as PostgresReadModel from "./PostgresReadModel.ts"

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`; with TLS `?sslmode=verify-full`, and `&sslrootcert=<file>` for an authority of yours. */
  readonly url: string
  /** The schema that holds everything, and nothing else; `latchkey` unless given. */
  readonly schema?: string
  /** `false`: makes nothing and brings nothing up to date; fails when there is no log. */
  readonly create?: boolean
}

/**
 * Makes the schema when it is not there, and brings an older one up to date. Fails with one sentence that says what to mend;
 * once it is open it goes on by itself after whatever happens to its connections.
 *
 * @example
 * ```ts
 * const store = Postgres.layer({ url: "postgres://latchkey@db.example/latchkey?sslmode=verify-full" })
 * const latchkey = await createLatchkey({ store, shadow: AwsIot.layer({ things: AwsIot.prefixed("lock-") }) })
 * ```
 */
export const layer = ({
  url,
  schema = "latchkey",
  create = true
}: PostgresOptions): Layer.Layer<EventStore | ReadModel | Presence, StoreUnavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const database = yield* Database.make(url, schema)
      yield* migrate(database, create)
      return Context.make(EventStore, yield* PostgresEventStore.make(database)).pipe(
        Context.add(ReadModel, PostgresReadModel.make(database)),
        Context.add(Presence, PostgresPresence.make(database))
      )
    })
  )
