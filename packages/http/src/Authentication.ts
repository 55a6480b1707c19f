/** From the headers of a request to the principal: an API key decides, a user's token beside it is recorded. */
import type { IncomingHttpHeaders } from "node:http"
import type { Principal } from "@latchkey/core"
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { ApiKeys } from "./ApiKeys.ts"
import { Jwt, type KeysUnavailable, type TokenRefused } from "./Jwt.ts"

/** Nobody is signed in; `message` says what to send. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  message: Schema.String
}) {}

export type SignInError = Unauthenticated | TokenRefused | KeysUnavailable

export class Authenticator extends Context.Service<
  Authenticator,
  {
    readonly authenticate: (headers: IncomingHttpHeaders) => Effect.Effect<Principal, SignInError>
  }
>()("@latchkey/http/Authenticator") {
  static readonly layer = Layer.effect(
    Authenticator,
    Effect.gen(function* () {
      const apiKeys = yield* ApiKeys
      const jwt = yield* Jwt

      return {
        authenticate: Effect.fnUntraced(function* (headers) {
          const now = yield* Clock.currentTimeMillis
          const apiKey = headers["x-api-key"]
          const authorization = headers.authorization
          if (apiKey === undefined && authorization === undefined) {
            return yield* Effect.fail(
              new Unauthenticated({
                message: "Send an API key as X-API-Key, or a user's token as Authorization: Bearer."
              })
            )
          }
          let organization = typeof apiKey === "string" ? apiKeys.principalOf(apiKey, now) : undefined
          if (typeof apiKey === "string" && organization === undefined) {
            // It may have been made a moment ago, in another process. A store that is down says no to nobody it knows.
            yield* Effect.ignore(apiKeys.catchUp())
            organization = apiKeys.principalOf(apiKey, now)
          }
          if (apiKey !== undefined && organization === undefined) {
            return yield* Effect.fail(new Unauthenticated({ message: "The API key is unknown, expired or revoked." }))
          }
          if (authorization === undefined && organization !== undefined) return organization
          const token = bearerOf(headers)
          if (token === undefined) {
            return yield* Effect.fail(
              new Unauthenticated({ message: "The Authorization header is not of the form: Bearer <token>." })
            )
          }
          const userId = yield* jwt.verify(token, now)
          return organization === undefined ? { _tag: "User", userId } : { ...organization, userId }
        })
      }
    })
  )
}

/** The user's token among the headers, if there is one. */
export const bearerOf = ({ authorization = "" }: IncomingHttpHeaders): string | undefined =>
  bearer.exec(authorization)?.[1]

/** RFC 6750, section 2.1. */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i
