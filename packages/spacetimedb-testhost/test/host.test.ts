/** The whole way: a bundled module, the official client SDK, a real socket between them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { TestHost } from "../src/index.ts"
import { bundle } from "./fixture/bundle.ts"
import { Client } from "./fixture/client.ts"

let host: TestHost
let module: string

beforeAll(async () => {
  module = await bundle("./module.ts")
  host = await TestHost.start()
})
afterAll(() => host.stop())

describe("a client", () => {
  it("calls a reducer and sees what it did", async () => {
    await host.publish("notes", module)
    const client = await Client.connect({ uri: host.uri })
    await client.subscribe("SELECT * FROM note WHERE shelf = 'a'")
    await client.reducers.addNote({ shelf: "a", rank: 1, text: "first" })
    await client.reducers.addNote({ shelf: "b", rank: 1, text: "elsewhere" })
    expect([...client.db.note.iter()]).toEqual([{ id: 1n, shelf: "a", rank: 1, text: "first" }])
    expect(await client.procedures.textsBetween({ shelf: "a", from: 0, to: 2 })).toEqual(["first"])
    client.disconnect()
  })
})
