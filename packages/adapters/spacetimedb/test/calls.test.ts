/** The module as any client meets it, with none of the ports in between. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { connect, type DbConnection } from "../src/Bindings.ts"
import { connected, idsOf, newEvents, publish, startHost } from "./fixture.ts"

const host = await startHost()
const options = await publish(host)
const connection = await new Promise<DbConnection>((resolve, reject) => {
  const connection = connect({ ...options, onReady: () => resolve(connection), onHead: () => {}, onEnd: reject })
})

it("a page ends before it grows too big, and the client asks on", async () => {
  await using client = await connected(options)
  const events = newEvents(5).map((event) => ({ ...event, data: { text: "x".repeat(400_000) } }))
  await Effect.runPromise(client.store.append("big", 0, events))
  const page = await connection.read("read_feed", { after: 0n, limit: 100, prefix: "" })
  expect(page).toMatchObject({
    reached: 3n,
    more: true,
    events: [{ position: 1n }, { position: 2n }, { position: 3n }]
  })
  expect(await connection.read("read_feed", { after: 3n, limit: 100, prefix: "" })).toMatchObject({
    reached: 5n,
    more: false,
    events: [{ position: 4n }, { position: 5n }]
  })
  expect(await connection.read("read_stream", { stream: "big", after: 1, limit: 100 })).toMatchObject({
    reached: 4n,
    more: true,
    events: [{ version: 2 }, { version: 3 }, { version: 4 }]
  })
  expect(await idsOf(client)).toEqual(events.map(({ eventId }) => eventId))
  expect(await Effect.runPromise(client.store.read("big", 0, 100))).toHaveLength(5)
})

it("a page for few of the streams looks at so many positions and no more", async () => {
  await using client = await connected(options)
  const start = await Effect.runPromise(client.store.head)
  for (const batch of [0, 1, 2]) await Effect.runPromise(client.store.append("many", batch * 2_000, newEvents(2_000)))
  await Effect.runPromise(client.store.append("few", 0, newEvents(1)))
  const page = await connection.read("read_feed", { after: BigInt(start), limit: 10, prefix: "few" })
  expect(page).toMatchObject({ events: [], reached: BigInt(start + 5_000), more: true })
  const found = await Effect.runPromise(client.store.readAll(start, 10, "few"))
  expect(found).toMatchObject([{ streamId: "few", position: start + 6_001 }])
})

it("rows that rest on another checkpoint are refused, and change nothing", async () => {
  const rows = { devices: [], users: ["ann"], tempKeys: [], usersOf: [] }
  await connection.write("apply_rows", { ...rows, from: 0n, to: 3n })
  for (const from of [0n, 2n, 4n]) {
    const stale = connection.write("apply_rows", { ...rows, users: ["eve"], from, to: from + 1n })
    await expect(stale).rejects.toThrow('{"code":"CheckpointMoved","checkpoint":3}')
  }
  expect(await connection.read("device_rows", { lockIds: [] })).toMatchObject({ checkpoint: 3n })
  expect(await connection.read("is_known_user", { userId: "eve" })).toBe(false)
  expect(await connection.read("is_known_user", { userId: "ann" })).toBe(true)
})

it("the client goes on from where somebody else has brought the read model", async () => {
  const place = await publish(host)
  await using one = await connected(place)
  await using other = await connected(place)
  const { store } = one
  await Effect.runPromise(store.append("lock-1", 0, newEvents(20)))
  const feed = await Effect.runPromise(store.readAll(0, 20))
  const batches = Array.from({ length: 20 }, (_, index) => feed.slice(0, index + 1))
  const applied = await Effect.runPromise(
    Effect.forEach(batches, (batch, index) => (index % 2 === 0 ? one : other).readModel.apply(batch), {
      concurrency: "unbounded"
    })
  )
  for (const [index, position] of applied.entries()) expect(position).toBeGreaterThanOrEqual(index + 1)
  expect(await Effect.runPromise(one.readModel.checkpoint)).toBe(20)
})
