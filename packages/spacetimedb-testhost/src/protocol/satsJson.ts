/** SATS-JSON, the form of values in SpacetimeDB's HTTP API: products are arrays or objects, sums `{ variant: payload }`. */
import { type AlgebraicType, BinaryReader, BinaryWriter, AlgebraicType as Types } from "spacetimedb"

type Product = Extract<AlgebraicType, { tag: "Product" }>
type Json = null | boolean | number | string | bigint | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** The arguments of a call as BSATN; throws with the place when the JSON does not fit the parameters. */
export function argumentsFromJson(
  types: ReadonlyArray<AlgebraicType>,
  params: Product["value"],
  json: string
): Uint8Array {
  const value: Json = JSON.parse(json, exactNumber)
  const writer = new BinaryWriter(256)
  write(types, { tag: "Product", value: params }, value, writer, "arguments")
  return writer.getBuffer()
}

/** A BSATN value as JSON text: products are arrays. */
export function valueToJson(types: ReadonlyArray<AlgebraicType>, type: AlgebraicType, bytes: Uint8Array): string {
  return stringify(read(types, type, new BinaryReader(bytes), (_, values) => values))
}

/** The same, but products are objects: what the server knows by name, it says by name. */
export function valueToNamedJson(type: AlgebraicType, bytes: Uint8Array): string {
  const nameOf = ({ name = "" }: Element) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return stringify(
    read([], type, new BinaryReader(bytes), (elements, values) =>
      Object.fromEntries(elements.map((element, at) => [nameOf(element), values[at] ?? null]))
    )
  )
}

/** JSON text in which a bigint is a number, of any size. */
function stringify(value: Json): string {
  if (typeof value === "bigint") return String(value)
  if (Array.isArray(value)) return `[${value.map(stringify).join(",")}]`
  if (value === null || typeof value !== "object") return JSON.stringify(value)
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${stringify(item)}`)}}`
}

/** Integers beyond 2^53 keep their digits. */
function exactNumber(this: unknown, _: string, value: Json, context?: { readonly source?: string }): Json {
  return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
    ? BigInt(context?.source ?? "")
    : value
}

function write(
  types: ReadonlyArray<AlgebraicType>,
  type: AlgebraicType,
  value: Json,
  writer: BinaryWriter,
  at: string
): void {
  const wrong = (expected: string): never => {
    throw new TypeError(`${at} is to be ${expected}`)
  }
  switch (type.tag) {
    case "Ref":
      return write(types, types[type.value] ?? wrong("of a known type"), value, writer, at)
    case "Product": {
      const { elements } = type.value
      // What is one number inside, such as an identity, may be written as that number or its hexadecimal text.
      if (elements.length === 1 && elements[0]?.name?.startsWith("__") && !isRecord(value) && !Array.isArray(value)) {
        return write(types, elements[0].algebraicType, value, writer, at)
      }
      if (Array.isArray(value) && value.length !== elements.length) wrong(`an array of ${elements.length}`)
      if (!Array.isArray(value) && !isRecord(value)) wrong("an array or an object")
      elements.forEach(({ name = "", algebraicType }, index) => {
        const item = Array.isArray(value) ? value[index] : (value as Record<string, Json>)[name]
        write(types, algebraicType, item as Json, writer, `${at}.${name}`)
      })
      return
    }
    case "Sum": {
      const [[name, payload] = wrong("an object with one variant")] = isRecord(value) ? Object.entries(value) : []
      const tag = type.value.variants.findIndex((variant, index) => variant.name === name || String(index) === name)
      const variant = type.value.variants[tag] ?? wrong(`one of ${type.value.variants.map((one) => one.name)}`)
      writer.writeU8(tag)
      return write(types, variant.algebraicType, payload as Json, writer, `${at}.${name}`)
    }
    case "Array": {
      if (type.value.tag === "U8" && typeof value === "string") {
        return writer.writeUInt8Array(Buffer.from(value.replace(/^0x/, ""), "hex"))
      }
      if (!Array.isArray(value)) return wrong("an array")
      writer.writeU32(value.length)
      value.forEach((item, index) => write(types, type.value, item, writer, `${at}[${index}]`))
      return
    }
    case "String":
      return writer.writeString(typeof value === "string" ? value : wrong("text"))
    case "Bool":
      return writer.writeBool(typeof value === "boolean" ? value : wrong("true or false"))
    case "F32":
    case "F64":
      return Types.makeSerializer(type)(writer, typeof value === "number" ? value : wrong("a number"))
    default: {
      const number = integerOf(value) ?? wrong("an integer")
      const size = Number(type.tag.slice(1))
      const fitted = type.tag[0] === "U" ? BigInt.asUintN(size, number) : BigInt.asIntN(size, number)
      if (fitted !== number) wrong(`within ${type.tag}`)
      Types.makeSerializer(type)(writer, size > 32 ? number : Number(number))
    }
  }
}

type Element = Product["value"]["elements"][number]

function read(
  types: ReadonlyArray<AlgebraicType>,
  type: AlgebraicType,
  reader: BinaryReader,
  product: (elements: ReadonlyArray<Element>, values: ReadonlyArray<Json>) => Json
): Json {
  const of = (type: AlgebraicType) => read(types, type, reader, product)
  switch (type.tag) {
    case "Ref":
      return of(types[type.value] as AlgebraicType)
    case "Product": {
      const { elements } = type.value
      return product(
        elements,
        elements.map(({ algebraicType }) => of(algebraicType))
      )
    }
    case "Sum": {
      const tag = reader.readU8()
      const variant = type.value.variants[tag]
      return variant ? { [variant.name ?? tag]: of(variant.algebraicType) } : null
    }
    case "Array": {
      if (type.value.tag === "U8") return Buffer.from(reader.readUInt8Array()).toString("hex")
      return Array.from({ length: reader.readU32() }, () => of(type.value))
    }
    default:
      return Types.makeDeserializer(type)(reader)
  }
}

/** An integer, or its hexadecimal text as identities are written. */
function integerOf(value: Json): bigint | undefined {
  if (typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value))) return BigInt(value)
  const digits = typeof value === "string" ? /^(?:0x)?([\da-f]+)$/i.exec(value)?.[1] : undefined
  return digits === undefined ? undefined : BigInt(`0x${digits}`)
}

function isRecord(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
