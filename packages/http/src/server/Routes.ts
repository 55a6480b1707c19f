/** The declaration made runnable: for every endpoint its path, decoders, encoders and handler, worked out once. */
import type { IncomingHttpHeaders } from "node:http"
import { closedDecoder, issuesOf, type Principal, type RequestReceipt } from "@latchkey/core"
import { Context, type Effect, Exit, Result, Schema } from "effect"
import { FindMyWay } from "effect/http"
import { HttpApi, type HttpApiEndpoint, type HttpApiGroup } from "effect/http-api"
import { Authentication, PublishesErrorList } from "../api/Api.ts"
import { Open, OpenQuery } from "../api/Parts.ts"
import { badRequest, type Detail, type Problem, UnauthorizedError, withErrorList } from "../api/Problem.ts"
import type { SignInError } from "../auth/Authentication.ts"
import { type Answer, json } from "./Answer.ts"
import { type ApiError, type Failure, problemOfFailure, withNextStep } from "./Errors.ts"

/** What a request says besides its parts: who asks, when, and from where. */
export interface Call {
  readonly principal: Principal
  /** The id of a command that is asked for: a UUID of version 7, another one each time. */
  readonly newCommandId: () => string
  /** Epoch milliseconds. */
  readonly at: number
  /** From the Idempotency-Key. */
  readonly receipt?: RequestReceipt
  readonly headers: IncomingHttpHeaders
  /** From where the caller comes: the whole address; see `networksOf` in `CallerAddress.ts`. */
  readonly address: () => string
}

/** On whose behalf, when and under which id the core does what a request asks for. */
export const contextOf = ({ principal, newCommandId, at, receipt }: Call) => ({
  principal,
  commandId: newCommandId(),
  at,
  ...(receipt === undefined ? {} : { receipt })
})

/** A success: a declared body with a declared status. */
export interface Reply<Body> {
  readonly status: number
  readonly body: Body
  readonly headers?: Readonly<Record<string, string>>
}

export type Handler<Endpoint extends HttpApiEndpoint.Constraint> = (
  request: Omit<HttpApiEndpoint.Request<Endpoint>, "request" | "endpoint" | "group" | "headers"> & {
    readonly call: Call
  }
) => Effect.Effect<Reply<HttpApiEndpoint.Success<Endpoint>["Type"]> | Answer, ApiError | SignInError>

/** One handler per endpoint, by group and name, typed by the declaration. */
export type Handlers<Api> =
  Api extends HttpApi.HttpApi<infer _Id, infer Groups>
    ? {
        readonly [Group in Groups as HttpApiGroup.Identifier<Group>]: {
          readonly [Endpoint in HttpApiGroup.Endpoints<Group> as Endpoint["identifier"]]: Handler<Endpoint>
        }
      }
    : never

/** A request on its way to an answer, with the parts of its path. */
export interface Asked {
  readonly method: string
  /** As it was sent, with its query. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** From where the caller comes: the whole address; see `networksOf` in `CallerAddress.ts`. */
  readonly address: () => string
  readonly params: Readonly<Record<string, string | undefined>>
}

/** What the routes of a group do in another way than as JSON. */
export interface Manner {
  /** Whether bodies may be forms. */
  readonly takesForms?: boolean
  /** On every answer, refusals too. */
  readonly headers?: Readonly<Record<string, string>>
  /** How a problem is shown; `undefined`: as JSON. */
  readonly problem?: (problem: Problem, asked: Asked) => Answer | undefined
}

