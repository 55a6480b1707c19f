/** What locks are called and where they are, and the words by which they are found. Pure. */
import { giverOf } from "../lock/Giver.ts"
import { type LockDescription, type SaidOfLock, saidAfter } from "../lock/LockDescription.ts"
import type { LockEvent, LockEventType } from "../lock/LockEvent.ts"
import { descriptionOf } from "../lock/ShownDescription.ts"
import { LISTS, type Listed, type LockFact, lockKey, noKeys } from "./LockFact.ts"
import type { Table } from "./Table.ts"
import { digitsOf, END, inNumberOrder, phrasesOf, wordsOf } from "./Words.ts"

/** A lock with what is said of it. Instants are epoch milliseconds. */
export interface PlaceRow extends Listed {
  readonly lockId: number
  readonly lockUuid: string
  readonly ownerId: string | null
  /** Since when those have it who have it. */
  readonly ownerSince: number
  readonly orgSince: number
  readonly said: SaidOfLock
}

const changing: ReadonlySet<string> = new Set<LockEventType>([
  "LockCreated",
  "OwnerSet",
  "OrganizationSet",
  "LockUuidChanged",
  "ClaimMoved",
  "LockRetired",
  "LockDescribed"
])

/** Every lock that is in service, by its id. */
export const places: Table<LockFact, PlaceRow> = {
  name: "places",
  keysOf: ({ lockId, event }) => (event !== undefined && changing.has(event._tag) ? [lockKey(lockId)] : noKeys),
  fold: (row, { event, stored }) => {
    if (event === undefined) return row
    if (row !== undefined) return changed(row, event, stored.at, stored.principal)
    if (event._tag !== "LockCreated") return undefined
    const { lockId, uuid, ownerId = null, orgId = null } = event
    const { at } = stored
    return { lockId, lockUuid: uuid, of: "all", ownerId, orgId, ownerSince: at, orgSince: at, said: {} }
  },
  indexes: LISTS,
  marks: (row) => {
    const { name, address } = descriptionIn(row)
    const words = JSON.stringify([row.lockId, row.lockUuid, name, address])
    const known = marksBySaid.get(row.said)
    if (known?.words === words) return known.marks
    const marks = [...phrasesFor(row).map((phrase) => markOfPhrase(phrase, row.lockId)), markOfName(row)]
    marksBySaid.set(row.said, { words, marks })
    return marks
  }
}

/** To take words apart costs more than all else of a row, and few changes are of words. What is said of a lock stays the same object. */
const marksBySaid = new WeakMap<SaidOfLock, { readonly words: string; readonly marks: ReadonlyArray<string> }>()

const changed = (
  row: PlaceRow,
  event: LockEvent,
  at: number,
  by: LockFact["stored"]["principal"]
): PlaceRow | undefined => {
  switch (event._tag) {
    case "OwnerSet":
      return { ...row, ownerId: event.userId, ownerSince: at }
    case "OrganizationSet":
      return { ...row, orgId: event.orgId, orgSince: at }
    case "LockUuidChanged":
    case "ClaimMoved":
      return { ...row, lockUuid: event.newUuid }
    case "LockRetired":
      return undefined
    case "LockDescribed":
      return { ...row, said: saidAfter(row.said, event, giverOf(by, handsOf(row))) }
    default:
      return row
  }
}

const handsOf = ({ ownerId, orgId }: PlaceRow) => ({ ownerId: ownerId ?? undefined, orgId: orgId ?? undefined })

/** What lists show of what is said of a lock. */
export type PlaceDescription = Pick<LockDescription, "name" | "timeZone" | "address">

/** What those who have the lock now have said of it. */
export const descriptionIn = (row: PlaceRow): LockDescription => descriptionOf({ said: row.said, ...handsOf(row) })

/** Words of a name, and of an address, by which a lock is found. */
const MOST_OF_NAME = 6
const MOST_OF_ADDRESS = 10

/** How what a lock is found by begins: its number and its uuid, and each word of its name and its address. */
const phrasesFor = (row: PlaceRow): ReadonlyArray<string> => {
  const { name = "", address = "" } = descriptionIn(row)
  return [
    ...new Set([
      String(row.lockId),
      wordsOf(row.lockUuid),
      ...phrasesOf(name, MOST_OF_NAME),
      ...phrasesOf(address, MOST_OF_ADDRESS)
    ])
  ]
}

const [PHRASE, NAME] = ["1", "2"]
const markOfPhrase = (phrase: string, lockId: number): string => PHRASE + digitsOf(phrase) + END + lockKey(lockId)

/** What stands before the marks of all that begins so. */
export const beforePhrase = (words: string): string => PHRASE + digitsOf(words)
/** What stands before the marks of all names. */
export const BEFORE_NAMES = NAME

/** Locks without a name are in the order of names by what they are called then. */
export const markOfName = (row: PlaceRow): string => {
  const { name = String(row.lockId) } = descriptionIn(row)
  return NAME + digitsOf(inNumberOrder(wordsOf(name))) + END + lockKey(row.lockId)
}

/** The mark by which a lock is found whose words begin so: the first of several; `undefined`: it is not. */
export const foundBy = (row: PlaceRow, words: string): string | undefined =>
  phrasesFor(row)
    .filter((phrase) => phrase.startsWith(words))
    .map((phrase) => markOfPhrase(phrase, row.lockId))
    .sort()[0]
