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
    return Result.succeed(
      secureJson.parse(body.toString("utf8"), null, { protoAction: "error", constructorAction: "error" })
    )
  } catch {
    return Result.fail(
      badRequest([{ field: "body", message: "must be JSON, without __proto__ or constructor.prototype" }])
    )
  }
}
