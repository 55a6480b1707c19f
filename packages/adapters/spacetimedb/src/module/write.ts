/** The one write of the event store. Reducers run one after the other, so what is read here holds until the end. */
import { Range } from "spacetimedb/server"
import { type ReadArguments, refuse, type Transaction, type WriteArguments } from "./database.ts"
import { levelOf } from "./milestones.ts"

type Batch = WriteArguments["write"]

/** Milliseconds that a batch is remembered: longer than anybody asks what became of it. */
const KEEP_WRITES = 600_000n
/** Milliseconds of which a write deletes what has expired, at least once in so many. */
const SWEEP = 60_000n
const SWEEP_EVERY = 1_000n
/** A write looks at this share of a long time in which nobody swept. */
const SWEEP_SHARE = 16n

export const write = (tx: Transaction, batch: Batch): void => {
  if (tx.db.writes.id.find(batch.id) !== null) refuse({ code: "GivenUp" })
  for (const { key, value } of batch.expect) {
    const actual = findRecord(tx, { key })
    if (actual !== value) refuse({ code: "RecordConflict", key, actual })
  }
  if (!batch.imported) refuseDouble(tx, batch)
  refuseConflict(tx, batch)

  sweep(tx)
  for (const key of batch.remove) removeRecord(tx, key)
  for (const record of batch.put) putRecord(tx, record)
  const position = appendEvents(tx, batch)
  remember(tx, batch.id, true, position)
}

/** What became of a batch. One that has not come yet is refused when it comes. */
export const settleWrite = (tx: Transaction, { id }: ReadArguments["settle_write"]): bigint | undefined => {
  const known = tx.db.writes.id.find(id)
  if (known === null) remember(tx, id, false, 0n)
  return known?.carriedOut ? known.position : undefined
}

/** A record's value, until it has expired. */
export const findRecord = (tx: Transaction, { key }: ReadArguments["find_record"]): string | undefined => {
  const found = tx.db.records.key.find(key)
  return found === null || (found.until > 0n && found.until <= millisecondsOf(tx)) ? undefined : found.value
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

/** Answers the position of the feed. */
const appendEvents = (tx: Transaction, { append, format }: Batch): bigint => {
  const before = tx.db.head.id.find(0)?.position ?? 0n
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
  return position
}

const putRecord = (tx: Transaction, { key, value, until }: Batch["put"][number]): void => {
  if (until !== undefined && until <= Number(millisecondsOf(tx))) return removeRecord(tx, key)
  const row = { key, value, until: BigInt(until ?? 0) }
  if (tx.db.records.key.find(key) !== null) tx.db.records.key.update(row)
  else {
    tx.db.records.insert(row)
    tx.db.record_keys.insert({ key, level: levelOf(key) })
  }
}

const removeRecord = (tx: Transaction, key: string): void => {
  if (tx.db.records.key.delete(key)) tx.db.record_keys.by_key.delete([levelOf(key), key])
}

const remember = (tx: Transaction, id: string, carriedOut: boolean, position: bigint): void => {
  tx.db.writes.insert({ id, carriedOut, position, until: millisecondsOf(tx) + KEEP_WRITES })
}

/** Deletes what has expired: a part at a time, so that no write pays for a long time without any. */
const sweep = (tx: Transaction): void => {
  const now = millisecondsOf(tx)
  const swept = tx.db.sweeps.id.find(0)?.time ?? 0n
  const behind = now - swept
  if (behind < SWEEP_EVERY) return
  const part = behind / SWEEP_SHARE > SWEEP ? behind / SWEEP_SHARE : SWEEP
  const time = part < behind ? swept + part : now
  const expired = new Range({ tag: "excluded", value: swept }, { tag: "included", value: time })
  for (const { key } of [...tx.db.records.until.filter(expired)]) removeRecord(tx, key)
  tx.db.writes.until.delete(expired)
  tx.db.sweeps.id.update({ id: 0, time })
}

/** Now, in milliseconds. */
export const millisecondsOf = (tx: Transaction): bigint => tx.timestamp.microsSinceUnixEpoch / 1000n
