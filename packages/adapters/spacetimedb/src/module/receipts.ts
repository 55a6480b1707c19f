/** Receipts end: one that has expired is as if it had never been given. */
import type { Transaction } from "./database.ts"

export const findReceipt = (tx: Transaction, id: string) => {
  const found = tx.db.receipts.id.find(id)
  return found === null || (found.expiresAt > 0n && found.expiresAt <= millisecondsOf(tx)) ? undefined : found
}

/** Now, in milliseconds. */
export const millisecondsOf = (tx: Transaction): bigint => tx.timestamp.microsSinceUnixEpoch / 1000n
