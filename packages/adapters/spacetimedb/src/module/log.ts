/** The one write of the event store. Reducers run one after the other, so what is read here holds until the end. */
import { head, refuse, type Transaction, type WriteArguments } from "./database.ts"
import { levelOf } from "./milestones.ts"
import { findRecord, putRecord, removeRecord } from "./records.ts"

type Batch = WriteArguments["write"]

export const write = (tx: Transaction, batch: Batch): void => {
  for (const { key, value } of batch.expect) {
    const actual = findRecord(tx, { key })
    if (actual !== value) refuse({ code: "RecordConflict", key, actual })
  }
  if (!batch.imported) refuseDouble(tx, batch)
  refuseConflict(tx, batch)

  for (const key of batch.remove) removeRecord(tx, key)
  for (const record of batch.put) putRecord(tx, record)
  appendEvents(tx, batch)
}

const refuseDouble = (tx: Transaction, { append }: Batch): void => {
  const ids = new Set<string>()
  for (const { eventId } of append.flatMap(({ events }) => events)) {
    const [stored] = tx.db.events.eventId.filter(eventId)
    if (stored !== undefined || ids.has(eventId)) refuse({ code: "EventExists", eventId })
    ids.add(eventId)
  }
}

const refuseConflict = (tx: Transaction, { append }: Batch): void => {
  const versions = new Map<string, number>()
  for (const { stream, expected, events } of append) {
    const actual = versions.get(stream) ?? Number(tx.db.streams.stream.find(stream)?.version ?? 0n)
    if (actual !== expected) refuse({ code: "VersionConflict", streamId: stream, expected, actual })
    versions.set(stream, actual + events.length)
  }
}

const appendEvents = (tx: Transaction, { append, format }: Batch): void => {
  const before = head(tx)
  let position = before
  for (const { stream, expected, events } of append) {
    if (events.length === 0) continue
    const category = stream.split("-", 1)[0] ?? ""
    // Counted by hand: numbers that the database gives out leave gaps, and need not follow the order of commits.
    let version = BigInt(expected)
    for (const { eventId, orgId, text } of events) {
      const level = levelOf(eventId)
      tx.db.events.insert({ position: ++position, stream, version: ++version, eventId, orgId, category, level })
      tx.db.event_texts.insert({ position, format, text })
    }
    if (expected === 0) tx.db.streams.insert({ stream, version })
    else tx.db.streams.stream.update({ stream, version })
  }
  if (position > before) tx.db.head.id.update({ id: 0, position })
}
