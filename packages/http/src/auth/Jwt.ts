/** Users' tokens: JSON Web Tokens (RFC 7519) of one issuer, for this audience, with an end and a subject. */
import { createHash, type KeyObject } from "node:crypto"
import { Context, Effect, Layer, Schema } from "effect"
import { type JWTPayload, errors as joseErrors, jwtVerify } from "jose"
import { algorithmsOf } from "./algorithmsOf.ts"
import { KeysUnavailable, type Verify, verifyWithIssuerKeys } from "./IssuerKeys.ts"

/** The token does not sign anyone in; `message` says why, and repeats nothing from the token. */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", { message: Schema.String }) {}

/** Whose tokens are good, and with which key they are checked. */
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
const algorithmsFor = (key: Exclude<JwtOptions["key"], { readonly _tag: "None" }>): ReadonlyArray<string> => {
  switch (key._tag) {
    case "Secret":
      return ["HS256"]
    case "PublicKey":
      return algorithmsOf(key.publicKey)
    case "Jwks":
      return ["RS256", "PS256", "ES256", "EdDSA"]
  }
}
/** Tokens that were found good are remembered for a minute, so that not every request pays for checking the signature. */
const REMEMBERED = 10_000
/** In milliseconds. A key that the issuer has withdrawn is good for as much longer: see `IssuerKeys.ts`. */
const REMEMBERED_FOR = 60_000
/** In seconds: how far the issuer's clock may be ahead of this one. The end of a token is exact. */
const LEEWAY = 60

/** Checks users' tokens. */
export class Jwt extends Context.Service<
  Jwt,
  {
    /** The subject of a token that is good when its issuer's keys are there. `now` tells epoch milliseconds. */
    readonly verify: (token: string, now: () => number) => Effect.Effect<string, TokenRefused | KeysUnavailable>
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
        const algorithms = [...algorithmsFor(key)]
        const verify = verifierOf(key)
        const remembered = new Map<
          string,
          { readonly subject: string; readonly from: number; readonly until: number }
        >()

        const check = (token: string, begun: number, now: () => number) =>
          Effect.tryPromise({
            try: async () => {
              const options = {
                algorithms,
                issuer,
                audience,
                requiredClaims: ["exp", "sub"],
                clockTolerance: LEEWAY,
                currentDate: new Date(begun)
              }
              const payload = await verify(token, options, begun)
              refuseOutOfTime(payload, now())
              return payload
            },
            catch: refusalOf
          })

        return {
          verify: Effect.fnUntraced(function* (token, now) {
            const digest = createHash("sha256").update(token).digest("base64url")
            const known = remembered.get(digest)
            const begun = now()
            if (known !== undefined && known.from <= begun && begun < known.until) return known.subject
            const payload = yield* check(token, begun, now)
            const subject = subjectOf(payload)
            if (subject === undefined)
              return yield* Effect.fail(new TokenRefused({ message: "The token has no subject." }))
            if (remembered.size >= REMEMBERED) remembered.clear()
            remembered.set(digest, {
              subject,
              from: begun,
              until: Math.min((payload.exp ?? 0) * 1000, begun + REMEMBERED_FOR)
            })
            return subject
          })
        }
      })
    )
}

const verifierOf = (key: Exclude<JwtOptions["key"], { readonly _tag: "None" }>): Verify => {
  switch (key._tag) {
    case "Secret":
      return async (token, options) => (await jwtVerify(token, key.secret, options)).payload
    case "PublicKey":
      return async (token, options) => (await jwtVerify(token, key.publicKey, options)).payload
    case "Jwks":
      return verifyWithIssuerKeys(key.url)
  }
}

/** What `jose` leaves open: it gives the end of a token the leeway of its beginning, and takes any `iat`. */
const refuseOutOfTime = (payload: JWTPayload, now: number): void => {
  const { exp = 0, iat = 0 } = payload
  if (exp * 1000 <= now) throw new joseErrors.JWTExpired("The token has expired", payload, "exp")
  if (iat * 1000 > now + LEEWAY * 1000) {
    throw new joseErrors.JWTClaimValidationFailed("The token was issued in the future", payload, "iat")
  }
}

const subjectOf = ({ sub }: JWTPayload): string | undefined =>
  typeof sub === "string" && sub.length > 0 && sub.isWellFormed() && !sub.includes("\0") ? sub : undefined

const refusalOf = (error: unknown): TokenRefused | KeysUnavailable => {
  if (error instanceof KeysUnavailable) return error
  if (error instanceof joseErrors.JWTExpired)
    return new TokenRefused({ message: "The token has expired. Sign in again." })
  if (error instanceof joseErrors.JWTClaimValidationFailed) {
    return new TokenRefused({ message: `The token's claim ${error.claim} is missing or not the one expected here.` })
  }
  if (error instanceof joseErrors.JOSEError) return new TokenRefused({ message: "The token is not valid here." })
  return new KeysUnavailable({ message: error instanceof Error ? error.message : String(error) })
}
