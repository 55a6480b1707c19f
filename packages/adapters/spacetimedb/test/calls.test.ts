/** The module as any client meets it, with none of the ports in between. */
import { nowhere } from "@latchkey/core"
import { Effect, Option } from "effect"
import { expect, it } from "vitest"
import { connect, type DbConnection } from "../src/Bindings.ts"
import { append, connected, idsOf, newEvents, publish, startHost } from "./fixture.ts"

const host = await startHost()
const options = await publish(host)
const connection = await new Promise<DbConnection>((resolve, reject) => {
  const connection = connect({ ...options, onReady: () => resolve(connection), onHead: () => {}, onEnd: reject })
})

it.each([
  [undefined, 400],
  ["", 400],
  ["null", 400],
  ["nonsense", 400],
  ["[1]", 400],
  ["[]", 200],
  ["{}", 200]
])("over HTTP, a call with the body %s is answered %i", async (body, status) => {
  const { uri, database, token } = options
  const response = await fetch(`${uri}/v1/database/${database}/call/feed_head`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body !== undefined && { body })
  })
  expect([response.status, await response.text()]).toEqual([status, status === 200 ? "0" : expect.any(String)])
})

it("a page ends before it grows too big, and the client asks on", async () => {
  await using client = await connected(options)
  const events = newEvents(5).map((event) => ({ ...event, data: { text: "x".repeat(400_000) } }))
  await Effect.runPromise(append(client, "big", 0, events))
  const all = { category: undefined, orgId: undefined, most: 100 }
  for (const filter of [
    all,
    { ...all, category: "big" },
    { ...all, orgId: "" },
    { ...all, category: "big", orgId: "" }
  ]) {
    expect(await connection.read("read_feed", { ...filter, after: 0n })).toMatchObject({
      more: true,
      events: [{ position: 1n }, { position: 2n }, { position: 3n }]
    })
    expect(await connection.read("read_feed", { ...filter, after: 3n })).toMatchObject({
      more: false,
      events: [{ position: 4n }, { position: 5n }]
    })
  }
  expect(await connection.read("read_stream", { stream: "big", after: 1n, most: 100 })).toMatchObject({
    more: true,
    events: [{ version: 2n }, { version: 3n }, { version: 4n }]
  })
  expect(await idsOf(client)).toEqual(events.map(({ eventId }) => eventId))
  expect(await Effect.runPromise(client.store.read("big", 0, 100))).toHaveLength(5)

  const records = ["1", "2", "3", "4", "5"].map((digit) => ({ key: `big/${digit}`, value: digit.repeat(400_000) }))
  await Effect.runPromise(client.store.write({ put: records }))
  expect(await connection.read("list_records", { prefix: "big/", after: "big/1", most: 100 })).toMatchObject({
    more: true,
    records: [{ key: "big/2" }, { key: "big/3" }, { key: "big/4" }]
  })
  expect(await Effect.runPromise(client.store.records("big/", "", 100))).toEqual(records)
})

it("a record and an event of 16 MiB go and come", async () => {
  await using client = await connected(await publish(host))
  const value = "x".repeat(16 * 1024 * 1024)
  const [event = expect.fail()] = newEvents(1)
  await Effect.runPromise(client.store.write({ put: [{ key: "large", value }] }))
  await Effect.runPromise(append(client, "large", 0, [{ ...event, data: { value } }]))
  expect(Option.getOrThrow(await Effect.runPromise(client.store.record("large"))) === value).toBe(true)
  const [read] = await Effect.runPromise(client.store.feed(0, 10))
  expect(read?.data["value"] === value).toBe(true)
  const refused = Effect.flip(client.store.write({ expect: [{ key: "large", value: undefined }] }))
  expect((await Effect.runPromise(refused))._tag).toBe("RecordConflict")
})

