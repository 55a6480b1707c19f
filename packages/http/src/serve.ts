/** The whole API, put together: the declaration, what its endpoints do, and how they are reached. */
import { type Brand, Dispatcher, Webhooks } from "@latchkey/core"
import { Effect, Layer } from "effect"
import { Api } from "./api/Api.ts"
import { makeApiKeyHandlers } from "./api-keys/ApiKeyHandlers.ts"
import { PinSecret } from "./auth/PinSecret.ts"
import { withConsole } from "./console/Console.ts"
import { makeBrandHandlers } from "./guests/BrandHandlers.ts"
import { makeGuestHandlers } from "./guests/GuestHandlers.ts"
import { guestManner } from "./guests/GuestPage.ts"
import { makeHandlers } from "./locks/Handlers.ts"
import { makeListHandlers } from "./locks/ListHandlers.ts"
import { recordRequests } from "./operations/Metrics.ts"
import { makeOperations } from "./operations/Operations.ts"
import { makeEventHandlers } from "./partners/EventHandlers.ts"
import { deliverTo, type WebhookOptions } from "./partners/HttpDeliver.ts"
import { makeWebhookHandlers } from "./partners/WebhookHandlers.ts"
import { withCors } from "./server/Cors.ts"
import { makeDispatcher } from "./server/Dispatcher.ts"
import { makeWebHandler } from "./server/Fetch.ts"
import { makeQuota } from "./server/Quota.ts"
import { compile, type Handlers } from "./server/Routes.ts"
import { listenOn, type SocketOptions, urlOf } from "./server/Server.ts"
import { makeSharedHandlers } from "./temp-keys/SharedHandlers.ts"
import { makeWhyHandlers } from "./why/WhyHandlers.ts"

/** What the API says about itself, and where it sends people. */
export interface ApiOptions {
  /** Where guests are sent to sign in, if there is such a place. */
  readonly signInUrl?: string | undefined
  /** Whose guests' pages are, where an organization has not said so itself. */
  readonly brand?: Brand | undefined
  /** Whether every request is a span. */
  readonly traced?: boolean
  /** Where webhooks may be, beside public addresses, and what else events may be sent to. */
  readonly webhooks?: WebhookOptions
  /** Whether the page of the API's description is served at `/docs`; it is, unless this says no. */
  readonly docs?: boolean
  /** Whether the operator's console is served at `/console`; it is, unless this says no. */
  readonly console?: boolean
  /** Origins whose web pages may ask the API, such as `https://app.example.org`: none unless given, and never the console. */
  readonly corsOrigins?: ReadonlyArray<string>
}

/** The API, and where it listens. */
export interface ServerOptions extends ApiOptions, SocketOptions {
  /** How the API is reached from outside, without a slash at the end; unless given, as it listens. */
  readonly publicUrl?: string | undefined
}

/** Serves the API while its scope is open, and answers the bound address once it listens. */
export const listen = Effect.fnUntraced(function* ({ publicUrl, ...options }: ServerOptions) {
  let listensOn = ""
  const dispatcher = yield* apiDispatcher(options, () => publicUrl ?? listensOn)
  const bound = yield* listenOn(dispatcher, options, recordRequests)
  listensOn = urlOf(bound)
  return bound
})

/** What the API needs of a program that serves it, besides what answers come from. */
export interface FetchOptions extends ApiOptions {
  /** How the API is reached from outside, without a slash at the end: links to temp keys begin with it. */
  readonly publicUrl: string
}

/** The API as a function of web requests, while its scope is open. It has no addresses and ports: the server around has. */
export const makeFetch = Effect.fnUntraced(function* (options: FetchOptions) {
  const dispatcher = yield* apiDispatcher(options, () => options.publicUrl)
  return yield* makeWebHandler(dispatcher, recordRequests)
})

/** @param publicUrl links to temp keys begin with it */
const apiDispatcher = Effect.fnUntraced(function* (
  { signInUrl, brand, docs = true, console = true, traced = false, webhooks = {}, corsOrigins = [] }: ApiOptions,
  publicUrl: () => string
) {
  const quota = yield* makeQuota
  const partners = yield* Layer.build(
    Dispatcher.layer.pipe(Layer.provideMerge(Webhooks.layer), Layer.provide(deliverTo(webhooks)))
  )
  const handlers: Handlers<typeof Api> = {
    ...(yield* makeHandlers(quota)),
    ...(yield* makeSharedHandlers(publicUrl)),
    lists: yield* Effect.provide(makeListHandlers, partners),
    "api-keys": yield* makeApiKeyHandlers,
    brand: yield* makeBrandHandlers,
    guests: yield* makeGuestHandlers(signInUrl, brand),
    events: yield* makeEventHandlers,
    webhooks: yield* Effect.provide(makeWebhookHandlers, partners),
    why: yield* makeWhyHandlers
  }
  const dispatcher = yield* makeDispatcher({
    router: compile(Api, handlers, { guests: guestManner(signInUrl, brand) }),
    operations: yield* makeOperations(docs),
    quota,
    traced
  })
  // Behind the console, whose pages are for its own origin alone.
  const shared = withCors(dispatcher, corsOrigins)
  return console ? yield* withConsole(shared, yield* PinSecret, publicUrl) : shared
})
