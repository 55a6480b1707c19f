/**
 * What operators and their tools ask: is it up, is it ready, how is it doing, and how is it used; and the files of the
 * guest pages. No sign-in needed.
 */
import { randomBytes } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { DeviceShadow, EventStore, Feed, heldLeases, putRecord, ReadModel } from "@latchkey/core"
import { Clock, Effect, Semaphore } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../api/Api.ts"
import { script, style } from "../guests/assets.ts"
import { favicon, tokens } from "../pages/Asset.ts"
import { type Answer, json } from "../server/Answer.ts"
import { noSuchRoute, type Operation } from "../server/Dispatcher.ts"
import { staticFile } from "../server/StaticFile.ts"
import { docsPage } from "./Docs.ts"
import { homePage } from "./Home.ts"
import { metricsText } from "./Metrics.ts"

/**
 * The operational endpoints by path.
 *
 * @param docs whether `/docs` is there
 */
export const makeOperations = Effect.fnUntraced(function* (docs: boolean) {
  const store = yield* EventStore
  const feed = yield* Feed
  const { source } = yield* ReadModel
  // Some tenths of a second of work: for a server that is asked, not for every start.
  const openApi = yield* Effect.cached(
    Effect.sync(() => staticFile("application/json", JSON.stringify(OpenApi.fromApi(Api)), REVALIDATED))
  )
  const page = yield* Effect.cached(docsPage)
  const home = homePage(docs)
  const shadows = yield* DeviceShadow
  const written = yield* canWrite(store, shadows)
  const ready = Effect.gen(function* () {
    const head = yield* store.head
    yield* written
    return {
      store: source,
      // What comes while it is looked at is no lag.
      consumers: feed.consumers().map(({ name, position }) => ({ name, behind: Math.max(0, head - position) })),
      leases: heldLeases(store)
    }
  })

  const operations: { readonly [path: string]: Operation } = {
    /** The process runs. */
    "/health": () => Effect.succeed(json(200, { status: "ok" })),
    /**
     * The process can serve: its store answers and takes what it is given, and so do the shadows where they are its own. How far
     * the consumers of this process are behind, and who does what one server does, is told beside it, and takes no server out.
     */
    "/ready": () =>
      Effect.match(ready, {
        onSuccess: (told) => json(200, { status: "ready", ...told }),
        onFailure: ({ _tag }) => json(503, { status: "unavailable", reason: REASONS[_tag] })
      }),
    "/metrics": () =>
      Effect.map(metricsText, (body): Answer => ({ status: 200, contentType: "text/plain; version=0.0.4", body })),
    "/openapi.json": (headers) => Effect.map(openApi, (answer) => answer(headers)),
    ...Object.fromEntries(
      [tokens, style, script, favicon].map(({ path, answer }): [string, Operation] => [
        path,
        (headers) => Effect.sync(() => answer(headers))
      ])
    ),
    // Browsers ask for it beside what is no page. Its own address changes with it; this one does not.
    "/favicon.ico": () =>
      Effect.succeed({ status: 302, contentType: "text/plain", body: "", headers: { location: favicon.href } }),
    // Programs are told that there is nothing to call.
    "/": (headers) => Effect.sync(() => (headers.accept?.includes("text/html") === true ? home(headers) : noSuchRoute)),
    ...(docs && { "/docs": (headers: IncomingHttpHeaders) => Effect.map(page, (answer) => answer(headers)) })
  }
  return operations
})

/** Bytes that are written to prove that there is room: as many pages as a command needs. */
const PROOF = 12_288
/** Milliseconds that a proof holds: however many ask, so often is something written. */
const PROVEN_FOR = 250

const REASONS = {
  StoreUnavailable: "The event store does not answer.",
  ShadowUnavailable: "The device shadows do not answer."
}

/** Writes what nobody misses: a record of its own, and what the shadows think of. */
const canWrite = Effect.fnUntraced(function* (store: EventStore["Service"], shadows: DeviceShadow["Service"]) {
  const one = yield* Semaphore.make(1)
  let provenAt = Number.NEGATIVE_INFINITY
  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (Math.abs(now - provenAt) < PROVEN_FOR) return
    // What does not change would not be written, and what a store can compress would prove no room.
    yield* putRecord(store, { key: "ready", value: randomBytes(PROOF).toString("base64") })
    if (shadows.ready !== undefined) yield* shadows.ready
    provenAt = now
  }).pipe(one.withPermits(1))
})

const REVALIDATED = { "cache-control": "no-cache" }
