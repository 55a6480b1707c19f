/** What must not be said twice in one request, or not be said at all: anyone who reads it differently would be misled. */
import type { IncomingMessage } from "node:http"
import { badRequest, makeProblem } from "../api/Problem.ts"
import { type Answer, json, withHeaders } from "./Answer.ts"

/** Headers that decide who asks, and for what. Where a request ends is looked after by Node. */
const SINGLE = new Set(["authorization", "content-encoding", "content-type", "host", "idempotency-key", "x-api-key"])

/** The answer to a request whose headers cannot be trusted. Then its connection ends: where the next one begins is unknown. */
export const refuseHeaders = ({ headers, rawHeaders, httpVersionMinor }: IncomingMessage): Answer | undefined => {
  const coding = headers["transfer-encoding"]
  if (coding !== undefined && coding.toLowerCase() !== "chunked") return unknownCoding
  // RFC 9112, section 3.2. Before HTTP/1.1 there was none.
  if (headers.host === undefined && httpVersionMinor > 0) return refused("host", "is missing")
  if (Object.keys(headers).length * 2 === rawHeaders.length) return undefined
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ""
    if (SINGLE.has(name) && seen.has(name)) return refused(name, "was sent more than once")
    seen.add(name)
  }
  return undefined
}

const closing = { connection: "close" }

/** RFC 9112, section 6.1. */
const unknownCoding = withHeaders(
  json(501, makeProblem(501, "Not implemented", "Send the body as it is, or chunked: no other Transfer-Encoding.")),
  closing
)

const refused = (field: string, message: string): Answer =>
  withHeaders(json(400, badRequest([{ field, message }])), closing)
