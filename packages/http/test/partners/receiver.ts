/** A partner's receiver: it keeps what it was sent, and answers as a test says. */
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what a stranger may send
  readonly body: any
}

type Answering = (received: Received, response: ServerResponse) => number | undefined

/** Answers 200 unless told otherwise; `undefined`: the test answers by itself, or not at all. */
export const startReceiver = async (answer: Answering = () => 200) => {
  const state = { answer, received: [] as Array<Received> }
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8")
      const received = { path: request.url ?? "", headers: request.headers, text, body: JSON.parse(text) }
      state.received.push(received)
      const isChallenge = received.body.type === "WebhookVerification"
      const status = isChallenge ? 204 : state.answer(received, response)
      if (status !== undefined) response.writeHead(status).end()
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    server.closeAllConnections()
    server.close()
  }
  return {
    state,
    url: `http://127.0.0.1:${port}`,
    /** Events, without challenges. */
    events: () => state.received.filter(({ body }) => body.type !== "WebhookVerification"),
    stop,
    [Symbol.asyncDispose]: stop
  }
}
