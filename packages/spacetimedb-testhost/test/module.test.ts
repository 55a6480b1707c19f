/** The world of a module, and what is no module. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type LogLine, TestHost } from "../src/index.ts"
import { bundle } from "./example/bundle.ts"
import { Client } from "./fixture/client.ts"

let host: TestHost
let module: string
const heard: Array<LogLine> = []

beforeAll(async () => {
  module = await bundle("../fixture/module.ts")
  host = await TestHost.start({ capacityMb: 1, onLog: (line) => heard.push(line) })
  await host.publish("notes", module)
})
afterAll(() => host.stop())

describe("a module", () => {
  it("finds the language and nothing of Node", async () => {
    using client = await Client.connect({ uri: host.uri })
    expect(JSON.parse(await client.procedures.world({}))).toEqual({ found: [], isOneRealm: true, text: "grün 😀\0" })
    await expect(client.procedures.useMathRandom({})).rejects.toContain("Math.random is not available")
  })

  it("is heard when it writes to the console, and when it fails", async () => {
    using client = await Client.connect({ uri: host.uri })
    await client.procedures.world({})
    const written = { database: "notes", level: "warn", message: "looked { around: true }" }
    expect(heard.at(-1)).toEqual(written)
    await expect(client.reducers.failAfterWriting({ as_sender: false })).rejects.toThrow()
    expect(heard.slice(-2)).toEqual([written, expect.objectContaining({ level: "error" })])
    expect(host.logs.slice(-2)).toEqual(heard.slice(-2))
  })

  it("survives whatever it throws", async () => {
    using client = await Client.connect({ uri: host.uri })
    await expect(client.procedures.throwOddly({})).rejects.toContain("something without a text")
    expect(await client.procedures.countNotes({})).toBe(0n)
  })

  it("finds its tables full before the memory of the test is", async () => {
    using client = await Client.connect({ uri: host.uri })
    const text = "x".repeat(400_000)
    const add = (rank: number) => client.reducers.addNote({ shelf: "a", rank, text })
    await add(1)
    await add(2)
    await expect(add(3)).rejects.toThrow("fatal error")
    expect(host.logs.at(-1)?.message).toContain("the tables are full: they may hold 1048576 bytes")
    await client.reducers.removeNotes({ shelf: "a" })
    await add(3)
    expect(await client.procedures.countNotes({})).toBe(1n)
  })
})

describe("what is no module is refused with the reason:", () => {
  it.each([
    ["a syntax error", "export default {", "Unexpected"],
    ["nothing exported", "export const a = 1", "default export is not the module's schema"],
    ["something else exported", "export default {}", "default export is not the module's schema"],
    ["an error while it loads", "throw new Error('at load')", "at load"],
    ["a value thrown while it loads", "throw 7", "7"],
    ["an import of Node", "import 'node:fs'", "imports node:fs, which the server has not"],
    ["an import of an older host", "import 'spacetime:sys@1.0'", "imports spacetime:sys@1.0"],
    ["a wait without end", "export default await new Promise(() => {})", "awaits something at its top level"],
    ["a use of Node", "export default process.env", "process is not defined"],
    ["WebAssembly", "\0asm\u0001", "not WebAssembly"]
  ])("%s", async (_, source, reason) => {
    await expect(host.publish("broken", source)).rejects.toThrow(reason)
    await expect(Client.connect({ uri: host.uri, database: "broken" })).rejects.toThrow()
  })

  it("a name that the server reserves", async () => {
    for (const name of ["limit", "Table"]) {
      const named = module.replaceAll(/\brank\b/g, name)
      await expect(host.publish("broken", named)).rejects.toThrow(`reserves the name ${name.toLowerCase()}`)
    }
  })

  it("an init that fails, and what was published before stays", async () => {
    const failing = module.replace('"made by"', "missing.key")
    expect(failing).not.toBe(module)
    await expect(host.publish("notes", failing)).rejects.toThrow("init failed")
    using client = await Client.connect({ uri: host.uri })
    expect(await client.procedures.countSecrets({})).toBe(1n)
  })
})
