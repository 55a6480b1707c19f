/** The typed client of the API, from the same declaration as the server; runs in browsers too. */
import { Effect, identity } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./api/Api.ts"

export { Api } from "./api/Api.ts"
export type { Detail, Problem } from "./api/Problem.ts"

/** How the client signs in: an organization's API key, a user's token, or both. */
export interface Credentials {
  readonly apiKey?: string
  readonly token?: string
}

/**
 * A client of the Latchkey at `baseUrl`: `client.locks["use-temp-key"]({ params, headers, payload })` and so on, each an
 * Effect of the declared answer. Declared errors arrive as `Problem`s in its error channel, beside failures of the
 * connection. Requests go through the global `fetch`.
 */
export const makeClient = ({ baseUrl, apiKey, token }: Credentials & { readonly baseUrl: string | URL }) =>
  HttpApiClient.make(Api, {
    baseUrl,
    transformClient: HttpClient.mapRequest((request) =>
      request.pipe(
        apiKey === undefined ? identity : HttpClientRequest.setHeader("x-api-key", apiKey),
        token === undefined ? identity : HttpClientRequest.bearerToken(token)
      )
    )
  }).pipe(Effect.provide(FetchHttpClient.layer))
