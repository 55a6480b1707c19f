/** What each client is subscribed to, and what a transaction means for it. */
import type { BsatnRowList, QueryRows, TransactionUpdate } from "../protocol/messages.ts"
import type { Change } from "./Datastore.ts"
import type { Query } from "./Query.ts"
import type { Row } from "./Table.ts"

export class Subscriptions {
  readonly #clients = new Map<number, Map<number, ReadonlyArray<Query>>>()

  /** Adds a query set and answers the rows that it has now. */
  add(client: number, querySet: number, queries: ReadonlyArray<Query>): QueryRows {
    const sets = this.#clients.get(client) ?? new Map<number, ReadonlyArray<Query>>()
    if (sets.has(querySet)) throw new Error(`This connection has a query set ${querySet} already`)
    sets.set(querySet, queries)
    this.#clients.set(client, sets)
    return rowsOf(queries)
  }

  /** Removes a query set and answers the rows that it had; `undefined` when there is none. */
  remove(client: number, querySet: number): QueryRows | undefined {
    const queries = this.#clients.get(client)?.get(querySet)
    this.#clients.get(client)?.delete(querySet)
    return queries && rowsOf(queries)
  }

  forget(client: number): void {
    this.#clients.delete(client)
  }

  /** For each client that a transaction concerns: what changed in the rows that it sees. */
  updates(changes: ReadonlyArray<Change>): ReadonlyMap<number, TransactionUpdate> {
    const updates = new Map<number, TransactionUpdate>()
    for (const [client, sets] of this.#clients) {
      const querySets = [...sets].flatMap(([id, queries]) => {
        const tables = queries.flatMap((query) => updateOf(query, changes))
        return tables.length > 0 ? [{ querySetId: { id }, tables }] : []
      })
      if (querySets.length > 0) updates.set(client, { querySets })
    }
    return updates
  }
}

function updateOf({ table, matches }: Query, changes: ReadonlyArray<Change>) {
  return changes.flatMap((change) => {
    if (change.table !== table) return []
    const inserted = change.inserted.filter(matches)
    const deleted = change.deleted.filter(matches)
    if (inserted.length + deleted.length === 0) return []
    const rows = table.def.isEvent
      ? { tag: "EventTable" as const, value: { events: rowList(inserted) } }
      : { tag: "PersistentTable" as const, value: { inserts: rowList(inserted), deletes: rowList(deleted) } }
    return [{ tableName: table.def.name, rows: [rows] }]
  })
}

export function rowsOf(queries: ReadonlyArray<Query>): QueryRows {
  return {
    tables: queries.map(({ table, matches }) => ({
      table: table.def.name,
      rows: rowList([...table.rows().filter(matches)])
    }))
  }
}

function rowList(rows: ReadonlyArray<Row>): BsatnRowList {
  let end = 0
  const offsets = rows.map(({ bytes }) => {
    const start = end
    end += bytes.length
    return BigInt(start)
  })
  return { sizeHint: { tag: "RowOffsets", value: offsets }, rowsData: Buffer.concat(rows.map(({ bytes }) => bytes)) }
}
