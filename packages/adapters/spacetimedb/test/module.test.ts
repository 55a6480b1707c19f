/** The bundle, as it is published. */
import { expect, it } from "vitest"
import { bundle, connected, publish, startHost } from "./fixture.ts"

it("asks for nothing but the database, and knows neither Node nor chance", () => {
  const imported = [...bundle.matchAll(/^import .* from ["'](.*)["']/gm)].map(([, specifier]) => specifier)
  expect(new Set(imported)).toEqual(new Set(["spacetime:sys@2.0", "spacetime:sys@2.1"]))
  expect(bundle).not.toMatch(/\bnode:|\bprocess\.|\bBuffer\.|\bimport\(|\brequire\(/)
})

it("is small enough to be read", () => {
  expect(bundle.length).toBeLessThan(300_000)
})

it("runs where there is nothing but the language, and chance is refused", async () => {
  // The realm of the host has no global of Node, and a `Math.random` that throws.
  const host = await startHost()
  await using client = await connected(await publish(host))
  expect(client.readModel.source).toBe("spacetimedb")
  expect(host.logs).toEqual([])
})
