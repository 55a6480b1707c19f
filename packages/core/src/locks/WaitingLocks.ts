/**
 * The locks that have something to do, and when: as many as there is room for. The others have records, page by page in the
 * order of their keys, and are found again by them when there is room for a page. Those that are urgent come first, and
 * have room of their own.
 */

/** A lock with something to do. */
export interface Waiting {
  /** When, epoch milliseconds. */
  at: number
  /** Of its record, as far as is known. */
  value: string | undefined
  /** How often its shadow took nothing, in a row. */
  refused: number
}

/** What a record says: that its lock has something to do. */
export interface WaitingRecord {
  readonly key: string
  readonly lockId: number
  readonly value: string
}

/** @param most locks that are kept at once, and as many urgent ones, with records of `page` at a time */
export const makeWaitingLocks = (most: number, page: number) => {
  const urgent = new Map<number, Waiting>()
  const others = new Map<number, Waiting>()
  /** Behind which record to read on, unless all were read; and whether some found no room since the first of them was. */
  let place: string | undefined = ""
  let isMore = false

  const expect = (lockId: number, at: number, value?: string, isUrgent = false): void => {
    const known = urgent.get(lockId) ?? others.get(lockId)
    const locks = isUrgent || urgent.has(lockId) ? urgent : others
    if (known === undefined && locks.size >= most) {
      isMore = true
      return
    }
    const one = known ?? { at, value, refused: 0 }
    one.at = Math.min(one.at, at)
    one.value = value ?? one.value
    if (locks.has(lockId)) return
    others.delete(lockId)
    locks.set(lockId, one)
  }

  return {
    expect,
    /** Whether the lock has a record that nobody has begun to work on. Then a new event needs no record of its own. */
    isNoted: (lockId: number): boolean => {
      const { at, value } = urgent.get(lockId) ?? others.get(lockId) ?? {}
      return at !== Number.POSITIVE_INFINITY && value !== undefined
    },
    /** Behind which record to read a page; `undefined` while there is none, or no room for it. */
    nextPage: (): string | undefined => (others.size + page <= most ? place : undefined),
    /** Takes in the page that was read there, at this instant. */
    takePage: (records: ReadonlyArray<WaitingRecord>, now: number): void => {
      for (const { lockId, value } of records) expect(lockId, now, value)
      place = records.length < page ? undefined : records.at(-1)?.key
      if (place === undefined && isMore) {
        isMore = false
        place = ""
      }
    },
    /** All records are read once more, if they are not being read. */
    readAgain: (): void => {
      place ??= ""
    },
    /** Some of those for which it is time, at most so many; else when it will be, if not before this `limit`. */
    due: (now: number, count: number, limit: number) => {
      const due: Array<readonly [lockId: number, Waiting]> = []
      let next = limit
      for (const locks of [urgent, others]) {
        for (const one of locks) {
          if (due.length === count) break
          if (one[1].at <= now) due.push(one)
          else next = Math.min(next, one[1].at)
        }
      }
      return { due, next }
    },
    /** It is under way, and last in its line: nothing is to be done until something new comes. */
    begin: (lockId: number, one: Waiting): void => {
      const locks = urgent.has(lockId) ? urgent : others
      locks.delete(lockId)
      locks.set(lockId, one)
      one.at = Number.POSITIVE_INFINITY
    },
    /** Forgets it, unless something new has come since it was begun. */
    end: (lockId: number, one: Waiting): void => {
      if (one.at !== Number.POSITIVE_INFINITY) return
      urgent.delete(lockId)
      others.delete(lockId)
    }
  }
}
