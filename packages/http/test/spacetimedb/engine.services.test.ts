/** The standalone server on SpacetimeDB's engine: the tests that meet the host in this process meet it as well. */
import { sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { describe, it } from "vitest"
import { engine, startEngine, useSpacetime } from "../harness/spacetimedb.ts"

sayIfLeftOut("the standalone server on SpacetimeDB's engine", engine !== undefined)
const binary = engine
if (binary === undefined) it.skip("is not there")
else {
  useSpacetime(() => startEngine(binary))
  describe("an outage", async () => void (await import("./outage.services.test.ts")))
}
