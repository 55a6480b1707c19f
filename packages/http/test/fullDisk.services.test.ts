/**
 * A server whose disk is really full: a small file system of its own, in a namespace that goes with the process, so that
 * nobody need be root.
 */
import { appendFileSync, rmSync, statfsSync } from "node:fs"
import { expect, it, vi } from "vitest"
import { createLock, lockAt, newLockId } from "./harness/locks.ts"
import { configured, MAIN, startServer, temporaryFolder } from "./harness/process.ts"
import { type Answer, callsOf } from "./harness/request.ts"

const SMALL_DISK = ["unshare", "--map-root-user", "--mount", "sh", "-c"]

it("is not ready and answers 503 without doing anything by halves, and goes on once there is room", {
  timeout: 120_000
}, async () => {
  using folder = temporaryFolder()
  const onSmallDisk = `mount -t tmpfs -o size=24m none '${folder.path}' && exec "$@"`
  await using server = await startServer(configured(folder.path), MAIN, [...SMALL_DISK, onSmallDisk, "sh"])
  const disk = `/proc/${server.pid}/root${folder.path}`
  const fill = (leave: number) => {
    const { bavail, bsize } = statfsSync(disk)
    appendFileSync(`${disk}/fill`, Buffer.alloc(Math.max(0, bavail * bsize - leave)))
  }
  const ready = async () => (await callsOf(server.url)("GET", "/ready")).status
  expect(await ready()).toBe(200)

  const locks = await Promise.all(Array.from({ length: 10 }, () => createLock(server.url)))
  fill(300_000)
  const sent: Array<{ readonly again: () => Promise<Answer>; readonly status: number }> = []
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      locks.map(async (lock, index) => {
        const key = { "idempotency-key": `${round}-${index}` }
        const fresh = lockAt(server.url, newLockId())
        const again = () =>
          round % 2 === 0
            ? lock.post("OpenLock", {}, key)
            : fresh.post("CreateLock", { index: 1, uuid: fresh.uuid }, key)
        sent.push({ again, status: (await again()).status })
      })
    )
  }
  expect([...new Set(sent.map(({ status }) => status))].sort()).toEqual(expect.arrayContaining([200, 503]))
  expect(sent.every(({ status }) => [200, 201, 502, 503].includes(status))).toBe(true)
  fill(0)
  await vi.waitUntil(async () => (await ready()) === 503, { timeout: 10_000 })

  rmSync(`${disk}/fill`)
  await vi.waitUntil(async () => (await ready()) === 200, { timeout: 10_000 })
  // What was answered is remembered as it was; what was not is done now, and has not been done before.
  for (const { again, status } of sent) {
    // A command whose end the full disk left in doubt is settled first: until then its lock takes no other.
    const done = await vi.waitFor(
      async () => {
        const answer = await again()
        expect(answer.status).toBeLessThan(300)
        return answer
      },
      { timeout: 30_000 }
    )
    if (status < 300) expect([done.status, done.headers.get("idempotency-replayed")]).toEqual([status, "true"])
  }
  for (const lock of locks) {
    const { body } = await lock.get("events")
    expect(body.events?.map(({ type }) => type).sort()).toEqual(["LockCreated", ...Array(10).fill("LockOpenRequested")])
  }
})
