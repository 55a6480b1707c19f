/** Records: exact values under exact keys, changed only as expected, listed in order, and gone when their time is over. */
import { expect } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { clockPast } from "../clockPast.ts"
import { append, casesOf, keysOf, refuses, type Store, valueOf } from "./fixture.ts"
import { TEXTS } from "./streams.ts"

const check = casesOf("records")

const putAll = (store: Store, keys: ReadonlyArray<string>) =>
  store.write({ put: keys.map((key, index) => ({ key, value: String(index) })) })

/** How far the clocks of a store and of this process may be apart. */
const APART = 200
const HOUR = 3_600_000

export const recordCases = [
  check("are read back as they were put, replaced and removed, by every opener", function* ({ store, another, name }) {
    const second = yield* another
    const key = name("k")
    for (const opener of [store, second]) expect(yield* valueOf(opener, key)).toBe(undefined)
    for (const [index, value] of ["1", "", "2", "2"].entries()) {
      const [writer, reader] = index % 2 === 0 ? [store, second] : [second, store]
      yield* writer.write({ put: [{ key, value }] })
      for (const opener of [reader, writer]) {
        expect(yield* valueOf(opener, key)).toBe(value)
        expect(yield* opener.records(key, "", 10)).toEqual([{ key, value }])
      }
    }
    yield* store.write({ remove: [key] })
    for (const opener of [second, store]) {
      expect(yield* valueOf(opener, key)).toBe(undefined)
      expect(yield* opener.records(key, "", 10)).toEqual([])
    }
    yield* second.write({ remove: [key] })
    yield* second.write({ put: [{ key, value: "3" }] })
    expect(yield* valueOf(store, key)).toBe("3")
  }),

  ...Object.entries(TEXTS).map(([what, text]) =>
    check(`keep ${what}, in keys and in values`, function* ({ store, name }) {
      const key = name(text)
      yield* store.write({ put: [{ key, value: text }] })
      expect(yield* valueOf(store, key)).toBe(text)
      expect(yield* store.records(key, "", 10)).toEqual([{ key, value: text }])
      yield* refuses(store, { expect: [{ key, value: `${text}x` }] }, { _tag: "RecordConflict", key, actual: text })
      yield* store.write({ expect: [{ key, value: text }], remove: [key] })
      expect(yield* valueOf(store, key)).toBe(undefined)
    })
  ),

  check("hold text and nothing else: what looks like JSON or a number is not made even", function* ({ store, name }) {
    const values = [
      `{ "b": 1,  "a": 2 }`,
      `{"b":1,"a":2}`,
      "1",
      "01",
      "1.0",
      "1e3",
      "true",
      "NULL",
      "undefined",
      " ",
      ""
    ]
    yield* store.write({ put: values.map((value, index) => ({ key: name(`k/${index}`), value })) })
    for (const [index, value] of values.entries()) {
      const key = name(`k/${index}`)
      expect(yield* valueOf(store, key)).toBe(value)
      for (const other of values) {
        const batch = { expect: [{ key, value: other }] }
        if (other === value) yield* store.write(batch)
        else yield* refuses(store, batch, { _tag: "RecordConflict", key, actual: value })
      }
    }
  }),

  check("are others when their keys differ by little", function* ({ store, name }) {
    const keys = ["k", "K", "k ", "k%", "k_", "k/", "k\\", "k'", "ä", "a\u0308", "🔑", "k\t", "k-1", "k01", "k1"].map(
      name
    )
    yield* putAll(store, keys)
    for (const [index, key] of keys.entries()) expect(yield* valueOf(store, key)).toBe(String(index))
    yield* store.write({ remove: [name("k")] })
    expect(yield* keysOf(store, name(""))).toEqual(keys.slice(1).toSorted())
  }),

  check("are written only over what is expected, and the refusal tells what there is", function* ({ store, name }) {
    const [key, none] = [name("k"), name("none")]
    yield* store.write({ put: [{ key, value: "1" }] })
    const put = [{ key, value: "2" }]
    for (const value of [undefined, "", "2", "1 ", "01"]) {
      const refused = yield* Effect.flip(store.write({ expect: [{ key, value }], put }))
      expect({ ...refused }).toMatchObject({ _tag: "RecordConflict", key, actual: "1" })
    }
    for (const value of ["", "1", "undefined"]) {
      const refused = yield* Effect.flip(store.write({ expect: [{ key: none, value }], put }))
      expect({ ...refused }).toMatchObject({ _tag: "RecordConflict", key: none, actual: undefined })
    }
    yield* refuses(
      store,
      {
        expect: [
          { key, value: "1" },
          { key: none, value: "1" }
        ],
        put
      },
      { _tag: "RecordConflict", key: none }
    )
    yield* refuses(
      store,
      {
        expect: [
          { key: none, value: undefined },
          { key, value: "2" }
        ],
        put
      },
      { _tag: "RecordConflict", key }
    )
    expect(yield* valueOf(store, key)).toBe("1")
    yield* store.write({
      expect: [
        { key, value: "1" },
        { key: none, value: undefined }
      ],
      put
    })
    expect(yield* valueOf(store, key)).toBe("2")
  }),

  check("expect what was before the batch, and only what they name", function* ({ store, name, events }) {
    const [a, b] = [name("a"), name("b")]
    yield* store.write({
      expect: [{ key: a, value: undefined }],
      put: [
        { key: a, value: "1" },
        { key: b, value: "1" }
      ]
    })
    yield* store.write({ expect: [{ key: a, value: "1" }], remove: [a] })
    yield* refuses(
      store,
      { expect: [{ key: a, value: "2" }], put: [{ key: a, value: "2" }] },
      { _tag: "RecordConflict" }
    )
    yield* store.write({ put: [{ key: b, value: "2" }], ...append(name("a-1"), events(1)) })
    yield* store.write({
      expect: [
        { key: b, value: "2" },
        { key: a, value: undefined }
      ],
      remove: [b]
    })
    expect(yield* keysOf(store, name(""))).toEqual([])
  }),

  check("are listed in pages, after a key that need not be there", function* ({ store, name }) {
    const keys = ["k/1", "k/10", "k/2", "k/3", "k/a", "k/b"].map(name)
    yield* putAll(store, [...keys.toReversed(), name("j/9"), name("l/0")])
    const prefix = name("k/")
    expect(yield* keysOf(store, prefix, "", 4)).toEqual(keys.slice(0, 4))
    expect(yield* keysOf(store, prefix, keys[3], 4)).toEqual(keys.slice(4))
    expect(yield* keysOf(store, prefix, keys[0], 1)).toEqual([keys[1]])
    expect(yield* keysOf(store, prefix, name("k/11"), 2)).toEqual(keys.slice(2, 4))
    expect(yield* keysOf(store, prefix, keys[5], 4)).toEqual([])
    expect(yield* keysOf(store, prefix, name("a"), 4)).toEqual(keys.slice(0, 4))
    expect(yield* keysOf(store, prefix, name("z"), 4)).toEqual([])
    expect(yield* keysOf(store, prefix, "", 6)).toEqual(keys)
    expect(yield* keysOf(store, prefix, "", 0)).toEqual([])
    expect(yield* keysOf(store, "", name("k/"), 3)).toEqual(keys.slice(0, 3))
    expect(yield* keysOf(store, name("nobody"))).toEqual([])
    expect(yield* store.records(prefix, "", 1)).toEqual([{ key: keys[0], value: "5" }])
  }),

  check("are listed in code-unit order", function* ({ store, name }) {
    // UTF-8 and most collations order these otherwise.
    const endings = [
      "",
      " ",
      "!",
      "%",
      "-",
      "/",
      "0",
      "A",
      "Z",
      "_",
      "a",
      "aa",
      "z",
      "~",
      "\u0080",
      "ß",
      "ä",
      "ı",
      "И",
      "\ud7ff",
      "🏳",
      "🔑",
      "𝄞",
      "\ue000",
      "ﷺ",
      "\uffff"
    ]
    const keys = endings.map((ending) => name(`k${ending}`))
    yield* putAll(store, keys.toReversed())
    expect(yield* keysOf(store, name("k"))).toEqual(keys.toSorted())
    let after = ""
    const paged: Array<string> = []
    for (
      let page = yield* keysOf(store, name("k"), after, 3);
      page.length > 0;
      page = yield* keysOf(store, name("k"), after, 3)
    ) {
      paged.push(...page)
      after = page.at(-1) ?? ""
    }
    expect(paged).toEqual(keys.toSorted())
  }),

  check("are listed by exactly their prefix, whatever characters it has", function* ({ store, name }) {
    const prefixes = [
      "k%",
      "k_",
      "k\\",
      "k\\%",
      "k*",
      "k?",
      "k[a]",
      "k'",
      "K",
      "k",
      "k/",
      "k\u007f",
      "k\ud7ff",
      "k\uffff",
      "k🔑",
      "k\udbff\udfff",
      "kä"
    ]
    const keys = prefixes.flatMap((prefix) => [prefix, `${prefix}1`, `${prefix}\uffff`, `${prefix}🔑`].map(name))
    const inside = prefixes.map((prefix) => `${name("l")}${name(prefix)}`)
    const distinct = [...new Set([...keys, name("kxa"), ...inside])]
    yield* putAll(store, distinct)
    for (const prefix of prefixes.map(name)) {
      const expected = distinct.filter((key) => key.startsWith(prefix)).toSorted()
      expect(yield* keysOf(store, prefix)).toEqual(expected)
      expect(yield* keysOf(store, prefix, prefix)).toEqual(expected.filter((key) => key !== prefix))
    }
  }),

  check("are not there from their time on, no matter who asks, or how", function* ({ store, another, name }) {
    const second = yield* another
    const now = yield* Clock.currentTimeMillis
    const [gone, kept, endless] = ["k/1", "k/2", "k/3"].map(name) as [string, string, string]
    yield* store.write({ put: [{ key: gone, value: "before" }] })
    yield* store.write({
      put: [
        { key: gone, value: "gone", until: now - HOUR },
        { key: kept, value: "kept", until: now + HOUR },
        { key: endless, value: "endless", until: Number.MAX_SAFE_INTEGER }
      ]
    })
    for (const opener of [store, second]) {
      expect(yield* valueOf(opener, gone)).toBe(undefined)
      expect(yield* valueOf(opener, kept)).toBe("kept")
      // They do not count as part of a page either.
      expect(yield* keysOf(opener, name("k/"), "", 2)).toEqual([kept, endless])
      for (const value of ["gone", "before"]) {
        yield* refuses(
          opener,
          { expect: [{ key: gone, value }] },
          { _tag: "RecordConflict", key: gone, actual: undefined }
        )
      }
      yield* refuses(opener, { expect: [{ key: kept, value: undefined }] }, { _tag: "RecordConflict", actual: "kept" })
      yield* opener.write({
        expect: [
          { key: gone, value: undefined },
          { key: kept, value: "kept" }
        ]
      })
    }
    yield* store.write({ remove: [gone] })
    yield* second.write({ expect: [{ key: gone, value: undefined }], put: [{ key: gone, value: "again" }] })
    expect(yield* valueOf(store, gone)).toBe("again")
  }),

  check("go when their time comes, while the store is open", function* ({ store, another, name }) {
    const second = yield* another
    const soon = (yield* Clock.currentTimeMillis) + 2 * APART
    const [short, long, renewed, freed] = ["a", "l", "r", "f"].map((key) => name(`k/${key}`)) as [
      string,
      string,
      string,
      string
    ]
    yield* store.write({ put: [short, long, renewed, freed].map((key) => ({ key, value: "1", until: soon })) })
    for (const opener of [store, second]) {
      const found = yield* keysOf(opener, name("k/"))
      // On a machine that is busy their time may have come already.
      if ((yield* Clock.currentTimeMillis) < soon - APART) expect(found).toHaveLength(4)
    }
    yield* second.write({
      put: [
        { key: long, value: "2", until: soon + HOUR },
        { key: renewed, value: "1", until: soon + HOUR },
        { key: freed, value: "1" }
      ]
    })
    yield* clockPast(soon + APART)
    for (const opener of [store, second]) {
      expect(yield* keysOf(opener, name("k/"), "", 3)).toEqual([freed, long, renewed])
      expect(yield* valueOf(opener, short)).toBe(undefined)
      yield* refuses(opener, { expect: [{ key: short, value: "1" }] }, { _tag: "RecordConflict", actual: undefined })
      yield* opener.write({
        expect: [
          { key: short, value: undefined },
          { key: freed, value: "1" }
        ]
      })
      // Deleting what has expired deletes nothing else, and nothing that has come since.
      yield* opener.write({ put: [{ key: short, value: "3" }] })
      expect(yield* keysOf(opener, name("k/"))).toEqual([short, freed, long, renewed])
      yield* opener.write({ put: [{ key: short, value: "4", until: soon }] })
    }
  }),

  check("are changed by one of many who expect the same, in whichever opener", function* ({ store, another, name }) {
    const openers = [store, yield* another, yield* another]
    const [key, once] = [name("counter"), name("once")]
    // One that has expired is none, for one of them.
    yield* store.write({ put: [{ key: once, value: "old", until: 1 }] })
    const claim = (n: number) =>
      Effect.match(
        (openers[n % 3] ?? store).write({
          expect: [{ key: once, value: undefined }],
          put: [{ key: once, value: String(n) }]
        }),
        {
          onSuccess: () => [String(n)],
          onFailure: ({ _tag }) => {
            expect(_tag).toBe("RecordConflict")
            return []
          }
        }
      )
    const claims = yield* Effect.forEach(
      Array.from({ length: 30 }, (_, n) => n),
      claim,
      { concurrency: "unbounded" }
    )
    expect(claims.flat()).toEqual([yield* valueOf(store, once)])

    const increment = (n: number) =>
      Effect.gen(function* () {
        const opener = openers[n % 3] ?? store
        const value = yield* valueOf(opener, key)
        yield* Effect.yieldNow
        yield* opener.write({ expect: [{ key, value }], put: [{ key, value: String(Number(value ?? 0) + 1) }] })
      }).pipe(Effect.retry({ while: (error) => error._tag === "RecordConflict" }))
    yield* Effect.forEach(
      Array.from({ length: 30 }, (_, n) => n),
      increment,
      { concurrency: 6 }
    )
    for (const opener of openers) expect(yield* valueOf(opener, key)).toBe("30")
  })
]
