/**
 * The engine is killed again and again under a load of writes, and started on its folder again: what was answered is
 * there, once, at its version and position, and whatever else is there is whole.
 */
import { create, Engine, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { append, bundle, type Client, connected, newEvents } from "./fixture.ts"
import { engine, folderForTest } from "./server.ts"

const KILLS = Number(process.env["SPACETIMEDB_KILLS"] ?? 4)
const CALLERS = 16
/** Writes that are answered between two kills. */
const BETWEEN = 150

sayIfLeftOut("kills of SpacetimeDB's engine", engine !== undefined)

interface Answered {
  readonly stream: string
  readonly version: number
  readonly position: number
  readonly ids: ReadonlyArray<string>
}

it.skipIf(engine === undefined)(
  `${KILLS} kills under load lose nothing that was answered, and double nothing`,
  { timeout: 120_000 + KILLS * 60_000 },
  async () => {
    const folder = folderForTest()
    let running = await Engine.start(engine ?? "", folder)
    const place = await create(running.uri, bundle)
    const answered: Array<Answered> = []
    let isOver = false

    const keepWriting = async (client: Client, stream: string) => {
      let version = 0
      while (!isOver) {
        const events = newEvents(1 + (version % 3))
        const written = await Effect.runPromise(Effect.result(append(client, stream, version, events)))
        if (written._tag === "Success") {
          version += events.length
          answered.push({ stream, version, position: written.success.position, ids: events.map((one) => one.eventId) })
        } else {
          // Nothing was written, or it is in doubt: the stream tells.
          const read = Effect.retry(client.store.read(stream, 0, 100_000), { while: () => true })
          version = (await Effect.runPromise(read)).length
        }
      }
    }
    {
      await using client = await connected({ ...place, deadline: "10 seconds" })
      const writing = Promise.all(Array.from({ length: CALLERS }, (_, at) => keepWriting(client, `stream-${at}`)))
      const untilAnswered = (count: number) =>
        expect.poll(() => answered.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(count)
      for (let kill = 0; kill < KILLS; kill++) {
        await untilAnswered(answered.length + BETWEEN)
        await running.kill()
        running = await Engine.start(engine ?? "", folder, { port: running.port })
      }
      await untilAnswered(answered.length + BETWEEN)
      isOver = true
      await writing
    }
    await running.kill()
    await using last = await Engine.start(engine ?? "", folder, { port: running.port })
    await using reader = await connected({ ...place, uri: last.uri, deadline: "20 seconds" })
    const feed = await Effect.runPromise(reader.store.feed(0, 1_000_000))
    expect(feed.map(({ position }) => position)).toEqual(feed.map((_, index) => index + 1))
    const byId = new Map(feed.map((event) => [event.eventId, event]))
    expect(byId.size).toBe(feed.length)
    for (const { stream, version, position, ids } of answered) {
      const found = ids.map((id) => byId.get(id))
      expect(found).toMatchObject(
        ids.map((_, index) => ({
          streamId: stream,
          version: version - ids.length + index + 1,
          // A write is answered with the feed's position, which others may have moved on.
          position: expect.toSatisfy((at: number) => at <= position)
        }))
      )
    }
    for (const events of Map.groupBy(feed, ({ streamId }) => streamId).values()) {
      expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1))
    }
  }
)
