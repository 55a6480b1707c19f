/** Tables of the read model as pure folds: what an event changes, which rows that concerns, and how they are found. */
import { Effect } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"

/** A table of rows, each folded from the facts that concern it. Rows are plain JSON, and never changed in place. */
export interface Table<Fact, Row> extends AnyTable<Fact> {
  /** The row of this key after the fact, or none. The very row that was given: nothing has changed. */
  fold(row: Row | undefined, fact: Fact, key: string): Row | undefined
  /** Fields by whose values rows are found; those with `null` in one of them are not. */
  readonly indexes: { readonly [index: string]: ReadonlyArray<string & keyof Row> }
  readonly marks?: Marks<Row>
}

/** Places at which rows are found as well: digits, in whose order they are found. No two rows have the same. */
export interface Marks<Row> {
  /** Indexes of the marks, each with the fields of their row by which it finds, as in `Table.indexes`. */
  readonly lists: Table<unknown, Row>["indexes"]
  of(row: Row): ReadonlyArray<string>
  /** Where to make them costs much: whether they are the same for two rows of one key, which is asked first. */
  areSame?(a: Row, b: Row): boolean
  /** How many begin with the same so many digits is counted, under each value that they are listed under. */
  readonly counted?: number
}

/** A table, whatever its rows are. */
export interface AnyTable<Fact> {
  readonly name: string
  /** Which rows a fact may change: decided by the fact alone, so that nothing is read for those that change none. */
  readonly keysOf: (fact: Fact) => ReadonlyArray<string>
  /** That the row after a fact is the fact's alone: then none is read, `fold` gets none, and there are no indexes. */
  readonly overwrites?: boolean
  fold(row: unknown, fact: Fact, key: string): unknown
  readonly indexes: Indexes
  readonly marks?: AnyMarks
}

/** Indexes, each with the fields by which it finds. */
interface Indexes {
  readonly [index: string]: ReadonlyArray<string>
}
/** Marks, whatever their rows are. */
export interface AnyMarks {
  readonly lists: Indexes
  of(row: unknown): ReadonlyArray<string>
  areSame?(a: unknown, b: unknown): boolean
  readonly counted?: number
}

/** Where the marks of a table's rows are kept: as rows that hold the key of the row that they mark. */
export const marksOf = (table: string): string => `${table}-marks`

/** Where it is kept how many marks begin alike; what is not there is none. */
export const countsOf = (table: string): string => `${table}-counts`
export const countKey = (index: string, value: string, beginning: string): string => compound([index, beginning, value])

/** Everything that one read model holds. */
export interface Tables<Fact> {
  /** Counts up with every change of what is below: rows that were made in another way are then made again. */
  readonly format: number
  /** What an event says that any table may want to know, read once for all of them. */
  readonly factOf: (event: StoredEvent) => Fact | undefined
  readonly tables: ReadonlyArray<AnyTable<Fact>>
}

/** What the fields of an index say of a row, as it is listed; `undefined` when it is not. */
export const listedAs = (row: unknown, fields: ReadonlyArray<string>): string | undefined => {
  const values: Array<string> = []
  for (const field of fields) {
    const value = fieldOf(row, field)
    if (value === null || value === undefined) return undefined
    values.push(value)
  }
  return compound(values)
}

/** Whether two rows say the same in the fields of an index. */
export const isListedAlike = (a: unknown, b: unknown, fields: ReadonlyArray<string>): boolean => {
  for (const field of fields) if (fieldOf(a, field) !== fieldOf(b, field)) return false
  return true
}

const fieldOf = (row: unknown, field: string): string | null | undefined =>
  (row as Readonly<Record<string, string | null>> | undefined)?.[field]

/** Several texts as one, which no other texts of that number give. */
export const compound = (values: ReadonlyArray<string>): string =>
  values.reduceRight((rest, value) => `${value.length}:${value}${rest}`)

/** Rows that are asked for at once: some milliseconds of work at most. */
const PAGE = 500

/** The rows of a table, as they are asked for. */
export const rowsIn = <Fact, Row>(readModel: ReadModel["Service"], { name }: Table<Fact, Row>) => {
  const find = (index: string, values: ReadonlyArray<string>, after: string, limit: number) =>
    readModel.find(name, index, compound(values), after, limit)
  const byKey = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
    const rows = new Map<string, Row>()
    for (let from = 0; from < keys.length; from += PAGE) {
      if (from > 0) yield* Effect.yieldNow
      const page = keys.length <= PAGE ? keys : keys.slice(from, from + PAGE)
      for (const row of yield* readModel.get(name, page)) rows.set(row.key, toRow(row))
    }
    return rows
  })
  return {
    /** Those of the rows that there are, in any order. */
    get: (keys: ReadonlyArray<string>) => Effect.map(byKey(keys), (rows) => [...rows.values()]),
    byKey,
    /** The row with the lowest key among those whose fields of an index have these values. */
    first: (index: string, ...values: ReadonlyArray<string>): Effect.Effect<Row | undefined, ReadModelUnavailable> =>
      Effect.map(find(index, values, "", 1), ([row]) => (row === undefined ? undefined : toRow(row))),
    /** So many of them whose keys sort after this one, by key. */
    page: (
      index: string,
      values: ReadonlyArray<string>,
      after: string,
      limit: number
    ): Effect.Effect<ReadonlyArray<readonly [key: string, row: Row]>, ReadModelUnavailable> =>
      Effect.map(find(index, values, after, limit), (rows) => rows.map((row) => [row.key, toRow(row)] as const)),
    /** The same by their marks, those that sort after this one: with the keys of the rows that they mark. */
    marked: (
      index: string,
      values: ReadonlyArray<string>,
      after: string,
      limit: number
    ): Effect.Effect<ReadonlyArray<readonly [mark: string, key: string]>, ReadModelUnavailable> =>
      Effect.map(readModel.find(marksOf(name), index, compound(values), after, limit), (rows) =>
        rows.map((row) => [row.key, toRow<string>(row)] as const)
      ),
    /** How many marks begin so. */
    counts: Effect.fnUntraced(function* (
      index: string,
      values: ReadonlyArray<string>,
      beginnings: ReadonlyArray<string>
    ) {
      const keyOf = (beginning: string) => countKey(index, compound(values), beginning)
      const found = yield* readModel.get(countsOf(name), beginnings.map(keyOf))
      const counts = new Map(found.map((row) => [row.key, toRow<number>(row)]))
      return new Map(beginnings.map((beginning) => [beginning, counts.get(keyOf(beginning)) ?? 0]))
    }),
    /** All of them, by key: a page a turn of the event loop. */
    all: Effect.fnUntraced(function* (index: string, ...values: ReadonlyArray<string>) {
      const rows: Array<Row> = []
      let page = yield* find(index, values, "", PAGE)
      while (true) {
        for (const row of page) rows.push(toRow(row))
        if (page.length < PAGE) return rows
        yield* Effect.yieldNow
        page = yield* find(index, values, page.at(-1)?.key ?? "", PAGE)
      }
    })
  }
}

const toRow = <Row>({ value }: { readonly value: string }): Row => JSON.parse(value)
