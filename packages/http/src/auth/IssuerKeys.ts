/**
 * The keys of the tokens' issuer, by URL (RFC 7517). They are fetched anew every five minutes, and when a token was signed
 * with one that is not among them. While the issuer cannot be asked, the last good ones serve for an hour.
 */
import { createPublicKey, type JsonWebKey } from "node:crypto"
import { Schema } from "effect"
import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  type FetchImplementation,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  errors as joseErrors,
  jwtVerify
} from "jose"
import { algorithmsOf } from "./algorithmsOf.ts"

/** The token cannot be checked: the keys that sign tokens are unavailable. */
export class KeysUnavailable extends Schema.TaggedError<KeysUnavailable>()("KeysUnavailable", {
  message: Schema.String
}) {}

/** The claims of a good token. Fails with an error of `jose`, or with KeysUnavailable. `now` is epoch milliseconds. */
export type Verify = (token: string, options: JWTVerifyOptions, now: number) => Promise<JWTPayload>

/** In milliseconds, as all times here: until keys are fetched again, and so how long a withdrawn one is still good. */
const FRESH_FOR = 5 * 60_000
/** For how long the last good keys serve while the issuer gives no others. */
const SERVE_FOR = 60 * 60_000
/** After a failure, keys that serve are used without waiting for the issuer for so long. */
const PAUSE = 30_000
const TIMEOUT = 5_000
/** In bytes, decompressed. */
const LARGEST = 1024 * 1024
/** How often the issuer is asked, whatever tokens come: at once, and then again every so often. */
const BURST = 5
const ASK_EVERY = 5_000

export const verifyWithIssuerKeys = (url: URL): Verify => {
  // When to ask is decided here: of jose's own rules, one would let any token ask, and another would ask too late.
  const keys = createRemoteJWKSet(url, {
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
    timeoutDuration: TIMEOUT,
    [customFetch]: fetchKeys
  })
  const mayAsk = bucket()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  let pending: Promise<void> | undefined

  const ask = async (now: number): Promise<void> => {
    if (pending !== undefined) return pending
    if (!mayAsk(now)) throw new KeysUnavailable({ message: `${url.href} was asked too often just now` })
    pending = keys
      .reload()
      .then(
        () => void (fetchedAt = now),
        (error) => {
          failedAt = now
          throw new KeysUnavailable({ message: `${url.href}: ${reasonOf(error)}` })
        }
      )
      .finally(() => void (pending = undefined))
    return pending
  }

  /** Keys to judge by, as new as they have to be. */
  const current = async (now: number): Promise<void> => {
    const age = Math.abs(now - fetchedAt)
    const serve = age < SERVE_FOR
    if (age < FRESH_FOR || (serve && Math.abs(now - failedAt) < PAUSE)) return
    try {
      await ask(now)
    } catch (error) {
      if (!serve) throw error
    }
  }

  const keyAt =
    (now: number): JWTVerifyGetKey =>
    async (...header) => {
      // One that cannot be used may have been mended meanwhile.
      const find = () =>
        keys(...header).catch((error) => {
          if (error instanceof joseErrors.JWKSMultipleMatchingKeys) throw error
          return undefined
        })
      await current(now)
      const known = await find()
      if (known !== undefined) return known
      // What is under way may have begun before the key was there.
      await pending?.catch(() => {})
      const arrived = await find()
      if (arrived !== undefined) return arrived
      await ask(now)
      return keys(...header).catch((error) => {
        if (error instanceof joseErrors.JWKSNoMatchingKey) throw error
        if (error instanceof joseErrors.JWKSMultipleMatchingKeys) throw error
        throw new KeysUnavailable({ message: `${url.href}: a key cannot be used: ${reasonOf(error)}` })
      })
    }

  return async (token, options, now) => {
    try {
      return await verifyWithAny(token, keyAt(now), options)
    } catch (error) {
      // A token that names no key may have been signed with one that is not here yet.
      const isUnnamed = decodeProtectedHeaderOf(token)?.kid === undefined
      if (!(error instanceof joseErrors.JWSSignatureVerificationFailed) || !isUnnamed) throw error
      await ask(now)
      return verifyWithAny(token, keyAt(now), options)
    }
  }
}

/** Where the token does not tell which of several keys signed it, one of them must have. */
const verifyWithAny = async (token: string, key: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTPayload> => {
  try {
    return (await jwtVerify(token, key, options)).payload
  } catch (several) {
    if (!(several instanceof joseErrors.JWKSMultipleMatchingKeys)) throw several
    for await (const one of several) {
      try {
        return (await jwtVerify(token, one, options)).payload
      } catch (error) {
        if (!(error instanceof joseErrors.JWSSignatureVerificationFailed)) throw error
      }
    }
    throw new joseErrors.JWSSignatureVerificationFailed()
  }
}

const decodeProtectedHeaderOf = (token: string) => {
  try {
    return decodeProtectedHeader(token)
  } catch {
    return undefined
  }
}

/** Redirects are no answer (`jose` follows none), nor is a set without a key for tokens: it would sign everybody out. */
const fetchKeys: FetchImplementation = async (url, options) => {
  const response = await fetch(url, options)
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`it answered ${response.status}`)
  }
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > LARGEST) throw new Error("it answered more than 1 MB")
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString("utf8")
  const { keys } = JSON.parse(text)
  if (!Array.isArray(keys) || !keys.some(signsTokens)) throw new Error("it answered no keys that sign tokens")
  return new Response(text)
}

const signsTokens = (key: JsonWebKey): boolean => {
  try {
    return algorithmsOf(createPublicKey({ key, format: "jwk" })).length > 0
  } catch {
    return false
  }
}

/** `BURST` at once, then one every `ASK_EVERY`. */
const bucket = () => {
  let left = BURST
  let last = 0
  return (now: number): boolean => {
    left = Math.min(BURST, left + Math.max(0, now - last) / ASK_EVERY)
    last = now
    if (left < 1) return false
    left -= 1
    return true
  }
}

/** Of a failed `fetch` the cause says more. */
const reasonOf = (error: unknown): string => {
  const reason = error instanceof TypeError && error.cause instanceof Error ? error.cause : error
  return reason instanceof Error ? reason.message : String(reason)
}