/** An endpoint ready to run. */
export interface Route {
  readonly method: string
  /** As declared, with `:id` and the like: for metrics and traces, which must not name single locks. */
  readonly path: string
  /** Whether an API key or a token must be sent; where it need not, a stranger is a guest. */
  readonly needsSignIn: boolean
  /** Whether a body may say anything. */
  readonly takesBody: boolean
  /** Whether a body may be a form. */
  readonly takesForms: boolean
  /** On every answer, refusals too. */
  readonly headers: Readonly<Record<string, string>> | undefined
  /** The parts of a request, or everything that is wrong with them. */
  readonly decode: (input: RawParts) => Result.Result<DecodedParts, Problem>
  readonly handle: (
    request: DecodedParts & { readonly call: Call }
  ) => Effect.Effect<Reply<unknown> | Answer, ApiError | SignInError>
  /** The body as declared: what the declaration does not name does not leave. */
  readonly encode: (reply: Reply<unknown>) => Exit.Exit<unknown, unknown>
  /** What is answered instead of a success; without a failure, the program is at fault. */
  readonly refuse: (failure: Failure | undefined, asked: Asked) => Answer
}

export interface RawParts {
  readonly params: unknown
  readonly query: unknown
  readonly headers: unknown
  readonly payload: unknown
}
type DecodedParts = { -readonly [Part in keyof RawParts]?: unknown }

const PARTS = ["params", "query", "headers", "payload"] as const

/**
 * Every endpoint of the declaration with its handler, in a router. A missing handler is a fault of the program.
 *
 * @param manners by group; who has none answers with JSON
 */
export const compile = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlers: { readonly [group: string]: { readonly [endpoint: string]: unknown } },
  manners: { readonly [group: string]: Manner } = {}
): FindMyWay.Router<Route> => {
  const router = FindMyWay.make<Route>({
    caseSensitive: true,
    ignoreTrailingSlash: false,
    ignoreDuplicateSlashes: false,
    // Ids of users have no limit of their own: node:http's limit on the request line is the one that counts.
    maxParamLength: 16_384
  })
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, mergedAnnotations, middleware, successes }) => {
      const handle = handlers[group.identifier]?.[endpoint.identifier]
      if (!isHandler(handle)) throw new Error(`${endpoint.method} ${endpoint.path} has no handler`)
      const { takesForms = false, headers, problem = () => undefined } = manners[group.identifier] ?? {}
      const publishesErrorList = Context.get(mergedAnnotations, PublishesErrorList)
      const unauthorized = Context.get(mergedAnnotations, UnauthorizedError)
      const payload = Array.from(endpoint.payload.values(), ({ schemas }) => schemas[0])[0]
      router.on(endpoint.method, endpoint.path as `/${string}`, {
        method: endpoint.method,
        path: endpoint.path,
        needsSignIn: Array.from(middleware).some(({ key }) => key === Authentication.key),
        takesBody: payload !== undefined,
        takesForms,
        headers,
        decode: decoderOf({
          params: decodePart(endpoint.params),
          query: queryDecoder(endpoint.query, Context.get(mergedAnnotations, OpenQuery)),
          headers: decodePart(endpoint.headers),
          payload: BODIES.has(endpoint.method)
            ? closedDecoder(plain(payload ?? Nothing), Context.get(mergedAnnotations, Open))
            : undefined
        }),
        handle,
        encode: encoderOf(successes),
        refuse: (failure, asked) => {
          const found = problemOfFailure(failure, unauthorized)
          const answer = problem(found, asked) ?? json(found.code, publishesErrorList ? withErrorList(found) : found)
          return withNextStep(answer, failure)
        }
      })
    }
  })
  return router
}

const isHandler = (handler: unknown): handler is Route["handle"] => typeof handler === "function"

/** The schemas of a declaration need no services: what they are made of is plain data. */
const plain = (schema: Schema.Top) => schema as Schema.Codec<unknown, unknown>

/** What may be sent with a body; of a route that declares none, it may say nothing: what is meant by it would not be done. */
export const BODIES: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"])
export const NO_BODY = "This path takes no body. Leave it out; nothing was done"
const Nothing = Schema.Record(Schema.String, Schema.Never.annotate({ message: NO_BODY })).annotate({ message: NO_BODY })

type Decode = (input: unknown, options?: { readonly errors: "all" }) => Exit.Exit<unknown, Schema.SchemaError>

