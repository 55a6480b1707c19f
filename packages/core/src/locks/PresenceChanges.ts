/** When the device of a lock was there, and when it was gone: what was told of it, read back for those whose lock it is. */
import { Effect } from "effect"
import { canonicalThing } from "../access/Thing.ts"
import type { AbsenceReason } from "../device/Presence.ts"
import type { Lock } from "../lock/Lock.ts"
import { isOwnInstant } from "../lock/OwnTime.ts"
import type { EventStore } from "../streams/EventStore.ts"
import { lastVersion } from "../streams/LastVersion.ts"
import type { Principal } from "../values/Principal.ts"
import { Outages } from "./Outages.ts"

/** From when on a device was there, or gone. */
export interface PresenceChange {
  readonly online: boolean
  /** Epoch milliseconds. */
  readonly since: number
  /** Why it was gone, where that is known. */
  readonly reason?: AbsenceReason
}

/** So many changes are read back, however many there were. */
const NEWEST = 100

/** The newest of what was told of the lock's device while it was this lock's, and the lock the principal's; newest first. */
export const presenceChanges = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  principal: Principal,
  lock: Lock
) {
  const stream = Outages.streamOf(canonicalThing(lock.uuid))
  const last = yield* lastVersion(store, stream, () => true)
  const told = yield* store.read(stream, Math.max(0, last - NEWEST), NEWEST)
  return told.toReversed().flatMap((stored): ReadonlyArray<PresenceChange> => {
    const event = Outages.decode(stored)
    if (event === undefined || event.lockId !== lock.lockId || !isOwnInstant(principal, lock, stored.at)) return []
    const { since } = event
    if (event._tag === "DeviceOnline") return [{ online: true, since }]
    return [{ online: false, since, ...(event.reason !== undefined && { reason: event.reason }) }]
  })
})
