/** What was heard of devices. */
import type { ReadArguments, Transaction, WriteArguments } from "./database.ts"

/** Reports come doubled and unordered: the newer one counts, and of two at one time the one that says online. */
export const reportDevice = (tx: Transaction, { thing, online, at }: WriteArguments["report_device"]): void => {
  const known = tx.db.presence.thing.find(thing)
  const before = known ?? { thing, online: false, since: Number.NEGATIVE_INFINITY, lastSeen: at }
  const lastSeen = Math.max(at, before.lastSeen)
  const counts = online !== undefined && (at > before.since || (at === before.since && online))
  const after = counts ? { thing, online, since: at, lastSeen } : { ...before, lastSeen }
  if (known === null) tx.db.presence.insert(after)
  else tx.db.presence.thing.update(after)
}

export const heardOf = (tx: Transaction, { things }: ReadArguments["heard_of"]) =>
  things.flatMap((thing) => tx.db.presence.thing.find(thing) ?? [])
