/** Users' tokens from the command line, and what a running server makes of them. */
import { generateKeyPairSync } from "node:crypto"
import { expect, it } from "vitest"
import { latchkey } from "./harness/command.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"

const LATCHKEY_JWT_SECRET = "a secret of the tests, of more than 32 bytes"
const tokens = (environment: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
  latchkey(environment, ["tokens", "create", ...args])

it("a token signs its user in at a server with the same secret, issuer and audience", async () => {
  using folder = temporaryFolder()
  const environment = { LATCHKEY_JWT_SECRET, LATCHKEY_JWT_ISSUER: "here", LATCHKEY_JWT_AUDIENCE: "doors" }
  await using server = await startServer({ ...configured(folder.path), ...environment })
  const { code, stdout, stderr } = await tokens(environment, "--user", "ann")
  expect([code, stdout], stderr).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)])
  expect(stderr).toContain("Made a token of ann until ")
  expect(stderr).toContain("For development")
  const owned = (token: string) =>
    fetch(`${server.url}/users/ann/owned-locks`, { headers: { authorization: `Bearer ${token.trim()}` } })
  expect((await owned(stdout)).status).toBe(200)
  const elsewhere = await tokens({ LATCHKEY_JWT_SECRET }, "--user", "ann")
  expect((await owned(elsewhere.stdout)).status).toBe(401)
})

it("a token ends when its maker says", async () => {
  const { stdout, stderr } = await tokens({ LATCHKEY_JWT_SECRET }, "--user", "ann", "--expires-in", "2091-02-03")
  const { sub, exp } = JSON.parse(Buffer.from(stdout.split(".")[1] ?? "", "base64url").toString())
  expect([sub, exp]).toEqual(["ann", Date.parse("2091-02-03") / 1000])
  expect(stderr).toContain("2091-02-03T00:00:00.000Z")
})

it.each([
  ["--user", ["--user", ""], { LATCHKEY_JWT_SECRET }],
  ["--expires-in", ["--user", "ann", "--expires-in", "2020-01-01"], { LATCHKEY_JWT_SECRET }],
  ["LATCHKEY_JWT_SECRET: set it", ["--user", "ann"], {}],
  [
    "LATCHKEY_JWKS_URL: your identity provider",
    ["--user", "ann"],
    { LATCHKEY_JWKS_URL: "https://id.example.org/keys" }
  ],
  [
    "LATCHKEY_JWT_PUBLIC_KEY: your identity provider",
    ["--user", "ann"],
    { LATCHKEY_JWT_PUBLIC_KEY: generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }) }
  ]
])("makes no token, and says %s", async (said, args, environment) => {
  const { code, stdout, stderr } = await tokens(environment as Record<string, string>, ...args)
  expect(code).toBe(1)
  expect(stderr).toContain(said)
  expect(stdout).not.toMatch(/\w+\.\w+\.\w+/)
})
