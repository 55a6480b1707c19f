/** What is answered from this process's memory is what the file holds, whoever wrote it. */
import { expect, it } from "@effect/vitest"
import { EventStore } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Context, Effect, Layer } from "effect"
import { event, temporaryFolder } from "./fixture.ts"

const opened = (folder: string) =>
  Effect.map(Layer.build(Layer.fresh(Sqlite.layer({ folder }))), Context.get(EventStore))

it.live("the feed is the same for who wrote it, for another who did, and for one who only reads", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const writers = [yield* opened(folder), yield* opened(folder)] as const
    const reader = Context.get(EventStore)(yield* Layer.build(Sqlite.reader({ folder })))
    const ends = new Map<string, number>()
    // In turns and in rows, of several streams, beyond what is kept, and some of it too long to be kept.
    for (let n = 0; n < 60; n++) {
      const append = Array.from({ length: 1 + ((n * 7) % 90) }, (_, index) => {
        const streamId = `s-${index % 3}`
        const expectedVersion = ends.get(streamId) ?? 0
        const long = n % 20 === 7 && index === 3 ? { long: "x".repeat(5_000) } : {}
        const events = [event({ n, zero: -0, ...long }), event({ index })]
        ends.set(streamId, expectedVersion + events.length)
        return { streamId, expectedVersion, events }
      })
      yield* writers[n % 9 < 6 ? 0 : 1].write({ append })
      const head = yield* reader.head
      for (const after of [head - 400, head - 30, head - 1, head].filter((position) => position >= 0)) {
        for (const limit of [1, 20, 1_000]) {
          const stored = yield* reader.feed(after, limit)
          for (const writer of writers) expect(yield* writer.feed(after, limit)).toEqual(stored)
        }
      }
    }
    const all = yield* reader.feed(0, 100_000)
    expect(all.length).toBeGreaterThan(4_000)
    for (const writer of writers) expect(yield* writer.feed(0, 100_000)).toEqual(all)
  })
)

it.live("a stream that held nothing new holds what anybody has written since, read at the same moment as others", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const [one, other] = [yield* opened(folder), yield* opened(folder)]
    for (let version = 0; version < 20; version++) {
      for (const writer of [one, other]) {
        const streamId = writer === one ? "of-one" : "of-other"
        yield* writer.write({ append: [{ streamId, expectedVersion: version, events: [event()] }] })
        for (const store of [one, other, one]) {
          const versions = yield* Effect.forEach(["of-one", "of-other", "of-nobody", "of-one"], (id) =>
            Effect.map(store.read(id, version, 10), (events) => events.map((stored) => stored.version))
          )
          const ofOther = writer === other ? [version + 1] : []
          expect(versions).toEqual([[version + 1], ofOther, [], [version + 1]])
          expect(yield* store.read("of-one", version + 1, 10)).toEqual([])
        }
      }
    }
  })
)
