/** A server that does nothing but answer: what the load generator reaches here is its own limit. */
import { createServer } from "node:net"
import { announce } from "./announce.ts"

const answer = Buffer.from("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")

// A connection has one small request under way at a time, so every chunk is a request.
announce(
  createServer({ noDelay: true }, (socket) => {
    socket.on("data", () => socket.write(answer))
    socket.on("error", () => socket.destroy())
  })
)
