/** Latchkey inside a server of your own, with sign-in of your own, and its whole API beside; here Hono, without Effect. */

import { randomUUID } from "node:crypto"
import { serve } from "@hono/node-server"
import { getConnInfo } from "@hono/node-server/conninfo"
import { createLatchkey } from "@latchkey/core"
import { createFetch } from "@latchkey/http"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Hono } from "hono"

const folder = process.env.DATA_FOLDER ?? ":memory:"
const latchkey = await createLatchkey({
  // For development: a user may create a lock on a device that nobody ever had.
  claims: "open",
  store: Sqlite.layer({ folder }),
  shadow: LocalShadow.layer({ folder }),
  errors: "return"
})

// Stands for your own sign-in: all that Latchkey wants to know is who asks.
const userOf = (authorization: string | undefined) => ({ _tag: "User", userId: authorization ?? "nobody" }) as const

const statuses: { readonly [error: string]: 403 | 404 | 502 } = {
  AccessDenied: 403,
  LockNotFound: 404,
  DeviceUnreachable: 502
}

const app = new Hono()
app.post("/doors/:lockId/:action", async (context) => {
  // A receipt says which request a retry repeats: that is for you to say, not for the client.
  const { receipt: _, ...request } = await context.req.json()
  const outcome = await latchkey.execute({
    ...request,
    _tag: context.req.param("action"),
    lockId: Number(context.req.param("lockId")),
    commandId: randomUUID(),
    at: Date.now(),
    principal: userOf(context.req.header("authorization"))
  })
  if (outcome.ok) return context.json(outcome.value)
  return context.json({ error: outcome.error.message }, statuses[outcome.error._tag] ?? 400)
})

// Partners and guests use the published API: organizations' API keys, links, PINs, pages.
const api = await createFetch(latchkey, { publicUrl: process.env.PUBLIC_URL ?? "http://localhost:3000" })
app.all("*", (context) => {
  const { address } = getConnInfo(context).remote
  return api.fetch(context.req.raw, address === undefined ? {} : { address })
})

const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT ?? 3000) }, ({ port }) =>
  console.log(`Doors on http://127.0.0.1:${port}`)
)
process.once("SIGTERM", () => server.close(() => api.dispose().then(latchkey.dispose)))
