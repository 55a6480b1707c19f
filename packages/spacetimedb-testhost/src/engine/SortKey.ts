/**
 * The server's order of values, as text: for two values of one type, `key(a) < key(b)` exactly when the server sorts a
 * before b, and no key is the beginning of another. So the key of several columns is their keys one after the other, and
 * a range over a prefix is a range of text. Characters are U+0000 to U+00FF.
 *
 * Numbers sort by value, text by its UTF-8 bytes, arrays and products element by element, sums by their tag first.
 */
import type { AlgebraicType, BinaryReader } from "spacetimedb"

/** Larger than every continuation of a key. */
export const AFTER = "\uffff"

/** How one type of value is read from BSATN: past it, or as its key. */
export interface SortKey {
  readonly skip: (reader: BinaryReader) => void
  readonly key: (reader: BinaryReader) => string
}

type Numeric = Exclude<AlgebraicType["tag"], "Ref" | "Sum" | "Product" | "Array" | "String" | "Bool">
const BYTES: Record<Numeric, number> = {
  I8: 1,
  U8: 1,
  I16: 2,
  U16: 2,
  I32: 4,
  U32: 4,
  I64: 8,
  U64: 8,
  I128: 16,
  U128: 16,
  I256: 32,
  U256: 32,
  F32: 4,
  F64: 8
}

export function makeSortKeys(types: ReadonlyArray<AlgebraicType>): (type: AlgebraicType) => SortKey {
  const refs = new Map<number, SortKey>()

  const make = (type: AlgebraicType): SortKey => {
    switch (type.tag) {
      case "Ref":
        return byRef(type.value)
      case "Product": {
        const elements = type.value.elements.map(({ algebraicType }) => make(algebraicType))
        return {
          skip: (reader) => {
            for (const element of elements) element.skip(reader)
          },
          key: (reader) => elements.reduce((key, element) => key + element.key(reader), "")
        }
      }
      case "Sum": {
        const variants = type.value.variants.map(({ algebraicType }) => make(algebraicType))
        const variant = (tag: number) => {
          const found = variants[tag]
          if (found === undefined) throw new RangeError(`A sum of ${variants.length} variants has no variant ${tag}`)
          return found
        }
        return {
          skip: (reader) => variant(reader.readU8()).skip(reader),
          key: (reader) => {
            const tag = reader.readU8()
            return String.fromCharCode(tag) + variant(tag).key(reader)
          }
        }
      }
      case "String":
        return bytes
      case "Array": {
        if (type.value.tag === "U8") return bytes
        const element = make(type.value)
        return {
          skip: (reader) => {
            for (let left = reader.readU32(); left > 0; left--) element.skip(reader)
          },
          key: (reader) => {
            let key = ""
            for (let left = reader.readU32(); left > 0; left--) key += `\u0001${element.key(reader)}`
            return `${key}\u0000`
          }
        }
      }
      case "Bool":
        return { skip: (reader) => advance(reader, 1), key: (reader) => String.fromCharCode(reader.readU8()) }
      default:
        return numeric(type.tag)
    }
  }

  // A type may refer to itself: what a reference means is looked up when a value is read.
  const byRef = (ref: number): SortKey => {
    const meant = () => {
      const known = refs.get(ref)
      if (known !== undefined) return known
      const type = types[ref]
      if (type === undefined) throw new RangeError(`The module has no type ${ref}`)
      const made = make(type)
      refs.set(ref, made)
      return made
    }
    return { skip: (reader) => meant().skip(reader), key: (reader) => meant().key(reader) }
  }

  return make
}

function numeric(tag: Numeric): SortKey {
  const size = BYTES[tag]
  const kind = tag[0]
  return {
    skip: (reader) => advance(reader, size),
    key: (reader) => {
      const value = new Uint8Array(read(reader, size)).reverse()
      if (kind === "I") value.set([(value[0] ?? 0) ^ 0x80])
      if (kind === "F") return float(value)
      return latin1(value)
    }
  }
}

/** The total order of floats: every NaN is one value above all others, and -0 equals 0. */
function float(value: Uint8Array): string {
  const view = new DataView(value.buffer)
  const number = value.length === 4 ? view.getFloat32(0) : view.getFloat64(0)
  if (Number.isNaN(number)) return "\u00ff".repeat(value.length)
  if (number === 0) value.fill(0)
  return latin1(number < 0 ? value.map((byte) => ~byte) : value.with(0, (value[0] ?? 0) | 0x80))
}

/** Text and byte arrays: a zero byte is escaped, so that the end sorts before everything that could follow. */
const bytes: SortKey = {
  skip: (reader) => advance(reader, reader.readU32()),
  key: (reader) => `${latin1(read(reader, reader.readU32())).replaceAll("\u0000", "\u0000\u00ff")}\u0000\u0001`
}

function advance(reader: BinaryReader, size: number): void {
  if (size > reader.remaining) throw new RangeError(`${size} more bytes expected, ${reader.remaining} left`)
  reader.offset += size
}

function read(reader: BinaryReader, size: number): Uint8Array {
  if (size > reader.remaining) throw new RangeError(`${size} more bytes expected, ${reader.remaining} left`)
  return reader.readBytes(size)
}

function latin1(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString("latin1")
}
