/** The WebSocket protocol, spoken without the SDK: what it never sends, and both versions. */
import type { Socket } from "node:net"
import { BinaryReader, BinaryWriter } from "spacetimedb"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { TestHost } from "../src/index.ts"
import { ClientMessage, ServerMessage } from "../src/protocol/messages.ts"
import { bundle } from "./example/bundle.ts"

const V2 = "v2.bsatn.spacetimedb"
const V3 = "v3.bsatn.spacetimedb"

let host: TestHost

beforeAll(async () => {
  host = await TestHost.start()
  await host.publish("notes", await bundle("../fixture/module.ts"))
})
afterAll(() => host.stop())

/** A connection that collects what it is sent. */
class Raw implements Disposable {
  readonly socket: WebSocket
  readonly closed: Promise<number>
  readonly #waiting: Array<(message: ServerMessage) => void> = []
  readonly #messages: Array<ServerMessage> = []

  constructor(protocols: ReadonlyArray<string>, query = "", database = "notes") {
    const url = `${host.uri.replace("http", "ws")}/v1/database/${database}/subscribe${query}`
    this.socket = new WebSocket(url, [...protocols])
    this.closed = new Promise((resolve) => this.socket.on("close", resolve))
    this.socket.on("error", () => {})
    this.socket.on("message", (data: Buffer) => {
      const [compression] = data
      expect(compression).toBe(0)
      const reader = new BinaryReader(data.subarray(1))
      do this.#messages.push(ServerMessage.deserialize(reader))
      while (reader.remaining > 0)
      while (this.#waiting.length > 0 && this.#messages.length > 0) {
        this.#waiting.shift()?.(this.#messages.shift() as ServerMessage)
      }
    })
  }

