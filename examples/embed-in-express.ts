/** The whole API inside an Express server, beside routes of its own. */
import { getRequestListener } from "@hono/node-server"
import express from "express"
import { answer, close } from "./embedded.ts"

const app = express()
app.get("/about", (_, response) => void response.send("Seaside Holidays\n"))
// Last, and before anything that reads bodies: Latchkey reads them itself.
app.use(getRequestListener((request, { incoming }) => answer(request, incoming.socket.remoteAddress)))

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, "127.0.0.1", () => console.log(`Express listens on http://127.0.0.1:${port}`))
process.once("SIGTERM", () => server.close(close))
