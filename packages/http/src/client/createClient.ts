/** The client of the API for programs without Effect: a method for each operation, typed by the declaration. */
import type { LiveType, SHADOW_UPDATE, ShadowEnvelope } from "@latchkey/core"
import { Cause, Effect, Exit, type Schema, SchemaAST, Stream } from "effect"
import { Sse } from "effect/encoding"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiClient, type HttpApiEndpoint, type HttpApiGroup } from "effect/http-api"
import { Api } from "../api/Api.ts"
import { operations } from "../api/operations.ts"
import { type Failure, LatchkeyError, NoAnswer, UnexpectedAnswer } from "./errors.ts"
import { isPassing, pauseBefore, persistent } from "./persistent.ts"

/** How the client signs in: an organization's API key, a user's token, or both. */
export interface Credentials {
  readonly apiKey?: string
  readonly token?: string
}

/** Where the server is, who asks, and how persistently. */
export interface ClientOptions extends Credentials {
  /** Where the server is, such as `https://keys.example.org`. */
  readonly baseUrl: string | URL
  /** How often what passes (no answer, 429, 503) is asked again, within ten seconds in all; four times unless given. */
  readonly retries?: number
}

/** What is said of one call. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. What the server has begun it carries out. */
  readonly signal?: AbortSignal
}

/** A page after the other. */
export type Pages<Page> = AsyncIterableIterator<Page, undefined>

type Groups = typeof Api extends HttpApi.HttpApi<infer _Id, infer Groups> ? Groups : never
type Declared = {
  readonly [Group in Groups as HttpApiGroup.Identifier<Group>]: {
    readonly [Endpoint in HttpApiGroup.Endpoints<Group> as Endpoint["identifier"]]: Endpoint
  }
}
type Operations = typeof operations
type EndpointOf<Name> = Name extends `${infer Group}.${infer Endpoint}`
  ? Group extends keyof Declared
    ? Endpoint extends keyof Declared[Group]
      ? Extract<Declared[Group][Endpoint], HttpApiEndpoint.ConstraintRequest>
      : never
    : never
  : never

type Nothing = Record<never, never>
/** A part that may be left out when all in it may. */
type Part<Name extends string, Type> = [Type] extends [never]
  ? unknown
  : Nothing extends Type
    ? { readonly [_ in Name]?: Type }
    : { readonly [_ in Name]: Type }

/** What an operation is asked with: what its path, query, headers and body say. */
type RequestOf<Endpoint extends HttpApiEndpoint.ConstraintRequest> = Part<"params", Endpoint["~Params"]["Type"]> &
  Part<"query", Endpoint["~Query"]["Type"]> &
  Part<"headers", Endpoint["~Headers"]["Type"]> &
  Part<"payload", Endpoint["~Payload"]["Type"]>

/** JSON, where a browser would be shown a page or sent to one. */
type AnswerOf<Endpoint extends HttpApiEndpoint.ConstraintRequest> = JsonOf<
  HttpApiClient.SuccessType<Endpoint["~Success"]>
>
type JsonOf<Success> = [Extract<Success, object>] extends [never] ? Success : Extract<Success, object>

type Asked<Request> = Nothing extends Request
  ? [request?: Request, options?: CallOptions]
  : [request: Request, options?: CallOptions]

type Method<Endpoint extends HttpApiEndpoint.ConstraintRequest> = ((
  ...asked: Asked<RequestOf<Endpoint>>
) => Promise<AnswerOf<Endpoint>>) &
  (AnswerOf<Endpoint> extends { readonly nextCursor: unknown } | { readonly nextBefore: unknown }
    ? { readonly pages: (...asked: Asked<RequestOf<Endpoint>>) => Pages<AnswerOf<Endpoint>> }
    : unknown)

/** Pages for browsers, and what leads there: `fetch` would take a page that it was sent to for the answer. */
const FOR_BROWSERS = [
  "guests.page",
  "guests.calendar",
  "guests.sign-in",
  "guests.back-from-open",
  "guests.back-from-door",
  "guests.back-from-sign-in"
] as const
type Called = Exclude<keyof Operations, (typeof FOR_BROWSERS)[number] | "events.stream">

type EventsEndpoint = EndpointOf<"events.stream">
type FollowQuery = EventsEndpoint["~Query"]["Type"]
type LoggedType = Exclude<typeof LiveType.Type, typeof SHADOW_UPDATE>

/** An event of an organization, as `GET /events` tells it. */
export type PartnerEvent = AnswerOf<EndpointOf<"events.events">>["events"][number]

