/**
 * A lock's history as evidence: one row for each version, none left out, so that anyone can see whether it is whole. What is
 * not for the one who asks is a row that says so. Read as fast as somebody takes it.
 */
import { Effect, Option, Stream } from "effect"
import { type Lock, streamOfLock } from "../lock/Lock.ts"
import { edgesFor, type View, viewOf } from "../lock/OwnTime.ts"
import { type EventStore, StoreUnavailable } from "../streams/EventStore.ts"
import { PAGE } from "../streams/Turns.ts"
import type { Principal } from "../values/Principal.ts"
import { type HistoryEvent, namesOfKeys, shownTo } from "./History.ts"

/** A version of a lock, and what happened then. */
export interface AuditRow {
  readonly version: number
  /** The last one of this audit: it is whole when its rows count from the first that was asked for to this one. */
  readonly lastVersion: number
  /** How much of it is shown. */
  readonly shown: View
  readonly event: HistoryEvent | undefined
}

/** Every version of the lock after one, as far as it is the principal's time: as things stand now. */
export const auditOf = (
  store: EventStore["Service"],
  principal: Principal,
  lock: Lock,
  after: number
): Stream.Stream<AuditRow, StoreUnavailable> => {
  const { low, high: lastVersion } = edgesFor(principal, lock)
  return Stream.paginate(Math.max(low, after), (version) =>
    Effect.gen(function* () {
      const wanted = Math.min(PAGE, lastVersion - version)
      if (wanted <= 0) return [[], Option.none<number>()] as const
      const read = yield* store.read(streamOfLock(lock.lockId), version, wanted)
      // Rather no audit than one that leaves something out in silence.
      if (read.length < wanted) return yield* new StoreUnavailable({ message: "The history of a lock is not whole." })
      const idOf = yield* namesOfKeys(store, lock, read)
      const rows = read.map(
        (stored): AuditRow => ({
          version: stored.version,
          lastVersion,
          shown: viewOf(principal, lock, stored),
          event: shownTo(principal, lock, stored, idOf)
        })
      )
      return [rows, Option.some(version + wanted)] as const
    })
  )
}
