/**
 * The rows of one table and its indexes. A table is a set: a row that is there already is not there twice. Rows are kept
 * as the BSATN that the module wrote; indexes map the keys of their columns to rows, in the server's order.
 */

import sortedBtree from "sorted-btree"
import { BinaryReader } from "spacetimedb"
import { HostError } from "./HostError.ts"
import type { TableDef } from "./ModuleDef.ts"
import { AFTER, type makeSortKeys, type SortKey } from "./SortKey.ts"

// A CommonJS module whose types say that its default export is what Node gives as a property of it.
const BTree = (sortedBtree as unknown as { readonly default: typeof sortedBtree }).default

export interface Row {
  readonly bytes: Uint8Array
  /** The bytes as text: what makes it this row. */
  readonly id: string
  /** The keys of the columns that an index or a condition may ask for. */
  readonly keys: ReadonlyArray<string>
  /** Rows inserted earlier have smaller numbers. */
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

  #key(row: Row): string {
    const key = this.columns.reduce((key, column) => key + row.keys[column], "")
    // Equal keys are kept apart, and in order, by the number of the row: seven bytes of it, as text.
    return this.isUnique ? key : key + row.order.toString(16).padStart(14, "0")
  }
}

export class Table {
  readonly def: TableDef
  readonly columns: ReadonlyArray<SortKey>
  readonly indexes: ReadonlyArray<Index>
  readonly #rows = new Map<string, Row>()
  /** Values that sequences gave out are never given again, also when the transaction was rolled back. */
  readonly #sequences: ReadonlyArray<{ readonly column: number; readonly increment: bigint; next: bigint }>
  #order = 0

  constructor(def: TableDef, sortKey: ReturnType<typeof makeSortKeys>) {
    this.def = def
    this.columns = def.columns.map(({ type }) => sortKey(type))
    this.indexes = def.indexes.map(({ columns, isUnique }) => new Index(columns, isUnique))
    this.#sequences = def.sequences.map(({ column, increment, start }) => ({ column, increment, next: start ?? 1n }))
  }

  get size(): number {
    return this.#rows.size
  }

  rows(): IteratorObject<Row> {
    return this.#rows.values()
  }

  get(id: string): Row | undefined {
    return this.#rows.get(id)
  }

  /** Reads a row off the module's BSATN; throws `BsatnDecodeError` when the bytes are no row of this table. */
  read(reader: BinaryReader): Row {
    const start = reader.offset
    try {
      const keys = this.columns.map((column) => column.key(reader))
      const end = reader.offset
      reader.offset = start
      const bytes = reader.readBytes(end - start).slice()
      return { bytes, id: Buffer.from(bytes.buffer).toString("latin1"), keys, order: this.#order++ }
    } catch (cause) {
      throw new HostError("BsatnDecodeError", `not a row of ${this.def.name}: ${(cause as Error).message}`)
    }
  }

  /** The row that a sequence's zeros became, and the values that were generated, as BSATN in the order of columns. */
  generate(bytes: Uint8Array): { readonly row: Row; readonly generated: Uint8Array } {
    if (this.#sequences.length === 0) return { row: this.read(new BinaryReader(bytes)), generated: new Uint8Array() }
    const row = bytes.slice()
    const reader = new BinaryReader(row)
    const generated: Array<Uint8Array> = []
    this.columns.forEach((column, at) => {
      const start = reader.offset
      column.skip(reader)
      const sequence = this.#sequences.find((one) => one.column === at)
      const value = row.subarray(start, reader.offset)
      if (sequence === undefined || value.some((byte) => byte !== 0)) return
      let left = sequence.next
      sequence.next += sequence.increment
      for (let byte = 0; byte < value.length; byte++, left >>= 8n) value[byte] = Number(left & 0xffn)
      if (left !== 0n) throw new HostError("AutoIncOverflow", `the sequence of ${this.def.name} is used up`)
      generated.push(value)
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
    this.#rows.set(row.id, row)
    for (const index of this.indexes) index.add(row)
  }

  remove(row: Row): void {
    this.#rows.delete(row.id)
    for (const index of this.indexes) index.remove(row)
  }
}

/** The keys that begin with these. */
export const startingWith = (prefix: string): KeyRange => ({ low: prefix, high: prefix + AFTER })
