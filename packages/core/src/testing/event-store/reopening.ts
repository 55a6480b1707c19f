/** A store that outlives its process: what was answered is still there after closing and opening again. */
import { expect, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import type { EventStore } from "../../streams/OldEventStore.ts"
import { asStored, contentOf, storeFixture, THING } from "./fixture.ts"
import { feedToImport } from "./importing.ts"

export const checkReopening = (
  place: Effect.Effect<Layer.Layer<EventStore, unknown>, unknown, Scope.Scope>,
  timeout: number
) => {
  it.live(
    "holds everything that was answered before, and settles what was left",
    () =>
      Effect.gen(function* () {
        const layer = yield* place
        const opened = Effect.provide(layer, { local: true })
        const before = yield* firstLife.pipe(opened)
        yield* secondLife(before).pipe(opened)
        yield* thirdLife(before).pipe(opened)
      }),
    timeout
  )

  it.live(
    "is not opened again while it holds a part of an import, and says so",
    () =>
      Effect.gen(function* () {
        for (const pages of [0, 1]) {
          const opened = Effect.provide(yield* place, { local: true })
          const importing = Effect.gen(function* () {
            const fixture = yield* storeFixture
            const feed = feedToImport(fixture)
            yield* fixture.store.importFeed([], false)
            for (let page = 0; page < pages; page++) yield* fixture.store.importFeed(feed, false)
            return fixture.store
          })
          yield* opened(importing)
          expect(yield* Effect.flip(opened(storeFixture))).toMatchObject({
            message: expect.stringContaining("part of an export")
          })
        }
        const opened = Effect.provide(yield* place, { local: true })
        yield* opened(
          Effect.flatMap(storeFixture, ({ store }) =>
            store.importFeed([], false).pipe(Effect.andThen(store.importFeed([], true)))
          )
        )
        expect(yield* opened(Effect.flatMap(storeFixture, ({ store }) => store.head))).toBe(0)
      }),
    timeout
  )
}

/** Writes, leaves one append prepared and one released, and goes. */
const firstLife = Effect.gen(function* () {
  const { store, name, events, receipt, reserve } = yield* storeFixture
  const [plain, left, passed, settled] = [name("plain"), name("left"), name("passed"), name("settled")]
  const before = {
    name,
    receipt,
    more: events(9),
    plain,
    left,
    passed,
    settled,
    batch: events(3, { text: "🔑" }),
    prepared: events(2),
    passing: events(1),
    released: events(1),
    commands: {
      left: reserve(left, "left"),
      passed: reserve(passed, "passed"),
      kept: reserve(settled, "kept"),
      gone: reserve(settled, "gone")
    }
  }
  yield* store.append(plain, 0, before.batch, receipt("plain"))
  yield* store.append(plain, 3, [], receipt("unchanged"))
  yield* store.saveSnapshot(plain, { version: 3, state: "state at 3" })
  yield* store.prepare(0, before.prepared, before.commands.left, receipt("left"))
  yield* store.prepare(0, before.released, before.commands.passed)
  yield* store.release(before.commands.passed.commandId, 1)
  yield* store.append(passed, 0, before.passing, undefined, true)
  yield* store.prepare(0, events(1), before.commands.kept)
  const committed = yield* store.commit(before.commands.kept.commandId, THING)
  yield* store.prepare(1, events(1), before.commands.gone)
  yield* store.discard({ commandId: before.commands.gone.commandId, attempt: 1 })
  return { ...before, committed, feed: yield* store.readAll(0, 1_000), head: yield* store.head }
})

type Before = Effect.Success<typeof firstLife>

/** Finds everything, and settles what was left. */
const secondLife = Effect.fnUntraced(function* (before: Before) {
  const { store } = yield* storeFixture
  const { plain, left, passed, commands, receipt } = before
  expect(yield* store.head).toBe(before.head)
  expect(yield* store.readAll(0, 1_000)).toEqual(before.feed)
  expect(yield* contentOf(store, plain)).toEqual(asStored(before.batch, plain))
  expect(yield* store.receipt(receipt("plain").id)).toMatchObject({ value: { firstVersion: 1, version: 3 } })
  expect(yield* store.receipt(receipt("unchanged").id)).toMatchObject({ value: { firstVersion: 4, version: 3 } })
  expect(yield* store.snapshot(plain)).toMatchObject({ value: { version: 3, state: "state at 3" } })
  expect(yield* store.commit(commands.gone.commandId, THING)).toEqual({ _tag: "Discarded" })
  expect(yield* store.discard({ commandId: commands.kept.commandId, attempt: 1 })).toEqual(before.committed)

  const unsettled = (yield* store.unsettled).filter(({ streamId }) => streamId === left || streamId === passed)
  expect(unsettled.toSorted((a, b) => (a.streamId < b.streamId ? -1 : 1))).toEqual([
    { ...commands.left, released: false },
    { ...commands.passed, released: true }
  ])
  expect(yield* contentOf(store, left)).toEqual([])
  expect(yield* Effect.flip(store.append(left, 0, before.more))).toMatchObject({
    _tag: "StreamReserved",
    ...commands.left
  })
  expect(yield* store.commit(commands.left.commandId, THING)).toMatchObject({
    _tag: "Committed",
    version: 2,
    position: before.head + 2
  })
  expect(yield* store.commit(commands.passed.commandId, THING)).toMatchObject({ _tag: "Committed", version: 2 })
})

/** Finds what the second life settled, and goes on. */
const thirdLife = Effect.fnUntraced(function* (before: Before) {
  const { store } = yield* storeFixture
  const { left, passed, commands, receipt } = before
  expect(yield* contentOf(store, left)).toEqual(asStored(before.prepared, left))
  expect(yield* contentOf(store, passed)).toEqual(asStored([...before.passing, ...before.released], passed))
  expect(yield* store.receipt(receipt("left").id)).toMatchObject({
    value: { streamId: left, firstVersion: 1, version: 2 }
  })
  expect(yield* store.discard({ commandId: commands.left.commandId, attempt: 1 })).toMatchObject({
    _tag: "Committed",
    version: 2
  })
  expect(yield* store.append(left, 2, before.more)).toEqual({ version: 11, position: before.head + 3 + 9 })
})
