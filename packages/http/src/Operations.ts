/**
 * What operators and their tools ask: is it up, is it ready, how is it doing, and how is it used; and the files of the
 * guest pages. No sign-in needed.
 */
import type { IncomingHttpHeaders } from "node:http"
import { EventStore } from "@latchkey/core"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { type Answer, json } from "./Answer.ts"
import { Api } from "./Api.ts"
import { docsPage } from "./Docs.ts"
import { favicon, script, style } from "./guests/assets.ts"
import { metricsText } from "./Metrics.ts"
import { staticFile } from "./StaticFile.ts"

/** Answers a request with these headers. */
export type Operation = (headers: IncomingHttpHeaders) => Effect.Effect<Answer>

/** The operational endpoints by path. */
export const makeOperations = Effect.gen(function* () {
  const store = yield* EventStore
  const openApi = staticFile("application/json", JSON.stringify(OpenApi.fromApi(Api)), REVALIDATED)
  const page = yield* Effect.cached(docsPage)

  const operations: { readonly [path: string]: Operation } = {
    /** The process runs. */
    "/health": () => Effect.succeed(json(200, { status: "ok" })),
    /** The process can serve: its store answers. */
    "/ready": () =>
      Effect.match(store.head, {
        onSuccess: () => json(200, { status: "ready" }),
        onFailure: () => json(503, { status: "unavailable", reason: "The event store does not answer." })
      }),
    "/metrics": () =>
      Effect.map(metricsText, (body): Answer => ({ status: 200, contentType: "text/plain; version=0.0.4", body })),
    "/openapi.json": (headers) => Effect.sync(() => openApi(headers)),
    ...Object.fromEntries(
      [style, script, favicon].map(({ path, answer }): [string, Operation] => [
        path,
        (headers) => Effect.sync(() => answer(headers))
      ])
    ),
    "/docs": (headers) => Effect.map(page, (answer) => answer(headers))
  }
  return operations
})

const REVALIDATED = { "cache-control": "no-cache" }
