/** A batch: whole or not at all, and refused for the first reason there is. */
import { expect } from "@effect/vitest"
import { Effect, Exit } from "effect"
import type { Batch } from "../../streams/EventStore.ts"
import { append, asStored, casesOf, feedOf, idsOf, keysOf, refuses, upTo, valueOf } from "./fixture.ts"

const check = casesOf("a batch")

export const batchCases = [
  check("writes several streams and records together, its events in the order of its appends", function* (fixture) {
    const { store, start, name, events } = fixture
    const [a, b, c] = [name("a-1"), name("b-1"), name("c-1")]
    const [one, two, three] = [events(2), events(1), events(2)]
    yield* store.write({ put: [{ key: name("old"), value: "old" }] })
    const written = yield* store.write({
      expect: [
        { key: name("new"), value: undefined },
        { key: name("old"), value: "old" }
      ],
      append: [
        { streamId: c, expectedVersion: 0, events: one },
        { streamId: a, expectedVersion: 0, events: two },
        { streamId: b, expectedVersion: 0, events: three }
      ],
      put: [
        { key: name("new"), value: "1" },
        { key: name("empty"), value: "" }
      ],
      remove: [name("old"), name("nobody")]
    })
    expect(written).toEqual({ position: start + 5 })
    const stored = [...asStored(one, c, start + 1), ...asStored(two, a, start + 3), ...asStored(three, b, start + 4)]
    expect(yield* store.feed(start, 10)).toEqual(stored)
    expect(yield* store.read(c, 0, 10)).toEqual(stored.slice(0, 2))
    expect(yield* store.read(b, 0, 10)).toEqual(stored.slice(3))
    expect(yield* store.records(name(""), "", 10)).toEqual([
      { key: name("empty"), value: "" },
      { key: name("new"), value: "1" }
    ])
  }),

  check("may name a stream again, which is then at the version that the batch has given it", function* (fixture) {
    const { store, start, name, events } = fixture
    const [a, b] = [name("a-1"), name("b-1")]
    const [one, two, three] = [events(2), events(1), events(3)]
    const again = (expectedVersion: number): Batch => ({
      append: [
        { streamId: a, expectedVersion: 0, events: one },
        { streamId: b, expectedVersion: 0, events: two },
        { streamId: a, expectedVersion, events: three }
      ]
    })
    for (const expected of [0, 1, 3, 5]) {
      yield* refuses(store, again(expected), { _tag: "VersionConflict", streamId: a, expected, actual: 2 })
    }
    expect(yield* store.head).toBe(start)
    expect(yield* store.write(again(2))).toEqual({ position: start + 6 })
    expect(yield* store.feed(start, 10)).toEqual([
      ...asStored(one, a, start + 1),
      ...asStored(two, b, start + 3),
      ...asStored(three, a, start + 4, 3)
    ])
    expect((yield* store.read(a, 0, 10)).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5])
  }),

  check("leaves nothing of itself when any part of it is refused", function* ({ store, another, start, name, events }) {
    const second = yield* another
    const [a, b] = [name("a-1"), name("b-1")]
    const kept = events(1)
    yield* store.write({ ...append(a, kept), put: [{ key: name("kept"), value: "1" }] })
    const refused = events(2)
    const whole: Batch = {
      append: [
        { streamId: b, expectedVersion: 0, events: refused },
        { streamId: a, expectedVersion: 1, events: events(1) }
      ],
      put: [{ key: name("new"), value: "1" }],
      remove: [name("kept")]
    }
    const parts: ReadonlyArray<readonly [string, Batch]> = [
      ["RecordConflict", { ...whole, expect: [{ key: name("kept"), value: "2" }] }],
      [
        "EventExists",
        { ...whole, append: [...(whole.append ?? []), { streamId: a, expectedVersion: 2, events: kept }] }
      ],
      [
        "VersionConflict",
        { ...whole, append: [...(whole.append ?? []), { streamId: a, expectedVersion: 1, events: [] }] }
      ]
    ]
    for (const [_tag, batch] of parts) {
      yield* refuses(store, batch, { _tag })
      for (const opener of [store, second]) {
        expect(yield* opener.head).toBe(start + 1)
        expect(yield* opener.read(b, 0, 10)).toEqual([])
        expect(yield* opener.feed(start, 10)).toEqual(asStored(kept, a, start + 1))
        expect((yield* opener.event(refused[0]?.eventId ?? ""))._tag).toBe("None")
        expect(yield* opener.records(name(""), "", 10)).toEqual([{ key: name("kept"), value: "1" }])
      }
    }
    // What was refused holds no id, no version and no position.
    expect(yield* store.write(whole)).toEqual({ position: start + 4 })
    expect(yield* keysOf(second, name(""))).toEqual([name("new")])
  }),

  check("is refused for a record before an event id, and for an event id before a version", function* (fixture) {
    const { store, name, events } = fixture
    const [a, b] = [name("a-1"), name("b-1")]
    const stored = events(1)
    yield* store.write(append(a, stored))
    const wrong: Batch = {
      expect: [{ key: name("none"), value: "x" }],
      append: [
        { streamId: b, expectedVersion: 7, events: events(1) },
        { streamId: a, expectedVersion: 0, events: stored }
      ]
    }
    yield* refuses(store, wrong, { _tag: "RecordConflict", key: name("none"), actual: undefined })
    yield* refuses(store, { append: wrong.append ?? [] }, { _tag: "EventExists", eventId: stored[0]?.eventId })
    // Also where it is an event of the batch itself that is there twice.
    const twice = events(1)
    const doubled: Batch = {
      append: [
        { streamId: b, expectedVersion: 7, events: twice },
        { streamId: a, expectedVersion: 0, events: twice }
      ]
    }
    yield* refuses(store, doubled, { _tag: "EventExists", eventId: twice[0]?.eventId })
    yield* refuses(store, append(b, events(1), 7), { _tag: "VersionConflict", streamId: b })
  }),

  check("is refused for the first of several reasons of a kind", function* ({ store, name, event, events }) {
    const [a, b] = [name("a-1"), name("b-1")]
    const [x, y] = [event(), event()]
    yield* store.write({ ...append(a, [x, y]), put: [{ key: name("k"), value: "1" }] })
    // In the order of the batch, and not in that of keys, streams or the log.
    yield* refuses(
      store,
      {
        expect: [
          { key: name("k"), value: "1" },
          { key: name("z"), value: "z" },
          { key: name("k"), value: "2" },
          { key: name("a"), value: "a" }
        ]
      },
      { _tag: "RecordConflict", key: name("z"), actual: undefined }
    )
    const fresh = event()
    const doubles: ReadonlyArray<readonly [ReadonlyArray<typeof x>, ReadonlyArray<typeof x>, typeof x]> = [
      [[event(), y], [x], y],
      [[fresh, fresh], [x], fresh],
      [[fresh, x], [fresh], x],
      [[fresh], [event(), fresh, y], fresh]
    ]
    for (const [first, second, { eventId }] of doubles) {
      const batch: Batch = {
        append: [
          { streamId: b, expectedVersion: 0, events: first },
          { streamId: a, expectedVersion: 2, events: second }
        ]
      }
      yield* refuses(store, batch, { _tag: "EventExists", eventId })
    }
    const versions: Batch = {
      append: [
        { streamId: b, expectedVersion: 0, events: events(1) },
        { streamId: name("z-1"), expectedVersion: 5, events: events(1) },
        { streamId: a, expectedVersion: 4, events: events(1) }
      ]
    }
    yield* refuses(store, versions, { _tag: "VersionConflict", streamId: name("z-1"), expected: 5, actual: 0 })
  }),

  check("takes the id of an event once, on whatever stream and however often it is sent", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const second = yield* another
    const [a, b] = [name("a-1"), name("b-1")]
    const [first, more] = [events(2), events(1)]
    const write = store.write(append(a, first))
    yield* write
    const [, two] = idsOf(first)
    yield* refuses(store, append(a, first), { _tag: "EventExists", eventId: idsOf(first)[0] })
    expect(yield* Effect.flip(write)).toMatchObject({ _tag: "EventExists" })
    for (const opener of [second, store]) {
      yield* refuses(opener, append(a, first.slice(1), 2), { _tag: "EventExists", eventId: two })
      yield* refuses(opener, append(b, [...more, ...first.slice(1)]), { _tag: "EventExists", eventId: two })
      yield* refuses(opener, append(b, [...more, ...more]), { _tag: "EventExists", eventId: more[0]?.eventId })
    }
    expect(yield* store.read(b, 0, 10)).toEqual([])
    expect(yield* store.head).toBe(start + 2)
  }),

  check("does nothing before it is run", function* ({ store, start, name, events }) {
    const write = store.write({ ...append(name("a-1"), events(1)), put: [{ key: name("k"), value: "1" }] })
    yield* Effect.repeat(Effect.andThen(store.head, Effect.yieldNow), { times: 10 })
    expect(yield* store.head).toBe(start)
    expect(yield* valueOf(store, name("k"))).toBe(undefined)
    expect(yield* write).toEqual({ position: start + 1 })
  }),

  check("tells the feed's position, also when it has no events, or nothing at all", function* (fixture) {
    const { store, start, name, events } = fixture
    for (const batch of [{}, { append: [], put: [], remove: [], expect: [] }]) {
      expect(yield* store.write(batch)).toEqual({ position: start })
    }
    expect(yield* store.write({ put: [{ key: name("k"), value: "1" }] })).toEqual({ position: start })
    yield* store.write(append(name("a-1"), events(3)))
    for (const batch of [{}, { put: [{ key: name("k"), value: "2" }] }, { remove: [name("k")] }]) {
      expect(yield* store.write(batch)).toEqual({ position: start + 3 })
    }
    expect(yield* feedOf(store, start)).toHaveLength(3)
  }),

  check("may be imported with event ids that are in the log, or twice in it; the first is found", function* (fixture) {
    const { store, another, start, name, event, events } = fixture
    const [a, b] = [name("a-1"), name("b-1")]
    const [first, double] = [event({ data: { n: 1 } }), event({ data: { n: 2 } })]
    yield* store.write(append(a, [first]))
    const imported: Batch = {
      imported: true,
      append: [
        { streamId: b, expectedVersion: 0, events: [{ ...first, data: { n: 3 } }, double] },
        { streamId: a, expectedVersion: 1, events: [double] }
      ]
    }
    expect(yield* store.write(imported)).toEqual({ position: start + 4 })
    for (const opener of [store, yield* another]) {
      expect(yield* opener.event(first.eventId)).toMatchObject({ value: { position: start + 1, data: { n: 1 } } })
      expect(yield* opener.event(double.eventId)).toMatchObject({ value: { position: start + 3, streamId: b } })
      expect((yield* opener.read(a, 0, 10)).map(({ version }) => version)).toEqual([1, 2])
      expect((yield* opener.feed(start, 10)).map(({ position }) => position - start)).toEqual([1, 2, 3, 4])
      for (const { eventId } of [first, double]) {
        yield* refuses(opener, append(b, [event({ eventId })], 2), { _tag: "EventExists", eventId })
      }
    }
    // Nothing else is waived.
    const conflict = { ...append(a, events(1), 1), imported: true }
    yield* refuses(store, conflict, { _tag: "VersionConflict", actual: 2 })
    const missing = { ...append(a, events(1), 2), imported: true, expect: [{ key: name("k"), value: "1" }] }
    yield* refuses(store, missing, { _tag: "RecordConflict", key: name("k") })
    yield* store.write({ ...append(a, events(1), 2), imported: true })
  }),

  check("that is refused fails alone among many that are written at once", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const openers = [store, yield* another]
    const taken = events(1)
    yield* store.write({ ...append(name("taken-1"), taken), put: [{ key: name("taken"), value: "1" }] })
    const batches = Array.from({ length: 60 }, (_, index): readonly [string, Batch] => {
      const good = append(name(`s-${index}`), events(2))
      const [{ streamId = "", events: own = [] } = {}] = good.append ?? []
      switch (index % 6) {
        case 1:
          return ["VersionConflict", append(streamId, own, 3)]
        case 3:
          return ["RecordConflict", { ...good, expect: [{ key: name("taken"), value: undefined }] }]
        case 5:
          return ["EventExists", append(streamId, [...own, ...taken])]
        default:
          return ["Written", { ...good, put: [{ key: name(`k/${index}`), value: streamId }] }]
      }
    })
    const answers = yield* Effect.forEach(
      batches,
      ([, batch], index) =>
        Effect.match((openers[index % 2] ?? store).write(batch), {
          onSuccess: () => "Written",
          onFailure: ({ _tag }) => _tag
        }),
      { concurrency: "unbounded" }
    )
    expect(answers).toEqual(batches.map(([answer]) => answer))
    for (const [index, [answer, { append: [one] = [] }]] of batches.entries()) {
      const stored = yield* store.read(name(`s-${index}`), 0, 10)
      expect(idsOf(stored)).toEqual(answer === "Written" ? idsOf(one?.events ?? []) : [])
      expect(yield* valueOf(store, name(`k/${index}`))).toBe(answer === "Written" ? name(`s-${index}`) : undefined)
    }
    expect((yield* feedOf(store, start)).map(({ position }) => position - start)).toEqual(
      Array.from({ length: 61 }, (_, index) => index + 1)
    )
  }),

  check("that a store cannot take is there whole or not at all, also after others were written", function* (fixture) {
    const { store, another, start, name, events } = fixture
    const openers = [store, yield* another]
    // More than a key may have; a store may take it nevertheless. Text that repeats itself might be kept in less.
    let drawn = 1
    const more = upTo(5_000).map(() => {
      drawn = (48_271 * drawn) % 2_147_483_647
      return String.fromCharCode(97 + (drawn % 26))
    })
    const own = events(2)
    const [small, large] = [name("small"), name("") + more.join("")]
    const batch = {
      ...append(name("a-1"), own),
      put: [
        { key: small, value: "1" },
        { key: large, value: "2" }
      ]
    }
    const answer = yield* Effect.match(store.write(batch), {
      onSuccess: () => "Written",
      onFailure: ({ _tag }) => _tag
    })
    expect(["Written", "StoreUnavailable"]).toContain(answer)
    // Over every connection of a pool, one of which may have been left in the middle of it.
    for (const n of upTo(12))
      yield* store.write({ ...append(name(`b-${n}`), events(1)), put: [{ key: name("k"), value: "1" }] })
    for (const opener of openers) {
      const ids = idsOf(yield* opener.read(name("a-1"), 0, 10))
      const isThere = answer === "Written" || ids.length > 0
      expect(ids).toEqual(isThere ? idsOf(own) : [])
      expect(yield* valueOf(opener, small)).toBe(isThere ? "1" : undefined)
      if (isThere) expect(yield* valueOf(opener, large)).toBe("2")
      const feed = yield* feedOf(opener, start)
      expect(feed.map(({ position }) => position - start)).toEqual(upTo(isThere ? 14 : 12))
    }
  }),

  check("stays whole when its caller is interrupted", function* ({ store, another, start, name, events }) {
    const second = yield* another
    const batches = Array.from({ length: 20 }, (_, index) => ({
      ...append(name(`s-${index}`), events(3)),
      put: [{ key: name(`k/${index}`), value: "1" }]
    }))
    const exits = yield* Effect.forEach(
      batches,
      (batch, index) =>
        Effect.exit(
          Effect.raceFirst(
            store.write(batch),
            // The first ones at once, the others after so many turns.
            index < 10 ? Effect.void : Effect.asVoid(Effect.repeat(Effect.yieldNow, { times: index - 10 }))
          )
        ),
      { concurrency: "unbounded" }
    )
    expect(exits.every(Exit.isSuccess)).toBe(true)
    // What comes after them in the same opener finds them settled one way or the other.
    yield* store.write(append(name("last-1"), events(1)))
    for (const [index] of batches.entries()) {
      const before = yield* valueOf(second, name(`k/${index}`))
      const { length } = yield* second.read(name(`s-${index}`), 0, 10)
      expect(before === undefined ? [0, 3] : [3]).toContain(length)
      if (length === 3) expect(yield* valueOf(second, name(`k/${index}`))).toBe("1")
    }
    const positions = (yield* feedOf(second, start)).map(({ position }) => position - start)
    expect(positions).toEqual(positions.map((_, index) => index + 1))
  })
]
