/** The environment variables: a wrong one stops the start, in one line that names it; and the first start of all. */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { BUDGETS, UNLIMITED } from "@latchkey/core"
import { ConfigProvider, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { serverConfig } from "../src/cli/Config.ts"
import { apiKey, OWNER, user } from "./harness/callers.ts"
import { newLockId, newUuid } from "./harness/locks.ts"
import { configured, type Environment, runToEnd, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"
import { pathTo } from "./harness/routes.ts"

const tooShort = "thirty-one-bytes-are-not-enough"
const longEnough = "thirty-two-bytes-are-just-enough"

/** A bad value of every variable that is checked before the start, with others where it is bad only beside them. */
const bad: ReadonlyArray<readonly [variable: string, value: string, others?: Environment]> = [
  ["PORT", "http"],
  ["LATCHKEY_STORE", "Paper"],
  ["LATCHKEY_SHADOW", "tall"],
  ["LATCHKEY_SHADOW_PORT", "on"],
  ["LATCHKEY_SHADOW_KEYS", "secret-without-an-id"],
  ["LATCHKEY_MQTT_PORT", "on"],
  ["LATCHKEY_MQTT_URL", "broker.example.org"],
  ["LATCHKEY_DEVICE_AUTH", "closed"],
  ["LATCHKEY_JWT_SECRET", tooShort],
  ["LATCHKEY_JWKS_URL", "keys.example.org"],
  ["LATCHKEY_JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----"],
  ["LATCHKEY_API_KEYS", "secret-without-organization"],
  ["LATCHKEY_PUBLIC_URL", "keys.example.org"],
  ["LATCHKEY_CORS_ORIGINS", "pages.example.org"],
  ["LATCHKEY_TRUSTED_PROXIES", "proxy.example.org"],
  ["LATCHKEY_EVENTBRIDGE_BUSES", "acme:locks"],
  ["LATCHKEY_PIN_KEY", tooShort],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"]
]

const spacetimedb = { LATCHKEY_STORE: "spacetimedb", LATCHKEY_SPACETIMEDB_TOKEN: "of-a-writer" }

const alsoBad: typeof bad = [
  ["PORT", "65536"],
  ["PORT", "-1"],
  ["PORT", "80.5"],
  ["PORT", " "],
  ["LATCHKEY_STORE", "SQLITE"],
  ["LATCHKEY_SPACETIMEDB_URI", "spacetimedb.example.org", spacetimedb],
  ["LATCHKEY_SPACETIMEDB_URI", "ftp://example.org", spacetimedb],
  ["LATCHKEY_SPACETIMEDB_DATABASE", "../identity", spacetimedb],
  ["LATCHKEY_SPACETIMEDB_TOKEN", "two words", spacetimedb],
  ["LATCHKEY_SHADOW_PORT", "65536"],
  ["LATCHKEY_SHADOW_PORT", "8789", { HOST: "0.0.0.0" }],
  ["LATCHKEY_SHADOW_PORT", "8789", { HOST: "127.example.org" }],
  ["LATCHKEY_SHADOW_KEYS", "AKID:one,AKID:two"],
  ["LATCHKEY_MQTT_PORT", "65536"],
  ["LATCHKEY_MQTT_URL", "http://broker.example.org"],
  ["LATCHKEY_MQTT_URL", "mqtt://broker.example.org", { LATCHKEY_MQTT_PORT: "8788" }],
  ["LATCHKEY_CORS_ORIGINS", "*"],
  ["LATCHKEY_CORS_ORIGINS", "null"],
  ["LATCHKEY_CORS_ORIGINS", "https://pages.example.org/"],
  ["LATCHKEY_CORS_ORIGINS", "https://App.example.org"],
  ["LATCHKEY_CORS_ORIGINS", "https://pages.example.org,"],
  ["LATCHKEY_DEVICE_AUTH", "open", { HOST: "0.0.0.0" }],
  ["LATCHKEY_DEVICE_AUTH", "open", { HOST: "::" }],
  ["LATCHKEY_JWT_SECRET", longEnough, { LATCHKEY_JWKS_URL: "https://example.org/keys" }],
  ["LATCHKEY_JWKS_URL", "ftp://example.org/keys"],
  ["LATCHKEY_PUBLIC_URL", "https://keys.example.org/?to=guests"],
  ["LATCHKEY_PUBLIC_URL", "https://example.org/keys"],
  ["LATCHKEY_TRUSTED_PROXIES", "10.0.0.1,,10.0.0.2"],
  ["LATCHKEY_EVENTBRIDGE_BUSES", "*:arn:aws:s3:::locks"],
  ["LATCHKEY_BUDGET_PIN_LOCK", "off"],
  ["LATCHKEY_BUDGET_USER", "0+10"],
  ["LATCHKEY_BUDGET_USER", "10+0"],
  ["LATCHKEY_BUDGET_USER", "ten+10"],
  ["LATCHKEY_BUDGET_PIN_CALLER", "77"],
  ["LATCHKEY_BUDGET_PIN_LINE", "77"],
  ["LATCHKEY_BUDGET_PIN_SITE", "77"],
  ["LATCHKEY_BUDGET_PIN_LOCK", "77"],
  ["LATCHKEY_BUDGET_PIN_KEYPAD", "77"],
  ["LATCHKEY_BUDGET_LINK", "77"],
  ["LATCHKEY_BUDGET_GUESTS", "77"],
  ["LATCHKEY_BUDGET_USER", "77"],
  ["LATCHKEY_BUDGET_USER_KB", "77"],
  ["LATCHKEY_BUDGET_ORGANIZATION", "77"],
  ["LATCHKEY_BUDGET_ORGANIZATION_KB", "77"],
  ["LATCHKEY_API_KEYS", "acme:"],
  ["LATCHKEY_API_KEYS", ":secret-of-nobody"],
  ["LATCHKEY_API_KEYS", "org:secret-one,,org:secret-two"],
  ["LATCHKEY_API_KEYS", "org:same-secret,other:same-secret"]
]

describe.concurrent("a bad value", () => {
  it.for([...bad, ...alsoBad])("of %s is %s", async ([variable, value, others], { expect }) => {
    const env = { ...others, [variable]: value }
    const read = Effect.provide(serverConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
    const { message } = await Effect.runPromise(Effect.flip(read))
    expect(message.split("\n")).toEqual([expect.stringMatching(`^${variable}: `)])
    expect(message).not.toContain(value.trim() || "\n")
  })

  it.for([
    ["HOST", "no host at all"],
    ["LATCHKEY_API_KEYS", "secret-without-organization"]
  ] as const)("of %s stops the start in one line that names it", async ([variable, value], { expect }) => {
    using folder = temporaryFolder()
    const { code, output } = await runToEnd({ ...configured(folder.path), [variable]: value })
    expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringContaining(variable)]])
    expect(output).not.toContain(value)
  })

  it("of LATCHKEY_DATA is a folder that cannot be", async ({ expect }) => {
    using folder = temporaryFolder()
    const file = join(folder.path, "file")
    writeFileSync(file, "")
    for (const path of [file, join(file, "below")]) {
      const { code, output } = await runToEnd({ PORT: "0", LATCHKEY_DATA: path })
      expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringMatching(`LATCHKEY_DATA.*${path}`)]])
    }
  })

  it("of PORT is one that is taken", async ({ expect }) => {
    using folder = temporaryFolder()
    await using server = await startServer(configured(folder.path))
    const port = new URL(server.url).port
    const { code, output } = await runToEnd({ ...configured(folder.path), PORT: port })
    expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringMatching(`${port}.*PORT`)]])
  })
})

