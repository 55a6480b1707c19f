/** A Latchkey with its whole API, for a server of your own: the examples for Express, Fastify and Next embed it. */
import { createLatchkey } from "@latchkey/core"
import { createFetch } from "@latchkey/http"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"

const {
  DATA_FOLDER: folder = ":memory:",
  PUBLIC_URL: publicUrl = "http://localhost:3000",
  API_KEY: secret
} = process.env
const latchkey = await createLatchkey({ store: Sqlite.layer({ folder }), shadow: LocalShadow.layer({ folder }) })
const api = await createFetch(latchkey, {
  publicUrl,
  // Of the organization that the examples ask as. Others are made by api.apiKeys.create.
  apiKeys: secret === undefined ? [] : [{ orgId: "seaside", secret }]
})

/** Without the caller's address, all guests share one budget of guesses. */
export const answer = (request: Request, address: string | undefined): Promise<Response> =>
  api.fetch(request, address === undefined ? {} : { address })

/** When the server around has ended. */
export const close = (): Promise<void> => api.dispose().then(latchkey.dispose)
