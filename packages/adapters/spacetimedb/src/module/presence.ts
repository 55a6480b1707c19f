/** What was heard of devices. */
import type { ReadArguments, Transaction, WriteArguments } from "./database.ts"

/**
 * Reports come doubled and unordered: the newer one counts, and of two at one time the one that says online, or has the reason that
 * comes last by the alphabet.
 */
export const reportPresence = (
  tx: Transaction,
  { thing, online, reason, at }: WriteArguments["report_presence"]
): void => {
  const known = tx.db.presence.thing.find(thing)
  const before = known ?? { thing, online: false, since: Number.NEGATIVE_INFINITY, lastSeen: at, reason: "" }
  const lastSeen = Math.max(at, before.lastSeen)
  const isTold = at === before.since && (online || (!before.online && reason > before.reason))
  const counts = online !== undefined && (at > before.since || isTold)
  const after = counts ? { thing, online, since: at, lastSeen, reason: online ? "" : reason } : { ...before, lastSeen }
  if (known === null) tx.db.presence.insert(after)
  else tx.db.presence.thing.update(after)
}

export const reportDevice = (tx: Transaction, report: WriteArguments["report_device"]): void =>
  reportPresence(tx, { ...report, reason: "" })

export const presenceOf = (tx: Transaction, { things }: ReadArguments["presence_of"]) =>
  things.flatMap((thing) => tx.db.presence.thing.find(thing) ?? [])
