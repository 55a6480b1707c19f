/** The cursor: it moves with the rows, and only from where the changes begin. */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import { nowhere, type ReadModel } from "../../read-model/ReadModel.ts"
import { at, casesOf, changes, keyOf, listing, row } from "./fixture.ts"

const check = casesOf("the cursor")

/** All that the read model says of the first bird. */
const bird = (model: ReadModel["Service"]) =>
  Effect.all({
    cursor: model.cursor,
    row: model.get("birds", [keyOf(1)]),
    grey: model.find("birds", "colour", "grey", "", 10),
    white: model.find("birds", "colour", "white", "", 10)
  })

const empty = { cursor: nowhere, row: [], grey: [], white: [] }

export const cursorCases = [
  check("stands nowhere at first, and then where the last changes ended", function* ({ model }) {
    expect(yield* model.cursor).toEqual(nowhere)
    expect(yield* model.apply(changes(0, 3))).toBe(true)
    expect(yield* model.cursor).toEqual(at(3))
    expect(yield* model.apply(changes(3, 300, { put: [row(1)] }))).toBe(true)
    expect(yield* model.cursor).toEqual(at(300))
    const far = { format: 2_000_000_000, position: Number.MAX_SAFE_INTEGER, eventId: "ö 🔑 '" }
    expect(yield* model.apply({ ...changes(300, 0), cursor: far })).toBe(true)
    expect(yield* model.cursor).toEqual(far)
  }),

  check("lets changes that begin elsewhere do nothing, and says so", function* ({ model }) {
    yield* model.apply(changes(0, 3, { put: [row(1, "egg")], list: [listing(1, "grey")] }))
    const before = yield* bird(model)
    const late = {
      put: [row(1, "chick")],
      unlist: [listing(1, "grey")],
      list: [listing(1, "white")],
      cursor: at(4)
    }
    for (const after of [
      nowhere,
      at(2),
      at(4),
      { ...at(3), format: 2 },
      { ...at(3), format: 0 },
      { ...at(3), eventId: "" },
      { ...at(3), eventId: "event-4" },
      { ...at(3), eventId: "EVENT-3" }
    ]) {
      expect([after, yield* model.apply({ ...changes(0, 0), ...late, after })]).toEqual([after, false])
      expect(yield* model.apply({ ...changes(0, 0), after, remove: [{ table: "birds", key: keyOf(1) }] })).toBe(false)
      expect(yield* bird(model)).toEqual(before)
    }
    expect(yield* model.apply({ ...changes(3, 4), ...late })).toBe(true)
    expect(yield* bird(model)).toMatchObject({ cursor: at(4), row: [{ value: "chick" }], grey: [], white: [{}] })
  }),

  check("takes the same changes once, however often they come", function* ({ model }) {
    const first = changes(0, 1, { put: [row(1, "egg")], list: [listing(1, "grey")] })
    expect([yield* model.apply(first), yield* model.apply(first)]).toEqual([true, false])
    yield* model.apply(changes(1, 2, { put: [row(1, "chick")] }))
    expect(yield* model.apply(first)).toBe(false)
    expect(yield* bird(model)).toMatchObject({ cursor: at(2), row: [{ value: "chick" }] })
  }),

  check("does not move backwards of itself, but where it is told to", function* ({ model }) {
    yield* model.apply(changes(0, 9))
    expect(yield* model.apply({ ...changes(9, 5), cursor: { ...at(5), format: 7 } })).toBe(true)
    expect(yield* model.cursor).toEqual({ ...at(5), format: 7 })
  }),

  check("stands nowhere after a reset, which forgets rows and listings too", function* ({ model }) {
    const first = changes(0, 3, { put: [row(1), row(1, "carp", "fish")], list: [listing(1, "grey")] })
    yield* model.apply(first)
    yield* model.reset
    expect(yield* bird(model)).toEqual(empty)
    expect(yield* model.get("fish", [keyOf(1)])).toEqual([])
    expect(yield* model.apply(changes(3, 4, { put: [row(1)] }))).toBe(false)
    expect(yield* bird(model)).toEqual(empty)
    expect(yield* model.apply(first)).toBe(true)
    expect(yield* bird(model)).toMatchObject({ cursor: at(3), row: [{ value: "row 1" }], grey: [{}] })
    yield* model.reset
    yield* model.reset
    expect(yield* bird(model)).toEqual(empty)
  }),

  check("leaves nothing listed for a row that comes again after a reset", function* ({ model }) {
    yield* model.apply(changes(0, 1, { put: [row(1)], list: [listing(1, "grey")] }))
    yield* model.reset
    yield* model.apply(changes(0, 1, { put: [row(1)] }))
    expect(yield* model.find("birds", "colour", "grey", "", 10)).toEqual([])
  })
]
