/** Credentials that sign nobody in: on every route 401, and nothing has changed. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as callers from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { type FurnishedLock, furnishedLock, stateOf } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"
import { declaredRoutes, goodRequest } from "./harness/routes.ts"

const { OWNER, apiKey, bearer, token } = callers
const sub = OWNER
const now = Math.floor(Date.now() / 1000)
const hourAgo = now - 3600
const inAnHour = now + 3600

let server: InProcess
let lock: FurnishedLock
beforeAll(async () => {
  server = await startInProcess()
  lock = await furnishedLock(server.url)
})
afterAll(() => server.stop())

const good = token({ sub })
const [head = "", payload = "", signature = ""] = good.split(".")
const ofStranger = token({ sub: callers.STRANGER }).split(".")

const bad: Readonly<Record<string, callers.Credentials>> = {
  "an expired token": bearer(token({ sub, exp: hourAgo })),
  "a token that is not valid yet": bearer(token({ sub, nbf: inAnHour })),
  "a token of another audience": bearer(token({ sub, aud: "somebody-else" })),
  "a token of another issuer": bearer(token({ sub, iss: "somebody-else" })),
  "a token without an audience": bearer(token({ sub, aud: undefined })),
  "a token without an issuer": bearer(token({ sub, iss: undefined })),
  "a token without a subject": bearer(token({})),
  "a token without an end": bearer(token({ sub, exp: undefined })),
  "a token with an end that is text": bearer(token({ sub, exp: String(inAnHour) })),
  "a token with an empty subject": bearer(token({ sub: "" })),
  "a token with a number for a subject": bearer(token({ sub: 1 })),
  "a token with NUL in its subject": bearer(token({ sub: `${OWNER}\0` })),
  "a token with half a surrogate pair in its subject": bearer(token({ sub: "\ud800" })),
  "a forged token": bearer(token({ sub }, "another-secret-of-at-least-32-bytes")),
  "a token signed with nothing": bearer(token({ sub }, "")),
  "a token that says alg:none": bearer(callers.unsignedToken({ sub })),
  "a signed token that says alg:none": bearer(token({ sub }, callers.JWT_SECRET, { alg: "none" })),
  "a token that says alg:NoNe": bearer(token({ sub }, callers.JWT_SECRET, { alg: "NoNe" })),
  "a token of another algorithm": bearer(token({ sub }, callers.JWT_SECRET, { alg: "HS512" })),
  "a token without an algorithm": bearer(token({ sub }, callers.JWT_SECRET, {})),
  "a token with an extension that is not understood": bearer(
    token({ sub }, callers.JWT_SECRET, { alg: "HS256", crit: ["b64"], b64: false })
  ),
  "a token with somebody else's claims": bearer(`${head}.${ofStranger[1]}.${signature}`),
  "a token with half a signature": bearer(good.slice(0, -20)),
  "a token without its signature": bearer(`${head}.${payload}.`),
  "two tokens": bearer(`${good} ${good}`),
  "no token at all": { authorization: "Bearer" },
  "something that is no token": bearer("abc"),
  "another scheme": {
    authorization: `Basic ${Buffer.from("super-key-which-has-32-bytes-or-more:").toString("base64")}`
  },
  "an empty Authorization header": { authorization: "" },
  "an unknown API key": apiKey("unknown"),
  "an empty API key": apiKey(""),
  "half an API key": apiKey("key-of-org"),
  "an API key in capitals": apiKey("KEY-OF-ORG-1-WHICH-HAS-32-BYTES-OR-MORE"),
  "an API key with its organization": apiKey("org-1:key-of-org-1-which-has-32-bytes-or-more"),
  "the hash of an API key": apiKey(
    createHash("sha256").update("super-key-which-has-32-bytes-or-more").digest("base64url")
  ),
  "an API key as a token": bearer("super-key-which-has-32-bytes-or-more"),
  "a good API key and a bad token": { ...callers.organization, ...bearer(token({ sub, exp: hourAgo })) },
  "a good API key and no token at all": { ...callers.organization, authorization: "Bearer" },
  "a good token and an unknown API key": { ...callers.owner, ...apiKey("unknown") }
}

describe.each(Object.entries(bad))("%s", (_, headers) => {
  it("signs nobody in, on any route", async () => {
    const before = await stateOf(lock)
    for (const route of declaredRoutes) {
      const { path, body } = goodRequest(route, lock)
      const answer = await callsOf(server.url, headers)(route.method, path, body === undefined ? {} : { body })
      expect([route.name, answer.status]).toEqual([route.name, 401])
      expect(answer.headers.get("www-authenticate")).toBe("Bearer")
      expectProblem(401, answer.body)
      for (const secret of Object.values(headers)) if (secret.length > 10) expect(answer.text).not.toContain(secret)
    }
    expect(await stateOf(lock)).toBe(before)
  })
})

const details = async (headers: callers.Credentials, { url } = server) =>
  (await callsOf(url, headers)("GET", `${lock.path}/details`)).status

it("a good token signs in, in any case of its scheme", async () => {
  expect(await details({ authorization: `bearer ${good}` })).toBe(200)
  expect(await details({ authorization: `BEARER  ${good}` })).toBe(200)
  expect(await details(bearer(token({ sub, aud: ["somebody-else", callers.AUDIENCE] })))).toBe(200)
})

it("a token in the address signs nobody in", async () => {
  expect(
    (
      await callsOf(server.url)(
        "GET",
        `${lock.path}/details?access_token=${good}&api_key=super-key-which-has-32-bytes-or-more`
      )
    ).status
  ).toBe(401)
})

/** What the server answers when its clock says this, in epoch milliseconds. */
const detailsAt = async (instant: number, headers: callers.Credentials) => {
  vi.useFakeTimers({ now: instant, toFake: ["Date"] })
  try {
    return await details(headers)
  } finally {
    vi.useRealTimers()
  }
}

