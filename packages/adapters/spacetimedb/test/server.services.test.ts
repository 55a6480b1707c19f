/** The suites that every adapter passes, against a server of SpacetimeDB; and who is not let in. */

import { presenceSuite, readModelSuite, storeSuite } from "@latchkey/core/testing"
import { Spacetime } from "@latchkey/spacetimedb"
import { type Answer, create, newToken, request, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { append, bundle, connected, newEvents } from "./fixture.ts"
import { startServer } from "./server.ts"

const uri = await startServer()
sayIfLeftOut("the suites on a server of SpacetimeDB", uri !== undefined)

const databases: Array<Spacetime.SpacetimeOptions> = []
afterAll(async () => {
  for (const place of databases) await request(place, "DELETE", `/v1/database/${place.database}`)
})

it.skipIf(uri === undefined)("there is a server", async () => {
  expect(await request({ uri: uri ?? "" }, "GET", "/v1/ping")).toMatchObject({ status: 200 })
})

if (uri !== undefined) {
  const published = async (): Promise<Spacetime.SpacetimeOptions> => {
    const place = { ...(await create(uri, bundle)), deadline: "20 seconds" as const }
    databases.push(place)
    return place
  }
  const place = Effect.map(Effect.promise(published), (options) => {
    const open = Spacetime.layer(options)
    return { open, reopen: open }
  })
  storeSuite("spacetimedb server", place)
  readModelSuite("spacetimedb server", place)
  presenceSuite("spacetimedb server", place)

  describe("a stranger", () => {
    it("reads nothing and appends nothing, where the owner can", async () => {
      const options = await published()
      await using owner = await connected(options)
      await Effect.runPromise(append(owner, "a", 0, newEvents(1)))
      const stranger = { ...options, token: await newToken(uri) }
      const base = `/v1/database/${options.database}`
      for (const [path, body] of [
        ["call/write", JSON.stringify(["id", [], [], [], [], false, 1])],
        ["call/read_feed", '[0,10,{"none":[]},{"none":[]}]'],
        ["sql", "SELECT * FROM events"]
      ] as const) {
        const ask = (who: typeof options): Promise<Answer> => request(who, "POST", `${base}/${path}`, body)
        expect(await ask(stranger)).toMatchObject({ status: 403 })
        expect(await ask(options)).toMatchObject({ status: 200 })
      }
      expect(await Effect.runPromise(owner.store.head)).toBe(1)
    })

    it("is told what to mend: the token, the database or the address", async () => {
      const options = await published()
      const refusal = (changed: Partial<typeof options>) =>
        Effect.runPromise(Effect.flip(Effect.provide(Effect.void, Spacetime.layer({ ...options, ...changed }))))
      const because = (option: string, text: string) => ({ option, message: expect.stringContaining(text) })
      expect(await refusal({ token: await newToken(uri) })).toMatchObject(because("token", "refuses this token"))
      expect(await refusal({ token: "a.b.c" })).toMatchObject(because("token", "does not accept the token"))
      expect(await refusal({ database: "another" })).toMatchObject(because("database", "publish the module there"))
      expect(await refusal({ uri: "http://127.0.0.1:9" })).toMatchObject(because("uri", "cannot be reached"))
    })
  })

  it("20,000 appends at once are as slow as the server, and none is lost", { timeout: 900_000 }, async () => {
    await using client = await connected({ ...(await published()), deadline: "10 seconds" })
    const streams = Array.from({ length: 20_000 }, (_, index) => `stream-${index}`)
    await Effect.runPromise(
      Effect.forEach(streams, (stream) => append(client, stream, 0, newEvents(1)), {
        concurrency: "unbounded",
        discard: true
      })
    )
    expect(await Effect.runPromise(client.store.head)).toBe(streams.length)
  })
}
