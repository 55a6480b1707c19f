/** What a start says of its surroundings: misspelt variables, weak secrets, a host that is none, files that others can read. */
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ConfigProvider, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { declaredVariables, serverConfig } from "../src/cli/Config.ts"
import { exposedFiles } from "../src/cli/exposedFiles.ts"
import { unknownVariables } from "../src/cli/unknownVariables.ts"
import { latchkey, succeed } from "./harness/command.ts"
import { configured, type Environment, runToEnd, startServer, temporaryFolder } from "./harness/process.ts"

describe("a variable", () => {
  const source = readFileSync(new URL("../src/cli/Config.ts", import.meta.url), "utf8")
  const written = [...source.matchAll(/\bvariable\(\s*"(\w+)"/g)].map(([, name = ""]) => name)
  const known = declaredVariables().map(({ name }) => name)

  it("is known wherever it is declared: a choice that reads it is among CHOICES", () => {
    expect(written.length).toBeGreaterThan(20)
    // Those of budgets have a table of their own, with a test of its own.
    const others = known.filter((name) => !name.startsWith("LATCHKEY_BUDGET_"))
    expect([...others].sort()).toEqual([...new Set(written)].sort())
  })

  it("is in docs/configuration.md", () => {
    const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8")
    expect(known.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })

  it.each([
    ["LATCHKEY_DATTA", "LATCHKEY_DATA"],
    ["LATCHKEY_TRUSTED_PROXY", "LATCHKEY_TRUSTED_PROXIES"],
    ["LATCHKEY_API_KEY", "LATCHKEY_API_KEYS"],
    ["LATCHKEY_JWT_SECRETS", "LATCHKEY_JWT_SECRET"],
    ["LATCHKEY_PORT", "PORT"],
    ["LATCHKEY_HOST", "HOST"],
    ["latchkey_data", "LATCHKEY_DATA"],
    ["Latchkey_Store", "LATCHKEY_STORE"],
    ["LATCHEY_DATA", "LATCHKEY_DATA"],
    ["LATCHKEYDATA", "LATCHKEY_DATA"]
  ])("%s is misspelt, and probably means %s", (name, nearest) => {
    expect(unknownVariables(["PATH", name, "HOME"])).toEqual([expect.stringMatching(`^${name} .*\\b${nearest}\\?$`)])
  })

  it("is not misspelt when it is known, or another program's", () => {
    expect(unknownVariables([...known, "PATH", "HOST", "DATA", "AWS_REGION", "npm_config_cache", "LOCKEY"])).toEqual([])
  })
})

const short = "a-secret-of-31-bytes-is-too-few"
const enough = "a-secret-of-32-bytes-is-just-it."

describe("a secret", () => {
  const read = (env: Environment) =>
    Effect.runPromise(
      Effect.result(Effect.provide(serverConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
    )
  const variables = {
    LATCHKEY_JWT_SECRET: (secret: string) => secret,
    LATCHKEY_PIN_KEY: (secret: string) => secret,
    LATCHKEY_API_KEYS: (secret: string) => `acme:${enough}${enough},*:${secret}`,
    LATCHKEY_SHADOW_KEYS: (secret: string) => `AKID:${enough},OTHER:${secret}`
  }

  it.each(Object.entries(variables))("of %s has at least 32 bytes", async (variable, valueOf) => {
    expect([short.length, enough.length]).toEqual([31, 32])
    for (const secret of ["s", short, "é".repeat(15)]) {
      expect(await read({ [variable]: valueOf(secret) })).toMatchObject({
        _tag: "Failure",
        failure: { variable, expected: expect.stringContaining("at least 32 bytes") }
      })
    }
    for (const secret of [enough, "é".repeat(16)]) {
      expect(await read({ [variable]: valueOf(secret) })).toMatchObject({ _tag: "Success" })
    }
  })

  it.each([
    "http://keys.example.org/jwks",
    "http://localhost.example.org/jwks",
    "http://127.0.0.1.example.org/jwks",
    "http://10.0.0.1/jwks",
    "http://[::2]/jwks",
    "https://user:password@keys.example.org/jwks",
    "https://user@keys.example.org/jwks"
  ])("that signs tokens does not come over %s", async (url) => {
    expect(await read({ LATCHKEY_JWKS_URL: url })).toMatchObject({ failure: { variable: "LATCHKEY_JWKS_URL" } })
  })

  it.each([
    "https://keys.example.org/jwks",
    "http://localhost:8080/jwks",
    "http://127.0.0.1/jwks",
    "http://127.1/jwks",
    "http://[::1]:80/jwks"
  ])("that signs tokens comes over %s", async (url) => {
    expect(await read({ LATCHKEY_JWKS_URL: url })).toMatchObject({ _tag: "Success" })
  })
})

describe("a file of the data", () => {
  const files = [
    "pin.key",
    "latchkey.db",
    "latchkey.db-wal",
    "latchkey.db-shm",
    "shadow.db",
    "read-model.db",
    "other.key"
  ]

  it.each(files)("that others can read is named with the command that mends it: %s", (name) => {
    using folder = temporaryFolder()
    for (const file of files) writeFileSync(join(folder.path, file), "", { mode: 0o600 })
    expect(exposedFiles(folder.path)).toBeUndefined()
    for (const mode of [0o644, 0o640, 0o604, 0o620, 0o666]) {
      chmodSync(join(folder.path, name), mode)
      expect(exposedFiles(folder.path)).toMatch(new RegExp(`chmod 600 ${join(folder.path, name)}$`))
    }
  })

  it("is named with the others, and as a shell takes it", () => {
    using folder = temporaryFolder()
    const inner = join(folder.path, "it's data")
    mkdirSync(inner)
    for (const file of ["pin.key", "shadow.db"]) writeFileSync(join(inner, file), "", { mode: 0o644 })
    const quoted = `'${inner.replace("'", "'\\''")}`
    expect(exposedFiles(inner)).toContain(`chmod 600 ${quoted}/pin.key' ${quoted}/shadow.db'`)
  })

  it("is not a folder, a file of something else, or nothing", () => {
    using folder = temporaryFolder()
    mkdirSync(join(folder.path, "old.db"), { mode: 0o755 })
    writeFileSync(join(folder.path, "README"), "", { mode: 0o644 })
    symlinkSync(join(folder.path, "gone"), join(folder.path, "gone.db"))
    expect(exposedFiles(folder.path)).toBeUndefined()
    expect(exposedFiles(":memory:")).toBeUndefined()
  })
})

const WARNING = "WARN"

it("a start makes files for their owner alone; the next one warns once of what others can read, and of what is misspelt", async () => {
  using folder = temporaryFolder()
  const environment = { ...configured(folder.path), LATCHKEY_MQTT_PORT: "0" }
  await using first = await startServer(environment)
  expect(exposedFiles(folder.path)).toBeUndefined()
  expect(first.output()).not.toContain(WARNING)
  await first.kill()
  for (const file of ["pin.key", "latchkey.db"]) chmodSync(join(folder.path, file), 0o644)
  await using second = await startServer({ ...environment, LATCHKEY_TRUSTED_PROXY: "10.0.0.5" })
  const warnings = second
    .output()
    .split("\n")
    .filter((line) => line.includes(WARNING))
  expect(warnings).toEqual([
    expect.stringMatching(/LATCHKEY_TRUSTED_PROXY .*LATCHKEY_TRUSTED_PROXIES/),
    expect.stringMatching(/chmod 600 \S*latchkey.db\S* .*pin.key/)
  ])
  expect(second.output()).not.toContain("10.0.0.5")
})

it("a HOST that is not of this machine is named, though devices listen first", async () => {
  using folder = temporaryFolder()
  const devices = { LATCHKEY_MQTT_PORT: "0", LATCHKEY_SHADOW_PORT: "off" }
  const { code, output } = await runToEnd({ ...configured(folder.path), ...devices, HOST: "192.0.2.1" })
  expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringMatching(/^latchkey: HOST: /)]])
})

it("a HOST that is not of this machine is named, and no variable that is right but for it", async () => {
  using folder = temporaryFolder()
  const right = { LATCHKEY_MQTT_PORT: "0", LATCHKEY_SHADOW_PORT: "0", LATCHKEY_DEVICE_AUTH: "open" }
  const { code, output } = await runToEnd({ ...configured(folder.path), ...right, HOST: "192.0.2.1" })
  expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringMatching(/^latchkey: HOST: /)]])
})

