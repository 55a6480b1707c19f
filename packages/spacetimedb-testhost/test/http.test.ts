/** The HTTP API, with nothing but `fetch`. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { TestHost } from "../src/index.ts"
import { bundle } from "./example/bundle.ts"
import { Client } from "./fixture/client.ts"

let host: TestHost
let module: string
let owner: string

beforeAll(async () => {
  module = await bundle("../fixture/module.ts")
  host = await TestHost.start()
  owner = await host.token({ subject: "operator" })
})
beforeEach(() => host.publish("notes", module, { owner }))
afterAll(() => host.stop())

const request = (method: string, path: string, body?: string, token?: string) =>
  fetch(`${host.uri}/v1/${path}`, {
    method,
    ...(body !== undefined && { body }),
    headers: {
      ...(path.includes("/call/") && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` })
    }
  })
const json = async (...args: Parameters<typeof request>) => {
  const response = await request(...args)
  expect(response.status).toBe(200)
  return (await response.json()) as Record<string, never>
}
const answer = async (...args: Parameters<typeof request>) => {
  const response = await request(...args)
  return [response.status, await response.text()]
}

describe("identities", () => {
  it("are given to who asks, a new one each time", async () => {
    const made = await json("POST", "identity")
    expect(made["identity"]).toMatch(/^c200[\da-f]{60}$/)
    const another = await json("POST", "identity", undefined, made["token"])
    expect(another["identity"]).toMatch(/^c200[\da-f]{60}$/)
    expect(another["identity"]).not.toBe(made["identity"])
    expect(await json("POST", "identity/websocket-token", undefined, made["token"])).toHaveProperty("token")
  })

  it("need a token of this host, which tells since when it is", async () => {
    const [status] = await answer("POST", "identity/websocket-token", undefined, "x.y.z")
    expect(status).toBe(401)
    const timeless = await host.token({ subject: "ann", claims: { iat: undefined } })
    expect((await answer("POST", "identity/websocket-token", undefined, timeless))[0]).toBe(401)
  })
})

describe("publishing", () => {
  it("makes a database that clients connect to", async () => {
    const published = await json("PUT", "database/fresh?host_type=Js", module, owner)
    using client = await Client.connect({ uri: host.uri, database: "fresh" })
    expect(await client.procedures.countNotes({})).toBe(0n)
    const [, identity] = await answer("GET", "database/fresh/identity")
    expect(published).toEqual({
      Success: { domain: "fresh", database_identity: { __identity__: `0x${identity}` }, op: "created" }
    })
    using byIdentity = await Client.connect({ uri: host.uri, database: String(identity) })
    expect(byIdentity.isActive).toBe(true)
  })

  it("again keeps what is there when the module is the same, and else wants it cleared", async () => {
    await request("POST", "database/notes/call/add_note", `["a", 1, ""]`)
    expect((await request("PUT", "database/notes", module, owner)).status).toBe(200)
    expect(await answer("POST", "database/notes/call/count_notes", "[]")).toEqual([200, "1"])
    const changed = `${module}\n`
    expect(await answer("PUT", "database/notes", changed, owner)).toEqual([400, expect.stringContaining("clear=true")])
    expect((await request("PUT", "database/notes?clear=true", changed, owner)).status).toBe(200)
    expect(await answer("POST", "database/notes/call/count_notes", "[]")).toEqual([200, "0"])
  })

  it("and removing is the owner's right", async () => {
    const other = await host.token({ subject: "other" })
    expect((await request("PUT", "database/notes?clear=true", module, other)).status).toBe(401)
    expect((await request("DELETE", "database/notes", undefined, other)).status).toBe(401)
    expect((await request("GET", "database/notes/logs", undefined, other)).status).toBe(401)
    expect((await request("DELETE", "database/notes", undefined, owner)).status).toBe(200)
    expect((await request("GET", "database/notes")).status).toBe(404)
  })

  it("what is no module says why", async () => {
    expect(await answer("POST", "database", "nonsense(", owner)).toEqual([
      400,
      expect.stringContaining("Unexpected end of input")
    ])
    expect(await answer("PUT", "database/notes?clear=true", "\0asm\u0001", owner)).toEqual([
      400,
      expect.stringContaining("not WebAssembly")
    ])
  })
})

describe("calls", () => {
  it("say that their arguments are JSON", async () => {
    const untold = await fetch(`${host.uri}/v1/database/notes/call/count_notes`, { method: "POST", body: "[]" })
    expect(untold.status).toBe(415)
  })

  it("take arguments as an array or an object", async () => {
    expect(await answer("POST", "database/notes/call/add_note", `["a", 1, "one"]`)).toEqual([200, ""])
    expect(await answer("POST", "database/notes/call/add_note", `{"rank":2,"shelf":"a","text":"two"}`)).toEqual([
      200,
      ""
    ])
    expect(await answer("POST", "database/notes/call/texts_between", `["a", 0, 9]`)).toEqual([200, `["one","two"]`])
  })

  it("are made by the bearer of the token, on a connection of their own", async () => {
    const [, text] = await answer(
      "POST",
      "database/notes/call/who_am_i",
      "[]",
      await host.token({ subject: "ann", audience: "notes" })
    )
    expect(JSON.parse(JSON.parse(text as string))).toMatchObject({
      connected: true,
      issuer: "localhost",
      audience: ["notes"]
    })
    using client = await Client.connect({ uri: host.uri })
    await client.subscribe("SELECT * FROM present")
    expect(client.db.present.count()).toBe(1n)
  })

  it("of clients that the module does not want are refused", async () => {
    const token = await host.token({ subject: "unwelcome" })
    expect(await answer("POST", "database/notes/call/add_note", `["a", 1, ""]`, token)).toEqual([403, "not here"])
    expect(await answer("POST", "database/notes/call/count_notes", "[]")).toEqual([200, "0"])
  })

  it.each([
    ["add_note", `["a", 1]`, 400, "arguments is to be an array of 3"],
    ["add_note", `["a", "high", ""]`, 400, "arguments.rank is to be an integer"],
    ["add_note", `["a", 2147483648, ""]`, 400, "arguments.rank is to be within I32"],
    ["add_note", `["a", 1.5, ""]`, 400, "arguments.rank is to be an integer"],
    ["add_note", `{"shelf":"a","rank":1}`, 400, "arguments.text is to be text"],
    ["add_note", `nonsense`, 400, "JSON"],
    ["count_notes", "", 400, "JSON"],
    ["unknown", `[]`, 404, "unknown"],
    ["init", `[]`, 404, "init"],
    ["fail_after_writing", `[true]`, 530, "the caller asked for it"],
    ["fail_after_writing", `[false]`, 530, "The instance encountered a fatal error."],
    ["use_math_random", `[]`, 500, "Math.random is not available"]
  ])("of %s with %s are answered %i %s", async (name, args, status, text) => {
    expect(await answer("POST", `database/notes/call/${name}`, args)).toEqual([status, expect.stringContaining(text)])
  })
})

describe("a database", () => {
  it("describes its schema", async () => {
    const schema = await json("GET", "database/notes/schema?version=10")
    expect(schema["sections"]).toContainEqual({
      Procedures: expect.arrayContaining([expect.objectContaining({ source_name: "count_notes" })])
    })
    expect((await request("GET", "database/notes/schema?version=9")).status).toBe(400)
  })

  it("shows its owner what went wrong", async () => {
    await request("POST", "database/notes/call/fail_after_writing", "[false]")
    const [status, log] = await answer("GET", "database/notes/logs", undefined, owner)
    expect(status).toBe(200)
    const lines = String(log)
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    expect(lines).toContainEqual({
      level: "Error",
      message: expect.stringContaining("fail_after_writing: Error: what only the log may say")
    })
  })
})

describe("other requests", () => {
  it.each([
    ["GET", "ping", 200],
    ["GET", "identity/public-key", 200],
    ["GET", "database/nothing", 404],
    ["GET", "database/notes/nothing", 404],
    ["GET", "database/notes/call", 404],
    ["GET", "nothing", 404],
    ["GET", "database/%E0%A4%A", 400]
  ])("%s %s is answered %i", async (method, path, status) => {
    expect((await request(method, path)).status).toBe(status)
  })
})
