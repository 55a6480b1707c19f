/** Which locks with something to do are in memory, and how the others are found. */
import { describe, expect, it } from "@effect/vitest"
import { makeWaitingLocks } from "../src/locks/WaitingLocks.ts"

const MOST = 4
const PAGE = 2
const FAR = 1_000

/** The locks that have records, and what is done with them until nothing is left. */
const houseWith = (lockIds: ReadonlyArray<number>) => {
  const waiting = makeWaitingLocks(MOST, PAGE)
  const records = new Set(lockIds)
  const done: Array<number> = []
  const read = () => {
    const place = waiting.nextPage()
    if (place === undefined) return
    const keys = [...records].map((lockId) => ({ key: `lock-${lockId}`, lockId, value: "1" }))
    waiting.takePage(keys.filter(({ key }) => key > place).slice(0, PAGE), 0)
  }
  const known = () => waiting.due(0, FAR, FAR).due
  return {
    waiting,
    read,
    known,
    done,
    /** Reads as far as there is room, and does the first. */
    next: () => {
      for (let n = 0; n < FAR && waiting.nextPage() !== undefined; n++) read()
      expect(known().length).toBeLessThanOrEqual(2 * MOST)
      const [[lockId, one] = []] = waiting.due(0, 1, FAR).due
      if (lockId === undefined || one === undefined) return false
      waiting.begin(lockId, one)
      waiting.end(lockId, one)
      records.delete(lockId)
      done.push(lockId)
      return true
    }
  }
}

describe("locks with something to do", () => {
  it("are all found, though no more of them are known at once than there is room for", () => {
    const { next, done } = houseWith([1, 2, 3, 4, 5, 6, 7, 8, 9])
    while (next());
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it("are found also when they came while there was no room", () => {
    const { waiting, known, next, done } = houseWith([1, 2, 3, 4, 5])
    for (const lockId of [5, 4, 3, 2, 1]) waiting.expect(lockId, 0, "1")
    expect(known().map(([lockId]) => lockId)).toEqual([5, 4, 3, 2])
    while (next());
    expect(done.toSorted()).toEqual([1, 2, 3, 4, 5])
  })

  it("are not forgotten when something new has come while they were under way", () => {
    const { waiting, known } = houseWith([])
    waiting.expect(1, 0)
    const [[, one] = []] = known()
    if (one === undefined) throw new Error("It is not known.")
    waiting.begin(1, one)
    expect(known()).toEqual([])
    waiting.expect(1, 0)
    waiting.end(1, one)
    expect(known()).toHaveLength(1)
  })

  it("are noted by their records until they are begun, and again when something new has come with a record", () => {
    const { waiting, known } = houseWith([])
    expect(waiting.isNoted(1)).toBe(false)
    waiting.expect(1, 0)
    expect(waiting.isNoted(1)).toBe(false)
    waiting.expect(1, 0, "1")
    expect(waiting.isNoted(1)).toBe(true)
    const [[, one] = []] = known()
    if (one === undefined) throw new Error("It is not known.")
    waiting.begin(1, one)
    expect(waiting.isNoted(1)).toBe(false)
    waiting.expect(1, 0, "2")
    expect(waiting.isNoted(1)).toBe(true)
    waiting.end(1, one)
    expect(known()).toMatchObject([[1, { value: "2" }]])
  })

  it("are urgent before all others, and find room where these have none", () => {
    const { waiting, known, next, done } = houseWith([1, 2, 3, 4, 5])
    for (const lockId of [1, 2, 3, 4, 5]) waiting.expect(lockId, 0, "1")
    waiting.expect(3, 0, "2", true)
    waiting.expect(6, 0, "1", true)
    waiting.expect(3, 0, "3")
    expect(known().map(([lockId, { value }]) => [lockId, value])).toEqual([
      [3, "3"],
      [6, "1"],
      [1, "1"],
      [2, "1"],
      [4, "1"]
    ])
    while (next());
    expect(done.slice(0, 2)).toEqual([3, 6])
  })

  it("say when it is time, at the latest at the limit", () => {
    const waiting = makeWaitingLocks(MOST, PAGE)
    waiting.expect(1, 50)
    waiting.expect(2, 20)
    expect(waiting.due(10, 1, FAR)).toEqual({ due: [], next: 20 })
    expect(waiting.due(10, 1, 15).next).toBe(15)
  })
})
