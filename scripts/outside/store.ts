/** A store as a stranger writes it, from what the port says: everything in lists, and the simplest thing that is right. */
import {
  categoryOf,
  EventExists,
  EventStore,
  type Presence,
  type ReadModel,
  RecordConflict,
  type StoredEvent,
  VersionConflict
} from "@latchkey/core"
import { MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import type { LatchkeyStore } from "@latchkey/http"
import { Clock, Effect, Layer, Option, Stream } from "effect"

/** How often the store was read. */
export const counted = { reads: 0 }

const open = (): EventStore["Service"] => {
  const log: Array<StoredEvent> = []
  const kept = new Map<string, { readonly value: string; readonly until: number }>()

  const streamOf = (id: string) => log.filter(({ streamId }) => streamId === id)
  const valueOf = (key: string, now: number) => {
    const record = kept.get(key)
    return record !== undefined && record.until > now ? record.value : undefined
  }

  const write: EventStore["Service"]["write"] = Effect.fnUntraced(function* (batch) {
    const { expect = [], append = [], put = [], remove = [], imported = false } = batch
    const now = yield* Clock.currentTimeMillis
    for (const { key, value } of expect) {
      const actual = valueOf(key, now)
      if (actual !== value) return yield* new RecordConflict({ key, actual })
    }
    const ids = new Set(log.map(({ eventId }) => eventId))
    for (const { eventId } of imported ? [] : append.flatMap(({ events }) => events)) {
      if (ids.has(eventId)) return yield* new EventExists({ eventId })
      ids.add(eventId)
    }
    const versions = new Map<string, number>()
    for (const { streamId, expectedVersion: expected, events } of append) {
      const actual = versions.get(streamId) ?? streamOf(streamId).length
      if (actual !== expected) return yield* new VersionConflict({ streamId, expected, actual })
      versions.set(streamId, actual + events.length)
    }
    for (const { streamId, expectedVersion, events } of append) {
      for (const [index, event] of events.entries()) {
        log.push({ ...event, streamId, version: expectedVersion + index + 1, position: log.length + 1 })
      }
    }
    for (const key of remove) kept.delete(key)
    for (const { key, value, until = Number.POSITIVE_INFINITY } of put) kept.set(key, { value, until })
    return { position: log.length }
  })

  return {
    write,
    read: (streamId, after, limit) =>
      Effect.sync(() => {
        counted.reads++
        return streamOf(streamId).slice(after, after + limit)
      }),
    feed: (after, limit, { category, orgId } = {}) =>
      Effect.sync(() =>
        log
          .slice(after)
          .filter((event) => category === undefined || categoryOf(event.streamId) === category)
          .filter((event) => orgId === undefined || event.orgId === orgId)
          .slice(0, limit)
      ),
    head: Effect.sync(() => log.length),
    event: (id) => Effect.sync(() => Option.fromUndefinedOr(log.find(({ eventId }) => eventId === id))),
    record: (key) => Effect.map(Clock.currentTimeMillis, (now) => Option.fromUndefinedOr(valueOf(key, now))),
    records: (prefix, after, limit) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        [...kept.keys()]
          .filter((key) => key.startsWith(prefix) && key > after)
          .sort()
          .flatMap((key) => {
            const value = valueOf(key, now)
            return value === undefined ? [] : [{ key, value }]
          })
          .slice(0, limit)
      ),
    changes: Stream.sync(() => log.length)
  }
}

const events = Layer.sync(EventStore, open)

export const latchkeyStore = (({ ACME_STORE }): Layer.Layer<EventStore | ReadModel | Presence> => {
  if (ACME_STORE !== "ready") throw new Error("set ACME_STORE to ready")
  return Layer.mergeAll(events, MemoryReadModel.layer, MemoryPresence.layer)
}) satisfies LatchkeyStore