it("budgets are as configured, or as documented", async () => {
  const read = (env: Environment) =>
    Effect.runPromise(Effect.provide(serverConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
  expect((await read({})).budgets).toEqual(BUDGETS)
  const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8")
  const documented = Object.fromEntries(
    Array.from(page.matchAll(/^\| `(LATCHKEY_BUDGET_\w+)` \| `([\d+]+)` \|/gm), ([, name = "", value = ""]) => [
      name,
      value
    ])
  )
  expect(Object.keys(documented)).toHaveLength(Object.keys(BUDGETS).length)
  expect((await read(documented)).budgets).toEqual(BUDGETS)
  for (const name of Object.keys(documented)) {
    const { budgets } = await read({ [name]: "3+3600" })
    expect(Object.values(budgets).filter(({ burst, every }) => burst === 3 && every === 1_000)).toHaveLength(1)
  }
  const { budgets } = await read({ LATCHKEY_BUDGET_USER: "off", LATCHKEY_BUDGET_LINK: "off" })
  expect([budgets.userEvents, budgets.link]).toEqual([UNLIMITED, UNLIMITED])
})

/** All that a folder holds, as bytes. */
const contentOf = (folder: string): Buffer =>
  Buffer.concat(readdirSync(folder).map((file) => readFileSync(join(folder, file))))

const superKeyIn = (output: string) => /super key.*: (\S+)/.exec(output)?.[1]

const changeLock = async (url: string, secret: string) => {
  const call = callsOf(url, apiKey(secret))
  const path = `/locks/${newLockId()}`
  expect((await call("POST", `${path}/CreateLock`, { body: { index: 1, uuid: newUuid() } })).status).toBe(201)
  return (await call("POST", `${path}/${pathTo("LockUuidChanged")}`, { body: { newUuid: newUuid() } })).status
}

describe("device shadows", () => {
  const shadowsIn = (output: string) => /shadows are served on (\S+)/.exec(output)?.[1]

  it("are served beside the API on the loopback interface, and a port that is taken stops the start", async () => {
    using folder = temporaryFolder()
    await using server = await startServer({ ...configured(folder.path), LATCHKEY_SHADOW_PORT: "0" })
    const url = shadowsIn(server.output()) ?? expect.fail(server.output())
    expect((await fetch(`${url}/things/thing/shadow`)).status).toBe(404)
    const { port } = new URL(url)
    const { code, output } = await runToEnd({ ...configured(folder.path), LATCHKEY_SHADOW_PORT: port })
    expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringMatching(`LATCHKEY_SHADOW_PORT.*${port}`)]])
  })

  it("with keys are for those who sign", async () => {
    using folder = temporaryFolder()
    const keys = { LATCHKEY_SHADOW_KEYS: "AKID:secret/with+signs=of-32-bytes-or-more=", LATCHKEY_SHADOW_PORT: "0" }
    await using server = await startServer({ ...configured(folder.path), ...keys })
    const url = shadowsIn(server.output()) ?? expect.fail(server.output())
    expect((await fetch(`${url}/things/thing/shadow`)).status).toBe(403)
  })

  it("are served to nobody on a public address without keys, and the start says so", async () => {
    using folder = temporaryFolder()
    await using server = await startServer({ ...configured(folder.path), HOST: "0.0.0.0", LATCHKEY_SHADOW_PORT: "" })
    expect(server.output()).toMatch(/shadows are not served.*LATCHKEY_SHADOW_KEYS/)
  })
})

