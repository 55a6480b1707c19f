/** Which events of a lock's history an explanation rests on: for each term of what is asked about, the newest that made it. */
import { Option } from "effect"
import { fromStored, type LockEvent, type LockEventType, openedVia } from "../lock/LockEvent.ts"
import { canonical } from "../lock/TempKey.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import type { Principal } from "../values/Principal.ts"
import type { Question, Rule } from "./Explanation.ts"

/** By term, the event that made it what it is. */
export type MadeBy = { readonly [term: string]: StoredEvent }

export const madeBy = (so: MadeBy, question: Question, stored: StoredEvent): MadeBy => {
  const event = mayConcern(question, stored) ? Option.getOrUndefined(fromStored(stored)) : undefined
  const terms = event === undefined ? [] : termsMade(so, question, event)
  return terms.length === 0 ? so : { ...so, ...Object.fromEntries(terms.map((term) => [term, stored])) }
}

/** A use that the log of a lock holds: of a temp key, or of a shared key or its PIN. */
export interface Use {
  readonly tempKeyUuid: string
  readonly userId: string | undefined
  readonly by: "link" | "PIN"
}

/** The use that an event tells of; `undefined` for any other event. */
export const useOf = (stored: StoredEvent): Use | undefined => {
  if (stored.type !== "TempKeyUsed" && stored.type !== "LockOpenRequested") return undefined
  const event = Option.getOrUndefined(fromStored(stored))
  if (event?._tag === "TempKeyUsed") return { tempKeyUuid: event.tempKeyUuid, userId: event.userId, by: "link" }
  if (event?._tag !== "LockOpenRequested" || event.credentialUuid === undefined) return undefined
  return { tempKeyUuid: event.credentialUuid, userId: undefined, by: openedVia(event) === "PIN" ? "PIN" : "link" }
}

/**
 * The events that made these terms; those of the giver matter only where what they gave was withdrawn, and those that took
 * the lock its device, or gave it one, where it has none.
 */
export const eventsOf = (so: MadeBy, rule?: Rule): ReadonlyArray<StoredEvent> => {
  const matters = (term: string): boolean =>
    term === DEVICE ? rule === "retired" || rule === "no-device" : !isOfGiver(term) || rule === "withdrawn"
  const made = Object.entries(so).flatMap(([term, event]) => (matters(term) ? [event] : []))
  return Array.from(new Set(made)).sort((a, b) => a.version - b.version)
}

/** Most events of a long history are about something else, and need not be read for this. */
const mayConcern = ({ subject, sharedKey }: Question, { type }: StoredEvent): boolean =>
  handing.has(type) ||
  settingDevice.has(type) ||
  (subject._tag === "TempKey" && sharedKey === undefined ? type.startsWith("TempKey") : !type.startsWith("TempKey"))

/** The events that put a lock into other hands. */
const handing: ReadonlySet<string> = new Set<LockEventType>(["LockCreated", "OwnerSet", "OrganizationSet"])

/** The events that say whether the lock has a device. */
const settingDevice: ReadonlySet<string> = new Set<LockEventType>([
  "LockRetired",
  "ClaimLost",
  "ClaimMoved",
  "LockUuidChanged"
])
const DEVICE = "device"

const termsMade = (so: MadeBy, question: Question, event: LockEvent): ReadonlyArray<string> =>
  settingDevice.has(event._tag) ? [DEVICE] : termsOfSubject(so, question, event)

const termsOfSubject = (so: MadeBy, { subject, sharedKey }: Question, event: LockEvent): ReadonlyArray<string> => {
  switch (subject._tag) {
    case "TempKey":
      return sharedKey === undefined
        ? [...termsOfTempKey(subject.tempKeyUuid, event), ...termsOfItsGiver(event)]
        : termsOfGiver(event)
    case "Key":
      return [...(isOfKey(subject.keyUuid, event) ? ["key"] : []), ...termsOfItsGiver(event)]
    case "Pin":
      return termsOfGiver(event)
    case "User":
      return [...termsOfUser(so, subject.userId, event), ...termsOfItsGiver(event)]
    case "Command":
      return termsOfCaller(so, subject.by, event)
  }
}

const termsOfCaller = (so: MadeBy, by: Principal, event: LockEvent): ReadonlyArray<string> => {
  switch (by._tag) {
    case "User":
      return termsOfUser(so, by.userId, event)
    case "Organization":
      return termsOfGiver(event).filter((term) => term === "organization")
    default:
      return []
  }
}

/** A shared key opens for as long as its giver has a say about the lock. */
const termsOfGiver = ({ _tag }: LockEvent): ReadonlyArray<string> => {
  switch (_tag) {
    case "LockCreated":
      return ["owner", "organization"]
    case "OwnerSet":
      return ["owner"]
    case "OrganizationSet":
      return ["organization"]
    default:
      return []
  }
}

const OF_GIVER = "giver: "
const isOfGiver = (term: string): boolean => term.startsWith(OF_GIVER)
const termsOfItsGiver = (event: LockEvent): ReadonlyArray<string> => termsOfGiver(event).map((term) => OF_GIVER + term)

const termsOfTempKey = (uuid: string, event: LockEvent): ReadonlyArray<string> => {
  if (!("tempKeyUuid" in event) || canonical(event.tempKeyUuid) !== canonical(uuid)) return []
  switch (event._tag) {
    case "TempKeyCreated":
      return ["created"]
    case "TempKeyUpdated":
      return [...Object.keys(event.changes), ...(event.schedule === undefined ? [] : ["schedule"])]
    case "TempKeySuspended":
    case "TempKeyResumed":
      return ["suspended"]
    case "TempKeyLinkChanged":
      return ["link"]
    case "TempKeyUsed":
    case "TempKeyUseReturned":
      return ["usedCount"]
    case "TempKeyDeleted":
      return ["deleted"]
    default:
      return []
  }
}

const isOfKey = (keyUuid: string, event: LockEvent): boolean => {
  switch (event._tag) {
    case "LockCreated":
      return event.keys?.some(({ uuid }) => uuid === keyUuid) ?? false
    case "KeyAdded":
    case "KeyRemoved":
      return event.keyUuid === keyUuid
    default:
      return false
  }
}

const termsOfUser = (so: MadeBy, userId: string, event: LockEvent): ReadonlyArray<string> => {
  switch (event._tag) {
    case "LockCreated":
      return ["owner", ...(event.keys ?? []).flatMap((key) => (key.userId === userId ? [`key ${key.uuid}`] : []))]
    case "OwnerSet":
      return ["owner"]
    case "KeyAdded":
      return event.userId === userId ? [`key ${event.keyUuid}`] : []
    case "KeyRemoved":
      return `key ${event.keyUuid}` in so ? [`key ${event.keyUuid}`] : []
    default:
      return []
  }
}
