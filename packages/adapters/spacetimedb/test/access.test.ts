/** Who is not an allowed writer reads nothing private and writes nothing, whichever way they come. */
import { EventStore } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { identityOf } from "@latchkey/spacetimedb-testhost"
import { Effect } from "effect"
import { DbConnectionBuilder, DbConnectionImpl, Identity, procedures, reducers, schema, t } from "spacetimedb"
import { describe, expect, it } from "vitest"
import {
  connect,
  type DbConnection,
  type ReadArguments,
  type ReadName,
  type WriteArguments,
  type WriteName
} from "../src/Bindings.ts"
import { declare } from "../src/schema.ts"
import { AUDIENCE, append, connected, idsOf, newEvents, publish, startHost } from "./fixture.ts"

const host = await startHost()
const run = Effect.runPromise
const { rows, reducers: writes, procedures: reads } = declare(t)

/** One call over HTTP, as `spacetime call` makes it. */
const call = async (options: Spacetime.SpacetimeOptions, name: string, args: object) => {
  const response = await fetch(`${options.uri}/v1/database/${options.database}/call/${name}`, {
    method: "POST",
    headers: { authorization: `Bearer ${options.token}`, "content-type": "application/json" },
    body: JSON.stringify(Object.values(args).map(toJson))
  })
  return { ok: response.ok, status: response.status, text: await response.text() }
}

/** As the HTTP interface of SpacetimeDB writes it. */
const toJson = (value: unknown): unknown => {
  if (value === undefined) return { none: [] }
  if (typeof value === "bigint") return Number(value)
  if (value === nowhere) return [0, 0, ""]
  return value instanceof Identity ? [`0x${value.toHexString()}`] : value
}

const allow = (options: Spacetime.SpacetimeOptions, audience = AUDIENCE, issuer = "localhost", of = issuer) =>
  call(options, "allow_writer", { identity: new Identity(identityOf(of, "writer")), issuer, audience })

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

const mallory = new Identity(identityOf("localhost", "mallory"))

const nowhere = { format: 0, position: 0n, eventId: "" }

/** Good arguments of everything that can be called. */
const sample = {
  write: { id: "write", expect: [], append: [], put: [], remove: [], imported: false, format: 1 },
  apply_rows: { id: "rows", after: nowhere, cursor: nowhere, put: [], remove: [], list: [], unlist: [] },
  forget_rows: {},
  report_device: { thing: "thing", online: undefined, at: 0 },
  report_presence: { thing: "thing", online: undefined, reason: "", at: 0 },
  allow_writer: { identity: mallory, issuer: "localhost", audience: AUDIENCE },
  dismiss_writer: { identity: mallory },
  module_version: {},
  read_stream: { stream: "lock-1", after: 0n, most: 10 },
  read_feed: { after: 0n, most: 10, category: undefined, orgId: undefined },
  feed_head: {},
  find_event: { eventId: "event" },
  find_record: { key: "key" },
  list_records: { prefix: "", after: "", most: 10 },
  settle_write: { id: "write" },
  read_cursor: {},
  get_rows: { names: ["table/key"] },
  find_rows: { prefix: "table/", list: "table/index/value", after: "", most: 10 },
  heard_of: { things: ["thing"] },
  presence_of: { things: ["thing"] }
} satisfies { readonly [Name in WriteName]: WriteArguments<Name> } & {
  readonly [Name in ReadName]: ReadArguments<Name>
}

