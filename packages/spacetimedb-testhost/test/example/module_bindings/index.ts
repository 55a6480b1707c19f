/** What `spacetime generate` writes for the module, in short. */
import {
  DbConnectionBuilder,
  type DbConnectionConfig,
  DbConnectionImpl,
  procedures,
  reducerSchema,
  reducers,
  schema,
  t,
  table
} from "spacetimedb"

const REMOTE_MODULE = {
  versionInfo: { cliVersion: "2.0.0" as const },
  tables: schema({ counter: table({ name: "counter" }, { name: t.string().primaryKey(), value: t.u32() }) }).schemaType
    .tables,
  reducers: reducers(reducerSchema("increment", { name: t.string() })).reducersType.reducers,
  ...procedures()
}

export class DbConnection extends DbConnectionImpl<typeof REMOTE_MODULE> {
  static builder = () =>
    new DbConnectionBuilder<DbConnection>(
      REMOTE_MODULE,
      (config: DbConnectionConfig<typeof REMOTE_MODULE>) => new DbConnection(config)
    )
}
