/** How the feed is taken into a read model: each piece once, whoever else fills it, and no more is touched than changes. */
import { expect, it } from "@effect/vitest"
import { lockFeed } from "@latchkey/core/testing"
import { Arbitrary, Effect, Schema } from "effect"
import { lockTables } from "../src/read-model/LockTables.ts"
import { lookups } from "../src/read-model/Lookups.ts"
import { type Changes, nowhere, ReadModel, ReadModelUnavailable } from "../src/read-model/ReadModel.ts"
import type { AnyTable, Tables } from "../src/read-model/Table.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { about, created, emptyModel, feedOf, fill, filler, storeOf } from "./lockFeeds.ts"

type Model = ReadModel["Service"]

/** Every row of the tables of locks that occurs in a feed, and how it is found. */
const rowsOf = (model: Model, feed: ReadonlyArray<StoredEvent>) => {
  const facts = feed.flatMap((event) => lockTables.factOf(event) ?? [])
  const texts = new Set(feed.flatMap(({ data }) => Object.values(data).filter((value) => typeof value === "string")))
  return Effect.all({
    cursor: model.cursor,
    rows: Effect.forEach(lockTables.tables, ({ name, keysOf }) =>
      Effect.map(model.get(name, [...new Set(facts.flatMap(keysOf))]), (rows) =>
        rows.toSorted((a, b) => (a.key < b.key ? -1 : 1))
      )
    ),
    found: Effect.forEach(texts, (text) =>
      Effect.forEach(["owner", "organization", "thing"], (index) => model.find("devices", index, text, "", 1_000))
    )
  })
}

/** Counts what is asked of it, and remembers what it was told. */
const watched = (model: Model) => {
  const read: Array<string> = []
  const told: Array<Changes> = []
  return {
    read,
    told,
    model: ReadModel.of({
      ...model,
      get: (table, keys) => {
        read.push(table)
        return model.get(table, keys)
      },
      apply: (changes) => {
        told.push(changes)
        return model.apply(changes)
      }
    })
  }
}

const opened = (lockId: number) => ({ _tag: "LockOpenRequested", ...about(lockId) }) as const

it.effect.prop(
  "rows are the same after any pieces, after a reset, and with nothing remembered",
  [lockFeed, Arbitrary.schema(Schema.Array(Schema.Literals([1, 2, 3, 5])).check(Schema.isMinLength(1)))],
  ([feed, sizes]) =>
    Effect.gen(function* () {
      const model = yield* emptyModel
      let reached = 0
      const store = storeOf(feed)
      const going = filler(
        { feed: (after, limit) => store.feed(after, Math.min(limit, reached - after)) },
        model,
        lockTables
      )
      for (let n = 0; reached < feed.length; n++) {
        reached = Math.min(feed.length, reached + (sizes[n % sizes.length] ?? 1))
        expect(yield* going.fill()).toBe(reached)
      }
      const rows = yield* rowsOf(model, feed)
      yield* model.reset
      expect(yield* model.cursor).toEqual(nowhere)
      expect(yield* going.fill()).toBe(feed.length)
      expect(yield* rowsOf(model, feed)).toEqual(rows)
      const forgetful = yield* emptyModel
      for (const [n] of feed.entries()) yield* fill(forgetful, feed.slice(0, n + 1))
      expect(yield* rowsOf(forgetful, feed)).toEqual(rows)
    })
)

it.effect("a row that is known is not read again, and nothing is read for events that change none", () =>
  Effect.gen(function* () {
    const { model, read, told } = watched(yield* emptyModel)
    let feed = feedOf(created(1, { ownerId: "ada" }))
    const going = filler({ feed: (after, limit) => storeOf(feed).feed(after, limit) }, model, lockTables)
    yield* going.fill()
    const all = ["devices", "locks", "users", "users-in-organizations", "conditions", "conditions-counts"]
    expect(read).toEqual(all)
    const events = [
      created(1, { ownerId: "ada" }),
      opened(1),
      opened(1),
      { _tag: "OwnerSet", ...about(1), userId: "ada" }
    ] as const
    for (let n = 2; n <= events.length; n++) {
      feed = feedOf(...events.slice(0, n))
      yield* going.fill()
    }
    expect(read).toHaveLength(all.length)
    // An owner that is set again is listed already, and known already.
    expect(
      told.slice(1).map(({ put, remove, list, unlist }) => [put.map(({ table }) => table), remove, list, unlist])
    ).toEqual([
      [["last-events", "last-openings"], [], [], []],
      [["last-events", "last-openings"], [], [], []],
      [["devices", "last-events"], [], [], []]
    ])
    const foreign = feedOf(...events, opened(1)).map((event, n) => (n === 4 ? { ...event, streamId: "bulk-1" } : event))
    feed = foreign
    yield* going.fill()
    expect(told.at(-1)).toMatchObject({ put: [], cursor: { position: 5, eventId: "event-5" } })
  })
)

