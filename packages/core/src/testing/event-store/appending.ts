/** Streams: what is appended is read back as it was, in order, all of it or nothing. */
import { expect } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { EventExists, VersionConflict } from "../../streams/OldEventStore.ts"
import { asStored, type Check, contentOf } from "./fixture.ts"

const TEXTS = {
  "four-byte characters": "🔑🏳️‍🌈 𝄞 𠜎",
  "quotes, backslashes and separators": `'"\`\\ \\u0000 \n\r\t\u2028\u2029 $1 ? :a {}`,
  "right-to-left and combining characters": "مفتاح e\u0301 ﷽ \u200d\ufeff",
  "control characters": "\u0001\u001f\u007f\u0080"
}

export const checkAppending = (check: Check, { nul }: { readonly nul: boolean }) => {
  check("gives back what was appended, in order, with versions from 1", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const [first, second] = [events(2), events(3)]
      expect((yield* store.append(stream, 0, first)).version).toBe(2)
      expect((yield* store.append(stream, 2, second)).version).toBe(5)
      expect(yield* contentOf(store, stream)).toEqual(asStored([...first, ...second], stream))
    })
  )

  check("keeps every field of the envelope", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const principals = [
        { _tag: "User", userId: "user-1" },
        { _tag: "Organization", orgId: "org-1", userId: "user-1" },
        { _tag: "Organization", orgId: "org-1" },
        { _tag: "Super" },
        { _tag: "System" }
      ] as const
      const data = {
        text: "x",
        none: null,
        yes: true,
        no: false,
        list: [1, [], {}],
        deep: { "": { a: 0.1 } },
        big: 2 ** 53 - 1,
        tiny: -5e-324
      }
      const appended = principals.flatMap((principal, index) =>
        events(1, data).map((event) => ({
          ...event,
          principal,
          orgId: index === 0 ? "" : "org-1",
          at: 253_402_300_799_999
        }))
      )
      yield* store.append(stream, 0, appended)
      expect(yield* contentOf(store, stream)).toEqual(asStored(appended, stream))
    })
  )

  for (const [what, text] of Object.entries(nul ? { ...TEXTS, "NUL characters": "\0a\0\0b\0" } : TEXTS)) {
    check(`keeps ${what} in data`, ({ store, name, events }) =>
      Effect.gen(function* () {
        const stream = name("a")
        const appended = events(1, { text, [text]: [text] })
        yield* store.append(stream, 0, appended)
        expect(yield* contentOf(store, stream)).toEqual(asStored(appended, stream))
      })
    )
  }

  check("keeps events of 1 MB", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const appended = events(2, { text: "🔑".repeat(262_144) })
      yield* store.append(stream, 0, appended)
      expect(yield* contentOf(store, stream)).toEqual(asStored(appended, stream))
    })
  )

  check("reads a stream in pages", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      yield* store.append(stream, 0, events(10))
      const versions = (afterVersion: number, limit: number) =>
        Effect.map(store.read(stream, afterVersion, limit), (page) => page.map(({ version }) => version))
      expect(yield* versions(0, 4)).toEqual([1, 2, 3, 4])
      expect(yield* versions(4, 4)).toEqual([5, 6, 7, 8])
      expect(yield* versions(8, 4)).toEqual([9, 10])
      expect(yield* versions(10, 4)).toEqual([])
      expect(yield* versions(99, 4)).toEqual([])
    })
  )

  check("knows an unknown stream as empty", ({ store, name }) =>
    Effect.gen(function* () {
      expect(yield* store.read(name("nobody"), 0, 10)).toEqual([])
      expect((yield* store.snapshot(name("nobody")))._tag).toBe("None")
    })
  )

  check("refuses a version that the stream has passed, and one that it has not reached", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const appended = events(2)
      yield* store.append(stream, 0, appended)
      for (const expected of [0, 1, 3, 99]) {
        const refused = yield* Effect.flip(store.append(stream, expected, events(3)))
        expect(refused).toBeInstanceOf(VersionConflict)
        expect(refused).toMatchObject({ streamId: stream, expected, actual: 2 })
      }
      expect(yield* Effect.flip(store.append(name("nobody"), 1, events(1)))).toMatchObject({ expected: 1, actual: 0 })
      expect(yield* contentOf(store, stream)).toEqual(asStored(appended, stream))
      expect(yield* store.read(name("nobody"), 0, 10)).toEqual([])
    })
  )

  check("takes the id of an event once, on whatever stream, and finds the event by it", ({ store, name, events }) =>
    Effect.gen(function* () {
      const [a, b] = [name("a"), name("b")]
      const [first, second] = [events(2), events(1)]
      const [one, two] = first.map(({ eventId }) => eventId) as [string, string]
      yield* store.append(a, 0, first)
      // The same append once more, at the same version, may be answered as it was: its first answer may have been lost.
      const doubles = [
        [a, 2, first.slice(1), two],
        [b, 0, [...second, ...first], one],
        [b, 0, [...second, ...second], second[0]?.eventId]
      ] as const
      for (const [stream, expected, batch, eventId] of doubles) {
        const refused = yield* Effect.flip(store.append(stream, expected, batch))
        expect(refused).toBeInstanceOf(EventExists)
        expect(refused).toMatchObject({ eventId })
      }
      expect(yield* store.read(b, 0, 10)).toEqual([])
      const stored = yield* store.read(a, 0, 10)
      expect(stored).toHaveLength(2)
      expect(yield* store.event(two)).toMatchObject({ _tag: "Some", value: stored[1] })
      expect((yield* store.event(name("nobody")))._tag).toBe("None")
    })
  )

  check("keeps the times of a stream in order, and those of others as they are", ({ store, name, events }) =>
    Effect.gen(function* () {
      const timed = (at: number) => events(1).map((event) => ({ ...event, at }))
      const times = (stream: string) => Effect.map(store.read(name(stream), 0, 10), (all) => all.map(({ at }) => at))
      yield* store.append(name("a"), 0, [...timed(1_000), ...timed(3_000), ...timed(2_000)])
      yield* store.append(name("a"), 3, timed(2_500))
      yield* store.append(name("a"), 4, timed(3_001))
      yield* store.append(name("b"), 0, timed(-5))
      expect(yield* times("a")).toEqual([1_000, 3_000, 3_000, 3_000, 3_001])
      expect(yield* times("b")).toEqual([-5])
    })
  )

  check("tells streams apart whose ids differ by little", ({ store, name, events }) =>
    Effect.gen(function* () {
      const ids = [
        "a",
        "A",
        "a ",
        " a",
        "a%",
        "a_",
        "a*",
        "a/b",
        "a\\b",
        "a'b",
        'a"b',
        "a;--",
        "ä",
        "🔑",
        "a\tb",
        "[a]"
      ].map(name)
      for (const [index, id] of ids.entries()) yield* store.append(id, 0, events(1, { index }))
      for (const [index, id] of ids.entries()) {
        expect((yield* contentOf(store, id)).map(({ data }) => data)).toEqual([{ index }])
      }
    })
  )

  check("lists streams by prefix, in pages, sorted", ({ store, name, events }) =>
    Effect.gen(function* () {
      const ids = ["lock-10", "lock-2", "lock_3", "lockX4", "LOCK-5", "lock-1", "other-1"].map(name)
      for (const id of ids) yield* store.append(id, 0, events(1))
      const [lock, one, ten, two] = ["lock-", "lock-1", "lock-10", "lock-2"].map(name) as [
        string,
        string,
        string,
        string
      ]
      expect(yield* store.streams(lock, "", 10)).toEqual([one, ten, two])
      expect(yield* store.streams(lock, "", 2)).toEqual([one, ten])
      expect(yield* store.streams(lock, ten, 2)).toEqual([two])
      expect(yield* store.streams(lock, two, 2)).toEqual([])
      expect(yield* store.streams(name("lock_"), "", 10)).toEqual([name("lock_3")])
      expect(yield* store.streams(name("lock%"), "", 10)).toEqual([])
      expect(yield* store.streams(name(""), "", 10)).toEqual(ids.toSorted())
    })
  )

  check("lists no stream that holds no event", ({ store, name, events, receipt, reserve }) =>
    Effect.gen(function* () {
      yield* store.append(name("receipt"), 0, [], receipt("r"))
      yield* store.prepare(0, events(1), reserve(name("prepared"), "c"))
      yield* store.saveSnapshot(name("snapshot"), { version: 1, state: "{}" })
      yield* Effect.flip(store.append(name("refused"), 1, events(1)))
      expect(yield* store.streams(name(""), "", 10)).toEqual([])
    })
  )

  check("loses and doubles nothing when twenty writers append to one stream", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const batches = Array.from({ length: 60 }, () => events(2))
      const write = (batch: (typeof batches)[number]) =>
        Effect.gen(function* () {
          const version = (yield* store.read(stream, 0, 1_000)).length
          expect(version % 2).toBe(0)
          yield* Effect.yieldNow
          yield* store.append(stream, version, batch)
        }).pipe(Effect.retry({ while: (error) => error._tag === "VersionConflict" }))
      yield* Effect.forEach(batches, write, { concurrency: 20 })
      const stored = yield* store.read(stream, 0, 1_000)
      expect(stored.map(({ version }) => version)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1))
      const ids = stored.map(({ eventId }) => eventId)
      expect(ids.toSorted()).toEqual(
        batches
          .flat()
          .map(({ eventId }) => eventId)
          .toSorted()
      )
      for (const [first, second] of batches) {
        expect(ids.indexOf(second?.eventId ?? "")).toBe(ids.indexOf(first?.eventId ?? "") + 1)
      }
    })
  )

  check("fails only those of many concurrent appends that conflict", ({ store, name, events }) =>
    Effect.gen(function* () {
      const appends = Array.from({ length: 50 }, (_, index) => ({
        stream: name(`s-${index}`),
        expected: index % 5 === 0 ? 3 : 0,
        batch: events(3)
      }))
      const exits = yield* Effect.forEach(
        appends,
        ({ stream, expected, batch }) => Effect.exit(store.append(stream, expected, batch)),
        { concurrency: "unbounded" }
      )
      expect(exits.map(Exit.isSuccess)).toEqual(appends.map(({ expected }) => expected === 0))
      for (const { stream, expected, batch } of appends) {
        expect(yield* contentOf(store, stream)).toEqual(expected === 0 ? asStored(batch, stream) : [])
      }
    })
  )

  check("keeps the newest snapshot of a stream, as it was written", ({ store, name, events }) =>
    Effect.gen(function* () {
      const stream = name("a")
      yield* store.append(stream, 0, events(3))
      const snapshot = (version: number) => ({ version, state: `{"version":${version},"text":"🔑 ' \\u0000"}` })
      for (const version of [2, 3, 1]) yield* store.saveSnapshot(stream, snapshot(version))
      expect(yield* store.snapshot(stream)).toMatchObject({ _tag: "Some", value: snapshot(3) })
      expect((yield* store.snapshot(name("b")))._tag).toBe("None")
    })
  )
}
