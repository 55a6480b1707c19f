/** Connections that end at exact points of a call, and a host that goes away and comes back: itself, or by a proxy. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { FaultProxy, TestHost } from "../src/index.ts"
import { bundle } from "./example/bundle.ts"
import { Client } from "./fixture/client.ts"

const module = await bundle("../fixture/module.ts")
const note = { shelf: "a", rank: 1, text: "" }

/** What breaks the connections. */
type Host = Pick<TestHost, "uri" | "interrupt" | "disconnectAll" | "down" | "up">

describe.each([
  { name: "the host", inFrontOf: async (published: TestHost): Promise<Host> => published },
  { name: "a proxy in front of it", inFrontOf: ({ uri }: TestHost): Promise<Host> => FaultProxy.start(uri) }
])("$name:", ({ inFrontOf }) => {
  let published: TestHost
  let host: Host
  beforeAll(async () => {
    published = await TestHost.start()
    host = await inFrontOf(published)
  })
  beforeEach(() => published.publish("notes", module))
  afterAll(async () => {
    await host.down()
    await published.stop()
  })

  const connect = () => Client.connect({ uri: host.uri })
  const notes = async () => {
    using client = await connect()
    // Awaited before the connection is disposed of: the SDK never settles what is under way then.
    return await client.procedures.countNotes({})
  }

  describe("an interruption", () => {
    it("before a call loses it", async () => {
      const client = await connect()
      const lost = host.interrupt({ when: "before", call: "add_note" })
      void client.reducers.addNote(note)
      await lost
      await client.ended.promise
      expect(await notes()).toBe(0n)
    })

    it("after a call loses its answer; what it did is committed, and others hear of it", async () => {
      const client = await connect()
      using other = await connect()
      await other.subscribe("SELECT * FROM note")
      const heard = new Promise<void>((resolve) => other.db.note.onInsert(() => resolve()))
      const lost = host.interrupt({ when: "after", call: "add_note" })
      void client.reducers.addNote(note)
      await lost
      await Promise.all([client.ended.promise, heard])
      expect(await notes()).toBe(1n)
    })

    it.each([
      ["before", 1n],
      ["after", 2n]
    ] as const)("in silence %s a call leaves the connection open", async (when, count) => {
      using client = await connect()
      const lost = host.interrupt({ when, call: "add_note", how: "silence" })
      let answered = false
      void client.reducers.addNote(note).then(() => {
        answered = true
      })
      await lost
      await client.reducers.addNote({ ...note, rank: 2 })
      expect(await client.procedures.countNotes({})).toBe(count)
      expect(answered).toBe(false)
    })

    it("serves once, and only the call that it names", async () => {
      const client = await connect()
      void host.interrupt({ when: "before", call: "count_notes" })
      await client.reducers.addNote(note)
      void client.procedures.countNotes({})
      await client.ended.promise
      expect(await notes()).toBe(1n)
    })

    it("drops what followed the lost call in the same breath", async () => {
      const client = await connect()
      void host.interrupt({ when: "before", call: "add_note" })
      void client.reducers.addNote(note)
      void client.reducers.addNote({ ...note, rank: 2 })
      await client.ended.promise
      expect(await notes()).toBe(0n)
    })

    it("of any call fits the next one", async () => {
      const client = await connect()
      void host.interrupt({ when: "after" })
      void client.procedures.countNotes({})
      await client.ended.promise
    })
  })

  describe("an outage", () => {
    it("ends connections and refuses new ones, and keeps what was committed", async () => {
      const client = await connect()
      await client.reducers.addNote(note)
      const { uri } = host
      await host.down()
      await client.ended.promise
      await expect(connect()).rejects.toThrow()
      await host.down()
      await host.up()
      await host.up()
      expect(host.uri).toBe(uri)
      expect(await notes()).toBe(1n)
    })

    it("of all connections at once is no more than that", async () => {
      const clients = await Promise.all([connect(), connect()])
      host.disconnectAll()
      await Promise.all(clients.map(({ ended }) => ended.promise))
      expect(await notes()).toBe(0n)
    })

    it("ends with the database: its clients are told", async () => {
      const client = await connect()
      await published.publish("notes", module)
      await client.ended.promise
      expect(await notes()).toBe(0n)
    })
  })
})
