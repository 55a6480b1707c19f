/** Servers of SpacetimeDB with the module of Latchkey. */
import { bundleModule } from "@latchkey/spacetimedb/bundle"
import { builtEngine, create, Engine, type Place } from "@latchkey/spacetimedb-engine"
import { FaultProxy, TestHost } from "@latchkey/spacetimedb-testhost"
import { afterAll } from "vitest"
import type { Environment } from "./process.ts"

/** One that can be taken off the network. */
export interface SpacetimeServer extends Pick<TestHost, "uri" | "down" | "up">, AsyncDisposable {}

let start: () => Promise<SpacetimeServer> = () => TestHost.start()

/** Instead of the host in this process, for all tests that the file then imports. */
export const useSpacetime = (others: typeof start): void => void (start = others)

/** A server for the tests of one file. */
export const startSpacetime = async (): Promise<SpacetimeServer> => {
  const server = await start()
  afterAll(() => server[Symbol.asyncDispose]())
  return server
}

/** SpacetimeDB's engine, where it was built. */
export const engine: string | undefined = builtEngine()

export const startEngine = async (binary: string): Promise<SpacetimeServer> => {
  const engine = await Engine.startAnew(binary)
  const proxy = await FaultProxy.start(engine.uri)
  return {
    uri: proxy.uri,
    down: () => proxy.down(),
    up: () => proxy.up(),
    [Symbol.asyncDispose]: async () => {
      await proxy.down()
      await engine[Symbol.asyncDispose]()
    }
  }
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
