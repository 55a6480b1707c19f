/** SpacetimeDB goes away and comes back. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { EventStore } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect, Fiber, Stream } from "effect"
import { expect, it } from "vitest"
import { append, connected, newEvents, newHost, publish } from "./fixture.ts"

const run = Effect.runPromise

it("fails at once what is asked while it is away, and goes on when it is back", async () => {
  await using host = await newHost()
  // Nobody who waits for the deadline sees the end of this test.
  await using client = await connected({ ...(await publish(host)), deadline: "1 hour" })
  const { store, readModel, presence } = client
  await run(append(client, "a", 0, newEvents(1)))
  await host.down()
  // The first to ask after the loss waits for one attempt to connect, no longer; then it is known.
  const away = { _tag: "StoreUnavailable", message: expect.stringContaining("cannot be reached") }
  expect(await run(Effect.flip(store.head))).toMatchObject(away)
  expect(await run(Effect.flip(append(client, "a", 1, newEvents(1))))).toMatchObject(away)
  expect(await run(Effect.flip(readModel.find("devices", "owner", "ann", "", 1)))).toMatchObject({
    _tag: "ReadModelUnavailable"
  })
  expect(await run(Effect.flip(presence.of(["thing"])))).toMatchObject({ _tag: "PresenceUnavailable" })
  await host.up()
  await run(Effect.retry(append(client, "a", 1, newEvents(1)), { while: ({ _tag }) => _tag === "StoreUnavailable" }))
  expect(await run(store.head)).toBe(2)
  expect(await run(readModel.find("devices", "owner", "ann", "", 1))).toEqual([])
})

it("tells who follows the feed what was appended meanwhile", async () => {
  await using host = await newHost()
  const options = await publish(host)
  await using client = await connected(options)
  const heads: Array<number> = []
  const following = Effect.runFork(
    client.store.changes.pipe(
      Stream.tap((head) => Effect.sync(() => heads.push(head))),
      Stream.takeUntil((head) => head === 3),
      Stream.runDrain
    )
  )
  await host.down()
  await run(Effect.flip(client.store.head))
  await host.up()
  await using other = await connected(options)
  await run(append(other, "a", 0, newEvents(3)))
  await run(Fiber.join(following))
  expect(heads.at(-1)).toBe(3)
  expect(heads).toEqual(heads.toSorted((a, b) => a - b))
})

it("waits out what is shorter than a call may take", async () => {
  await using host = await newHost()
  await using client = await connected(await publish(host))
  const interrupted = host.interrupt({ when: "after", call: "write" })
  const appending = run(append(client, "a", 0, newEvents(2)))
  await interrupted
  await host.down()
  await host.up()
  expect(await appending).toEqual({ position: 2 })
  expect(await run(client.store.head)).toBe(2)
})

it("fails what is asked after it was closed", async () => {
  await using host = await newHost()
  const client = await connected(await publish(host))
  await run(append(client, "a", 0, newEvents(1)))
  await client[Symbol.asyncDispose]()
  const closed = { _tag: "StoreUnavailable", message: expect.stringContaining("closed") }
  expect(await run(Effect.flip(client.store.head))).toMatchObject(closed)
  expect(await run(Effect.flip(append(client, "a", 1, newEvents(1))))).toMatchObject(closed)
})

it("says that the answer was lost, when it stays away", async () => {
  await using host = await newHost()
  await using client = await connected({ ...(await publish(host)), deadline: "1 second" })
  const interrupted = host.interrupt({ when: "after", call: "write" })
  const appending = run(Effect.flip(append(client, "a", 0, newEvents(2))))
  await interrupted
  await host.down()
  expect(await appending).toMatchObject({
    _tag: "StoreUnavailable",
    message: expect.stringContaining("was lost")
  })
})

it("is named by what is wrong when the first connection cannot be made", async () => {
  await using host = await newHost()
  const options = await publish(host)
  const failure = (changed: Partial<Spacetime.SpacetimeOptions>) =>
    run(Effect.flip(Effect.provide(EventStore, Spacetime.layer({ ...options, deadline: "2 seconds", ...changed }))))
  expect(await failure({ database: "another" })).toMatchObject({ _tag: "CannotConnect", option: "database" })
  expect(await failure({ token: "no.token.atall" })).toMatchObject({ option: "token" })
  expect(await failure({ token: await host.token({ subject: "stranger" }) })).toMatchObject({
    option: "token",
    message: expect.stringContaining("refuses this token")
  })
  const elsewhere = createServer((_, response) => response.writeHead(404).end()).listen(0, "127.0.0.1")
  await once(elsewhere, "listening")
  const { port } = elsewhere.address() as AddressInfo
  expect(await failure({ uri: `http://127.0.0.1:${port}` })).toMatchObject({ option: "uri" })
  elsewhere.close()
  await host.down()
  expect(await failure({})).toMatchObject({ option: "uri" })
})

it("is not opened while it holds a part of an export", async () => {
  await using host = await newHost()
  const options = await publish(host)
  await using importing = await connected(options)
  await run(importing.store.write({ put: [{ key: "import", value: "part" }] }))
  const opened = Effect.provide(EventStore, Spacetime.layer(options))
  expect(await run(Effect.flip(opened))).toMatchObject({ option: "database", message: expect.stringContaining("part") })
  await run(importing.store.write({ remove: ["import"] }))
  await run(opened)
})
