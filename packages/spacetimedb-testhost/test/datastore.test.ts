/** The datastore against a list of rows: whatever a transaction does, and whether it is kept or undone. */

import fc from "fast-check"
import { type AlgebraicType, BinaryReader, BinaryWriter, AlgebraicType as Types } from "spacetimedb"
import { expect, it } from "vitest"
import { Datastore } from "../src/engine/Datastore.ts"
import { HostError } from "../src/engine/HostError.ts"
import type { ModuleDef, TableDef } from "../src/engine/ModuleDef.ts"
import { makeSortKeys } from "../src/engine/SortKey.ts"
import { type Row, Table } from "../src/engine/Table.ts"

interface Item {
  readonly id: number
  readonly group: string
  readonly rank: number
}

const column = (name: string, type: AlgebraicType) => ({ name, sourceName: name, type })
const index = (columns: ReadonlyArray<number>, isUnique: boolean) => ({ name: "", sourceName: "", columns, isUnique })
const columns = [column("id", Types.U8), column("group", Types.String), column("rank", Types.I8)]
const rowType = Types.Product({ elements: columns.map(({ name, type }) => ({ name, algebraicType: type })) })
const [BY_ID, BY_GROUP, BY_GROUP_AND_RANK] = [0, 1, 2]

const sequence = (column: number, start: bigint) => ({
  sourceName: undefined,
  column,
  start,
  minValue: undefined,
  maxValue: undefined,
  increment: 1n
})

const makeDatastore = (isUnique: boolean, isGroupUnique = false) =>
  new Datastore(
    {
      types: [],
      reducers: [],
      procedures: [],
      lifecycle: {},
      tables: [
        {
          name: "item",
          sourceName: "item",
          isPublic: true,
          isEvent: false,
          columns,
          indexes: [index([0], isUnique), index([1], isGroupUnique), index([1, 2], false)],
          sequences: [],
          schedule: undefined
        }
      ]
    } satisfies ModuleDef,
    1_000_000
  )

const write = (type: AlgebraicType, value: unknown) => {
  const writer = new BinaryWriter(64)
  Types.makeSerializer(type)(writer, value)
  return writer.getBuffer().slice()
}
const encode = (item: Item) => write(rowType, item)
const decode = ({ bytes }: Row): Item => Types.makeDeserializer(rowType)(new BinaryReader(bytes))
const all = (datastore: Datastore) => [...(datastore.tables[0]?.rows() ?? [])].map(decode)
const sorted = (items: ReadonlyArray<Item>) => items.map((item) => JSON.stringify(item)).sort()
const same = (a: Item) => (b: Item) => JSON.stringify(a) === JSON.stringify(b)

const group = fc.constantFrom("a", "b", "ab", "")
const item = fc.record({ id: fc.integer({ min: 0, max: 7 }), group, rank: fc.integer({ min: -3, max: 3 }) })
const step = fc.oneof(
  fc.record({ do: fc.constant("insert" as const), item }),
  fc.record({ do: fc.constant("update" as const), item }),
  fc.record({ do: fc.constant("delete" as const), item }),
  fc.record({ do: fc.constant("deleteGroup" as const), item })
)
const transactions = fc.array(fc.record({ steps: fc.array(step, { maxLength: 6 }), isKept: fc.boolean() }), {
  maxLength: 8
})

/** What a step does to a list; `undefined` when it is refused. */
const model = (items: ReadonlyArray<Item>, { do: kind, item }: { do: string; item: Item }, isUnique: boolean) => {
  const old = items.find(({ id }) => id === item.id)
  switch (kind) {
    case "insert":
      if (items.some(same(item))) return items
      return isUnique && old ? undefined : [...items, item]
    case "update":
      return isUnique && old ? [...items.filter((one) => one !== old), item] : undefined
    case "delete":
      return items.filter((one) => !same(item)(one))
    default:
      return items.filter((one) => one.group !== item.group)
  }
}

const apply = (datastore: Datastore, { do: kind, item }: { do: string; item: Item }) => {
  switch (kind) {
    case "insert":
      return datastore.insert(0, encode(item))
    case "update":
      return datastore.update(0, BY_ID, encode(item))
    case "delete":
      return datastore.deleteEqual(0, Buffer.concat([Uint8Array.of(1, 0, 0, 0), encode(item)]))
    default:
      return datastore.delete(datastore.point(BY_GROUP, write(Types.String, item.group)))
  }
}