/** Follows events for as long as somebody reads. Updates of shadows come only to those who name them among the types. */
interface Follow {
  (
    request?: { readonly query?: Omit<FollowQuery, "types"> & { readonly types?: ReadonlyArray<LoggedType> } },
    options?: CallOptions
  ): AsyncIterableIterator<PartnerEvent, undefined>
  (
    request: { readonly query: FollowQuery },
    options?: CallOptions
  ): AsyncIterableIterator<PartnerEvent | ShadowEnvelope, undefined>
}

/** A method for each operation of the API, by the id that `/openapi.json` gives it. */
export type Client = {
  readonly [Name in Called as Operations[Name][0]]: Method<EndpointOf<Name>>
} & { readonly streamEvents: Follow }

/** What a method is asked with, whichever it is. */
interface AnyRequest {
  readonly params?: object
  readonly query?: object
  readonly headers?: object
  readonly payload?: object
}
type Endpoints = { readonly [endpoint: string]: (request: object) => Effect.Effect<unknown, unknown> }

/**
 * A client of the Latchkey at `baseUrl`, without Effect: in a browser, a worker or Node.
 *
 * A call says what its path (`params`), `query`, `headers` and body (`payload`) say, and resolves to the answer as it is
 * declared. It rejects with a `LatchkeyError` where the server refuses, with `NoAnswer` where there is none, and with a
 * `TypeError` where it cannot be sent as it is. What passes is asked again: with one `Idempotency-Key` for all tries of a
 * call, so that nothing happens twice; and no sooner than the server wants (`Retry-After`). A list has `pages`.
 *
 * @example
 * const latchkey = createClient({ baseUrl: "https://keys.example.org", apiKey })
 * await latchkey.openLock({ params: { id: 42 }, payload: { reason: "parcel" } }, { signal: AbortSignal.timeout(5_000) })
 * for await (const { locks } of latchkey.listLocks.pages({ query: { attention: true } })) show(locks)
 * for await (const event of latchkey.streamEvents({ query: { after: cursor } })) take(event)
 */
export const createClient = ({ baseUrl, apiKey, token, retries = 4 }: ClientOptions): Client => {
  const endpoints = Effect.runSync(
    Effect.flatMap(HttpClient.HttpClient, (client) =>
      HttpApiClient.makeWith(Api, {
        baseUrl: new URL(baseUrl),
        httpClient: client.pipe(HttpClient.mapRequest(signedIn({ apiKey, token })), persistent(retries)),
        transformResponse: Effect.mapError((cause) => new UnexpectedAnswer(cause))
      })
    ).pipe(Effect.provide(FetchHttpClient.layer))
  )
  const methods: { [id: string]: unknown } = {}
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ group, endpoint }) => {
      const name = `${group.identifier}.${endpoint.identifier}`
      const ask = (endpoints as unknown as { readonly [group: string]: Endpoints })[group.identifier]?.[
        endpoint.identifier
      ]
      if (ask !== undefined && isCalled(name)) methods[operations[name][0]] = methodOf(ask, endpoint)
    }
  })
  const { stream, events } = endpoints.events
  return { ...(methods as Omit<Client, "streamEvents">), streamEvents: follow(stream, events) }
}

const isCalled = (name: string): name is Called =>
  name in operations && name !== "events.stream" && !FOR_BROWSERS.some((other) => other === name)

