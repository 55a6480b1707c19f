/**
 * That a lock left an organization, told in that organization's name. The event that moved it happened for the new one, and
 * so is in the feed of that one alone; beside it, in the same write, the one that had the lock gets an event of its own.
 */
import { Schema } from "effect"
import { LockId, streamOfLock } from "../lock/Lock.ts"
import type { LockEventType } from "../lock/LockEvent.ts"
import { Category } from "../streams/Category.ts"
import type { Append, NewEvent } from "../streams/EventStore.ts"

/** Stored forever: add cases and optional fields, never rename or remove one. */
export const DepartureEvent = Schema.TaggedUnion({
  /** The lock left with the event of this version. */
  LockLeft: { lockId: LockId, version: Schema.Int }
})

/** A stream for each departure: nobody has to know how many there were. */
export const Departures = Category({
  prefix: "left-",
  events: DepartureEvent,
  personal: {},
  initial: undefined,
  evolve: () => undefined
})

/** Only with this event does a lock leave. The late outcome of an opening can be without an organization too. */
const MOVES: LockEventType = "OrganizationSet"

/** The id of the event that tells in the old organization's name what the event with this id did. */
export const departureIdOf = (eventId: string): string => `${eventId}-left`

/**
 * What is written beside the events of a lock that leave its organization; mostly nothing.
 *
 * @param orgId whose the lock was before
 */
export const departuresWith = (
  lockId: LockId,
  orgId: string | undefined,
  expectedVersion: number,
  events: ReadonlyArray<NewEvent>
): ReadonlyArray<Append> => {
  let had = orgId ?? ""
  return events.flatMap((event, index) => {
    if (event.type !== MOVES) return []
    const left = had
    had = event.orgId
    if (left === "" || left === event.orgId) return []
    const version = expectedVersion + index + 1
    return {
      streamId: Departures.streamOf(`${streamOfLock(lockId)}-${version}`),
      expectedVersion: 0,
      events: [
        {
          ...event,
          ...Departures.encode({ _tag: "LockLeft", lockId, version }),
          eventId: departureIdOf(event.eventId),
          orgId: left
        }
      ]
    }
  })
}
