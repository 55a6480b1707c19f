/** One stream: what is appended is read back as it was, in order. */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import type { Principal } from "../../values/Principal.ts"
import { append, asStored, casesOf, feedOf, refuses, upTo } from "./fixture.ts"

const check = casesOf("a stream")

/** Texts that storage, its queries or its protocol may change. */
export const TEXTS: Readonly<Record<string, string>> = {
  "four-byte characters": "🔑🏳️‍🌈 𝄞 𠜎",
  "quotes, backslashes and placeholders": `'"\`\\ \\u0000 \\x \n\r\t\u2028\u2029 $1 ? :a {} %s %`,
  "right-to-left, combining and invisible characters": "مفتاح e\u0301 é ﷽ \u200d\ufeff",
  "control characters and noncharacters": "\u0001\u001f\u007f\u0080\uffff",
  "white space around": "  a \t",
  "what looks like something else": "null"
}

const PRINCIPALS: ReadonlyArray<Principal> = [
  { _tag: "User", userId: "user-1" },
  { _tag: "Organization", orgId: "org-1", userId: "user-1" },
  { _tag: "Organization", orgId: "org-1" },
  { _tag: "Super" },
  { _tag: "Super", userId: "" },
  { _tag: "Guest" },
  { _tag: "System" }
]

