/** The body of a request, as JSON or a form: at most 64 KB of UTF-8, and nothing that reaches into prototypes. */
import { isUtf8 } from "node:buffer"
import type { IncomingMessage } from "node:http"
import { Result } from "effect"
import secureJson from "secure-json-parse"
import { badRequest, makeProblem, type Problem } from "../api/Problem.ts"

/** Most bytes that a body may have. */
const BODY_LIMIT = 64 * 1024

const tooLarge = makeProblem(413, "Body too large", `A body may have at most ${BODY_LIMIT} bytes.`)
const notJson = makeProblem(
  415,
  "Unsupported media type",
  "Send the body as JSON, with Content-Type: application/json."
)

/** Reads the body and hands it on, or says why not. Never calls back when the client goes away first. */
export const readBody = (request: IncomingMessage, done: (body: Result.Result<Buffer, Problem>) => void): void => {
  if (!hasBody(request)) return done(none)
  const chunks: Array<Buffer> = []
  let size = 0
  let refused = Number(request.headers["content-length"] ?? 0) > BODY_LIMIT
  const refuse = () => {
    refused = true
    chunks.length = 0
    done(Result.fail(tooLarge))
  }
  if (refused) {
    done(Result.fail(tooLarge))
    request.resume()
    return
  }
  request.on("data", (chunk: Buffer) => {
    if (refused) return
    size += chunk.length
    if (size > BODY_LIMIT) refuse()
    else chunks.push(chunk)
  })
  request.on("end", () => {
    if (!refused)
      done(Result.succeed(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
  })
}

/** RFC 9112, section 6.3: with neither of the two there is none. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined

const none: Result.Result<Buffer, Problem> = Result.succeed(Buffer.alloc(0))

const brokenOff = badRequest([{ field: "body", message: "did not arrive whole" }])

/** The same of a web request. Rejects when the body was read before: then nobody knows what was asked. */
export const readWebBody = async ({ headers, body, bodyUsed }: Request): Promise<Result.Result<Buffer, Problem>> => {
  if (bodyUsed) throw new TypeError("The body of the request was read before.")
  if (Number(headers.get("content-length") ?? 0) > BODY_LIMIT) return Result.fail(tooLarge)
  const chunks: Array<Uint8Array> = []
  let size = 0
  try {
    for await (const chunk of body ?? []) {
      size += chunk.length
      if (size > BODY_LIMIT) return Result.fail(tooLarge)
      chunks.push(chunk)
    }
  } catch {
    return Result.fail(brokenOff)
  }
  return Result.succeed(Buffer.concat(chunks))
}

/** No body at all counts as an empty object, so a command without required fields needs none. */
export const parseBody = (
  headers: IncomingMessage["headers"],
  body: Buffer,
  { forms }: { readonly forms: boolean }
): Result.Result<unknown, Problem> => {
  if (body.length === 0) return Result.succeed({})
  const [first = ""] = (headers["content-type"] ?? "").split(";", 1)
  const mediaType = first.trim().toLowerCase()
  const isForm = forms && mediaType === "application/x-www-form-urlencoded"
  if (!isForm && mediaType !== "application/json") return Result.fail(notJson)
  if ((headers["content-encoding"] ?? "identity") !== "identity") return Result.fail(notJson)
  if (!isUtf8(body)) return Result.fail(badRequest([{ field: "body", message: "must be UTF-8" }]))
  if (isForm) return Result.succeed(Object.fromEntries(new URLSearchParams(body.toString("utf8"))))
  try {
    const text = body.toString("utf8")
    const said: unknown = secureJson.parse(text, null, { protoAction: "error", constructorAction: "error" })
    return colonsIn(text) === membersIn(said)
      ? Result.succeed(said)
      : Result.fail(badRequest([{ field: "body", message: "must name each member of an object once" }]))
  } catch {
    return Result.fail(
      badRequest([{ field: "body", message: "must be JSON, without __proto__ or constructor.prototype" }])
    )
  }
}

const [QUOTE, COLON, BACKSLASH] = [0x22, 0x3a, 0x5c]

/**
 * Members that a JSON text names: each has one colon outside of strings. Of two with one name only the last is read, and a
 * restriction that stood before would be dropped.
 */
const colonsIn = (text: string): number => {
  let colons = 0
  let inString = false
  for (let n = 0; n < text.length; n++) {
    const char = text.charCodeAt(n)
    if (char === QUOTE) inString = !inString
    else if (inString && char === BACKSLASH) n++
    else if (!inString && char === COLON) colons++
  }
  return colons
}

/** Members that were read, however deep: deeper, perhaps, than calls can nest. */
const membersIn = (said: unknown): number => {
  let members = 0
  const left = [said]
  while (left.length > 0) {
    const value = left.pop()
    if (typeof value !== "object" || value === null) continue
    const inside: ReadonlyArray<unknown> = Object.values(value)
    if (!Array.isArray(value)) members += inside.length
    for (const one of inside) if (typeof one === "object") left.push(one)
  }
  return members
}
