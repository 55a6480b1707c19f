/** Stores that are wrong about what a batch requires: of records, of versions, and of the ids of its events. */
import { EventExists, VersionConflict } from "@latchkey/core"
import { Effect, Option } from "effect"
import { type BrokenStore, eventsOf, source, view } from "./fixture.ts"

const LOOP = `for (const { key, value } of expect) {`

export const brokenConditions: ReadonlyArray<BrokenStore> = [
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
  }))
]