  /** The next message that comes. */
  next(): Promise<ServerMessage> {
    const message = this.#messages.shift()
    return message ? Promise.resolve(message) : new Promise((resolve) => this.#waiting.push(resolve))
  }

  send(...messages: ReadonlyArray<ClientMessage>): void {
    const writer = new BinaryWriter(64)
    for (const message of messages) ClientMessage.serialize(writer, message)
    this.socket.send(writer.getBuffer())
  }

  /** What is sent meanwhile goes out as one packet. */
  together(send: () => void): void {
    const { _socket: tcp } = this.socket as unknown as { readonly _socket: Socket }
    tcp.cork()
    send()
    tcp.uncork()
  }

  [Symbol.dispose](): void {
    this.socket.terminate()
  }
}

const oneOff = (requestId: number, queryString: string): ClientMessage => ({
  tag: "OneOffQuery",
  value: { requestId, queryString }
})

const string = (text: string) => {
  const writer = new BinaryWriter(64)
  writer.writeString(text)
  return writer.getBuffer()
}

const addNote = (requestId: number): ClientMessage => {
  const args = Buffer.concat([string("a"), Uint8Array.of(1, 0, 0, 0), string("text")])
  return { tag: "CallReducer", value: { requestId, flags: 0, reducer: "add_note", args } }
}

describe("a connection", () => {
  it("begins with who the client is", async () => {
    const token = await host.token({ subject: "ann" })
    using raw = new Raw([V2], `?token=${token}&connection_id=${"0f".repeat(16)}`)
    const { tag, value } = await raw.next()
    expect(tag).toBe("InitialConnection")
    expect(value).toMatchObject({ token, connectionId: { __connection_id__: BigInt(`0x${"0f".repeat(16)}`) } })
  })

  it.each([
    [[V2], V2],
    [[V3], V3],
    [[V2, V3], V3]
  ])("that offers %s speaks %s", async (offered, spoken) => {
    using raw = new Raw(offered)
    await raw.next()
    expect(raw.socket.protocol).toBe(spoken)
    raw.send(oneOff(7, "SELECT * FROM note"))
    expect(await raw.next()).toMatchObject({ tag: "OneOffQueryResult", value: { requestId: 7, result: { tag: "Ok" } } })
  })

  it.each([
    [["v1.json.spacetimedb"], "", "notes"],
    [[], "", "notes"],
    [[V2], "?token=x", "notes"],
    [[V2], `?connection_id=${"0".repeat(32)}`, "notes"],
    [[V2], "?connection_id=nonsense", "notes"],
    [[V2], "", "nothing"],
    [[V2], "", "%E0%A4%A"]
  ])("that offers %s%s to %s is refused", async (offered, query, database) => {
    using raw = new Raw(offered, query, database)
    expect(await raw.closed).toBe(1006)
  })

  it("of a client that the module does not want ends without a word", async () => {
    using raw = new Raw([V2], `?token=${await host.token({ subject: "unwelcome" })}`)
    expect(await raw.closed).toBe(1006)
  })
})

describe("messages", () => {
  it("are several in one frame of v3, and answered in order", async () => {
    using raw = new Raw([V3])
    await raw.next()
    raw.send(oneOff(1, "SELECT * FROM note"), oneOff(2, "SELECT * FROM secret"), oneOff(3, "SELECT * FROM note"))
    const answers = [await raw.next(), await raw.next(), await raw.next()]
    expect(answers.map(({ value }) => value)).toMatchObject([
      { requestId: 1, result: { tag: "Ok" } },
      { requestId: 2, result: { tag: "Err", value: expect.stringContaining("no such table") } },
      { requestId: 3, result: { tag: "Ok" } }
    ])
  })

  it.each([
    [V2, [9]],
    [V3, [9]],
    [V2, []],
    [V3, [2, 1]]
  ])("that are none of %s end the connection: %j", async (protocol, bytes) => {
    using raw = new Raw([protocol])
    await raw.next()
    raw.socket.send(Uint8Array.from(bytes))
    expect(await raw.closed).toBe(1011)
  })

  it("tell a caller what its call changed once, in the answer", async () => {
    using raw = new Raw([V2])
    await raw.next()
    raw.send({
      tag: "Subscribe",
      value: { requestId: 1, querySetId: { id: 0 }, queryStrings: ["SELECT * FROM note"] }
    })
    await raw.next()
    raw.send(addNote(2))
    expect(await raw.next()).toMatchObject({
      tag: "ReducerResult",
      value: {
        requestId: 2,
        result: { tag: "Ok", value: { transactionUpdate: { querySets: [{ tables: [{ tableName: "note" }] }] } } }
      }
    })
    raw.send(oneOff(3, "SELECT * FROM note"))
    expect(await raw.next()).toMatchObject({ tag: "OneOffQueryResult", value: { requestId: 3 } })
  })

  it("that come in one packet with an interrupted one are lost with it", async () => {
    const headers = { "content-type": "application/json" }
    const counting = { method: "POST", headers, body: "[]" }
    const count = async () => (await fetch(`${host.uri}/v1/database/notes/call/count_notes`, counting)).text()
    const before = await count()
    using raw = new Raw([V2])
    await raw.next()
    void host.interrupt({ when: "before", call: "add_note" })
    raw.together(() => {
      raw.send(addNote(1))
      raw.send(addNote(2))
    })
    await raw.closed
    expect(await count()).toBe(before)
  })

  it("about query sets that are not there, or there already, are refused", async () => {
    using raw = new Raw([V2])
    await raw.next()
    raw.send({ tag: "Unsubscribe", value: { requestId: 1, querySetId: { id: 5 }, flags: { tag: "Default" } } })
    expect(await raw.next()).toMatchObject({ tag: "SubscriptionError", value: { requestId: 1, querySetId: { id: 5 } } })
    const subscribe: ClientMessage = {
      tag: "Subscribe",
      value: { requestId: 2, querySetId: { id: 5 }, queryStrings: ["SELECT * FROM note"] }
    }
    raw.send(subscribe)
    expect(await raw.next()).toMatchObject({ tag: "SubscribeApplied", value: { requestId: 2 } })
    raw.send(subscribe)
    expect(await raw.next()).toMatchObject({ tag: "SubscriptionError", value: { requestId: 2 } })
    raw.send({ tag: "Unsubscribe", value: { requestId: 3, querySetId: { id: 5 }, flags: { tag: "Default" } } })
    expect(await raw.next()).toMatchObject({ tag: "UnsubscribeApplied", value: { requestId: 3, rows: undefined } })
  })
})
