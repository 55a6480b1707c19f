/**
 * The description of the API as the tools of others read it: linters have nothing against it, clients that are generated from
 * it work, and requests of every kind get no answer that it does not declare. What is missing, `scripts/install-services` brings.
 */
import { execFile } from "node:child_process"
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { inherited, type Server, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const tools = join(root, "tools/openapi")
const npm = (name: string) => join(tools, "node_modules/.bin", name)
const python = (name: string) => join(root, ".services/bin", name)
const tsc = join(root, "node_modules/.bin/tsc")

/** The examples of the description speak of this organization. */
const API_KEY = "a-key-of-acme-that-has-32-bytes-or-more"

const folder = temporaryFolder()
let server: Server
beforeAll(async () => {
  const environment = { PORT: "0", LATCHKEY_DATA: join(folder.path, "data"), LATCHKEY_API_KEYS: `acme:${API_KEY}` }
  server = await startServer(environment)
  writeFileSync(join(folder.path, "openapi.json"), await (await fetch(`${server.url}/openapi.json`)).text())
  cpSync(join(tools, "programs"), folder.path, { recursive: true })
  symlinkSync(join(tools, "node_modules"), join(folder.path, "node_modules"))
  writeFileSync(join(folder.path, "package.json"), JSON.stringify({ type: "module" }))
})
afterAll(async () => {
  await server?.kill()
  folder[Symbol.dispose]()
})

/** What a program prints; fails with all of it when the program does. */
const run = (program: string, ...args: ReadonlyArray<string>): Promise<string> => {
  if (!existsSync(program)) throw new Error(`${program} is not installed: run scripts/install-services.`)
  const env = {
    ...inherited(),
    HOME: folder.path,
    NODE_NO_WARNINGS: "1",
    // They would tell others that they run, and ask whether there is a newer version.
    REDOCLY_TELEMETRY: "off",
    REDOCLY_SUPPRESS_UPDATE_NOTICE: "true",
    BASE_URL: server.url,
    API_KEY
  }
  return new Promise((resolve, reject) =>
    execFile(program, args, { cwd: folder.path, env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stdout.slice(-20_000)}\n${stderr}`))
    )
  )
}

describe("linters have nothing against it", () => {
  it("Redocly", () => run(npm("redocly"), "lint", "openapi.json", "--config", join(tools, "redocly.yaml")))

  it("Spectral", () => run(npm("spectral"), "lint", "openapi.json", "--ruleset", join(tools, ".spectral.yaml")))
})

describe("a client that is generated from it creates a lock, opens it, pages through its history, and is refused", () => {
  const lived = {
    created: "LockCreated",
    offline: true,
    types: ["LockCreated", "LockOpenRequested"],
    refused: [true, 404, "Lock not found"]
  }
  const typecheck = (file: string) =>
    run(
      tsc,
      ...["--noEmit", "--strict", "--noUncheckedIndexedAccess", "--module", "nodenext", "--target", "esnext"],
      ...["--allowImportingTsExtensions", "--types", "node", "--typeRoots", join(root, "node_modules/@types"), file]
    )

  it("by openapi-typescript", async () => {
    await run(npm("openapi-typescript"), "openapi.json", "-o", "openapi-typescript/api.ts")
    await typecheck("withOpenapiTypescript.ts")
    expect(JSON.parse(await run(process.execPath, "withOpenapiTypescript.ts"))).toEqual(lived)
  })

  it("by Hey API", async () => {
    const options = { input: "openapi.json", output: { path: "hey-api", module: { extension: ".ts" } } }
    writeFileSync(join(folder.path, "hey-api.config.mjs"), `export default ${JSON.stringify(options)}`)
    await run(npm("openapi-ts"), "--file", "hey-api.config.mjs")
    await typecheck("withHeyApi.ts")
    expect(JSON.parse(await run(process.execPath, "withHeyApi.ts"))).toEqual(lived)
  })

  it("by openapi-python-client, with nothing left out", async () => {
    const printed = await run(
      python("openapi-python-client"),
      ...["generate", "--path", "openapi.json", "--config", join(tools, "openapi-python-client.yml")],
      ...["--meta", "none", "--output-path", "openapi_python_client_api"]
    )
    expect(printed).not.toContain("Unsupported")
    const { audited, ...told } = JSON.parse(await run(python("python"), "with_openapi_python_client.py"))
    expect(told).toEqual(lived)
    expect(audited).toBe(2)
  })
})

it("declares every answer to requests of every kind", async () => {
  // What the examples of the description speak of.
  const call = callsOf(server.url, { "x-api-key": API_KEY })
  const uuid = "7d0c2f2e-5d0b-4f6a-9a86-0b9c5f0e4a31"
  const keys = [{ uuid: "card-1", indexNumber: 1, userId: "ann" }]
  await call("POST", "/locks/42/CreateLock", { body: { index: 1, uuid, ownerId: "ann", keys } })
  const window = { validFrom: "2026-01-01T00:00:00Z", validUntil: "2099-01-01T00:00:00Z" }
  await call("POST", "/locks/42/create-temp-key", { body: { tempKeyUuid: uuid, accessMode: "public", ...window } })
  mkdirSync(join(folder.path, "schemathesis"))
  const printed = await run(
    python("schemathesis"),
    ...["run", `${server.url}/openapi.json`, "-H", `X-API-Key: ${API_KEY}`],
    // Always the same requests. The last phase asks in an order that it makes up, and takes as long again.
    ...["--phases", "examples,coverage,fuzzing", "--max-examples", "2", "--seed", "1", "--generation-database", "none"],
    // That an answer is described is one thing; that the schema tells all of what is refused (a cursor of nobody's, a key
    // that was used already) is another, and cannot be.
    ...["--exclude-checks", "positive_data_acceptance"],
    // Goes on for ever; and what would end the lock that the others ask for.
    ...["--exclude-operation-id", "streamEvents", "--exclude-operation-id", "retireLock"],
    ...["--request-timeout", "60", "--warnings", "off"]
  )
  expect(printed).toMatch(/Selected: (\d\d+)\/\d+\s+Tested: \1\b/)
})
