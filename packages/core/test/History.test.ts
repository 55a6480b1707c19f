/** What a history shows, and that any walk through it finds what a look at the whole of it would. */
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Effect, HashMap, Option, Schema } from "effect"
import { type HistoryPage, MOST_LOOKED_AT, readHistory } from "../src/locks/History.ts"
import { cursorAt, HistoryQuery, placeIn } from "../src/locks/HistoryQuery.ts"
import type { EventStore, StoredEvent } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { clock, lockId, lockUuid, millis, operator } from "./scenario.ts"

const ada: Principal = { _tag: "User", userId: "ada" }
const seaside: Principal = { _tag: "Organization", orgId: "seaside", keyId: "key-1", userId: "bob" }
const guest: Principal = { _tag: "Guest" }
const about = { lockId, uuid: lockUuid, timestamp: clock("09:00") }

type Happened = Pick<StoredEvent, "type" | "data"> & Partial<StoredEvent>
const opened = (more: Schema.JsonObject = {}) => ({ type: "LockOpenRequested", data: { ...about, ...more } })

const logOf = (happened: ReadonlyArray<Happened>): ReadonlyArray<StoredEvent> =>
  happened.map((event, index) => ({
    eventId: `event-${index + 1}`,
    at: millis("09:00"),
    orgId: "",
    principal: ada,
    commandId: `command-${index + 1}`,
    streamId: `lock-${lockId}`,
    version: index + 1,
    position: index + 1,
    ...event
  }))

/** A store that holds this lock alone, and counts the events that it was asked for. */
const storeOf = (log: ReadonlyArray<StoredEvent>) => {
  const counted = { events: 0 }
  const read: EventStore["Service"]["read"] = (_, after, limit) =>
    Effect.sync(() => {
      const events = log.slice(after, after + limit)
      counted.events += events.length
      return events
    })
  const record: EventStore["Service"]["record"] = () => Effect.succeed(Option.none())
  return { counted, store: { read, record } as EventStore["Service"] }
}

const page = (log: ReadonlyArray<StoredEvent>, query: HistoryQuery) =>
  readHistory(
    storeOf(log).store,
    operator,
    { lockId, version: log.length, owners: [], organizations: [], tempKeys: HashMap.empty() },
    query
  )

/** All pages of an answer, to its end. */
const walk = Effect.fnUntraced(function* (log: ReadonlyArray<StoredEvent>, query: HistoryQuery) {
  const pages: Array<HistoryPage> = [yield* page(log, query)]
  while (pages.length <= log.length + 1) {
    const cursor = pages.at(-1)?.nextCursor
    if (cursor === undefined) break
    const { page: _, ...same } = query
    pages.push(yield* page(log, { ...same, cursor }))
  }
  return pages
})

