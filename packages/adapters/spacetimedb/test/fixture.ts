/** What the tests work with: the module as it is published, and databases of their own on a host that is in this process. */
import { randomUUID } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Spacetime } from "@latchkey/spacetimedb"
import { buildModule } from "@latchkey/spacetimedb/build"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import { Effect, Layer } from "effect"

/** The bundle that `spacetime publish` would send. */
export const bundle: string = await (async () => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-module-"))
  const file = join(folder, "module.js")
  await buildModule(file)
  const source = readFileSync(file, "utf8")
  rmSync(folder, { recursive: true })
  return source
})()

export const AUDIENCE = "latchkey-tests"

/** Where an owner's connection leads; the host comes with it, and goes with the scope. */
export const hosted = Effect.acquireRelease(
  Effect.promise(() => TestHost.start()),
  (host) => Effect.promise(() => host.stop())
)

/** An empty database, and how its owner gets in. */
export const published = async (host: TestHost, database: string = randomUUID()): Promise<Spacetime.SpacetimeOptions> => {
  const token = await host.token({ subject: "owner of everything", audience: AUDIENCE })
  await host.publish(database, bundle, { owner: token })
  return { uri: host.uri, database, token }
}

/** A place for data: every build of the layer opens it again. */
export const place = Effect.map(
  Effect.flatMap(hosted, (host) => Effect.promise(() => published(host))),
  (options) => Layer.orDie(Spacetime.layer(options))
)

/** Every build is an empty database of its own. */
export const emptyLayer = Layer.unwrap(place)