describe("a stranger", async () => {
  const options = await publish(host)
  const stranger = { ...options, token: await host.token({ subject: "mallory", audience: AUDIENCE }) }
  await using owner = await connected(options)
  const events = newEvents(2)
  await run(append(owner, "lock-1", 0, events))

  it("is not let in", async () => {
    expect(await failure(stranger)).toMatchObject(notLetIn)
    expect(await failure({ ...options, token: await host.token({ subject: "eve" }) })).toMatchObject(notLetIn)
  })

  it.each(Object.keys(rows))("subscribes to nothing: %s", async (table) => {
    expect(await subscribe(stranger, `SELECT * FROM ${table}`)).toBe("not connected")
  })

  /** Another database, in which the owner may do what the stranger may not. */
  const another = await publish(host)
  it.each(Object.entries(sample))("calls nothing: %s", async (name, args) => {
    expect(await call(stranger, name, args)).toMatchObject({ status: 403 })
    expect(await call(another, name, args)).toMatchObject({ ok: true })
  })

  it("has changed nothing", async () => {
    await using client = await connected(options)
    expect(await idsOf(client)).toEqual(events.map(({ eventId }) => eventId))
    expect(await failure(stranger)).toMatchObject(notLetIn)
  })
})

describe("a writer", () => {
  const writerOf = async (options: Spacetime.SpacetimeOptions) => ({
    ...options,
    token: await host.token({ subject: "writer", audience: AUDIENCE })
  })

  it("is let in once the owner has allowed it, and only then", async () => {
    const options = await publish(host)
    const writer = await writerOf(options)
    expect(await failure(writer)).toMatchObject(notLetIn)
    expect(await allow(options)).toMatchObject({ ok: true })
    await using client = await connected(writer)
    expect(await run(append(client, "a", 0, newEvents(1)))).toEqual({ position: 1 })
  })

  it("allows and dismisses nobody; and nobody dismisses the owner", async () => {
    const options = await publish(host)
    const writer = await writerOf(options)
    await allow(options)
    const refused = { ok: false, text: expect.stringContaining("Only the owner") }
    expect(await call(writer, "allow_writer", sample.allow_writer)).toMatchObject(refused)
    expect(await call(writer, "dismiss_writer", sample.dismiss_writer)).toMatchObject(refused)
    const owner = { identity: new Identity(identityOf("localhost", "owner")) }
    expect(await call(options, "dismiss_writer", owner)).toMatchObject({
      ok: false,
      text: expect.stringContaining("The owner of the database cannot be dismissed")
    })
  })

  it("can do nothing more once dismissed, also when it is connected", async () => {
    const options = await publish(host)
    const writer = await writerOf(options)
    await allow(options)
    await using client = await connected(writer)
    const connection = await new Promise<DbConnection>((resolve, reject) => {
      const connection = connect({ ...writer, onReady: () => resolve(connection), onHead: () => {}, onEnd: reject })
    })
    expect(await connection.read("feed_head", {})).toBe(0n)
    const dismissed = { identity: new Identity(identityOf("localhost", "writer")) }
    expect(await call(options, "dismiss_writer", dismissed)).toMatchObject({ ok: true })

    for (const name of Object.keys(writes) as ReadonlyArray<WriteName>) {
      await expect(connection.write(name, sample[name]), name).rejects.toThrow("NotAllowed")
    }
    for (const name of Object.keys(reads) as ReadonlyArray<ReadName>) {
      await expect(connection.read(name, sample[name]), name).rejects.toBeDefined()
    }
    connection.disconnect()
    expect(await run(Effect.flip(append(client, "a", 0, newEvents(1))))).toMatchObject({
      _tag: "StoreUnavailable",
      message: expect.stringContaining("not an allowed writer")
    })
    expect(await failure(writer)).toMatchObject(notLetIn)
  })

  it("subscribes to nothing that is private", async () => {
    const options = await publish(host)
    const writer = await writerOf(options)
    await allow(options)
    for (const table of Object.keys(rows).filter((name) => name !== "head")) {
      expect(await subscribe(writer, `SELECT * FROM ${table}`)).toBe("refused")
    }
  })

  it("comes with a token for this audience and of this issuer", async () => {
    const options = await publish(host)
    const elsewhere = { subject: "writer", issuer: "https://issuer.example" }
    await allow(options, "latchkey", elsewhere.issuer)
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
    await allow(options, "latchkey", "https://other.example", elsewhere.issuer)
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
