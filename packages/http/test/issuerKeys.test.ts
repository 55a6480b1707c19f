/** The keys of the tokens' issuer: what its failures mean for users, how often it is asked, and what time does to tokens. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto"
import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"
import { Context, Effect, Layer } from "effect"
import { type JWK, type JWTPayload, SignJWT } from "jose"
import { describe, expect, it, vi } from "vitest"
import { Jwt, type JwtOptions } from "../src/auth/Jwt.ts"
import { AUDIENCE, apiKey, bearer, type Credentials, ISSUER, JWT_SECRET, superKey, token } from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { startInProcess } from "./harness/inProcess.ts"
import { createLock, type TestLock, tempKey } from "./harness/locks.ts"
import { callsOf, connectTo, readAll } from "./harness/request.ts"

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** Whole seconds, as tokens count them. */
const START = Date.UTC(2026, 7, 31, 9)

const makeKey = (kid?: string) => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const jwk: JWK = { ...publicKey.export({ format: "jwk" }), alg: "ES256", use: "sig", ...(kid && { kid }) }
  /** A token of its own each time. */
  const sign = (claims: JWTPayload = {}) =>
    new SignJWT({
      iss: ISSUER,
      aud: AUDIENCE,
      sub: "ann",
      exp: START / SECOND + 24 * 3600,
      jti: String(++signed),
      ...claims
    })
      .setProtectedHeader({ alg: "ES256", ...(kid && { kid }) })
      .sign(createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" })))
  return { jwk, sign }
}
let signed = 0

