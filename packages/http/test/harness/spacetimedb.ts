/** Servers of SpacetimeDB with the module of Latchkey. */
import { bundleModule } from "@latchkey/spacetimedb/bundle"
import { create, type Place } from "@latchkey/spacetimedb-engine"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import { afterAll } from "vitest"
import type { Environment } from "./process.ts"

/** One that can be taken off the network. */
export interface SpacetimeServer extends Pick<TestHost, "uri" | "down" | "up">, AsyncDisposable {}

/** A server for the tests of one file. */
export const startSpacetime = async (): Promise<SpacetimeServer> => {
  const server = await TestHost.start()
  afterAll(() => server[Symbol.asyncDispose]())
  return server
}

/** What `spacetime publish` would send. */
export const module: string = await bundleModule()

/** An empty database, and how its owner gets in. */
export const publishTo = ({ uri }: { readonly uri: string }, published = module): Promise<Place> =>
  create(uri, published)

/** Such a database as the store of the standalone server. */
export const asStore = ({ uri, database, token }: Place): Environment => ({
  LATCHKEY_STORE: "spacetimedb",
  LATCHKEY_SPACETIMEDB_URI: uri,
  LATCHKEY_SPACETIMEDB_DATABASE: database,
  LATCHKEY_SPACETIMEDB_TOKEN: token
})
