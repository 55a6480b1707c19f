/** Broken event stores: each keeps all promises of the port but one. */

import {
  type Batch,
  EventExists,
  EventStore,
  type NewEvent,
  type Put,
  RecordConflict,
  type StoredEvent,
  StoreUnavailable,
  VersionConflict
} from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import type { StorePlace } from "@latchkey/core/testing"
import { Clock, Effect, Layer, Option, Stream } from "effect"
import { FLAWS, groupedStore } from "./groupedStore.ts"
import { copyIn } from "./memory.ts"

type Store = EventStore["Service"]

interface BrokenStore {
  readonly name: string
  readonly place: Effect.Effect<StorePlace>
}

/** The store in memory with a piece of its source replaced. */
const source = (name: string, find: string, replace: string, file?: string): BrokenStore => {
  const copy = copyIn("MemoryEventStore", find, replace, file)
  const place = Effect.map(copy, ({ make, layerOf }) => {
    const open = layerOf(make())
    return { open, reopen: open }
  })
  return { name, place }
}

/** The store in memory, of which each opener has its own view: some calls do something else. */
const view = (name: string, change: (store: Store) => Partial<Store>): BrokenStore => ({
  name,
  place: Effect.sync(() => {
    const store = MemoryEventStore.make()
    const open = Layer.sync(EventStore, () => ({ ...store, ...change(store) }))
    return { open, reopen: open }
  })
})

/** As `view`, for what storage does to what passes through it. */
const passing = (
  name: string,
  {
    event,
    put,
    stored,
    batch
  }: {
    readonly event?: (event: NewEvent) => NewEvent
    readonly put?: (put: Put) => Put
    readonly stored?: (event: StoredEvent) => StoredEvent
    readonly batch?: (batch: Batch) => Batch
  }
): BrokenStore =>
  view(name, (store) => {
    const changed = (given: Batch): Batch => {
      const one = batch === undefined ? given : batch(given)
      return {
        ...one,
        ...(event &&
          one.append && { append: one.append.map((append) => ({ ...append, events: append.events.map(event) })) }),
        ...(put && one.put && { put: one.put.map(put) })
      }
    }
    const all = <E>(events: Effect.Effect<ReadonlyArray<StoredEvent>, E>) =>
      stored === undefined ? events : Effect.map(events, (found) => found.map(stored))
    return {
      write: (given) => store.write(changed(given)),
      read: (...asked) => all(store.read(...asked)),
      feed: (...asked) => all(store.feed(...asked)),
      event: (id) => (stored === undefined ? store.event(id) : Effect.map(store.event(id), Option.map(stored)))
    }
  })

/** Keys as a column may compare or keep them. */
const keyed = (name: string, keyOf: (key: string) => string): BrokenStore =>
  view(name, (store) => ({
    write: ({ expect, put, remove, ...batch }) =>
      store.write({
        ...batch,
        expect: (expect ?? []).map((one) => ({ ...one, key: keyOf(one.key) })),
        put: (put ?? []).map((one) => ({ ...one, key: keyOf(one.key) })),
        remove: (remove ?? []).map(keyOf)
      }),
    record: (key) => store.record(keyOf(key)),
    records: (prefix, after, limit) => store.records(keyOf(prefix), keyOf(after), limit)
  }))

/** Stream ids likewise. */
const named = (name: string, idOf: (streamId: string) => string): BrokenStore =>
  view(name, (store) => ({
    write: (batch) =>
      store.write({ ...batch, append: (batch.append ?? []).map((one) => ({ ...one, streamId: idOf(one.streamId) })) }),
    read: (streamId, after, limit) =>
      Effect.map(store.read(idOf(streamId), after, limit), (events) => events.map((event) => ({ ...event, streamId })))
  }))

/** Records found by a query that means something else by "starts with". */
const listing = (
  name: string,
  matches: (key: string, prefix: string) => boolean,
  order?: (one: string, other: string) => number,
  isAfter: (key: string, after: string) => boolean = (key, after) => key > after
): BrokenStore =>
  view(name, (store) => ({
    records: (prefix, after, limit) =>
      Effect.map(store.records("", "", 1_000_000), (all) =>
        all
          .filter(({ key }) => matches(key, prefix) && isAfter(key, after))
          .sort((one, other) => (order === undefined ? 0 : order(one.key, other.key)))
          .slice(0, limit)
      )
  }))

const startsWith = (key: string, prefix: string) => key.startsWith(prefix)
const bytes = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))
const like = (key: string, pattern: string, escape = false, flags = "su") =>
  new RegExp(
    `^${Array.from(pattern, (one) => (one === "%" && !escape ? ".*" : one === "_" && !escape ? "." : one.replace(/[\\^$.*+?()[\]{}|/]/u, "\\$&"))).join("")}`,
    flags
  ).test(key)

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : value !== null && typeof value === "object"
      ? Object.fromEntries(
          Object.entries(value)
            .sort()
            .map(([key, of]) => [key, sorted(of)])
        )
      : value
