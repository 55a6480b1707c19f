/** Takes the feed into a read model, a piece at a time: rows that are known need not be read, and unchanged ones not written. */
import { Effect } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import {
  type Changes,
  type Cursor,
  type Listing,
  nowhere,
  type ReadModel,
  ReadModelUnavailable,
  type Row,
  type RowKey,
  sameCursor
} from "./ReadModel.ts"
import {
  type AnyMarks,
  type AnyTable,
  countKey,
  countsOf,
  isListedAlike,
  listedAs,
  marksOf,
  type Tables
} from "./Table.ts"

/** Events that are taken in in one turn of the event loop: others who ask something meanwhile wait for no more. */
export const PAGE = 250
/** Keys that these may name before the rest of them waits for the next turn. */
const MOST_KEYS = 1_000
/** Changes of each kind that a store takes. */
const MOST_CHANGES = 4_000
/** Rows of one table that are remembered: some megabytes. */
const REMEMBERED = 20_000

export interface Filling {
  /** Position up to which the read model has seen the feed; 0 when its rows were made in an older way. */
  readonly cursor: Effect.Effect<number, ReadModelUnavailable>
  /**
   * Takes in consecutive events of the feed, at least one, or the first of them; answers where the cursor then stands.
   * One at a time: it remembers what it has written.
   */
  readonly take: (events: ReadonlyArray<StoredEvent>) => Effect.Effect<number, ReadModelUnavailable>
}

/** Whether a store takes so many at once. */
const fits = ({ put, remove, list, unlist }: Told): boolean =>
  [put, remove, list, unlist].every(({ length }) => length <= MOST_CHANGES)

/** Where rows of this format stand: `nowhere` if those that are there were made in an older way. */
const standing = (cursor: Cursor, { format }: { readonly format: number }) => {
  if (cursor.format > format) return Effect.fail(new ReadModelUnavailable({ message: NEWER }))
  return Effect.succeed(cursor.format === format ? cursor : nowhere)
}

const NEWER =
  "It was filled by a newer Latchkey. Run that one here too, or go back with `latchkey projections rebuild`."

export const filling = <Fact>(readModel: ReadModel["Service"], declared: Tables<Fact>): Filling => {
  const tables = declared.tables.map((table) => new KnownRows(table))
  /** Where the rows stand that are remembered; `undefined` when nobody knows. */
  let known: Cursor | undefined

  /** What stands there may be the work of other processes, or gone. */
  const look = Effect.fnUntraced(function* () {
    const found = yield* readModel.cursor
    const cursor = yield* standing(found, declared)
    if (cursor !== found && found.position > 0) yield* readModel.reset
    if (known === undefined || !sameCursor(cursor, known)) for (const table of tables) table.forget()
    known = cursor
    return cursor
  })

  const takeIn = Effect.fnUntraced(function* (after: Cursor, events: ReadonlyArray<StoredEvent>) {
    let changes = yield* changesBy(after, events)
    // Each of them may be listed many times: then fewer events are taken in.
    for (let few = events.length >> 1; !fits(changes) && few > 0; few >>= 1)
      changes = yield* changesBy(after, events.slice(0, few))
    // Until it answers, nobody knows.
    known = undefined
    if (!(yield* readModel.apply(changes))) return yield* look()
    for (const table of tables) table.remember()
    known = changes.cursor
    return changes.cursor
  })

  const changesBy = Effect.fnUntraced(function* (after: Cursor, events: ReadonlyArray<StoredEvent>) {
    const last = concern(declared, events, tables)
    for (const table of tables) {
      const missing = table.missing()
      if (missing.length > 0) table.learn(missing, yield* readModel.get(table.name, missing))
    }
    for (const table of tables) table.fold()
    const changes = {
      after,
      cursor: { format: declared.format, position: last.position, eventId: last.eventId },
      put: [] as Array<Row>,
      remove: [] as Array<RowKey>,
      list: [] as Array<Listing>,
      unlist: [] as Array<Listing>
    } satisfies Changes
    for (const table of tables) table.tell(changes)
    for (const table of tables) {
      const missing = table.missingCounts()
      if (missing.length > 0) table.learnCounts(missing, yield* readModel.get(countsOf(table.name), missing))
      table.tellCounts(changes)
    }
    return changes
  })

  return {
    cursor: Effect.map(
      Effect.flatMap(readModel.cursor, (cursor) => standing(cursor, declared)),
      ({ position }) => position
    ),
    take: Effect.fnUntraced(function* (events) {
      const after = known ?? (yield* look())
      const next = events.filter(({ position }) => position > after.position)
      if (next[0]?.position === after.position + 1) return (yield* takeIn(after, next)).position
      // Others have moved it on, or emptied it.
      return (yield* look()).position
    })
  }
}

