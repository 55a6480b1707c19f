/** The floor of the reads: bare `node:http` that answers, from memory, the bytes it was given. Its one argument is a file with them. */
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { announce } from "./announce.ts"

/** By path. */
const answers = new Map<string, string>(Object.entries(JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"))))

announce(
  createServer((request, response) => {
    const text = answers.get(request.url ?? "") ?? ""
    response
      .writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        "cache-control": "no-store"
      })
      .end(text)
  })
)
