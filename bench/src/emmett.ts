/** The peer: fastify with emmett on PostgreSQL, from a package of its own that is installed when it is first needed. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"
import { POSTGRES, postgresAnswers } from "./postgres.ts"
import { Server } from "./processes.ts"

const folder = fileURLToPath(new URL("../peers/", import.meta.url))

interface Emmett extends AsyncDisposable {
  readonly server?: Server
  /** Why there is no server. */
  readonly missing?: string
}

/** The peer's server, if PostgreSQL answers. It makes a database of its own, and drops it when it ends. */
export const startEmmett = async (args: ReadonlyArray<string> = []): Promise<Emmett> => {
  const missing = await postgresAnswers()
  if (missing !== undefined) return { missing, [Symbol.asyncDispose]: async () => {} }
  install()
  const server = await Server.start(pathToFileURL(`${folder}emmett.ts`), { args, env: { DATABASE: POSTGRES } })
  return { server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const install = () => {
  if (existsSync(`${folder}node_modules`)) return
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: ["ignore", 2, 2] })
  if (status !== 0)
    throw new Error(
      "The peers could not be installed: run npm ci in bench/peers, or name the benchmarks to run without them."
    )
}
