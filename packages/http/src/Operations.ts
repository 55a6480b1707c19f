/**
 * What operators and their tools ask: is it up, is it ready, how is it doing, and how is it used; and the files of the
 * guest pages. No sign-in needed.
 */
import { EventStore } from "@latchkey/core"
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiScalar, OpenApi } from "effect/http-api"
import { type Answer, json } from "./Answer.ts"
import { Api } from "./Api.ts"
import { favicon, script, style } from "./guests/assets.ts"
import { metricsText } from "./Metrics.ts"

/** The operational endpoints by path. */
export const makeOperations = Effect.gen(function* () {
  const store = yield* EventStore
  const openApi = json(200, OpenApi.fromApi(Api))
  const docs = yield* Effect.cached(Effect.promise(docsPage))

  return {
    /** The process runs. */
    "/health": Effect.succeed(json(200, { status: "ok" })),
    /** The process can serve: its store answers. */
    "/ready": Effect.match(store.head, {
      onSuccess: () => json(200, { status: "ready" }),
      onFailure: () => json(503, { status: "unavailable", reason: "The event store does not answer." })
    }),
    "/metrics": Effect.map(
      metricsText,
      (body): Answer => ({ status: 200, contentType: "text/plain; version=0.0.4", body })
    ),
    "/openapi.json": Effect.succeed(openApi),
    ...Object.fromEntries([style, script, favicon].map(({ path, answer }) => [path, Effect.succeed(answer)])),
    "/docs": Effect.map(docs, (body): Answer => ({ status: 200, contentType: "text/html; charset=utf-8", body }))
  }
})

/** HttpApiScalar renders for the stock router only, so its page is asked for there, once. */
const docsPage = async (): Promise<string> => {
  const { handler, dispose } = HttpRouter.toWebHandler(HttpApiScalar.layer(Api), { disableLogger: true })
  try {
    return await (await handler(new Request("http://localhost/docs"))).text()
  } finally {
    await dispose()
  }
}