export const streamCases = [
  check("gives back what was appended, in order, with versions from 1", function* ({ store, start, name, events }) {
    const stream = name("a-1")
    const [first, second] = [events(2), events(3)]
    expect(yield* store.write(append(stream, first))).toEqual({ position: start + 2 })
    expect(yield* store.write(append(stream, second, 2))).toEqual({ position: start + 5 })
    expect(yield* store.read(stream, 0, 10)).toEqual(asStored([...first, ...second], stream, start + 1))
  }),

  check("keeps every field of an event, and adds none", function* ({ store, start, name, event }) {
    const stream = name("a-1")
    const events = [
      ...PRINCIPALS.map((principal) => event({ principal })),
      event({ orgId: "" }),
      event({ at: 0 }),
      event({ at: -5 }),
      event({ at: 253_402_300_799_999, acceptedAt: 253_402_300_799_998 }),
      event({ at: Number.MAX_SAFE_INTEGER, acceptedAt: 0 }),
      event({ commandId: "", type: "" })
    ]
    yield* store.write(append(stream, events))
    const stored = yield* store.read(stream, 0, 100)
    expect(stored).toStrictEqual(asStored(events, stream, start + 1))
    expect(yield* store.feed(start, 100)).toStrictEqual(stored)
    for (const one of stored) expect(yield* store.event(one.eventId)).toMatchObject({ _tag: "Some", value: one })
  }),

  check("keeps data as JSON keeps it: kinds of values, depth and the order of keys", function* (fixture) {
    const { store, name, event } = fixture
    const stream = name("a-1")
    const texts = [
      `{"z":1,"a":2,"m":{"y":[],"b":{}},"Z":null}`,
      `{"none":null,"yes":true,"no":false,"zero":0,"empty":"","list":[1,[2,[3,[null]]],{},""]}`,
      `{"most":9007199254740991,"least":-9007199254740991,"number as text":"9007199254740993","1.0":"1.0"}`,
      `{"":{"":{"":""}},"constructor":1,"__proto__":{"a":1},"toString":"x","eventId":"y","a.b":1,"$ref":"#"}`,
      `{"deep":${"[".repeat(200)}${"]".repeat(200)}}`,
      `{"date":"2026-11-27T08:35:37.000Z","bytes":"AAECAw==","big":"1e999","nan":"NaN"}`
    ]
    const events = texts.map((text) => event({ data: JSON.parse(text) }))
    yield* store.write(append(stream, events))
    expect((yield* store.read(stream, 0, 10)).map(({ data }) => JSON.stringify(data))).toEqual(texts)
    expect((yield* feedOf(store, fixture.start)).map(({ data }) => JSON.stringify(data))).toEqual(texts)
  }),

  ...Object.entries(TEXTS).map(([what, text]) =>
    check(`keeps ${what}, wherever a text may be`, function* ({ store, start, name, event }) {
      const stream = name(`a-${text}`)
      const events = [
        event({
          eventId: name(text),
          type: text,
          data: { text, [text]: [text] },
          orgId: text,
          principal: { _tag: "Organization", orgId: text, userId: text },
          commandId: text
        })
      ]
      yield* store.write(append(stream, events))
      const stored = asStored(events, stream, start + 1)
      expect(yield* store.read(stream, 0, 10)).toEqual(stored)
      expect(yield* store.feed(start, 10, { orgId: text })).toEqual(stored)
      expect(yield* store.event(name(text))).toMatchObject({ _tag: "Some", value: stored[0] })
    })
  ),

  check("is read in pages, with `limit` events at most", function* ({ store, name, events }) {
    const stream = name("a-1")
    yield* store.write(append(stream, events(10)))
    const versions = (after: number, limit: number) =>
      Effect.map(store.read(stream, after, limit), (page) => page.map(({ version }) => version))
    expect(yield* versions(0, 4)).toEqual([1, 2, 3, 4])
    expect(yield* versions(4, 4)).toEqual([5, 6, 7, 8])
    expect(yield* versions(8, 4)).toEqual([9, 10])
    expect(yield* versions(9, 1)).toEqual([10])
    expect(yield* versions(0, 10)).toEqual(upTo(10))
    expect(yield* versions(10, 4)).toEqual([])
    expect(yield* versions(99, 4)).toEqual([])
    expect(yield* versions(0, 0)).toEqual([])
  }),

  check("is empty when nobody knows it", function* ({ store, name }) {
    expect(yield* store.read(name("nobody-1"), 0, 10)).toEqual([])
  }),

  check("refuses a version that it has passed, and one that it has not reached", function* (fixture) {
    const { store, start, name, events } = fixture
    const stream = name("a-1")
    const kept = events(2)
    yield* store.write(append(stream, kept))
    for (const expected of [0, 1, 3, 99]) {
      const refused = yield* Effect.flip(store.write(append(stream, events(3), expected)))
      expect(refused).toMatchObject({ _tag: "VersionConflict", streamId: stream, expected, actual: 2 })
    }
    const nobody = name("nobody-1")
    yield* refuses(store, append(nobody, events(1), 1), {
      _tag: "VersionConflict",
      streamId: nobody,
      expected: 1,
      actual: 0
    })
    expect(yield* store.read(stream, 0, 10)).toEqual(asStored(kept, stream, start + 1))
    expect(yield* store.read(nobody, 0, 10)).toEqual([])
    expect(yield* store.head).toBe(start + 2)
  }),

  check("is checked, but not changed, by an append without events", function* ({ store, start, name, events }) {
    const [stream, nobody] = [name("a-1"), name("nobody-1")]
    yield* store.write(append(stream, events(2)))
    expect(yield* store.write(append(stream, [], 2))).toEqual({ position: start + 2 })
    yield* refuses(store, append(stream, [], 1), { _tag: "VersionConflict", expected: 1, actual: 2 })
    yield* store.write(append(nobody, []))
    yield* refuses(store, append(nobody, [], 1), { _tag: "VersionConflict", expected: 1, actual: 0 })
    expect(yield* store.head).toBe(start + 2)
    yield* store.write(append(nobody, events(1)))
    expect(yield* store.read(stream, 0, 10)).toHaveLength(2)
  }),

  check("is another than one whose id differs by little", function* ({ store, name, event }) {
    const endings = [
      "",
      "1",
      "10",
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
      `a"b`,
      "a;--",
      "ä",
      "a\u0308"
    ]
    const ids = [...endings, "🔑", "a\tb", "[a]", "a-b", "-a", "--"]
      .map((ending) => name(`a-${ending}`))
      .concat(name("a"))
    for (const id of ids) yield* store.write(append(id, [event({ data: { id } })]))
    for (const id of ids) expect((yield* store.read(id, 0, 10)).map(({ data }) => data)).toEqual([{ id }])
  })
]