it("a misspelt variable is named by other commands too, beside their result", async () => {
  using folder = temporaryFolder()
  const { code, stdout, stderr } = await latchkey({ LATCHKEY_DATA: folder.path, LATCHKEY_STOER: "sqlite" }, [
    "keys",
    "create",
    "--org",
    "acme"
  ])
  expect([code, stderr]).toEqual([0, expect.stringMatching(/LATCHKEY_STOER .*LATCHKEY_STORE/)])
  expect(stdout).not.toContain("LATCHKEY")
})

it("serve --help names every variable", async () => {
  const help = await succeed({}, ["serve", "--help"])
  expect(declaredVariables().filter(({ name }) => !help.includes(name))).toEqual([])
})

describe("the installed command", () => {
  const installed = fileURLToPath(new URL("../src/latchkey.ts", import.meta.url))
  /** Runs it on a Node that says that it is of this version. */
  const runOn = (version: string) => {
    const pretend = `Object.defineProperty(process, "version", { value: "${version}" })`
    const args = [`--import=data:text/javascript,${encodeURIComponent(pretend)}`, installed, "--version"]
    return spawnSync(process.execPath, args, { encoding: "utf8" })
  }

  it.each(["v20.20.2", "v22.18.0", "v18.0.0"])("on Node %s says which Node it needs", (version) => {
    const { status, stdout, stderr } = runOn(version)
    expect([status, stdout, stderr.trimEnd().split("\n")]).toEqual([
      1,
      "",
      [expect.stringMatching(`^latchkey: needs Node.js 22.19 or later, and this is ${version}`)]
    ])
  })

  it("runs on any later one, without a word on stderr", () => {
    const { status, stdout, stderr } = runOn("v23.0.0")
    expect([status, stdout, stderr]).toEqual([0, expect.stringMatching(/latchkey.*\d/), ""])
  })
})
