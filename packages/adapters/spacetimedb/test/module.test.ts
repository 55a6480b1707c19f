/** The bundle, as it is published. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import { expect, it } from "vitest"
import { bundle, connected, publish } from "./fixture.ts"

it("is written into a folder that is not there yet, as in a fresh clone", () => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-module-"))
  try {
    const file = join(folder, "dist", "module.js")
    execFileSync(process.execPath, [fileURLToPath(new URL("../src/build.ts", import.meta.url)), file])
    expect(readFileSync(file, "utf8")).toBe(bundle)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

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
  await using host = await TestHost.start()
  await using client = await connected(await publish(host))
  expect(client.readModel.source).toBe("spacetimedb")
  expect(host.logs).toEqual([])
})