const signedIn = ({ apiKey, token }: { readonly [Name in keyof Credentials]: string | undefined }) => {
  const headers = {
    accept: "application/json",
    ...(apiKey !== undefined && { "x-api-key": apiKey }),
    ...(token !== undefined && { authorization: `Bearer ${token}` })
  }
  if (!areHeaders(headers)) throw new TypeError("The API key or token has letters that no header may have.")
  return (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.setHeaders(request, headers)
}

/** What `fetch` cannot send would look like a server that does not answer. Its own words repeat what is a secret. */
const areHeaders = (headers: Readonly<Record<string, string>>): boolean => {
  try {
    return new Headers(headers) !== undefined
  } catch {
    return false
  }
}

const methodOf = (ask: Endpoints[string], declared: HttpApiEndpoint.Top) => {
  const takesKey = namesIn(declared.headers).includes("idempotency-key")
  const call = (request: AnyRequest = {}, options?: CallOptions): Promise<unknown> => {
    const headers = takesKey ? { "idempotency-key": newKey(), ...request.headers } : request.headers
    return run(ask({ ...EMPTY, ...request, headers: { ...headers } }), options)
  }
  const cursor = CURSORS.find((name) => namesIn(declared.query).includes(name))
  return cursor === undefined ? call : Object.assign(call, { pages: pagesOf(call, cursor) })
}

const EMPTY = { params: {}, query: {}, payload: {} }

const namesIn = (schema: Schema.Top | undefined): ReadonlyArray<PropertyKey> =>
  schema !== undefined && SchemaAST.isObjects(schema.ast) ? schema.ast.propertySignatures.map(({ name }) => name) : []

/** What a query says of where to go on. An audit has a version there, and no pages in its type. */
const CURSORS = ["cursor", "after", "before"]

const pagesOf = (call: (request: AnyRequest, options?: CallOptions) => Promise<unknown>, cursor: string) =>
  async function* (request: AnyRequest = {}, options?: CallOptions) {
    for (let query = request.query; ; ) {
      const page = (await call({ ...request, ...(query && { query }) }, options)) as Page
      yield page
      const next = page.nextCursor ?? page.nextBefore ?? null
      if (next === null || page.more === false) return
      query = { ...query, [cursor]: next }
    }
  }

interface Page {
  readonly nextCursor?: string | null
  readonly nextBefore?: number | null
  readonly more?: boolean
}

/** No two calls have the same. `randomUUID` is not there on pages that came without TLS. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")

const run = async <A>(effect: Effect.Effect<A, unknown>, { signal }: CallOptions = {}): Promise<A> => {
  const exit = await Effect.runPromiseExit(untraced(effect), signal && { signal })
  if (Exit.isSuccess(exit)) return exit.value
  signal?.throwIfAborted()
  throw thrown(Cause.squash(exit.cause))
}

/** Headers of traces would be one more thing that servers must let pages send. */
const untraced = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, HttpClient.TracerDisabledWhen, () => true)

const isFailure = (error: unknown): error is Failure =>
  error instanceof LatchkeyError || error instanceof NoAnswer || error instanceof UnexpectedAnswer

/** What is no failure of the call was never sent: something in the request is not as it is declared, or has no place in a path. */
const thrown = (error: unknown): unknown =>
  isFailure(error) || !(error instanceof Error) ? error : new TypeError(error.message, { cause: error })

/** Milliseconds without even a sign of life, of which the server gives one every 15 seconds. */
const SILENCE = 45_000

type Streaming = HttpApiClient.ForApi<typeof Api, Failure>["events"]

/**
 * Connects again whenever the connection ends, where it left off. Only the first one must succeed: who names a server that
 * is not there is told so.
 */
const follow = (stream: Streaming["stream"], page: Streaming["events"]): Follow =>
  async function* (request: { readonly query?: FollowQuery } = {}, options: CallOptions = {}) {
    const { signal } = options
    let query = request.query ?? {}
    // Nothing is told twice or missed while there is no event yet whose id says where it is.
    if (query.after === "now") {
      const { types: _, ...about } = query
      query = { ...query, after: (await run(page({ query: { ...about, limit: 1 } }), options)).nextCursor }
    }
    let last: string | undefined
    for (let failures = 0, isKnown = false; ; failures++) {
      const headers = last === undefined ? {} : { "last-event-id": last }
      let failure: Failure | undefined
      try {
        const response = await run(stream({ query, headers, responseMode: "response-only" }), options)
        isKnown = true
        for await (const { id, data } of messagesOf(response, signal)) {
          failures = 0
          last = id ?? last
          yield JSON.parse(data)
        }
      } catch (error) {
        signal?.throwIfAborted()
        if (!isKnown || !isFailure(error) || !isPassing(error)) throw error
        failure = error
      }
      await run(Effect.sleep(pauseBefore(failures, failure)), options)
    }
  }

/** What is said on a connection, until it ends or is silent. */
const messagesOf = (response: HttpClientResponse.HttpClientResponse, signal: AbortSignal | undefined) =>
  Stream.toAsyncIterable(
    response.stream.pipe(
      Stream.timeout(SILENCE),
      Stream.decodeText,
      Stream.pipeThroughChannel(Sse.decode()),
      Stream.mapError((cause) => new NoAnswer("The connection broke.", { cause })),
      Stream.interruptWhen(whenAborted(signal))
    )
  )

const whenAborted = (signal: AbortSignal | undefined) =>
  Effect.callback<void>((resume) => {
    const end = () => resume(Effect.void)
    if (signal?.aborted) return end()
    signal?.addEventListener("abort", end)
    return Effect.sync(() => signal?.removeEventListener("abort", end))
  })
