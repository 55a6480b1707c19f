/** Who is not an allowed writer reads nothing private and writes nothing, whichever way they come. */
import { EventStore } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { identityOf } from "@latchkey/spacetimedb-testhost"
import { Effect } from "effect"
import { DbConnectionBuilder, DbConnectionImpl, procedures, reducers, schema, t } from "spacetimedb"
import { describe, expect, it } from "vitest"
import { declare } from "../src/schema.ts"
import { AUDIENCE, connected, idsOf, newEvents, publish, startHost } from "./fixture.ts"

const host = await startHost()
const run = Effect.runPromise
const { rows, reducers: writes, procedures: reads } = declare(t)

/** One call over HTTP, as `spacetime call` makes it. */
const call = async (options: Spacetime.SpacetimeOptions, name: string, args: ReadonlyArray<unknown>) => {
  const response = await fetch(`${options.uri}/v1/database/${options.database}/call/${name}`, {
    method: "POST",
    headers: { authorization: `Bearer ${options.token}`, "content-type": "application/json" },
    body: JSON.stringify(args)
  })
  return { ok: response.ok, text: await response.text() }
}

const identity = (subject: string, issuer = "localhost") => [
  `0x${identityOf(issuer, subject).toString(16).padStart(64, "0")}`
]

const failure = (options: Spacetime.SpacetimeOptions) =>
  run(Effect.flip(Effect.provide(EventStore, Spacetime.layer(options))))
const notLetIn = { _tag: "CannotConnect", option: "token" }

/** The first answer to a subscription, by whoever has this token, with nothing of this package in between. */
const subscribe = ({ uri, database, token }: Spacetime.SpacetimeOptions, query: string) =>
  new Promise<string>((resolve) => {
    const nothing = {
      ...schema({}).schemaType,
      ...reducers().reducersType,
      ...procedures(),
      versionInfo: { cliVersion: "2.0.0" }
    }
    const connection = new DbConnectionBuilder<DbConnectionImpl<typeof nothing>>(
      nothing,
      (config) => new DbConnectionImpl(config)
    )
      .withUri(uri)
      .withDatabaseName(database)
      .withToken(token)
      .withCompression("none")
      .onConnect(({ subscriptionBuilder }) => {
        subscriptionBuilder()
          .onApplied(() => end("rows"))
          .onError(() => end("refused"))
          .subscribe(query)
      })
      .onDisconnect(() => resolve("not connected"))
      .build()
    const end = (answer: string) => {
      resolve(answer)
      connection.disconnect()
    }
  })

describe("a stranger", async () => {
  const options = await publish(host)
  const stranger = { ...options, token: await host.token({ subject: "mallory", audience: AUDIENCE }) }
  await using owner = await connected(options)
  const events = newEvents(2)
  await run(owner.store.append("lock-1", 0, events))

  it("is not let in", async () => {
    expect(await failure(stranger)).toMatchObject(notLetIn)
    expect(await failure({ ...options, token: await host.token({ subject: "eve" }) })).toMatchObject(notLetIn)
  })

  it.each(Object.keys(rows))("subscribes to nothing: %s", async (table) => {
    expect(await subscribe(stranger, `SELECT * FROM ${table}`)).toBe("not connected")
  })

  /** Another database, in which the owner may do what the stranger may not. */
  const another = await publish(host)
  /** Good arguments. */
  const sample: Readonly<Record<string, ReadonlyArray<unknown>>> = {
    append: ["lock-1", 0, [], { none: [] }],
    prepare: ["lock-1", 0, [], { none: [] }, "command", "thing", 0],
    commit: ["command", "thing", 0],
    discard: ["command"],
    release: ["command"],
    save_snapshot: ["lock-1", 1, "{}"],
    apply_rows: [0, 0, [], [], []],
    forget_rows: [],
    report_device: ["thing", { none: [] }, 0],
    allow_writer: [identity("mallory"), "localhost", AUDIENCE],
    dismiss_writer: [identity("mallory")],
    read_stream: ["lock-1", 0, 10],
    read_feed: [0, 10, ""],
    feed_head: [],
    list_streams: ["", "", 10],
    unsettled: [0],
    find_receipt: ["receipt"],
    find_snapshot: ["lock-1"],
    device_rows: [[]],
    owned_devices: ["ann", { none: [] }],
    lock_of_thing: ["thing"],
    lock_of_temp_key: ["uuid"],
    is_known_user: ["ann"],
    is_online: ["thing"]
  }

  it.each([...Object.keys(writes), ...Object.keys(reads)])("calls nothing: %s", async (name) => {
    const args = sample[name] ?? expect.fail(`What does ${name} take?`)
    expect((await call(stranger, name, args)).ok).toBe(false)
    expect(await call(another, name, args)).toMatchObject({ ok: true })
  })

  it("has changed nothing", async () => {
    await using client = await connected(options)
    expect(await idsOf(client)).toEqual(events.map(({ eventId }) => eventId))
    expect(await failure(stranger)).toMatchObject(notLetIn)
  })
})

