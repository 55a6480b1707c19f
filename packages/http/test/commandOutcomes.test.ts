/** What became of a command: asked for by its id, waited for, and told to nobody else. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { bearer, HOLDER, OWNER, superKey, token } from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { createLock, furnishedLock, historyOf, newUuid, type TestLock, tempKey } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"
import { pathTo } from "./harness/routes.ts"

let server: InProcess
beforeAll(async () => {
  server = await startInProcess()
})
afterAll(() => server.stop())

type Said = { readonly outcome: "done" | "failed" | "expired"; readonly began?: boolean; readonly detail?: string }
const answer = (thing: string, commandId: string, said: Said) =>
  Effect.runPromise(server.shadow.report({ _tag: "CommandOutcome", thing, commandId, at: 1_788_166_800_000, ...said }))

const bodyOf = ({ text }: { readonly text: string }) => JSON.parse(text)
const sent = async (lock: TestLock, command = "OpenLock", body = {}) => {
  const answered = await lock.post(command, body)
  expect(answered.status).toBe(200)
  return bodyOf(answered)
}
const statusOf = async (lock: TestLock, commandId: string, query = "") =>
  bodyOf(await lock.get(`commands/${commandId}${query}`))

describe("an answer to OpenLock", () => {
  it("says whether the lock is away, and under which id what becomes of it is told, once for each Idempotency-Key", async () => {
    const lock = await createLock(server.url)
    const presence = (online: boolean) =>
      Effect.runPromise(server.shadow.report({ _tag: "Presence", thing: lock.uuid, online, at: Date.now() }))
    expect(await sent(lock)).toMatchObject({ offline: true, commandId: expect.any(String) })
    await presence(true)
    await vi.waitUntil(async () => (await sent(lock)).offline === false, { timeout: 60_000 })
    const headers = { "idempotency-key": newUuid() }
    const once = bodyOf(await lock.post("OpenLock", {}, headers))
    expect(bodyOf(await lock.post("OpenLock", {}, headers)).commandId).toBe(once.commandId)
    expect(await statusOf(lock, once.commandId)).toMatchObject({ status: "pending", type: "OpenLock" })
  })
})

describe("what became of a command", () => {
  it("is answered as it is, by whichever of the commands of a lock", async () => {
    const lock = await createLock(server.url)
    const add = await sent(lock, "AddKey", { keyUuid: "key-1" })
    expect(await statusOf(lock, add.commandId)).toEqual({
      success: true,
      lockId: lock.lockId,
      commandId: add.commandId,
      type: "AddKey",
      status: "pending",
      requestedAt: expect.any(String),
      acceptedAt: expect.any(String)
    })
    await answer(lock.uuid, add.commandId, { outcome: "failed", began: false, detail: "no such slot" })
    expect(await statusOf(lock, add.commandId, "?wait=10")).toMatchObject({
      status: "failed",
      began: false,
      detail: "no such slot",
      reportedAt: "2026-08-31T09:00:00.000Z"
    })
    for (const outcome of ["done", "expired"] as const) {
      const open = await sent(lock)
      await answer(lock.uuid, open.commandId, { outcome })
      expect(await statusOf(lock, open.commandId, "?wait=10")).toMatchObject({ status: outcome })
    }
  })

  it("is still known when the lock remembers it no more", async () => {
    const lock = await createLock(server.url)
    const ids: Array<string> = []
    for (let n = 0; n < 12; n++) {
      const { commandId } = await sent(lock)
      ids.push(commandId)
      await answer(lock.uuid, commandId, { outcome: "done" })
      expect(await statusOf(lock, commandId, "?wait=10")).toMatchObject({ status: "done" })
    }
    expect(bodyOf(await lock.get("details")).recentOutcomes).toHaveLength(10)
    expect(await statusOf(lock, ids[0] ?? "")).toMatchObject({ commandId: ids[0], status: "done" })
  })

  it.each([
    ["its key is removed", "KeyRemoved", { keyUuid: "key-1" }],
    ["its lock is retired", "LockRetired", {}],
    ["its lock is given another device", "ClaimMoved", { uuid: newUuid() }]
  ] as const)("is superseded when %s, and who waits for it is told at once", async (_, event, body) => {
    const lock = await createLock(server.url)
    const { commandId } = await sent(lock, "AddKey", { keyUuid: "key-1" })
    const waiting = statusOf(lock, commandId, "?wait=20")
    expect(await statusOf(lock, commandId)).toMatchObject({ status: "pending" })
    expect(await callsOf(server.url, superKey)("POST", `${lock.path}/${pathTo(event)}`, { body })).toMatchObject({
      status: 200
    })
    expect(await waiting).toMatchObject({ status: "superseded" })
  })

  it("is superseded when the lock has other hardware, and what that hardware then says changes nothing", async () => {
    const lock = await createLock(server.url)
    const { commandId } = await sent(lock)
    const waiting = statusOf(lock, commandId, "?wait=20")
    const asOperator = callsOf(server.url, superKey)
    const changed = await asOperator("POST", `${lock.path}/${pathTo("LockUuidChanged")}`, {
      body: { newUuid: newUuid() }
    })
    expect(changed.status).toBe(200)
    expect(await waiting).toMatchObject({ status: "superseded" })
  })

  it("is waited for until the lock answers, and no longer than asked", async () => {
    const lock = await createLock(server.url)
    const { commandId } = await sent(lock)
    expect(await statusOf(lock, commandId, "?wait=1")).toMatchObject({ status: "pending" })
    const waiting = Array.from({ length: 20 }, () => statusOf(lock, commandId, "?wait=25"))
    await answer(lock.uuid, commandId, { outcome: "done" })
    for (const one of await Promise.all(waiting)) expect(one).toMatchObject({ status: "done" })
  })

  it("is 404 of another lock's command, and of what was never sent", async () => {
    const [lock, other] = [await createLock(server.url), await createLock(server.url)]
    const { commandId } = await sent(lock)
    const owner = bodyOf(await lock.post("SetOwner", { userId: "ada" }))
    expect(owner).not.toHaveProperty("commandId")
    for (const [at, id] of [
      [other, commandId],
      [lock, newUuid()],
      [lock, `${commandId}-outcome`],
      [lock, "a".repeat(2_000)],
      [lock, "%F0%9F%94%91"]
    ] as const) {
      const { status, body } = await at.get(`commands/${id}`)
      expect([status, body.error]).toEqual([404, "Command not found"])
    }
    for (const query of ["?wait=31", "?wait=-1", "?wait=x", "?wait=1.5", "?waits=1"])
      expect([query, (await lock.get(`commands/${commandId}${query}`)).status]).toEqual([query, 400])
  })

  it("is told to key holders of what they asked themselves, and to nobody of another time", async () => {
    const lock = await furnishedLock(server.url)
    const as = (userId: string): TestLock => {
      const calls = callsOf(server.url, bearer(token({ sub: userId })))
      return {
        ...lock,
        post: (command, body = {}) => calls("POST", `${lock.path}/${command}`, { body }),
        get: (question) => calls("GET", `${lock.path}/${question}`)
      }
    }
    const [holder, owner] = [as(HOLDER), as(OWNER)]
    const [theirs, mine] = [await sent(owner), await sent(holder)]
    expect((await holder.get(`commands/${theirs.commandId}`)).status).toBe(404)
    expect(await statusOf(holder, mine.commandId)).toMatchObject({ status: "pending" })
    expect(await statusOf(owner, mine.commandId)).toMatchObject({ status: "pending" })
    const next = newUuid()
    expect((await lock.post("SetOwner", { userId: next })).status).toBe(200)
    expect((await owner.get(`commands/${theirs.commandId}`)).status).toBe(403)
    expect((await as(next).get(`commands/${theirs.commandId}`)).status).toBe(404)
  })
})

describe("a use of a temp key that opened nothing", () => {
  it("is given back, at most three times a day, and the history says so", async () => {
    const lock = await createLock(server.url)
    const key = tempKey({ maxUses: 5 })
    expect((await lock.post("create-temp-key", key)).status).toBe(200)
    const usedCount = async () => bodyOf(await lock.get("temp-keys")).tempKeys[0].usedCount
    for (let n = 1; n <= 5; n++) {
      const opened = await fetch(`${server.url}/temp-keys/${key.tempKeyUuid}/open`, { method: "POST" })
      expect(opened.status).toBe(200)
      const { pendingCommands } = bodyOf(await lock.get("details"))
      const { commandId } = pendingCommands.at(-1)
      await answer(lock.uuid, commandId, n % 2 === 0 ? { outcome: "expired" } : { outcome: "failed", began: false })
      const status = await statusOf(lock, commandId, "?wait=10")
      expect([n, status.useReturned]).toEqual([n, n <= 3 ? true : undefined])
      expect(await usedCount()).toBe(Math.max(0, n - 3))
    }
    const returned = (await historyOf(lock)).filter(({ type }) => type === "TempKeyUseReturned")
    expect(returned).toHaveLength(3)
    expect(JSON.stringify(await lock.get("events"))).not.toContain('"credentialUuid"')
  })
})
