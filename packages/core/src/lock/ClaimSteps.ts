/** What each event of a lock says of things: which it has from now on, and which no more. */
import { Option } from "effect"
import type { ClaimStep } from "../access/Claims.ts"
import { canonicalThing } from "../access/Thing.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { fromStored, type LockEvent, type LockEventType } from "./LockEvent.ts"

/** The events that say something of things; no other needs to be decoded. */
const telling: ReadonlySet<string> = new Set<LockEventType>([
  "LockCreated",
  "OrganizationSet",
  "LockUuidChanged",
  "LockRetired",
  "ClaimMoved",
  "ClaimLost"
])

/** @param orgId the organization that the event happened for: that of the lock, as the event leaves it */
export const claimSteps = (event: LockEvent, orgId: string): ReadonlyArray<ClaimStep> => {
  const { lockId } = event
  switch (event._tag) {
    case "LockCreated":
      return [{ _tag: "Taken", thing: event.uuid, lockId, orgId }]
    case "OrganizationSet":
      return [{ _tag: "Passed", thing: event.uuid, lockId, orgId }]
    case "LockRetired":
      return event.freed ? [{ _tag: "Left", thing: event.uuid, lockId, orgId }] : []
    case "ClaimLost":
      return [{ _tag: "Left", thing: event.uuid, lockId, orgId }]
    case "ClaimMoved":
    case "LockUuidChanged":
      return canonicalThing(event.newUuid) === canonicalThing(event.previousUuid)
        ? [{ _tag: "Taken", thing: event.newUuid, lockId, orgId }]
        : [
            { _tag: "Left", thing: event.previousUuid, lockId, orgId },
            { _tag: "Taken", thing: event.newUuid, lockId, orgId }
          ]
    default:
      return []
  }
}

/** The same, of an event as it is stored. */
export const claimStepsOf = (stored: StoredEvent): ReadonlyArray<ClaimStep> =>
  telling.has(stored.type)
    ? Option.match(fromStored(stored), { onNone: () => [], onSome: (event) => claimSteps(event, stored.orgId) })
    : []