describe("a writer", () => {
  it("is let in once the owner has allowed it, and out at once when dismissed", async () => {
    const options = await publish(host)
    const writer = { ...options, token: await host.token({ subject: "writer", audience: AUDIENCE }) }
    expect(await failure(writer)).toMatchObject(notLetIn)
    expect(await call(options, "allow_writer", [identity("writer"), "localhost", AUDIENCE])).toMatchObject({ ok: true })
    await using client = await connected(writer)
    await run(client.store.append("a", 0, newEvents(1)))

    expect(await call(writer, "allow_writer", [identity("mallory"), "localhost", AUDIENCE])).toMatchObject({
      ok: false,
      text: expect.stringContaining("Only the owner")
    })
    expect(await call(writer, "dismiss_writer", [identity("owner")])).toMatchObject({ ok: false })
    expect(await call(options, "dismiss_writer", [identity("owner")])).toMatchObject({
      ok: false,
      text: expect.stringContaining("The owner of the database stays")
    })

    expect(await call(options, "dismiss_writer", [identity("writer")])).toMatchObject({ ok: true })
    expect(await run(Effect.flip(client.store.append("a", 1, newEvents(1))))).toMatchObject({
      _tag: "StoreUnavailable",
      message: expect.stringContaining("no allowed writer")
    })
    expect(await run(Effect.flip(client.store.head))).toMatchObject({ _tag: "StoreUnavailable" })
    expect(await failure(writer)).toMatchObject(notLetIn)
  })

  it("subscribes to nothing that is private", async () => {
    const options = await publish(host)
    const writer = { ...options, token: await host.token({ subject: "writer", audience: AUDIENCE }) }
    await call(options, "allow_writer", [identity("writer"), "localhost", AUDIENCE])
    for (const table of Object.keys(rows).filter((name) => name !== "head")) {
      expect(await subscribe(writer, `SELECT * FROM ${table}`)).toBe("refused")
    }
  })

  it("comes with a token for this audience and of this issuer", async () => {
    const options = await publish(host)
    const elsewhere = { subject: "writer", issuer: "https://issuer.example" }
    await call(options, "allow_writer", [identity("writer", elsewhere.issuer), elsewhere.issuer, "latchkey"])
    const withAudience = async (audience?: string | ReadonlyArray<string>) => ({
      ...options,
      token: await host.token(audience === undefined ? elsewhere : { ...elsewhere, audience })
    })
    for (const audience of [undefined, "another", ["one", "two"]]) {
      expect(await failure(await withAudience(audience))).toMatchObject(notLetIn)
    }
    for (const audience of ["latchkey", ["another", "latchkey"]]) {
      await using client = await connected(await withAudience(audience))
      expect(await run(client.store.head)).toBe(0)
    }
    await call(options, "allow_writer", [identity("writer", elsewhere.issuer), "https://other.example", "latchkey"])
    expect(await failure(await withAudience("latchkey"))).toMatchObject(notLetIn)
  })
})

describe("the owner", () => {
  it("stays with the audience of the token that came first", async () => {
    const options = await publish(host)
    await (await connected(options))[Symbol.asyncDispose]()
    const elsewhere = { ...options, token: await host.token({ subject: "owner", audience: "another" }) }
    expect(await failure(elsewhere)).toMatchObject(notLetIn)
    await using client = await connected(options)
    expect(await run(client.store.head)).toBe(0)
  })
})
