/** Signatures, against the signer of the AWS SDK. */
import { createHash, createHmac } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { SignatureV4 } from "@smithy/signature-v4"
import { Result } from "effect"
import fc from "fast-check"
import { type SignedRequest, verifySignature } from "../src/SigV4.ts"

/** What the signer hashes with. */
class Sha256 {
  readonly #hash
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", Buffer.from(bytes(secret)))
  }
  update(data: Uint8Array) {
    this.#hash.update(data)
  }
  async digest() {
    return new Uint8Array(this.#hash.digest())
  }
  reset() {}
}

const bytes = (data: string | ArrayBuffer | ArrayBufferView): Uint8Array =>
  typeof data === "string"
    ? Buffer.from(data)
    : ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data)

const KEY = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)

interface Unsigned {
  readonly method: string
  /** Encoded, as it is sent. */
  readonly path: string
  readonly query: { readonly [name: string]: string }
  readonly headers: { readonly [name: string]: string }
  readonly body: string
}

const REQUEST: Unsigned = {
  method: "POST",
  path: "/things/lock-1/shadow",
  query: { name: "$next" },
  headers: { "content-type": "application/json" },
  body: '{"state":{}}'
}

const encode = (text: string) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)

const sign = async (
  { method, path, query, headers, body }: Unsigned,
  { service = "iotdata", at = NOW, key = KEY }: { service?: string; at?: number; key?: typeof KEY } = {}
): Promise<SignedRequest> => {
  const signer = new SignatureV4({ service, region: "eu-west-1", credentials: key, sha256: Sha256 })
  const signed = await signer.sign(
    {
      method,
      path,
      query: { ...query },
      headers: { host: "localhost:8789", ...headers },
      body,
      protocol: "http:",
      hostname: "localhost"
    },
    { signingDate: new Date(at) }
  )
  const pairs = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`)
  return {
    method,
    target: pairs.length === 0 ? path : `${path}?${pairs.join("&")}`,
    headers: Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), [value]])),
    body: Buffer.from(body)
  }
}

const faultIn = (request: SignedRequest, now = NOW) => {
  const verified = verifySignature(request, [{ accessKeyId: "OTHER", secretAccessKey: "other" }, KEY], now)
  return Result.isFailure(verified) ? verified.failure : undefined
}

/** The signer itself loses a parameter of that name. */
const name = fc.string({ minLength: 1, unit: "grapheme" }).filter((name) => name !== "__proto__")

const unsigned: fc.Arbitrary<Unsigned> = fc.record({
  method: fc.constantFrom("GET", "POST", "DELETE"),
  path: fc
    .array(fc.string({ minLength: 1, unit: "grapheme" }), { minLength: 1 })
    .map((segments) => `/${segments.map(encode).join("/")}`)
    // Dot segments are not sent: clients resolve them first.
    .filter((path) => !/\/\.{1,2}(\/|$)/.test(path)),
  query: fc.dictionary(name, fc.string({ unit: "grapheme" }), {
    noNullPrototype: true
  }),
  headers: fc.dictionary(fc.stringMatching(/^x-[a-z]{1,10}$/), fc.stringMatching(/^[!-~ ]{0,30}$/), {
    noNullPrototype: true
  }),
  body: fc.string({ unit: "grapheme" })
})

describe("a signature", () => {
  it("of the AWS signer is good, whatever is signed", () =>
    fc.assert(
      fc.asyncProperty(unsigned, async (request) => {
        expect(faultIn(await sign(request))).toBeUndefined()
      })
    ))

  it("may be for either name of the service", async () => {
    expect(faultIn(await sign(REQUEST, { service: "iotdevicegateway" }))).toBeUndefined()
    expect(faultIn(await sign(REQUEST, { service: "s3" }))).toContain("another service")
  })

  const changes: ReadonlyArray<readonly [what: string, change: (request: SignedRequest) => SignedRequest]> = [
    ["method", (request) => ({ ...request, method: "DELETE" })],
    ["path", (request) => ({ ...request, target: request.target.replace("lock-1", "lock-2") })],
    ["query", (request) => ({ ...request, target: request.target.replace("next", "last") })],
    ["query, which is gone", (request) => ({ ...request, target: "/things/lock-1/shadow" })],
    ["body", (request) => ({ ...request, body: Buffer.from('{"state":{"desired":{}}}') })],
    ["host", (request) => ({ ...request, headers: { ...request.headers, host: ["other"] } })],
    ["time", (request) => ({ ...request, headers: { ...request.headers, "x-amz-date": ["20260102T030406Z"] } })],
    [
      "content-type, which is gone",
      (request) => ({ ...request, headers: { ...request.headers, "content-type": undefined } })
    ],
    [
      "content-type, which comes twice",
      (request) => ({ ...request, headers: { ...request.headers, "content-type": ["application/json", "x"] } })
    ]
  ]
  it.each(changes)("is for one %s alone", async (_, change) => {
    const request = await sign(REQUEST)
    expect(faultIn(request)).toBeUndefined()
    expect(faultIn(change(request))).toEqual(expect.any(String))
  })

  it("is good for five minutes, either way", async () => {
    const request = await sign(REQUEST)
    for (const minutes of [-5, 5]) expect(faultIn(request, NOW + minutes * 60_000)).toBeUndefined()
    for (const minutes of [-5.1, 5.1]) expect(faultIn(request, NOW + minutes * 60_000)).toContain("clock")
  })

  it("of another key or secret is none", async () => {
    expect(faultIn(await sign(REQUEST, { key: { ...KEY, secretAccessKey: "wrong" } }))).toContain("does not match")
    expect(faultIn(await sign(REQUEST, { key: { ...KEY, accessKeyId: "STRANGER" } }))).toContain("not known")
  })

  it("is no whim of the Authorization header", async () => {
    const { headers, ...request } = await sign(REQUEST)
    const [good = ""] = headers["authorization"] ?? []
    const headersOf: ReadonlyArray<string | undefined> = [
      undefined,
      "",
      "Bearer token",
      "AWS4-HMAC-SHA256",
      good.replace("aws4_request", "aws5_request"),
      good.replace(/Signature=.*/, "Signature="),
      good.replace(/Signature=./, "Signature="),
      good.replace("host;", ""),
      good.replace("20260102", "20260101"),
      good.replace("20260102", "")
    ]
    for (const authorization of headersOf) {
      const changed = { ...headers, authorization: authorization === undefined ? undefined : [authorization] }
      expect([authorization, faultIn({ ...request, headers: changed })]).toEqual([authorization, expect.any(String)])
    }
    expect(faultIn({ ...request, headers: { ...headers, authorization: [good, good] } })).toEqual(expect.any(String))
  })
})
