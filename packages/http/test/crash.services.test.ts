/** SIGKILL, at any moment and at every step of the two-step append: what was answered stays, and log and shadow agree. */
import { fileURLToPath } from "node:url"
import { describe, expect, it, vi } from "vitest"
import { OWNER, STRANGER, superKey } from "./harness/callers.ts"
import { commandsInShadow, feedIn, readModelIn, rebuildIn } from "./harness/dataFolder.ts"
import { createLock, historyOf, lockAt, newUuid, type TestLock, tempKey, versionsUpTo } from "./harness/locks.ts"
import { configured, type Server, startServer, temporaryFolder } from "./harness/process.ts"
import { type Answer, callsOf } from "./harness/request.ts"

const HELD_SERVER = fileURLToPath(new URL("harness/heldServer.ts", import.meta.url))

const elsewhere = (lock: TestLock, { url }: Server) => lockAt(url, lock.lockId, lock.uuid)

describe("under load", () => {
  /** Everything that a lock is asked for, over and over, until the server is gone; answers what was answered well. */
  const loadUntilGone = async (lock: TestLock, writer: number): Promise<ReadonlyArray<Answer>> => {
    const answered: Array<Answer> = []
    const tempKeyUuid = newUuid()
    // What a kill has left behind keeps others off the lock until it is settled.
    const createdOrGone = async () => {
      const answer = await lock.post("create-temp-key", tempKey({ tempKeyUuid })).catch(() => undefined)
      return answer === undefined || answer.status === 200
    }
    await vi.waitUntil(createdOrGone, { timeout: 60_000 })
    const requests = [
      (n: number) => lock.post("SetOwner", { userId: n % 2 === 0 ? OWNER : `user-${writer}-${n}` }),
      () => lock.post("use-temp-key", { tempKeyUuid }),
      (n: number) => lock.post("AddResident", { name: `resident ${n}`, userId: `resident-${writer}-${n}` }),
      (n: number) => lock.post("RemoveResident", { userId: `resident-${writer}-${n - 1}` }),
      (n: number) => lock.post("AddKey", { keyUuid: `key-${writer}-${n}` })
    ]
    for (let n = 0; ; n++) {
      const answer = await requests[n % requests.length]?.(n).catch(() => undefined)
      if (answer === undefined) return answered
      // A device that never acknowledges has a full backlog in the end.
      if (answer.status !== 502) expect(answer.status).toBe(200)
      if (answer.status === 200) answered.push(answer)
    }
  }

  const agreesWithTheLog = async (lock: TestLock, row: Readonly<Record<string, unknown>>) => {
    const [history, { body: details }] = [await historyOf(lock), await lock.get("details")]
    expect(row).toMatchObject({
      lockUuid: lock.uuid,
      keysCount: details.keys?.length,
      residentCount: details.residents?.length,
      lastEvent: history.at(-1)?.type
    })
  }

  it("keeps every answered write, in versions without a gap, and the read model catches up", async () => {
    using folder = temporaryFolder()
    let locks: ReadonlyArray<TestLock> = []
    const answered = new Map<number, Array<Answer>>()
    // Killed twice: the second time while the load meets what the first left behind.
    for (const round of [1, 2]) {
      await using server = await startServer(configured(folder.path))
      if (round === 1) locks = await Promise.all([1, 2, 3, 4].map(() => createLock(server.url)))
      const writers = locks.flatMap((lock) => [1, 2, 3].map((writer) => ({ lock: elsewhere(lock, server), writer })))
      const load = writers.map(async ({ lock, writer }) => {
        const answers = await loadUntilGone(lock, writer + 10 * round)
        answered.set(lock.lockId, [...(answered.get(lock.lockId) ?? []), ...answers])
      })
      const first = elsewhere(locks[0] ?? expect.fail("no lock"), server)
      await vi.waitUntil(async () => ((await first.get("details")).body.version ?? 0) > 150 * round, {
        timeout: 60_000
      })
      await server.kill()
      await Promise.all(load)
    }
    await using server = await startServer(configured(folder.path))
    const ownedNow: Array<TestLock> = []
    for (const lock of locks.map((lock) => elsewhere(lock, server))) {
      const history = await historyOf(lock)
      expect(history.length).toBeGreaterThan(50)
      expect(history.map(({ version }) => version)).toEqual(versionsUpTo(history.length))
      for (const { body } of answered.get(lock.lockId) ?? []) {
        // Without an event it was so already, and nothing was written.
        if (body.event !== null) expect(history[(body.version ?? 0) - 1]?.event).toEqual(body.event)
      }
      // What was under way at the kill settles soon; until then whatever changes the lock waits, and this surely does.
      await vi.waitUntil(async () => (await lock.post("SetOwner", { userId: STRANGER })).status === 200, {
        timeout: 60_000
      })
      expect((await lock.post("SetOwner", { userId: OWNER })).status).toBe(200)
      ownedNow.push(lock)
    }
    const { body } = await callsOf(server.url, superKey)("GET", `/users/${OWNER}/owned-locks`)
    expect(body.totalCount).toBe(locks.length)
    for (const [index, lock] of ownedNow.entries()) await agreesWithTheLog(lock, body.locks?.[index] ?? {})
    await server.kill()

    for (const lock of locks) await expectAgreement(folder.path, lock)
    const live = readModelIn(folder.path)
    await rebuildIn(folder.path)
    expect(readModelIn(folder.path)).toEqual(live)
  })
})