/** An issuer that answers as a test says, and counts how often it was asked. */
const startIssuer = async (...keys: ReadonlyArray<{ readonly jwk: JWK }>) => {
  const keySet = (...keys: ReadonlyArray<{ readonly jwk: JWK }>) => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })
  const issuer = {
    asked: 0,
    answer: (response: ServerResponse): void => void response.end(keySet(...keys)),
    has: (...others: typeof keys): void => void (issuer.answer = (response) => void response.end(keySet(...others)))
  }
  const server = createServer((_, response) => {
    issuer.asked++
    issuer.answer(response)
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  const close = async () => {
    server.closeAllConnections()
    server.close()
  }
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`)
  return Object.assign(issuer, { url, close, [Symbol.asyncDispose]: close })
}

/** What a token is found to be: the name of its user, or the tag of the error. */
const verifierOf = async (key: JwtOptions["key"]) => {
  const context = await Effect.runPromise(
    Effect.scoped(Layer.build(Jwt.layer({ key, issuer: ISSUER, audience: AUDIENCE })))
  )
  return (text: string | Promise<string>, now = START): Promise<string> =>
    Promise.resolve(text).then((text) =>
      Effect.runPromise(
        Effect.match(
          Context.get(context, Jwt).verify(text, () => now),
          {
            onSuccess: (subject) => subject,
            onFailure: ({ _tag }) => _tag
          }
        )
      )
    )
}
const verifierFor = ({ url }: { readonly url: URL }) => verifierOf({ _tag: "Jwks", url })

const shortKey = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" })

/** What an issuer may do instead of telling its keys. */
const failures: ReadonlyArray<readonly [what: string, answer: (response: ServerResponse) => void]> = [
  ["answers 500", (response) => response.writeHead(500).end("{}")],
  ["answers 404 with keys", (response) => response.writeHead(404).end(JSON.stringify({ keys: [makeKey("a").jwk] }))],
  ["answers 204", (response) => response.writeHead(204).end()],
  ["answers HTML", (response) => response.end("<html>Down for maintenance</html>")],
  ["answers nothing", (response) => response.end()],
  ["answers null", (response) => response.end("null")],
  ["answers no keys", (response) => response.end('{"keys":[]}')],
  ["answers keys that are none", (response) => response.end('{"keys":["a"]}')],
  ["answers keys without a kind", (response) => response.end('{"keys":[{"kid":"a"}]}')],
  ["answers a secret", (response) => response.end('{"keys":[{"kty":"oct","kid":"a","alg":"ES256","k":"c2VjcmV0"}]}')],
  ["answers half a key", (response) => response.end(JSON.stringify({ keys: [{ ...makeKey("a").jwk, y: undefined }] }))],
  ["answers a key too short", (response) => response.end(JSON.stringify({ keys: [shortKey] }))],
  ["redirects", (response) => response.writeHead(302, { location: "/elsewhere" }).end()],
  ["hangs up", (response) => void response.destroy()],
  ["hangs up halfway", (response) => void response.write('{"keys":[', () => response.destroy())]
]

describe.each(failures)("an issuer that %s", (_, answer) => {
  it("does not make users unknown: it cannot be told whether their tokens are good", async () => {
    const key = makeKey("a")
    await using issuer = await startIssuer(key)
    issuer.answer = answer
    const verify = await verifierFor(issuer)
    expect(await verify(key.sign())).toBe("KeysUnavailable")
    issuer.has(key)
    expect(await verify(key.sign())).toBe("ann")
  })

  it("signs nobody out for an hour", async () => {
    const [key, other] = [makeKey("a"), makeKey("b")]
    await using issuer = await startIssuer(key)
    const verify = await verifierFor(issuer)
    expect(await verify(key.sign())).toBe("ann")
    issuer.answer = answer
    expect(await verify(key.sign(), START + 10 * MINUTE)).toBe("ann")
    expect(await verify(key.sign(), START + HOUR - 1)).toBe("ann")
    expect(await verify(other.sign(), START + HOUR - 1)).toBe("KeysUnavailable")
    expect(await verify(key.sign(), START + HOUR)).toBe("KeysUnavailable")
    issuer.has(key)
    expect(await verify(key.sign(), START + HOUR + SECOND)).toBe("ann")
  })
})

it("an issuer that was closed cannot be asked", async () => {
  const key = makeKey("a")
  const issuer = await startIssuer(key)
  const verify = await verifierFor(issuer)
  expect(await verify(key.sign())).toBe("ann")
  await issuer.close()
  expect(await verify(key.sign(), START + 10 * MINUTE)).toBe("ann")
  expect(await verify(key.sign(), START + HOUR)).toBe("KeysUnavailable")
})

it("a redirect is not followed", async () => {
  const key = makeKey("a")
  await using elsewhere = await startIssuer(key)
  await using issuer = await startIssuer()
  issuer.answer = (response) => response.writeHead(307, { location: elsewhere.url.href }).end()
  expect(await (await verifierFor(issuer))(key.sign())).toBe("KeysUnavailable")
  expect(elsewhere.asked).toBe(0)
})

describe("a set of keys", () => {
  const sized = (key: { readonly jwk: JWK }, bytes: number) => {
    const text = JSON.stringify({ keys: [key.jwk], padding: "" })
    return text.replace('"padding":""', `"padding":"${"x".repeat(bytes - text.length)}"`)
  }

  it("has 1 MB at most", async () => {
    const key = makeKey("a")
    await using issuer = await startIssuer()
    const verify = await verifierFor(issuer)
    issuer.answer = (response) => response.end(sized(key, 1024 * 1024 + 1))
    expect(await verify(key.sign())).toBe("KeysUnavailable")
    issuer.answer = (response) => response.end(sized(key, 1024 * 1024))
    expect(await verify(key.sign())).toBe("ann")
  })

  it("is read no further than that, however it is packed", async () => {
    const key = makeKey("a")
    await using issuer = await startIssuer()
    const verify = await verifierFor(issuer)
    let [isEnded, sent] = [false, 0]
    const chunk = Buffer.alloc(64 * 1024, " ")
    issuer.answer = (response) => {
      const send = (): void => {
        for (let room = true; room && !isEnded; sent += chunk.length) room = response.write(chunk)
      }
      response.on("drain", send).on("close", () => void (isEnded = true))
      send()
    }
    expect(await verify(key.sign())).toBe("KeysUnavailable")
    await expect.poll(() => isEnded).toBe(true)
    // What is on its way in sockets' buffers has left the issuer too.
    expect(sent).toBeLessThan(16 * 1024 * 1024)
    issuer.answer = (response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(sized(key, 64 * 1024 * 1024)))
    expect(await verify(key.sign())).toBe("KeysUnavailable")
  })

  it("with a key that cannot be used tells nothing of the tokens that it signed", async () => {
    const [broken, good] = [makeKey("a"), makeKey("b")]
    await using issuer = await startIssuer({ jwk: { ...broken.jwk, x: "AA" } }, good)
    const verify = await verifierFor(issuer)
    expect(await verify(broken.sign())).toBe("KeysUnavailable")
    expect(await verify(good.sign())).toBe("ann")
    issuer.has(broken, good)
    expect(await verify(broken.sign())).toBe("ann")
  })
})

describe("a key that rotates in", () => {
  it("is found though others were fetched just now", async () => {
    const [old, next] = [makeKey("a"), makeKey("b")]
    await using issuer = await startIssuer(old)
    const verify = await verifierFor(issuer)
    expect(await verify(old.sign())).toBe("ann")
    issuer.has(old, next)
    expect(await verify(next.sign())).toBe("ann")
    expect(await verify(old.sign())).toBe("ann")
    expect(issuer.asked).toBe(2)
  })

  it("is found though what was asked for before it is still on its way", async () => {
    const [old, next] = [makeKey("a"), makeKey("b")]
    await using issuer = await startIssuer(old)
    const verify = await verifierFor(issuer)
    expect(await verify(old.sign())).toBe("ann")
    const held = new Promise<ServerResponse>((resolve) => void (issuer.answer = resolve))
    const unknown = verify(makeKey("c").sign())
    const response = await held
    issuer.has(old, next)
    const found = verify(next.sign())
    response.end(JSON.stringify({ keys: [old.jwk] }))
    expect([await unknown, await found]).toEqual(["TokenRefused", "ann"])
  })

  it("is found without a name, in place of another or beside it", async () => {
    const [old, next] = [makeKey(), makeKey()]
    await using issuer = await startIssuer(old)
    const verify = await verifierFor(issuer)
    expect(await verify(old.sign())).toBe("ann")
    issuer.has(next)
    expect(await verify(next.sign())).toBe("ann")
    issuer.has(old, next)
    expect(await verify(old.sign())).toBe("ann")
    expect(await verify(next.sign())).toBe("ann")
    expect(await verify(makeKey().sign())).toBe("TokenRefused")
  })

  it("is found within seconds of a flood of unknown ones, which costs the issuer next to nothing", async () => {
    const [old, next, stranger] = [makeKey("a"), makeKey("b"), makeKey("c")]
    await using issuer = await startIssuer(old)
    const verify = await verifierFor(issuer)
    expect(await verify(old.sign())).toBe("ann")
    for (let second = 0; second < 60; second++) {
      const now = START + second * SECOND
      const answers = await Promise.all(Array.from({ length: 5 }, () => verify(stranger.sign(), now)))
      // It is said that a token is bad only after the issuer was asked.
      expect(answers.every((answer) => answer === "TokenRefused" || answer === "KeysUnavailable")).toBe(true)
      expect(await verify(old.sign(), now)).toBe("ann")
    }
    expect(issuer.asked).toBeLessThanOrEqual(5 + 60 / 5)
    issuer.has(old, next)
    expect(await verify(next.sign(), START + 65 * SECOND)).toBe("ann")
  })
})

it("a key that was withdrawn is good for five minutes, and a token that was seen for one more", async () => {
  const [withdrawn, key] = [makeKey("a"), makeKey("b")]
  await using issuer = await startIssuer(withdrawn, key)
  const verify = await verifierFor(issuer)
  const seen = await withdrawn.sign()
  expect(await verify(key.sign())).toBe("ann")
  issuer.has(key)
  expect(await verify(seen, START + 5 * MINUTE - 1)).toBe("ann")
  expect(await verify(withdrawn.sign(), START + 5 * MINUTE)).toBe("TokenRefused")
  expect(await verify(seen, START + 6 * MINUTE - 2)).toBe("ann")
  expect(await verify(seen, START + 6 * MINUTE - 1)).toBe("TokenRefused")
})

it("an issuer that is away is asked seldom, and again when it is back", async () => {
  const key = makeKey("a")
  await using issuer = await startIssuer(key)
  const verify = await verifierFor(issuer)
  const answer = issuer.answer
  issuer.answer = (response) => response.writeHead(503).end()
  for (let n = 0; n < 100; n++) expect(await verify(key.sign(), START + n)).toBe("KeysUnavailable")
  expect(issuer.asked).toBe(5)
  issuer.answer = answer
  expect(await verify(key.sign(), START + 6 * SECOND)).toBe("ann")
  // Keys that serve are not held up by it.
  issuer.answer = (response) => response.writeHead(503).end()
  const before = issuer.asked
  for (let n = 0; n < 100; n++) expect(await verify(key.sign(), START + 10 * MINUTE + n)).toBe("ann")
  expect(issuer.asked).toBe(before + 1)
})

it("a clock that was set back keeps no old keys alive", async () => {
  const [withdrawn, key] = [makeKey("a"), makeKey("b")]
  await using issuer = await startIssuer(withdrawn)
  const verify = await verifierFor(issuer)
  expect(await verify(withdrawn.sign())).toBe("ann")
  issuer.has(key)
  expect(await verify(withdrawn.sign(), START - HOUR)).toBe("TokenRefused")
})

describe("time", () => {
  const secret = new TextEncoder().encode(JWT_SECRET)
  const seconds = START / SECOND
  const exp = seconds + 3600
  const cases: ReadonlyArray<readonly [claims: Readonly<Record<string, unknown>>, answer: string]> = [
    [{ nbf: seconds + 60 }, "ann"],
    [{ nbf: seconds + 61 }, "TokenRefused"],
    [{ iat: seconds + 60 }, "ann"],
    [{ iat: seconds + 61 }, "TokenRefused"],
    [{ iat: seconds - 86_400 }, "ann"],
    [{ iat: "now" }, "TokenRefused"],
    [{ exp: seconds + 1 }, "ann"],
    [{ exp: seconds }, "TokenRefused"],
    [{ exp: seconds - 1 }, "TokenRefused"]
  ]
  it.each(cases)("%j: a token of the future is good a minute early, and at its end it ends", async (claims, answer) => {
    const verify = await verifierOf({ _tag: "Secret", secret })
    expect(await verify(token({ sub: "ann", iat: seconds, exp, ...claims }))).toBe(answer)
  })
})

it("a token of an algorithm that the public key does not have is no good", async () => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const verify = await verifierOf({
    _tag: "PublicKey",
    publicKey: createPublicKey(publicKey.export({ type: "spki", format: "pem" }))
  })
  expect(await verify(makeKey().sign())).toBe("TokenRefused")
})

it("on the wire, what cannot be told is 503", async () => {
  const key = makeKey("a")
  await using issuer = await startIssuer(key)
  issuer.answer = (response) => response.writeHead(500).end()
  await using server = await startInProcess({ jwt: { _tag: "Jwks", url: issuer.url } })
  const exp = Math.floor(Date.now() / SECOND) + 3600
  const answer = await callsOf(server.url, bearer(await key.sign({ exp })))("GET", "/users/ann/owned-locks")
  expect(answer.status).toBe(503)
  expectProblem(503, answer.body)
  expect(answer.text).not.toContain(issuer.url.host)
  expect(server.log.join("\n")).toContain("it answered 500")
})

it("what is asked while the keys are fetched is judged, and dated, by the time when they have come", async () => {
  const key = makeKey("a")
  await using issuer = await startIssuer(key)
  let release = (): void => {}
  const { answer } = issuer
  const held = new Promise<void>((resolve) => void (release = resolve))
  issuer.answer = (response) => void held.then(() => answer(response))
  await using server = await startInProcess({ jwt: { _tag: "Jwks", url: issuer.url } })
  const lock = await createLock(server.url)
  await lock.post("SetOwner", { userId: "ann" })
  const begun = Date.now()
  const { tempKeyUuid } = (
    await lock.post(
      "create-temp-key",
      tempKey({
        validUntil: new Date(begun + HOUR).toISOString()
      })
    )
  ).body
  const signed = await key.sign({ exp: Math.floor(begun / SECOND) + 4 * 3600 })
  const call = callsOf(server.url, bearer(signed))
  try {
    const use = call("POST", `/temp-keys/${tempKeyUuid}/open`, { body: {} })
    const add = call("POST", `${lock.path}/AddResident`, { body: { name: "Ada" } })
    const cookie = { cookie: `__Secure-latchkey-guest=${signed}` }
    const page = callsOf(server.url, cookie)("GET", `/temp-keys/${tempKeyUuid}`)
    await vi.waitUntil(() => issuer.asked > 0, { timeout: 60_000 })
    vi.useFakeTimers({ toFake: ["Date"], now: begun + 2 * HOUR })
    release()
    const refused = await use
    expect([refused.status, refused.text]).toEqual([400, expect.stringMatching(/expired|ended/i)])
    expect((await add).body.event?.data["timestamp"]).toBe(new Date(begun + 2 * HOUR).toISOString())
    expect((await page).text).toContain("<h1>Your key has expired</h1>")
  } finally {
    vi.useRealTimers()
  }
})

it("a key that is revoked or ends, or a token that ends, while the issuer's keys are fetched, is refused", async () => {
  const key = makeKey("a")
  await using issuer = await startIssuer(key)
  let release = (): void => {}
  const { answer } = issuer
  const held = new Promise<void>((resolve) => void (release = resolve))
  issuer.answer = (response) => void held.then(() => answer(response))
  await using server = await startInProcess({ jwt: { _tag: "Jwks", url: issuer.url } })
  const [lock, marker] = [await createLock(server.url), await createLock(server.url)]
  const begun = Date.now()
  const create = (expiresAt?: number) =>
    Effect.runPromise(server.apiKeys.create("*", expiresAt === undefined ? {} : { expiresAt }))
  const [revoked, ended, good] = [await create(), await create(begun + HOUR), await create()]
  const tokenUntil = async (end: number) => bearer(await key.sign({ exp: Math.floor(end / SECOND) }))
  const [long, short] = [await tokenUntil(begun + 4 * HOUR), await tokenUntil(begun + HOUR)]
  const body = '{"userId":"eve"}'
  const setOwner = ({ path }: TestLock, headers: Credentials) =>
    [
      `POST ${path}/SetOwner HTTP/1.1`,
      "Host: x",
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      `\r\n${body}`
    ].join("\r\n")
  const socket = await connectTo(server.url)
  const answers = readAll(socket)
  try {
    // On one connection they are begun in this order: once the last is carried out, the others wait for the issuer.
    socket.write(
      setOwner(lock, { ...apiKey(revoked.secret), ...long }) +
        setOwner(lock, { ...apiKey(ended.secret), ...long }) +
        setOwner(lock, { ...apiKey(good.secret), ...short }) +
        setOwner(lock, short) +
        setOwner(marker, { ...superKey, connection: "close" })
    )
    await vi.waitUntil(async () => (await marker.get("details")).body.version === 2 && issuer.asked > 0, {
      timeout: 60_000
    })
    await Effect.runPromise(server.apiKeys.revoke(revoked.keyId))
    vi.useFakeTimers({ toFake: ["Date"], now: begun + 2 * HOUR })
    release()
    expect((await answers).text.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(["401", "401", "401", "401", "200"])
    expect((await lock.get("details")).body.version).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})