describe("an event in the history", () => {
  it.effect("says who did it, with what, at which door", () =>
    Effect.gen(function* () {
      const log = logOf([
        { ...opened({ via: "API" }), principal: seaside },
        { ...opened({ via: "PIN", credentialUuid: "a-link", doorId: 2 }), principal: guest },
        opened({ reason: "PIN, door 3", credentialUuid: "a-link", doorId: 3 }),
        { type: "LockPainted", data: { colour: "red", credentialUuid: "a-link" } }
      ])
      const { events } = yield* page(log, {})
      expect(events).toMatchObject([
        { eventId: "event-1", version: 1, principal: seaside, via: "API" },
        { eventId: "event-2", principal: guest, via: "PIN", door: 2 },
        { via: "PIN", door: 3 },
        { type: "LockPainted", wire: undefined }
      ])
      expect(JSON.stringify(events)).not.toContain("a-link")
    })
  )

  it.effect("of before temp keys had ids names the key by the command that made it", () =>
    Effect.gen(function* () {
      const log = logOf([opened({ via: "link", credentialUuid: "a-link", doorId: 2 })])
      const [made] = logOf([{ type: "SharedCredentialCreated", data: {}, commandId: "making" }])
      const { store } = storeOf(log)
      const withKey = {
        ...store,
        record: (key: string) =>
          Effect.succeed(key === "link/a-link" ? Option.some("credential-a-link") : Option.none()),
        read: (stream: string, after: number, limit: number) =>
          stream === "credential-a-link"
            ? Effect.succeed(made === undefined ? [] : [made])
            : store.read(stream, after, limit)
      } as EventStore["Service"]
      const lock = { lockId, version: 1, owners: [], organizations: [], tempKeys: HashMap.empty() }
      const { events } = yield* readHistory(withKey, operator, lock, {})
      expect(events).toMatchObject([{ tempKeyId: "making", door: 2 }])
    })
  )

  it.effect("is found by its type, its time, and who did it", () =>
    Effect.gen(function* () {
      const log = logOf([
        { ...opened(), principal: seaside },
        { type: "OwnerSet", data: { ...about, userId: "eve" }, at: millis("10:00") },
        { ...opened(), principal: guest, at: millis("10:00") },
        { ...opened(), principal: { _tag: "User", userId: "guest" }, at: millis("11:00") },
        { ...opened(), principal: { _tag: "Super", keyId: "key-2" }, at: millis("11:00") }
      ])
      const versions = (query: HistoryQuery) =>
        Effect.map(page(log, query), ({ events }) => events.map(({ version }) => version))
      expect(yield* versions({ types: ["OwnerSet", "KeyAdded"] })).toEqual([2])
      expect(yield* versions({ from: millis("10:00") })).toEqual([2, 3, 4, 5])
      expect(yield* versions({ to: millis("10:00") })).toEqual([1])
      expect(yield* versions({ from: millis("09:30"), to: millis("11:00"), order: "desc" })).toEqual([3, 2])
      expect(yield* versions({ from: millis("12:00") })).toEqual([])
      for (const name of ["seaside", "key-1", "bob"]) expect(yield* versions({ actor: name })).toEqual([1])
      expect(yield* versions({ actor: "guest" })).toEqual([3, 4])
      expect(yield* versions({ actor: "super" })).toEqual([5])
      expect(yield* versions({ actor: "organization" })).toEqual([])
    })
  )
})

const TYPES = ["LockOpenRequested", "OwnerSet", "KeyRemoved"] as const
const Lives = Schema.Array(
  Schema.Struct({
    type: Schema.Literals(TYPES),
    by: Schema.Literals(["ada", "bob"]),
    passes: Schema.Literals([0, 0, 1, 60])
  })
).check(Schema.isMaxLength(60))
const data = { ...about, userId: "eve", keyUuid: "key" }

it.effect.prop(
  "a walk by cursors finds each event that is asked for once, in order, in either order",
  [
    Arbitrary.schema(Lives),
    Arbitrary.schema(Schema.Literals(["asc", "desc"])),
    Arbitrary.schema(Schema.Literals([1, 2, 7, 100])),
    Arbitrary.schema(Schema.Array(Schema.Literals(TYPES))),
    Arbitrary.schema(Schema.NullOr(Schema.Literals(["ada", "bob"]))),
    Arbitrary.schema(Schema.NullOr(Schema.Literals([0, 30, 90]))),
    Arbitrary.schema(Schema.NullOr(Schema.Literals([91, 120, 4_000])))
  ],
  ([life, order, limit, types, actor, from, to]) =>
    Effect.gen(function* () {
      let at = 0
      const log = logOf(
        life.map(({ type, by, passes }) => ({
          type,
          data,
          at: (at += passes),
          principal: { _tag: "User", userId: by } as const
        }))
      )
      const query = {
        order,
        limit,
        ...(types.length > 0 && { types }),
        ...(actor && { actor }),
        ...(from !== null && { from }),
        ...(to !== null && { to })
      }
      const isMeant = ({ type, principal, at }: StoredEvent) =>
        (types.length === 0 || types.some((one) => one === type)) &&
        (actor === null || ("userId" in principal && principal.userId === actor)) &&
        at >= (from ?? 0) &&
        at < (to ?? 1e9)
      const meant = log.filter(isMeant).map(({ version }) => version)
      const pages = yield* walk(log, query)
      expect(pages.flatMap(({ events }) => events.map(({ version }) => version))).toEqual(
        order === "asc" ? meant : meant.toReversed()
      )
      expect(pages.map(({ page }) => page)).toEqual(pages.map((_, index) => index + 1))
      for (const { events, totalEvents } of pages) {
        expect(events.length).toBeLessThanOrEqual(limit)
        expect(totalEvents).toBe(log.length)
      }
    })
)