/** Log and shadow hold the same device commands, and the log holds each once. */
const expectAgreement = async (folder: string, lock: TestLock) => {
  const feed = (await feedIn(folder)).filter(({ streamId }) => streamId === `lock-${lock.lockId}`)
  expect(feed.map(({ version }) => version)).toEqual(versionsUpTo(feed.length))
  const logged = feed
    .filter(({ type }) => type === "KeyAdded" || type === "LockOpenRequested")
    .map(({ commandId }) => commandId)
  expect(new Set(logged).size).toBe(logged.length)
  expect((await commandsInShadow(folder, lock.uuid)).toSorted()).toEqual(logged.toSorted())
  return logged
}

describe.concurrent("at a step of the two-step append", () => {
  /** Whether the shadow has the command by then: it decides what becomes of it. */
  it.for([
    ["before prepare", 0],
    ["prepared", 0],
    ["sent", 1],
    ["committed", 1]
  ] as const)("%s: log and shadow agree after the restart", async ([step, outcome], { expect }) => {
    using folder = temporaryFolder()
    const once = { "idempotency-key": newUuid() }
    const request = { keyUuid: "key-in-doubt" }
    const lock = await (async () => {
      await using held = await startServer({ ...configured(folder.path), HOLD_AT: step }, HELD_SERVER)
      const lock = await createLock(held.url)
      const lost = lock.post("AddKey", request, once).catch(() => "lost")
      await vi.waitUntil(() => held.output().includes(`Reached ${step}`), { timeout: 60_000 })
      await held.kill()
      expect(await lost).toBe("lost")
      return lock
    })()

    await using server = await startServer(configured(folder.path))
    const again = elsewhere(lock, server)
    // Reads never wait, and show nothing that may still come to nothing.
    expect((await again.get("details")).status).toBe(200)
    await vi.waitUntil(async () => (await again.post("SetOwner", { userId: OWNER })).status === 200, {
      timeout: 60_000
    })
    expect((await again.get("details")).body.keys).toHaveLength(outcome)
    server.signal("SIGTERM")
    await server.ended
    expect(await expectAgreement(folder.path, lock)).toHaveLength(outcome)

    // Whoever retries has their answer, and the device is told once in all.
    await using last = await startServer(configured(folder.path))
    const retried = await elsewhere(lock, last).post("AddKey", request, once)
    expect(retried.status).toBe(200)
    await last.kill()
    expect(await expectAgreement(folder.path, lock)).toHaveLength(1)
  })
})

it("a bulk request goes on where it was killed, and adds every key once", async () => {
  using folder = temporaryFolder()
  const keys = versionsUpTo(40).map((n) => ({ keyUuid: `key-${n}`, keyIndexNumber: n }))
  const { lock, instanceId } = await (async () => {
    await using held = await startServer({ ...configured(folder.path), HOLD_SEND: "7" }, HELD_SERVER)
    const lock = await createLock(held.url)
    const { instanceId } = (await lock.post("BulkAddKeys", { keys: [...keys, { keyUuid: "key-1" }] })).body
    const progress = () => lock.get(`BulkAddKeys/${instanceId}`)
    await vi.waitUntil(async () => ((await progress()).body.added ?? 0) >= 5, { timeout: 60_000, interval: 10 })
    await held.kill()
    return { lock, instanceId }
  })()
  const ended = (await feedIn(folder.path)).filter(({ type }) => type === "BulkKeyAdded").length
  expect(ended).toBeGreaterThanOrEqual(5)
  expect(ended).toBeLessThan(7)
  await using server = await startServer(configured(folder.path))
  const again = elsewhere(lock, server)
  const progress = async () => (await again.get(`BulkAddKeys/${instanceId}`)).body
  await vi.waitUntil(async () => (await progress()).status === "done", { timeout: 60_000 })
  expect(await progress()).toMatchObject({ added: 40, failed: [{ keyUuid: "key-1", reason: expect.any(String) }] })
  expect((await again.get("details")).body.keys?.map(({ uuid }) => uuid)).toEqual(keys.map(({ keyUuid }) => keyUuid))
  await server.kill()
  expect(await expectAgreement(folder.path, lock)).toHaveLength(40)
})
