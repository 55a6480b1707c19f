/** An event store that keeps everything in this process's memory: complete, fast, and gone when the process ends. */
import { Clock, Effect, Layer, Option, Stream } from "effect"
import {
  type Batch,
  categoryOf,
  EventExists,
  EventStore,
  type FeedFilter,
  RecordConflict,
  type StoredEvent,
  type StoredRecord,
  VersionConflict
} from "../streams/EventStore.ts"
import * as SortedKeys from "./SortedKeys.ts"

interface Kept {
  readonly value: string
  readonly until: number
}

const nothing: ReadonlyArray<StoredEvent> = []

/** A store of its own, empty. All who hold it share it: `layerOf` opens it for several servers. Every call is one step. */
export const make = (): EventStore["Service"] => {
  const feed: Array<StoredEvent> = []
  const streams = new Map<string, Array<StoredEvent>>()
  /** The feed once more, by each filter that it can be read with. */
  const filtered = new Map<string, Array<StoredEvent>>()
  const byEventId = new Map<string, StoredEvent>()
  const records = new Map<string, Kept>()
  const keys = SortedKeys.make()
  /** Keys of records that expire. Each put looks at the first two of them, so that they go while others come. */
  const expiring = new Set<string>()
  const sleepers = new Set<() => void>()

  const valueOf = (key: string, now: number): string | undefined => {
    const kept = records.get(key)
    return kept !== undefined && kept.until > now ? kept.value : undefined
  }

  const refusal = ({ expect = [], append = [], imported = false }: Batch, now: number) => {
    for (const { key, value } of expect) {
      const actual = valueOf(key, now)
      if (actual !== value) return new RecordConflict({ key, actual })
    }
    if (!imported) {
      const ids = new Set<string>()
      for (const { events } of append) {
        for (const { eventId } of events) {
          if (ids.has(eventId) || byEventId.has(eventId)) return new EventExists({ eventId })
          ids.add(eventId)
        }
      }
    }
    const versions = new Map<string, number>()
    for (const { streamId, expectedVersion: expected, events } of append) {
      const actual = versions.get(streamId) ?? streams.get(streamId)?.length ?? 0
      if (actual !== expected) return new VersionConflict({ streamId, expected, actual })
      versions.set(streamId, actual + events.length)
    }
    return undefined
  }

  const remove = (key: string): void => {
    records.delete(key)
    expiring.delete(key)
    keys.remove(key)
  }

  const carryOut = ({ append = [], put = [], remove: removed = [] }: Batch, now: number): void => {
    for (const { streamId, events } of append) {
      for (const event of events) {
        const version = (streams.get(streamId)?.length ?? 0) + 1
        const stored = { ...event, streamId, version, position: feed.length + 1 }
        feed.push(stored)
        add(streams, streamId, stored)
        for (const filter of filtersOf(stored)) add(filtered, filter, stored)
        if (!byEventId.has(event.eventId)) byEventId.set(event.eventId, stored)
      }
    }
    for (const key of removed) remove(key)
    for (const { key, value, until = Number.POSITIVE_INFINITY } of put) {
      records.set(key, { value, until })
      keys.add(key)
      expiring.delete(key)
      if (until < Number.POSITIVE_INFINITY) expiring.add(key)
      forgetExpired(now)
    }
  }

  const forgetExpired = (now: number): void => {
    let looked = 0
    for (const key of expiring) {
      if (looked++ === 2) return
      if (valueOf(key, now) === undefined) remove(key)
      else {
        expiring.delete(key)
        expiring.add(key)
      }
    }
  }

  /** Answers when the head lies after `position`: at once, or with the write that moves it there. */
  const headAfter = (position: number) =>
    Effect.callback<number>((resume) => {
      const answer = () => {
        if (feed.length <= position) return
        sleepers.delete(answer)
        resume(Effect.succeed(feed.length))
      }
      sleepers.add(answer)
      answer()
      return Effect.sync(() => sleepers.delete(answer))
    })

  return {
    write: (batch) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const refused = refusal(batch, now)
        if (refused !== undefined) return Effect.fail(refused)
        const before = feed.length
        carryOut(batch, now)
        if (feed.length > before) for (const wake of sleepers) wake()
        return Effect.succeed({ position: feed.length })
      }),

    read: (streamId, afterVersion, limit) =>
      Effect.sync(() => streams.get(streamId)?.slice(afterVersion, afterVersion + limit) ?? nothing),

    feed: (afterPosition, limit, filter) =>
      Effect.sync(() => {
        const found = filterKey(filter)
        if (found === undefined) return feed.slice(afterPosition, afterPosition + limit)
        const events = filtered.get(found) ?? nothing
        const from = SortedKeys.firstWhere(events, ({ position }) => position > afterPosition)
        return events.slice(from, from + limit)
      }),

    head: Effect.sync(() => feed.length),

    event: (eventId) => Effect.sync(() => Option.fromUndefinedOr(byEventId.get(eventId))),

    record: (key) => Effect.map(Clock.currentTimeMillis, (now) => Option.fromUndefinedOr(valueOf(key, now))),

    records: (prefix, after, limit) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const found: Array<StoredRecord> = []
        for (const key of keys.from(prefix > after ? prefix : after)) {
          if (found.length >= limit || !key.startsWith(prefix)) break
          const value = valueOf(key, now)
          if (key !== after && value !== undefined) found.push({ key, value })
        }
        return found
      }),

    changes: Stream.unfold(-1, (seen) => Effect.map(headAfter(seen), (head) => [head, head] as const))
  }
}

/** Under which name the events are kept that a filter lets through. */
const filterKey = ({ category, orgId }: FeedFilter = {}): string | undefined => {
  if (category === undefined) return orgId === undefined ? undefined : `organization ${orgId}`
  // A category holds no hyphen, so the two are told apart.
  return orgId === undefined ? `category ${category}` : `both ${category}-${orgId}`
}

const filtersOf = ({ streamId, orgId }: StoredEvent): ReadonlyArray<string> => {
  const category = categoryOf(streamId)
  return [`category ${category}`, `organization ${orgId}`, `both ${category}-${orgId}`]
}

const add = (events: Map<string, Array<StoredEvent>>, key: string, stored: StoredEvent): void => {
  const there = events.get(key)
  if (there === undefined) events.set(key, [stored])
  else there.push(stored)
}

/** Opens a store that `make` made. */
export const layerOf = (store: EventStore["Service"]): Layer.Layer<EventStore> => Layer.succeed(EventStore, store)

/** Every build of the layer is an empty store. */
export const layer: Layer.Layer<EventStore> = Layer.sync(EventStore, make)
