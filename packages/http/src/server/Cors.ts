/**
 * Cross-origin resource sharing (WHATWG Fetch, section 3.2): web pages of other origins may ask the API, with the
 * credentials that they bring themselves. Cookies are never among them, so nobody's session can be used from elsewhere.
 */
import { Effect } from "effect"
import { type Answer, withHeaders } from "./Answer.ts"
import { type Dispatcher, METHODS } from "./Dispatcher.ts"

/** The same dispatcher, which lets pages of these origins read what it answers. */
export const withCors = (dispatcher: Dispatcher, origins: ReadonlyArray<string>): Dispatcher => {
  if (origins.length === 0) return dispatcher
  const allowed = new Set(origins)
  return {
    find: (request) => {
      const { method, headers } = request
      const origin = headers.origin !== undefined && allowed.has(headers.origin) ? headers.origin : undefined
      const asked = headers["access-control-request-method"]
      if (method === "OPTIONS" && origin !== undefined && asked !== undefined) {
        const { path } = dispatcher.find({ ...request, method: asked })
        return { path, refused: readableBy(preflight, origin) }
      }
      const found = dispatcher.find(request)
      if ("refused" in found) return { ...found, refused: readableBy(found.refused, origin) }
      return {
        ...found,
        answer: (body) => Effect.map(found.answer(body), (answer) => readableBy(answer, origin)),
        refuse: (problem) => readableBy(found.refuse(problem), origin)
      }
    }
  }
}

/** Caches must not give one origin what was answered to another, nor to nobody. */
const readableBy = (answer: Answer, origin: string | undefined): Answer => {
  const vary = [answer.headers?.["vary"], "Origin"].filter((name) => name !== undefined).join(", ")
  return withHeaders(
    answer,
    origin === undefined
      ? { vary }
      : { vary, "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED }
  )
}

const EXPOSED = "Allow, ETag, Idempotency-Replayed, Location, Retry-After"

const preflight: Answer = {
  status: 204,
  contentType: "text/plain",
  body: "",
  headers: {
    "access-control-allow-methods": ["HEAD", ...METHODS].join(", "),
    "access-control-allow-headers":
      "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-API-Key, b3, traceparent, tracestate",
    // Two hours: browsers keep it no longer.
    "access-control-max-age": "7200"
  }
}
