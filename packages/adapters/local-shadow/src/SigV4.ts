/**
 * AWS Signature Version 4, the verifying side: whether a request was signed with one of the keys, as AWS documents it
 * ("Create a signed AWS API request"). Signatures in the query are not taken: clients of the data plane sign the header.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import { Result } from "effect"

/** What clients sign with; the secret never travels. */
export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** A request as it arrived: everything that a signature covers. */
export interface SignedRequest {
  readonly method: string
  /** Path and query, still encoded. */
  readonly target: string
  /** Names in lower case, with every value that came under the name. */
  readonly headers: { readonly [name: string]: ReadonlyArray<string> | undefined }
  readonly body: Uint8Array
}

const ALGORITHM = "AWS4-HMAC-SHA256"
const AUTHORIZATION = new RegExp(
  `^${ALGORITHM} +Credential=([^/, ]+)/(\\d{8})/([^/, ]+)/([^/, ]+)/aws4_request, *` +
    "SignedHeaders=([a-z0-9;_-]+), *Signature=([0-9a-f]{64})$"
)
/** The names under which the data plane is signed for: the SDKs' own, and the one that its REST documentation gives. */
const SERVICES: ReadonlyArray<string> = ["iotdata", "iotdevicegateway"]
/** How far the clocks of a client and this machine may be apart, in milliseconds. */
const MAX_SKEW = 5 * 60_000

/** Fails with what is wrong, for the client to read. `now` is in epoch milliseconds. */
export const verifySignature = (
  request: SignedRequest,
  keys: ReadonlyArray<AccessKey>,
  now: number
): Result.Result<void, string> => {
  const authorization = single(request, "authorization")
  if (authorization === undefined) return Result.fail("the request is not signed. Sign it with Signature Version 4.")
  const [, keyId = "", date = "", region = "", service = "", signed = "", signature = ""] =
    AUTHORIZATION.exec(authorization) ?? []
  if (signature === "") return Result.fail(`the Authorization header is not one of ${ALGORITHM}.`)
  const key = keys.find(({ accessKeyId }) => accessKeyId === keyId)
  if (key === undefined) return Result.fail("the access key is not known here.")
  if (!SERVICES.includes(service)) return Result.fail(`the request is signed for another service than ${SERVICES[0]}.`)
  const signedAt = single(request, "x-amz-date") ?? ""
  if (!(Math.abs(now - instantOf(signedAt)) <= MAX_SKEW)) {
    return Result.fail("X-Amz-Date is more than 5 minutes from the time of this server. Set the clock.")
  }
  const names = signed.split(";")
  if (!signedAt.startsWith(date) || !names.includes("host")) {
    return Result.fail("Credential must have the day of X-Amz-Date, and SignedHeaders must name host.")
  }
  const canonical = canonicalRequest(request, names)
  if (canonical === undefined) return Result.fail("a header that is signed is missing, or the query is malformed.")
  const scope = [date, region, service, "aws4_request"]
  const toSign = [ALGORITHM, signedAt, scope.join("/"), sha256(canonical)].join("\n")
  const signingKey = scope.reduce(hmac, Buffer.from(`AWS4${key.secretAccessKey}`))
  return timingSafeEqual(hmac(signingKey, toSign), Buffer.from(signature, "hex"))
    ? Result.void
    : Result.fail("the signature does not match. Check the secret key and what signs the request.")
}

const canonicalRequest = (
  { method, target, headers, body }: SignedRequest,
  names: ReadonlyArray<string>
): string | undefined => {
  const [path = "", ...query] = target.split("?")
  const canonicalQuery = canonicalQueryOf(query.join("?"))
  const lines = names.map((name) => {
    const values = headers[name]?.map((value) => value.trim().replace(/ +/g, " "))
    return values && `${name}:${values.join(",")}\n`
  })
  if (canonicalQuery === undefined || lines.includes(undefined)) return undefined
  // The path is encoded once more than it was sent, as everywhere but with S3.
  const canonicalPath = path.split("/").map(encode).join("/")
  return [method, canonicalPath, canonicalQuery, lines.join(""), names.join(";"), sha256(body)].join("\n")
}

const canonicalQueryOf = (query: string): string | undefined => {
  if (query === "") return ""
  try {
    return query
      .split("&")
      .map((pair) => {
        const [name = "", ...value] = pair.split("=")
        return [encode(decodeURIComponent(name)), encode(decodeURIComponent(value.join("=")))] as const
      })
      .sort(([a, x], [b, y]) => (a === b ? compare(x, y) : compare(a, b)))
      .map((pair) => pair.join("="))
      .join("&")
  } catch {
    return undefined
  }
}

/** By bytes: what is compared is encoded. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Of the characters that RFC 3986 reserves, `encodeURIComponent` leaves these. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

/** `20260102T030405Z` as epoch milliseconds; NaN for anything else. */
const instantOf = (text: string): number =>
  Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"))

const single = ({ headers }: SignedRequest, name: string): string | undefined => {
  const values = headers[name]
  return values?.length === 1 ? values[0] : undefined
}

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex")

const hmac = (key: Uint8Array, text: string): Buffer => createHmac("sha256", key).update(text).digest()