const decodePart = (schema: Schema.Top | undefined): Decode | undefined =>
  schema && Schema.decodeUnknownExit(plain(schema))

const queryDecoder = (query: Schema.Top | undefined, isOpen: boolean): Decode | undefined => {
  if (query === undefined) return undefined
  const schema = plain(Schema.toCodecArrayFromSingle(query))
  const decode = isOpen ? Schema.decodeUnknownExit(schema) : closedDecoder(schema)
  const nothing = decode({})
  // Most ask for nothing: what that comes to is known.
  return (asked, options) => (options === undefined && isEmpty(asked) ? nothing : decode(asked, options))
}

const isEmpty = (query: unknown): boolean => {
  for (const _ in Object(query)) return false
  return true
}

const decoderOf = (decoders: { readonly [Part in keyof RawParts]: Decode | undefined }): Route["decode"] => {
  const declared = PARTS.flatMap((part) => {
    const decode = decoders[part]
    return decode === undefined ? [] : [{ part, decode }]
  })
  return (input) => {
    const decoded: DecodedParts = {}
    const details: Array<Detail> = []
    for (const { part, decode } of declared) {
      const exit = decode(input[part])
      if (Exit.isSuccess(exit)) {
        decoded[part] = exit.value
        continue
      }
      // Finding everything that is wrong costs more than finding the first thing, so it is done only now.
      const small = clipped(input[part])
      const some = small === undefined ? [] : detailsOf(decode(small, { errors: "all" }))
      details.push(...together(some, detailsOf(exit)))
    }
    return details.length === 0 ? Result.succeed(decoded) : Result.fail(badRequest(details))
  }
}

/** Of lists in a bad request, so many elements are looked at: what is wrong with each takes time, and room in the answer. */
const ELEMENTS = 100
/** With more members than this in the rest, only the first thing that is wrong is looked for. */
const MEMBERS = 400
/** Deeper than any declaration goes. */
const DEEPEST = 10

/** The same with fewer elements in its lists, but none that had some without any; `undefined` when there is much else. */
const clipped = (input: unknown): unknown => {
  let [elements, members] = [ELEMENTS, MEMBERS]
  const clip = (value: unknown, depth: number): unknown => {
    if (typeof value !== "object" || value === null) return value
    if (depth === DEEPEST) return undefined
    if (!Array.isArray(value)) {
      const entries = Object.entries(value)
      members -= entries.length
      return members < 0 ? value : Object.fromEntries(entries.map(([name, field]) => [name, clip(field, depth + 1)]))
    }
    const kept: Array<unknown> = []
    for (const element of value) {
      if (elements <= 0 && kept.length > 0) break
      elements--
      kept.push(clip(element, depth + 1))
    }
    return kept
  }
  const small = clip(input, 0)
  return members < 0 ? undefined : small
}

/** What is wrong with the beginning of lists, and the first thing that is wrong, wherever that is. */
const together = (some: ReadonlyArray<Detail>, first: ReadonlyArray<Detail>): ReadonlyArray<Detail> => [
  ...some,
  ...first.filter(({ field }) => !some.some((detail) => detail.field === field))
]

const detailsOf = (exit: Exit.Exit<unknown, Schema.SchemaError>): ReadonlyArray<Detail> =>
  Exit.isSuccess(exit)
    ? []
    : exit.cause.reasons.flatMap((reason) =>
        reason._tag !== "Fail"
          ? []
          : issuesOf(reason.error).map(({ path, message }) => ({
              field: path.map(String).join(".") || "body",
              message
            }))
      )

const encoderOf = (successes: ReadonlyMap<number, readonly [Schema.Top, ...Array<Schema.Top>]>): Route["encode"] => {
  const encoders = new Map(
    Array.from(successes, ([status, [schema]]) => [status, Schema.encodeUnknownExit(plain(schema))])
  )
  return ({ status, body }) => encoders.get(status)?.(body) ?? Exit.die(new Error(`${status} is not declared`))
}
