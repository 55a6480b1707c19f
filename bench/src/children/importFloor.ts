/**
 * The floor of imports: a bare loop that reads an export and inserts the same rows, 250 in a transaction, into the tables of a
 * store that is empty. Its arguments: `sqlite`, the export, the database file; or `postgres`, the export, the URL, the schema.
 */
import { createReadStream } from "node:fs"
import { createInterface } from "node:readline"
import { DatabaseSync } from "node:sqlite"
import pg from "pg"

type Row = ReadonlyArray<string | number | null>

const PAGE = 250
const [, , kind, file = "", place = "", schema = ""] = process.argv

const insertInto = async () => {
  if (kind === "sqlite") {
    const db = new DatabaseSync(place)
    db.exec("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000")
    const insert = db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    return async (rows: ReadonlyArray<Row>) => {
      db.exec("BEGIN")
      for (const row of rows) insert.run(...row)
      db.exec("COMMIT")
    }
  }
  const client = new pg.Client({ connectionString: place })
  await client.connect()
  const types = ["bigint", "text", "bigint", "text", "text", "text", "bigint", "text", "text", "text", "bigint"]
  const columns = types.map((type, n) => `$${n + 1}::${type}[]`).join(", ")
  const text = `INSERT INTO ${schema}.events (position, stream, version, event_id, type, data, at, org_id, principal, command_id,
    accepted_at, category) SELECT *, 'lock' FROM unnest(${columns})`
  return async (rows: ReadonlyArray<Row>) => {
    await client.query({ name: "insert", text, values: types.map((_, n) => rows.map((row) => row[n])) })
  }
}

const insert = await insertInto()
let rows: Array<Row> = []
for await (const line of createInterface({ input: createReadStream(file) })) {
  const { position, streamId, version, eventId, type, data, at, orgId, principal, commandId } = JSON.parse(line)
  if (position === undefined) break
  const row = [position, streamId, version, eventId, type, JSON.stringify(data), at, orgId, JSON.stringify(principal)]
  if (rows.push([...row, commandId, null]) < PAGE) continue
  await insert(rows)
  rows = []
}
await insert(rows)
process.exit()