describe("a page", () => {
  const long = logOf(
    Array.from({ length: 100_000 }, (_, n) => ({ ...opened(), at: n, principal: n === 70_000 ? guest : ada }))
  )
  const read = (query: HistoryQuery) => {
    const { store, counted } = storeOf(long)
    return Effect.map(
      readHistory(
        store,
        operator,
        { lockId, version: long.length, owners: [], organizations: [], tempKeys: HashMap.empty() },
        query
      ),
      (page) => ({
        ...page,
        read: counted.events
      })
    )
  }

  it.effect("costs the same wherever it is in a long history", () =>
    Effect.gen(function* () {
      const middle = cursorAt({ order: "asc", version: 50_000, page: 1 })
      const end = cursorAt({ order: "desc", version: 90_000, page: 1 })
      const costs = yield* Effect.forEach(
        [{}, { page: 500 }, { cursor: middle }, { order: "desc" } as const, { cursor: end }],
        (query) => Effect.map(read(query), ({ read }) => read)
      )
      for (const cost of costs) expect(cost).toBeLessThanOrEqual(101)
      const { events } = yield* read({ cursor: middle })
      expect([events[0]?.version, events.length]).toEqual([50_001, 100])
    })
  )

  it.effect("that finds little looks at so many events, and says where to go on", () =>
    Effect.gen(function* () {
      const first = yield* read({ actor: "guest" })
      expect([first.events, first.nextCursor === undefined]).toEqual([[], false])
      expect(first.read).toBeLessThan(MOST_LOOKED_AT * 1.1)
      const near = cursorAt({ order: "asc", version: 69_950, page: 70 })
      expect((yield* read({ actor: "guest", cursor: near })).events.map(({ version }) => version)).toEqual([70_001])
    })
  )

  it.effect("past either end is empty, and the last", () =>
    Effect.gen(function* () {
      const beyond = { version: 900_000, page: 1 } as const
      for (const place of [
        { ...beyond, order: "asc" },
        { order: "desc", version: 1, page: 1 }
      ] as const)
        expect(yield* read({ cursor: cursorAt(place) })).toMatchObject({ events: [], nextCursor: undefined })
      const { events } = yield* read({ cursor: cursorAt({ ...beyond, order: "desc" }) })
      expect(events[0]?.version).toBe(100_000)
    })
  )

  it.effect("that begins at an instant finds it without reading what is before", () =>
    Effect.gen(function* () {
      const { events, read: cost } = yield* read({ from: 99_000, limit: 10 })
      expect(events.map(({ at }) => at)[0]).toBe(99_000)
      expect(cost).toBeLessThan(50)
    })
  )
})

describe("a question", () => {
  const refused = (query: unknown) => Effect.flip(Schema.decodeUnknownEffect(HistoryQuery)(query))

  it.effect.each<[string, unknown]>([
    ["both a page and a cursor", { page: 1, cursor: cursorAt({ order: "asc", version: 1, page: 1 }) }],
    ["a later page of what is filtered", { page: 2, actor: "ada" }],
    ["time that runs backwards", { from: 2, to: 2 }],
    ["another order than the cursor's", { order: "desc", cursor: cursorAt({ order: "asc", version: 1, page: 1 }) }],
    ["a cursor that was made up", { cursor: "abc" }],
    ["more than a page may hold", { limit: 1_001 }],
    ["a type that there is not", { types: ["KeyAded"] }]
  ])("of %s is refused", ([_, query]) => Effect.asVoid(refused(query)))
})

it.prop("a cursor is read back as it was written", [Arbitrary.schema(Schema.Int)], ([version]) => {
  const place = { order: "desc", version: Math.abs(version), page: 3 } as const
  if (place.version < 1e15) expect(placeIn(cursorAt(place))).toEqual(place)
})
