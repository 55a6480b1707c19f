/** Runs the functions that rows of scheduled tables ask for: once at a time, or again and again. */
import { BinaryReader } from "spacetimedb"
import type { Change } from "./Datastore.ts"
import { type Instance, now } from "./Instance.ts"
import { type Row, type Table, textOf } from "./Table.ts"

/** Timers wait no longer than this at once, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1

type When = { readonly at: bigint; readonly every: bigint | undefined }

export class Scheduler {
  readonly #instance: Instance
  readonly #databaseIdentity: bigint
  readonly #onCommit: (changes: ReadonlyArray<Change>) => void
  /** By the table and the bytes of the row. */
  readonly #timers = new Map<string, NodeJS.Timeout>()

  constructor(instance: Instance, databaseIdentity: bigint, onCommit: (changes: ReadonlyArray<Change>) => void) {
    this.#instance = instance
    this.#databaseIdentity = databaseIdentity
    this.#onCommit = onCommit
  }

  /** Follows the rows that came and went. */
  follow(changes: ReadonlyArray<Change>): void {
    for (const { table, inserted, deleted } of changes) {
      if (table.def.schedule === undefined) continue
      for (const row of deleted) {
        clearTimeout(this.#timers.get(idOf(table, row)))
        this.#timers.delete(idOf(table, row))
      }
      for (const row of inserted) this.#wait(table, row, whenOf(table, row))
    }
  }

  #wait(table: Table, row: Row, when: When): void {
    const milliseconds = Number((when.at - now()) / 1000n)
    const timer = setTimeout(
      () => (milliseconds > LONGEST_WAIT ? this.#wait(table, row, when) : this.#run(table, row, when)),
      Math.min(Math.max(milliseconds, 0), LONGEST_WAIT)
    )
    this.#timers.set(idOf(table, row), timer)
  }

  #run(table: Table, row: Row, { every }: When): void {
    const { def, datastore } = this.#instance
    const caller = { identity: this.#databaseIdentity, connectionId: 0n }
    const named = ({ sourceName }: { readonly sourceName: string }) => sourceName === table.def.schedule?.functionName
    const reducer = def.reducers.find(named)
    const procedure = def.procedures.find(named)
    if (reducer) {
      const outcome = this.#instance.reduce(reducer, caller, row.bytes)
      if (outcome._tag === "Ok") this.#onCommit(outcome.value)
    } else if (procedure) this.#instance.proceed(procedure, caller, row.bytes)
    const current = table.same(row)
    // The function may have deleted its row.
    if (current === undefined) return
    if (every !== undefined) return this.#wait(table, row, { at: now() + every, every })
    datastore.begin()
    datastore.delete({ table, rows: [current] })
    this.#onCommit(datastore.commit())
  }
}

const idOf = (table: Table, row: Row): string => `${table.def.name} ${textOf(row.bytes)}`

/** The `ScheduleAt` of a row: an interval or a time, in microseconds. */
function whenOf(table: Table, row: Row): When {
  const reader = new BinaryReader(row.bytes)
  for (const column of table.columns.slice(0, table.def.schedule?.column)) column.skip(reader)
  const isInterval = reader.readU8() === 0
  const micros = reader.readI64()
  return isInterval ? { at: now() + micros, every: micros } : { at: micros, every: undefined }
}