it("an event that a newer release wrote is not taken for what it is not", async () => {
  const place = await publish(host)
  await using client = await connected(place)
  const newer = await new Promise<DbConnection>((resolve, reject) => {
    const connection = connect({ ...place, onReady: () => resolve(connection), onHead: () => {}, onEnd: reject })
  })
  const nothing = { expect: [], put: [], remove: [], imported: false }
  const events = [{ eventId: "event", orgId: "", text: "?" }]
  await newer.write("write", { ...nothing, id: "id", append: [{ stream: "a", expected: 0, events }], format: 2 })
  newer.disconnect()
  const newerRelease = { _tag: "StoreUnavailable", message: expect.stringContaining("upgrade") }
  expect(await Effect.runPromise(Effect.flip(client.store.feed(0, 1)))).toMatchObject(newerRelease)
  expect(await Effect.runPromise(Effect.flip(client.store.event("event")))).toMatchObject(newerRelease)
})

it("a batch that was given up is refused when it comes after all", async () => {
  const batch = { expect: [], append: [], remove: [], imported: false, format: 1 }
  const put = [{ key: "late", value: "1", until: undefined }]
  expect(await connection.read("settle_write", { id: "late" })).toBeUndefined()
  await expect(connection.write("write", { ...batch, id: "late", put })).rejects.toThrow('{"code":"GivenUp"}')
  expect(await connection.read("settle_write", { id: "late" })).toBeUndefined()
  expect(await connection.read("find_record", { key: "late" })).toBeUndefined()
  await connection.write("write", { ...batch, id: "in time", put })
  expect(await connection.read("settle_write", { id: "in time" })).toBe(await connection.read("feed_head", {}))
})

it("rows that were made at another cursor are refused, and change nothing", async () => {
  const cursorAt = (position: bigint) => ({ format: 1, position, eventId: `event ${position}` })
  const nowhere = { format: 0, position: 0n, eventId: "" }
  const rows = { put: [{ name: "t/ann", value: "1" }], remove: [], list: [], unlist: [] }
  await connection.write("apply_rows", { ...rows, id: "first", after: nowhere, cursor: cursorAt(3n) })
  const stale = [nowhere, cursorAt(2n), { ...cursorAt(3n), eventId: "another" }, { ...cursorAt(3n), format: 2 }]
  for (const [index, after] of stale.entries()) {
    const put = [{ name: "t/eve", value: "1" }]
    const applying = connection.write("apply_rows", { ...rows, put, id: `${index}`, after, cursor: cursorAt(4n) })
    await expect(applying).rejects.toThrow('{"code":"CursorMoved"}')
  }
  expect(await connection.read("read_cursor", {})).toEqual(cursorAt(3n))
  expect(await connection.read("get_rows", { names: ["t/eve", "t/ann"] })).toEqual({
    rows: [{ name: "t/ann", value: "1" }],
    looked: 2
  })
})

it("rows are found in pages, however large they are and however many others there are", async () => {
  await using client = await connected(await publish(host))
  const { readModel } = client
  const keys = Array.from({ length: 2_000 }, (_, index) => String(index).padStart(16, "0"))
  const large = "x".repeat(60_000)
  const rowOf = (key: string) => ({ key, value: Number(key) % 10 === 0 ? large : key })
  const changes = {
    after: nowhere,
    cursor: { format: 1, position: 1, eventId: "event" },
    put: keys.map((key) => ({ table: "t", ...rowOf(key) })),
    remove: [],
    list: keys.map((key) => ({ table: "t", key, index: "tens", value: String(Number(key) % 10) })),
    unlist: []
  }
  expect(await Effect.runPromise(readModel.apply(changes))).toBe(true)
  const tens = keys.filter((key) => Number(key) % 10 === 0)
  expect(await Effect.runPromise(readModel.find("t", "tens", "0", tens[1] ?? "", 150))).toEqual(
    tens.slice(2, 152).map(rowOf)
  )
  expect(await Effect.runPromise(readModel.find("t", "tens", "0", "", 1_000))).toEqual(tens.map(rowOf))
  const found = await Effect.runPromise(readModel.get("t", [...keys, "none"]))
  expect(found).toEqual(keys.map(rowOf))
})