/** Hands each table what the events say of its rows, up to the last event that has room; answers that one. */
const concern = <Fact>(
  { factOf }: Tables<Fact>,
  events: ReadonlyArray<StoredEvent>,
  tables: ReadonlyArray<KnownRows<Fact>>
): StoredEvent => {
  for (const table of tables) table.begin()
  let last = events[0] as StoredEvent
  let keys = 0
  for (const event of events) {
    if (keys > MOST_KEYS) break
    last = event
    const fact = factOf(event)
    if (fact !== undefined) for (const table of tables) keys += table.concern(fact)
  }
  return last
}

/** The rows of a table that were needed lately, and what becomes of them. */
class KnownRows<Fact> {
  readonly name: string
  readonly #table: AnyTable<Fact>
  readonly #indexes: Indexes
  /** As they are stored, least lately changed first. A row that is not there is not here, or `undefined`. */
  readonly #stored = new Map<string, unknown>()
  /** What is to be taken in, in order: that such a fact concerns the row of such a key. */
  #keys: Array<string> = []
  #facts: Array<Fact> = []
  /** Rows among these that are not known. */
  readonly #missing = new Set<string>()
  /** As they are to be, where that is not as they are. */
  readonly #changed = new Map<string, unknown>()
  /** Counts of marks that were needed lately, as they are stored, and what is to be added to them. */
  readonly #counts = new Map<string, number>()
  readonly #added = new Map<string, number>()

  constructor(table: AnyTable<Fact>) {
    this.#table = table
    this.name = table.name
    this.#indexes = Object.entries(table.indexes)
  }

  forget(): void {
    this.#stored.clear()
    this.#changed.clear()
    this.#counts.clear()
  }

  begin(): void {
    this.#keys = []
    this.#facts = []
    this.#missing.clear()
    this.#changed.clear()
    this.#added.clear()
  }

  /** Answers how many rows the fact concerns. */
  concern(fact: Fact): number {
    const keys = this.#table.keysOf(fact)
    for (const key of keys) {
      this.#keys.push(key)
      this.#facts.push(fact)
      if (this.#table.overwrites !== true && !this.#stored.has(key)) this.#missing.add(key)
    }
    return keys.length
  }

  missing(): ReadonlyArray<string> {
    return [...this.#missing]
  }

  learn(keys: ReadonlyArray<string>, found: ReadonlyArray<{ readonly key: string; readonly value: string }>): void {
    for (const key of keys) this.#stored.set(key, undefined)
    for (const { key, value } of found) this.#stored.set(key, JSON.parse(value))
  }

  fold(): void {
    this.#keys.forEach((key, n) => {
      const before = this.#changed.has(key) ? this.#changed.get(key) : this.#stored.get(key)
      const after = this.#table.fold(before, this.#facts[n] as Fact, key)
      if (after !== before) this.#changed.set(key, after)
    })
  }