it("a token that was good is refused from its end on", async () => {
  const headers = bearer(token({ sub, exp: inAnHour }))
  expect(await detailsAt(inAnHour * 1000 - 1, headers)).toBe(200)
  expect(await detailsAt(inAnHour * 1000, headers)).toBe(401)
})

it("an API key is refused from its revocation on", async () => {
  const { keyId, secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, { name: "test" }))
  expect(await details(apiKey(secret))).toBe(200)
  await Effect.runPromise(server.apiKeys.revoke(keyId))
  expect(await details(apiKey(secret))).toBe(401)
  expect(await details({ ...apiKey(secret), ...callers.owner })).toBe(401)
  expect(await details(callers.organization)).toBe(200)
})

it("an API key is good for two seconds while the log does not answer: then nobody can tell", async () => {
  const { secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, {}))
  const now = Date.now()
  server.faults.store = "down"
  try {
    const answer = await callsOf(server.url, apiKey("unknown"))("GET", `${lock.path}/details`)
    expect(answer.status).toBe(503)
    expectProblem(503, answer.body)
    expect(await detailsAt(now + 3000, apiKey(secret))).toBe(503)
  } finally {
    server.faults.store = "ok"
  }
  expect(await detailsAt(now + 3000, apiKey(secret))).toBe(200)
})

it("an API key is refused from its end on", async () => {
  const expiresAt = inAnHour * 1000
  const { secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, { expiresAt }))
  expect(await detailsAt(expiresAt - 1, apiKey(secret))).toBe(200)
  expect(await detailsAt(expiresAt, apiKey(secret))).toBe(401)
})

describe("with a public key", () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
  const jwk = publicKey.export({ format: "jwk" })
  const attacker = generateKeyPairSync("rsa", { modulusLength: 2048 })

  const signed = (header: object, key = privateKey) => {
    const [, claims] = token({ sub }).split(".")
    const text = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${claims}`
    return `${text}.${sign("sha256", Buffer.from(text), createPrivateKey(key.export({ type: "pkcs8", format: "pem" }))).toString("base64url")}`
  }

  /** Tokens that make a careless server take the public key, or the attacker's own, for the key to check with. */
  const forged = {
    "signed with HMAC and the PEM": token({ sub }, pem),
    "signed with HMAC and the PEM without its last line end": token({ sub }, pem.trim()),
    "signed with HMAC and the DER": token({ sub }, publicKey.export({ type: "spki", format: "der" })),
    "signed with HMAC and the modulus": token({ sub }, Buffer.from(jwk.n ?? "", "base64url")),
    "signed with HMAC and nothing": token({ sub }, "", { alg: "HS256", kid: "1" }),
    "signed with HMAC and said to be RSA": token({ sub }, pem, { alg: "RS256", kid: "1" }),
    "signed by somebody else": signed({ alg: "RS256", kid: "1" }, attacker.privateKey),
    "signed by a key of its own": signed(
      { alg: "RS256", jwk: attacker.publicKey.export({ format: "jwk" }) },
      attacker.privateKey
    ),
    "signed by an unknown key": signed({ alg: "RS256", kid: "2" }, attacker.privateKey),
    "not signed": callers.unsignedToken({ sub })
  }

  const expectOnlyGoodTokens = async (running: InProcess) => {
    const lock = await furnishedLock(running.url)
    const ask = async (text: string) => (await callsOf(running.url, bearer(text))("GET", `${lock.path}/details`)).status
    expect(await ask(signed({ alg: "RS256", kid: "1" }))).toBe(200)
    for (const [what, text] of Object.entries(forged)) expect([what, await ask(text)]).toEqual([what, 401])
  }

  it("takes no token that was not signed with the private one", async () => {
    await using running = await startInProcess({ jwt: { _tag: "PublicKey", publicKey: createPublicKey(pem) } })
    await expectOnlyGoodTokens(running)
  })

  it("takes no token that was not signed with a key of the JWKS", async () => {
    const jwks = createServer((_, response) =>
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: "1", alg: "RS256", use: "sig" }] }))
    )
    await once(jwks.listen(0, "127.0.0.1"), "listening")
    const address = jwks.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    try {
      await using running = await startInProcess({ jwt: { _tag: "Jwks", url: new URL(`http://127.0.0.1:${port}`) } })
      await expectOnlyGoodTokens(running)
    } finally {
      jwks.closeAllConnections()
      jwks.close()
    }
  })
})

it("without any key, no token signs in", async () => {
  await using running = await startInProcess({ jwt: { _tag: "None" } })
  expect(await details(bearer(good), running)).toBe(401)
})

it("while the store does not answer, it cannot be told whether an unknown API key is good; a known one is", async () => {
  await using running = await startInProcess()
  const ask = async (headers: callers.Credentials) =>
    (await callsOf(running.url, headers)("GET", `/users/${OWNER}/owned-locks`)).status
  expect(await ask(apiKey("unknown"))).toBe(401)
  running.faults.store = "down"
  expect(await ask(apiKey("unknown"))).toBe(503)
  expect(await ask(callers.superKey)).not.toBe(503)
  expect(await ask(callers.owner)).toBe(200)
})
