/** The tests of the adapter, a second time: what they meet is SpacetimeDB's engine, behind a proxy that breaks connections. */
import { sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { describe, it } from "vitest"
import { EngineHost } from "./EngineHost.ts"
import { useHosts } from "./fixture.ts"
import { engine } from "./server.ts"

sayIfLeftOut("the adapter's tests on SpacetimeDB's engine", engine !== undefined)

const binary = engine
if (binary === undefined) it.skip("is not there")
else {
  useHosts(() => EngineHost.start(binary))
  describe("access", async () => void (await import("./access.test.ts")))
  describe("calls", async () => void (await import("./calls.test.ts")))
  describe("a cold start", async () => void (await import("./coldStart.test.ts")))
  describe("conformance", async () => void (await import("./conformance.services.test.ts")))
  describe("drops", async () => void (await import("./drops.services.test.ts")))
  describe("filters", async () => void (await import("./filters.test.ts")))
  describe("outages", async () => void (await import("./outage.test.ts")))
  describe("releases", async () => void (await import("./releases.test.ts")))
}
