/**
 * How the console reaches Latchkey: as every other client does, through the API's own dispatcher, with the credential of the
 * one who is signed in. There is no second way in, and what a page has asked it can show.
 */
import type { IncomingHttpHeaders } from "node:http"
import { Effect } from "effect"
import type { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import type { Api } from "../api/Api.ts"
import { makeProblem, type Problem } from "../api/Problem.ts"
import type { Answer } from "../server/Answer.ts"
import type { Dispatcher } from "../server/Dispatcher.ts"
import { Refused } from "../server/Errors.ts"
import { type Credential, headersOf } from "./Session.ts"

/** A request to the API, as a page shows it. */
export interface ApiCall {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  /** With its query. */
  readonly path: string
  /** Sent as JSON. */
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
}

type Groups = typeof Api extends HttpApi.HttpApi<infer _Id, infer Groups> ? Groups : never
type Endpoints = { [Group in Groups as HttpApiGroup.Identifier<Group>]: HttpApiGroup.Endpoints<Group> }
/** What an endpoint of the API answers, by the names of its group and its own: in JSON it is the same. */
export type Told<Group extends keyof Endpoints, Name extends Endpoints[Group]["identifier"]> = HttpApiEndpoint.Success<
  Extract<Endpoints[Group], { readonly identifier: Name }>
>["Type"]

/** The API on behalf of one request to the console. */
export interface ApiCalls {
  /** The body of a success, which is what the endpoint declares; a refusal fails with the API's own words. */
  readonly ask: <Body>(call: ApiCall) => Effect.Effect<Body, Refused>
  /** The answer as it is. */
  readonly answer: (call: ApiCall) => Effect.Effect<Answer>
  /** What was asked so far, in order. */
  readonly asked: ReadonlyArray<ApiCall>
}

export const apiCalls = (dispatcher: Dispatcher, credential: Credential, address: () => string): ApiCalls => {
  const asked: Array<ApiCall> = []
  const answer = (call: ApiCall) =>
    Effect.suspend(() => {
      asked.push(call)
      const { method, path, body, headers } = call
      const sent: IncomingHttpHeaders = {
        ...headersOf(credential),
        accept: "application/json",
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers
      }
      const found = dispatcher.find({ method, url: path, headers: sent, address })
      return "refused" in found
        ? Effect.succeed(found.refused)
        : found.answer(Buffer.from(body === undefined ? "" : JSON.stringify(body)))
    })
  return {
    asked,
    answer,
    ask: (call) =>
      Effect.flatMap(answer(call), ({ status, body }) => {
        const told = JSON.parse(String(body) || "null")
        return status < 400
          ? Effect.succeed(told)
          : Effect.fail(new Refused({ problem: isProblem(told) ? told : unreadable }))
      })
  }
}

const isProblem = (told: unknown): told is Problem => typeof told === "object" && told !== null && "message" in told
const unreadable = makeProblem(500, "Internal error", "The API gave no readable answer.")

/** The answer to a question that a page can do without: `undefined` where the caller may not ask it. */
export const ifAllowed = <A>(asked: Effect.Effect<A, Refused>): Effect.Effect<A | undefined, Refused> =>
  Effect.catch(asked, (refused) =>
    refused.problem.code === 403 || refused.problem.code === 404 ? Effect.succeed(undefined) : Effect.fail(refused)
  )

/** The call as a command for a terminal, where `KEY` holds the API key, or `TOKEN` the user's token. */
export const curlOf = ({ method, path, body, headers = {} }: ApiCall, credential: Credential, url: string): string =>
  [
    "curl",
    ...(method === "GET" ? [] : [`-X ${method}`]),
    credential.kind === "api-key" ? '-H "X-API-Key: $KEY"' : '-H "Authorization: Bearer $TOKEN"',
    ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`]),
    quoted(url + path)
  ].join(" ")

/** As a shell takes it literally. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** A path with its query: what is not given is left out. */
export const pathWith = (path: string, query: Readonly<Record<string, string | number | undefined | null>>): string => {
  const given = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") given.set(name, String(value))
  }
  return given.size === 0 ? path : `${path}?${given}`
}