it.effect("what is in one table, or one of its indexes, is told in a row", () =>
  Effect.gen(function* () {
    const { model, told } = watched(yield* emptyModel)
    const lockIds = [1, 2, 3]
    yield* fill(model, feedOf(...lockIds.map((lockId) => created(lockId, { ownerId: "ada", orgId: "org-1" }))))
    yield* fill(
      model,
      feedOf(
        ...lockIds.map((lockId) => created(lockId, { ownerId: "ada", orgId: "org-1" })),
        ...lockIds.map((lockId) => ({ _tag: "OrganizationSet", ...about(lockId), orgId: "org-2" }) as const),
        ...lockIds.map((lockId) => ({ _tag: "LockDescribed", ...about(lockId), name: "A", ignorable: true }) as const)
      )
    )
    for (const { put, list, unlist } of told)
      for (const changes of [put, list, unlist]) {
        const places = changes.map((change) => `${change.table} ${"index" in change ? change.index : ""}`)
        const runs = places.filter((place, n) => place !== places[n - 1])
        expect(runs).toEqual([...new Set(places)])
      }
    expect(told.at(-1)?.list.length).toBeGreaterThan(6)
  })
)

it.effect("many events of one lock are one write", () =>
  Effect.gen(function* () {
    const { model, told } = watched(yield* emptyModel)
    yield* fill(model, feedOf(created(1), ...Array.from({ length: 200 }, () => opened(1))))
    expect(
      told.map(({ put }) => put.map(({ table }) => table).filter((table) => !/-(marks|counts)$/.test(table)))
    ).toEqual([["devices", "locks", "last-events", "last-openings", "conditions"]])
  })
)

it.effect("events that name very many users are taken in in pieces that every store can hold", () =>
  Effect.gen(function* () {
    const { model, told } = watched(yield* emptyModel)
    const keys = (lockId: number) =>
      Array.from({ length: 1_000 }, (_, n) => ({ uuid: `${n}`, userId: `${lockId}-${n}` }))
    const feed = feedOf(...Array.from({ length: 10 }, (_, n) => created(n + 1, { keys: keys(n + 1), orgId: "org-1" })))
    expect(yield* fill(model, feed)).toBe(10)
    for (const { put } of told) expect(put.length).toBeLessThanOrEqual(4_000)
    expect(yield* lookups(model).isKnownUser("10-999", "org-1")).toBe(true)
  })
)

it.effect("two that fill one read model take in each event once", () =>
  Effect.gen(function* () {
    const model = yield* emptyModel
    const feed = feedOf(
      created(1, { ownerId: "ada" }),
      ...Array.from({ length: 2_000 }, (_, n) => ({ _tag: "KeyAdded", ...about(1), keyUuid: `key-${n}` }) as const)
    )
    // Whoever is slow finds that the other one was there.
    const slow = ReadModel.of({ ...model, apply: (changes) => Effect.andThen(Effect.yieldNow, model.apply(changes)) })
    const reached = yield* Effect.forEach(
      [slow, model, slow],
      (model) => filler(storeOf(feed), model, lockTables).fill(),
      { concurrency: "unbounded" }
    )
    expect(reached).toEqual([2_001, 2_001, 2_001])
    expect(yield* lookups(model).devicesOwnedBy("ada")).toMatchObject([{ keysCount: 2_000 }])
  })
)

