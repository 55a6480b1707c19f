/** Rows, how they are found, and how they go. */
import { expect } from "@effect/vitest"
import { casesOf, changes, keyOf, listing, numbersOf, row, sorted, upTo } from "./fixture.ts"

const check = casesOf("a row")

/** Texts that are taken for each other where a store compares by more than the characters. */
const ALIKE = [
  "a",
  "A",
  "ä",
  "a\u0308",
  "Ä",
  "a ",
  " a",
  "a%",
  "a_",
  "a'",
  'a"',
  "a\\",
  "å",
  "ａ",
  "🔑",
  "",
  "null",
  "0",
  "00"
]

/** As many digits as the longest name of a key on a lock has, and as many characters as the id that is listed with it. */
const [DIGITS, ID] = [2_011, 285]
/** 2,048 bytes in UTF-8, of characters of one, two and four. */
const LONGEST = `${"ä🔑x".repeat(292)}1234`
const VALUE = 65_536

export const rowCases = [
  check("is there when it was put, in its table alone", function* ({ model }) {
    expect(model.source).not.toBe("")
    expect(yield* model.get("birds", [keyOf(1)])).toEqual([])
    expect(
      yield* model.apply(changes(0, 1, { put: [row(1, "crow"), row(1, "carp", "fish"), row(2, "cod", "fish")] }))
    ).toBe(true)
    expect(yield* model.get("birds", [keyOf(1), keyOf(2)])).toEqual([{ key: keyOf(1), value: "crow" }])
    expect(yield* model.get("fish", [keyOf(1)])).toEqual([{ key: keyOf(1), value: "carp" }])
    expect(yield* model.get("insects", [keyOf(1)])).toEqual([])
    expect(yield* model.get("birds", [])).toEqual([])
  }),

  check("has its newest value", function* ({ model }) {
    yield* model.apply(changes(0, 1, { put: [row(1, "egg"), row(2, "egg")] }))
    yield* model.apply(changes(1, 2, { put: [row(1, "chick")] }))
    yield* model.apply(changes(2, 3, { put: [row(1, "")] }))
    expect(sorted(yield* model.get("birds", [keyOf(1), keyOf(2)]))).toEqual([
      { key: keyOf(1), value: "" },
      { key: keyOf(2), value: "egg" }
    ])
  }),

  check("keeps its text as it is, and is told from others by every character of its key", function* ({ model }) {
    const put = ALIKE.map((key) => ({ table: "texts", key, value: `${key} ${JSON.stringify(key)}\n` }))
    expect(yield* model.apply(changes(0, 1, { put }))).toBe(true)
    const found = yield* model.get("texts", ALIKE)
    expect(new Map(found.map(({ key, value }) => [key, value]))).toEqual(
      new Map(put.map(({ key, value }) => [key, value]))
    )
    for (const { key, value } of put) expect(yield* model.get("texts", [key])).toEqual([{ key, value }])
  }),

  check("may be as long as the port says", function* ({ model }) {
    const value = "🔑".repeat(VALUE / 4)
    const put = [{ table: "texts", key: LONGEST, value }, row(1, value)]
    const list = [listing(1, LONGEST)]
    expect(yield* model.apply(changes(0, 1, { put, list }))).toBe(true)
    expect(yield* model.get("texts", [LONGEST])).toEqual([{ key: LONGEST, value }])
    expect(yield* model.find("birds", "colour", LONGEST, "", 1)).toEqual([{ key: keyOf(1), value }])
    expect(yield* model.find("birds", "colour", LONGEST.slice(0, -1), "", 1)).toEqual([])
    expect(yield* model.apply(changes(1, 2, { unlist: list }))).toBe(true)
    expect(yield* model.find("birds", "colour", LONGEST, "", 1)).toEqual([])
  }),

  check("is found by keys, values and places to go on as long as core makes them", function* ({ model, another }) {
    const digits = "0128273".repeat(DIGITS).slice(0, DIGITS - 1)
    const [one, two] = [`${digits}1`, `${digits}2`]
    const [listedAs, otherwise] = [`${"🔑".repeat(ID - 1)}1`, `${"🔑".repeat(ID - 1)}2`]
    const put = [one, two].map((key) => ({ table: "birds", key, value: `the one with ${key.at(-1)}` }))
    const list = [one, two].map((key) => ({ table: "birds", key, index: "colour", value: listedAs }))
    const rows = put.map(({ key, value }) => ({ key, value }))
    expect(yield* model.apply(changes(0, 1, { put, list }))).toBe(true)
    for (const opener of [model, yield* another]) {
      expect(sorted(yield* opener.get("birds", [two, one]))).toEqual(rows)
      expect(yield* opener.find("birds", "colour", listedAs, "", 10)).toEqual(rows)
      expect(yield* opener.find("birds", "colour", listedAs, one, 10)).toEqual(rows.slice(1))
      expect(yield* opener.find("birds", "colour", listedAs, two, 10)).toEqual([])
      expect(yield* opener.find("birds", "colour", otherwise, "", 10)).toEqual([])
    }
    const remove = [{ table: "birds", key: one }]
    expect(yield* model.apply(changes(1, 2, { remove, unlist: list.slice(0, 1) }))).toBe(true)
    expect(yield* model.find("birds", "colour", listedAs, "", 10)).toEqual(rows.slice(1))
  }),

  check("is found under its listings, with its newest value", function* ({ model }) {
    const list = [listing(1, "black"), listing(1, "big", "size"), listing(2, "black")]
    yield* model.apply(changes(0, 1, { put: [row(1, "crow"), row(2, "coot")], list }))
    yield* model.apply(changes(1, 2, { put: [row(1, "raven")] }))
    expect(yield* model.find("birds", "colour", "black", "", 10)).toEqual([
      { key: keyOf(1), value: "raven" },
      { key: keyOf(2), value: "coot" }
    ])
    expect(yield* model.find("birds", "size", "big", "", 10)).toEqual([{ key: keyOf(1), value: "raven" }])
    expect(yield* model.find("birds", "colour", "black", "", 0)).toEqual([])
  }),

  check("is found under no other value, in no other index and no other table", function* ({ model }) {
    const fish = { ...row(1, "carp", "fish") }
    const list = [listing(1, "black"), listing(1, "grey", "colour", "fish")]
    yield* model.apply(changes(0, 1, { put: [row(1, "crow"), fish], list }))
    for (const [table, index, value] of [
      ["birds", "colour", "grey"],
      ["birds", "colour", "Black"],
      ["birds", "colour", "blac"],
      ["birds", "colour", "black "],
      ["birds", "colour", ""],
      ["birds", "size", "black"],
      ["birds", "", "colour black"],
      ["fish", "colour", "black"],
      ["insects", "colour", "black"]
    ] as const) {
      expect([table, index, value, yield* model.find(table, index, value, "", 10)]).toEqual([table, index, value, []])
    }
    expect(yield* model.find("fish", "colour", "grey", "", 10)).toEqual([{ key: keyOf(1), value: "carp" }])
  }),

  check("is told from others by every character that it is listed under", function* ({ model }) {
    const put = ALIKE.map((_, n) => row(n))
    const list = ALIKE.map((value, n) => listing(n, value))
    yield* model.apply(changes(0, 1, { put, list }))
    for (const [n, value] of ALIKE.entries()) {
      expect([value, numbersOf(yield* model.find("birds", "colour", value, "", 100))]).toEqual([value, [n]])
    }
  }),

  check("moves from one value of an index to another", function* ({ model }) {
    yield* model.apply(changes(0, 1, { put: [row(1), row(2)], list: [listing(1, "grey"), listing(2, "grey")] }))
    yield* model.apply(changes(1, 2, { put: [row(1)], unlist: [listing(1, "grey")], list: [listing(1, "white")] }))
    const found = (colour: string) => model.find("birds", "colour", colour, "", 10)
    expect([numbersOf(yield* found("grey")), numbersOf(yield* found("white"))]).toEqual([[2], [1]])
    // And back, without a new value.
    yield* model.apply(changes(2, 3, { unlist: [listing(1, "white")], list: [listing(1, "grey")] }))
    expect([numbersOf(yield* found("grey")), numbersOf(yield* found("white"))]).toEqual([[1, 2], []])
  }),

  check("is told from one whose names, written one after the other, are the same", function* ({ model }) {
    const names = [
      { table: "a", key: "bc", value: "one" },
      { table: "ab", key: "c", value: "two" }
    ]
    // Of each two, all that is before the key is the same text.
    const places = [
      ["a", "bc", "d"],
      ["ab", "c", "d"],
      ["a", "b", "cd"]
    ] as const
    const put = ["a", "ab"].flatMap((table) => places.map((_, n) => ({ table, key: String(n), value: `row ${n}` })))
    const list = places.map(([table, index, value], n) => ({ table, index, value, key: String(n) }))
    expect(yield* model.apply(changes(0, 1, { put: [...names, ...put], list }))).toBe(true)
    for (const { table, key, value } of names) expect(yield* model.get(table, [key])).toEqual([{ key, value }])
    for (const [n, [table, index, value]] of places.entries()) {
      expect([n, numbersOf(yield* model.find(table, index, value, "", 10))]).toEqual([n, [n]])
    }
    const remove = names.slice(0, 1)
    expect(yield* model.apply(changes(1, 2, { remove, unlist: list.slice(0, 1) }))).toBe(true)
    expect(yield* model.get("a", ["bc"])).toEqual([])
    expect(yield* model.get("ab", ["c"])).toEqual([{ key: "c", value: "two" }])
    for (const [n, [table, index, value]] of places.entries()) {
      expect([n, numbersOf(yield* model.find(table, index, value, "", 10))]).toEqual([n, n === 0 ? [] : [n]])
    }
  }),

  check("that is removed is found no more, and may come again", function* ({ model }) {
    yield* model.apply(changes(0, 1, { put: [row(1), row(2)], list: [listing(1, "grey"), listing(2, "grey")] }))
    const remove = [{ table: "birds", key: keyOf(1) }]
    yield* model.apply(changes(1, 2, { remove, unlist: [listing(1, "grey")] }))
    expect(numbersOf(yield* model.get("birds", [keyOf(1), keyOf(2)]))).toEqual([2])
    expect(numbersOf(yield* model.find("birds", "colour", "grey", "", 10))).toEqual([2])
    // One that is not there is removed already.
    expect(yield* model.apply(changes(2, 3, { remove }))).toBe(true)
    yield* model.apply(changes(3, 4, { put: [row(1, "again")] }))
    expect(yield* model.get("birds", [keyOf(1)])).toEqual([{ key: keyOf(1), value: "again" }])
    expect(numbersOf(yield* model.find("birds", "colour", "grey", "", 10))).toEqual([2])
  }),

  check("that is removed leaves the one with its key in another table", function* ({ model }) {
    const list = [listing(1, "grey"), listing(1, "grey", "colour", "fish")]
    yield* model.apply(changes(0, 1, { put: [row(1), row(1, "carp", "fish")], list }))
    yield* model.apply(changes(1, 2, { remove: [{ table: "birds", key: keyOf(1) }], unlist: [listing(1, "grey")] }))
    expect(numbersOf(yield* model.get("fish", [keyOf(1)]))).toEqual([1])
    expect(numbersOf(yield* model.find("fish", "colour", "grey", "", 10))).toEqual([1])
  }),

  check("is found in the order of keys, in pages that leave out none and repeat none", function* ({ model }) {
    const numbers = [7, 10, 9, 100, 2, 1_000_000, 1, 99, 9_007_199_254_740_991, 11]
    yield* model.apply(
      changes(0, 1, {
        put: [...numbers, 3].map((n) => row(n)),
        list: [...numbers.map((n) => listing(n, "grey")), listing(3, "white")]
      })
    )
    const inOrder = numbers.toSorted((a, b) => a - b)
    expect(numbersOf(yield* model.find("birds", "colour", "grey", "", 100))).toEqual(inOrder)
    for (const size of [1, 2, 3, 9, 10, 11]) {
      const found: Array<number> = []
      let page = yield* model.find("birds", "colour", "grey", "", size)
      while (page.length > 0) {
        expect(page.length).toBeLessThanOrEqual(size)
        found.push(...numbersOf(page))
        page = yield* model.find("birds", "colour", "grey", page.at(-1)?.key ?? "", size)
      }
      expect([size, found]).toEqual([size, inOrder])
    }
    // A page may begin after a key that is not there any more.
    expect(numbersOf(yield* model.find("birds", "colour", "grey", keyOf(12), 2))).toEqual([99, 100])
    expect(yield* model.find("birds", "colour", "grey", keyOf(9_007_199_254_740_991), 2)).toEqual([])
  }),

  check("is found in the order of text, and not of numbers, where keys have different lengths", function* ({ model }) {
    const keys = ["10", "9", "090", "1", "0", "00", "9007199254740993", "9007199254740992"]
    const put = keys.map((key) => ({ table: "birds", key, value: key }))
    const list = keys.map((key) => ({ table: "birds", key, index: "colour", value: "grey" }))
    yield* model.apply(changes(0, 1, { put, list }))
    const inOrder = keys.toSorted()
    const found: Array<string> = []
    let page = yield* model.find("birds", "colour", "grey", "", 1)
    while (page.length > 0 && found.length < keys.length) {
      expect(page).toHaveLength(1)
      found.push(...page.map(({ key }) => key))
      page = yield* model.find("birds", "colour", "grey", found.at(-1) ?? "", 1)
    }
    expect(found).toEqual(inOrder)
    expect(page).toEqual([])
    expect((yield* model.find("birds", "colour", "grey", "", 100)).map(({ key }) => key)).toEqual(inOrder)
  }),

  check("is found among thousands, which come and go together", function* ({ model }) {
    const all = upTo(4_000)
    const list = all.map((n) => listing(n, n % 2 === 0 ? "even" : "odd"))
    expect(yield* model.apply(changes(0, 1, { put: all.map((n) => row(n)), list }))).toBe(true)
    expect(yield* model.get("birds", all.map(keyOf))).toHaveLength(4_000)
    expect(sorted(yield* model.get("birds", [keyOf(4_001), keyOf(4_000), keyOf(1)]))).toEqual([
      { key: keyOf(1), value: "row 1" },
      { key: keyOf(4_000), value: "row 4000" }
    ])
    expect(yield* model.find("birds", "colour", "even", "", 5_000)).toHaveLength(2_000)
    const remove = all.map((n) => ({ table: "birds", key: keyOf(n) }))
    expect(yield* model.apply(changes(1, 2, { remove, unlist: list }))).toBe(true)
    expect(yield* model.get("birds", all.map(keyOf))).toEqual([])
    expect(yield* model.find("birds", "colour", "odd", "", 5_000)).toEqual([])
  })
]
