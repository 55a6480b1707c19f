/** That a stream holds nothing new is known only for as long as nobody writes. */
import { expect, it } from "@effect/vitest"
import { EventStore } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Context, Effect, Layer } from "effect"
import { event, temporaryFolder } from "./fixture.ts"

const opened = (folder: string) =>
  Effect.map(Layer.build(Layer.fresh(Sqlite.layer({ folder }))), Context.get(EventStore))

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