  /** Adds what is to be changed in the store: what is in one table, or one of its indexes, in a row. */
  tell({ put, remove, list, unlist }: Told): void {
    const table = this.name
    for (const [key, row] of this.#changed) {
      if (row === this.#stored.get(key)) this.#changed.delete(key)
      else if (row === undefined) remove.push({ table, key })
      else put.push({ table, key, value: JSON.stringify(row) })
    }
    for (const [index, fields] of this.#indexes)
      for (const [key, row] of this.#changed) {
        const before = this.#stored.get(key)
        if (isListedAlike(before, row, fields)) continue
        const [from, to] = [listedAs(before, fields), listedAs(row, fields)]
        if (from !== undefined) unlist.push({ table, key, index, value: from })
        if (to !== undefined) list.push({ table, key, index, value: to })
      }
    const { marks } = this.#table
    if (marks === undefined) return
    this.#tellMarks(marks, { put, remove, list, unlist })
  }

  #tellMarks({ lists, of, areSame, counted }: AnyMarks, { put, remove, list, unlist }: Told): void {
    const table = marksOf(this.name)
    const indexes = Object.entries(lists)
    const moves: Array<Move> = []
    for (const [key, row] of this.#changed) {
      const before = this.#stored.get(key)
      const isBoth = before !== undefined && row !== undefined
      if (isBoth && areSame?.(before, row) && indexes.every(([_, fields]) => isListedAlike(before, row, fields)))
        continue
      const [was, is] = [new Set(before === undefined ? [] : of(before)), new Set(row === undefined ? [] : of(row))]
      moves.push({ before, row, was, is })
      for (const mark of was) if (!is.has(mark)) remove.push({ table, key: mark })
      for (const mark of is) if (!was.has(mark)) put.push({ table, key: mark, value: JSON.stringify(key) })
    }
    for (const [index, fields] of indexes) {
      const count = (value: string, mark: string, added: number) => {
        if (counted === undefined) return
        const key = countKey(index, value, mark.slice(0, counted))
        this.#added.set(key, (this.#added.get(key) ?? 0) + added)
      }
      for (const { before, row, was, is } of moves) {
        const [from, to] = [listedAs(before, fields), listedAs(row, fields)]
        for (const mark of was) {
          if (from === undefined || (is.has(mark) && from === to)) continue
          unlist.push({ table, key: mark, index, value: from })
          count(from, mark, -1)
        }
        for (const mark of is) {
          if (to === undefined || (was.has(mark) && from === to)) continue
          list.push({ table, key: mark, index, value: to })
          count(to, mark, 1)
        }
      }
    }
  }

  missingCounts(): ReadonlyArray<string> {
    return [...this.#added.keys()].filter((key) => !this.#counts.has(key))
  }

  learnCounts(
    keys: ReadonlyArray<string>,
    found: ReadonlyArray<{ readonly key: string; readonly value: string }>
  ): void {
    for (const key of keys) this.#counts.set(key, 0)
    for (const { key, value } of found) this.#counts.set(key, JSON.parse(value))
  }

  tellCounts({ put, remove }: Pick<Told, "put" | "remove">): void {
    const table = countsOf(this.name)
    for (const [key, added] of this.#added) {
      const count = (this.#counts.get(key) ?? 0) + added
      if (added === 0) continue
      if (count === 0) remove.push({ table, key })
      else put.push({ table, key, value: String(count) })
    }
  }

  /** The store has taken it. */
  remember(): void {
    if (this.#table.overwrites === true) return
    for (const [key, added] of this.#added) {
      const count = (this.#counts.get(key) ?? 0) + added
      this.#counts.delete(key)
      this.#counts.set(key, count)
    }
    for (const key of this.#counts.keys()) {
      if (this.#counts.size <= REMEMBERED) break
      this.#counts.delete(key)
    }
    for (const [key, row] of this.#changed) {
      this.#stored.delete(key)
      this.#stored.set(key, row)
    }
    for (const key of this.#stored.keys()) {
      if (this.#stored.size <= REMEMBERED) break
      this.#stored.delete(key)
    }
  }
}

type Indexes = ReadonlyArray<readonly [name: string, fields: ReadonlyArray<string>]>

/** A row whose marks may be others now. */
interface Move {
  readonly before: unknown
  readonly row: unknown
  readonly was: ReadonlySet<string>
  readonly is: ReadonlySet<string>
}

interface Told {
  readonly put: Array<Row>
  readonly remove: Array<RowKey>
  readonly list: Array<Listing>
  readonly unlist: Array<Listing>
}
