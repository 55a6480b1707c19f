/**
 * What the API answers does not depend on the store: the published contract is asked a second time, over SpacetimeDB's
 * engine. Each of its 600 tests makes a database, which takes too long for every run: SPACETIMEDB_CONTRACT=1.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Spacetime } from "@latchkey/spacetimedb"
import { bundleModule } from "@latchkey/spacetimedb/bundle"
import { builtEngine, create, Engine } from "@latchkey/spacetimedb-engine"
import { Effect, Layer } from "effect"
import { afterAll, describe, it } from "vitest"
import { useStores } from "../harness/inProcess.ts"

const binary = process.env["SPACETIMEDB_CONTRACT"] ? builtEngine() : undefined
if (binary === undefined) {
  it.skip("runs with SPACETIMEDB_CONTRACT=1, on the engine that `npm run test:services` builds")
} else {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-spacetimedb-"))
  const engine = await Engine.start(binary, folder)
  afterAll(async () => {
    await engine.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  const module = await bundleModule()
  useStores(
    Effect.promise(() => create(engine.uri, module)).pipe(
      Effect.map((place) => Layer.orDie(Spacetime.layer({ ...place, deadline: "20 seconds" }))),
      Layer.unwrap
    )
  )

  describe("contract", async () => void (await import("../contract.test.ts")))
  describe("access", async () => void (await import("../access.test.ts")))
}
