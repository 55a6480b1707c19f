/** Who calls in tests: organizations by API key, users by token, and tokens that are no good. */
import { createHmac } from "node:crypto"

export const ISSUER = "latchkey"
export const AUDIENCE = "latchkey"
export const JWT_SECRET = "a-secret-of-at-least-32-bytes-for-tests"

export const PIN_KEY = "a-key-for-pins-of-at-least-32-bytes-for-tests"

export const ORG = "org-1"
export const OTHER_ORG = "org-2"

/** Keys that the operator configured. */
export const API_KEYS = [
  { orgId: ORG, secret: "key-of-org-1-which-has-32-bytes-or-more" },
  { orgId: OTHER_ORG, secret: "key-of-org-2-which-has-32-bytes-or-more" },
  { orgId: "*", secret: "super-key-which-has-32-bytes-or-more" }
]

export const OWNER = "0a000000-0000-4000-8000-000000000001"
export const HOLDER = "0b000000-0000-4000-8000-000000000002"
export const STRANGER = "0c000000-0000-4000-8000-000000000003"

export type Credentials = Readonly<Record<string, string>>

const nowSeconds = () => Math.floor(Date.now() / 1000)

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A token with these claims beside good ones (`undefined` takes one away), signed with HMAC and this secret. */
export const token = (
  claims: Readonly<Record<string, unknown>>,
  secret: string | Buffer = JWT_SECRET,
  header: Readonly<Record<string, unknown>> = { alg: "HS256", typ: "JWT" }
): string => {
  const good = { iss: ISSUER, aud: AUDIENCE, iat: nowSeconds(), exp: nowSeconds() + 3600 }
  const signed = `${encode(header)}.${encode({ ...good, ...claims })}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

export const unsignedToken = (claims: Readonly<Record<string, unknown>>): string =>
  `${token(claims, JWT_SECRET, { alg: "none" }).split(".").slice(0, 2).join(".")}.`

export const bearer = (text: string): Credentials => ({ authorization: `Bearer ${text}` })

export const user = (userId: string, claims: Readonly<Record<string, unknown>> = {}): Credentials =>
  bearer(token({ sub: userId, ...claims }))

export const apiKey = (secret: string): Credentials => ({ "x-api-key": secret })

export const nobody: Credentials = {}
export const organization = apiKey("key-of-org-1-which-has-32-bytes-or-more")
export const otherOrganization = apiKey("key-of-org-2-which-has-32-bytes-or-more")
export const superKey = apiKey("super-key-which-has-32-bytes-or-more")
export const owner = user(OWNER)
export const holder = user(HOLDER)
export const stranger = user(STRANGER)
