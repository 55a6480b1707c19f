/** Which SpacetimeDB server the tests of services meet: the one that SPACETIMEDB_URI names, or the engine, started here. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { builtEngine, Engine } from "@latchkey/spacetimedb-engine"
import { afterAll, onTestFinished } from "vitest"

const NEEDED =
  "SpacetimeDB's engine is not there: `npm run test:services` builds it where there is cargo (tools/spacetimedb-engine/README.md)."

/** The engine's binary, for tests that kill it; says so where it is not there. */
export const engine: string | undefined = builtEngine()

/** Says which tests are left out, unless the engine was built. */
export const sayIfLeftOut = (what: string, isThere: boolean): void => {
  if (!isThere) process.stderr.write(`Left out: ${what}. ${NEEDED}\n`)
}

/** A folder of its own, until the end of the test that asks for it. */
export const folderForTest = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-spacetimedb-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The URL of a server for the tests of one file, if there is one. */
export const startServer = async (): Promise<string | undefined> => {
  const named = process.env["SPACETIMEDB_URI"]
  if (named) return named
  if (engine === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), "latchkey-spacetimedb-"))
  const started = await Engine.start(engine, folder)
  afterAll(async () => {
    await started.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  return started.uri
}
