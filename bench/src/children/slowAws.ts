/**
 * The data plane of AWS IoT as far as commands need it: shadows have versions, and devices that have done everything the
 * moment it is written. Things whose names are given as arguments are never answered for.
 */
import { createServer } from "node:http"
import { announce } from "./announce.ts"

const hanging = new Set(process.argv.slice(2))
const versions = new Map<string, number>()
const NONE = JSON.stringify({ message: "No shadow exists with name" })

announce(
  createServer((request, response) => {
    request.resume()
    const [, , thing = ""] = (request.url ?? "").split("/")
    if (hanging.has(thing)) return
    if (request.method === "POST") versions.set(thing, (versions.get(thing) ?? 0) + 1)
    const version = versions.get(thing)
    if (version === undefined) {
      response.writeHead(404, { "content-type": "application/json", "x-amzn-ErrorType": "ResourceNotFoundException" })
      response.end(NONE)
    } else {
      response.writeHead(200, { "content-type": "application/json" })
      response.end(JSON.stringify({ state: {}, version }))
    }
  })
)