describe("the first start", () => {
  it("makes a super key, shows it once, and keeps its hash alone", async () => {
    using folder = temporaryFolder()
    const environment = { PORT: "0", LATCHKEY_DATA: folder.path }
    const secret = await (async () => {
      await using first = await startServer(environment)
      const secret = superKeyIn(first.output()) ?? expect.fail(first.output())
      expect(first.output().split(secret)).toHaveLength(2)
      expect(await changeLock(first.url, secret)).toBe(200)
      return secret
    })()
    await using second = await startServer(environment)
    expect(second.output()).not.toMatch(/super key/i)
    expect(await changeLock(second.url, secret)).toBe(200)
    const content = contentOf(folder.path)
    expect(content.includes(secret)).toBe(false)
    expect(content.includes(createHash("sha256").update(secret).digest("base64url"))).toBe(true)
  })

  it("with configured keys makes none, and keeps none of them", async () => {
    using folder = temporaryFolder()
    await using server = await startServer({
      ...configured(folder.path),
      LATCHKEY_API_KEYS: "*:the-operators-key-of-32-bytes-or-more,acme:with:colons:and:32:bytes:or:more:of:them"
    })
    expect(server.output()).not.toMatch(/super key/i)
    expect(await changeLock(server.url, "the-operators-key-of-32-bytes-or-more")).toBe(200)
    expect(await changeLock(server.url, "with:colons:and:32:bytes:or:more:of:them")).toBe(403)
    expect(contentOf(folder.path).includes("the-operators-key-of-32-bytes-or-more")).toBe(false)
  })

  it("without a way to check tokens says so, and signs no user in", async () => {
    using folder = temporaryFolder()
    await using server = await startServer({ PORT: "0", LATCHKEY_DATA: folder.path })
    expect(server.output()).toMatch(/LATCHKEY_JWT_SECRET/)
    expect((await callsOf(server.url, user(OWNER))("GET", `/users/${OWNER}/owned-locks`)).status).toBe(401)
  })
})

it.each([{ LATCHKEY_STORE: "memory" }, { LATCHKEY_DATA: ":memory:" }])("%o keeps nothing", async (kept) => {
  using folder = temporaryFolder()
  const environment = { ...configured(folder.path), ...kept }
  await using first = await startServer(environment)
  expect(await changeLock(first.url, "super-key-which-has-32-bytes-or-more")).toBe(200)
  await first.kill()
  expect(readdirSync(folder.path)).toEqual([])
  await using second = await startServer(environment)
  expect(
    (await callsOf(second.url, apiKey("super-key-which-has-32-bytes-or-more"))("GET", "/locks/1/details")).status
  ).toBe(404)
})

it("issuer and audience of tokens are the configured ones", async () => {
  using folder = temporaryFolder()
  const names = { LATCHKEY_JWT_ISSUER: "https://issuer.example.org", LATCHKEY_JWT_AUDIENCE: "doors" }
  await using server = await startServer({ ...configured(folder.path), ...names })
  const ask = async (headers: Readonly<Record<string, string>>) =>
    (await callsOf(server.url, headers)("GET", `/users/${OWNER}/owned-locks`)).status
  expect(await ask(user(OWNER))).toBe(401)
  expect(await ask(user(OWNER, { iss: names.LATCHKEY_JWT_ISSUER, aud: names.LATCHKEY_JWT_AUDIENCE }))).toBe(200)
})