it.effect("what another has filled or emptied meanwhile is not overwritten by what was remembered", () =>
  Effect.gen(function* () {
    const model = yield* emptyModel
    const keyAdded = (n: number) => ({ _tag: "KeyAdded", ...about(1), keyUuid: `key-${n}` }) as const
    const feed = feedOf(created(1, { ownerId: "ada" }), keyAdded(1), keyAdded(2), keyAdded(3))
    let reached = 2
    const one = filler(
      { feed: (after, limit) => storeOf(feed.slice(0, reached)).feed(after, limit) },
      model,
      lockTables
    )
    yield* one.fill()
    yield* fill(model, feed.slice(0, 3))
    reached = 4
    yield* one.fill()
    const counted = Effect.map(lookups(model).devicesOwnedBy("ada"), (rows) => rows.map(({ keysCount }) => keysCount))
    expect(yield* counted).toEqual([3])
    yield* model.reset
    expect(yield* one.fill()).toBe(4)
    expect(yield* counted).toEqual([3])
  })
)

it.effect("a piece whose answer was lost is taken in once", () =>
  Effect.gen(function* () {
    const model = yield* emptyModel
    let losses = 2
    const lossy = ReadModel.of({
      ...model,
      apply: (changes) =>
        Effect.tap(model.apply(changes), () =>
          losses-- > 0 ? Effect.fail(new ReadModelUnavailable({ message: "the answer was lost" })) : Effect.void
        )
    })
    const keys = Array.from(
      { length: 600 },
      (_, n) => ({ _tag: "KeyAdded", ...about(1), keyUuid: `key-${n}` }) as const
    )
    const { fill } = filler(storeOf(feedOf(created(1, { ownerId: "ada" }), ...keys)), lossy, lockTables)
    expect(yield* Effect.flip(fill())).toMatchObject({ _tag: "ReadModelUnavailable" })
    expect(yield* Effect.flip(fill())).toMatchObject({ _tag: "ReadModelUnavailable" })
    expect(yield* fill()).toBe(601)
    expect(yield* lookups(model).devicesOwnedBy("ada")).toMatchObject([{ keysCount: 600 }])
  })
)

/** Counts the events of each lock; a row is gone at every third. */
const counted = (format: number): Tables<StoredEvent> => {
  const table: AnyTable<StoredEvent> = {
    name: "counts",
    keysOf: ({ streamId }) => [streamId.slice("lock-".length).padStart(16, "0")],
    fold: (row: { count: string } | undefined, event: StoredEvent) =>
      event.version % 3 === 0 ? undefined : { count: `${Number(row?.count ?? 0) + format}` },
    indexes: { count: ["count"] }
  }
  return { format, factOf: (event) => event, tables: [table] }
}

it.effect("rows that were made in an older way are made again; those of a newer Latchkey are left alone", () =>
  Effect.gen(function* () {
    const model = yield* emptyModel
    const feed = feedOf(created(1), opened(1))
    const fillWith = (format: number) => filler(storeOf(feed), model, counted(format)).fill()
    const found = Effect.map(model.get("counts", ["0000000000000001"]), (rows) => rows.map(({ value }) => value))
    yield* fillWith(1)
    expect(yield* found).toEqual(['{"count":"2"}'])
    yield* fillWith(2)
    expect(yield* found).toEqual(['{"count":"4"}'])
    expect(yield* model.find("counts", "count", "2", "", 10)).toEqual([])
    expect((yield* Effect.flip(fillWith(1))).message).toContain("filled by a newer Latchkey")
    expect([yield* found, yield* model.cursor]).toEqual([
      ['{"count":"4"}'],
      { format: 2, position: 2, eventId: "event-2" }
    ])
  })
)

it.effect("a row that its table gives up is removed, with what it was listed under", () =>
  Effect.gen(function* () {
    const { model, told } = watched(yield* emptyModel)
    const feed = feedOf(created(1), created(2), opened(1), opened(1), opened(1))
    const fillUntil = (n: number) => filler(storeOf(feed.slice(0, n)), model, counted(1)).fill()
    const listed = (count: string) =>
      Effect.map(model.find("counts", "count", count, "", 10), (rows) => rows.map(({ key }) => Number(key)))
    yield* fillUntil(3)
    expect([yield* listed("1"), yield* listed("2")]).toEqual([[2], [1]])
    yield* fillUntil(4)
    expect([yield* listed("1"), yield* listed("2")]).toEqual([[2], []])
    expect(yield* model.get("counts", ["0000000000000001"])).toEqual([])
    expect(told.at(-1)).toMatchObject({ put: [], remove: [{ table: "counts" }], list: [], unlist: [{ value: "2" }] })
    yield* fillUntil(5)
    expect(yield* listed("1")).toEqual([1, 2])
  })
)
