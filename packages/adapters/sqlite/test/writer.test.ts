/** The writer thread: who shares a commit, and what becomes of callers when it ends. */

import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { expect, it } from "@effect/vitest"
import { type Batch, EventStore } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Context, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { vi } from "vitest"
import { openDatabase } from "../src/Database.ts"
import { EventLog } from "../src/EventLog.ts"
import { migrations } from "../src/migrations.ts"
import { requestOf } from "../src/WriteRequest.ts"
import { batch, event, temporaryFolder } from "./fixture.ts"

it.live("answers each request of a group by itself", () =>
  Effect.gen(function* () {
    const db = openDatabase(join(yield* temporaryFolder, "latchkey.db"), {
      synchronous: "FULL",
      migrations,
      busyTimeout: 0
    })
    const log = new EventLog(db)
    const append = (streamId: string, expectedVersion: number, eventId: string = crypto.randomUUID()) =>
      batch(streamId, expectedVersion, [{ ...event(), eventId }])
    const both = (...batches: ReadonlyArray<Batch>) => ({ append: batches.flatMap(({ append = [] }) => append) })
    const isFree = { expect: [{ key: "r", value: undefined }] }
    const batches: ReadonlyArray<Batch> = [
      { ...append("a", 0, "e-1"), ...isFree, put: [{ key: "r", value: "1" }] },
      append("a", 0),
      { ...append("a", 1), ...isFree },
      both(append("b", 0, "e-2"), append("c", 0, "e-2")),
      append("b", 0, "e-1"),
      { ...append("b", 0, "e-1"), imported: true },
      {
        ...both(append("a", 1), append("b", 1), append("a", 2)),
        expect: [{ key: "r", value: "1" }],
        put: [{ key: "r", value: "2", until: 1_001 }]
      },
      both(append("a", 3), append("b", 3))
    ]
    const group = [
      ...batches.map((one) => requestOf(one, 1_000)),
      requestOf({ ...isFree, remove: ["r"] }, 1_001),
      requestOf({}, 1_001)
    ]
    expect(log.commit(group)).toEqual([
      1,
      { _tag: "VersionConflict", streamId: "a", expected: 0, actual: 1 },
      { _tag: "RecordConflict", key: "r", actual: "1" },
      { _tag: "EventExists", eventId: "e-2" },
      { _tag: "EventExists", eventId: "e-1" },
      2,
      5,
      { _tag: "VersionConflict", streamId: "b", expected: 3, actual: 2 },
      5,
      5
    ])
    db.close()
  }).pipe(Effect.scoped)
)

it.live("stores and answers what was handed over before the layer closes; refuses what comes after", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const scope = yield* Scope.make()
    const store = Context.get(yield* Layer.buildWithScope(Sqlite.layer({ folder }), scope), EventStore)
    const exits: Array<Exit.Exit<unknown, unknown>> = []
    yield* Effect.all(
      [
        ...Array.from({ length: 200 }, (_, index) =>
          Effect.tap(Effect.exit(store.write(batch(`s-${index}`, 0, [event()]))), (exit) =>
            Effect.sync(() => exits.push(exit))
          )
        ),
        Scope.close(scope, Exit.void)
      ],
      { concurrency: "unbounded" }
    )
    expect(exits.map(Exit.isSuccess)).toEqual(Array(200).fill(true))
    expect(yield* Effect.flip(store.write(batch("late", 0, [event()])))).toMatchObject({
      message: expect.stringContaining("closed")
    })
    expect(yield* EventStore.use((again) => again.head).pipe(Effect.provide(Sqlite.layer({ folder })))).toBe(200)
  }).pipe(Effect.scoped)
)

it.live("fails only the caller whose request cannot be stored, not those who share its commit", () =>
  EventStore.use((store) =>
    Effect.gen(function* () {
      yield* store.write(batch("before", 0, [event()]))
      const bad = { ...event(), acceptedAt: 1.5 }
      // One turn of the event loop, so one group; the position of what went before the bad one is taken back.
      const exits = yield* Effect.forEach(
        [[event()], [event(), bad], [event()], [bad]],
        (events, index) => Effect.exit(store.write(batch(`s-${index}`, 0, events))),
        { concurrency: "unbounded" }
      )
      expect(exits[0]).toEqual(Exit.succeed({ position: 2 }))
      expect(exits[2]).toEqual(Exit.succeed({ position: 3 }))
      for (const index of [1, 3]) {
        expect(yield* Effect.flip(exits[index] ?? Exit.void)).toMatchObject({ _tag: "StoreUnavailable" })
      }
      expect((yield* store.feed(1, 10)).map(({ streamId }) => streamId)).toEqual(["s-0", "s-2"])
      expect(yield* store.head).toBe(3)
      expect(yield* store.changes.pipe(Stream.runHead)).toMatchObject({ value: 3 })
    })
  ).pipe(Effect.provide(Sqlite.layer({ folder: ":memory:" })))
)

it.live("fails whoever waits, and whoever comes later, when the writer thread dies", () =>
  Effect.gen(function* () {
    const post = vi.spyOn(Worker.prototype, "postMessage")
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        yield* store.write(batch("a", 0, [event()]))
        const waiting = yield* Effect.forkChild(Effect.flip(store.write(batch("a", 1, [event()]))), {
          startImmediately: true
        })
        const following = yield* Effect.forkChild(Effect.flip(Stream.runDrain(store.changes)), {
          startImmediately: true
        })
        const writer = post.mock.contexts.at(-1)
        if (writer instanceof Worker) yield* Effect.promise(() => writer.terminate())
        const errors = [
          yield* Fiber.join(waiting),
          yield* Fiber.join(following),
          yield* Effect.flip(store.write(batch("b", 0, [event()]))),
          yield* Effect.flip(store.head),
          yield* Effect.flip(Stream.runDrain(store.changes))
        ]
        for (const error of errors) {
          expect(error).toMatchObject({
            _tag: "StoreUnavailable",
            message: expect.stringContaining("Restart this process")
          })
        }
        expect(yield* store.read("a", 0, 10)).toHaveLength(1)
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder: ":memory:" })), Effect.ensuring(Effect.sync(() => post.mockRestore())))
  })
)
