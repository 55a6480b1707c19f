/** Typed clients of the API, from the same declaration as the server; they run in browsers too. */
import { Effect, identity } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./api/Api.ts"
import type { Credentials } from "./client/createClient.ts"

export { Api } from "./api/Api.ts"
export type { ErrorStatus, ErrorWord } from "./api/errorWords.ts"
export type { Detail, Problem } from "./api/Problem.ts"
export {
  type CallOptions,
  type Client,
  type ClientOptions,
  type Credentials,
  createClient,
  type Pages,
  type PartnerEvent
} from "./client/createClient.ts"
export { LatchkeyError, NoAnswer, UnexpectedAnswer } from "./client/errors.ts"

/**
 * A client of the Latchkey at `baseUrl`, for programs with Effect: `client.locks["use-temp-key"]({ params, headers, payload })`
 * and so on, each an Effect of the declared answer. Declared errors arrive as `Problem`s in its error channel, beside failures
 * of the connection. Requests go through the global `fetch`, once.
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
