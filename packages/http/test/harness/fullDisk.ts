/** What a server does whose disk, or whose database's, is full: the same whichever it is. */
import { expect, vi } from "vitest"
import { createLock, lockAt, newLockId } from "./locks.ts"
import { type Answer, callsOf } from "./request.ts"
import type { SmallDisk } from "./smallDisk.ts"

const PATIENCE = { timeout: 60_000, interval: 100 }

/** A database may have room in what it has already taken of the disk: then more is sent, until it is full. */
const [ROUNDS, MOST_ROUNDS] = [20, 1_000]

/**
 * Fills the disk while commands are sent, and makes room again: nothing is done by halves or lost that was answered.
 *
 * @param leave bytes that are free after the first commands
 */
export const meetFullDisk = async (url: string, disk: SmallDisk, leave: number): Promise<void> => {
  const ready = async () => (await callsOf(url)("GET", "/ready")).status
  expect(await ready()).toBe(200)
  const locks = await Promise.all(Array.from({ length: 10 }, () => createLock(url)))
  const sent: Array<{ readonly again: () => Promise<Answer>; readonly status: number }> = []
  const send = async (round: number, statuses: ReadonlyArray<number>) => {
    const asked = locks.map(async (lock, index) => {
      const key = { "idempotency-key": `${round}-${index}` }
      const fresh = lockAt(url, newLockId())
      const again = () =>
        round % 2 === 0 && round < ROUNDS
          ? lock.post("OpenLock", {}, key)
          : fresh.post("CreateLock", { index: 1, uuid: fresh.uuid }, key)
      const { status } = await again()
      sent.push({ again, status })
      return status
    })
    for (const status of await Promise.all(asked)) expect(statuses).toContain(status)
  }
  await send(0, [200])
  disk.fill(leave)
  const isFull = () => sent.some(({ status }) => status === 503)
  for (let round = 1; round < ROUNDS || (!isFull() && round < MOST_ROUNDS); round++)
    await send(round, [200, 201, 502, 503])
  expect(isFull()).toBe(true)
  // A database gives back room of its log now and then.
  await vi.waitUntil(async () => {
    disk.fill(0)
    return (await ready()) === 503
  }, PATIENCE)

  disk.makeRoom()
  await vi.waitUntil(async () => (await ready()) === 200, PATIENCE)
  // What was answered is remembered as it was; what was not is done now, and has not been done before.
  for (const { again, status } of sent) {
    // A command whose end the full disk left in doubt is settled first: until then its lock takes no other.
    const done = await vi.waitFor(async () => {
      const answer = await again()
      expect(answer.status).toBeLessThan(300)
      return answer
    }, PATIENCE)
    if (status < 300) expect([done.status, done.headers.get("idempotency-replayed")]).toEqual([status, "true"])
  }
  for (const lock of locks) {
    const { body } = await lock.get("events")
    expect(body.events?.map(({ type }) => type).sort()).toEqual([
      "LockCreated",
      ...Array(ROUNDS / 2).fill("LockOpenRequested")
    ])
  }
}
