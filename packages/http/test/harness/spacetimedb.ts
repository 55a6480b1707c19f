/** SpacetimeDB in this process, with the module of Latchkey. */
import { randomUUID } from "node:crypto"
import { bundleModule } from "@latchkey/spacetimedb/bundle"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import type { Environment } from "./process.ts"

export interface SpacetimeHost extends AsyncDisposable {
  readonly host: TestHost
  /** An empty database, and how its owner gets in. */
  readonly publish: () => Promise<{ readonly uri: string; readonly database: string; readonly token: string }>
}

export const startSpacetimeHost = async (): Promise<SpacetimeHost> => {
  const host = await TestHost.start()
  const bundle = await bundleModule()
  return {
    host,
    publish: async () => {
      const database = randomUUID()
      const token = await host.token({ subject: "latchkey", audience: "latchkey" })
      await host.publish(database, bundle, { owner: token })
      return { uri: host.uri, database, token }
    },
    [Symbol.asyncDispose]: () => host.stop()
  }
}

/** Such a database as the store of the standalone server. */
export const asStore = ({ uri, database, token }: Awaited<ReturnType<SpacetimeHost["publish"]>>): Environment => ({
  LATCHKEY_STORE: "spacetimedb",
  LATCHKEY_SPACETIMEDB_URI: uri,
  LATCHKEY_SPACETIMEDB_DATABASE: database,
  LATCHKEY_SPACETIMEDB_TOKEN: token
})
