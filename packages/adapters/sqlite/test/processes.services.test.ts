/** Several processes on one folder, and processes that are killed. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { EventStore, ReadModel } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { batch, event, positionOf, runChild, temporaryFolder } from "./fixture.ts"

const TIMEOUT = 120_000
const oneTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

it.live(
  "loses and doubles nothing when six processes write to one stream",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const facts = (yield* Effect.all(
        oneTo(6).map(() => runChild("share", folder)),
        { concurrency: "unbounded" }
      )).flat()
      expect(facts.filter(({ error }) => error !== undefined)).toEqual([])
      const stored = yield* EventStore.use((store) => store.feed(0, 10_000)).pipe(
        Effect.provide(Sqlite.layer({ folder }))
      )
      expect(stored.map(({ version }) => version)).toEqual(oneTo(600))
      expect(stored.map(({ position }) => position)).toEqual(oneTo(600))
      expect(stored.map(({ eventId }) => eventId).toSorted()).toEqual(facts.map(({ eventId }) => eventId).toSorted())
    }).pipe(Effect.scoped),
  TIMEOUT
)

it.live(
  "starts though another first start holds the read model for a while",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const program = `
        const { DatabaseSync } = require("node:sqlite")
        const db = new DatabaseSync(${JSON.stringify(join(folder, "read-model.db"))})
        db.exec("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE")
        console.log("held")
        setTimeout(() => process.exit(), 1000)`
      const holder = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "-e", program])
      yield* Effect.promise(() => once(holder.stdout, "data"))
      expect(yield* ReadModel.use(positionOf).pipe(Effect.provide(Sqlite.layer({ folder })))).toBe(0)
    }).pipe(Effect.scoped),
  TIMEOUT
)

it.live(
  "wakes a subscriber when another process has written",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        const all = yield* store.changes.pipe(
          Stream.takeUntil((head) => head === 100),
          Stream.runCollect,
          Effect.forkChild
        )
        yield* runChild("share", folder)
        const heads = yield* Fiber.join(all)
        expect(heads).toEqual([...new Set(heads)].toSorted((a, b) => a - b))
      }).pipe(Effect.provide(Sqlite.layer({ folder })))
    }).pipe(Effect.scoped),
  TIMEOUT
)

it.live(
  "serves two layers of one process on the same folder",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const open = Effect.map(Layer.build(Layer.fresh(Sqlite.layer({ folder }))), Context.get(EventStore))
      const [one, two] = [yield* open, yield* open]
      for (const version of oneTo(10)) {
        yield* (version % 2 === 0 ? one : two).write(batch("a", version - 1, [event()]))
      }
      expect(yield* Effect.flip(one.write(batch("a", 9, [event()])))).toMatchObject({
        _tag: "VersionConflict",
        actual: 10
      })
      yield* two.write({ put: [{ key: "k", value: "1" }] })
      expect(yield* Effect.flip(one.write({ expect: [{ key: "k", value: undefined }] }))).toMatchObject({
        _tag: "RecordConflict",
        actual: "1"
      })
      yield* one.write({ remove: ["k"] })
      expect(yield* two.write({ expect: [{ key: "k", value: undefined }], ...batch("a", 10, [event()]) })).toEqual({
        position: 11
      })
    }).pipe(Effect.scoped),
  TIMEOUT
)
