/** A file that never changes while the server runs: its bytes are shared by all answers, compressed once, and sent only to who has not got them. */
import { createHash } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { gzipSync } from "node:zlib"
import Negotiator from "negotiator"
import type { Answer } from "./Answer.ts"

export type StaticFile = (request: IncomingHttpHeaders) => Answer

export const staticFile = (
  contentType: string,
  text: string,
  headers: Readonly<Record<string, string>>
): StaticFile => {
  const tag = createHash("sha256").update(text).digest("base64url").slice(0, 16)
  const answer = (body: Buffer, etag: string, more: Readonly<Record<string, string>> = {}) => ({
    plain: {
      status: 200,
      contentType,
      body,
      headers: { vary: "Accept-Encoding", ...headers, ...more, etag }
    },
    unchanged: { status: 304, contentType, body: NOTHING, headers: { vary: "Accept-Encoding", ...headers, etag } }
  })
  const plain = answer(Buffer.from(text), `"${tag}"`)
  const zipped = answer(gzipSync(text), `"${tag}-gzip"`, { "content-encoding": "gzip" })
  return (request) => {
    const { plain: whole, unchanged } = prefersGzip(request) ? zipped : plain
    return isKnown(request, whole.headers.etag) ? unchanged : whole
  }
}

const NOTHING = Buffer.alloc(0)

const prefersGzip = (headers: IncomingHttpHeaders): boolean =>
  new Negotiator({ headers }).encoding(["gzip", "identity"]) === "gzip"

/** RFC 9110, section 13.1.2. */
const isKnown = ({ "if-none-match": known }: IncomingHttpHeaders, etag: string): boolean =>
  known?.split(",").some((tag) => ["*", etag, `W/${etag}`].includes(tag.trim())) === true
