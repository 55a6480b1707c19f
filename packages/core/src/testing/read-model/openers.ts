/** Several who have opened the same read model, and one who opens it later. */
import { expect } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { ReadModel } from "../../read-model/ReadModel.ts"
import { opened, type PortPlace } from "../portCase.ts"
import { at, casesOf, changes, keyOf, listing, numbersOf, row, upTo } from "./fixture.ts"

const check = casesOf("what one opener")

export const openerCases = [
  check("has applied, all see at once", function* ({ model, another }) {
    const other = yield* another
    yield* model.apply(changes(0, 1, { put: [row(1, "egg")], list: [listing(1, "grey")] }))
    expect(yield* other.cursor).toEqual(at(1))
    expect(yield* other.get("birds", [keyOf(1)])).toEqual([{ key: keyOf(1), value: "egg" }])
    expect(yield* other.apply(changes(1, 2, { put: [row(1, "chick")], unlist: [listing(1, "grey")] }))).toBe(true)
    expect(yield* model.cursor).toEqual(at(2))
    expect(yield* model.get("birds", [keyOf(1)])).toEqual([{ key: keyOf(1), value: "chick" }])
    expect(yield* model.find("birds", "colour", "grey", "", 10)).toEqual([])
    yield* other.reset
    expect(yield* model.cursor).toEqual(at(0))
    expect(yield* model.get("birds", [keyOf(1)])).toEqual([])
  }),

  check("applies, no other applies again, though all try at the same moment", function* ({ model, another }) {
    const openers = [model, yield* another, yield* another, yield* another]
    for (const n of upTo(25)) {
      const applied = yield* Effect.forEach(
        openers,
        (opener, who) => opener.apply(changes(n - 1, n, { put: [row(n, `by ${who}`)], list: [listing(n, `${who}`)] })),
        { concurrency: "unbounded" }
      )
      const by = applied.indexOf(true)
      expect([n, applied.filter(Boolean)]).toEqual([n, [true]])
      expect(yield* model.get("birds", [keyOf(n)])).toEqual([{ key: keyOf(n), value: `by ${by}` }])
      for (const who of openers.keys()) {
        const found = numbersOf(yield* model.find("birds", "colour", `${who}`, keyOf(n - 1), 10))
        expect([n, who, found]).toEqual([n, who, who === by ? [n] : []])
      }
    }
  }),

  check("applies, others see whole: rows are never behind their cursor", function* ({ model, another }) {
    const reader = yield* another
    const last = 60
    const write = Effect.forEach(
      upTo(last),
      (n) =>
        model.apply(
          changes(n - 1, n, {
            put: upTo(20).map((bird) => row(bird, `${n}`)),
            list: upTo(20).map((bird) => listing(bird, `${n}`)),
            unlist: n === 1 ? [] : upTo(20).map((bird) => listing(bird, `${n - 1}`))
          })
        ),
      { discard: true }
    )
    const read = Effect.gen(function* () {
      while (true) {
        const { position } = yield* reader.cursor
        const rows = yield* reader.get("birds", upTo(20).map(keyOf))
        const values = new Set(rows.map(({ value }) => Number(value)))
        // One question sees one state, and none that is older than what was seen before.
        if (position > 0) expect([position, values.size]).toEqual([position, 1])
        for (const value of values) expect(value).toBeGreaterThanOrEqual(position)
        // Rows and their listings are one state too.
        for (const n of [position, position - 1]) {
          const listed = yield* reader.find("birds", "colour", `${n}`, "", 30)
          expect([0, 20]).toContain(listed.length)
          expect(listed.filter(({ value }) => value !== `${n}`)).toEqual([])
        }
        if (position === last) return
        yield* Effect.yieldNow
      }
    })
    yield* Effect.all([write, read], { concurrency: "unbounded" })
    expect(numbersOf(yield* reader.find("birds", "colour", `${last}`, "", 30))).toEqual(upTo(20))
  }),

  check("forgets while others apply, is filled again from its beginning", function* ({ model, another }) {
    const other = yield* another
    const fill = Effect.gen(function* () {
      let position = (yield* other.cursor).position
      while (position < 40) {
        const put = [row(position + 1)]
        const applied = yield* other.apply(changes(position, position + 1, { put }))
        position = applied ? position + 1 : (yield* other.cursor).position
        yield* Effect.yieldNow
      }
    })
    const forget = Effect.gen(function* () {
      for (const _ of upTo(5)) {
        yield* model.reset
        yield* Effect.yieldNow
      }
    })
    yield* Effect.all([fill, forget], { concurrency: "unbounded" })
    yield* fill
    expect(yield* model.cursor).toEqual(at(40))
    expect(yield* model.get("birds", upTo(41).map(keyOf))).toHaveLength(40)
  }),

  {
    name: "what was applied is there when all have closed and one opens it again",
    run: Effect.fnUntraced(function* (place: PortPlace<ReadModel>) {
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(opened(ReadModel, place.open), scope)
      yield* first.reset
      const list = [listing(1, "grey"), listing(2, "grey")]
      yield* first.apply(changes(0, 1, { put: [row(1, "egg"), row(2)], list }))
      yield* first.apply(changes(1, 2, { put: [row(1, "chick")], unlist: [listing(2, "grey")] }))
      yield* Scope.close(scope, Exit.void)
      const again = yield* opened(ReadModel, place.reopen)
      expect(yield* again.cursor).toEqual(at(2))
      expect(yield* again.get("birds", [keyOf(1)])).toEqual([{ key: keyOf(1), value: "chick" }])
      expect(numbersOf(yield* again.find("birds", "colour", "grey", "", 10))).toEqual([1])
      expect(yield* again.apply(changes(1, 2))).toBe(false)
    })
  }
]
