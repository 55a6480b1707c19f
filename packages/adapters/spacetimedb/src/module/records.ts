/** Records, until they expire. */
import { Range } from "spacetimedb/server"
import { millisecondsOf, type ReadArguments, type Transaction, type WriteArguments } from "./database.ts"
import { levelOf } from "./milestones.ts"

/** Milliseconds of which a write deletes what has expired, and between two that do. */
const SWEEP = 60_000n
const PAUSE = 1_000n
/** Of a longer time in which nobody swept, a write takes this part. */
const SHARE = 16n

export const findRecord = (tx: Transaction, { key }: ReadArguments["find_record"]): string | undefined => {
  const found = tx.db.records.key.find(key)
  return found === null || (found.until > 0n && found.until <= millisecondsOf(tx)) ? undefined : found.value
}

export const putRecord = (tx: Transaction, { key, value, until }: WriteArguments["write"]["put"][number]): void => {
  if (until !== undefined && until <= Number(millisecondsOf(tx))) return removeRecord(tx, key)
  const row = { key, value, until: BigInt(until ?? 0) }
  if (tx.db.records.key.find(key) !== null) tx.db.records.key.update(row)
  else {
    tx.db.records.insert(row)
    tx.db.record_keys.insert({ key, level: levelOf(key) })
  }
}

export const removeRecord = (tx: Transaction, key: string): void => {
  if (tx.db.records.key.delete(key)) tx.db.record_keys.by_key.delete([levelOf(key), key])
}

/** Deletes what has expired: a part at a time, so that no write pays for a long time without any. */
export const sweep = (tx: Transaction): void => {
  const now = millisecondsOf(tx)
  const swept = tx.db.sweeps.id.find(0)?.time ?? 0n
  const behind = now - swept
  if (behind < PAUSE) return
  const part = behind / SHARE > SWEEP ? behind / SHARE : SWEEP
  const time = part < behind ? swept + part : now
  const expired = new Range({ tag: "excluded", value: swept }, { tag: "included", value: time })
  for (const { key } of [...tx.db.records.until.filter(expired)]) removeRecord(tx, key)
  tx.db.writes.until.delete(expired)
  tx.db.sweeps.id.update({ id: 0, time })
}
