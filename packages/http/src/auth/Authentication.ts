/**
 * From the headers of a request to the principal: an API key decides, a user's token beside it is recorded. The token comes
 * first, since its issuer may have to be asked; the key, which can be revoked meanwhile, is looked at last.
 */
import type { IncomingHttpHeaders } from "node:http"
import { ApiKeys, type Principal, type StoreUnavailable } from "@latchkey/core"
import { Clock, Context, Effect, Layer, Schema } from "effect"
import type { KeysUnavailable } from "./IssuerKeys.ts"
import { Jwt, type TokenRefused } from "./Jwt.ts"

/** Nobody is signed in; `message` says what to send. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  message: Schema.String
}) {}

/** Why nobody is signed in. `KeysUnavailable` and `StoreUnavailable` mean that it cannot be told who asks. */
export type SignInError = Unauthenticated | TokenRefused | KeysUnavailable | StoreUnavailable

/** Finds out from a request's headers who asks. */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** Who sent these headers, as things are when that is known. */
    readonly authenticate: (headers: IncomingHttpHeaders) => Effect.Effect<Principal, SignInError>
  }
>()("@latchkey/http/Authenticator") {
  static readonly layer = Layer.effect(
    Authenticator,
    Effect.gen(function* () {
      const apiKeys = yield* ApiKeys
      const jwt = yield* Jwt
      const clock = yield* Clock.Clock
      const now = () => clock.currentTimeMillisUnsafe()

      const organizationOf = (secret: string) => {
        const known = apiKeys.known(secret, now())
        if (known !== undefined) return Effect.succeed(known)
        return Effect.flatMap(apiKeys.principalOf(secret, now()), (found) =>
          found === undefined ? unauthenticated("The API key is unknown, expired or revoked.") : Effect.succeed(found)
        )
      }

      const userOf = (headers: IncomingHttpHeaders): Effect.Effect<string, SignInError> => {
        const token = bearerOf(headers)
        return token === undefined
          ? unauthenticated("The Authorization header must have the form: Bearer <token>.")
          : jwt.verify(token, now)
      }

      return {
        authenticate: (headers) =>
          Effect.suspend(() => {
            const { "x-api-key": apiKey, authorization } = headers
            if (apiKey === undefined && authorization === undefined) {
              return unauthenticated("Send an API key as X-API-Key, or a user's token as Authorization: Bearer.")
            }
            if (apiKey === undefined) return Effect.map(userOf(headers), (userId) => ({ _tag: "User", userId }))
            if (authorization === undefined) return organizationOf(String(apiKey))
            return Effect.flatMap(userOf(headers), (userId) =>
              Effect.map(organizationOf(String(apiKey)), (organization) => ({ ...organization, userId }))
            )
          })
      }
    })
  )
}

const unauthenticated = (message: string) => Effect.fail(new Unauthenticated({ message }))

/** The user's token among the headers, if there is one. */
export const bearerOf = ({ authorization = "" }: IncomingHttpHeaders): string | undefined =>
  bearer.exec(authorization)?.[1]

/** RFC 6750, section 2.1. */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i
