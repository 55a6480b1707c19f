/** What locks are called and where they are, and the words by which they are found. Pure. */
import type { Hands } from "../lock/Giver.ts"
import type { LockDescription, SaidOfLock } from "../lock/LockDescription.ts"
import { descriptionOf } from "../lock/ShownDescription.ts"
import { LISTS, type Listed, lockKey } from "./LockFact.ts"
import type { Marks } from "./Table.ts"
import { digitsOf, END, inNumberOrder, phrasesOf, wordsOf } from "./Words.ts"

/** A lock with what is said of it, and those who have it. */
export interface Place extends Listed {
  readonly lockId: number
  readonly lockUuid: string
  readonly ownerId: string | null
  readonly said: SaidOfLock
}

/** By words, and among names. */
export const marksOfPlaces: Marks<Place> = {
  lists: LISTS,
  areSame: (a, b) => {
    if (a.lockUuid !== b.lockUuid) return false
    const [before, after] = [descriptionIn(a), descriptionIn(b)]
    return before.name === after.name && before.address === after.address
  },
  of: (place) => [...phrasesFor(place).map((phrase) => markOfPhrase(phrase, place.lockId)), markOfName(place)]
}

/** Those who have the lock. */
export const handsOf = ({ ownerId, orgId }: Pick<Place, "ownerId" | "orgId">): Hands => ({
  ownerId: ownerId ?? undefined,
  orgId: orgId ?? undefined
})

/** What lists show of what is said of a lock. */
export type PlaceDescription = Pick<LockDescription, "name" | "timeZone" | "address">

/** What those who have the lock now have said of it. */
export const descriptionIn = (place: Place): LockDescription => descriptionOf({ said: place.said, ...handsOf(place) })

/** Words of a name, and of an address, by which a lock is found. */
const MOST_OF_NAME = 6
const MOST_OF_ADDRESS = 10

/** How what a lock is found by begins: its number and its uuid, and each word of its name and its address. */
const phrasesFor = (place: Place): ReadonlyArray<string> => {
  const { name = "", address = "" } = descriptionIn(place)
  return [
    ...new Set([
      String(place.lockId),
      wordsOf(place.lockUuid),
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
export const markOfName = (place: Place): string => {
  const { name = String(place.lockId) } = descriptionIn(place)
  return NAME + digitsOf(inNumberOrder(wordsOf(name))) + END + lockKey(place.lockId)
}

/** The mark by which a lock is found whose words begin so: the first of several; `undefined`: it is not. */
export const foundBy = (place: Place, words: string): string | undefined =>
  phrasesFor(place)
    .filter((phrase) => phrase.startsWith(words))
    .map((phrase) => markOfPhrase(phrase, place.lockId))
    .sort()[0]
