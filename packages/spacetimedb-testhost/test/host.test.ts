/** The whole way: a bundled module, the official client SDK, a real socket between them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { identityOf, TestHost } from "../src/index.ts"
import { bundle } from "./example/bundle.ts"
import { Client } from "./fixture/client.ts"

let host: TestHost
let module: string

beforeAll(async () => {
  module = await bundle("../fixture/module.ts")
  host = await TestHost.start()
})
beforeEach(() => host.publish("notes", module))
afterAll(() => host.stop())

const connect = (token?: string) => Client.connect({ uri: host.uri, ...(token && { token }) })
const hex = (identity: bigint) => identity.toString(16).padStart(64, "0")

describe("subscriptions", () => {
  it("begin with the rows that are there and follow what changes", async () => {
    using client = await connect()
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "before" })
    await client.subscribe("SELECT * FROM note")
    expect([...client.db.note.iter()]).toEqual([{ id: 1n, shelf: "a", rank: 1, text: "before" }])
    await client.reducers.addNote({ shelf: "a", rank: 2, text: "after" })
    await client.reducers.editNote({ id: 1n, text: "edited" })
    expect([...client.db.note.iter()].map(({ text }) => text).sort()).toEqual(["after", "edited"])
    await client.reducers.removeNotes({ shelf: "a" })
    expect(client.db.note.count()).toBe(0n)
  })

  it("tell other clients of the same rows", async () => {
    using writer = await connect()
    using reader = await connect()
    await reader.subscribe("SELECT * FROM note")
    const seen = new Promise<string>((resolve) => reader.db.note.onInsert((_, { text }) => resolve(text)))
    await writer.reducers.addNote({ shelf: "a", rank: 1, text: "for all" })
    expect(await seen).toBe("for all")
  })

  it.each([
    ["SELECT * FROM note WHERE shelf = 'it''s'", ["3"]],
    [`SELECT "note".* FROM "note" WHERE ("note"."rank" = -1)`, ["1"]],
    ["select * from note where shelf = 'a' and rank >= 0", ["2"]],
    ["SELECT * FROM note WHERE (rank < 0) AND (id <> 2)", ["1"]],
    ["SELECT * FROM note WHERE id != 0x1;", ["2", "3"]]
  ])("hold the rows of %s", async (query, texts) => {
    using client = await connect()
    await client.reducers.addNote({ shelf: "a", rank: -1, text: "1" })
    await client.subscribe(query)
    await client.reducers.addNote({ shelf: "a", rank: 7, text: "2" })
    await client.reducers.addNote({ shelf: "it's", rank: 0, text: "3" })
    expect([...client.db.note.iter()].map(({ text }) => text).sort()).toEqual(texts)
  })

  it("find rows by an identity, as the SDK writes it", async () => {
    using client = await connect()
    using _other = await connect()
    await client.subscribe(`SELECT * FROM present WHERE who = 0x${client.identity?.toHexString()}`)
    expect([...client.db.present.iter()].map(({ who }) => who.toHexString())).toEqual([client.identity?.toHexString()])
  })

  it.each([
    ["SELECT * FROM nothing", "no such table"],
    ["SELECT * FROM note WHERE colour = 'red'", "no column colour"],
    ["SELECT * FROM note WHERE rank = 'high'", "not a value of column rank"],
    ["SELECT * FROM note WHERE rank = 9999999999", "not a value of column rank"],
    ["SELECT secret.* FROM note", "The test host knows"],
    ["SELECT * FROM note WHERE secret.key = 'k'", "The test host knows"],
    ["SELECT id FROM note", "The test host knows"],
    ["SELECT * FROM note JOIN secret ON note.text = secret.key", "The test host knows"],
    ["SELECT * FROM note WHERE rank = 1 OR rank = 2", "The test host knows"],
    ["SELECT * FROM note WHERE rank = 1 ORDER BY id", "The test host knows"],
    ["SELECT * FROM note WHERE rank ~ 1", "Not SQL at position"]
  ])("refuse %s and say why", async (query, reason) => {
    using client = await connect()
    await expect(client.subscribe(query)).rejects.toThrow(reason)
  })

  it("end when they are cancelled, and their rows are gone", async () => {
    using client = await connect()
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "" })
    const unsubscribe = await client.subscribe("SELECT * FROM note")
    await unsubscribe()
    await client.reducers.addNote({ shelf: "a", rank: 2, text: "" })
    expect(client.db.note.count()).toBe(0n)
  })

  it("of one row in two queries hold it until the last one ends", async () => {
    using client = await connect()
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "" })
    await client.subscribe("SELECT * FROM note WHERE rank = 1", "SELECT * FROM note WHERE shelf = 'a'")
    const unsubscribe = await client.subscribe("SELECT * FROM note")
    await unsubscribe()
    expect(client.db.note.count()).toBe(1n)
    await client.reducers.removeNotes({ shelf: "a" })
    expect(client.db.note.count()).toBe(0n)
  })

  it("hear nothing of a transaction that changed nothing in the end", async () => {
    using client = await connect()
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "" })
    await client.subscribe("SELECT * FROM note")
    const heard: Array<string> = []
    client.db.note.onUpdate(() => heard.push("update"))
    client.db.note.onInsert(() => heard.push("insert"))
    client.db.note.onDelete(() => heard.push("delete"))
    await client.reducers.changeNothing({ id: 1n })
    expect(heard).toEqual([])
  })
})

describe("a reducer that throws", () => {
  it("leaves nothing behind, whoever is to blame", async () => {
    using client = await connect()
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "stays" })
    await client.subscribe("SELECT * FROM note")
    for (const as_sender of [true, false]) {
      await expect(client.reducers.failAfterWriting({ as_sender })).rejects.toThrow()
    }
    expect([...client.db.note.iter()].map(({ text }) => text)).toEqual(["stays"])
    expect(await client.procedures.textsBetween({ shelf: "a", low: 0, high: 9 })).toEqual(["stays"])
    expect(await client.procedures.countNotes({})).toBe(1n)
    expect(await client.procedures.countSecrets({})).toBe(1n)
  })

  it("tells the caller what a SenderError says, and of other errors that there was one", async () => {
    using client = await connect()
    await expect(client.reducers.failAfterWriting({ as_sender: true })).rejects.toMatchObject({
      name: "SenderError",
      message: "the caller asked for it"
    })
    await expect(client.reducers.failAfterWriting({ as_sender: false })).rejects.toMatchObject({
      name: "InternalError",
      message: "The instance encountered a fatal error."
    })
    expect(host.logs.at(-1)).toMatchObject({ database: "notes", level: "error" })
    expect(host.logs.at(-1)?.message).toMatch(/^fail_after_writing: Error: what only the log may say\n/)
  })

  it("is not the end of the module", async () => {
    using client = await connect()
    await expect(client.reducers.failAfterWriting({ as_sender: false })).rejects.toThrow()
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "" })
    expect(await client.procedures.countNotes({})).toBe(1n)
  })
})

describe("tables", () => {
  it("refuse a second row with a unique value, and take the same row twice", async () => {
    using client = await connect()
    await client.reducers.keepSecretOnce({ key: "k", value: "v" })
    await client.reducers.keepSecretOnce({ key: "k", value: "v" })
    await expect(client.reducers.keepSecretOnce({ key: "k", value: "other" })).rejects.toThrow("UniqueAlreadyExists")
    await expect(client.reducers.keepSecret({ key: "k", value: "other" })).rejects.toMatchObject({
      name: "InternalError"
    })
    expect(await client.procedures.countSecrets({})).toBe(2n)
  })

  it("count up from 1, without gaps where a transaction was undone", async () => {
    using client = await connect()
    await client.subscribe("SELECT * FROM note")
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "" })
    await expect(client.reducers.failAfterWriting({ as_sender: true })).rejects.toThrow()
    await client.reducers.addNote({ shelf: "a", rank: 2, text: "" })
    expect([...client.db.note.iter()].map(({ id }) => id).sort()).toEqual([1n, 2n])
  })

  it("are read in the order of an index, by exact ranges", async () => {
    using client = await connect()
    for (const rank of [2, -3, 10, 0, -1]) await client.reducers.addNote({ shelf: "a", rank, text: String(rank) })
    await client.reducers.addNote({ shelf: "aa", rank: 1, text: "another shelf" })
    expect(await client.procedures.textsBetween({ shelf: "a", low: -3, high: 10 })).toEqual(["-3", "-1", "0", "2"])
    expect(await client.procedures.textsBetween({ shelf: "a", low: -2, high: 0 })).toEqual(["-1"])
  })

  it("hold rows of a megabyte, and thousands of rows", async () => {
    using client = await connect()
    const large = "ü".repeat(500_000)
    await client.reducers.addNote({ shelf: "large", rank: 1, text: large })
    await client.reducers.addNote({ shelf: "large", rank: 2, text: "small" })
    expect(await client.procedures.textsBetween({ shelf: "large", low: 0, high: 9 })).toEqual([large, "small"])
    await Promise.all(
      Array.from({ length: 3000 }, (_, rank) => client.reducers.addNote({ shelf: "many", rank, text: String(rank) }))
    )
    const texts = await client.procedures.textsBetween({ shelf: "many", low: 0, high: 3000 })
    expect(texts).toEqual(Array.from({ length: 3000 }, (_, rank) => String(rank)))
  })
})

describe("procedures", () => {
  it("keep what they committed and undo what failed, and clients hear of it", async () => {
    using client = await connect()
    await client.subscribe("SELECT * FROM note")
    await expect(client.procedures.halfDone({ shelf: "a" })).rejects.toContain("half way")
    expect([...client.db.note.iter()].map(({ text }) => text)).toEqual(["kept"])
  })
})

describe("scheduled functions", () => {
  it.each([
    [false, [1]],
    [true, [1, 2, 3]]
  ])("run when it is time, again: %s", async (again, times) => {
    using client = await connect()
    await client.subscribe("SELECT * FROM rung")
    const rung: Array<number> = []
    const enough = new Promise<void>((resolve) =>
      client.db.rung.onInsert((_, row) => {
        rung.push(row.times)
        if (rung.length === times.length) resolve()
      })
    )
    await client.reducers.setAlarm({ ms: 5, again })
    await enough
    expect(rung).toEqual(times)
    expect(await client.procedures.countAlarms({})).toBe(0n)
  })

  it("do not run when their row is gone before", async () => {
    using client = await connect()
    await client.subscribe("SELECT * FROM rung")
    const rung = new Promise<void>((resolve) => client.db.rung.onInsert(() => resolve()))
    await client.reducers.setAlarm({ ms: 20, again: false })
    await client.reducers.cancelAlarms({})
    await client.reducers.setAlarm({ ms: 60, again: false })
    await rung
    expect(await client.procedures.countAlarms({})).toBe(0n)
  })
})

describe("identities", () => {
  it("are made of issuer and subject as the server makes them, and the module reads the token's claims", async () => {
    const token = await host.token({
      subject: "ann",
      issuer: "https://issuer.example",
      audience: "notes",
      claims: { role: "writer" }
    })
    using client = await connect(token)
    expect(client.identity?.toHexString()).toBe(hex(identityOf("https://issuer.example", "ann")))
    expect(client.identity?.toHexString()).toMatch(/^c200[\da-f]{60}$/)
    expect(JSON.parse(await client.procedures.whoAmI({}))).toEqual({
      identity: client.identity?.toHexString(),
      connected: true,
      issuer: "https://issuer.example",
      audience: ["notes"],
      role: "writer"
    })
  })

  it("stay with a client that comes back with its token", async () => {
    using first = await connect()
    using again = await connect(first.token)
    expect(again.identity?.toHexString()).toBe(first.identity?.toHexString())
    using stranger = await connect()
    expect(stranger.identity?.toHexString()).not.toBe(first.identity?.toHexString())
  })

  it("of others are not to be had: a token of another host, a changed one, an expired one", async () => {
    await using other = await TestHost.start()
    const [header, , signature] = (await host.token({ subject: "ann" })).split(".")
    const forged = `${header}.${Buffer.from(JSON.stringify({ iss: "localhost", sub: "bob" })).toString("base64url")}.${signature}`
    const tokens = [
      await other.token({ subject: "ann" }),
      forged,
      await host.token({ subject: "ann", expiresAt: 1 }),
      "x"
    ]
    for (const token of tokens) await expect(connect(token)).rejects.toThrow("Failed to verify token")
  })

  it("that the module turns away get no connection", async () => {
    await expect(connect(await host.token({ subject: "unwelcome" }))).rejects.toThrow()
  })

  it("come and go with their connections", async () => {
    using client = await connect()
    await client.subscribe("SELECT * FROM present")
    const came = new Promise<string>((resolve) =>
      client.db.present.onInsert((_, { who }) => resolve(who.toHexString()))
    )
    const other = await connect()
    expect(await came).toBe(other.identity?.toHexString())
    const left = new Promise<void>((resolve) => client.db.present.onDelete(() => resolve()))
    other.disconnect()
    await left
    expect([...client.db.present.iter()].map(({ connection }) => connection.toHexString())).toEqual([
      client.connectionId.toHexString()
    ])
  })
})

describe("private tables", () => {
  it("are their owner's alone; for others they do not exist", async () => {
    const owner = await host.token({ subject: "operator" })
    await host.publish("notes", module, { owner })
    using mine = await connect(owner)
    await mine.subscribe("SELECT * FROM secret")
    expect([...mine.db.secret.iter()]).toEqual([{ key: "made by", value: mine.identity?.toHexString() }])

    using stranger = await connect()
    const refusal = (query: string) => stranger.subscribe(query).catch((error: Error) => error.message)
    const unknown = (await refusal("SELECT * FROM sacred")) as string
    expect(await refusal("SELECT * FROM secret")).toBe(unknown.replace("sacred", "secret"))
    await expect(stranger.subscribe("SELECT * FROM note", "SELECT * FROM secret")).rejects.toThrow("no such table")
    await mine.reducers.keepSecret({ key: "k", value: "v" })
    expect(mine.db.secret.count()).toBe(2n)
    expect(stranger.db.secret.count()).toBe(0n)
  })
})

describe("calls", () => {
  it("of what is not there, or not for clients, are refused", async () => {
    using client = await connect()
    await expect(client.reducers.unknown({})).rejects.toThrow("no such reducer: unknown")
    await expect(client.reducers.init({})).rejects.toThrow("no such reducer: init")
  })

  it("with arguments that are none are refused, and the module never sees them", async () => {
    using client = await connect()
    const logs = host.logs.length
    await expect(client.callReducer("add_note", Uint8Array.of(255))).rejects.toThrow("invalid arguments for add_note")
    await expect(client.callReducer("init", Uint8Array.of())).rejects.toThrow("no such reducer")
    await expect(client.callReducer("remove_notes", Uint8Array.of(0, 0, 0, 0, 9))).rejects.toThrow("1 bytes too many")
    expect(host.logs.length).toBe(logs)
  })

  it("of one client are done in the order in which it made them", async () => {
    using client = await connect()
    await client.subscribe("SELECT * FROM note")
    await Promise.all(Array.from({ length: 50 }, (_, rank) => client.reducers.addNote({ shelf: "a", rank, text: "" })))
    expect([...client.db.note.iter()].every(({ id, rank }) => id === BigInt(rank + 1))).toBe(true)
  })
})
