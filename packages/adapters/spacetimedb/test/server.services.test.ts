/** The same suites against a SpacetimeDB server, with databases of their own that are deleted afterwards. */
import { randomUUID } from "node:crypto"
import { presenceSuite, readModelSuite, storeSuite } from "@latchkey/core/testing"
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { append, bundle, connected, newEvents } from "./fixture.ts"

const NEEDED =
  "These tests need a SpacetimeDB 2.x server that lets anybody publish, such as that of `spacetime start`: set SPACETIMEDB_URI to its URL, http://127.0.0.1:3000."
const uri = process.env["SPACETIMEDB_URI"] ?? ""

const request = async (method: string, path: string, token?: string, body?: string) => {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(new URL(path, uri), { method, headers, ...(body !== undefined && { body }) })
  return { ok: response.ok, text: await response.text() }
}

/** A token of somebody new, by the server itself. */
const newToken = async (): Promise<string> => {
  const { ok, text } = await request("POST", "/v1/identity")
  if (!ok) throw new Error(`${NEEDED} It answered: ${text}`)
  return JSON.parse(text).token
}

const databases: Array<{ readonly database: string; readonly token: string }> = []
afterAll(async () => {
  for (const { database, token } of databases) await request("DELETE", `/v1/database/${database}`, token)
})

const publish = async (): Promise<Spacetime.SpacetimeOptions> => {
  const token = await newToken()
  const database = `latchkey-test-${randomUUID()}`
  const { ok, text } = await request("PUT", `/v1/database/${database}?host_type=Js`, token, bundle)
  if (!ok) throw new Error(`The module could not be published: ${text}`)
  databases.push({ database, token })
  return { uri, database, token, deadline: "20 seconds" }
}

// Unlike the other services, this one comes with no system's packages: who has none is told, and the rest goes on.
if (uri === "") process.stderr.write(`Not run: ${NEEDED}\n`)
it.skipIf(uri === "")("there is a server", async () => {
  if (!URL.canParse(uri)) expect.fail(NEEDED)
  expect(await request("GET", "/v1/ping").catch(() => ({ ok: false }))).toMatchObject({ ok: true })
})

if (URL.canParse(uri)) {
  const place = Effect.map(Effect.promise(publish), (options) => {
    const open = Spacetime.layer(options)
    return { open, reopen: open }
  })
  storeSuite("spacetimedb server", place, { timeout: 120_000 })
  readModelSuite("spacetimedb server", place, { timeout: 120_000 })
  presenceSuite("spacetimedb server", place, { timeout: 120_000 })

  describe("a stranger", () => {
    it("reads nothing and appends nothing", async () => {
      const options = await publish()
      await using owner = await connected(options)
      await Effect.runPromise(append(owner, "a", 0, newEvents(1)))
      const token = await newToken()
      const refused = Effect.flip(Effect.provide(Effect.void, Spacetime.layer({ ...options, token })))
      expect(await Effect.runPromise(refused)).toMatchObject({ _tag: "CannotConnect" })
      const base = `/v1/database/${options.database}`
      const batch = JSON.stringify(["id", [], [], [], [], false, 1])
      expect(await request("POST", `${base}/call/write`, token, batch)).toMatchObject({ ok: false })
      expect(await request("POST", `${base}/call/read_feed`, token, '[0,10,{"none":[]},{"none":[]}]')).toMatchObject({
        ok: false
      })
      expect(await request("POST", `${base}/sql`, token, "SELECT * FROM events")).toMatchObject({ ok: false })
      expect(await Effect.runPromise(owner.store.head)).toBe(1)
    })
  })
}
