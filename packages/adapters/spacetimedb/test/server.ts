/** Which SpacetimeDB server the tests of services meet: the one that SPACETIMEDB_URI names, or the engine, started here. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { builtEngine, Engine } from "@latchkey/spacetimedb-engine"
import { afterAll, onTestFinished } from "vitest"

/** The engine's binary, for tests that start it themselves. */
export const engine: string | undefined = builtEngine()

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
  const started = await Engine.startAnew(engine)
  afterAll(() => started[Symbol.asyncDispose]())
  return started.uri
}
