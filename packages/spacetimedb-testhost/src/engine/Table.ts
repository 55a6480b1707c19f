/**
 * The rows of one table and its indexes. A table is a set: a row that is there already is not there twice. Rows are kept
 * as the BSATN that the module wrote; indexes map the keys of their columns to rows, in the server's order.
 */

import { createRequire } from "node:module"
import { BinaryReader } from "spacetimedb"
import { HostError } from "./HostError.ts"
import type { TableDef } from "./ModuleDef.ts"
import { AFTER, type makeSortKeys, type SortKey } from "./SortKey.ts"

// CommonJS, and its default export is to Node a property of what is imported, to bundlers the import itself.
const { default: BTree } = createRequire(import.meta.url)("sorted-btree") as typeof import("sorted-btree")

export interface Row {
  readonly bytes: Uint8Array
  /** The keys of the columns that indexes are made of; of the others, nothing. */
  readonly keys: ReadonlyArray<string | undefined>
  /** Rows read earlier have smaller numbers. */
  readonly order: number
}

/** A range of keys: from `low` on, up to but without `high`. */
export interface KeyRange {
  readonly low: string
  readonly high: string
}

export class Index {
  readonly columns: ReadonlyArray<number>
  readonly isUnique: boolean
  readonly #rows = new BTree<string, Row>()

  constructor(columns: ReadonlyArray<number>, isUnique: boolean) {
    this.columns = columns
    this.isUnique = isUnique
  }

  scan({ low, high }: KeyRange): Array<Row> {
    const rows: Array<Row> = []
    this.#rows.forRange(low, high, false, (_, row) => {
      rows.push(row)
    })
    return rows
  }

  /** The row that has the same values as this one in the columns of a unique index. */
  conflict(row: Row): Row | undefined {
    return this.isUnique ? this.#rows.get(this.#key(row)) : undefined
  }

  add(row: Row): void {
    this.#rows.set(this.#key(row), row)
  }

  remove(row: Row): void {
    this.#rows.delete(this.#key(row))
  }

  /** The key of a row in this index alone; rows with equal keys are kept apart, and in order, by their numbers. */
  #key(row: Row): string {
    const key = this.keyOf(row)
    return this.isUnique ? key : key + row.order.toString(16).padStart(14, "0")
  }

  keyOf(row: Row): string {
    return this.columns.reduce((key, column) => key + row.keys[column], "")
  }
}

export class Table {
  readonly def: TableDef
  readonly columns: ReadonlyArray<SortKey>
  readonly indexes: ReadonlyArray<Index>
  readonly #indexed: ReadonlySet<number>
  /** What makes a row this row: its key in a unique index, or else all of it. */
  readonly #identity: (row: Row) => string
  readonly #rows = new Map<string, Row>()
  readonly #sequences: ReadonlyArray<{ readonly column: number; readonly limit: bigint; next: bigint }>
  #order = 0

  constructor(def: TableDef, sortKey: ReturnType<typeof makeSortKeys>) {
    this.def = def
    this.columns = def.columns.map(({ type }) => sortKey(type))
    this.indexes = def.indexes.map(({ columns, isUnique }) => new Index(columns, isUnique))
    this.#indexed = new Set(def.indexes.flatMap(({ columns }) => columns))
    const unique = this.indexes.find(({ isUnique }) => isUnique)
    this.#identity = unique ? (row) => unique.keyOf(row) : ({ bytes }) => textOf(bytes)
    this.#sequences = def.sequences.map(({ column, start }) => {
      const { tag = "" } = def.columns[column]?.type ?? {}
      const bits = BigInt(tag.slice(1)) - (tag.startsWith("I") ? 1n : 0n)
      return { column, limit: 1n << bits, next: start ?? 1n }
    })
  }

  /** What the sequences of this table give out next. */
  get nextNumbers(): ReadonlyArray<bigint> {
    return this.#sequences.map(({ next }) => next)
  }

  /** Gives what was given out since again: a transaction that is rolled back leaves no gap. */
  giveAgain(nextNumbers: ReadonlyArray<bigint>): void {
    for (const [at, sequence] of this.#sequences.entries()) sequence.next = nextNumbers[at] ?? sequence.next
  }

  get size(): number {
    return this.#rows.size
  }

  rows(): IteratorObject<Row> {
    return this.#rows.values()
  }

  /** The row of the table that has the same bytes. */
  same(row: Row): Row | undefined {
    const found = this.#rows.get(this.#identity(row))
    return found && Buffer.compare(found.bytes, row.bytes) === 0 ? found : undefined
  }

  /** The key of any column. */
  keyOf(row: Row, column: number): string {
    const known = row.keys[column]
    if (known !== undefined) return known
    const reader = new BinaryReader(row.bytes)
    for (const before of this.columns.slice(0, column)) before.skip(reader)
    return this.columns[column]?.key(reader) ?? ""
  }

  /** Reads a row off the module's BSATN; throws `BsatnDecodeError` when the bytes are no row of this table. */
  read(reader: BinaryReader): Row {
    const start = reader.offset
    try {
      const keys = this.columns.map((column, at) =>
        this.#indexed.has(at) ? column.key(reader) : void column.skip(reader)
      )
      const end = reader.offset
      reader.offset = start
      return { bytes: reader.readBytes(end - start).slice(), keys, order: this.#order++ }
    } catch (cause) {
      throw new HostError("BsatnDecodeError", `not a row of ${this.def.name}: ${(cause as Error).message}`)
    }
  }

  /** The row, zeros in columns with a sequence replaced; and what replaced them, as BSATN in the order of columns. */
  generate(bytes: Uint8Array): { readonly row: Row; readonly generated: Uint8Array } {
    if (this.#sequences.length === 0) return { row: this.read(new BinaryReader(bytes)), generated: new Uint8Array() }
    const row = bytes.slice()
    const reader = new BinaryReader(row)
    const generated = this.columns.flatMap((column, at) => {
      const start = reader.offset
      column.skip(reader)
      const value = row.subarray(start, reader.offset)
      const sequence = this.#sequences.find((one) => one.column === at)
      if (sequence === undefined || value.some((byte) => byte !== 0)) return []
      if (sequence.next >= sequence.limit)
        throw new HostError("AutoIncOverflow", `${this.def.name} has no more numbers`)
      let left = sequence.next++
      for (let byte = 0; byte < value.length; byte++, left >>= 8n) value[byte] = Number(left & 0xffn)
      return [value]
    })
    return { row: this.read(new BinaryReader(row)), generated: Buffer.concat(generated) }
  }

  /** Adds a row that is not there; throws `UniqueAlreadyExists` when another one has its unique value. */
  add(row: Row): void {
    for (const index of this.indexes) {
      if (index.conflict(row) !== undefined) {
        const columns = index.columns.map((column) => this.def.columns[column]?.name)
        throw new HostError("UniqueAlreadyExists", `${this.def.name} has a row with this value of ${columns}`)
      }
    }
    this.#rows.set(this.#identity(row), row)
    for (const index of this.indexes) index.add(row)
  }

  remove(row: Row): void {
    this.#rows.delete(this.#identity(row))
    for (const index of this.indexes) index.remove(row)
  }
}

/** The keys that begin with these. */
export const startingWith = (prefix: string): KeyRange => ({ low: prefix, high: prefix + AFTER })

/** Bytes as text of the same length. */
export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
