/** What the tests work with: the module as it is published, and databases of their own on a host in this process. */
import { randomUUID } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Spacetime } from "@latchkey/spacetimedb"
import { buildModule } from "@latchkey/spacetimedb/build"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import { afterAll } from "vitest"

/** The bundle that `spacetime publish` would send. */
const bundle: string = await (async () => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-module-"))
  const file = join(folder, "module.js")
  await buildModule(file)
  const source = readFileSync(file, "utf8")
  rmSync(folder, { recursive: true })
  return source
})()

/** A host for the tests of one file. */
export const startHost = async (): Promise<TestHost> => {
  const host = await TestHost.start()
  afterAll(() => host.stop())
  return host
}

const AUDIENCE = "latchkey-tests"

/** An empty database, and how its owner gets in. */
export const publish = async (host: TestHost): Promise<Spacetime.SpacetimeOptions> => {
  const database = randomUUID()
  const token = await host.token({ subject: "owner", audience: AUDIENCE })
  await host.publish(database, bundle, { owner: token })
  return { uri: host.uri, database, token }
}
