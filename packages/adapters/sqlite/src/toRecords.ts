/** What the first edition kept in tables of their own, as the records that core keeps now. Snapshots are made again. */
import type { DatabaseSync } from "node:sqlite"
import { toStoredKey } from "./StoredKey.ts"

/** How long it is known how a command ended, in milliseconds. */
const KEEP_SETTLED = 24 * 60 * 60 * 1000
/** "LKim", as an application id: an import of the first edition has begun and not ended. */
const HALF_IMPORTED = 0x4c4b696d

/** Within the transaction that makes the table of records; drops the tables that it has emptied. */
export const toRecords = (db: DatabaseSync): void => {
  db.function("stored_key", { deterministic: true }, (key) => toStoredKey(String(key)))
  db.exec(`
    INSERT INTO records
      SELECT stored_key('receipt/' || id),
        json_object('fingerprint', fingerprint, 'streamId', stream, 'firstVersion', first_version, 'version', version),
        expires_at
      FROM receipts;

    INSERT INTO records
      SELECT stored_key('command/' || command_id),
        CASE WHEN settled_at IS NULL
          THEN json_object('streamId', stream, 'attempt', attempt, 'state', 'prepared')
        WHEN version IS NULL
          THEN json_object('streamId', stream, 'attempt', attempt, 'state', 'discarded')
        ELSE
          json_object('streamId', stream, 'attempt', attempt, 'state', 'committed', 'version', version, 'position', position)
        END,
        settled_at + ${KEEP_SETTLED}
      FROM reservations;

    INSERT INTO records
      SELECT DISTINCT 'refused/' || substr(stream, 10, length(stream) - 20) || '/' || substr(stream, -10), '', NULL
      FROM events WHERE stream GLOB 'attempts-?*-????-??-??';
  `)
  const put = db.prepare("INSERT INTO records VALUES (?, ?, NULL)")
  const pending = db.prepare("SELECT * FROM reservations WHERE settled_at IS NULL").all()
  for (const row of pending as ReadonlyArray<unknown> as ReadonlyArray<PendingRow>) {
    put.run(toStoredKey(`reservation/${row.stream}`), JSON.stringify(reservationOf(row)))
  }
  if (db.prepare("PRAGMA application_id").get()?.["application_id"] === HALF_IMPORTED) put.run("import", "part")
  db.exec(`
    PRAGMA application_id = 0;
    DROP TABLE receipts;
    DROP TABLE reservations;
    DROP TABLE prepared_ids;
    DROP TABLE snapshots;
  `)
}

interface PendingRow {
  readonly command_id: string
  readonly attempt: number
  readonly stream: string
  readonly thing: string
  readonly deadline: number
  readonly released: number
  /** JSON: an array for each event, in the order of the columns, its own JSON as text. */
  readonly events: string
  readonly receipt_id: string | null
  readonly fingerprint: string | null
  readonly receipt_expires_at: number | null
}

const reservationOf = (row: PendingRow) => ({
  commandId: row.command_id,
  attempt: row.attempt,
  thing: row.thing,
  deadline: row.deadline,
  released: row.released === 1,
  events: JSON.parse(row.events).map(
    ([eventId, type, data, at, orgId, principal, commandId]: ReadonlyArray<string | number>) => ({
      eventId,
      type,
      data: JSON.parse(String(data)),
      at,
      orgId,
      principal: JSON.parse(String(principal)),
      commandId
    })
  ),
  ...(row.receipt_id !== null && {
    receipt: {
      id: row.receipt_id,
      fingerprint: row.fingerprint ?? "",
      ...(row.receipt_expires_at !== null && { expiresAt: row.receipt_expires_at })
    }
  })
})