const inData =
  (change: (text: string) => string) =>
  (event: NewEvent): NewEvent => ({ ...event, data: JSON.parse(change(JSON.stringify(event.data))) })
const inTexts =
  (change: (text: string) => string) =>
  (event: NewEvent): NewEvent => ({
    ...event,
    data: JSON.parse(JSON.stringify(event.data), (_, value) => (typeof value === "string" ? change(value) : value))
  })
const eventsOf = ({ append = [] }: Batch) => append.flatMap(({ events }) => events)

const LOOP = `for (const { key, value } of expect) {`
const FORGET = `for (const key of removed) remove(key)`

export const brokenStores: ReadonlyArray<BrokenStore> = [
  ...FLAWS.map((flaw): BrokenStore => ({ name: flaw, place: Effect.sync(() => groupedStore(flaw)) })),

  // What a batch requires.
  source("expectations are not looked at", "if (actual !== value) return", "if (false) return"),
  source(
    "an expectation of nothing is not looked at",
    "if (actual !== value) return",
    "if (value !== undefined && actual !== value) return"
  ),
  source(
    "an expectation of a value means any value",
    "if (actual !== value) return",
    "if ((actual === undefined) !== (value === undefined)) return"
  ),
  source(
    "an empty value counts as none",
    "if (actual !== value) return",
    `if ((actual ?? "") !== (value ?? "")) return`
  ),
  source(
    "expected values are compared as numbers",
    "if (actual !== value) return",
    "if (actual !== value && !(Number(actual) === Number(value))) return"
  ),
  source("only the first expectation is looked at", LOOP, "for (const { key, value } of expect.slice(0, 1)) {"),
  source("only the last expectation is looked at", LOOP, "for (const { key, value } of expect.slice(-1)) {"),
  source("the last record that conflicts is named", LOOP, "for (const { key, value } of expect.toReversed()) {"),
  source(
    "records are looked at in the order of their keys",
    LOOP,
    "for (const { key, value } of expect.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {"
  ),
  source(
    "a conflict of records does not tell the value",
    "new RecordConflict({ key, actual })",
    "new RecordConflict({ key, actual: undefined })"
  ),
  source(
    "a conflict of records tells the expected value",
    "new RecordConflict({ key, actual })",
    "new RecordConflict({ key, actual: value })"
  ),
  source(
    "expectations see what the batch puts",
    `({ expect = [], append = [], imported = false }: Batch, now: number) => {
    ${LOOP}
      const actual =`,
    `({ expect = [], append = [], imported = false, put = [] }: Batch, now: number) => {
    ${LOOP}
      const actual = put.find((one) => one.key === key)?.value ??`
  ),
  source("a version that was passed is taken", "if (actual !== expected) return", "if (actual < expected) return"),
  source("a version that is not reached is taken", "if (actual !== expected) return", "if (actual > expected) return"),
  source(
    "an append without events is not checked",
    "if (actual !== expected) return",
    "if (events.length > 0 && actual !== expected) return"
  ),
  source(
    "only the first stream's version is checked",
    "if (actual !== expected) return",
    "if (versions.size === 0 && actual !== expected) return"
  ),
  source(
    "a new stream's version is not checked",
    "if (actual !== expected) return",
    "if (actual > 0 && actual !== expected) return"
  ),
  source(
    "a stream that comes again expects the version before the batch",
    "versions.get(streamId) ?? streams",
    "streams"
  ),
  source(
    "a stream that comes again is not checked",
    "if (actual !== expected) return",
    "if (!versions.has(streamId) && actual !== expected) return"
  ),
  source(
    "a conflict of versions tells the expected one",
    "new VersionConflict({ streamId, expected, actual })",
    "new VersionConflict({ streamId, expected, actual: expected })"
  ),
  source(
    "a conflict of versions tells one too many",
    "new VersionConflict({ streamId, expected, actual })",
    "new VersionConflict({ streamId, expected, actual: actual + 1 })"
  ),
  source("event ids are unique in a stream only", "byEventId.has(event", "false && byEventId.has(event"),
  source("event ids are not looked at", "if (!imported) {", "if (false) {"),
  source("an event id twice in a batch is taken", "ids.has(eventId) || ", ""),
  source(
    "an event id twice in an append is taken",
    "ids.add(eventId)\n        }",
    "}\n        for (const { eventId } of events) ids.add(eventId)"
  ),
  source("an event id of the log is taken", " || byEventId.has(eventId)", ""),
  source(
    "event ids are looked for in the first append alone",
    "for (const { events } of append) {",
    "for (const { events } of append.slice(0, 1)) {"
  ),
  source("imports are refused for doubles", "if (!imported) {", "{"),
  view("imports may hold doubles of the log, but not their own", (store) => ({
    write: (batch) => {
      const ids = eventsOf(batch).map(({ eventId }) => eventId)
      const double = ids.find((id, index) => ids.indexOf(id) < index)
      return double === undefined ? store.write(batch) : Effect.fail(new EventExists({ eventId: double }))
    }
  })),
  source(
    "imports are not checked for versions",
    "if (actual !== expected) return",
    "if (!imported && actual !== expected) return"
  ),
  source("imports are not checked for records", LOOP, "for (const { key, value } of imported ? [] : expect) {"),
  source("of doubles the last is found", "if (!byEventId.has(event.eventId)) byEventId", "byEventId"),
  view("versions are checked before event ids", (store) => ({
    write: (batch) =>
      Effect.andThen(
        store.write({
          expect: batch.expect ?? [],
          append: (batch.append ?? []).slice(0, 1).map((one) => ({ ...one, events: [] }))
        }),
        store.write(batch)
      )
  })),
  view("event ids are checked before records", (store) => ({
    write: (batch) =>
      Effect.gen(function* () {
        for (const { eventId } of batch.imported ? [] : eventsOf(batch)) {
          if (Option.isSome(yield* store.event(eventId))) return yield* new EventExists({ eventId })
        }
        return yield* store.write(batch)
      })
  })),
  view("versions are checked before records", (store) => ({
    write: (batch) =>
      Effect.gen(function* () {
        for (const { streamId, expectedVersion: expected } of (batch.append ?? []).slice(0, 1)) {
          const actual = (yield* store.read(streamId, 0, 100_000)).length
          if (actual !== expected && batch.expect?.length)
            return yield* new VersionConflict({ streamId, expected, actual })
        }
        return yield* store.write(batch)
      })
  })),

  // All or nothing.
  view("records of a refused batch stay", (store) => ({
    write: (batch) => Effect.tapError(store.write(batch), () => Effect.ignore(store.write({ put: batch.put ?? [] })))
  })),
  view("removals of a refused batch stay", (store) => ({
    write: (batch) =>
      Effect.tapError(store.write(batch), () => Effect.ignore(store.write({ remove: batch.remove ?? [] })))
  })),
  view("the first append of a refused batch stays", (store) => ({
    write: (batch) =>
      Effect.tapError(store.write(batch), () =>
        Effect.ignore(store.write({ append: (batch.append ?? []).slice(0, -1) }))
      )
  })),
  view("a batch is written in two steps", (store) => ({
    write: ({ put, remove, ...batch }) =>
      Effect.tap(store.write(batch), () =>
        Effect.andThen(Effect.yieldNow, Effect.orDie(store.write({ put: put ?? [], remove: remove ?? [] })))
      )
  })),
  view("a batch is written stream by stream", (store) => ({
    write: (batch) =>
      Effect.gen(function* () {
        yield* store.write({ ...batch, append: (batch.append ?? []).slice(0, 1) })
        for (const one of (batch.append ?? []).slice(1)) {
          yield* Effect.yieldNow
          yield* store.write({ append: [one] })
        }
        return { position: yield* store.head }
      })
  })),
  view("half of a batch that failed is committed with the next one", (store) => {
    let half: Batch | undefined
    return {
      write: (batch) =>
        Effect.suspend(() => {
          const { put = [], remove: _, ...events } = batch
          if (put.some(({ key }) => key.length > 1_024)) {
            half = events
            return Effect.fail(new StoreUnavailable({ message: "A key is too long." }))
          }
          const open = half
          half = undefined
          return Effect.andThen(open === undefined ? Effect.void : store.write(open), store.write(batch))
        })
    }
  }),
  view("of a batch that cannot be kept the events are", (store) => ({
    write: ({ put = [], ...batch }) =>
      put.some(({ key }) => key.length > 1_024)
        ? Effect.andThen(store.write(batch), Effect.fail(new StoreUnavailable({ message: "A key is too long." })))
        : store.write({ ...batch, put })
  })),
  passing("a record whose key is too long is left out", {
    batch: (batch) => ({ ...batch, put: (batch.put ?? []).filter(({ key }) => key.length <= 1_024) })
  }),
  view("a batch is begun before it is run", (store) => ({
    write: (batch) => {
      const exit = Effect.runSyncExit(store.write(batch))
      return exit
    }
  })),
  view("refused ids are remembered", (store) => {
    const used = new Set<string>()
    return {
      write: (batch) =>
        Effect.suspend(() => {
          const double = eventsOf(batch).find(({ eventId }) => used.has(eventId))
          if (double !== undefined) return Effect.fail(new EventExists({ eventId: double.eventId }))
          return Effect.tapError(store.write(batch), () =>
            Effect.sync(() => eventsOf(batch).forEach(({ eventId }) => used.add(eventId)))
          )
        })
    }
  }),
  view("a write that was refused is tried again at the present version", (store) => ({
    write: (batch) =>
      Effect.catchTag(store.write(batch), "VersionConflict", ({ actual, streamId }) =>
        store.write({
          ...batch,
          append: (batch.append ?? []).map((one) =>
            one.streamId === streamId ? { ...one, expectedVersion: actual } : one
          )
        })
      )
  })),
  view("the same write again is answered as written", (store) => ({
    write: (batch) =>
      Effect.catchTag(store.write(batch), "EventExists", (error) =>
        Effect.flatMap(store.event(error.eventId), (found) =>
          Option.isSome(found) &&
          found.value.streamId === batch.append?.[0]?.streamId &&
          found.value.version === batch.append[0].expectedVersion + 1
            ? Effect.succeed({ position: found.value.position + eventsOf(batch).length - 1 })
            : Effect.fail(error)
        )
      )
  })),
  passing("only the first five hundred records of a batch are put", {
    batch: (batch) => ({ ...batch, put: (batch.put ?? []).slice(0, 500) })
  }),
  passing("only the first five hundred events of an append are written", {
    batch: (batch) => ({
      ...batch,
      append: (batch.append ?? []).map((one) => ({ ...one, events: one.events.slice(0, 500) }))
    })
  }),
  passing("removals are forgotten beside puts", {
    batch: (batch) => (batch.put?.length ? { ...batch, remove: [] } : batch)
  }),
  passing("a batch's appends are sorted by stream", {
    batch: (batch) => ({
      ...batch,
      append: (batch.append ?? []).toSorted((one, other) =>
        one.streamId < other.streamId ? -1 : one.streamId > other.streamId ? 1 : 0
      )
    })
  }),

  // Positions and versions.
  source(
    "the answer is the first position of the batch",
    "return Effect.succeed({ position: feed.length })",
    "return Effect.succeed({ position: Math.min(before + 1, feed.length) })"
  ),
  source(
    "a batch without events is told position 0",
    "return Effect.succeed({ position: feed.length })",
    "return Effect.succeed({ position: feed.length > before ? feed.length : 0 })"
  ),
  source(
    "the answer is the version",
    "return Effect.succeed({ position: feed.length })",
    "return Effect.succeed({ position: feed.at(-1)?.version ?? 0 })"
  ),
  view("a refused write leaves a gap", (store) => {
    let gaps = 0
    const moved = <A extends StoredEvent>(events: ReadonlyArray<A>) =>
      events.map((event) => ({ ...event, position: event.position + gaps }))
    return {
      write: (batch) =>
        Effect.mapBoth(store.write(batch), {
          onFailure: (error) => {
            gaps++
            return error
          },
          onSuccess: ({ position }) => ({ position: position + gaps })
        }),
      head: Effect.map(store.head, (head) => head + gaps),
      feed: (after, limit, filter) => Effect.map(store.feed(Math.max(0, after - gaps), limit, filter), moved)
    }
  }),
  view("positions begin at 0", (store) => ({
    feed: (after, limit, filter) =>
      Effect.map(store.feed(after, limit, filter), (events) =>
        events.map((event) => ({ ...event, position: event.position - 1 }))
      )
  })),
  source(
    "versions begin at 0",
    "version, position: feed.length + 1 }",
    "version: version - 1, position: feed.length + 1 }"
  ),
  source(
    "positions count each category for itself",
    "position: feed.length + 1 }",
    "position: feed.filter((one) => categoryOf(one.streamId) === categoryOf(streamId)).length + 1 }"
  ),

  // Reading.
  source(
    "a stream is read from the version on",
    "slice(afterVersion, afterVersion + limit)",
    "slice(Math.max(0, afterVersion - 1), afterVersion + limit)"
  ),
  source(
    "a stream is read with one event too many",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, afterVersion + limit + 1)"
  ),
  source(
    "a stream is read with one event too few",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, afterVersion + Math.max(limit - 1, 1))"
  ),
  source("a stream is read without a limit", "slice(afterVersion, afterVersion + limit)", "slice(afterVersion)"),
  source(
    "a limit of 0 is no limit",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, limit === 0 ? undefined : afterVersion + limit)"
  ),
  view("a stream is read with a thousand events at most", (store) => ({
    read: (streamId, after, limit) => store.read(streamId, after, Math.min(limit, 1_000))
  })),
  view("the feed is read with a thousand events at most", (store) => ({
    feed: (after, limit, filter) => store.feed(after, Math.min(limit, 1_000), filter)
  })),
  view("records are listed with a thousand at most", (store) => ({
    records: (prefix, after, limit) => store.records(prefix, after, Math.min(limit, 1_000))
  })),
  source(
    "a stream is read newest first",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, afterVersion + limit).reverse()"
  ),
  source(
    "the feed is read from the position on",
    "feed.slice(afterPosition, afterPosition",
    "feed.slice(Math.max(0, afterPosition - 1), afterPosition"
  ),
  source(
    "the feed is read with one event too many",
    "feed.slice(afterPosition, afterPosition + limit)",
    "feed.slice(afterPosition, afterPosition + limit + 1)"
  ),
  source("a filtered feed is read from the position on", "position > afterPosition", "position >= afterPosition"),
  source("a filtered feed is read from the beginning", "position > afterPosition", "true"),
  source("a filtered feed is read without a limit", "events.slice(from, from + limit)", "events.slice(from)"),
  source(
    "a filtered feed counts positions as places",
    "const from = SortedKeys.firstWhere(events, ({ position }) => position > afterPosition)",
    "const from = afterPosition"
  ),
  view("a filter is applied to a page", (store) => ({
    feed: (after, limit, filter = {}) =>
      Effect.map(store.feed(after, limit), (events) =>
        events.filter(
          ({ streamId, orgId }) =>
            (filter.category === undefined || streamId.split("-")[0] === filter.category) &&
            (filter.orgId === undefined || orgId === filter.orgId)
        )
      )
  })),
  ...Object.entries({
    "a category is a prefix": (streamId: string, category: string) => streamId.startsWith(category),
    "a category is what is before the last hyphen": (streamId: string, category: string) =>
      streamId.split("-").slice(0, -1).join("-") === category,
    "a stream without a hyphen has no category": (streamId: string, category: string) =>
      streamId.startsWith(`${category}-`),
    "a category may hold hyphens": (streamId: string, category: string) =>
      streamId === category || streamId.startsWith(`${category}-`),
    "a category is compared without case": (streamId: string, category: string) =>
      streamId.split("-")[0]?.toLowerCase() === category.toLowerCase(),
    "a category is a pattern": (streamId: string, category: string) => like(`${streamId}-`, `${category}-`),
    "a category is trimmed": (streamId: string, category: string) => streamId.split("-")[0]?.trim() === category.trim()
  }).map(([name, matches]) =>
    view(name, (store) => ({
      feed: (after, limit, { category, ...filter } = {}) =>
        category === undefined
          ? store.feed(after, limit, filter)
          : Effect.map(store.feed(after, 1_000_000, filter), (events) =>
              events.filter(({ streamId }) => matches(streamId, category)).slice(0, limit)
            )
    }))
  ),
  ...Object.entries({
    "no organization is any organization": (orgId: string, asked: string) => asked === "" || orgId === asked,
    "an organization is compared without case": (orgId: string, asked: string) =>
      orgId.toLowerCase() === asked.toLowerCase(),
    "an organization is a prefix": (orgId: string, asked: string) =>
      asked === "" ? orgId === "" : orgId.startsWith(asked),
    "an organization is a pattern": (orgId: string, asked: string) => like(`${orgId}\n`, `${asked}\n`),
    "events of no organization are given to each": (orgId: string, asked: string) => orgId === "" || orgId === asked
  }).map(([name, matches]) =>
    view(name, (store) => ({
      feed: (after, limit, { orgId: asked, ...filter } = {}) =>
        asked === undefined
          ? store.feed(after, limit, filter)
          : Effect.map(store.feed(after, 1_000_000, filter), (events) =>
              events.filter(({ orgId }) => matches(orgId, asked)).slice(0, limit)
            )
    }))
  ),
  view("of two filters one is enough", (store) => ({
    feed: (after, limit, filter) =>
      Effect.map(store.feed(after, 1_000_000), (events) =>
        events
          .filter(
            ({ streamId, orgId }) =>
              filter === undefined ||
              (filter.category === undefined && filter.orgId === undefined) ||
              streamId.split("-")[0] === filter.category ||
              orgId === filter.orgId
          )
          .slice(0, limit)
      )
  })),
  view("a category hides the organization", (store) => ({
    feed: (after, limit, filter) =>
      store.feed(after, limit, filter?.category === undefined ? filter : { category: filter.category })
  })),
  view("an event is found by an id without case", (store) => ({
    event: (id) =>
      Effect.map(store.feed(0, 1_000_000), (events) =>
        Option.fromUndefinedOr(events.find(({ eventId }) => eventId.toLowerCase() === id.toLowerCase()))
      )
  })),
  view("an event is found by the beginning of its id", (store) => ({
    event: (id) =>
      Effect.map(store.feed(0, 1_000_000), (events) =>
        Option.fromUndefinedOr(events.find(({ eventId }) => eventId.startsWith(id)))
      )
  })),

  // What storage makes of what it keeps.
  passing("data has its keys sorted", {
    event: (event) => ({ ...event, data: sorted(event.data) as NewEvent["data"] })
  }),
  passing("data loses what is null", {
    event: inData((text) => text.replace(/("[^"]*"):null,?/g, "").replace(/,}/g, "}"))
  }),
  passing("data has its great numbers rounded", {
    event: inData((text) =>
      text.replace(/:(-?9007199254740991)/g, ":$1.0e0").replace(/9007199254740991.0e0/g, "9007199254740990")
    )
  }),
  passing("text is normalized", { event: inTexts((text) => text.normalize("NFC")) }),
  passing("text has at most three bytes a character", {
    event: inTexts((text) => text.replace(/[\u{10000}-\u{10ffff}]/gu, "?"))
  }),
  passing("text loses control characters", { event: inTexts((text) => text.replace(/[\p{Cc}]/gu, "")) }),
  passing("text loses backslashes", { event: inTexts((text) => text.replace(/\\/g, "")) }),
  passing("text loses what is invisible", { event: inTexts((text) => text.replace(/[\u200d\ufeff]/g, "")) }),
  passing("text is cut at 65,535 characters", {
    event: (event) => ({
      ...event,
      data:
        typeof event.data["text"] === "string"
          ? { ...event.data, text: event.data["text"].slice(0, 65_535) }
          : event.data
    })
  }),
  passing("what looks like a date becomes one", {
    event: inData((text) => text.replace(/:"(\d{4}-\d\d-\d\dT[\d:.]+)Z"/g, `:"$1+00:00"`))
  }),
  passing("an organization that is empty is null", {
    stored: (event) => ({ ...event, orgId: event.orgId === "" ? (null as never) : event.orgId })
  }),
  passing("the time of acceptance is lost", { event: ({ acceptedAt: _, ...event }) => event }),
  passing("the time of acceptance is always there", { stored: (event) => ({ acceptedAt: event.at, ...event }) }),
  passing("a time of acceptance of 0 is none", {
    event: ({ acceptedAt, ...event }) => (acceptedAt ? { ...event, acceptedAt } : event)
  }),
  passing("the time of acceptance is undefined where there is none", {
    stored: (event) => ({ ...event, acceptedAt: event.acceptedAt as number })
  }),
  passing("times are kept in seconds", { event: (event) => ({ ...event, at: Math.floor(event.at / 1_000) * 1_000 }) }),
  passing("times have 32 bits", {
    event: (event) => ({ ...event, at: event.at > 4_000_000_000_000 ? event.at % 4_294_967_296 : event.at })
  }),
  passing("times before 1970 are 0", { event: (event) => ({ ...event, at: Math.max(0, event.at) }) }),
  source(
    "the times of a stream are kept in order",
    "const stored = { ...event, streamId,",
    "const stored = { ...event, at: Math.max(event.at, streams.get(streamId)?.at(-1)?.at ?? event.at), streamId,"
  ),
  passing("a principal loses its user", {
    event: (event) => (event.principal._tag === "Super" ? { ...event, principal: { _tag: "Super" } } : event)
  }),
  passing("principals are the first one's", { event: (event) => ({ ...event, principal: { _tag: "System" } }) }),
  passing("positions are text", {
    stored: (event) => ({ ...event, position: String(event.position) as never })
  }),
  passing("an event has a field more", { stored: (event) => ({ ...event, id: event.position }) as StoredEvent }),
  passing("command ids are lost when they are empty", {
    event: (event) => ({ ...event, commandId: event.commandId || event.eventId })
  }),
  named("stream ids are compared without case", (id) => id.toLowerCase()),
  named("stream ids are trimmed", (id) => id.trim()),
  named("stream ids are cut at 128 characters", (id) => id.slice(0, 128)),
  named("stream ids are normalized", (id) => id.normalize("NFC")),
  view("event ids are cut at 255 characters", (store) => {
    const cut = (event: NewEvent): NewEvent => ({ ...event, eventId: event.eventId.slice(0, 255) })
    return {
      write: (batch) =>
        store.write({
          ...batch,
          append: (batch.append ?? []).map((one) => ({ ...one, events: one.events.map(cut) }))
        }),
      event: (id) => store.event(id.slice(0, 255))
    }
  }),
  view("an event id that is too long cannot be asked for", (store) => ({
    event: (id) => (id.length > 600 ? Effect.fail(new StoreUnavailable({ message: "Too long." })) : store.event(id))
  })),
  passing("command ids are cut at 255 characters", {
    event: (event) => ({ ...event, commandId: event.commandId.slice(0, 255) })
  }),
  view("organizations are compared by their first 255 characters", (store) => ({
    feed: (after, limit, { orgId: asked, ...filter } = {}) =>
      asked === undefined
        ? store.feed(after, limit, filter)
        : Effect.map(store.feed(after, 1_000_000, filter), (events) =>
            events.filter(({ orgId }) => orgId.slice(0, 255) === asked.slice(0, 255)).slice(0, limit)
          )
  })),
  named("stream ids end at their second hyphen", (id) => id.split("-").slice(0, 2).join("-")),

  // Records.
  view("a large value is seen while it is being written", (store) => ({
    write: (batch) => {
      const large = (batch.put ?? []).filter(({ value }) => value.length > 1_048_576)
      if (large.length === 0 || batch.append?.length || batch.expect?.length) return store.write(batch)
      return Effect.gen(function* () {
        for (const { key, value } of large) {
          const old = Option.getOrElse(yield* store.record(key), () => "")
          const half = value.length / 2
          yield* store.write({ put: [{ key, value: value.slice(0, half) + old.slice(half) }] })
          yield* Effect.yieldNow
        }
        return yield* store.write(batch)
      })
    }
  })),
  keyed("keys are compared without case", (key) => key.toLowerCase()),
  keyed("keys are trimmed at their end", (key) => key.trimEnd()),
  keyed("keys are cut at 255 characters", (key) => key.slice(0, 255)),
  keyed("keys are normalized", (key) => key.normalize("NFC")),
  passing("values are trimmed", { put: (put) => ({ ...put, value: put.value.trim() }) }),
  passing("values are kept as JSON", {
    put: (put) => ({ ...put, value: /^[{[]/.test(put.value) ? JSON.stringify(JSON.parse(put.value)) : put.value })
  }),
  passing("values are cut at 1 MiB", { put: (put) => ({ ...put, value: put.value.slice(0, 1_048_576) }) }),
  passing("values lose their time", { put: ({ until: _, ...put }) => put }),
  passing("times of records are in seconds", {
    put: (put) => (put.until === undefined ? put : { ...put, until: put.until * 1_000 })
  }),
  passing("times of records have 32 bits", {
    put: (put) => (put.until === Number.MAX_SAFE_INTEGER ? { ...put, until: 2 ** 31 } : put)
  }),
  view("an empty value is none", (store) => ({
    record: (key) =>
      Effect.map(
        store.record(key),
        Option.filter((value) => value !== "")
      )
  })),
  source(
    "a put does not replace",
    "records.set(key, { value, until })",
    "if (!records.has(key)) records.set(key, { value, until })"
  ),
  source(
    "a put keeps an earlier time",
    "records.set(key, { value, until })",
    "records.set(key, { value, until: Math.min(until, records.get(key)?.until ?? until) })"
  ),
  source(
    "a put without a time keeps the earlier one",
    "records.set(key, { value, until })",
    "records.set(key, { value, until: until === Number.POSITIVE_INFINITY ? (records.get(key)?.until ?? until) : until })"
  ),
  source(
    "a put of the same value changes nothing",
    "records.set(key, { value, until })",
    "if (records.get(key)?.value !== value) records.set(key, { value, until })"
  ),
  source("records are never removed", FORGET, ""),
  source("only the first record is removed", FORGET, "for (const key of removed.slice(0, 1)) remove(key)"),
  source(
    "a removed record is still listed",
    "if (key !== after && value !== undefined) found.push({ key, value })",
    `if (key !== after) found.push({ key, value: value ?? "" })`
  ),
  view("who removes nothing is refused", (store) => ({
    write: (batch) =>
      Effect.gen(function* () {
        for (const key of batch.remove ?? [])
          if (Option.isNone(yield* store.record(key))) return yield* new RecordConflict({ key, actual: undefined })
        return yield* store.write(batch)
      })
  })),
  source("expired records are found", "kept !== undefined && kept.until > now ?", "kept !== undefined ?"),
  source("expired records are expected", "const actual = valueOf(key, now)", "const actual = records.get(key)?.value"),
  source("expired records are listed", "const value = valueOf(key, now)", "const value = records.get(key)?.value"),
  source(
    "expired records are read",
    "Option.fromUndefinedOr(valueOf(key, now))",
    "Option.fromUndefinedOr(records.get(key)?.value)"
  ),
  source(
    "expired records count as part of a page",
    "const value = valueOf(key, now)\n          if (key !== after && value !== undefined) found.push({ key, value })",
    "const value = valueOf(key, now)\n          if (value === undefined && records.has(key)) limit--\n          if (key !== after && value !== undefined) found.push({ key, value })"
  ),
  source(
    "the conflict tells an expired value",
    "new RecordConflict({ key, actual })",
    "new RecordConflict({ key, actual: records.get(key)?.value })"
  ),
  source("a record ends an hour early", "kept.until > now", "kept.until - 3_700_000 > now"),
  source("every record with a time is gone at once", "kept.until > now", "kept.until > Number.MAX_SAFE_INTEGER"),
  source(
    "one expired record ends the look for others",
    "if (key !== after && value !== undefined) found.push({ key, value })",
    "if (value === undefined) break\n          if (key !== after) found.push({ key, value })"
  ),
  view("a timer removes a record, whatever it is by then", (store) => ({
    write: (batch) =>
      Effect.tap(store.write(batch), () =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.sync(() => {
            for (const { key, until } of batch.put ?? []) {
              if (until !== undefined && until - now < 60_000)
                setTimeout(() => Effect.runFork(store.write({ remove: [key] })), Math.max(0, until - now)).unref()
            }
          })
        )
      )
  })),
  source("the key to go on after comes again", "if (key !== after && value", "if (value"),
  source("records are listed with one too many", "if (found.length >= limit ||", "if (found.length > limit ||"),
  source("records are listed without a limit", "if (found.length >= limit ||", "if ("),
  source(
    "the prefix itself is not listed",
    "if (key !== after && value",
    "if (key !== prefix && key !== after && value"
  ),
  source(
    "records before the prefix are skipped one by one, and counted",
    "keys.from(prefix > after ? prefix : after)",
    "keys.from(after)"
  ),
  source(
    "where to go on counts only inside the prefix",
    "keys.from(prefix > after ? prefix : after)",
    "keys.from(after.startsWith(prefix) ? after : prefix)"
  ),
  source(
    "the order of keys is lost in a long run",
    "if (run.length > LONGEST) runs.splice(index + 1, 0, run.splice(LONGEST / 2))",
    "if (run.length > 512) runs.splice(index, 0, run.splice(256))",
    "SortedKeys.ts"
  ),
  listing("a prefix is a pattern", (key, prefix) => like(key, prefix)),
  listing("a prefix is a pattern whose backslash escapes", (key, prefix) =>
    startsWith(key, prefix.replace(/\\(.)/gu, "$1"))
  ),
  listing("a prefix is compared without case", (key, prefix) => key.toLowerCase().startsWith(prefix.toLowerCase())),
  listing("a prefix is looked for anywhere", (key, prefix) => key.includes(prefix)),
  listing("a prefix ends at the highest character", (key, prefix) => key >= prefix && key < `${prefix}\uffff`),
  listing(
    "a prefix ends before its last character's next",
    (key, prefix) =>
      key >= prefix &&
      (prefix === "" ||
        bytes(key, prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)) < 0)
  ),
  listing("keys come in the order of their bytes", startsWith, bytes, (key, after) => bytes(key, after) > 0),
  listing("keys come in the order of a language", startsWith, (one, other) => one.localeCompare(other)),
  listing("keys come in the order of their numbers", startsWith, new Intl.Collator("en", { numeric: true }).compare),
  listing("keys come newest first", startsWith, (one, other) => (one < other ? 1 : -1)),
  listing("keys come in the order of their bytes, and go on in that of their code units", startsWith, bytes),

  // Changes.
  view("the hint of changes does not come at once", (store) => ({ changes: Stream.drop(store.changes, 1) })),
  view("the hint of changes comes once", (store) => ({
    changes: Stream.concat(Stream.take(store.changes, 1), Stream.never)
  })),
  view("the hint of changes comes twice", (store) => ({
    changes: Stream.concat(Stream.take(store.changes, 2), Stream.never)
  })),
  view("the hint of changes ends", (store) => ({ changes: Stream.take(store.changes, 2) })),
  view("the hint of changes tells one too few", (store) => ({
    changes: Stream.map(store.changes, (head) => Math.max(0, head - 1))
  })),
  view("the hint of changes tells one too many", (store) => ({
    changes: Stream.map(store.changes, (head) => head + 1)
  })),
  view("the hint of changes tells nothing but 1", (store) => ({ changes: Stream.map(store.changes, () => 1) })),
  source(
    "a sleeper that was woken stays asleep from then on",
    "if (feed.length > before) for (const wake of sleepers) wake()",
    "if (feed.length > before) for (const wake of [...sleepers].slice(0, 1)) wake()"
  ),
  source("a write of one event wakes nobody", "if (feed.length > before) for", "if (feed.length > before + 1) for"),
  source(
    "a subscriber that goes takes the others with it",
    "return Effect.sync(() => sleepers.delete(answer))",
    "return Effect.sync(() => sleepers.clear())"
  )
]
