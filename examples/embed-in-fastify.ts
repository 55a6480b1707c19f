/** The whole API inside a Fastify server, beside routes of its own. */
import { getRequestListener } from "@hono/node-server"
import { fastify } from "fastify"
import { answer, close } from "./embedded.ts"

const app = fastify()
app.get("/about", async () => "Seaside Holidays\n")

const listener = getRequestListener((request, { incoming }) => answer(request, incoming.socket.remoteAddress))
app.register(async (latchkey) => {
  // In this scope nobody reads bodies but Latchkey.
  latchkey.removeAllContentTypeParsers()
  latchkey.addContentTypeParser("*", (_request, _body, done) => done(null))
  latchkey.all("/*", (request, reply) => {
    reply.hijack()
    return listener(request.raw, reply.raw)
  })
})

console.log(`Fastify listens on ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}`)
process.once("SIGTERM", () => app.close().then(close))
