/**
 * The tables of a database under one transaction at a time: everything between `begin` and `commit` happens, or with
 * `rollback` nothing of it.
 */
import { BinaryReader } from "spacetimedb"
import { HostError } from "./HostError.ts"
import type { ModuleDef } from "./ModuleDef.ts"
import { AFTER, makeSortKeys } from "./SortKey.ts"
import { type Index, type KeyRange, type Row, startingWith, Table, textOf } from "./Table.ts"

/** What a transaction changed in a table, net: a row that came and went is in neither list. */
export interface Change {
  readonly table: Table
  readonly inserted: ReadonlyArray<Row>
  readonly deleted: ReadonlyArray<Row>
}

interface Step {
  readonly table: Table
  readonly row: Row
  readonly isInsert: boolean
}

export class Datastore {
  readonly tables: ReadonlyArray<Table>
  readonly #indexes: ReadonlyArray<{ readonly table: Table; readonly index: Index; readonly sourceName: string }>
  readonly #capacity: number
  #size = 0
  #steps: Array<Step> | undefined
  /** Of every table, as the open transaction found them. */
  #nextNumbers: ReadonlyArray<ReadonlyArray<bigint>> = []

  /** Rows may have this many bytes in all. */
  constructor(def: ModuleDef, capacity: number) {
    this.#capacity = capacity
    const sortKey = makeSortKeys(def.types)
    this.tables = def.tables.map((table) => new Table(table, sortKey))
    this.#indexes = this.tables.flatMap((table) =>
      table.indexes.map((index, at) => ({ table, index, sourceName: table.def.indexes[at]?.sourceName ?? "" }))
    )
  }

  get inTransaction(): boolean {
    return this.#steps !== undefined
  }

  begin(): void {
    if (this.#steps) throw new HostError("WouldBlockTransaction", "a transaction is open already")
    this.#steps = []
    this.#nextNumbers = this.tables.map(({ nextNumbers }) => nextNumbers)
  }

  commit(): ReadonlyArray<Change> {
    const steps = this.#open()
    this.#steps = undefined
    const byTable = Map.groupBy(steps, ({ table }) => table)
    const changes = [...byTable].map(([table, steps]): Change => {
      const rows = new Map<string, { row: Row; net: number }>()
      for (const { row, isInsert } of steps) {
        const id = textOf(row.bytes)
        rows.set(id, { row, net: (rows.get(id)?.net ?? 0) + (isInsert ? 1 : -1) })
      }
      const withNet = (net: number) => [...rows.values()].filter((one) => one.net === net).map(({ row }) => row)
      return { table, inserted: withNet(1), deleted: withNet(-1) }
    })
    // The rows of an event table are told to subscribers and not kept.
    for (const { table, inserted } of changes)
      if (table.def.isEvent) for (const row of inserted) this.#remove(table, row)
    return changes
  }

  rollback(): void {
    const steps = this.#open()
    this.#steps = undefined
    for (const { table, row, isInsert } of steps.reverse()) {
      if (isInsert) this.#remove(table, row)
      else this.#add(table, row)
    }
    for (const [at, table] of this.tables.entries()) table.giveAgain(this.#nextNumbers[at] ?? [])
  }

  tableId(sourceName: string): number {
    this.#open()
    const id = this.tables.findIndex(({ def }) => def.sourceName === sourceName || def.name === sourceName)
    if (id < 0) throw new HostError("NoSuchTable", `no table ${sourceName}`)
    return id
  }

  indexId(sourceName: string): number {
    this.#open()
    const id = this.#indexes.findIndex((index) => index.sourceName === sourceName)
    if (id < 0) throw new HostError("NoSuchIndex", `no index ${sourceName}`)
    return id
  }

  table(id: number): Table {
    this.#open()
    return this.tables[id] ?? fail("NoSuchTable", `no table ${id}`)
  }

  /** The rows whose index key is this BSATN. */
  point(indexId: number, point: Uint8Array): { readonly table: Table; readonly rows: ReadonlyArray<Row> } {
    const { table, index } = this.#index(indexId)
    const reader = new BinaryReader(point)
    return { table, rows: index.scan(startingWith(decoded(() => this.#keys(table, index.columns, reader)))) }
  }

  /** The rows whose index key begins with the prefix and whose next column lies between the bounds, in order. */
  range(
    indexId: number,
    prefix: Uint8Array,
    prefixColumns: number,
    start: Uint8Array,
    end: Uint8Array
  ): { readonly table: Table; readonly rows: ReadonlyArray<Row> } {
    const { table, index } = this.#index(indexId)
    const keys = decoded((): KeyRange => {
      const fixed = this.#keys(table, index.columns.slice(0, prefixColumns), new BinaryReader(prefix))
      const bound = (bytes: Uint8Array) => {
        const reader = new BinaryReader(bytes)
        const kind = BOUNDS[reader.readU8()] ?? fail("BsatnDecodeError", "not a bound")
        const columns = kind === "unbounded" ? [] : index.columns.slice(prefixColumns, prefixColumns + 1)
        return { kind, key: fixed + this.#keys(table, columns, reader) }
      }
      const low = bound(start)
      const high = bound(end)
      return {
        low: low.kind === "excluded" ? low.key + AFTER : low.key,
        high: high.kind === "excluded" ? high.key : high.key + AFTER
      }
    })
    return { table, rows: index.scan(keys) }
  }

  /** Inserts a row and answers the values that its sequences generated. A row that is there already stays as it is. */
  insert(tableId: number, bytes: Uint8Array): Uint8Array {
    const table = this.table(tableId)
    const { row, generated } = decoded(() => table.generate(bytes))
    if (table.same(row) === undefined) {
      this.#add(table, row)
      this.#open().push({ table, row, isInsert: true })
    }
    return generated
  }

  /** Replaces the row that has the new one's key in a unique index. */
  update(tableId: number, indexId: number, bytes: Uint8Array): Uint8Array {
    const { table, index } = this.#index(indexId)
    if (!index.isUnique) throw new HostError("IndexNotUnique", "the index is not unique")
    const { row, generated } = decoded(() => this.table(tableId).generate(bytes))
    const old = index.conflict(row) ?? fail("NoSuchRow", `${table.def.name} has no row with this key`)
    if (Buffer.compare(old.bytes, row.bytes) === 0) return generated
    this.#remove(table, old)
    try {
      this.#add(table, row)
    } catch (cause) {
      this.#add(table, old)
      throw cause
    }
    this.#open().push({ table, row: old, isInsert: false }, { table, row, isInsert: true })
    return generated
  }

  delete({ table, rows }: { readonly table: Table; readonly rows: ReadonlyArray<Row> }): number {
    const steps = this.#open()
    for (const row of rows) {
      this.#remove(table, row)
      steps.push({ table, row, isInsert: false })
    }
    return rows.length
  }

  /** Deletes the rows that are in a BSATN array of rows. */
  deleteEqual(tableId: number, relation: Uint8Array): number {
    const table = this.table(tableId)
    const reader = new BinaryReader(relation)
    const wanted = new Set<Row>()
    for (let left = decoded(() => reader.readU32()); left > 0; left--) {
      const row = table.same(table.read(reader))
      if (row) wanted.add(row)
    }
    return this.delete({ table, rows: [...wanted] })
  }

  #add(table: Table, row: Row): void {
    if (this.#size + row.bytes.length > this.#capacity) {
      throw new HostError("NoSpace", `the tables are full: they may hold ${this.#capacity} bytes`)
    }
    table.add(row)
    this.#size += row.bytes.length
  }

  #remove(table: Table, row: Row): void {
    table.remove(row)
    this.#size -= row.bytes.length
  }

  #open(): Array<Step> {
    return this.#steps ?? fail("NotInTransaction", "no transaction is open")
  }

  #index(id: number) {
    this.#open()
    return this.#indexes[id] ?? fail("NoSuchIndex", `no index ${id}`)
  }

  #keys(table: Table, columns: ReadonlyArray<number>, reader: BinaryReader): string {
    return columns.reduce((key, column) => key + table.columns[column]?.key(reader), "")
  }
}

const BOUNDS = ["included", "excluded", "unbounded"] as const

function fail(code: ConstructorParameters<typeof HostError>[0], message: string): never {
  throw new HostError(code, message)
}

/** What goes wrong while BSATN is read is the module's mistake. */
function decoded<A>(read: () => A): A {
  try {
    return read()
  } catch (cause) {
    throw cause instanceof HostError ? cause : new HostError("BsatnDecodeError", (cause as Error).message)
  }
}
