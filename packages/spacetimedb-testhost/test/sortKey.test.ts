/** Keys sort as the server sorts the values, for all types of columns. */

import fc from "fast-check"
import { type AlgebraicType, BinaryReader, BinaryWriter, AlgebraicType as Types } from "spacetimedb"
import { expect, it } from "vitest"
import { makeSortKeys } from "../src/engine/SortKey.ts"

/** A type, values of it, and how the server compares them. */
interface Sample {
  readonly type: AlgebraicType
  readonly value: fc.Arbitrary<unknown>
  readonly compare: (a: never, b: never) => number
}

const byValue = (a: never, b: never) => (a < b ? -1 : a > b ? 1 : 0)
const integer = (tag: "U8" | "I8" | "U16" | "I16" | "U32" | "I32"): Sample => {
  const bits = Number(tag.slice(1))
  const min = tag[0] === "I" ? -(2 ** (bits - 1)) : 0
  return { type: { tag }, value: fc.integer({ min, max: min + 2 ** bits - 1 }), compare: byValue }
}
const big = (tag: "U64" | "I64" | "U128" | "I128" | "U256" | "I256"): Sample => {
  const bits = BigInt(tag.slice(1))
  const min = tag[0] === "I" ? -(2n ** (bits - 1n)) : 0n
  return { type: { tag }, value: fc.bigInt({ min, max: min + 2n ** bits - 1n }), compare: byValue }
}
/** NaN is above all others, and -0 is 0. */
const total = (a: number, b: number) =>
  Number.isNaN(a) || Number.isNaN(b)
    ? Number(Number.isNaN(a)) - Number(Number.isNaN(b))
    : byValue(a as never, b as never)
const bytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const lexicographic = (compare: Sample["compare"]) => (a: ReadonlyArray<never>, b: ReadonlyArray<never>) => {
  const at = a.findIndex((item, index) => index >= b.length || compare(item, b[index] as never) !== 0)
  if (at < 0) return a.length - b.length
  return at >= b.length ? 1 : compare(a[at] as never, b[at] as never)
}
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.constantFrom("\0", "\u0001", "a", "\u00ff", "😀")).map((all) => all.join(""))
)

const scalars: ReadonlyArray<Sample> = [
  ...(["U8", "I8", "U16", "I16", "U32", "I32"] as const).map(integer),
  ...(["U64", "I64", "U128", "I128", "U256", "I256"] as const).map(big),
  { type: { tag: "F32" }, value: fc.float(), compare: total },
  { type: { tag: "F64" }, value: fc.double(), compare: total },
  { type: { tag: "Bool" }, value: fc.boolean(), compare: byValue },
  { type: { tag: "String" }, value: text, compare: bytes }
]
const arrayOf = ({ type, value, compare }: Sample): Sample => ({
  type: { tag: "Array", value: type },
  // An array of U8 is a Uint8Array to the SDK.
  value: type.tag === "U8" ? fc.uint8Array({ maxLength: 4 }).map((all) => all) : fc.array(value, { maxLength: 4 }),
  compare: ((a: Iterable<never>, b: Iterable<never>) => lexicographic(compare)([...a], [...b])) as never
})
const productOf = (one: Sample, other: Sample): Sample => ({
  type: {
    tag: "Product",
    value: {
      elements: [
        { name: "one", algebraicType: one.type },
        { name: "other", algebraicType: other.type }
      ]
    }
  },
  value: fc.record({ one: one.value, other: other.value }),
  compare: ((a: Record<string, never>, b: Record<string, never>) =>
    one.compare(a["one"] as never, b["one"] as never) ||
    other.compare(a["other"] as never, b["other"] as never)) as never
})
const sumOf = (one: Sample, other: Sample): Sample => ({
  type: {
    tag: "Sum",
    value: {
      variants: [
        { name: "One", algebraicType: one.type },
        { name: "Other", algebraicType: other.type }
      ]
    }
  },
  value: fc.oneof(
    one.value.map((value) => ({ tag: "One", value })),
    other.value.map((value) => ({ tag: "Other", value }))
  ),
  compare: ((a: { tag: string; value: never }, b: { tag: string; value: never }) =>
    a.tag === b.tag
      ? (a.tag === "One" ? one : other).compare(a.value, b.value)
      : byValue(a.tag as never, b.tag as never)) as never
})

const scalar = fc.constantFrom(...scalars)
const sample = fc.oneof(
  scalar,
  scalar.map(arrayOf),
  fc.tuple(scalar, scalar.map(arrayOf)).map(([one, other]) => productOf(other, one)),
  fc.tuple(scalar, scalar).map(([one, other]) => sumOf(one, other)),
  fc.tuple(scalar, scalar).map(([one, other]) => arrayOf(productOf(one, other)))
)

it("keys compare as the values do, and none begins another", () => {
  fc.assert(
    fc.property(
      sample.chain((one) => fc.tuple(fc.constant(one), one.value, one.value)),
      ([{ type, compare }, a, b]) => {
        const order = Math.sign(compare(a as never, b as never))
        const [keyA, keyB] = [keyOf(type, a), keyOf(type, b)]
        expect(keyA < keyB ? -1 : keyA > keyB ? 1 : 0).toBe(order)
        if (order !== 0) expect(keyA.startsWith(keyB)).toBe(false)
      }
    ),
    { numRuns: 2000 }
  )
})

it("a value that is skipped ends where its key ends", () => {
  fc.assert(
    fc.property(
      sample.chain((one) => fc.tuple(fc.constant(one), one.value)),
      ([{ type }, value]) => {
        const reader = read(type, value)
        makeSortKeys([])(type).skip(reader)
        expect(reader.remaining).toBe(0)
      }
    )
  )
})

it("a type may refer to itself", () => {
  const types: Array<AlgebraicType> = [{ tag: "Array", value: { tag: "Ref", value: 0 } }]
  const nested = new BinaryReader(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
  expect(makeSortKeys(types)({ tag: "Ref", value: 0 }).key(nested)).toBe("\u0001\0\u0001\0\0")
})

it("bytes that end too early are refused", () => {
  for (const [type, value] of [
    [{ tag: "U64" }, [1, 2]],
    [{ tag: "String" }, [9, 0, 0, 0, 65]],
    [{ tag: "Bool" }, []]
  ] as const) {
    const { key, skip } = makeSortKeys([])(type)
    expect(() => key(new BinaryReader(Uint8Array.from(value)))).toThrow(RangeError)
    expect(() => skip(new BinaryReader(Uint8Array.from(value)))).toThrow(RangeError)
  }
})

function read(type: AlgebraicType, value: unknown): BinaryReader {
  const writer = new BinaryWriter(64)
  Types.makeSerializer(type)(writer, value)
  return new BinaryReader(writer.getBuffer())
}

function keyOf(type: AlgebraicType, value: unknown): string {
  const reader = read(type, value)
  const key = makeSortKeys([])(type).key(reader)
  expect(reader.remaining).toBe(0)
  return key
}
