/** The rows of the read model. The client makes them from the feed; here they are kept, and found by their listings. */
import type { Infer } from "spacetimedb/server"
import { type procedures, type ReadArguments, refuse, type Transaction, type WriteArguments } from "./database.ts"
import { levelOf, type Scan } from "./milestones.ts"
import { behind, Page, sparse } from "./pages.ts"

type Row = Infer<typeof procedures.find_rows.returns>["rows"][number]

/** Changes that begin elsewhere than the read model stands are refused: they were made from other rows. */
export const applyRows = (
  tx: Transaction,
  { after, cursor, put, remove, list, unlist }: WriteArguments["apply_rows"]
): void => {
  const { format, position, eventId } = cursorOf(tx) ?? { format: 0, position: 0n, eventId: "" }
  if (after.format !== format || after.position !== position || after.eventId !== eventId) {
    refuse({ code: "CursorMoved" })
  }
  for (const name of remove) tx.db.rows.name.delete(name)
  for (const row of put) {
    if (tx.db.rows.name.find(row.name) === null) tx.db.rows.insert(row)
    else tx.db.rows.name.update(row)
  }
  for (const { list: name, key } of unlist) tx.db.listings.by_list.delete([name, levelOf(key), key])
  for (const { list: name, key } of list) tx.db.listings.insert({ list: name, key, level: levelOf(key) })
  tx.db.cursors.id.delete(0)
  tx.db.cursors.insert({ id: 0, ...cursor })
}

export const forgetRows = ({ db }: Transaction): void => {
  for (const table of [db.rows, db.listings, db.cursors]) table.clear()
}

export const cursorOf = (tx: Transaction) => tx.db.cursors.id.find(0) ?? undefined

export const getRows = (tx: Transaction, { names }: ReadArguments["get_rows"]) => {
  const page = new Page<Row>(names.length)
  let looked = 0
  for (const name of names) {
    if (!page.hasRoom) break
    addRow(tx, page, name)
    looked++
  }
  return { rows: page.rows, looked }
}

export const findRows = (tx: Transaction, { prefix, list, after, most }: ReadArguments["find_rows"]) => {
  const scan: Scan<string, { readonly key: string }> = (level, from, to) =>
    tx.db.listings.by_list.filter([list, level, behind(from, to)])
  const page = new Page<Row>(most)
  for (const { key } of sparse(after, most, scan, ({ key }) => key)) {
    if (!page.hasRoom) return { rows: page.rows, more: true }
    addRow(tx, page, prefix + key)
  }
  return { rows: page.rows, more: false }
}

const addRow = (tx: Transaction, page: Page<Row>, name: string): void => {
  const row = tx.db.rows.name.find(name)
  if (row !== null) page.add(row, name.length + row.value.length)
}
