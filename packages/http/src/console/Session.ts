/**
 * How an operator's browser stays signed in: what they signed in with, sealed in a cookie that only the console gets. Nothing
 * is kept on the server, so any of several servers knows it; and since the credential itself is judged at every request, a
 * session ends with its key.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import type { PinKey } from "@latchkey/core"
import { Option, Schema } from "effect"
import { Cookies } from "effect/http"

const COOKIE = "__Secure-latchkey-console"
/** Milliseconds: a working day, and somewhat more. */
const LASTS = 12 * 3_600_000
const [IV, TAG, KEY] = [12, 16, 32]
/** Browsers keep cookies of 4,096 bytes; sealing makes a third more of it. */
const MOST_CREDENTIAL = 2_800

const Stored = Schema.Struct({
  /** What the tokens of forms are bound to. */
  id: Schema.String,
  /** Epoch milliseconds. */
  until: Schema.Int,
  /** An API key or a user's token; none before somebody signs in. */
  credential: Schema.optionalKey(Schema.Struct({ kind: Schema.Literals(["api-key", "token"]), secret: Schema.String }))
})
/** One visit of a browser, signed in or not. */
export type Session = typeof Stored.Type
export type Credential = NonNullable<Session["credential"]>

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Stored))

/** Makes sessions, reads them from cookies, and knows the tokens of their forms. */
export interface Sessions {
  readonly begin: (now: number, credential?: Credential) => Session
  /** The value of Set-Cookie. Never sent over plain HTTP, to scripts, to other paths, or when another site asks. */
  readonly cookie: (session: Session) => string
  /** The session of these headers; `undefined`: none, or an ended or foreign one. */
  readonly of: (headers: IncomingHttpHeaders, now: number) => Session | undefined
  /** What a form must hold: no other site knows it. */
  readonly formToken: (session: Session) => string
  readonly isFormOf: (session: Session, token: string | null) => boolean
}

/** What somebody typed to sign in: tokens have three parts. `undefined`: nothing that a cookie could hold. */
export const credentialIn = (text: string): Credential | undefined => {
  const secret = text.trim()
  if (secret === "" || Buffer.byteLength(secret) > MOST_CREDENTIAL || /[^\x21-\x7e]/.test(secret)) return undefined
  return { kind: secret.split(".").length === 3 ? "token" : "api-key", secret }
}

/** The headers with which the API is asked. */
export const headersOf = ({ kind, secret }: Credential): IncomingHttpHeaders =>
  kind === "api-key" ? { "x-api-key": secret } : { authorization: `Bearer ${secret}` }

/** A cookie that takes the session away. */
export const endedCookie = `${COOKIE}=; Path=/console; Max-Age=0; Secure; HttpOnly; SameSite=Strict`

/** @param pinKey the server's own key, of which others are derived under labels of their own */
export const makeSessions = (pinKey: PinKey): Sessions => {
  const root = Buffer.from(pinKey.digest("console sessions"), "hex")
  const keyFor = (use: string) => Buffer.from(hkdfSync("sha256", root, "", `latchkey console ${use}`, KEY))
  const [sealing, forms] = [keyFor("seal"), keyFor("forms")]

  const seal = (session: Session): string => {
    const iv = randomBytes(IV)
    const cipher = createCipheriv("aes-256-gcm", sealing, iv)
    const sealed = Buffer.concat([cipher.update(JSON.stringify(session)), cipher.final()])
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url")
  }

  const unseal = (text: string): string | undefined => {
    const bytes = Buffer.from(text, "base64url")
    if (bytes.length <= IV + TAG) return undefined
    try {
      const decipher = createDecipheriv("aes-256-gcm", sealing, bytes.subarray(0, IV), { authTagLength: TAG })
      decipher.setAuthTag(bytes.subarray(IV, IV + TAG))
      return decipher.update(bytes.subarray(IV + TAG), undefined, "utf8") + decipher.final("utf8")
    } catch {
      return undefined
    }
  }

  const formToken = ({ id }: Session) => createHmac("sha256", forms).update(id).digest("base64url")

  return {
    begin: (now, credential) => ({
      id: randomBytes(16).toString("base64url"),
      until: now + LASTS,
      ...(credential && { credential })
    }),
    cookie: (session) => `${COOKIE}=${seal(session)}; Path=/console; Secure; HttpOnly; SameSite=Strict`,
    of: ({ cookie }, now) => {
      const text = cookie === undefined ? undefined : Cookies.parseHeader(cookie)[COOKIE]
      const session = text === undefined ? undefined : Option.getOrUndefined(decode(unseal(text)))
      return session !== undefined && now < session.until ? session : undefined
    },
    formToken,
    isFormOf: (session, token) => {
      const [expected, given] = [Buffer.from(formToken(session)), Buffer.from(token ?? "")]
      return expected.length === given.length && timingSafeEqual(expected, given)
    }
  }
}
