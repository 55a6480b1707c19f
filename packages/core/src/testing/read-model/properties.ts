/** Against the read model in memory: whatever is done to both, both say the same. */
import { expect } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import * as MemoryReadModel from "../../memory/MemoryReadModel.ts"
import {
  type Changes,
  type Cursor,
  type Listing,
  ReadModel,
  type Row,
  type RowKey
} from "../../read-model/ReadModel.ts"
import { holdsFor } from "../portCase.ts"
import { casesOf, keyOf, sorted, upTo } from "./fixture.ts"

const check = casesOf("any history")

const BIRDS = 6
const COLOURS = ["black", "BLACK", "grey", "grey "]
const TABLES = ["birds", "fish"]

/** What becomes of one row: gone without a value, and without a colour listed under none. */
const Fate = Schema.Struct({
  table: Schema.Literals(TABLES),
  bird: Schema.Literals(upTo(BIRDS)),
  value: Schema.UndefinedOr(Schema.Literals(["egg", "chick", ""])),
  colour: Schema.UndefinedOr(Schema.Literals(COLOURS))
})

const Step = Schema.Union([
  /** Changes that begin where the cursor stands, or, if `late`, elsewhere. */
  Schema.TaggedStruct("Apply", {
    fates: Schema.Array(Fate),
    far: Schema.Literals([1, 2, 250]),
    late: Schema.Literals([false, false, true])
  }),
  Schema.TaggedStruct("Reset", {})
])

const History = Schema.Array(Schema.Union([Step, Step, Step]))

/** What core remembers of the rows: enough to say which listings change. */
type Remembered = Map<string, { readonly colour: string | undefined }>

const changesOf = (
  after: Cursor,
  { fates, far }: { fates: ReadonlyArray<typeof Fate.Type>; far: number },
  remembered: Remembered
): Changes => {
  const put: Array<Row> = []
  const remove: Array<RowKey> = []
  const list: Array<Listing> = []
  const unlist: Array<Listing> = []
  // A row is named once: its last fate counts.
  const last = new Map(fates.map((fate) => [`${fate.table} ${fate.bird}`, fate]))
  for (const [name, { table, bird, value, colour }] of last) {
    const key = keyOf(bird)
    const before = remembered.get(name)?.colour
    const then = value === undefined ? undefined : colour
    if (value === undefined) remove.push({ table, key })
    else put.push({ table, key, value })
    if (before !== then && before !== undefined) unlist.push({ table, key, index: "colour", value: before })
    if (before !== then && then !== undefined) list.push({ table, key, index: "colour", value: then })
  }
  const position = after.position + far
  return { after, cursor: { format: 1, position, eventId: `event-${position}` }, put, remove, list, unlist }
}

const remember = (remembered: Remembered, { remove, list, unlist }: Changes): void => {
  for (const { table, key } of [...remove, ...unlist]) remembered.delete(`${table} ${Number(key)}`)
  for (const { table, key, value } of list) remembered.set(`${table} ${Number(key)}`, { colour: value })
}

/** Everything that can be asked about such rows. */
const contents = (model: ReadModel["Service"]) =>
  Effect.all({
    cursor: model.cursor,
    rows: Effect.forEach(TABLES, (table) => Effect.map(model.get(table, upTo(BIRDS).map(keyOf)), sorted)),
    found: Effect.forEach(TABLES, (table) =>
      Effect.forEach(COLOURS, (colour) => model.find(table, "colour", colour, "", 100))
    ),
    pages: Effect.forEach(COLOURS, (colour) => model.find("birds", "colour", colour, keyOf(2), 2))
  })

export const propertyCases = [
  check("leaves what it leaves in memory", function* ({ model, another, seed }) {
    const openers = [model, yield* another] as const
    yield* holdsFor(Arbitrary.schema(History), seed, 60, (history) => agrees(openers, history))
  })
]

const agrees = Effect.fnUntraced(function* (
  openers: readonly [ReadModel["Service"], ReadModel["Service"]],
  history: typeof History.Type
) {
  const reference = yield* Effect.provide(ReadModel, MemoryReadModel.layer, { local: true })
  yield* openers[0].reset
  const remembered: Remembered = new Map()
  for (const [n, step] of history.entries()) {
    const model = openers[n % 2 === 0 ? 0 : 1]
    if (step._tag === "Reset") {
      yield* Effect.all([model.reset, reference.reset])
      remembered.clear()
    } else {
      const stands = yield* reference.cursor
      const changes = changesOf(stands, step, remembered)
      const given = step.late ? { ...changes, after: { ...stands, position: stands.position + 1 } } : changes
      expect(yield* model.apply(given)).toBe(yield* reference.apply(given))
      if (!step.late) remember(remembered, changes)
    }
    expect(yield* contents(openers[0])).toEqual(yield* contents(reference))
  }
})