it.each([true, false])("holds what a list would hold, and tells what changed; unique: %s", (isUnique) => {
  fc.assert(
    fc.property(transactions, (all_) => {
      const datastore = makeDatastore(isUnique)
      let items: ReadonlyArray<Item> = []
      for (const { steps, isKept } of all_) {
        datastore.begin()
        let next = items
        for (const one of steps) {
          const after = model(next, one, isUnique)
          if (after === undefined) expect(() => apply(datastore, one)).toThrow(HostError)
          else apply(datastore, one)
          next = after ?? next
          expect(sorted(all(datastore))).toEqual(sorted(next))
        }
        if (!isKept) {
          datastore.rollback()
          expect(sorted(all(datastore))).toEqual(sorted(items))
          continue
        }
        const [change] = datastore.commit()
        const lost = items.filter((one) => !next.some(same(one)))
        const won = next.filter((one) => !items.some(same(one)))
        expect(sorted(change?.inserted.map(decode) ?? [])).toEqual(sorted(won))
        expect(sorted(change?.deleted.map(decode) ?? [])).toEqual(sorted(lost))
        items = next
      }
    })
  )
})

const bound = fc.constantFrom("included" as const, "excluded" as const, "unbounded" as const)
const rank = fc.integer({ min: -4, max: 4 })

it("finds by an index exactly the rows within the bounds, in order", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(item, { selector: (one) => JSON.stringify(one), maxLength: 20 }),
      group,
      fc.tuple(bound, rank),
      fc.tuple(bound, rank),
      (items, wanted, [from, low], [to, high]) => {
        const datastore = makeDatastore(false)
        datastore.begin()
        for (const one of items) datastore.insert(0, encode(one))
        const encoded = (kind: typeof from, value: number) =>
          kind === "unbounded"
            ? Uint8Array.of(2)
            : Buffer.concat([Uint8Array.of(kind === "included" ? 0 : 1), write(Types.I8, value)])
        const { rows } = datastore.range(
          BY_GROUP_AND_RANK,
          write(Types.String, wanted),
          1,
          encoded(from, low),
          encoded(to, high)
        )
        const within = items.filter(
          ({ group, rank }) =>
            group === wanted &&
            (from === "unbounded" || (from === "included" ? rank >= low : rank > low)) &&
            (to === "unbounded" || (to === "included" ? rank <= high : rank < high))
        )
        // Among equal keys, the order in which rows were inserted.
        expect(rows.map(decode)).toEqual(within.toSorted((a, b) => a.rank - b.rank))
      }
    )
  )
})

it("leaves a row as it was when its update meets another unique value", () => {
  const datastore = makeDatastore(true, true)
  const items = [
    { id: 1, group: "a", rank: 0 },
    { id: 2, group: "b", rank: 0 }
  ]
  datastore.begin()
  for (const one of items) datastore.insert(0, encode(one))
  expect(() => datastore.update(0, BY_ID, encode({ id: 1, group: "b", rank: 1 }))).toThrow("this value of group")
  expect(sorted(all(datastore))).toEqual(sorted(items))
  expect(datastore.point(BY_ID, Uint8Array.of(1)).rows.map(decode)).toEqual([items[0]])
})

it("counts up to the last number of the column's type", () => {
  const [table] = makeDatastore(true).tables
  const counting = new Table(
    { ...(table?.def as TableDef), sequences: [sequence(0, 254n), sequence(2, 126n)] },
    makeSortKeys([])
  )
  const next = () => decode(counting.generate(encode({ id: 0, group: "", rank: 0 })).row)
  expect([next(), next()].map(({ id, rank }) => [id, rank])).toEqual([
    [254, 126],
    [255, 127]
  ])
  expect(next).toThrow("item has no more numbers")
  expect(decode(counting.generate(encode({ id: 7, group: "", rank: 7 })).row)).toEqual({ id: 7, group: "", rank: 7 })
})

it("refuses what is no row, no table, no index and no transaction", () => {
  const datastore = makeDatastore(true)
  const code = (call: () => unknown) => {
    try {
      call()
    } catch (error) {
      return (error as HostError).code
    }
    return "accepted"
  }
  expect(code(() => datastore.insert(0, encode({ id: 1, group: "", rank: 0 })))).toBe("NotInTransaction")
  expect(code(() => datastore.commit())).toBe("NotInTransaction")
  datastore.begin()
  expect(code(() => datastore.begin())).toBe("WouldBlockTransaction")
  expect(code(() => datastore.insert(0, Uint8Array.of(1, 255)))).toBe("BsatnDecodeError")
  expect(code(() => datastore.insert(7, Uint8Array.of()))).toBe("NoSuchTable")
  expect(code(() => datastore.point(7, Uint8Array.of()))).toBe("NoSuchIndex")
  expect(code(() => datastore.point(BY_GROUP, Uint8Array.of(9, 0, 0, 0)))).toBe("BsatnDecodeError")
  expect(code(() => datastore.range(BY_GROUP, Uint8Array.of(), 0, Uint8Array.of(7), Uint8Array.of(2)))).toBe(
    "BsatnDecodeError"
  )
  expect(code(() => datastore.update(0, BY_GROUP, encode({ id: 1, group: "", rank: 0 })))).toBe("IndexNotUnique")
  expect(code(() => datastore.update(0, BY_ID, encode({ id: 1, group: "", rank: 0 })))).toBe("NoSuchRow")
  expect(all(datastore)).toEqual([])
})
