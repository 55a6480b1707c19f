/** Users' tokens: JSON Web Tokens (RFC 7519) of one issuer, for this audience, with an end and a subject. */
import { createHash, type KeyObject } from "node:crypto"
import { Context, Effect, Layer, Schema } from "effect"
import { createRemoteJWKSet, type JWTPayload, type JWTVerifyGetKey, errors as joseErrors, jwtVerify } from "jose"

/** The token does not sign anybody in; `message` says why, and names nothing of the token. */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", { message: Schema.String }) {}

/** The keys that sign tokens cannot be fetched. */
export class KeysUnavailable extends Schema.TaggedError<KeysUnavailable>()("KeysUnavailable", {
  message: Schema.String
}) {}

export interface JwtOptions {
  /** A shared secret of at least 32 bytes, a public key (RSA, P-256 or Ed25519), or the URL of a JWKS. */
  readonly key:
    | { readonly _tag: "Secret"; readonly secret: Uint8Array }
    | { readonly _tag: "PublicKey"; readonly publicKey: KeyObject }
    | { readonly _tag: "Jwks"; readonly url: URL }
    | { readonly _tag: "None" }
  readonly issuer: string
  readonly audience: string
}

/** A token chooses its algorithm only among these, which fit the kind of key: never `none`, never HMAC with a public key. */
const ALGORITHMS = {
  Secret: ["HS256"],
  PublicKey: ["RS256", "PS256", "ES256", "EdDSA"],
  Jwks: ["RS256", "PS256", "ES256", "EdDSA"]
}
/** Tokens that were found good are remembered for a minute, so that not every request pays for checking the signature. */
const REMEMBERED = 10_000
/** In milliseconds; a key that the issuer has withdrawn signs nobody in for longer. */
const REMEMBERED_FOR = 60_000

export class Jwt extends Context.Service<
  Jwt,
  {
    /** The subject of a good token. `now` is epoch milliseconds. */
    readonly verify: (token: string, now: number) => Effect.Effect<string, TokenRefused | KeysUnavailable>
  }
>()("@latchkey/http/Jwt") {
  static readonly layer = ({ key, issuer, audience }: JwtOptions) =>
    Layer.effect(
      Jwt,
      Effect.gen(function* () {
        if (key._tag === "None") {
          return {
            verify: () =>
              Effect.fail(new TokenRefused({ message: "Users cannot sign in here: no token issuer is configured." }))
          }
        }
        const algorithms = ALGORITHMS[key._tag]
        const keyFor = keySource(key)
        const remembered = new Map<
          string,
          { readonly subject: string; readonly from: number; readonly until: number }
        >()

        const check = (token: string, now: number) =>
          Effect.tryPromise({
            try: async () => {
              const options = {
                algorithms,
                issuer,
                audience,
                requiredClaims: ["exp", "sub"],
                currentDate: new Date(now)
              }
              return (await jwtVerify(token, keyFor, options)).payload
            },
            catch: refusalOf
          })

        return {
          verify: Effect.fnUntraced(function* (token, now) {
            const digest = createHash("sha256").update(token).digest("base64url")
            const known = remembered.get(digest)
            if (known !== undefined && known.from <= now && now < known.until) return known.subject
            const payload = yield* check(token, now)
            const subject = subjectOf(payload)
            if (subject === undefined)
              return yield* Effect.fail(new TokenRefused({ message: "The token names no subject." }))
            if (remembered.size >= REMEMBERED) remembered.clear()
            remembered.set(digest, {
              subject,
              from: now,
              until: Math.min((payload.exp ?? 0) * 1000, now + REMEMBERED_FOR)
            })
            return subject
          })
        }
      })
    )
}

const keySource = (key: Exclude<JwtOptions["key"], { readonly _tag: "None" }>): JWTVerifyGetKey => {
  switch (key._tag) {
    case "Secret":
      return async () => key.secret
    case "PublicKey":
      return async () => key.publicKey
    case "Jwks":
      return createRemoteJWKSet(key.url)
  }
}

const subjectOf = ({ sub }: JWTPayload): string | undefined =>
  typeof sub === "string" && sub.length > 0 && sub.isWellFormed() && !sub.includes("\0") ? sub : undefined

const refusalOf = (error: unknown): TokenRefused | KeysUnavailable => {
  if (error instanceof joseErrors.JWTExpired)
    return new TokenRefused({ message: "The token has expired. Sign in again." })
  if (error instanceof joseErrors.JWTClaimValidationFailed) {
    return new TokenRefused({ message: `The token's claim ${error.claim} is missing or not the one expected here.` })
  }
  if (error instanceof joseErrors.JWKSTimeout || !(error instanceof joseErrors.JOSEError)) {
    return new KeysUnavailable({ message: error instanceof Error ? error.message : String(error) })
  }
  return new TokenRefused({ message: "The token is not valid here." })
}
